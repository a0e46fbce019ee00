"""Exponential, logarithms and reciprocal of a vector.

They are composed of fused multiply-adds, so that their bits are the same on every CPU. The functions of math libraries
differ between CPUs, and a scalar call per element would cost more than the matrix product of the layer.
"""

import math
import sys

from fastmlp.codegen.float_bits import exponent, mantissa, reciprocal_estimate, two_to
from fastmlp.codegen.jit import kernel
from fastmlp.codegen.simd import fma, is_float32, polynomial, where_less

LOG2_E = math.log2(math.e)
#: ln 2 as a sum: LN2_HIGH has so few bits that n * LN2_HIGH is exact, LN2_LOW is the remainder.
LN2_HIGH_32, LN2_LOW_32 = 0.693145751953125, 1.42860682030941723212e-6
LN2_HIGH_64, LN2_LOW_64 = 0.693147180369123816490, 1.90821492927058770002e-10
#: Adding 1.5 * 2**mantissa_bits rounds to an integer, which is then in the low bits.
ROUNDER_32, ROUNDER_64 = 1.5 * 2**23, 1.5 * 2**52
#: The largest finite numbers.
LARGEST_32, LARGEST_64 = 2.0**128 - 2.0**104, sys.float_info.max
#: From here on, the estimate of a reciprocal is subnormal and so flushed to 0; from twice this number, it is negative.
RECIPROCAL_LIMIT_32, RECIPROCAL_LIMIT_64 = 2.0**126, 2.0**1022
#: Taylor series of (exp(r) - 1 - r) / r**2 for |r| <= ln(2)/2, highest power first. The first omitted term is 5e-9
#: (float32) and 4e-18 (float64) of the result; a minimax polynomial would save one term.
EXP_32 = tuple(1 / math.factorial(k) for k in range(7, 1, -1))
EXP_64 = tuple(1 / math.factorial(k) for k in range(13, 1, -1))
#: Series of artanh(f) / f in f**2 for |f| <= 0.172, highest power first.
ARTANH_32 = tuple(1 / k for k in range(11, 0, -2))
ARTANH_64 = tuple(1 / k for k in range(23, 0, -2))
#: The same for |f| <= 1/3, for `log1p`.
LONG_ARTANH_32 = tuple(1 / k for k in range(13, 0, -2))
LONG_ARTANH_64 = tuple(1 / k for k in range(31, 0, -2))


@kernel(forceinline=True)
def clamp_finite(x):
    """``x``, infinities replaced by the largest finite numbers; NaN stays NaN."""
    largest = LARGEST_32 if is_float32(x) else LARGEST_64
    return where_less(x, -largest, -largest, where_less(largest, x, largest, x))


@kernel(forceinline=True)
def exp_split(x):
    """``exp(x) = scale * (1 + q)``: scale a power of two, |q| < 0.42; x is clamped to the range of normal numbers."""
    if is_float32(x):
        x = where_less(x, -87.0, -87.0, where_less(88.0, x, 88.0, x))
        rounded = fma(x, LOG2_E, ROUNDER_32)
        n = rounded - ROUNDER_32
        r = fma(n, -LN2_LOW_32, fma(n, -LN2_HIGH_32, x))
        tail = polynomial(r, EXP_32)
    else:
        x = where_less(x, -708.0, -708.0, where_less(709.0, x, 709.0, x))
        rounded = fma(x, LOG2_E, ROUNDER_64)
        n = rounded - ROUNDER_64
        r = fma(n, -LN2_LOW_64, fma(n, -LN2_HIGH_64, x))
        tail = polynomial(r, EXP_64)
    return two_to(rounded), fma(r * r, tail, r)


@kernel(forceinline=True)
def exp(x):
    """``e**x`` within 1.1 units in the last place; neither 0 nor infinite, since x is clamped."""
    scale, q = exp_split(x)
    return fma(scale, q, scale)


@kernel(forceinline=True)
def expm1(x):
    """``e**x - 1`` without cancellation near 0."""
    scale, q = exp_split(x)
    return fma(scale, q, scale - 1.0)


@kernel(forceinline=True)
def log(x):
    """Natural logarithm of positive normal x: ``n ln 2 + 2 artanh((m - 1) / (m + 1))``, m in [sqrt(1/2), sqrt(2)).

    Within 3 units in the last place in float32. Infinity and NaN stay what they are, though their bits would pass for a
    large number's.
    """
    m = mantissa(x)
    halved = where_less(1.4142135623730951, m, 1.0, 0.0)
    n = exponent(x) + halved
    m = fma(halved * -0.5, m, m)
    f = (m - 1.0) / (m + 1.0)
    if is_float32(x):
        value = fma(n, LN2_HIGH_32, fma(n, LN2_LOW_32, (f + f) * polynomial(f * f, ARTANH_32)))
    else:
        value = fma(n, LN2_HIGH_64, fma(n, LN2_LOW_64, (f + f) * polynomial(f * f, ARTANH_64)))
    return where_less(x, math.inf, value, x)


@kernel(forceinline=True)
def log1p(x):
    """``log(1 + x)`` for x from 0 to 1, as ``2 artanh(x / (2 + x))``, without the rounding error of 1 + x."""
    f = x / (x + 2.0)
    return (f + f) * (polynomial(f * f, LONG_ARTANH_32) if is_float32(x) else polynomial(f * f, LONG_ARTANH_64))


@kernel(forceinline=True)
def reciprocal(x):
    """``1 / x`` within 2 units in the last place, for positive normal x; 0 for x from ``RECIPROCAL_LIMIT`` to infinity.

    Newton's method from an estimate; each step squares the error: 1.3e-1, 1.7e-2, 2.8e-4, 7.9e-8, 6.3e-15, 3.9e-29.
    Without the minimum, infinity would give NaN; it costs Adam one of 24 instructions per vector (AVX-512).
    """
    limit = RECIPROCAL_LIMIT_32 if is_float32(x) else RECIPROCAL_LIMIT_64
    x = where_less(limit, x, limit, x)
    y, negated = reciprocal_estimate(x), x * -1.0
    for _ in range(3 if is_float32(x) else 5):
        y = fma(y, fma(negated, y, 1.0), y)
    return y
