"""Arithmetic of the kernels in NumPy: the fused multiply-add, which NumPy lacks, and flushing of subnormal numbers."""

from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)
#: Results are also computed times this, to round them as if their exponent were unbounded.
LIFT: Final = 2.0**64


@np.errstate(over="ignore")
def flush(x: Array, lifted: Array | None = None) -> Array:
    """Zero, of x's sign, where x is subnormal.

    lifted: x, computed times LIFT. Sums need none: they are exact where they are subnormal.
    """
    lifted = x * LIFT if lifted is None else lifted
    return np.where(abs(lifted) < np.finfo(x.dtype).tiny * LIFT, np.copysign(x.dtype.type(0), x), x)


@np.errstate(over="ignore", invalid="ignore")
def multiply(a: Array, b: Array) -> Array:
    """``a * b``."""
    return flush(a * b, a * LIFT * b)


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def divide(a: Array, b: Array) -> Array:
    """``a / b``."""
    return flush(a / b, a * LIFT / b)


def _two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """``a + b`` rounded, and the exact rest (Knuth 1969), which is NaN where the sum is infinite or NaN."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def bf16_round(x: Array) -> Array:
    """float32 numbers rounded to bf16, to the nearest or the even one.

    Examples
    --------
    >>> bf16_round(np.array([1 + 2**-7, 1 + 2**-8, 1 + 3 * 2**-8], np.float32)).tolist()
    [1.0078125, 1.0, 1.015625]
    """
    bits = x.view(np.uint32)
    return ((bits + (bits >> 16 & 1) + np.uint32(0x7FFF)) & np.uint32(0xFFFF0000)).view(SINGLE)


def _split(a: Array) -> tuple[Array, Array]:
    """A float64 as a sum of two that have 26 bits each (Veltkamp 1968)."""
    scaled = a * (2.0**27 + 1)
    high = scaled - (scaled - a)
    return high, a - high


def _two_product(a: Array, b: Array) -> tuple[Array, Array]:
    """``a * b`` rounded, and the exact rest, in float64 (Dekker 1971)."""
    total, (a1, a2), (b1, b2) = a * b, _split(a), _split(b)
    return total, a2 * b2 - (((total - a1 * b1) - a2 * b1) - a1 * b2)


def _add_to_odd(a: Array, b: Array) -> Array:
    """``a + b`` in float64; if inexact, the neighbour whose last bit is odd, which leaves a later rounding right."""
    total, rest = _two_sum(a, b)
    even = total.view(np.int64) % 2 == 0
    return np.where((abs(rest) > 0) & even, np.nextafter(total, np.copysign(np.inf, rest)), total)


def _fma_of_large(a: Array, b: Array, c: Array) -> Array:
    """`fma` of 1-D float64 arrays, whose operands or products may be of any size, infinite or NaN.

    The exponents are split off. An addend below 2**-300 of the other is moved up to there: it only says which way to
    round.
    """
    finite = np.isfinite(a) & np.isfinite(b)
    plain = np.where(finite & ~np.isfinite(c), c, a * b + c)
    is_plain = ~(finite & np.isfinite(c)) | (a == 0) | (b == 0)
    (a, a_exponent), (b, b_exponent), (c, c_exponent) = (np.frexp(np.where(is_plain, 1.0, x)) for x in (a, b, c))
    exponent = np.maximum(a_exponent + b_exponent, c_exponent)
    a = np.ldexp(a, np.maximum(a_exponent + b_exponent - exponent, -300))
    c = np.ldexp(c, np.maximum(c_exponent - exponent, -300))
    return np.where(is_plain, plain, np.ldexp(fma(a, b, c), exponent))


@np.errstate(over="ignore", invalid="ignore")
def fma(a: Array | float, b: Array | float, c: Array | float) -> Array:
    """``a * b + c`` rounded once; Python numbers take the dtype of the others.

    float32: the product is exact in float64, its sum with c is rounded to odd, then to float32. float64: Boldo and
    Melquiond (2008, "Emulation of FMA and correctly rounded sums: proved algorithms using rounding to odd"), scaled up
    where error terms would be lost, and with the exponents split off where they would overflow.

    Examples
    --------
    >>> a = np.array(1 + 2**-12, np.float32)
    >>> float(fma(a, a, -1.0)) - float(a * a - 1) == 2**-24
    True
    """
    dtype = np.result_type(a, b, c)
    a, b, c = np.broadcast_arrays(*(flush(np.asarray(x, dtype)) for x in (a, b, c)))
    if dtype == SINGLE:
        wide = _add_to_odd(a.astype(DOUBLE) * b, c.astype(DOUBLE))
        return flush(wide.astype(dtype), (wide * LIFT).astype(dtype))
    scale = np.where(np.maximum(abs(a * b), abs(c)) < 2.0**-500, 2.0**500, 1.0)
    high, low = _two_product(a * scale, b)
    middle, rest = _two_sum(c * scale, low)
    top, bottom = _two_sum(high, middle)
    total = top + _add_to_odd(bottom, rest)
    is_product = (c == 0) & (a != 0) & (b != 0)  # its sign is that of the result, even if it is too small for `high`
    total = np.where(total == 0, np.where(is_product, high, high + c * scale), total)
    total = flush(total / scale, total * (LIFT / scale))
    is_large = ~(np.max([abs(a), abs(b), abs(a * b), abs(c)], axis=0) < 2.0**990)
    if is_large.any():
        total[is_large] = _fma_of_large(a[is_large], b[is_large], c[is_large])
    return total
