"""Each SIMD intrinsic against NumPy, on one vector."""

import numpy as np
import pytest

from fastmlp.codegen import simd
from fastmlp.codegen.cpu import vector_bits
from fastmlp.codegen.jit import kernel
from fastmlp.codegen.simd import vload, vstore
from fastmlp.reference import arithmetic

OPERATIONS = [
    "add", "subtract", "multiply", "divide", "add a number", "subtract from a number", "fma", "fma of a number", "sqrt",
    "where_less", "where_equal", "polynomial", "broadcast", "zeros", "address",
]  # fmt: skip
DTYPES = pytest.mark.parametrize("dtype", [np.dtype("float32"), np.dtype("float64")], ids=str)
SOURCE_DTYPES = {0: np.dtype("uint8"), 1: np.dtype("float32"), 2: np.dtype("float64")}


def lanes_of(dtype):
    return vector_bits() // 8 // dtype.itemsize


@kernel
def apply_all(x, y, halves, out):
    """Apply every operation to the first vectors of x and y, with one row of `out` for each."""
    n = simd.n_lanes(x)
    a, b, h = vload(x, 0), vload(y, 0), vload(halves, 0)
    vstore(out, 0 * n, a + b)
    vstore(out, 1 * n, a - b)
    vstore(out, 2 * n, a * b)
    vstore(out, 3 * n, a / b)
    vstore(out, 4 * n, a + 1.5)
    vstore(out, 5 * n, 3 - a)
    vstore(out, 6 * n, simd.fma(a, b, a))
    vstore(out, 7 * n, simd.fma(2.0, a, b))
    vstore(out, 8 * n, simd.sqrt(a))
    vstore(out, 9 * n, simd.where_less(a, b, a, -1.0))
    vstore(out, 10 * n, simd.where_equal(a, b, 7.0, b))
    vstore(out, 11 * n, simd.polynomial(h, (2.0, 3.0, 4.0)))
    vstore(out, 12 * n, simd.broadcast(x, 1))
    vstore(out, 13 * n, simd.zeros(x))
    vstore(out, 14 * n, vload(simd.address(x, n), 0))
    return simd.is_float32(a)


def operands(dtype):
    """Two vectors that are equal in their first lane, and multiples of 1/2."""
    lanes, random = lanes_of(dtype), np.random.default_rng(0)
    x = np.exp(random.normal(0, 9, 2 * lanes)).astype(dtype)
    y = np.concatenate([x[:1], x[1:][::-1]])
    return x, y, np.arange(lanes).astype(dtype) / 2


@DTYPES
@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_equals_that_of_numpy(dtype, operation):
    x, y, halves = operands(dtype)
    out = np.zeros((len(OPERATIONS), lanes_of(dtype)), dtype)
    apply_all(x, y, halves, out.reshape(-1))
    a, b = x[: lanes_of(dtype)], y[: lanes_of(dtype)]
    refs = [
        a + b, a - b, a * b, a / b, a + 1.5, 3 - a, arithmetic.fma(a, b, a), arithmetic.fma(2.0, a, b), np.sqrt(a),
        np.where(a < b, a, -1.0), np.where(a == b, 7.0, b), (2 * halves + 3) * halves + 4, np.full_like(a, x[1]),
        np.zeros_like(a), x[lanes_of(dtype) :],
    ]  # fmt: skip
    ref = refs[OPERATIONS.index(operation)].astype(dtype)
    np.testing.assert_array_equal(out[OPERATIONS.index(operation)], ref)


@DTYPES
def test_is_float32_tells_the_dtype_of_a_vector(dtype):
    out = np.zeros(len(OPERATIONS) * lanes_of(dtype), dtype)
    assert apply_all(*operands(dtype), out) == (dtype == np.float32)


@kernel
def select(x, out):
    a = vload(x, 0)
    vstore(out, 0, simd.where_less(a, a, 1.0, simd.where_equal(a, a, 2.0, 3.0)))


@DTYPES
def test_nan_is_neither_less_nor_equal(dtype):
    out = np.zeros(lanes_of(dtype), dtype)
    select(np.full_like(out, np.nan), out)
    assert (out == 3).all()


@kernel
def load_as(raw, index, code, count, out):
    """Load and convert one vector of numbers whose dtype has the given code."""
    if code == 0:
        vstore(out, 0, simd.vload_as(raw, index, np.uint8, count, out))
    elif code == 1:
        vstore(out, 0, simd.vload_as(raw, index, np.float32, count, out))
    else:
        vstore(out, 0, simd.vload_as(raw, index, np.float64, count, out))


@DTYPES
@pytest.mark.parametrize("code", SOURCE_DTYPES, ids=lambda code: SOURCE_DTYPES[code].name)
def test_numbers_of_every_source_dtype_are_loaded_and_converted(dtype, code):
    random, lanes = np.random.default_rng(code), lanes_of(dtype)
    source_dtype = SOURCE_DTYPES[code]
    numbers = random.integers(0, 256, lanes, np.uint8) if code == 0 else random.normal(size=lanes).astype(source_dtype)
    raw = np.concatenate([np.zeros(3, np.uint8), numbers.view(np.uint8), np.full(64, 255, np.uint8)])
    for count in range(1, lanes + 3):
        out = np.full(lanes, np.nan, dtype)
        load_as(raw, 3, code, count, out)
        ref = np.where(np.arange(lanes) < count, numbers.astype(dtype), 0)
        np.testing.assert_array_equal(out, ref)
