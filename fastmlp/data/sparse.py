"""Sparse samples of SciPy: their check, and their conversion to compressed sparse rows (CSR) that kernels read.

Nothing here imports SciPy: whoever has a sparse matrix has it. A checked CSR matrix is told from a dense array by its
attribute ``indptr``.
"""

import copy
import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from fastmlp.data.dtype import sample_dtype
from fastmlp.errors import DataError, DataTypeError

Array = npt.NDArray[Any]
#: Kernels index samples and features by int32.
MAX_INDEX = (1 << 31) - 1
#: What errors about invalid indices advise.
ANEW = "make the matrix anew, by scipy.sparse.csr_array"
#: Dtypes of the index arrays of a checked matrix.
INDEX_DTYPES = (np.dtype(np.int32), np.dtype(np.int64))


def is_sparse(X: object) -> bool:
    """Whether it is a sparse matrix or array, of SciPy or of a library with the same methods.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> is_sparse(csr_array([[1.0]])), is_sparse(np.ones((1, 1)))
    (True, False)
    """
    return hasattr(X, "tocsr") or hasattr(X, "todense")


def check_sparse(X: Any, n_features: int | None = None, name: str = "X", *, ensure_finite: bool = True) -> Any:
    """Validate sparse samples, and convert them to canonical CSR of a dtype that kernels read.

    A single row with 50 non-zeros takes 9 us, 7 without `ensure_finite`, and 20,000 rows with 60 each 0.6 ms (Zen 5).

    Parameters
    ----------
    X : sparse matrix or array of shape (n_samples, n_features)
        Of SciPy, in any format. It is not written to.
    n_features : int, optional
        Expected number of features.
    name : str
        Name of the matrix in error messages.
    ensure_finite : bool
        Whether NaN and infinity are refused.

    Returns
    -------
    CSR matrix or array of shape (n_samples, n_features)
        Numbers as `fastmlp.data.check.check_X` returns them; the indices of each row ascending, without duplicates; all
        arrays contiguous, aligned and native, of the same index dtype, int32 or int64. X itself where it is that
        already; otherwise what need not be converted shares its memory.

    Raises
    ------
    DataTypeError
        If X is not a sparse matrix of SciPy, or does not consist of real numbers.
    DataError
        If X is empty or of the wrong shape, its indices are invalid, or it holds NaN or infinity.

    Examples
    --------
    >>> from scipy.sparse import coo_array
    >>> checked = check_sparse(coo_array([[0, 2, 0], [1, 0, 3]]))
    >>> checked.format, checked.data, checked.indices, checked.indptr
    ('csr', array([2., 1., 3.], dtype=float32), array([1, 0, 2], dtype=int32), array([0, 1, 3], dtype=int32))
    """
    _check_type(X, name)
    _check_shape(X.shape, n_features, name)
    _check_places(X, name)
    rows = X if X.format == "csr" else X.tocsr()
    if rows is not X:
        check_indices(rows.indptr, rows.indices, rows.data, rows.shape, name)
    if not _is_canonical(rows.indptr, rows.indices):
        rows = _canonical(rows)
    rows = _in_layout(rows)
    if ensure_finite:
        refuse_non_finite_entries(rows, name)
    return rows


def check_indices(indptr: Any, indices: Any, data: Any, shape: tuple[int, int], name: str) -> None:
    """Refuse the arrays of a CSR matrix that lead beyond its shape or beyond each other.

    SciPy checks them in constructors alone, and not all of them; afterwards they can be edited.

    Parameters
    ----------
    indptr, indices, data : numpy.ndarray
        The arrays, see `scipy.sparse.csr_array`; those of CSC with its shape transposed.
    shape : tuple of int
        Number of rows and of columns.
    name : str
        Name of the matrix in error messages.

    Raises
    ------
    DataError
        If they are invalid.

    Examples
    --------
    >>> check_indices(np.array([0, 1]), np.array([7]), np.array([1.0]), (1, 3), "X")
    Traceback (most recent call last):
    fastmlp.errors.DataError: X: expected indices from 0 to 2 in a sparse matrix, got one of 7; make the matrix \
anew, by scipy.sparse.csr_array
    """
    for label, array in (("indptr", indptr), ("indices", indices)):
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "iu" or array.ndim != 1:
            raise DataError(f"{name}: expected integers as {label} of a sparse matrix, got {array!r:.100}; {ANEW}")
    _expect_length(len(indptr), shape[0] + 1, "indptr", name)
    first, last = int(indptr[0]), int(indptr[-1])
    if first != 0 or (indptr[1:] < indptr[:-1]).any():
        raise DataError(f"{name}: expected indptr of a sparse matrix to rise from 0, got {indptr[:5]}...; {ANEW}")
    if last > min(len(indices), len(data)):
        raise DataError(
            f"{name}: expected {last} indices and numbers in a sparse matrix, as its indptr says, got {len(indices)} "
            f"and {len(data)}; {ANEW}"
        )
    check_index_range(indices[:last], shape[1], name)


def check_index_range(indices: Array, n: int, name: str) -> None:
    """Refuse indices outside of 0 .. n - 1.

    Examples
    --------
    >>> check_index_range(np.array([0, 2]), 3, "X")
    """
    unsigned = indices.view(indices.dtype.str.replace("i", "u"))  # in which negative indices are large
    if indices.size and unsigned.max() >= n:
        wrong = indices[unsigned >= n][0]
        raise DataError(f"{name}: expected indices from 0 to {n - 1} in a sparse matrix, got one of {wrong}; {ANEW}")


def refuse_non_finite_entries(X: Any, name: str) -> None:
    """Refuse NaN and infinity in a CSR matrix; the message has the row and column of the first.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> refuse_non_finite_entries(csr_array([[0.0, np.inf]]), "X")
    Traceback (most recent call last):
    fastmlp.errors.DataError: X: expected finite numbers, got inf at row 0, column 1 (counted from 0); drop or fill \
such samples first
    """
    if X.data.dtype.kind != "f":
        return
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(X.data.sum()):  # as it is of finite numbers, unless they are very large
            return
    finite = np.isfinite(X.data)
    if not finite.all():
        place = int(finite.argmin())
        row = int(np.searchsorted(X.indptr, place, side="right")) - 1
        raise DataError(
            f"{name}: expected finite numbers, got {X.data[place]} at row {row}, column {X.indices[place]} (counted "
            "from 0); drop or fill such samples first"
        )


def shared_view(X: Any) -> Any:
    """A CSR matrix that shares the memory of another, whose attributes can be assigned to without changing the other.

    The index arrays cannot be written to, since kernels do not check them.

    Parameters
    ----------
    X : CSR matrix or array
        The matrix.

    Returns
    -------
    CSR matrix or array
        Of the same class.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> X = csr_array([[1.0, 0.0]])
    >>> view = shared_view(X)
    >>> view.data[0] = 2
    >>> X.data, view.indices.flags.writeable
    (array([2.]), False)
    """
    view = copy.copy(X)  # 1.3 us; a constructor takes 8, and may convert the indices
    view.data, view.indices, view.indptr = X.data.view(), X.indices.view(), X.indptr.view()
    view.indices.flags.writeable = view.indptr.flags.writeable = False
    return view


def _check_type(X: Any, name: str) -> None:
    scipy_sparse = sys.modules.get("scipy.sparse")
    if scipy_sparse is None or not scipy_sparse.issparse(X):
        raise DataTypeError(
            f"{name}: expected a dense array or a sparse one of SciPy, got a sparse {type(X).__name__}; convert it to "
            "scipy.sparse.csr_array"
        )
    if X.dtype.kind not in "biuf":
        advice = "pass real and imaginary parts as separate features" if X.dtype.kind == "c" else "convert it to floats"
        raise DataTypeError(f"{name}: expected real numbers, got a sparse array of dtype {X.dtype}; {advice}")


def _check_shape(shape: tuple[int, ...], n_features: int | None, name: str) -> None:
    if len(shape) != 2:
        raise DataError(
            f"{name}: expected shape (n_samples, n_features), got a sparse array of shape {shape}; reshape a single "
            f"sample by {name}.reshape(1, -1)"
        )
    if 0 in shape:
        missing = "sample" if shape[0] == 0 else "feature"
        raise DataError(f"{name}: expected at least one {missing}, got shape {shape}")
    if n_features is not None and shape[1] != n_features:
        raise DataError(f"{name}: expected {n_features} features, got {shape[1]}")
    if max(shape) > MAX_INDEX:
        raise DataError(f"{name}: expected at most {MAX_INDEX} samples and features, got shape {shape}")


def _check_places(X: Any, name: str) -> None:
    """Check the indices of a matrix before SciPy converts it, which trusts them; other formats have none to trust."""
    if X.format in ("csr", "csc", "coo"):
        _expect_length(X.data.ndim, 1, "the shape of the data", name)
    if X.format == "csr":
        check_indices(X.indptr, X.indices, X.data, X.shape, name)
    elif X.format == "csc":
        check_indices(X.indptr, X.indices, X.data, X.shape[::-1], name)
    elif X.format == "bsr":
        n_rows, n_columns = (n // size for n, size in zip(X.shape, X.blocksize, strict=True))
        check_indices(X.indptr, X.indices, X.data, (n_rows, n_columns), name)
    elif X.format == "coo":
        for indices, n in ((X.row, X.shape[0]), (X.col, X.shape[1])):
            _expect_length(len(indices), len(X.data), "indices", name)
            check_index_range(np.asarray(indices), n, name)


def _expect_length(n: int, expected: int, label: str, name: str) -> None:
    if n != expected:
        raise DataError(f"{name}: expected {expected} numbers in {label} of a sparse matrix, got {n}; {ANEW}")


def _is_canonical(indptr: Array, indices: Array) -> bool:
    """Whether the indices of each row ascend; found out anew, as SciPy's flag does not follow edited arrays."""
    n_stored = int(indptr[-1])
    ascends = indices[1:n_stored] > indices[: max(0, n_stored - 1)]
    if ascends.all():
        return True
    starts = indptr[1:-1]
    ascends[starts[(starts > 0) & (starts < n_stored)] - 1] = True
    return bool(ascends.all())


def _canonical(X: Any) -> Any:
    """A copy with the indices of each row in ascending order; duplicates are added in the dtype of X, as by toarray."""
    made, n_stored, index_dtype = copy.copy(X), int(X.indptr[-1]), _index_dtype(X)
    dtype = np.float32 if X.data.dtype == np.float16 else X.data.dtype.newbyteorder("=")  # SciPy adds no float16
    made.data = np.array(X.data[:n_stored], dtype)
    made.indices, made.indptr = np.array(X.indices[:n_stored], index_dtype), np.array(X.indptr, index_dtype)
    made.has_sorted_indices = made.has_canonical_format = False
    made.sum_duplicates()
    return made


def _in_layout(X: Any) -> Any:
    """A CSR matrix whose arrays the kernels can read: X, or another one that shares what need not be converted."""
    n_stored, index_dtype = int(X.indptr[-1]), _index_dtype(X)
    wanted = (
        (X.data, sample_dtype(X.data), n_stored),
        (X.indices, index_dtype, n_stored),
        (X.indptr, index_dtype, len(X.indptr)),
    )
    if all(array.dtype == dtype and len(array) == n and _is_in_order(array) for array, dtype, n in wanted):
        return X
    made = copy.copy(X)
    with np.errstate(over="ignore"):  # a long double beyond float64 becomes infinity, which is refused later
        made.data, made.indices, made.indptr = (np.require(array[:n], dtype, ["C", "A"]) for array, dtype, n in wanted)
    return made


def _is_in_order(array: Array) -> bool:
    flags = array.flags
    return flags.c_contiguous and flags.aligned


def _index_dtype(X: Any) -> np.dtype[Any]:
    common = X.indices.dtype if X.indices.dtype == X.indptr.dtype else np.result_type(X.indices, X.indptr)
    return common if common in INDEX_DTYPES else np.dtype(np.int64)
