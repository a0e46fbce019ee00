"""The micro-kernel: emits the register tile, the inner loop of every matrix product.

    C = C0 + A B                      C (MR x NR), A (MR x K), B (K x NR), NR = vectors * lanes
    C = C + alpha (beta C + A B)      the same loop from zero; its sums are used while they are in registers

                              NR
                         +----------+
                      K  |    B     |  one load per vector and step of K
                         +----------+
              K
         +---------+     +----------+
      MR |    A    |  MR |    C     |  MR x vectors accumulators in registers, started from C0 (or from zero)
         +---------+     +----------+
         one broadcast per row and step of K

Each accumulator is one chain of fused multiply-adds in the order of K. Vectors run along the columns of C, so that no
sum is split among lanes: the bits are those of the scalar loop, whatever MR, NR and the width of a vector.

Edges. The tallest tile of the requested width is taken, but the last rows are divided so that the tiles have enough
accumulators (`first_heights`). A partial last vector is computed whole: every row is padded to whole vectors. With
AVX-512, emitting a loop for every height, not for some, made the first compilation twice as long and no product faster.

docs/kernels.md has the layouts of the operands and the order of the sums.
"""

from collections.abc import Callable, Iterable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fastmlp.codegen import cpu
from fastmlp.codegen.simd import I64, Vector, call, pointer_to, splat

#: MR of a tile that is 1, 2, ... vectors wide, the tallest first.
TILE_HEIGHTS = cpu.tile_heights()
#: Greatest width of a tile, and of one that has several rows.
WIDEST_ROW, MAX_VECTORS = len(TILE_HEIGHTS), sum(len(heights) > 1 for heights in TILE_HEIGHTS)
#: Rows of A that share an address register, see `row_addresses`.
ROWS_PER_ADDRESS = 6
#: Fewest accumulators that keep the units for fused multiply-adds busy, at a latency of four cycles: two units (Zen 3
#: to 5, Intel since Skylake), or four on Arm (Apple M1, Neoverse V1; Neoverse N1 has two). This is computed.
MIN_CHAINS = 16 if cpu.is_arm() else 8


Tile = list[list[ir.Value]]


class Operand:
    """Emits the addresses, loads and stores of a matrix."""

    def __init__(self, builder: ir.IRBuilder, parts: Iterable[ir.Value], vector: ir.VectorType) -> None:
        self.builder, self.vector = builder, vector
        self.align = 4 if isinstance(vector.element, ir.FloatType) else 8
        self.base, self.row_stride, self.column_stride = parts
        #: Elements from one vector of a row to the next.
        self.vector_stride: ir.Value = I64(vector.count)

    @classmethod
    def of(cls, builder: ir.IRBuilder, matrix: ir.Value, vector: ir.VectorType) -> "Operand":
        """The operand for a matrix as kernels pass it: (pointer, row stride, column stride)."""
        return cls(builder, (builder.extract_value(matrix, i) for i in range(3)), vector)

    def row(self, index: ir.Value) -> ir.Value:
        """Address of a row."""
        return self.builder.gep(self.base, [self.builder.mul(self.row_stride, index)])

    def vectors(self, row: ir.Value, count: int) -> list[ir.Value]:
        """Addresses of a row's first vectors."""
        offsets = [self.builder.mul(self.vector_stride, I64(i)) for i in range(count)]
        return [pointer_to(self.builder, row, offset, self.vector) for offset in offsets]

    def load(self, pointer: ir.Value) -> ir.Value:
        """Load a vector that need not be aligned to its size."""
        return self.builder.load(pointer, align=self.align)

    def store(self, value: ir.Value, pointer: ir.Value) -> None:
        """Store a vector to an address that need not be aligned to its size."""
        self.builder.store(value, pointer, align=self.align)


class IndexedRows(Operand):
    """A matrix whose row k is the row ``indices[k]`` of another, for a product with the non-zeros of a sparse row."""

    def __init__(self, builder: ir.IRBuilder, matrix: ir.Value, indices: ir.Value, vector: ir.VectorType) -> None:
        super().__init__(builder, (builder.extract_value(matrix, i) for i in range(3)), vector)
        self.indices = indices

    def row(self, index: ir.Value) -> ir.Value:
        """Address of a row."""
        row = self.builder.load(self.builder.gep(self.indices, [index]))
        return super().row(self.builder.sext(row, I64))


@intrinsic
def product_tile(_: Any, C: Any, C0: Any, A: Any, B: Any, rows_left: Any, vectors: Any, K: Any) -> Any:
    """``C = C0 + A B`` on the first tile of the rows that are left; returns its height.

    Parameters
    ----------
    C, C0, A, B : matrix
        As `fastmlp.kernels.matmul.product` describes them, each from the tile's first row and column on.
    rows_left : int
        Rows of C from the tile's first row on, at least 1, by which `first_heights` selects MR.
    vectors : int
        NR in vectors, from 1 to MAX_VECTORS, or to WIDEST_ROW where a single row is left.
    K : int
        Number of products in each sum.
    """
    vector = Vector(C[0].dtype)

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        C, C0, A, B = (Operand.of(builder, value, context.get_data_type(vector)) for value in args[:4])

        def tile(rows: int, vectors: int) -> None:
            start = [[C.load(p) for p in C0.vectors(C0.row(I64(r)), vectors)] for r in range(rows)]
            for r, row in enumerate(emit_sums(builder, start, A, B, args[6])):
                for pointer, total in zip(C.vectors(C.row(I64(r)), vectors), row, strict=True):
                    C.store(total, pointer)

        return emit_tile(builder, args[4], args[5], tile)

    return types.intp(C, C0, A, B, types.intp, types.intp, types.intp), emit


@intrinsic
def descent_tile(_: Any, C: Any, A: Any, B: Any, alpha: Any, beta: Any, rows_left: Any, vectors: Any, K: Any) -> Any:
    """``C = C + alpha (beta C + A B)`` on the first tile of the rows that are left; returns its height.

    alpha and beta are those of `fastmlp.kernels.matmul.product_descent`, the others those of `product_tile`.
    """
    dtype = C[0].dtype
    vector = Vector(dtype)

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        C, A, B = (Operand.of(builder, value, context.get_data_type(vector)) for value in args[:3])
        alpha, beta = (splat(builder, number, vector.lanes) for number in args[3:5])
        zero = ir.Constant(C.vector, None)

        def tile(rows: int, vectors: int) -> None:
            sums = emit_sums(builder, [[zero] * vectors for _ in range(rows)], A, B, args[7])
            for r, row in enumerate(sums):
                for pointer, total in zip(C.vectors(C.row(I64(r)), vectors), row, strict=True):
                    c = C.load(pointer)
                    C.store(call(builder, "fma", [alpha, call(builder, "fma", [beta, c, total]), c]), pointer)

        return emit_tile(builder, args[5], args[6], tile)

    return types.intp(C, A, B, dtype, dtype, types.intp, types.intp, types.intp), emit


@intrinsic
def sparse_product_tile(_: Any, C: Any, C0: Any, A: Any, B: Any, indices: Any, vectors: Any, K: Any) -> Any:
    """``C = C0 + A B`` on the first tile of a single row, A being the non-zeros of a sparse row.

    Parameters
    ----------
    C, C0, A, B : matrix
        As for `product_tile`, A with K elements.
    indices : pointer to int32
        The row of B that belongs to each element of A.
    vectors : int
        NR in vectors, from 1 to WIDEST_ROW.
    K : int
        Number of non-zeros.
    """
    vector = Vector(C[0].dtype)

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        C, C0, A = (Operand.of(builder, value, context.get_data_type(vector)) for value in args[:3])
        B = IndexedRows(builder, args[3], args[4], context.get_data_type(vector))

        def tile(_: int, vectors: int) -> None:
            start = [[C.load(p) for p in C0.vectors(C0.base, vectors)]]
            totals = emit_sums(builder, start, A, B, args[6])[0]
            for pointer, total in zip(C.vectors(C.base, vectors), totals, strict=True):
                C.store(total, pointer)

        emit_tile(builder, I64(1), args[5], tile, ((1,),) * WIDEST_ROW)
        return context.get_dummy_value()

    return types.void(C, C0, A, B, indices, types.intp, types.intp), emit


def emit_tile(
    builder: ir.IRBuilder,
    rows_left: ir.Value,
    vectors: ir.Value,
    tile: Callable[[int, int], None],
    tile_heights: tuple[tuple[int, ...], ...] = TILE_HEIGHTS,
) -> ir.Value:
    """Emit a tile of every height and width, and the choice among them; returns the height of the one that is run."""
    height = cgutils.alloca_once_value(builder, I64(1))
    done = builder.append_basic_block("tile.done")
    choice = builder.switch(vectors, done)
    for n_vectors, heights in enumerate(tile_heights, 1):
        block = builder.append_basic_block(f"tile.{n_vectors}")
        choice.add_case(I64(n_vectors), block)
        builder.position_at_end(block)
        blocks = {n_rows: builder.append_basic_block(f"tile.{n_rows}x{n_vectors}") for n_rows in heights}
        choice_of_height = builder.switch(rows_left, blocks[max(heights)])
        for n_left, n_rows in first_heights(heights, n_vectors).items():
            choice_of_height.add_case(I64(n_left), blocks[n_rows])
        for n_rows, block in blocks.items():
            builder.position_at_end(block)
            tile(n_rows, n_vectors)
            builder.store(I64(n_rows), height)
            builder.branch(done)
    builder.position_at_end(done)
    return builder.load(height)


def first_heights(heights: tuple[int, ...], n_vectors: int) -> dict[int, int]:
    """Height of the next tile by the number of rows left, below three times the tallest; from there on, the tallest.

    The time of a step of K is taken as proportional to the accumulators of a tile, but at least to `MIN_CHAINS`, plus
    one per tile. The last rows are divided so that the sum is least: 8 rows of 3 vectors are 4 and 4, not 6 and 2.

    Examples
    --------
    >>> first_heights((6, 4, 2, 1), 3)[8]
    4
    """
    times, first = {0: 0}, {}
    for left in range(1, 3 * max(heights)):
        options = [(times[left - h] + max(h * n_vectors, MIN_CHAINS) + 1, h) for h in heights if h <= left]
        times[left], first[left] = min(options, key=lambda option: (option[0], -option[1]))
    return first


def multiply_add(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, total: ir.Value) -> ir.Value:
    """``a b + total``, rounded once."""
    return call(builder, "fma", [a, b, total])


def emit_sums(
    builder: ir.IRBuilder,
    start: Tile,
    A: Operand,
    B: Operand,
    K: ir.Value,
    add: Callable[[ir.IRBuilder, ir.Value, ir.Value, ir.Value], ir.Value] = multiply_add,
) -> Tile:
    """``start + A B``, one list per row, in registers from the first step of K to the last; `add` adds one step."""
    rows, vectors = len(start), len(start[0])
    a_rows = row_addresses(builder, A, rows, K)
    acc = [[cgutils.alloca_once(builder, B.vector) for _ in row] for row in start]
    for r in range(rows):
        for v in range(vectors):
            builder.store(start[r][v], acc[r][v])
    with cgutils.for_range(builder, K) as loop:
        b = [B.load(pointer) for pointer in B.vectors(B.row(loop.index), vectors)]
        offset = builder.mul(loop.index, A.column_stride)
        for r in range(rows):
            a = splat(
                builder,
                element(builder, builder.gep(builder.gep(a_rows[r][0], [offset]), [a_rows[r][1]])),
                B.vector.count,
            )
            for v in range(vectors):
                builder.store(add(builder, a, b[v], builder.load(acc[r][v])), acc[r][v])
        body = builder.basic_block
    # AVX-512 broadcasts from memory within the multiply-add, without a register.
    n_operands = vectors if cpu.vector_bits() == 512 else rows + vectors
    if isinstance(B, IndexedRows) or cpu.is_arm() or rows * vectors + 2 * n_operands > cpu.n_registers():
        disable_unrolling(body.terminator)
    return [[builder.load(total) for total in row] for row in acc]


def row_addresses(builder: ir.IRBuilder, A: Operand, rows: int, K: ir.Value) -> list[tuple[ir.Value, ir.Value]]:
    """(address, offset in elements) of each row of A.

    LLVM computed the addresses of five rows or more by additions, each from the one before: those of a 6 x 2 tile took
    as long as its multiply-adds, six cycles per step of K, and the loop had 29 instructions, where many CPUs with AVX2
    start four per cycle. The exclusive or with 0, which LLVM does not know to be 0, hides how the offsets are related:
    they stay in registers, and the loop has 24. A second address serves the rows from `ROWS_PER_ADDRESS` on. With 32
    registers the loops have the time for these additions; 64-32-10 became 5 to 9 % slower (Zen 5, AVX-512).
    """
    if cpu.n_registers() > 16 or rows <= 4:
        return [(A.row(I64(r)), I64(0)) for r in range(rows)]
    zero = builder.lshr(K, I64(62))
    bases = [A.row(I64(r)) for r in range(0, rows, ROWS_PER_ADDRESS)]
    offsets = [builder.xor(builder.mul(A.row_stride, I64(r)), zero) for r in range(min(rows, ROWS_PER_ADDRESS))]
    return [(bases[r // ROWS_PER_ADDRESS], offsets[r % ROWS_PER_ADDRESS]) for r in range(rows)]


def element(builder: ir.IRBuilder, pointer: ir.Value) -> ir.Value:
    """Load an element of A that is multiplied with vectors of B.

    On Arm, LLVM would load and broadcast it by ``ld1r``, which occupies one of the units for fused multiply-adds on
    Neoverse N1 and Apple M1; and with LLVM 22's model of Neoverse N1, loops of 8 x 3 vectors loaded so many elements
    ahead that they spilled an accumulator. LLVM does not see the load through ``freeze``, which does nothing else. The
    element is then loaded alone, and broadcast by ``fmla`` itself (``v0.s[0]``).
    """
    value = builder.load(pointer)
    if cpu.is_arm():
        value = ir.Instruction(builder.block, value.type, "freeze", [value])
        builder._insert(value)  # llvmlite has no method for this instruction
    return value


def disable_unrolling(branch: ir.Instruction) -> None:
    """Keep LLVM from unrolling the loop that a branch closes.

    An unrolled loop loads the operands of two steps at once: on AVX2, where tiles of 8 x 1 and 4 x 2 vectors then need
    more than 16 registers, LLVM spilled an accumulator in every iteration. On Arm no loop is unrolled: LLVM's model of
    ThunderX2 unrolled tiles of 4 x 4 vectors, with 26 stores of vectors in the loop.
    """
    module = branch.module
    option = module.add_metadata(["llvm.loop.unroll.disable"])
    loop = ir.MDValue(module, (), name=str(len(module.metadata)))
    loop.operands = (loop, option)  # LLVM identifies a loop by metadata whose first operand is itself
    branch.set_metadata("llvm.loop", loop)
