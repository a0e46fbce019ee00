"""Validation of samples, and their conversion to the dtypes and layouts that kernels read."""

import math
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from fastmlp.data.dtype import DTYPES, sample_dtype
from fastmlp.data.frame import column_names, frame_values, has_columns
from fastmlp.data.sparse import MAX_INDEX, check_sparse, is_sparse, refuse_non_finite_entries
from fastmlp.errors import DataError, DataTypeError
from fastmlp.settings import Task
from fastmlp.table.schema import TableSchema

#: Bytes per block of rows. A block and its temporaries stay in L2: the check of 614 MB of float32 for NaN and infinity
#: takes 0.1 s and 0.3 MB of temporary memory.
BLOCK_BYTES = 1 << 20
#: Mapped files of this size or larger are not read into memory without a warning.
LARGE_FILE_BYTES = 1 << 26

Array = npt.NDArray[Any]


def check_X(X: Any, n_features: int | None = None, name: str = "X", *, ensure_finite: bool = True) -> Array:
    """Validate samples, and convert them to a dtype and layout that kernels read.

    Parameters
    ----------
    X : array_like of shape (n_samples, n_features) or (n_samples, ...), or sparse matrix
        Numbers. Samples of several dimensions, such as images, are flattened, as a view where their layout allows it.
        Of data frames of pandas and polars, see `fastmlp.data.frame.frame_values`; of sparse matrices and arrays of
        SciPy, `fastmlp.data.sparse.check_sparse`.
    n_features : int, optional
        Expected number of features.
    name : str
        Name of the array in error messages.
    ensure_finite : bool
        Whether NaN and infinity are refused. In prediction, the kernels look for them.

    Returns
    -------
    numpy.ndarray or CSR matrix of shape (n_samples, n_features)
        uint8, float32 or float64, each row contiguous. Arrays of these dtypes, memory-mapped files included, are not
        copied if their rows are contiguous. Other integers, booleans and float16 become float32, or float64 where
        float32 cannot represent them. A warning names a memory-mapped file of 64 MiB or more that had to be copied.
        Sparse samples stay sparse, and become CSR.

    Raises
    ------
    DataTypeError
        If X is masked, or does not consist of real numbers.
    DataError
        If X is empty, ragged, of the wrong shape, or holds NaN or infinity, or if indices of a sparse matrix are
        invalid.

    Examples
    --------
    >>> import numpy as np
    >>> from fastmlp.data.check import check_X
    >>> check_X(np.zeros((5, 8, 8), dtype=np.uint8)).shape
    (5, 64)
    >>> check_X([[1, 2], [3, 4]], n_features=2).dtype
    dtype('float32')
    """
    if is_sparse(X):
        sparse: Array = check_sparse(X, n_features, name, ensure_finite=ensure_finite)
        return sparse
    samples = as_array(X, name)
    _check_shape(samples, n_features, name)
    dtype = sample_dtype(samples)
    if _is_readable_in_place(samples, dtype):
        rows = samples.reshape(len(samples), -1)
    else:
        _warn_of_copy(X, dtype, name)
        with np.errstate(over="ignore"):  # a long double beyond float64 becomes infinity, which is refused later
            rows = samples.astype(dtype, order="C").reshape(len(samples), -1)
    if ensure_finite:
        refuse_non_finite(rows, name, column_names(X, name))
    return rows


def is_as_checked(X: object, n_features: int) -> TypeGuard[Array]:
    """Whether `check_X` without `ensure_finite` would return X itself; False where only its full test could tell.

    It takes 0.2 us, `check_X` 1.2 us (Zen 5).

    Examples
    --------
    >>> from fastmlp.data.check import is_as_checked
    >>> is_as_checked(np.zeros((2, 3)), 3), is_as_checked([[0, 0, 0]], 3)
    (True, False)
    """
    if type(X) is not np.ndarray or X.ndim != 2 or X.dtype not in DTYPES:
        return False
    flags = X.flags
    return 0 < len(X) <= MAX_INDEX and X.shape[1] == n_features and flags.c_contiguous and flags.aligned


def check_table(table: object, n_features: int, task: Task) -> TableSchema | None:
    """Validate the schema of the table whose encoded rows are the samples of a data set or of a network.

    Parameters
    ----------
    table : TableSchema or None
        The schema.
    n_features : int
        Number of features of the samples.
    task : {"classification", "multilabel", "regression"}
        Task of the data set or the network.

    Raises
    ------
    DataTypeError
        If it is neither a TableSchema nor None.
    DataError
        If it describes another number of features, or another task.

    Examples
    --------
    >>> from fastmlp.data.check import check_table
    >>> check_table(TableSchema(columns=(), target="y", target_position=0, task="regression"), 3, "regression")
    Traceback (most recent call last):
    fastmlp.errors.DataError: table: expected a schema of 3 features, got one of 0
    """
    if table is None:
        return None
    if not isinstance(table, TableSchema):
        raise DataTypeError(f"table: expected None or a TableSchema, got {table!r:.200}")
    if len(table.feature_names) != n_features:
        raise DataError(f"table: expected a schema of {n_features} features, got one of {len(table.feature_names)}")
    if table.task != task:
        raise DataError(f"table: expected a schema for the task {task!r}, got one for {table.task!r}")
    return table


def row_blocks(n_rows: int, row_bytes: int) -> Iterator[slice]:
    """Divide rows into blocks of about 1 MiB, the same on every machine.

    Parameters
    ----------
    n_rows : int
        Total number of rows.
    row_bytes : int
        Size of a row in the caller's temporary memory.

    Yields
    ------
    slice
        Consecutive rows, at least one.

    Examples
    --------
    >>> from fastmlp.data.check import row_blocks
    >>> list(row_blocks(5, 1 << 19))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    step = max(1, BLOCK_BYTES // max(1, row_bytes))
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))


def as_array(values: npt.ArrayLike, name: str) -> Array:
    """Convert to an array of real numbers; sparse, masked, ragged and non-numeric input is refused."""
    array = frame_values(values, name) if has_columns(values) else as_dense(values, name)
    if array.dtype.kind not in "biuf":
        raise DataTypeError(f"{name}: expected real numbers, got dtype {array.dtype}; {_advice(array)}")
    return array


def as_dense(values: npt.ArrayLike, name: str) -> Array:
    """Convert to an array of any dtype; sparse, masked and ragged input is refused."""
    if is_sparse(values):
        raise DataTypeError(
            f"{name}: expected a dense array, got a sparse {type(values).__name__}; convert it by {name}.toarray()"
        )
    # Accessing numpy.ma as an attribute would import it: 12 ms and 1.5 MB.
    if "numpy.ma" in sys.modules and isinstance(values, sys.modules["numpy.ma"].MaskedArray):
        raise DataTypeError(
            f"{name}: expected an array without a mask, got a masked array; fill it by {name}.filled(value)"
        )
    try:
        return np.asarray(values)
    except ValueError as error:
        raise DataError(f"{name}: expected an array, got rows that differ in length: {error}") from error


def is_sequence(values: object) -> bool:
    """Whether it is a list, a tuple, an array of one dimension or more, or the like, but not a string.

    Examples
    --------
    >>> from fastmlp.data.check import is_sequence
    >>> is_sequence(["cat", "dog"]), is_sequence("cat"), is_sequence(np.array("cat"))
    (True, False, False)
    """
    if isinstance(values, np.ndarray):
        return values.ndim > 0
    return isinstance(values, Sequence) and not isinstance(values, str)


def read_only(array: Array) -> Array:
    """A view that cannot be written to; changes of its shape, strides or dtype do not reach the array.

    Examples
    --------
    >>> from fastmlp.data.check import read_only
    >>> read_only(np.zeros(3)).flags.writeable
    False
    """
    view = array.view()
    view.flags.writeable = False
    return view


def _advice(array: Array) -> str:
    if array.dtype.kind == "c":
        return "pass real and imaginary parts as separate features"
    return (
        "convert numeric objects by .astype(float), and names, those of training and test set together, by "
        "np.unique(names, return_inverse=True)[1]"
    )


def _check_shape(X: Array, n_features: int | None, name: str) -> None:
    if X.ndim < 2:
        raise DataError(
            f"{name}: expected shape (n_samples, n_features), got {X.shape}; reshape a single sample by "
            f"{name}.reshape(1, -1), a single feature by {name}.reshape(-1, 1)"
        )
    if len(X) == 0:
        raise DataError(f"{name}: expected at least one sample, got shape {X.shape}")
    if X.size == 0:
        raise DataError(f"{name}: expected at least one feature, got shape {X.shape}")
    if n_features is not None and math.prod(X.shape[1:]) != n_features:
        raise DataError(f"{name}: expected {n_features} features, got {math.prod(X.shape[1:])}")
    if len(X) > MAX_INDEX:
        raise DataError(f"{name}: expected at most {MAX_INDEX} samples, got {len(X)}; train on a part of them")


def _is_readable_in_place(X: Array, dtype: np.dtype[Any]) -> bool:
    """Whether the kernels can read the samples where they are: of a dtype, aligned, and each sample contiguous."""
    return X.dtype == dtype and X.flags.aligned and X[0].flags.c_contiguous


def _warn_of_copy(X: npt.ArrayLike, dtype: np.dtype[Any], name: str) -> None:
    """Warn if X is a large memory-mapped file, which is about to be read as a whole."""
    if not isinstance(X, np.memmap) or X.filename is None or X.nbytes < LARGE_FILE_BYTES:
        return
    if X.dtype != dtype:
        reason = f"its dtype {X.dtype} becomes {dtype}"
    else:
        reason = "it is in column-major order" if X.flags.f_contiguous else "its rows are not contiguous"
    warnings.warn(
        f"{name}: {X.filename} ({X.nbytes >> 20:,} MiB) is read into memory as a whole, since {reason}; to have it "
        f"read in place, save it by np.save(path, np.ascontiguousarray({name}, {dtype.name!r}))",
        stacklevel=5,  # the caller of Dataset or of Model.predict
    )


def refuse_non_finite(X: Any, name: str, columns: Sequence[str] | None = None) -> None:
    """Refuse NaN and infinity in an array or CSR matrix (n_rows, n_columns); the message has the place of the first."""
    if hasattr(X, "indptr"):
        refuse_non_finite_entries(X, name)
        return
    if X.dtype.kind != "f":
        return
    for rows in row_blocks(len(X), X.shape[1] * X.itemsize):
        finite = np.isfinite(X[rows])
        if not finite.all():
            row, column = np.argwhere(~finite)[0]
            value, row = X[rows][row, column], rows.start + row
            named = f"{column} (counted from 0)" if columns is None else f"{columns[column]!r} (rows counted from 0)"
            raise DataError(
                f"{name}: expected finite numbers, got {value} at row {row}, column {named}; drop or fill such samples "
                "first"
            )
