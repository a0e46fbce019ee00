"""Sparse matrices in ``.npz`` files of `scipy.sparse.save_npz`, read within bounds and without unpickling."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from fastmlp.data.sparse import MAX_INDEX, check_index_range, check_indices
from fastmlp.errors import DataError, FileFormatError, MissingExtraError
from fastmlp.io.bounded import Array, max_decompressed_bytes, translate_errors
from fastmlp.io.npz import Npz

#: Names of arrays that every such file has, and names of which it has one.
COMMON_NAMES, PLACE_NAMES = {"format", "shape", "data"}, {"indptr", "row", "coords", "offsets"}
#: Formats that are read.
FORMATS = ("csr", "csc", "coo")


def is_sparse_file(names: Collection[str]) -> bool:
    """Whether the arrays in a ``.npz`` file are a sparse matrix of SciPy, by their names.

    Examples
    --------
    >>> is_sparse_file(["data", "indices", "indptr", "format", "shape"]), is_sparse_file(["X", "y"])
    (True, False)
    """
    return set(names) >= COMMON_NAMES and not PLACE_NAMES.isdisjoint(names)


def load_sparse(path: Path) -> Any:
    """Read a sparse matrix.

    Parameters
    ----------
    path : pathlib.Path
        A file of `scipy.sparse.save_npz`, in the format CSR, CSC or COO.

    Returns
    -------
    scipy.sparse.csr_array
        The matrix in CSR, its indices within its shape.

    Raises
    ------
    DataNotFoundError
        If the file cannot be opened.
    FileFormatError
        If it is damaged, foreign, of another format, or its indices lead beyond its shape.
    MissingExtraError
        If SciPy is not installed.

    Examples
    --------
    >>> import tempfile
    >>> from scipy.sparse import coo_array, save_npz
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_npz(f"{folder}/X.npz", coo_array([[0, 2], [1, 0]]))
    ...     load_sparse(Path(folder, "X.npz")).toarray()
    array([[0, 2],
           [1, 0]])
    """
    try:
        from scipy import sparse
    except ImportError:
        raise MissingExtraError("SciPy", "sklearn", "Reading a sparse matrix") from None
    try:
        with translate_errors(path, ".npz file", Exception), Npz(path) as arrays:
            form, shape = _format_of(arrays, path), _shape_of(arrays, path)
            data = _vector(arrays, "data", "biufc", path)
            if form == "coo":
                row, column = _coordinates(arrays, path)
                _check_coordinates(row, column, data, shape, str(path))
                return sparse.coo_array((data, (row, column)), shape=shape).tocsr()
            indices, indptr = (_vector(arrays, name, "iu", path) for name in ("indices", "indptr"))
            check_indices(indptr, indices, data, shape if form == "csr" else shape[::-1], str(path))
            make = sparse.csr_array if form == "csr" else sparse.csc_array
            return make((data, indices, indptr), shape=shape).tocsr()
    except DataError as error:
        raise FileFormatError(str(error)) from error


def _format_of(arrays: Npz, path: Path) -> str:
    if not is_sparse_file(arrays):
        raise FileFormatError(
            f"{path}: expected a sparse matrix, as scipy.sparse.save_npz writes it, got the arrays "
            f"{', '.join(arrays) or 'none'}"
        )
    value = arrays["format"].reshape(-1)[0]
    form = value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
    if form not in FORMATS:
        raise FileFormatError(
            f"{path}: expected one of the sparse formats {', '.join(FORMATS)}, got {form!r:.20}; write it by "
            "scipy.sparse.save_npz(path, X.tocsr())"
        )
    return form


def _shape_of(arrays: Npz, path: Path) -> tuple[int, int]:
    shape = _vector(arrays, "shape", "iu", path).tolist()
    # A row takes 4 bytes in CSR, and none in the other formats.
    most_rows = max_decompressed_bytes(path.stat().st_size) // 4
    if len(shape) != 2 or not (0 <= shape[0] <= most_rows and 0 <= shape[1] <= MAX_INDEX):
        raise FileFormatError(
            f"{path}: expected the shape of a matrix of at most {most_rows:,} rows, for the length of the file, and "
            f"{MAX_INDEX:,} columns, got {shape!r:.100}"
        )
    return shape[0], shape[1]


def _vector(arrays: Npz, name: str, kinds: str, path: Path) -> Array:
    if name not in arrays:
        raise FileFormatError(f"{path}: expected the array {name}, got {', '.join(arrays)}")
    array = arrays.read(name, accepts_empty=True)
    if array.ndim != 1 or array.dtype.kind not in kinds:
        what = "numbers" if "f" in kinds else "integers"
        raise FileFormatError(
            f"{path}/{name}.npy: expected {what} in one dimension, got {array.dtype} of shape {array.shape}"
        )
    return array


def _coordinates(arrays: Npz, path: Path) -> tuple[Array, Array]:
    """Row and column of each entry of a COO matrix."""
    if "coords" not in arrays:
        return _vector(arrays, "row", "iu", path), _vector(arrays, "col", "iu", path)
    coords = arrays.read("coords", accepts_empty=True)
    if coords.ndim != 2 or len(coords) != 2 or coords.dtype.kind not in "iu":
        raise FileFormatError(
            f"{path}/coords.npy: expected integers of shape (2, n), got {coords.dtype}, {coords.shape}"
        )
    return coords[0], coords[1]


def _check_coordinates(row: Array, column: Array, data: Array, shape: tuple[int, int], name: str) -> None:
    if not len(row) == len(column) == len(data):
        lengths = f"{len(row)}, {len(column)} and {len(data)}"
        raise FileFormatError(f"{name}: expected as many rows and columns as numbers, got {lengths}")
    for indices, n in zip((row, column), shape, strict=True):
        check_index_range(np.ascontiguousarray(indices), n, name)
