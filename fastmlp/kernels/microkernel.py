"""Emits the register tile: the one inner loop of every product.

    C = I + P Q        C (rows, vectors * lanes), P (rows, steps), Q (steps, vectors * lanes)

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


class _Operand:
    """A matrix in the emitter's hands: addresses of its rows, vectors and elements."""

    def __init__(self, builder: ir.IRBuilder, value: ir.Value, vector: ir.VectorType) -> None:
        self.builder, self.vector = builder, vector
        self.base, self.row_stride, self.step_stride = (builder.extract_value(value, i) for i in range(3))

    def row(self, index: int) -> ir.Value:
        return self.builder.gep(self.base, [self.builder.mul(self.row_stride, I64(index))])

    def vectors(self, row: ir.Value, count: int) -> list[ir.Value]:
        return [pointer_to(self.builder, row, I64(i * self.vector.count), self.vector) for i in range(count)]


@intrinsic
def tile_product(_: Any, C: Any, I: Any, P: Any, Q: Any, rows_left: Any, vectors: Any, steps: Any) -> Any:  # noqa: E741
    """``C = I + P Q`` on the tallest register tile that fits into rows_left; gives its height."""
    vector = Vector(C[0].dtype)

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        operands = [_Operand(builder, value, context.get_data_type(vector)) for value in args[:4]]
        rows_left, vectors, steps = args[4:]
        height = cgutils.alloca_once_value(builder, I64(1))
        done = builder.append_basic_block("tile.done")
        choice = builder.switch(vectors, done)
        for n_vectors, heights in enumerate(TILE_HEIGHTS, 1):
            block = builder.append_basic_block(f"tile.{n_vectors}")
            choice.add_case(I64(n_vectors), block)
            builder.position_at_end(block)
            for n_rows in heights:
                with builder.if_then(builder.icmp_signed(">=", rows_left, I64(n_rows))):
                    _emit_tile(builder, operands, n_rows, n_vectors, steps)
                    builder.store(I64(n_rows), height)
                    builder.branch(done)
            builder.branch(done)
        builder.position_at_end(done)
        return builder.load(height)

    return types.intp(C, I, P, Q, types.intp, types.intp, types.intp), emit


def _emit_tile(builder: ir.IRBuilder, operands: list[_Operand], rows: int, vectors: int, steps: ir.Value) -> None:
    C, init, P, Q = operands
    lanes, align = C.vector.count, 4 if isinstance(C.vector.element, ir.FloatType) else 8
    grid = [(r, v) for r in range(rows) for v in range(vectors)]
    p_rows = [P.row(r) for r in range(rows)]
    first = {(r, v): p for r in range(rows) for v, p in enumerate(init.vectors(init.row(r), vectors))}
    acc = {at: cgutils.alloca_once(builder, C.vector) for at in grid}
    for at in grid:
        builder.store(builder.load(first[at], align=align), acc[at])
    with cgutils.for_range(builder, steps) as loop:
        q = Q.vectors(builder.gep(Q.base, [builder.mul(loop.index, Q.row_stride)]), vectors)
        q = [builder.load(pointer, align=align) for pointer in q]
        offset = builder.mul(loop.index, P.step_stride)
        for r in range(rows):
            p = splat(builder, builder.load(builder.gep(p_rows[r], [offset])), lanes)
            for v in range(vectors):
                builder.store(call(builder, "fma", [p, q[v], builder.load(acc[r, v])]), acc[r, v])
    for r in range(rows):
        for v, pointer in enumerate(C.vectors(C.row(r), vectors)):
            builder.store(builder.load(acc[r, v]), pointer, align=align)
