import copy
import tracemalloc

import numpy as np
import pytest
from scipy import sparse

from fastmlp.data.check import check_X
from fastmlp.data.sparse import check_index_range, check_indices, check_sparse, is_sparse, shared_view
from fastmlp.errors import DataError, DataTypeError

DENSE = np.where(np.arange(24).reshape(4, 6) % 3, 0, np.arange(24.0).reshape(4, 6) - 5)
FORMATS = ("csr", "csc", "coo", "lil", "dok", "bsr", "dia")


def make(data=(1.0, 2.0, 3.0), indices=(0, 2, 1), indptr=(0, 2, 3), shape=(2, 3), kind=sparse.csr_array):
    return kind((np.array(data), np.array(indices), np.array(indptr)), shape=shape)


def arrays_of(X):
    return [np.array(value) for value in vars(X).values() if isinstance(value, np.ndarray)]


@pytest.mark.parametrize("kind", ["array", "matrix"])
@pytest.mark.parametrize("form", FORMATS)
def test_every_format_becomes_csr_and_is_not_written_to(form, kind):
    X = getattr(sparse, f"{form}_{kind}")(DENSE)
    before = arrays_of(X)
    got = check_X(X)
    assert (got.format, got.dtype, got.has_canonical_format) == ("csr", np.float64, True)
    np.testing.assert_array_equal(got.toarray(), DENSE)
    for array, ref in zip(arrays_of(X), before, strict=True):
        np.testing.assert_array_equal(array, ref)


@pytest.mark.parametrize("index_dtype", [np.int32, np.int64])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_canonical_csr_of_an_accepted_dtype_is_used_as_it_lies(dtype, index_dtype):
    X = sparse.csr_array(abs(DENSE).astype(dtype))
    X.indices, X.indptr = X.indices.astype(index_dtype), X.indptr.astype(index_dtype)
    assert check_X(X) is X
    for array in (X.data, X.indices, X.indptr):
        array.flags.writeable = False
    assert check_X(X) is X


@pytest.mark.parametrize(
    ("dtype", "ref"), [("bool", "float32"), ("i1", "float32"), ("i8", "float32"), (">f4", "float32"), ("g", "float64")]
)
def test_other_dtypes_are_converted_and_the_indices_shared(dtype, ref):
    X = sparse.csr_array(abs(DENSE) > 5)
    X.data = np.array(X.data, dtype)
    got = check_X(X)
    assert got.data.dtype == np.dtype(ref)
    assert np.shares_memory(got.indices, X.indices)
    assert X.data.dtype == np.dtype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.uint8, bool, np.int64, np.float16])
def test_unsorted_indices_and_duplicates_are_put_in_order_in_a_copy(dtype):
    X = make(np.array([1, 1, 1, 1, 1], dtype), (4, 1, 1, 3, 0), (0, 3, 5), (2, 5))
    X.has_sorted_indices = X.has_canonical_format = True  # as after an edit of a canonical matrix
    before = copy.deepcopy(X)
    got = check_X(X)
    assert (got.indices.tolist(), got.indptr.tolist()) == ([1, 4, 0, 3], [0, 2, 4])
    assert got.data.tolist() == [1 if dtype is bool else 2, 1, 1, 1]
    for array, ref in ((X.data, before.data), (X.indices, before.indices), (X.indptr, before.indptr)):
        np.testing.assert_array_equal(array, ref)


def test_numbers_beyond_the_last_row_are_left_out():
    X = make()
    X.data, X.indices = np.append(X.data, np.nan), np.append(X.indices, 77)
    got = check_X(X)
    assert (got.data.tolist(), got.indices.tolist()) == ([1.0, 2.0, 3.0], [0, 2, 1])
    assert np.shares_memory(got.data, X.data)


def test_index_arrays_of_any_layout_and_dtype_are_converted():
    X = make()
    X.indices, X.indptr, X.data = np.array([0, 9, 2, 9, 1], ">u2")[::2], X.indptr.astype(np.int64), X.data[::-1][::1]
    got = check_X(X)
    assert {got.indices.dtype, got.indptr.dtype} == {np.dtype(np.int64)}
    assert all(array.flags.c_contiguous for array in (got.data, got.indices, got.indptr))
    assert got.toarray().tolist() == [[3, 0, 2], [0, 1, 0]]


def test_samples_without_a_non_zero_are_accepted():
    for dtype in (np.float32, np.int64):
        got = check_X(sparse.csr_array((3, 2), dtype=dtype))
        assert (got.shape, got.nnz, got.dtype) == ((3, 2), 0, np.float32)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((0, 3), r"expected at least one sample, got shape \(0, 3\)"),
        ((3, 0), r"expected at least one feature, got shape \(3, 0\)"),
        ((2, 5), "expected 4 features, got 5"),
        ((1 << 40, 4), r"expected at most 2147483647 samples and features, got shape \(1099511627776, 4\)"),
        ((4,), r"expected shape \(n_samples, n_features\), got a sparse array of shape \(4,\).*X\.reshape\(1, -1\)"),
    ],
)
def test_another_shape_is_refused(shape, message):
    with pytest.raises(DataError, match=f"^X: {message}"):
        check_X(sparse.coo_array(shape), n_features=4)


def test_other_sparse_matrices_and_complex_numbers_are_refused():
    with pytest.raises(DataTypeError, match=r"^X: expected real numbers, got a sparse array of dtype complex128; pass"):
        check_X(sparse.csr_array(DENSE * 1j))
    objects = sparse.csr_array(DENSE)
    objects.data = objects.data.astype(object)
    with pytest.raises(DataTypeError, match=r"^X: expected real numbers, got a sparse array of dtype object; convert"):
        check_X(objects)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused_by_their_place(value):
    X = sparse.csr_array(DENSE)
    X.data[4] = value
    row, column = np.argwhere(DENSE)[4]
    message = rf"^X_test: expected finite numbers, got {value} at row {row}, column {column} \(counted from 0\)"
    with pytest.raises(DataError, match=message):
        check_X(X, name="X_test")
    assert check_X(X, ensure_finite=False) is X


def test_numbers_whose_sum_overflows_are_finite():
    assert check_X(make(np.full(3, 3e38, np.float32))).nnz == 3


EDITS = {
    "an index beyond the features": {"indices": [0, 3, 1]},
    "a negative index": {"indices": [0, -1, 1]},
    "floats as indices": {"indices": [0.0, 2.0, 1.0]},
    "rows that end before they begin": {"indptr": [0, 4, 3]},
    "a negative row end": {"indptr": [0, -2, 3]},
    "a later beginning": {"indptr": [1, 2, 3]},
    "another number of rows": {"indptr": [0, 3]},
    "more numbers than there are": {"indptr": [0, 2, 4]},
    "fewer numbers than indices": {"data": [1.0]},
    "a matrix of numbers": {"data": [[1.0], [2.0], [3.0]]},
}


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csc_array])
@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_invalid_arrays_of_an_edited_matrix_are_refused(edit, kind):
    X = make(shape=(2, 3) if kind is sparse.csr_array else (3, 2), kind=kind)
    for name, values in edit.items():
        setattr(X, name, np.array(values))
    with pytest.raises(DataError, match=r"^X: expected .* make the matrix anew"):
        check_sparse(X)


def test_invalid_places_of_other_formats_are_refused():
    X = sparse.coo_array(DENSE)
    X.col = X.col + 100
    with pytest.raises(DataError, match=r"^X: expected indices from 0 to 5"):
        check_sparse(X)
    X.col = X.col[:2]
    with pytest.raises(DataError, match=r"^X: expected 8 numbers in indices"):
        check_sparse(X)
    X = sparse.bsr_array(DENSE, blocksize=(2, 3))
    X.indices[0] = 2
    with pytest.raises(DataError, match=r"^X: expected indices from 0 to 1"):
        check_sparse(X)


def test_indices_are_within_range_up_to_the_last():
    check_index_range(np.array([0, 4], np.int64), 5, "X")
    check_indices(np.zeros(4, np.int32), np.zeros(0, np.int32), np.zeros(0), (3, 2), "X")
    with pytest.raises(DataError, match="from 0 to 3 in a sparse matrix, got one of 4"):
        check_index_range(np.array([0, 4], np.int64), 4, "X")


def test_the_check_of_a_large_matrix_takes_little_memory():
    X = sparse.random(2000, 1 << 20, density=1e-4, format="csr", dtype=np.float32, random_state=0)
    tracemalloc.start()
    check_X(X)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < X.nnz + (1 << 17)


def test_a_view_shares_memory_and_shields_the_matrix_from_assignments():
    X = make()
    view = shared_view(X)
    assert type(view) is type(X)
    view.data[0] = 7
    view.indices, view.data = view.indices[:1], view.data[:1]
    view.resize((1, 1))
    assert (X.toarray().tolist(), X.indices.flags.writeable) == ([[7, 0, 2], [0, 3, 0]], True)
    with pytest.raises(ValueError, match="read-only"):
        shared_view(X).indices[0] = 5


def test_dense_arrays_are_not_sparse():
    assert [is_sparse(X) for X in (DENSE, [[1.0]], sparse.csr_array(DENSE))] == [False, False, True]
