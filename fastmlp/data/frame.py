"""Data frames and columns of pandas and polars as arrays of real numbers; neither library is imported."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from fastmlp.errors import DataError, DataTypeError


def has_columns(values: object) -> bool:
    """Whether it is a data frame, or a single column, of pandas or polars.

    Examples
    --------
    >>> import pandas as pd
    >>> has_columns(pd.DataFrame({"a": [1]})), has_columns(pd.Series([1])), has_columns(np.zeros(1))
    (True, True, False)
    """
    return hasattr(values, "to_numpy") and (hasattr(values, "columns") or _is_column(values))


def column_names(values: object, name: str) -> tuple[str, ...] | None:
    """The names of the columns.

    Parameters
    ----------
    values : object
        A data frame, a column, or anything else, which has no names.
    name : str
        Name of the frame in error messages.

    Returns
    -------
    tuple of str, or None
        None for columns without names, such as those that pandas numbers.

    Raises
    ------
    DataTypeError
        If only some names are strings.

    Examples
    --------
    >>> import pandas as pd
    >>> column_names(pd.DataFrame({"age": [22], "fare": [7.25]}), "X")
    ('age', 'fare')
    """
    if not has_columns(values):
        return None
    names = [values.name] if _is_column(values) else list(values.columns)  # type: ignore[attr-defined]
    strings = [str(label) for label in names if isinstance(label, str)]
    if strings and len(strings) < len(names):
        raise DataTypeError(
            f"{name}: expected names of columns that are all strings, got {_listed(names)}; rename them, as by "
            f"{name}.columns = {name}.columns.astype(str)"
        )
    return tuple(strings) or None


def check_same_names(names: tuple[str, ...] | None, expected: tuple[str, ...] | None, name: str, first: str) -> None:
    """Refuse columns that have other names than the first frame's, or another order.

    Parameters
    ----------
    names, expected : tuple of str, or None
        The names in a frame, and in the first one; nothing is compared if one has none.
    name, first : str
        Names of the two frames in error messages.

    Raises
    ------
    DataError
        If they differ.

    Examples
    --------
    >>> check_same_names(("fare", "age"), ("age", "fare"), "X_test", "X_train")
    Traceback (most recent call last):
    fastmlp.errors.DataError: X_test: expected the columns of X_train in their order, 'age', 'fare', got 'fare', \
'age'; select them by X_test[list(X_train.columns)]
    """
    if names is None or expected is None or names == expected:
        return
    missing = [label for label in expected if label not in names]
    found = f"got {_listed(names)}; select them by {name}[list({first}.columns)]"
    if missing:
        found = f"got no column {_listed(missing)}; add it"
    raise DataError(f"{name}: expected the columns of {first} in their order, {_listed(expected)}, {found}")


def frame_values(values: Any, name: str) -> npt.NDArray[Any]:
    """The cells of a data frame or a column.

    Parameters
    ----------
    values : data frame (n_rows, n_columns), or column (n_rows,)
        Columns of numbers, booleans, or texts and objects that are numbers; missing cells of any type are accepted.
    name : str
        Name in error messages.

    Returns
    -------
    numpy.ndarray of shape (n_rows, n_columns) or (n_rows,)
        The common dtype of the columns; with booleans among numbers, that of integers. Columns with missing cells, and
        those of texts and objects, are float64, in which a missing cell is NaN. A frame of pandas with one dtype of
        NumPy shares its memory.

    Raises
    ------
    DataTypeError
        If a column does not consist of real numbers; the message has its name.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"age": pd.array([22, None], dtype="Int64"), "is_adult": [True, False]})
    >>> frame_values(frame, "X")
    array([[22.,  1.],
           [nan,  0.]])
    """
    if _is_column(values):
        return _numbers(values, name)
    if hasattr(values, "iloc") and len({*values.dtypes}) == 1 and _is_plain(values.dtypes.iloc[0]):
        return np.asarray(values)
    columns = values.get_columns() if hasattr(values, "get_columns") else [column for _, column in values.items()]
    arrays = [_numbers(column, name) for column in columns]
    for column, array in zip(columns, arrays, strict=True):
        if array.ndim > 1:  # an Array or Struct of polars
            raise _no_numbers(column, name)
    # Booleans and bytes together are not uint8, which would be scaled as pixels are.
    dtypes = {np.dtype(np.int8) if array.dtype == bool else array.dtype for array in arrays}
    cells = np.empty((len(values), len(arrays)), np.result_type(*dtypes) if dtypes else np.float64)
    for place, array in enumerate(arrays):
        cells[:, place] = array
    return cells


def _is_column(values: object) -> bool:
    return hasattr(values, "to_numpy") and hasattr(values, "name") and len(getattr(values, "shape", ())) == 1


def _is_plain(dtype: object) -> bool:
    return isinstance(dtype, np.dtype) and dtype.kind in "biuf"


def _numbers(column: Any, name: str) -> npt.NDArray[Any]:
    """The cells of a column as real numbers."""
    cells = column.to_numpy()
    if _is_plain(cells.dtype):
        return np.asarray(cells)
    # Dates with a time zone are objects in NumPy, which convert to floats.
    if not {cells.dtype.kind, getattr(column.dtype, "kind", "")} & {*"cMm"}:
        # ArithmeticError: of integers beyond float64's range, and of decimals that are a signalling NaN.
        with suppress(TypeError, ValueError, ArithmeticError):
            # pandas has several kinds of missing cells, polars None, which NumPy converts to NaN.
            is_pandas = hasattr(column, "isna")
            floats = column.to_numpy(dtype=np.float64, na_value=np.nan) if is_pandas else cells.astype(np.float64)
            return np.asarray(floats)
    raise _no_numbers(column, name)


def _no_numbers(column: Any, name: str) -> DataTypeError:
    place = "" if column.name is None else f" in column {column.name!r}"
    return DataTypeError(
        f"{name}: expected real numbers, got {column.dtype}{place}; convert the column to numbers, or give the table "
        "to fastmlp.load_data, which encodes texts, categories and dates"
    )


def _listed(names: Sequence[object]) -> str:
    shown = [repr(label) for label in names[:10]] + ["..."] * (len(names) > 10)
    return ", ".join(shown)
