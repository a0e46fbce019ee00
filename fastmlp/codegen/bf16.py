"""The LLVM vocabulary of bf16: numbers rounded to it, and two of them in a word, as the CPU's bf16 units take them.

A float32's upper half is a bf16 number. A unit multiplies pairs: 32 numbers of a sum make 16 words. In a vector of
float32 such words are mere bits, which are moved and never computed with. Knows nothing of what is computed.
"""

from typing import Any

from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic

from fastmlp.codegen import cpu
from fastmlp.codegen.simd import I32

_I16 = ir.IntType(16)
#: Words in a row of a tile, and rows in a tile: what AMX's registers hold, and a vector of 512 bits a row.
WORDS = 16
#: Steps of a sum that a tile takes: a pair a word.
STEPS = 2 * WORDS


def pairing() -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Which of 32 steps stand in the lower and in the upper halves of 16 words.

    AMX sums the lower halves and the upper ones in a chain each, word after word. AVX512-BF16 has one chain, of each
    word's upper half, then its lower: the same two chains are made of words 0 to 7 and of words 8 to 15.

    Examples
    --------
    >>> sorted(sum(pairing(), ())) == list(range(STEPS))
    True
    """
    if cpu.bf16_instructions() == "avx512bf16":
        first = [4 * w + chain for chain in (0, 1) for w in range(WORDS // 2)]
        return tuple(step + 2 for step in first), tuple(first)
    return tuple(range(0, STEPS, 2)), tuple(range(1, STEPS, 2))


LOW, HIGH = pairing()


class _BFloat(ir.Type):
    """LLVM's type of a bf16 number, which llvmlite has no name for."""

    def _to_string(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _BFloat)

    def __hash__(self) -> int:
        return hash(_BFloat)


PAIRS = ir.VectorType(_BFloat(), STEPS)
_SINGLES = ir.VectorType(_BFloat(), WORDS)
_INTEGERS = ir.VectorType(I32, WORDS)


def _convert(builder: ir.IRBuilder, name: str, result: ir.VectorType, operands: list[ir.Value]) -> ir.Value:
    declared = ir.FunctionType(result, [operand.type for operand in operands])
    function = cgutils.get_or_insert_function(builder.module, declared, f"llvm.x86.avx512bf16.{name}.512")
    return builder.call(function, operands)


def _constant(number: int) -> ir.Constant:
    return ir.Constant(_INTEGERS, [number] * WORDS)


@intrinsic
def bf16_round(_: Any, x: Any) -> Any:
    """A vector of float32 rounded to bf16, to the nearest or the even one; a value beyond bf16's range is infinite."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        rounded = builder.bitcast(_convert(builder, "cvtneps2bf16", _SINGLES, args), ir.VectorType(_I16, WORDS))
        return builder.bitcast(builder.shl(builder.zext(rounded, _INTEGERS), _constant(16)), args[0].type)

    return x(x), emit


@intrinsic
def row_pack(_: Any, x: Any, y: Any) -> Any:
    """32 numbers, rounded to bf16, as a row of words: steps 0 to 15 of a sum are in x, 16 to 31 in y."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        halves = builder.bitcast(_convert(builder, "cvtne2ps2bf16", PAIRS, args[::-1]), ir.VectorType(_I16, STEPS))
        order = [step for word in zip(LOW, HIGH, strict=True) for step in word]
        placed = builder.shuffle_vector(halves, halves, ir.Constant(ir.VectorType(I32, STEPS), order))
        return builder.bitcast(placed, args[0].type)

    return x(x, y), emit


@intrinsic
def pairs_pack(_: Any, low: Any, high: Any) -> Any:
    """Words of two vectors of float32 that are bf16 numbers, the one below, the other above."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        below, above = (builder.bitcast(value, _INTEGERS) for value in args)
        return builder.bitcast(builder.or_(builder.lshr(below, _constant(16)), above), args[0].type)

    return low(low, high), emit
