import numpy as np
import pytest
from scipy.sparse import csr_array, csr_matrix

import fastmlp
from fastmlp.errors import DataError, DataTypeError
from fastmlp.model import csr
from fastmlp.model.csr import CsrArrays, is_scaled, keeps_zeros, largest_batch, windows

X = np.array([[0.0, 2.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 3.0]])


@pytest.mark.parametrize("kind", [csr_matrix, csr_array])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("index_dtype", [np.int32, np.int64])
def test_the_arrays_are_those_of_the_matrix(kind, dtype, index_dtype):
    matrix = kind(X.astype(dtype))
    matrix.indices, matrix.indptr = matrix.indices.astype(index_dtype), matrix.indptr.astype(index_dtype)
    values, indptr, indices = CsrArrays.of(matrix, 3)
    assert values.view(dtype).tolist() == [2, 1, 3]
    assert (indptr.dtype, indptr.tolist()) == (np.int64, [0, 1, 1, 3])
    assert (indices.dtype, indices.tolist()) == (np.int32, [1, 0, 2])
    assert np.shares_memory(values, matrix.data)
    assert np.shares_memory(indices, matrix.indices) == (index_dtype == np.int32)
    assert not np.shares_memory(indptr, matrix.indptr)  # which a user may edit during a training


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [("indices", 0, 3), ("indices", 1, -1), ("indptr", 0, -1), ("indptr", 1, 5), ("indptr", 3, 9)],
)
def test_indices_that_lead_beyond_the_arrays_are_refused(name, place, value):
    matrix = csr_matrix(X)
    getattr(matrix, name)[place] = value
    with pytest.raises(DataError, match=r"X: expected (9 )?ind"):
        CsrArrays.of(matrix, 3)


def test_other_shapes_and_dtypes_are_refused():
    with pytest.raises(DataError, match=r"expected shape \(n_samples, 2\), got \(3, 3\)"):
        CsrArrays.of(csr_matrix(X), 2)
    with pytest.raises(DataTypeError, match="expected uint8, float32, float64"):
        CsrArrays.of(csr_matrix(X.astype(np.int16)), 3)


def test_the_largest_batch_is_that_of_the_longest_samples(monkeypatch):
    indptr = np.array([0, 5, 5, 6, 9])
    assert [largest_batch(indptr, n) for n in (1, 2, 3, 4)] == [5, 8, 9, 9]
    monkeypatch.setattr(csr, "MAX_INDEX", 8)
    with pytest.raises(DataError, match="batch_size: expected batches of at most 8 non-zeros, got 9; reduce it"):
        largest_batch(indptr, 3)


@pytest.mark.parametrize(
    ("scaling", "zeros", "scaled"),
    [
        (None, True, False),
        (([1, 1], [0, -0.0]), True, False),
        (([1, 2], [0, 0]), True, True),
        (([1, 1], [0, 1]), False, False),
    ],
)
def test_what_a_scaling_does(scaling, zeros, scaled):
    scaling = scaling and tuple(np.array(part, np.float64) for part in scaling)
    assert (keeps_zeros(scaling), is_scaled(scaling)) == (zeros, scaled)


@pytest.mark.parametrize("window", [1, 100, 1 << 20])
def test_windows_give_all_samples_once_and_in_whole_batches(window, monkeypatch):
    monkeypatch.setattr(csr, "WINDOW_BYTES", window)
    parts = list(windows(103, 24, 4))
    assert np.concatenate([np.arange(103)[part] for part in parts]).tolist() == list(range(103))
    assert all((part.stop - part.start) % 4 == 0 for part in parts[:-1])


@pytest.mark.parametrize("n_samples", [1, 3])
def test_a_network_whose_scaling_moves_zeros_predicts_as_for_dense_samples(n_samples, monkeypatch):
    monkeypatch.setattr(csr, "WINDOW_BYTES", 48)
    model = fastmlp.init_model(fastmlp.Config(hidden=(5,)), 3, 2)
    model.scaling = np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.0, 0.25])
    got = model.forward_validated(csr_matrix(X[:n_samples]), np.zeros(n_samples, np.int32))
    ref = model.forward_validated(X[:n_samples], np.zeros(n_samples, np.int32))
    np.testing.assert_array_equal(got[0], ref[0])
    np.testing.assert_array_equal(got[1], ref[1])
