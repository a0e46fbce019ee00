"""The entry: all that is asked of samples and labels before a kernel sees them. Knows no file and no data set."""

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from fastmlp.errors import DataError, DataTypeError

# A block and its temporaries stay in L2: finiteness of 614 MB of float32 is checked in 0.1 s with 0.3 MB of scratch.
BLOCK_BYTES = 1 << 20
EXACT_IN_FLOAT32 = 1 << 24
# The order of an epoch's samples is int32.
MAX_SAMPLES = (1 << 31) - 1

Array = npt.NDArray[Any]


def check_X(X: npt.ArrayLike, n_features: int | None = None, name: str = "X") -> Array:
    """Check samples, and lay them out as the kernels read them.

    Parameters
    ----------
    X : array_like of shape (n_samples, n_features) or (n_samples, ...)
        Numbers; images and the like are flattened, as a view where their layout allows it.
    n_features : int, optional
        How many features there must be.
    name : str
        What messages call the array.

    Returns
    -------
    numpy.ndarray of shape (n_samples, n_features)
        uint8, float32 or float64, each row contiguous. Arrays of these dtypes stay where they lie, memory-mapped files
        too; other integers, booleans and float16 become float32, or float64 where float32 cannot hold them.

    Raises
    ------
    DataTypeError
        If X is sparse, masked, or does not consist of real numbers.
    DataError
        If X is empty, ragged, of the wrong shape, or holds NaN or infinity.

    Examples
    --------
    >>> import numpy as np
    >>> from fastmlp.data.check import check_X
    >>> check_X(np.zeros((5, 8, 8), dtype=np.uint8)).shape
    (5, 64)
    >>> check_X([[1, 2], [3, 4]], n_features=2).dtype
    dtype('float32')
    """
    rows = _as_rows(as_array(X, name), name)
    if n_features is not None and rows.shape[1] != n_features:
        raise DataError(f"{name} has {rows.shape[1]} features; {n_features} are expected")
    if len(rows) > MAX_SAMPLES:
        raise DataError(f"{name} has {len(rows)} samples; at most {MAX_SAMPLES} are accepted: train on a part")
    rows = _laid_out(rows, _kept_dtype(rows))
    refuse_non_finite(rows, name)
    return rows


def check_y(y: npt.ArrayLike, n_samples: int, n_classes: int | None = None, name: str = "y") -> npt.NDArray[np.int32]:
    """Check labels.

    Parameters
    ----------
    y : array_like of shape (n_samples,) or (n_samples, 1)
        Integers 0 .. n_classes - 1; floats are accepted where each is a whole number.
    n_samples : int
        How many labels there must be.
    n_classes : int, optional
        How many classes there are; without it, any label from 0 is accepted.
    name : str
        What messages call the array.

    Returns
    -------
    numpy.ndarray of shape (n_samples,), int32
        A copy, so that what the caller does to y later cannot lead a kernel out of bounds.

    Raises
    ------
    DataTypeError
        If the labels are not numbers.
    DataError
        If they are of another length or shape, not whole numbers, or out of range.

    Examples
    --------
    >>> from fastmlp.data.check import check_y
    >>> check_y([0.0, 2.0, 1.0], n_samples=3)
    array([0, 2, 1], dtype=int32)
    """
    labels = as_array(y, name)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise DataError(
            f"{name} has shape {labels.shape}; one label a sample, shape ({n_samples},), is expected. "
            "One-hot labels become so with y.argmax(axis=1)"
        )
    if len(labels) != n_samples:
        raise DataError(f"{name} has {len(labels)} labels for {n_samples} samples")
    _refuse_fractions(labels, name)
    _refuse_out_of_range(labels, n_classes, name)
    return labels.astype(np.int32)


def row_blocks(n_rows: int, row_bytes: int) -> Iterator[slice]:
    """Cut rows into blocks of about a mebibyte, the same on every machine.

    Parameters
    ----------
    n_rows : int
        Rows in all.
    row_bytes : int
        Bytes that a row takes in the caller's scratch.

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
    """Real numbers as an array; what is sparse, masked, ragged or no number is refused."""
    if hasattr(values, "tocsr") or hasattr(values, "todense"):
        raise DataTypeError(f"{name} is a sparse {type(values).__name__}; a dense array, {name}.toarray(), is expected")
    # Asked for by name, numpy.ma would be imported: 12 ms and 1.5 MB.
    if "numpy.ma" in sys.modules and isinstance(values, sys.modules["numpy.ma"].MaskedArray):
        raise DataTypeError(f"{name} is a masked array; fill what is masked with {name}.filled(value)")
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise DataError(f"{name} cannot be read as an array, its rows differ in length: {error}") from error
    if array.dtype.kind not in "biuf":
        raise DataTypeError(f"{name} has dtype {array.dtype}; real numbers are expected. {_advice(array)}")
    return array


def _advice(array: Array) -> str:
    if array.dtype.kind == "c":
        return "Pass real and imaginary parts as features of their own"
    names = (
        "names become labels, those of training and test set together, with np.unique(names, return_inverse=True)[1]"
    )
    return f"Objects become so with .astype(float), {names}"


def _as_rows(X: Array, name: str) -> Array:
    if X.ndim < 2:
        raise DataError(
            f"{name} has shape {X.shape}; (n_samples, n_features) is expected. "
            f"One sample becomes so with {name}.reshape(1, -1), one feature with {name}.reshape(-1, 1)"
        )
    if len(X) == 0:
        raise DataError(f"{name} has shape {X.shape}, that is zero samples; at least one is expected")
    if X.size == 0:
        raise DataError(f"{name} has shape {X.shape}, that is zero features; at least one is expected")
    return X if X.ndim == 2 else X.reshape(len(X), -1)


def _kept_dtype(X: Array) -> np.dtype[Any]:
    native = X.dtype.newbyteorder("=")
    if native in (np.uint8, np.float32, np.float64):
        return native
    wide_integer = X.dtype.kind in "iu" and X.dtype.itemsize >= 4
    needs_float64 = max(-int(X.min()), int(X.max())) > EXACT_IN_FLOAT32 if wide_integer else X.dtype.itemsize > 4
    return np.dtype(np.float64 if needs_float64 else np.float32)


def _laid_out(X: Array, dtype: np.dtype[Any]) -> Array:
    rows_contiguous = X.shape[1] == 1 or X.strides[1] == X.itemsize
    if X.dtype == dtype and rows_contiguous and X.flags.aligned:
        return X
    with np.errstate(over="ignore"):  # a long double beyond float64 becomes infinity and is refused as such
        return X.astype(dtype, order="C")


def refuse_non_finite(X: Array, name: str) -> None:
    """Refuse rows (n, n_columns) in which there is NaN or infinity; the first is named."""
    if X.dtype.kind != "f":
        return
    for rows in row_blocks(len(X), X.shape[1] * X.itemsize):
        finite = np.isfinite(X[rows])
        if not finite.all():
            row, column = np.argwhere(~finite)[0]
            value = X[rows][row, column]
            raise DataError(
                f"{name} holds {value} at row {rows.start + row}, column {column} (counted from 0); "
                "finite numbers are expected. Drop or fill such samples first"
            )


def _refuse_fractions(labels: Array, name: str) -> None:
    if labels.dtype.kind != "f":
        return
    whole = np.isfinite(labels) & (np.floor(labels) == labels)
    if not whole.all():
        index = int(np.argmin(whole))
        raise DataError(
            f"{name} holds {labels[index]} at index {index}; labels are whole numbers from 0. To predict numbers, ask "
            "for the task regression and a loss such as squared_error"
        )


def _refuse_out_of_range(labels: Array, n_classes: int | None, name: str) -> None:
    if len(labels) == 0:
        return
    highest = np.iinfo(np.int32).max if n_classes is None else n_classes - 1
    for index in (int(np.argmin(labels)), int(np.argmax(labels))):
        if not 0 <= int(labels[index]) <= highest:
            raise DataError(
                f"{name} holds the label {int(labels[index])} at index {index}; 0 to {highest} are accepted. "
                f"Labels become so with np.unique({name}, return_inverse=True)[1]"
            )
