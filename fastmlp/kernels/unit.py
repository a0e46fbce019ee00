"""The products of the CPU's bf16 units, AMX and AVX512-BF16: float32 sums of products of bf16 numbers.

    C = I + P Q        P (rows, 32 blocks) and Q (32 blocks, columns), each a sum of terms that are bf16

P and Q lie in tiles of 16 x 16 words (`fastmlp.bf16`): a row of P's is an output's next 32 steps, a row of Q's is a
pair of steps for 16 columns. Tiles that follow each other are a block's terms, then the next block's, then those of
the next row (P) or column (Q) of tiles.

Sums. Both units, and `reference.unit_product`, add in one order. A block of 32 steps has two chains of fused
multiply-adds from zero, of the even steps and of the odd ones; their sum is added to C. Blocks follow each other, and
within one the products of terms: Q's first with each of P's, then Q's second. As many of P's as keep the sum of both
numbers below P's terms: what is left out is smaller than what the terms cannot hold. That is TDPBF16PS as Intel's
manual has it; subnormal numbers are zero.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fastmlp import cpu
from fastmlp.bf16 import PAIRS, WORDS
from fastmlp.jit import kernel
from fastmlp.kernels.matmul import block
from fastmlp.kernels.microkernel import Operand, emit_sums, emit_tallest
from fastmlp.simd import I64, Vector, address

#: Words of a tile.
TILE = WORDS * WORDS
#: Columns of tiles that are taken at once, and on AMX as many rows of them: 4 of its 8 registers are sums, 2 and 2
#: hold P's and Q's tiles.
COLUMNS = 2
#: Rows of AVX512-BF16's tile, whose sums are held twice, one a chain. Zen 4, two vectors wide, share of the bf16 peak:
#: 6 rows 0.86, 12 rows 0.77; 6 rows of four vectors 0.78, 5 0.79.
VECTOR_HEIGHTS = ((6, 4, 2, 1), (6, 4, 2, 1))
AMX_HEIGHTS = ((2, 1), (2, 1))
#: AMX's registers, of which the tiles of C come first.
P_REGISTER, Q_REGISTER = 4, 6

_BYTE = ir.IntType(8)


def unit_height(n_outputs: int) -> int:
    """Rows of P in a tile: of AVX512-BF16's two passes of 6; AMX takes its time by the row, so rows are shared out.

    Examples
    --------
    >>> unit_height(100) in (12, 15)
    True
    """
    if cpu.bf16_unit() == "avx512bf16":
        return 12
    n_tiles = -(-n_outputs // WORDS)
    return -(-n_outputs // n_tiles)


@kernel
def unit_product(C, I, P, Q, n_rows, n_columns, sizes):  # noqa: E741
    """``C = I + P Q``, C (n_rows, n_columns); P and Q are their tiles' pointers, I may have a row stride of 0.

    sizes: rows in a tile of P, blocks of a sum, terms of P, terms of Q. Columns are computed to a tile's end; on AMX
    rows too, so C must have them.
    """
    height, n_blocks, p_terms, q_terms = sizes
    n_tiles = (n_columns + WORDS - 1) // WORDS
    for v in range(0, n_tiles, COLUMNS):
        tiles, row = min(COLUMNS, n_tiles - v), 0
        q = address(Q, v * n_blocks * q_terms * TILE)
        while row < n_rows:
            p = address(P, row // height * (n_blocks * p_terms * TILE) + row % height * WORDS)
            c, i = block(C, row, v * WORDS), block(I, row, v * WORDS)
            row += unit_tile(c, i, p, q, n_rows - row, tiles, sizes)


@intrinsic
def unit_tile(_: Any, C: Any, I: Any, P: Any, Q: Any, rows_left: Any, tiles: Any, sizes: Any) -> Any:  # noqa: E741
    """``C = I + P Q`` on as many rows as the unit takes at once; gives how many those are."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        vector = context.get_data_type(Vector(C[0].dtype))
        c, i = (Operand.of(builder, value, vector) for value in args[:2])
        height, n_blocks, p_terms, q_terms = (builder.extract_value(args[6], place) for place in range(4))
        operands = _Tiles(builder, args[2], n_blocks, p_terms), _Tiles(builder, args[3], n_blocks, q_terms)
        unit = cpu.bf16_unit() if vector.count == WORDS else ""
        if unit == "amx":
            n_rows = builder.select(builder.icmp_signed(">", args[4], height), I64(2), I64(1))

            def block(rows: int, columns: int) -> None:
                _emit_amx(builder, c, i, operands, (rows, columns), height)

            return builder.mul(emit_tallest(builder, n_rows, args[5], block, AMX_HEIGHTS), height)
        if unit == "avx512bf16":

            def tile(rows: int, columns: int) -> None:
                _emit_vectors(builder, c, i, operands, (rows, columns))

            return emit_tallest(builder, args[4], args[5], tile, VECTOR_HEIGHTS)
        return args[4]  # where there is no unit nobody calls it; it compiles all the same

    return types.intp(C, I, P, Q, types.intp, types.intp, sizes), emit


class _Tiles:
    """An operand's tiles in the emitter's hands."""

    def __init__(self, builder: ir.IRBuilder, base: ir.Value, n_blocks: ir.Value, terms: ir.Value) -> None:
        self.builder, self.base, self.n_blocks, self.terms = builder, base, n_blocks, terms
        #: Words from one row, or column, of tiles to the next.
        self.stride = builder.mul(builder.mul(n_blocks, terms), I64(TILE))

    def at(self, block: ir.Value, term: ir.Value) -> ir.Value:
        place = self.builder.add(self.builder.mul(block, self.terms), term)
        return self.builder.gep(self.base, [self.builder.mul(place, I64(TILE))])


def _emit_vectors(
    builder: ir.IRBuilder, C: Operand, init: Operand, operands: tuple[_Tiles, _Tiles], size: tuple[int, int]
) -> None:
    """A tile of rows x vectors by AVX512-BF16. A block's sums fill the registers, so C waits in L1."""
    P, Q = operands
    (rows, vectors), vector, zero = size, C.vector, ir.Constant(C.vector, None)
    with (
        cgutils.for_range(builder, P.n_blocks) as blocks,
        cgutils.for_range(builder, Q.terms) as q_terms,
        cgutils.for_range(builder, builder.sub(P.terms, q_terms.index)) as p_terms,
    ):
        p, q = P.at(blocks.index, p_terms.index), Q.at(blocks.index, q_terms.index)
        is_first = _is_first(builder, blocks.index, q_terms.index, p_terms.index)
        start = Operand(
            builder,
            (
                builder.select(is_first, init.base, C.base),
                builder.select(is_first, init.row_stride, C.row_stride),
                I64(1),
            ),
            vector,
        )
        chains = []
        for chain in range(2):
            half = I64(chain * WORDS // 2)
            p_rows = Operand(builder, (builder.gep(p, [half]), I64(WORDS), I64(1)), vector)
            q_rows = Operand(builder, (builder.gep(q, [builder.mul(half, I64(WORDS))]), I64(WORDS), I64(1)), vector)
            q_rows.spread = Q.stride
            zeros = [[zero] * vectors for _ in range(rows)]
            chains.append(emit_sums(builder, zeros, p_rows, q_rows, I64(WORDS // 2), _add_pairs))
        for r in range(rows):
            targets, sources = C.vectors(C.row(r), vectors), start.vectors(start.row(r), vectors)
            for even, odd, source, target in zip(*(chain[r] for chain in chains), sources, targets, strict=True):
                C.store(builder.fadd(start.load(source), builder.fadd(even, odd)), target)


def _is_first(builder: ir.IRBuilder, *indices: ir.Value) -> ir.Value:
    total = indices[0]
    for index in indices[1:]:
        total = builder.or_(total, index)
    return builder.icmp_signed("==", total, I64(0))


def _add_pairs(builder: ir.IRBuilder, p: ir.Value, q: ir.Value, total: ir.Value) -> ir.Value:
    """The products of the upper halves, then those of the lower, each added by a fused multiply-add."""
    declared = ir.FunctionType(total.type, [total.type, PAIRS, PAIRS])
    function = cgutils.get_or_insert_function(builder.module, declared, "llvm.x86.avx512bf16.dpbf16ps.512")
    return builder.call(function, [total, builder.bitcast(p, PAIRS), builder.bitcast(q, PAIRS)])


def _emit_amx(
    builder: ir.IRBuilder,
    C: Operand,
    init: Operand,
    operands: tuple[_Tiles, _Tiles],
    size: tuple[int, int],
    height: ir.Value,
) -> None:
    """Rows x columns of AMX's tiles: C stays in their registers from the first block to the last."""
    (P, Q), (rows, columns) = operands, size
    sums = {(r, v): r * COLUMNS + v for r in range(rows) for v in range(columns)}

    def corner(matrix: Operand, r: int, v: int) -> ir.Value:
        row = builder.mul(matrix.row_stride, builder.mul(height, I64(r)))
        return builder.gep(matrix.base, [builder.add(row, I64(v * WORDS))])

    for (r, v), register in sums.items():
        _tile_move(builder, "tileloadd64", register, corner(init, r, v), init.row_stride)
    with cgutils.for_range(builder, P.n_blocks) as blocks, cgutils.for_range(builder, Q.terms) as q_terms:
        q = Q.at(blocks.index, q_terms.index)
        for v in range(columns):
            place = builder.gep(q, [builder.mul(Q.stride, I64(v))])
            _tile_move(builder, "tileloadd64", Q_REGISTER + v, place, I64(WORDS))
        with cgutils.for_range(builder, builder.sub(P.terms, q_terms.index)) as p_terms:
            p = P.at(blocks.index, p_terms.index)
            for r in range(rows):
                place = builder.gep(p, [builder.mul(P.stride, I64(r))])
                _tile_move(builder, "tileloadd64", P_REGISTER + r, place, I64(WORDS))
            for (r, v), register in sums.items():
                _tile_call(builder, "tdpbf16ps", register, P_REGISTER + r, Q_REGISTER + v)
    for (r, v), register in sums.items():
        _tile_move(builder, "tilestored64", register, corner(C, r, v), C.row_stride)


def _tile_call(builder: ir.IRBuilder, name: str, *operands: int | ir.Value) -> None:
    values = [_BYTE(operand) if isinstance(operand, int) else operand for operand in operands]
    declared = ir.FunctionType(ir.VoidType(), [value.type for value in values])
    builder.call(cgutils.get_or_insert_function(builder.module, declared, f"llvm.x86.{name}"), values)


def _tile_move(builder: ir.IRBuilder, name: str, register: int, pointer: ir.Value, row_stride: ir.Value) -> None:
    """Load or store a register, of which `row_stride` words lie between one row and the next."""
    place = builder.bitcast(pointer, _BYTE.as_pointer())
    _tile_call(builder, name, register, place, builder.mul(row_stride, I64(4)))


@intrinsic
def unit_begin(_: Any, height: Any) -> Any:
    """Configure AMX's tiles for P's of `height` rows; nothing to do for AVX512-BF16."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        if cpu.bf16_unit() == "amx":
            _tile_call(builder, "ldtilecfg", _configuration(builder, args[0]))
        return context.get_dummy_value()

    return types.void(height), emit


def _configuration(builder: ir.IRBuilder, height: ir.Value) -> ir.Value:
    """The 64 bytes of LDTILECFG: palette 1; from byte 16 each tile's bytes a row, from byte 48 its rows."""
    table = cgutils.alloca_once(builder, ir.ArrayType(_BYTE, 64))
    builder.store(ir.Constant(table.type.pointee, [1] + [0] * 63), table)
    rows = builder.trunc(height, _BYTE)
    for register in range(8):
        for place, value in (
            (16 + 2 * register, _BYTE(WORDS * 4)),
            (48 + register, rows if register < Q_REGISTER else _BYTE(WORDS)),
        ):
            builder.store(value, builder.gep(table, [I64(0), I64(place)]))
    return builder.bitcast(table, _BYTE.as_pointer())


@intrinsic
def unit_end(_: Any) -> Any:
    """Release AMX's tiles, so that the kernel need not save them for this thread."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        if cpu.bf16_unit() == "amx":
            _tile_call(builder, "tilerelease")
        return context.get_dummy_value()

    return types.void(), emit
