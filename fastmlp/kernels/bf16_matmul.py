"""bf16 products: float32 sums of products of bf16 numbers, by AMX or AVX512-BF16.

    C = C0 + A B        A (rows, K) and B (K, columns), K = 32 n_blocks, each matrix a sum of bf16 terms

A and B are packed in tiles of 16 x 16 words, each a pair of bf16 numbers (`fastmlp.codegen.bf16`): a row of A's tile is
the next 32 steps of one row's sum, a row of B's a pair of steps for 16 columns. The terms of a block of 32 steps follow
each other, then those of the next block, then those of the next row (A) or column (B) of tiles.

Summation order. AMX, AVX512-BF16 and `fastmlp.reference.products.bf16_product` add in the same order. A block of 32
steps is summed in two chains of fused multiply-adds from zero, of the even and of the odd steps; their sum is added to
C. Blocks are added in order, and within a block the products of terms: the first term of B with each of A, then the
second. With terms numbered from 0, term i of A is multiplied by term j of B only if i + j is less than the number of
A's terms: the omitted products are smaller than the error of the terms. A block is summed as Intel's manual defines
TDPBF16PS; subnormal numbers are zero.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fastmlp.codegen import cpu
from fastmlp.codegen.bf16 import PAIRS
from fastmlp.codegen.bf16_tiles import TILE, WORDS
from fastmlp.codegen.integers import smaller
from fastmlp.codegen.jit import kernel
from fastmlp.codegen.simd import I64, Vector, address
from fastmlp.kernels.matmul import block
from fastmlp.kernels.microkernel import Operand, emit_sums, emit_tile

#: Columns of tiles per register tile, and on AMX as many rows of them: 4 of its 8 tile registers hold sums, 2 and 2 the
#: tiles of A and B.
COLUMNS = 2
#: MR of AVX512-BF16's register tile, whose sums take two registers each, one per chain. Zen 4, two vectors wide, share
#: of the bf16 peak: 6 rows 0.86, 12 rows 0.77; four vectors wide: 6 rows 0.78, 5 rows 0.79.
VECTOR_HEIGHTS = ((6, 4, 2, 1), (6, 4, 2, 1))
AMX_HEIGHTS = ((2, 1), (2, 1))
#: First tile registers of A and of B; those of C come before.
A_REGISTER, B_REGISTER = 4, 6

_BYTE = ir.IntType(8)


@kernel
def bf16_product(C, C0, A, B, n_rows, n_columns, sizes):
    """``C = C0 + A B``, C (n_rows, n_columns); A and B are pointers to their tiles, C0 may have a row stride of 0.

    sizes: (rows in a tile of A, blocks of a sum, terms of A, terms of B). Columns are computed to the end of a tile, on
    AMX rows too, so C must have room for them.
    """
    height, n_blocks, a_terms, b_terms = sizes
    n_tiles = (n_columns + WORDS - 1) // WORDS
    for v in range(0, n_tiles, COLUMNS):
        tiles, row = smaller(COLUMNS, n_tiles - v), 0
        b = address(B, v * n_blocks * b_terms * TILE)
        while row < n_rows:
            a = address(A, row // height * (n_blocks * a_terms * TILE) + row % height * WORDS)
            c, c0 = block(C, row, v * WORDS), block(C0, row, v * WORDS)
            rows_left = n_rows - row, height - row % height
            row += bf16_tile(c, c0, a, b, rows_left, tiles, sizes)


@intrinsic
def bf16_tile(_: Any, C: Any, C0: Any, A: Any, B: Any, rows_left: Any, tiles: Any, sizes: Any) -> Any:
    """``C = C0 + A B`` on as many rows as one register tile holds; returns their number.

    rows_left: rows of C, and of the tile of A, from the register tile's first row on.
    """

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        vector = context.get_data_type(Vector(C[0].dtype))
        c, c0 = (Operand.of(builder, value, vector) for value in args[:2])
        height, n_blocks, a_terms, b_terms = (builder.extract_value(args[6], i) for i in range(4))
        operands = _Tiles(builder, args[2], n_blocks, a_terms), _Tiles(builder, args[3], n_blocks, b_terms)
        of_C, of_tile = (builder.extract_value(args[4], i) for i in range(2))
        instructions = cpu.bf16_instructions() if vector.count == WORDS else ""
        if instructions == "amx":
            n_rows = builder.select(builder.icmp_signed(">", of_C, height), I64(2), I64(1))

            def block(rows: int, columns: int) -> None:
                _emit_amx(builder, c, c0, operands, (rows, columns), height)

            return builder.mul(emit_tile(builder, n_rows, args[5], block, AMX_HEIGHTS), height)
        if instructions == "avx512bf16":

            def tile(rows: int, columns: int) -> None:
                _emit_vectors(builder, c, c0, operands, (rows, columns))

            rows = builder.select(builder.icmp_signed("<", of_C, of_tile), of_C, of_tile)
            return emit_tile(builder, rows, args[5], tile, VECTOR_HEIGHTS)
        return of_C  # never called on a CPU without the instructions, but compiled there too

    return types.intp(C, C0, A, B, rows_left, types.intp, sizes), emit


class _Tiles:
    """Emits the addresses of an operand's tiles."""

    def __init__(self, builder: ir.IRBuilder, base: ir.Value, n_blocks: ir.Value, terms: ir.Value) -> None:
        self.builder, self.base, self.n_blocks, self.terms = builder, base, n_blocks, terms
        #: Words from one row (A) or column (B) of tiles to the next.
        self.stride = builder.mul(builder.mul(n_blocks, terms), I64(TILE))

    def at(self, block: ir.Value, term: ir.Value) -> ir.Value:
        index = self.builder.add(self.builder.mul(block, self.terms), term)
        return self.builder.gep(self.base, [self.builder.mul(index, I64(TILE))])


def _emit_vectors(
    builder: ir.IRBuilder, C: Operand, C0: Operand, operands: tuple[_Tiles, _Tiles], size: tuple[int, int]
) -> None:
    """A register tile of rows x vectors by AVX512-BF16. The sums of a block fill the registers, so C stays in L1."""
    A, B = operands
    (rows, vectors), vector, zero = size, C.vector, ir.Constant(C.vector, None)
    with (
        cgutils.for_range(builder, A.n_blocks) as blocks,
        cgutils.for_range(builder, B.terms) as b_terms,
        cgutils.for_range(builder, builder.sub(A.terms, b_terms.index)) as a_terms,
    ):
        a, b = A.at(blocks.index, a_terms.index), B.at(blocks.index, b_terms.index)
        is_first = _is_first(builder, blocks.index, b_terms.index, a_terms.index)
        start = Operand(
            builder,
            (
                builder.select(is_first, C0.base, C.base),
                builder.select(is_first, C0.row_stride, C.row_stride),
                I64(1),
            ),
            vector,
        )
        chains = []
        for chain in range(2):
            half = I64(chain * WORDS // 2)
            a_rows = Operand(builder, (builder.gep(a, [half]), I64(WORDS), I64(1)), vector)
            b_rows = Operand(builder, (builder.gep(b, [builder.mul(half, I64(WORDS))]), I64(WORDS), I64(1)), vector)
            b_rows.vector_stride = B.stride
            zeros = [[zero] * vectors for _ in range(rows)]
            chains.append(emit_sums(builder, zeros, a_rows, b_rows, I64(WORDS // 2), _add_pairs))
        for r in range(rows):
            targets, sources = C.vectors(C.row(I64(r)), vectors), start.vectors(start.row(I64(r)), vectors)
            for even, odd, source, target in zip(*(chain[r] for chain in chains), sources, targets, strict=True):
                C.store(builder.fadd(start.load(source), builder.fadd(even, odd)), target)


def _is_first(builder: ir.IRBuilder, *indices: ir.Value) -> ir.Value:
    total = indices[0]
    for index in indices[1:]:
        total = builder.or_(total, index)
    return builder.icmp_signed("==", total, I64(0))


def _add_pairs(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, total: ir.Value) -> ir.Value:
    """Add the products of the upper halves, then those of the lower halves, each by a fused multiply-add."""
    declared = ir.FunctionType(total.type, [total.type, PAIRS, PAIRS])
    function = cgutils.get_or_insert_function(builder.module, declared, "llvm.x86.avx512bf16.dpbf16ps.512")
    return builder.call(function, [total, builder.bitcast(a, PAIRS), builder.bitcast(b, PAIRS)])


def _emit_amx(
    builder: ir.IRBuilder,
    C: Operand,
    C0: Operand,
    operands: tuple[_Tiles, _Tiles],
    size: tuple[int, int],
    height: ir.Value,
) -> None:
    """Rows x columns of AMX tiles: C stays in tile registers from the first block to the last."""
    (A, B), (rows, columns) = operands, size
    sums = {(r, v): r * COLUMNS + v for r in range(rows) for v in range(columns)}

    def corner(matrix: Operand, r: int, v: int) -> ir.Value:
        row = builder.mul(matrix.row_stride, builder.mul(height, I64(r)))
        return builder.gep(matrix.base, [builder.add(row, I64(v * WORDS))])

    for (r, v), register in sums.items():
        _tile_move(builder, "tileloadd64", register, corner(C0, r, v), C0.row_stride)
    with cgutils.for_range(builder, A.n_blocks) as blocks, cgutils.for_range(builder, B.terms) as b_terms:
        b = B.at(blocks.index, b_terms.index)
        for v in range(columns):
            pointer = builder.gep(b, [builder.mul(B.stride, I64(v))])
            _tile_move(builder, "tileloadd64", B_REGISTER + v, pointer, I64(WORDS))
        with cgutils.for_range(builder, builder.sub(A.terms, b_terms.index)) as a_terms:
            a = A.at(blocks.index, a_terms.index)
            for r in range(rows):
                pointer = builder.gep(a, [builder.mul(A.stride, I64(r))])
                _tile_move(builder, "tileloadd64", A_REGISTER + r, pointer, I64(WORDS))
            for (r, v), register in sums.items():
                _tile_call(builder, "tdpbf16ps", register, A_REGISTER + r, B_REGISTER + v)
    for (r, v), register in sums.items():
        _tile_move(builder, "tilestored64", register, corner(C, r, v), C.row_stride)


def _tile_call(builder: ir.IRBuilder, name: str, *operands: int | ir.Value) -> None:
    values = [_BYTE(operand) if isinstance(operand, int) else operand for operand in operands]
    declared = ir.FunctionType(ir.VoidType(), [value.type for value in values])
    builder.call(cgutils.get_or_insert_function(builder.module, declared, f"llvm.x86.{name}"), values)


def _tile_move(builder: ir.IRBuilder, name: str, register: int, pointer: ir.Value, row_stride: ir.Value) -> None:
    """Load or store a tile register, row_stride words from one row to the next."""
    base = builder.bitcast(pointer, _BYTE.as_pointer())
    _tile_call(builder, name, register, base, builder.mul(row_stride, I64(4)))


@intrinsic
def tiles_configure(_: Any, height: Any) -> Any:
    """Configure AMX's tile registers, those of A for `height` rows; nothing to do for AVX512-BF16."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        if cpu.bf16_instructions() == "amx":
            _tile_call(builder, "ldtilecfg", _configuration(builder, args[0]))
        return context.get_dummy_value()

    return types.void(height), emit


def _configuration(builder: ir.IRBuilder, height: ir.Value) -> ir.Value:
    """The 64 bytes of LDTILECFG: palette 1; from byte 16 the bytes per row of each tile, from byte 48 its rows."""
    table = cgutils.alloca_once(builder, ir.ArrayType(_BYTE, 64))
    builder.store(ir.Constant(table.type.pointee, [1] + [0] * 63), table)
    rows = builder.trunc(height, _BYTE)
    for register in range(8):
        for byte, value in (
            (16 + 2 * register, _BYTE(WORDS * 4)),
            (48 + register, rows if register < B_REGISTER else _BYTE(WORDS)),
        ):
            builder.store(value, builder.gep(table, [I64(0), I64(byte)]))
    return builder.bitcast(table, _BYTE.as_pointer())


@intrinsic
def tiles_release(_: Any) -> Any:
    """Release AMX's tile registers, so that the operating system need not save them for this thread."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        if cpu.bf16_instructions() == "amx":
            _tile_call(builder, "tilerelease")
        return context.get_dummy_value()

    return types.void(), emit
