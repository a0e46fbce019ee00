"""The exponential and the logarithm, each activation of a hidden layer, and its slope from its output.

Fused multiply-adds throughout, so that the bits are the same on every CPU: those of a library's functions differ, and a
scalar call in a loop would cost more than the layer.
"""

import math

from fastmlp.jit import kernel
from fastmlp.simd import (
    exponent,
    fma,
    is_single,
    mantissa,
    n_lanes,
    polynomial,
    two_to,
    vload,
    vstore,
    where_equal,
    where_less,
)

IDENTITY, SIGMOID, TANH, RELU = range(4)
CODES = {"identity": IDENTITY, "sigmoid": SIGMOID, "tanh": TANH, "relu": RELU}

LOG2_E = math.log2(math.e)
#: ln 2 in two parts: few enough leading bits that n * LN2_HIGH is exact, and the rest.
LN2_HIGH_32, LN2_LOW_32 = 0.693145751953125, 1.42860682030941723212e-6
LN2_HIGH_64, LN2_LOW_64 = 0.693147180369123816490, 1.90821492927058770002e-10
#: Adding 1.5 * 2**mantissa_bits rounds to an integer, which is left in the low bits.
ROUNDER_32, ROUNDER_64 = 1.5 * 2**23, 1.5 * 2**52
#: Taylor's series of (exp(r) - 1 - r) / r**2 for |r| <= ln(2)/2, highest power first. The first term left out is 5e-9
#: (float32) and 4e-18 (float64) of the result; a minimax polynomial would save one term.
EXP_32 = tuple(1 / math.factorial(k) for k in range(7, 1, -1))
EXP_64 = tuple(1 / math.factorial(k) for k in range(13, 1, -1))
#: Series of artanh(f) / f in f**2 for |f| <= 0.172, highest power first.
ARTANH_32 = tuple(1 / k for k in range(11, 0, -2))
ARTANH_64 = tuple(1 / k for k in range(23, 0, -2))


@kernel(inline=True)
def exp_split(x):
    """``exp(x) = scale * (1 + q)``: scale a power of two, |q| < 0.42; x is clamped to the range of normal numbers."""
    if is_single(x):
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


@kernel(inline=True)
def exp(x):
    """``e**x`` within 1.1 units of the last place; never 0 nor infinite."""
    scale, q = exp_split(x)
    return fma(scale, q, scale)


@kernel(inline=True)
def expm1(x):
    """``e**x - 1`` without cancellation near 0."""
    scale, q = exp_split(x)
    return fma(scale, q, scale - 1.0)


@kernel(inline=True)
def log(x):
    """Natural logarithm of positive normal x: ``n ln 2 + 2 artanh((m - 1) / (m + 1))``, m in [sqrt(1/2), sqrt(2)).

    Within 3 units of the last place in float32. A NaN stays one, though its bits would pass for a large number's.
    """
    m = mantissa(x)
    halved = where_less(1.4142135623730951, m, 1.0, 0.0)
    n = exponent(x) + halved
    m = fma(halved * -0.5, m, m)
    f = (m - 1.0) / (m + 1.0)
    if is_single(x):
        value = fma(n, LN2_HIGH_32, fma(n, LN2_LOW_32, (f + f) * polynomial(f * f, ARTANH_32)))
    else:
        value = fma(n, LN2_HIGH_64, fma(n, LN2_LOW_64, (f + f) * polynomial(f * f, ARTANH_64)))
    return where_equal(x, x, value, x)


@kernel(inline=True)
def sigmoid(z):
    """Equation (3)."""
    return 1.0 / (1.0 + exp(0.0 - z))


@kernel(inline=True)
def tanh(z):
    """``(e**2z - 1) / (e**2z + 1)``, accurate near 0 too; beyond 20 it is 1 long since."""
    z = where_less(z, -20.0, -20.0, where_less(20.0, z, 20.0, z))
    e = expm1(z + z)
    return e / (e + 2.0)


@kernel
def activation_forward(work, A, stride, n_rows, m, code):
    """``A = f(Z)`` in place of Z, n_rows of m columns from `work[A]` on; equation (3) for the sigmoid."""
    lanes = n_lanes(work)
    for row in range(A, A + n_rows * stride, stride):
        if code == SIGMOID:
            for i in range(row, row + m, lanes):
                vstore(work, i, sigmoid(vload(work, i)))
        elif code == TANH:
            for i in range(row, row + m, lanes):
                vstore(work, i, tanh(vload(work, i)))
        elif code == RELU:
            for i in range(row, row + m, lanes):
                z = vload(work, i)
                vstore(work, i, where_less(z, 0.0, 0.0, z))


@kernel
def activation_backward(work, A, dA, stride, n_rows, m, code):
    """``dZ = dA * f'(Z)`` in place of dA, the slope from the output A; equation (7) for the sigmoid."""
    lanes = n_lanes(work)
    for row in range(0, n_rows * stride, stride):
        if code == SIGMOID:
            for i in range(row, row + m, lanes):
                a = vload(work, A + i)
                vstore(work, dA + i, vload(work, dA + i) * (a * (1.0 - a)))
        elif code == TANH:
            for i in range(row, row + m, lanes):
                a = vload(work, A + i)
                vstore(work, dA + i, vload(work, dA + i) * fma(0.0 - a, a, 1.0))
        elif code == RELU:
            for i in range(row, row + m, lanes):
                vstore(work, dA + i, where_less(0.0, vload(work, A + i), vload(work, dA + i), 0.0))
