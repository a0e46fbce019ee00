"""Each intrinsic on the bits of floating-point vectors against NumPy, on one vector."""

import numpy as np
import pytest

from fastmlp.codegen import float_bits
from fastmlp.codegen.cpu import vector_bits
from fastmlp.codegen.jit import kernel
from fastmlp.codegen.simd import n_lanes, vload, vstore
from fastmlp.reference import elementwise

DTYPES = pytest.mark.parametrize("dtype", [np.dtype("float32"), np.dtype("float64")], ids=str)


@kernel
def apply_all(x, rounded, out):
    """Apply every intrinsic to one vector, with one row of `out` for each."""
    n, a = n_lanes(x), vload(x, 0)
    vstore(out, 0 * n, float_bits.exponent(a))
    vstore(out, 1 * n, float_bits.mantissa(a))
    vstore(out, 2 * n, float_bits.two_to(vload(rounded, 0)))
    vstore(out, 3 * n, float_bits.reciprocal_estimate(a))


@pytest.fixture
def computed(dtype):
    """Positive numbers x, integers n, and the results for x and n."""
    lanes = vector_bits() // 8 // dtype.itemsize
    x = np.exp(np.random.default_rng(0).normal(0, 9, lanes)).astype(dtype)
    n = np.arange(lanes).astype(dtype) - 5
    out = np.zeros((4, lanes), dtype)
    apply_all(x, n + dtype.type(elementwise.FORMATS[dtype].rounder), out.reshape(-1))
    return x, n, out


@DTYPES
def test_exponent_and_mantissa_are_those_of_numpy(computed):
    x, _, (exponent, mantissa, _, _) = computed
    m, n = np.frexp(x)
    np.testing.assert_array_equal(exponent, n - 1)
    np.testing.assert_array_equal(mantissa, m * 2)


@DTYPES
def test_powers_of_two_are_exact(computed):
    _, n, (_, _, power, _) = computed
    np.testing.assert_array_equal(power, np.exp2(n))


@DTYPES
def test_the_estimate_of_a_reciprocal_is_within_13_percent(computed):
    x, _, (_, _, _, estimate) = computed
    np.testing.assert_allclose(estimate * x, 1, atol=0.13)
