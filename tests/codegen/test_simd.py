"""Each word of the vocabulary against NumPy, on one vector."""

import numpy as np
import pytest

from fastmlp.codegen import float_bits, simd
from fastmlp.codegen.cpu import vector_bits
from fastmlp.codegen.jit import kernel
from fastmlp.codegen.simd import vload, vstore
from fastmlp.reference import arithmetic, elementwise

WORDS = [
    "add", "subtract", "multiply", "divide", "add a number", "subtract from a number", "fma", "fma of a number", "sqrt",
    "where_less", "where_equal", "polynomial", "exponent", "mantissa", "broadcast", "zeros", "address", "two_to",
]  # fmt: skip
DTYPES = pytest.mark.parametrize("dtype", [np.dtype("float32"), np.dtype("float64")], ids=str)
KINDS = {0: np.dtype("uint8"), 1: np.dtype("float32"), 2: np.dtype("float64")}


def lanes_of(dtype):
    return vector_bits() // 8 // dtype.itemsize


@kernel
def say(x, y, halves, counted, out):
    """Every word on the first vectors of x and y, a row of `out` for each."""
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
    vstore(out, 12 * n, float_bits.exponent(a))
    vstore(out, 13 * n, float_bits.mantissa(a))
    vstore(out, 14 * n, simd.broadcast(x, 1))
    vstore(out, 15 * n, simd.zeros(x))
    vstore(out, 16 * n, vload(simd.address(x, n), 0))
    vstore(out, 17 * n, float_bits.two_to(vload(counted, 0)))
    return simd.is_float32(a)


def operands(dtype):
    """Two vectors that agree in their first lane, multiples of 1/2, and whole numbers as `two_to` wants them."""
    lanes, random = lanes_of(dtype), np.random.default_rng(0)
    x = np.exp(random.normal(0, 9, 2 * lanes)).astype(dtype)
    y = np.concatenate([x[:1], x[1:][::-1]])
    n = np.arange(lanes).astype(dtype)
    return x, y, n / 2, n - 5 + dtype.type(elementwise.FORMATS[dtype].rounder)


@DTYPES
@pytest.mark.parametrize("word", WORDS)
def test_a_word_means_what_numpy_means(dtype, word):
    x, y, halves, counted = operands(dtype)
    out = np.zeros((len(WORDS), lanes_of(dtype)), dtype)
    say(x, y, halves, counted, out.reshape(-1))
    a, b, (m, n) = x[: lanes_of(dtype)], y[: lanes_of(dtype)], np.frexp(x[: lanes_of(dtype)])
    refs = [
        a + b, a - b, a * b, a / b, a + 1.5, 3 - a, arithmetic.fma(a, b, a), arithmetic.fma(2.0, a, b), np.sqrt(a),
        np.where(a < b, a, -1.0), np.where(a == b, 7.0, b), (2 * halves + 3) * halves + 4, n - 1, m * 2,
        np.full_like(a, x[1]), np.zeros_like(a), x[lanes_of(dtype) :], np.exp2(np.arange(len(a)) - 5.0),
    ]  # fmt: skip
    np.testing.assert_array_equal(out[WORDS.index(word)], refs[WORDS.index(word)].astype(dtype))


@DTYPES
def test_a_vector_knows_its_format(dtype):
    assert say(*operands(dtype), np.zeros(len(WORDS) * lanes_of(dtype), dtype)) == (dtype == np.float32)


@kernel
def select(x, out):
    a = vload(x, 0)
    vstore(out, 0, simd.where_less(a, a, 1.0, simd.where_equal(a, a, 2.0, 3.0)))


@DTYPES
def test_what_is_not_a_number_is_neither_less_nor_equal(dtype):
    out = np.zeros(lanes_of(dtype), dtype)
    select(np.full_like(out, np.nan), out)
    assert (out == 3).all()


@kernel
def read(octets, index, kind, count, out):
    """One vector of numbers of a kind."""
    if kind == 0:
        vstore(out, 0, simd.vload_as(octets, index, np.uint8, count, out))
    elif kind == 1:
        vstore(out, 0, simd.vload_as(octets, index, np.float32, count, out))
    else:
        vstore(out, 0, simd.vload_as(octets, index, np.float64, count, out))


@DTYPES
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: KINDS[kind].name)
def test_numbers_of_any_kind_are_read_as_numbers_of_another(dtype, kind):
    random, lanes = np.random.default_rng(kind), lanes_of(dtype)
    numbers = random.integers(0, 256, lanes, np.uint8) if kind == 0 else random.normal(size=lanes).astype(KINDS[kind])
    octets = np.concatenate([np.zeros(3, np.uint8), numbers.view(np.uint8), np.full(64, 255, np.uint8)])
    for count in range(1, lanes + 3):
        out = np.full(lanes, np.nan, dtype)
        read(octets, 3, kind, count, out)
        ref = np.where(np.arange(lanes) < count, numbers.astype(dtype), 0)
        np.testing.assert_array_equal(out, ref)
