import numpy as np
import pytest

from fastmlp.codegen.cpu import vector_bits
from fastmlp.codegen.jit import kernel
from fastmlp.codegen.transpose import transpose_block, transpose_samples
from fastmlp.reference import arithmetic

DTYPES = pytest.mark.parametrize("dtype", [np.dtype("float32"), np.dtype("float64")], ids=str)


def lanes_of(dtype):
    return vector_bits() // 8 // dtype.itemsize


@kernel
def transpose(source, source_start, source_stride, target, target_start, target_stride):
    transpose_block(source, source_start, source_stride, target, target_start, target_stride)


@DTYPES
def test_a_block_is_transposed_and_nothing_around_it_is_written(dtype):
    lanes = lanes_of(dtype)
    source = np.random.default_rng(0).normal(size=(lanes + 2, lanes + 3)).astype(dtype)
    target = np.full((lanes + 4, lanes + 1), -1, dtype)
    transpose(source.reshape(-1), 2 * source.shape[1] + 1, source.shape[1], target.reshape(-1), 1, target.shape[1])
    ref = np.full_like(target, -1)
    ref[:lanes, 1:] = source[2:, 1 : 1 + lanes].T
    np.testing.assert_array_equal(target, ref)


@kernel
def gather_uint8(raw, samples, first_feature, scaling, out, target):
    transpose_samples(raw, samples, np.uint8, first_feature, scaling, out, target)


@kernel
def gather_float32(raw, samples, first_feature, scaling, out, target):
    transpose_samples(raw, samples, np.float32, first_feature, scaling, out, target)


@DTYPES
@pytest.mark.parametrize("source_dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("n_missing", [0, 1, 3])
def test_samples_are_gathered_transposed_and_scaled(dtype, source_dtype, n_missing):
    """Beyond the last sample of a batch, its last sample is repeated."""
    random, lanes, n_samples, k = np.random.default_rng(1), lanes_of(dtype), 20, 2
    n_features = 4 * lanes if source_dtype == np.uint8 else lanes
    X = random.integers(0, 256, (n_samples, k + n_features + 1)).astype(source_dtype)
    factor, offset = random.normal(size=(2, X.shape[1])).astype(dtype)
    order, first = random.permutation(n_samples + lanes).astype(np.int32) % n_samples, 3
    last = max(first, first + lanes - 1 - n_missing)
    start, stride = 1, lanes + 1
    out = np.full(start + n_features * stride, -1, dtype)
    gather = gather_uint8 if source_dtype == np.uint8 else gather_float32
    samples = order, first, last, X.strides[0]
    gather(X.reshape(-1).view(np.uint8), samples, k, (factor, offset), out, (start, stride))

    rows = X[order[np.minimum(np.arange(first, first + lanes), last)], k : k + n_features].astype(dtype)
    columns = slice(k, k + n_features)
    ref = np.full_like(out, -1)
    ref[start:].reshape(n_features, stride)[:, :lanes] = arithmetic.fma(rows, factor[columns], offset[columns]).T
    np.testing.assert_array_equal(out, ref)
