import tracemalloc

import numpy as np
import pytest
from scipy import sparse

from fastmlp.data.sparse_file import is_sparse_file, load_sparse
from fastmlp.errors import DataNotFoundError, FileFormatError

DENSE = np.where(np.arange(24).reshape(4, 6) % 3, 0, np.arange(24.0).reshape(4, 6) - 5)


def write(path, X=None, **changes):
    """Save a matrix, with other arrays in place of some of its own; None leaves one out."""
    sparse.save_npz(path, sparse.csr_array(DENSE) if X is None else X)
    if changes:
        with np.load(path) as file:
            arrays = {name: array for name, array in ({**file} | changes).items() if array is not None}
        np.savez_compressed(path, **arrays)
    return path


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("kind", ["csr_array", "csr_matrix", "csc_array", "csc_matrix", "coo_array", "coo_matrix"])
def test_files_of_scipy_are_read(kind, compressed, tmp_path):
    sparse.save_npz(tmp_path / "X.npz", getattr(sparse, kind)(DENSE), compressed=compressed)
    got = load_sparse(tmp_path / "X.npz")
    assert (got.format, got.dtype) == ("csr", np.float64)
    np.testing.assert_array_equal(got.toarray(), DENSE)


def test_older_and_newer_spellings_are_read(tmp_path):
    coo = sparse.coo_matrix(DENSE)
    coords = write(tmp_path / "coords.npz", coo, row=None, col=None, coords=np.array([coo.row, coo.col]))
    text = write(tmp_path / "text.npz", format=np.array("csr"))
    swapped = sparse.csr_array(DENSE)
    arrays = {name: np.array(getattr(swapped, name)) for name in ("data", "indices", "indptr")}
    foreign = write(tmp_path / "big.npz", **{name: a.astype(a.dtype.newbyteorder(">")) for name, a in arrays.items()})
    for path in (coords, text, foreign):
        np.testing.assert_array_equal(load_sparse(path).toarray(), DENSE)


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csc_array, sparse.coo_array])
def test_a_matrix_without_a_non_zero_is_read(kind, tmp_path):
    got = load_sparse(write(tmp_path / "X.npz", kind((3, 2))))
    assert (got.shape, got.nnz) == ((3, 2), 0)


@pytest.mark.parametrize("form", ["bsr", "dia"])
def test_other_formats_are_refused(form, tmp_path):
    path = write(tmp_path / "X.npz", sparse.csr_array(DENSE).asformat(form))
    with pytest.raises(FileFormatError, match=rf"X\.npz: expected one of the sparse formats .*, got '{form}'"):
        load_sparse(path)


CSR = sparse.csr_array(DENSE)
HOSTILE = {
    "an index beyond the columns": {"indices": CSR.indices + 5},
    "a negative index": {"indices": CSR.indices - 1},
    "an index of 2**63": {"indices": np.full(CSR.nnz, 1 << 63, np.uint64)},
    "floats as indices": {"indices": CSR.indices + 0.5},
    "fewer indices": {"indices": CSR.indices[:3]},
    "no indices": {"indices": None},
    "row ends that fall": {"indptr": np.array([0, 8, 2, 4, 8])},
    "another number of rows": {"indptr": CSR.indptr[:3]},
    "row ends beyond the numbers": {"indptr": CSR.indptr * 5},
    "fewer numbers": {"data": CSR.data[:2]},
    "strings as numbers": {"data": CSR.data.astype(str)},
    "a matrix of numbers": {"data": CSR.data[:, None]},
    "a negative shape": {"shape": np.array([-4, 6])},
    "a huge shape": {"shape": np.array([1 << 62, 1 << 62])},
    "too many columns": {"shape": np.array([4, 1 << 40])},
    "one dimension": {"shape": np.array([24])},
    "a shape of floats": {"shape": np.array([4.0, 6.0])},
    "another format": {"format": np.array(b"../x")},
    "a format of its own": {"format": np.array([7])},
    "pickled objects": {"data": np.array([None] * CSR.nnz)},
}


@pytest.mark.parametrize("changes", HOSTILE.values(), ids=HOSTILE)
def test_hostile_files_are_refused(changes, tmp_path):
    with pytest.raises(FileFormatError, match=r"X\.npz"):
        load_sparse(write(tmp_path / "X.npz", **changes))


@pytest.mark.parametrize(
    "changes", [{"row": np.full(8, 4)}, {"col": np.full(8, -1)}, {"row": np.zeros(3, int)}, {"col": None}]
)
def test_hostile_coordinates_are_refused(changes, tmp_path):
    with pytest.raises(FileFormatError, match=r"X\.npz"):
        load_sparse(write(tmp_path / "X.npz", sparse.coo_array(DENSE), **changes))


def test_many_rows_in_a_small_file_allocate_nothing(tmp_path):
    path = write(tmp_path / "X.npz", sparse.coo_array(DENSE), shape=np.array([1 << 30, 6]))
    tracemalloc.start()
    with pytest.raises(FileFormatError, match=r"X\.npz: expected the shape of a matrix of at most 16,777,216 rows"):
        load_sparse(path)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 1 << 20


@pytest.mark.parametrize("n_kept", [0, 50, 300, -3])
def test_a_truncated_file_is_refused(n_kept, tmp_path):
    path = write(tmp_path / "X.npz")
    path.write_bytes(path.read_bytes()[:n_kept])
    with pytest.raises(FileFormatError, match=r"X\.npz .* is not an intact"):
        load_sparse(path)


def test_other_archives_and_missing_files_are_refused(tmp_path):
    np.savez(tmp_path / "X.npz", X=DENSE, y=DENSE)
    with pytest.raises(FileFormatError, match=r"X\.npz: expected a sparse matrix, .*, got the arrays X, y"):
        load_sparse(tmp_path / "X.npz")
    with pytest.raises(DataNotFoundError, match=r"none\.npz"):
        load_sparse(tmp_path / "none.npz")


def test_a_table_with_a_column_called_data_is_not_sparse():
    assert not is_sparse_file(["format", "shape", "data"])
    assert not is_sparse_file(["data", "indptr"])
