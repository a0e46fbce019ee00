import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmlp.data import check
from fastmlp.data.check import as_array, check_table, check_X, is_as_checked, read_only, row_blocks
from fastmlp.errors import DataError, DataTypeError
from fastmlp.table.schema import Column, TableSchema


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_samples_of_accepted_dtypes_are_not_copied(dtype):
    X = np.ones((4, 3), dtype=dtype)
    assert np.shares_memory(check_X(X), X)


@pytest.mark.parametrize("view", [np.s_[::2], np.s_[::-1], np.s_[:, 1:3], np.s_[2:, :1]])
def test_views_with_contiguous_rows_are_not_copied(view):
    X = np.arange(24.0).reshape(6, 4)
    got = check_X(X[view])
    assert np.shares_memory(got, X)
    np.testing.assert_array_equal(got, X[view])


@pytest.mark.parametrize("make", [np.asfortranarray, lambda X: X[:, ::2], lambda X: X[:, ::-1]])
def test_other_layouts_are_copied_into_contiguous_rows(make):
    X = make(np.arange(12.0).reshape(3, 4))
    got = check_X(X)
    assert got.strides[1] == got.itemsize
    np.testing.assert_array_equal(got, X)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [">f4", "i8", "f8"])
def test_images_in_any_order_are_copied_once_at_most(order, dtype):
    X = np.asarray(np.arange(200 * 30 * 20).reshape(200, 30, 20), dtype, order=order)
    tracemalloc.start()
    got = check_X(X)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_array_equal(got, X.reshape(200, -1))
    assert got.flags.c_contiguous
    assert peak_bytes < got.nbytes + (1 << 19)


def test_a_read_only_view_does_not_lock_its_array_and_shields_it_from_changes_in_place():
    array = np.zeros((2, 3))
    view = read_only(array)
    view.shape = (3, 2)
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1
    assert array.shape == (2, 3)
    assert array.flags.writeable


def test_misaligned_samples_are_copied():
    X = np.frombuffer(bytes(4 * 6 + 1), dtype=np.uint8)[1:].view(np.float32).reshape(2, 3)
    assert check_X(X).flags.aligned


def test_images_are_flattened_as_a_view():
    X = np.zeros((5, 3, 4, 2), dtype=np.uint8)
    got = check_X(X)
    assert got.shape == (5, 24)
    assert np.shares_memory(got, X)


def test_a_memory_mapped_file_is_not_read_into_memory(tmp_path: Path):
    path = tmp_path / "X.npy"
    np.save(path, np.ones((4000, 1000), dtype=np.float32))
    mapped = np.load(path, mmap_mode="r")
    tracemalloc.start()
    got = check_X(mapped)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 1 << 20
    assert np.shares_memory(got, mapped)


@pytest.mark.parametrize(
    ("dtype", "order", "part", "reason"),
    [
        ("<f4", "F", np.s_[:], "it is in column-major order"),
        ("<f4", "C", np.s_[:, ::2], "its rows are not contiguous"),
        (">f4", "C", np.s_[:], "its dtype >f4 becomes float32"),
        ("<i8", "F", np.s_[:], "its dtype int64 becomes float32"),
    ],
)
def test_a_large_mapped_file_that_cannot_be_read_in_place_is_copied_once_with_a_warning(
    dtype, order, part, reason, tmp_path, monkeypatch
):
    monkeypatch.setattr(check, "LARGE_FILE_BYTES", 1 << 21)
    path = tmp_path / "X.npy"
    np.save(path, np.asarray(np.arange(2000 * 1000).reshape(2000, 1000), dtype, order=order))
    mapped = np.load(path, mmap_mode="r")[part]
    tracemalloc.start()
    advice = r"save it by np\.save\(path, np\.ascontiguousarray\(X, 'float32'\)\)$"
    with pytest.warns(UserWarning, match=rf"^X: .*X\.npy \(\d+ MiB\) is read into .* since {reason}; .*{advice}"):
        got = check_X(mapped)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < got.nbytes + (1 << 21)
    np.testing.assert_array_equal(got, mapped)


def test_a_small_mapped_file_is_copied_without_a_warning(tmp_path):
    np.save(tmp_path / "X.npy", np.asfortranarray(np.ones((4, 3))))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert check_X(np.load(tmp_path / "X.npy", mmap_mode="r")).flags.c_contiguous


@pytest.mark.parametrize(
    ("dtype", "converted"),
    [
        (np.bool_, np.float32), (np.int8, np.float32), (np.uint16, np.float32), (np.float16, np.float32),
        (np.int32, np.float32), (np.int64, np.float32), (np.uint64, np.float32), (np.longdouble, np.float64),
        (">f4", np.float32), (">f8", np.float64),
    ],
)  # fmt: skip
def test_other_numbers_are_converted_exactly(dtype, converted):
    X = np.array([[0, 1], [1, 0]]).astype(dtype)
    got = check_X(X)
    assert got.dtype == converted
    np.testing.assert_array_equal(got, X.astype(np.float64))


@pytest.mark.parametrize("value", [2**24 + 1, -(2**24) - 1, 2**31 - 1])
def test_integers_that_float32_cannot_represent_become_float64(value):
    got = check_X(np.array([[value, 0]]))
    assert got.dtype == np.float64
    assert got[0, 0] == value


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_the_error_for_a_value_that_is_not_finite_has_its_position(value):
    X = np.zeros((1000, 500), dtype=np.float32)
    X[777, 3] = value
    with pytest.raises(DataError, match=f"X_test: expected finite numbers, got {value} at row 777, column 3"):
        check_X(X, name="X_test")


def test_a_long_double_beyond_float64_is_refused():
    huge = np.array([[np.finfo(np.longdouble).max]])
    if huge[0, 0] == np.finfo(np.float64).max:
        pytest.skip("long double is float64 on this machine")
    with pytest.raises(DataError, match="inf"):
        check_X(huge)


class Sparse:
    def tocsr(self): ...


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.array([[1, None]], dtype=object), "expected real numbers, got dtype object; convert numeric objects by"),
        (np.array([["a", "b"]]), "expected real numbers, got dtype <U1"),
        (np.array([[1j, 2]]), "pass real and imaginary parts as separate features"),
        (np.array([["2020-01-01"]], dtype="datetime64[D]"), "got dtype datetime64"),
        (np.zeros((2, 2), dtype=[("a", "f4")]), "expected real numbers"),
        (np.ma.masked_array(np.ones((2, 2)), mask=[[0, 1], [0, 0]]), r"got a masked array; fill it by X\.filled"),
        (Sparse(), r"expected a dense array or a sparse one of SciPy, got a sparse Sparse"),
        (None, "got dtype object"),
    ],
)
def test_samples_that_are_not_real_numbers_are_refused(X, message):
    with pytest.raises(DataTypeError, match=f"^X: .*{message}"):
        check_X(X)


def test_a_sparse_matrix_of_scipy_is_accepted_as_samples_alone():
    sparse = pytest.importorskip("scipy.sparse")
    X = sparse.eye(3, format="csr")
    assert check_X(X) is X
    with pytest.raises(DataTypeError, match=r"^y: expected a dense array, got a sparse .*; convert it by y\.toarray"):
        as_array(X, "y")


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ones(3), r"expected shape \(n_samples, n_features\), got \(3,\)"),
        (1.0, r"expected shape \(n_samples, n_features\), got \(\)"),
        (np.ones((0, 3)), r"expected at least one sample, got shape \(0, 3\)"),
        (np.ones((3, 0)), r"expected at least one feature, got shape \(3, 0\)"),
        (np.ones((3, 0, 2)), r"expected at least one feature, got shape \(3, 0, 2\)"),
        ([[1, 2], [3]], "differ in length"),
        (np.ones((2, 5)), "expected 4 features, got 5"),
    ],
)
def test_wrong_shapes_are_refused(X, message):
    with pytest.raises(DataError, match=f"^X: .*{message}"):
        check_X(X, n_features=4)


@given(n_rows=st.integers(0, 1000), row_bytes=st.integers(0, 1 << 22))
def test_blocks_cover_every_row_once(n_rows, row_bytes):
    covered = [row for rows in row_blocks(n_rows, row_bytes) for row in range(rows.start, rows.stop)]
    assert covered == list(range(n_rows))


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_an_array_that_is_returned_itself_is_recognised(dtype):
    for X in (np.ones((3, 4), dtype), np.ones((6, 4), dtype)[1:2], np.ones((3, 4), dtype)[1:]):
        assert is_as_checked(X, 4)
        assert np.shares_memory(check_X(X, 4, ensure_finite=False), X)


@pytest.mark.parametrize(
    "X",
    [
        [[1.0, 2.0, 3.0, 4.0]],
        np.ones((3, 5)),
        np.ones((0, 4)),
        np.ones(4),
        np.ones((3, 2, 2)),
        np.ones((3, 4), np.int64),
        np.ones((3, 4), np.dtype("f8").newbyteorder()),
        np.ones((3, 8))[:, :4],
        np.asfortranarray(np.ones((3, 4))),
        np.zeros(97, np.uint8)[1:].view("f8").reshape(3, 4),
        np.ma.masked_array(np.ones((3, 4))),
    ],
)
def test_any_other_samples_take_the_full_check(X):
    assert not is_as_checked(X, 4)


def test_nan_and_infinity_are_returned_where_they_are_looked_for_later():
    X = np.array([[1.0, np.nan], [np.inf, 2.0]])
    assert check_X(X, ensure_finite=False) is not None
    with pytest.raises(DataError, match="expected finite numbers, got nan at row 0, column 1"):
        check_X(X)


# schema of a table


def test_a_schema_of_other_features_or_another_task_is_refused():
    table = TableSchema(
        columns=(Column(name="a", kind="category", levels=("x", "y")), Column(name="b", kind="id")),
        target="c", target_position=2, task="regression",
    )  # fmt: skip
    assert check_table(table, 2, "regression") is table
    assert check_table(None, 2, "regression") is None
    with pytest.raises(DataError, match="table: expected a schema of 3 features, got one of 2"):
        check_table(table, 3, "regression")
    with pytest.raises(
        DataError, match="table: expected a schema for the task 'classification', got one for 'regressi"
    ):
        check_table(table, 2, "classification")
    with pytest.raises(DataTypeError, match=r"table: expected None or a TableSchema, got \{\}"):
        check_table({}, 2, "regression")
