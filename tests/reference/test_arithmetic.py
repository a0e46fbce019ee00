"""Arithmetic against exact fractions, rounded by integers alone."""

import math
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fastmlp.reference import arithmetic

SINGLE, DOUBLE = np.dtype("float32"), np.dtype("float64")
#: Bits of the significand, and the smallest exponent of a normal number.
FORMATS = {SINGLE: (24, -126), DOUBLE: (53, -1022)}
DTYPES = pytest.mark.parametrize("dtype", FORMATS, ids=str)
MANY = settings(derandomize=True, max_examples=100, deadline=None)


def floats(dtype, limit):
    """Numbers of exponents -limit to limit, their fractions often those next to a power of two."""
    last = 2 ** (FORMATS[dtype][0] - 1)
    fractions = st.one_of(st.integers(0, last - 1), st.integers(0, 3), st.integers(last - 4, last - 1))
    numbers = st.builds(lambda fraction, exponent: math.ldexp((last + fraction) / last, exponent), fractions,
                        st.integers(-limit, limit))  # fmt: skip
    return st.builds(math.copysign, numbers, st.sampled_from([-1, 1]))


def rounded(exact, dtype):
    """An exact number in a format whose subnormal numbers are zero, ties to even; by integers alone."""
    bits, least = FORMATS[dtype]
    if exact == 0:
        return 0.0
    exponent = abs(exact.numerator).bit_length() - exact.denominator.bit_length()
    exponent -= abs(exact) < Fraction(2) ** exponent
    unit = Fraction(2) ** (exponent - bits + 1)
    nearest = round(exact / unit) * unit
    return math.copysign(0.0, exact) if abs(nearest) < Fraction(2) ** least else float(nearest)


def same(got, ref):
    return (got, math.copysign(1, got)) == (ref, math.copysign(1, ref))


def operands(dtype, *numbers):
    return [np.array(number, dtype) for number in numbers]


@DTYPES
@MANY
@given(st.data())
def test_a_fused_multiply_add_rounds_once(dtype, data):
    limit = 30 if dtype == SINGLE else 400
    a, b = data.draw(floats(dtype, limit)), data.draw(floats(dtype, limit))
    near = rounded(Fraction(a) * Fraction(b), dtype)
    c = data.draw(st.one_of(floats(dtype, 60).map(lambda x: math.ldexp(x, math.frexp(near)[1])), st.just(-near)))
    got = arithmetic.fma(*operands(dtype, a, b, c))
    assert same(float(got), rounded(Fraction(a) * Fraction(b) + Fraction(c), dtype))


@DTYPES
@MANY
@given(st.data())
def test_a_fused_multiply_add_that_underflows_is_zero(dtype, data):
    least = FORMATS[dtype][1]
    a, b = data.draw(floats(dtype, 2)) / 8, math.ldexp(data.draw(floats(dtype, 2)), least + 3)
    c = math.ldexp(data.draw(floats(dtype, 2)), least + 2)
    got = arithmetic.fma(*operands(dtype, a, b, c))
    assert same(float(got), rounded(Fraction(a) * Fraction(b) + Fraction(c), dtype))


@DTYPES
@MANY
@given(st.data())
def test_a_product_and_a_quotient_that_underflow_are_zero(dtype, data):
    least = FORMATS[dtype][1]
    a, b = data.draw(floats(dtype, 2)), data.draw(floats(dtype, 2))
    tiny = math.ldexp(a, least + 3)
    product = arithmetic.multiply(*operands(dtype, tiny, b / 8))
    quotient = arithmetic.divide(*operands(dtype, tiny, b * 8))
    assert same(float(product), rounded(Fraction(tiny) * Fraction(b / 8), dtype))
    assert same(float(quotient), rounded(Fraction(tiny) / Fraction(b * 8), dtype))


def rounded_or_infinite(exact, dtype):
    """`rounded`, and infinity beyond the range."""
    try:
        number = rounded(exact, dtype)
    except OverflowError:  # beyond float64
        number = math.inf if exact > 0 else -math.inf
    return math.copysign(math.inf, number) if abs(number) > float(np.finfo(dtype).max) else number


@DTYPES
@settings(derandomize=True, max_examples=500, deadline=None)
@given(st.data())
def test_a_fused_multiply_add_rounds_once_over_the_whole_range(dtype, data):
    least, most = FORMATS[dtype][1], -FORMATS[dtype][1]
    a, b, exponent = data.draw(floats(dtype, most)), data.draw(floats(dtype, most)), data.draw(st.integers(-60, 3))
    if data.draw(st.booleans()):  # the product is near the end of the range
        b = math.ldexp(math.frexp(b)[0], min(max(most + exponent - math.frexp(a)[1], least + 1), most + 1))
    near = rounded_or_infinite(Fraction(a) * Fraction(b), dtype)
    c = data.draw(st.one_of(floats(dtype, most), st.just(-near if math.isfinite(near) else -a)))
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    assume(exact != 0)
    assert same(float(arithmetic.fma(*operands(dtype, a, b, c))), rounded_or_infinite(exact, dtype))


@DTYPES
def test_arithmetic_with_infinity_and_nan_is_that_of_ieee_754(dtype):
    """A finite product does not overflow before an infinite addend."""
    numbers = np.array([np.inf, -np.inf, np.nan, 0, 1, -2, np.finfo(dtype).max, -np.finfo(dtype).max], dtype)
    a, b, c = (array.ravel() for array in np.meshgrid(numbers, numbers, numbers))
    with np.errstate(all="ignore"):
        ref = np.where(np.isfinite(a) & np.isfinite(b), c, a * b + c)
        products, quotients = a * b, a / b
    chosen = ~(np.isfinite(a) & np.isfinite(b) & np.isfinite(c))
    np.testing.assert_array_equal(arithmetic.fma(a, b, c)[chosen], ref[chosen])
    np.testing.assert_array_equal(arithmetic.multiply(a, b), products)
    np.testing.assert_array_equal(arithmetic.divide(a, b), arithmetic.flush(quotients))


@DTYPES
@pytest.mark.parametrize(("a", "b", "c"), [(0, 1, -0.0), (-0.0, 1, -0.0), (-1, 0, 0), (2, 3, -6), (-2, 3, 6)])
def test_a_zero_has_the_sign_that_ieee_754_gives_it(dtype, a, b, c):
    assert same(float(arithmetic.fma(*operands(dtype, a, b, c))), a * b + c)


@DTYPES
def test_subnormal_operands_are_zero(dtype):
    subnormal, large = np.finfo(dtype).tiny / 2, 2.0**100
    assert arithmetic.fma(*operands(dtype, subnormal, large, 0)) == 0
    assert arithmetic.fma(*operands(dtype, 0, 0, subnormal)) == 0


@pytest.mark.skipif(sys.version_info < (3, 13), reason="math.fma came with Python 3.13")
@MANY
@given(*[floats(DOUBLE, 400)] * 3)
def test_a_fused_multiply_add_is_python_s(a, b, c):
    assert arithmetic.fma(*operands(DOUBLE, a, b, c)) == math.fma(a, b, c)
