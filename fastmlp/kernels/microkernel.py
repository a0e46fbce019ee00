"""Emits the register tile: the one inner loop of every product.

    C = I + P Q               C (rows, vectors * lanes), P (rows, steps), Q (steps, vectors * lanes)
    C = C + a (b C + P Q)     the same loop from zero, its sums used while they are in registers

                         Q   +----------+  one load a vector and step
                             | vectors  |
        P  +---------+       +----------+
           |  steps  |   C   |accumulate|  rows x vectors registers, started from I (its row stride may be 0)
           +---------+       +----------+
        one broadcast a row and step

Each accumulator is one chain of fused multiply-adds in the order of the steps. Vectors run along columns of C, so no
sum is ever split among lanes. Edges: of the tile's heights the tallest that fits is taken, of its widths the one
asked for; a partial last vector is computed whole, since every row is padded to one. A loop for every height, not for
some, made the first compilation twice as long and no product faster.
"""

from collections.abc import Callable, Iterable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fastmlp import cpu
from fastmlp.simd import I64, Vector, call, pointer_to, splat

#: Heights of a tile that is 1, 2, ... vectors wide, the tallest first.
TILE_HEIGHTS = cpu.tile_heights()
MAX_VECTORS = len(TILE_HEIGHTS)


Tile = list[list[ir.Value]]


class Operand:
    """A matrix in the emitter's hands: addresses of its rows, vectors and elements."""

    def __init__(self, builder: ir.IRBuilder, parts: Iterable[ir.Value], vector: ir.VectorType) -> None:
        self.builder, self.vector = builder, vector
        self.align = 4 if isinstance(vector.element, ir.FloatType) else 8
        self.base, self.row_stride, self.step_stride = parts
        #: Elements from one vector of a row to the next.
        self.spread: ir.Value = I64(vector.count)

    @classmethod
    def of(cls, builder: ir.IRBuilder, matrix: ir.Value, vector: ir.VectorType) -> "Operand":
        """Of a matrix as kernels pass it: (pointer, row stride, column stride)."""
        return cls(builder, (builder.extract_value(matrix, i) for i in range(3)), vector)

    def row(self, index: int) -> ir.Value:
        """Address of a row."""
        return self.builder.gep(self.base, [self.builder.mul(self.row_stride, I64(index))])

    def vectors(self, row: ir.Value, count: int) -> list[ir.Value]:
        """Addresses of a row's first vectors."""
        places = [self.builder.mul(self.spread, I64(i)) for i in range(count)]
        return [pointer_to(self.builder, row, place, self.vector) for place in places]

    def load(self, pointer: ir.Value) -> ir.Value:
        """A vector, whatever its alignment."""
        return self.builder.load(pointer, align=self.align)

    def store(self, value: ir.Value, pointer: ir.Value) -> None:
        """Write a vector, whatever its alignment."""
        self.builder.store(value, pointer, align=self.align)


@intrinsic
def tile_product(_: Any, C: Any, I: Any, P: Any, Q: Any, rows_left: Any, vectors: Any, steps: Any) -> Any:  # noqa: E741
    """``C = I + P Q`` on the tallest register tile that fits into rows_left; gives its height."""
    vector = Vector(C[0].dtype)

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        C, init, P, Q = (Operand.of(builder, value, context.get_data_type(vector)) for value in args[:4])

        def tile(rows: int, vectors: int) -> None:
            start = [[C.load(p) for p in init.vectors(init.row(r), vectors)] for r in range(rows)]
            for r, row in enumerate(emit_sums(builder, start, P, Q, args[6])):
                for pointer, total in zip(C.vectors(C.row(r), vectors), row, strict=True):
                    C.store(total, pointer)

        return emit_tallest(builder, args[4], args[5], tile)

    return types.intp(C, I, P, Q, types.intp, types.intp, types.intp), emit


@intrinsic
def add_tile_product(_: Any, C: Any, P: Any, Q: Any, a: Any, b: Any, rows_left: Any, vectors: Any, steps: Any) -> Any:
    """``C = C + a (b C + P Q)``, a and b numbers, on the tallest tile that fits into rows_left; gives its height."""
    dtype = C[0].dtype
    vector = Vector(dtype)

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        C, P, Q = (Operand.of(builder, value, context.get_data_type(vector)) for value in args[:3])
        a, b = (splat(builder, number, vector.lanes) for number in args[3:5])
        zero = ir.Constant(C.vector, None)

        def tile(rows: int, vectors: int) -> None:
            sums = emit_sums(builder, [[zero] * vectors for _ in range(rows)], P, Q, args[7])
            for r, row in enumerate(sums):
                for pointer, total in zip(C.vectors(C.row(r), vectors), row, strict=True):
                    c = C.load(pointer)
                    C.store(call(builder, "fma", [a, call(builder, "fma", [b, c, total]), c]), pointer)

        return emit_tallest(builder, args[5], args[6], tile)

    return types.intp(C, P, Q, dtype, dtype, types.intp, types.intp, types.intp), emit


def emit_tallest(
    builder: ir.IRBuilder,
    rows_left: ir.Value,
    vectors: ir.Value,
    tile: Callable[[int, int], None],
    tile_heights: tuple[tuple[int, ...], ...] = TILE_HEIGHTS,
) -> ir.Value:
    """Emit a tile of every height and width, and the choice among them; gives the height of the one that is run."""
    height = cgutils.alloca_once_value(builder, I64(1))
    done = builder.append_basic_block("tile.done")
    choice = builder.switch(vectors, done)
    for n_vectors, heights in enumerate(tile_heights, 1):
        block = builder.append_basic_block(f"tile.{n_vectors}")
        choice.add_case(I64(n_vectors), block)
        builder.position_at_end(block)
        for n_rows in heights:
            with builder.if_then(builder.icmp_signed(">=", rows_left, I64(n_rows))):
                tile(n_rows, n_vectors)
                builder.store(I64(n_rows), height)
                builder.branch(done)
        builder.branch(done)
    builder.position_at_end(done)
    return builder.load(height)


def multiply_add(builder: ir.IRBuilder, p: ir.Value, q: ir.Value, total: ir.Value) -> ir.Value:
    """``p q + total``, rounded once."""
    return call(builder, "fma", [p, q, total])


def emit_sums(
    builder: ir.IRBuilder,
    start: Tile,
    P: Operand,
    Q: Operand,
    steps: ir.Value,
    add: Callable[[ir.IRBuilder, ir.Value, ir.Value, ir.Value], ir.Value] = multiply_add,
) -> Tile:
    """``start + P Q``, a list a row, held in registers from the first step to the last; `add` adds a step."""
    rows, vectors = len(start), len(start[0])
    p_rows = [P.row(r) for r in range(rows)]
    acc = [[cgutils.alloca_once(builder, Q.vector) for _ in row] for row in start]
    for r in range(rows):
        for v in range(vectors):
            builder.store(start[r][v], acc[r][v])
    with cgutils.for_range(builder, steps) as loop:
        q = Q.vectors(builder.gep(Q.base, [builder.mul(loop.index, Q.row_stride)]), vectors)
        q = [Q.load(pointer) for pointer in q]
        offset = builder.mul(loop.index, P.step_stride)
        for r in range(rows):
            p = splat(builder, builder.load(builder.gep(p_rows[r], [offset])), Q.vector.count)
            for v in range(vectors):
                builder.store(add(builder, p, q[v], builder.load(acc[r][v])), acc[r][v])
    return [[builder.load(total) for total in row] for row in acc]
