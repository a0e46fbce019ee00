"""The LLVM vocabulary of bf16: numbers rounded to it, and two of them in a word, as the CPU's bf16 units take them.

A float32's upper half is a bf16 number. A unit multiplies pairs: 32 numbers of a sum make 16 words. In a vector of
float32 such words are mere bits, which are moved and never computed with. Knows nothing of what is computed.
"""

from typing import Any

from llvmlite import ir
from numba.extending import intrinsic

from fastmlp import cpu
from fastmlp.simd import I32

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
    if cpu.bf16_unit() == "avx512bf16":
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
_HALVES = ir.VectorType(ir.IntType(16), STEPS)


@intrinsic
def bf16_round(_: Any, x: Any) -> Any:
    """A vector of float32 rounded to bf16, to the nearest or the even one; a value beyond bf16's range is infinite."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        integers = ir.VectorType(I32, args[0].type.count)
        bits = builder.bitcast(args[0], integers)

        def constant(number: int) -> ir.Constant:
            return ir.Constant(integers, [number] * integers.count)

        odd = builder.and_(builder.lshr(bits, constant(16)), constant(1))
        rounded = builder.add(bits, builder.add(odd, constant(0x7FFF)))
        return builder.bitcast(builder.and_(rounded, constant(0xFFFF0000)), args[0].type)

    return x(x), emit


def _shuffle(mask: list[int]) -> Any:
    """A function of two vectors that picks 32 of their 64 halves."""

    @intrinsic
    def picked(_: Any, a: Any, b: Any) -> Any:
        def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
            if args[0].type.count != WORDS:  # no unit: never called, but compiled
                return args[0]
            halves = [builder.bitcast(value, _HALVES) for value in args]
            order = ir.Constant(ir.VectorType(I32, STEPS), mask)
            return builder.bitcast(builder.shuffle_vector(*halves, order), args[0].type)

        return a(a, b), emit

    return picked


def _place(step: int) -> int:
    """Half of a packed row in which a step stands."""
    return 2 * LOW.index(step) if step in LOW else 2 * HIGH.index(step) + 1


#: ``row_pack(a, b)``: 32 numbers that are bf16, of which two vectors hold 16 each, as a row of words.
row_pack = _shuffle([2 * step + 1 for word in zip(LOW, HIGH, strict=True) for step in word])
#: ``pairs_first(a, b)``: words of the numbers 0 to 15 of two packed rows, a's below and b's above.
pairs_first = _shuffle([half for step in range(WORDS) for half in (_place(step), STEPS + _place(step))])
#: ``pairs_second(a, b)``: the same of the numbers 16 to 31.
pairs_second = _shuffle([half for step in range(WORDS, STEPS) for half in (_place(step), STEPS + _place(step))])
