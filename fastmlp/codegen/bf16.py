"""LLVM intrinsics for bf16: rounding to bf16, and packing in pairs, the operands of the CPU's bf16 instructions.

The upper 16 bits of a float32 are a bf16 number. The instructions multiply pairs of bf16 numbers, packed in 32-bit
words: 32 terms of a sum make 16 words. Kernels move such words in vectors of float32, but do no arithmetic on them.
"""

from typing import Any

from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic

from fastmlp.codegen import cpu
from fastmlp.codegen.bf16_tiles import STEPS, WORDS
from fastmlp.codegen.simd import I32

_I16 = ir.IntType(16)


def pairing() -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Positions, among 32 terms of a sum, of those in the lower and of those in the upper halves of 16 words.

    AMX sums the lower and the upper halves in one chain each, word after word. AVX512-BF16 has one chain, which takes
    the upper half of each word, then its lower half. Here the same two chains are made of words 0 to 7 and of words 8
    to 15.

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
    """LLVM's type bfloat, which llvmlite lacks."""

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
    """Round a vector of float32 to bf16, ties to even; values beyond the range of bf16 become infinite."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        rounded = builder.bitcast(_convert(builder, "cvtneps2bf16", _SINGLES, args), ir.VectorType(_I16, WORDS))
        return builder.bitcast(builder.shl(builder.zext(rounded, _INTEGERS), _constant(16)), args[0].type)

    return x(x), emit


@intrinsic
def row_pack(_: Any, x: Any, y: Any) -> Any:
    """Round 32 terms of a sum to bf16, 0 to 15 in x and 16 to 31 in y, and pack them in one row of words."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        halves = builder.bitcast(_convert(builder, "cvtne2ps2bf16", PAIRS, args[::-1]), ir.VectorType(_I16, STEPS))
        order = [step for word in zip(LOW, HIGH, strict=True) for step in word]
        ordered = builder.shuffle_vector(halves, halves, ir.Constant(ir.VectorType(I32, STEPS), order))
        return builder.bitcast(ordered, args[0].type)

    return x(x, y), emit


@intrinsic
def pairs_pack(_: Any, low: Any, high: Any) -> Any:
    """Pack two vectors of bf16 numbers, held as float32: `low` in the lower halves of words, `high` in the upper."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        lower, upper = (builder.bitcast(value, _INTEGERS) for value in args)
        return builder.bitcast(builder.or_(builder.lshr(lower, _constant(16)), upper), args[0].type)

    return low(low, high), emit
