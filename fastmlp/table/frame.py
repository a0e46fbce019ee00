"""`to_frame`: a table of named columns in any of the common forms as a pandas.DataFrame with few types of columns."""

import datetime
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from fastmlp.errors import DataError, DataTypeError, MissingExtraError
from fastmlp.table.dialect import MISSING
from fastmlp.table.name import listed

try:
    import pandas as pd
    import pyarrow as pa
except ImportError as error:
    missing = "pyarrow" if "pyarrow" in str(error) else "pandas"
    raise MissingExtraError(missing, "table", "Reading tables") from None


def to_frame(X: Any, names: Sequence[str] | None = None) -> pd.DataFrame:
    """A table as a pandas.DataFrame of few types of columns.

    Parameters
    ----------
    X : table
        A data frame of pandas or polars, a table of PyArrow, a mapping of names to 1-D sequences (or to single cells:
        one row), a list of mappings of names to cells, a structured array, or, with `names`, a 2-D array.
    names : sequence of str, optional
        Names of the columns of a 2-D array.

    Returns
    -------
    pandas.DataFrame
        Names are str without blanks around them. Columns are int64, uint8, float64 (NaN is missing), bool, datetime64
        without time zone (UTC if there was one), category, or object of str (None is missing) without blanks around
        cells, where the texts in `fastmlp.table.schema.MISSING_CELLS` are missing. An index without a name is ignored;
        an index with one is the first column, as in the file that ``DataFrame.to_csv`` writes.

    Raises
    ------
    DataTypeError
        If X is none of these, or cells are lists, mappings or complex numbers.
    DataError
        If two columns have one name, columns differ in length, or there are none.

    Examples
    --------
    >>> to_frame({" age ": [22, None], "sex": ["f ", "?"]}).to_dict("list")
    {'age': [22.0, nan], 'sex': ['f', None]}
    """
    if isinstance(X, pd.DataFrame) and _is_plain(X):
        return X.set_axis(pd.Index(X.columns, dtype=object), axis=1)
    table = _to_pandas(X, names)
    columns = [str(name).strip() for name in table.columns]
    repeated = sorted({name for name in columns if columns.count(name) > 1}) if len({*columns}) < len(columns) else []
    if repeated:
        raise DataError(
            f"table: expected different names of columns, got {listed(repeated)} more than once; rename them, as by "
            "frame.columns = [...], or keep the first of each: frame.loc[:, ~frame.columns.duplicated()]"
        )
    if not columns:
        raise DataError("table: expected columns, got none")
    made = {}
    # By number: a column of an index of pandas 3's own type of text takes 40 us.
    for name, (_, column) in zip(columns, table.set_axis(range(len(columns)), axis=1).items(), strict=True):
        cells = _plain(column, name)
        # Without its type, pandas 3 takes texts for its own type of texts, where NaN is missing.
        made[name] = pd.Series(cells, dtype=cells.dtype) if cells.dtype == object else cells
    frame = pd.DataFrame(made, index=pd.RangeIndex(len(table)), copy=False)
    return frame.set_axis(pd.Index(columns, dtype=object), axis=1)


def _is_plain(frame: pd.DataFrame) -> bool:
    """Whether a data frame is in the form that `to_frame` returns, with numbers alone."""
    index, names = frame.index, frame.columns
    if not (isinstance(index, pd.RangeIndex) and index.name is None and index.start == 0 and index.step == 1):
        return False
    is_named = len(names) > 0 and names.is_unique and all(type(name) is str and name == name.strip() for name in names)
    return is_named and set(frame.dtypes.unique()) <= {
        np.dtype(kind) for kind in (np.uint8, np.int64, np.float64, bool)
    }


def _to_pandas(X: Any, names: Sequence[str] | None) -> pd.DataFrame:
    """A table as pandas.DataFrame, with columns of any type."""
    if isinstance(X, pd.DataFrame):
        return _without_index(X)
    if isinstance(X, Mapping):
        return _from_mapping(X)
    if isinstance(X, pa.Table | pa.RecordBatch):
        return _without_index(X.to_pandas(date_as_object=False))
    if hasattr(X, "__arrow_c_stream__") and hasattr(X, "columns"):
        return _without_index(pa.table(X).to_pandas(date_as_object=False))
    if names_of_fields := getattr(getattr(X, "dtype", None), "names", None):
        array = np.atleast_1d(X)
        return pd.DataFrame({name: list(array[name]) for name in names_of_fields})
    if isinstance(X, list | tuple) and X and all(isinstance(row, Mapping) for row in X):
        return pd.DataFrame.from_records(list(X))
    if names is not None and getattr(X, "ndim", 2) == 2:
        array = np.asarray(X, dtype=None if hasattr(X, "dtype") else object)
        if array.ndim == 2 and array.shape[1] == len(names):
            return pd.DataFrame(array, columns=list(names))
        raise DataError(f"table: expected rows of {len(names)} columns, got the shape {array.shape}")
    raise DataTypeError(
        f"table: expected a data frame, a mapping of names to columns, a list of mappings or a structured array, got "
        f"{type(X).__name__}"
    )


def _without_index(frame: pd.DataFrame) -> pd.DataFrame:
    """A data frame whose index is the row number; the named levels of its index are columns."""
    if isinstance(frame.columns, pd.MultiIndex):
        frame = frame.set_axis([" ".join(map(str, name)) for name in frame.columns], axis=1)
    named = [name for name in frame.index.names if name is not None and name not in frame.columns]
    unnamed = [level for level, name in enumerate(frame.index.names) if name not in named]
    frame = frame.reset_index(level=unnamed, drop=True) if len(unnamed) < frame.index.nlevels else frame
    return frame.reset_index() if named else frame.reset_index(drop=True)


def _from_mapping(X: Mapping[Any, Any]) -> pd.DataFrame:
    """Columns by name, or one row of cells by name."""
    columns, lengths = {}, {}
    for name, column in X.items():
        is_cell = isinstance(column, str | bytes) or not hasattr(column, "__len__")
        columns[name] = [column] if is_cell else column
        if getattr(column, "ndim", 1) != 1:
            raise DataError(f"column {name!r}: expected a 1-D sequence or one cell, got the shape {np.shape(column)}")
        lengths[str(name)] = len(columns[name])
        if hasattr(column, "array"):
            columns[name] = column.array
        elif not isinstance(column, pd.api.extensions.ExtensionArray) and hasattr(column, "to_numpy"):
            columns[name] = column.to_numpy()
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name!r}: {length}" for name, length in list(lengths.items())[:10])
        raise DataError(f"table: expected columns of one length, got {found}")
    return pd.DataFrame(columns)


def _plain(column: pd.Series, name: str) -> Any:
    """A column as one of the types that `to_frame` returns."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _plain_category(column)
    if isinstance(dtype, pd.ArrowDtype):
        table = pa.table({"x": pa.chunked_array(column.array.__arrow_array__())})
        return _plain(table.to_pandas(date_as_object=False)["x"], name)
    if isinstance(dtype, pd.PeriodDtype):
        return column.dt.to_timestamp().to_numpy()
    if isinstance(dtype, pd.DatetimeTZDtype):
        return column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
    kind = dtype.kind
    if kind == "c":
        raise DataTypeError(f"column {name!r}: expected numbers, got complex numbers")
    if kind == "m":
        return column.dt.total_seconds().to_numpy(dtype=np.float64)
    if kind == "M":
        return column.to_numpy()
    if kind in "biuf":
        return _plain_number(column)
    return _plain_object(column, name)


def _plain_number(column: pd.Series) -> Any:
    """Numbers and booleans of NumPy's types, or of pandas' types with missing cells."""
    kind = column.dtype.kind
    if not isinstance(column.dtype, np.dtype) and column.isna().any():
        if kind == "b":
            return _texts(column.astype(object))
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    if kind == "b":
        return column.to_numpy(dtype=bool)
    if kind == "f":
        return column.to_numpy(dtype=np.float64)
    if column.dtype == np.uint8:
        return column.to_numpy(dtype=np.uint8)
    if kind == "u" and len(column) and column.max() > np.iinfo(np.int64).max:
        return column.to_numpy(dtype=np.float64)
    return column.to_numpy(dtype=np.int64)


def _plain_category(column: pd.Series) -> Any:
    """A categorical column whose categories, if they are text, have no blanks around them and are not missing."""
    categories = _texts(pd.Series(column.cat.categories.astype(object)))
    if all(isinstance(cell, str) for cell in column.cat.categories):
        cells = np.append(categories, [None])[column.cat.codes.to_numpy()]
        return pd.Categorical(cells)
    return column.array


def _plain_object(column: pd.Series, name: str) -> Any:
    """A column of Python objects: numbers, dates or booleans if all of them are, otherwise texts."""
    found = pd.api.types.infer_dtype(column, skipna=True)
    if found in ("string", "empty"):
        return _texts(column)
    cells = column.dropna()
    is_complete = len(cells) == len(column)
    if found in ("integer", "floating", "mixed-integer-float", "decimal"):
        try:
            if found == "integer" and is_complete:
                return _plain_number(pd.Series(cells.to_numpy().astype(np.int64)))
            return column.astype(np.float64).to_numpy()
        except (OverflowError, ValueError, TypeError):
            return pd.to_numeric(column.map(float, na_action="ignore")).to_numpy(dtype=np.float64)
    if found == "boolean" and is_complete:
        return column.to_numpy(dtype=bool)
    if found in ("datetime", "datetime64", "date"):
        dates = pd.to_datetime(column, errors="coerce", utc=True)
        if dates.notna().equals(column.notna()):
            return dates.dt.tz_localize(None).to_numpy()
    if found in ("timedelta", "timedelta64"):
        return pd.to_timedelta(column).dt.total_seconds().to_numpy(dtype=np.float64)
    # Cells of several types are converted one by one: among distinct ones, True and 1 would be one.
    return np.array([*[_text(cell, name) for cell in column], None], dtype=object)[:-1]


def _texts(column: pd.Series, name: str = "") -> np.ndarray[Any, Any]:
    """Cells of one type as texts without blanks around them; None for missing ones."""
    codes, distinct = pd.factorize(column)
    texts = np.empty(len(distinct) + 1, dtype=object)
    for place, cell in enumerate(distinct):
        texts[place] = _text(cell, name)
    texts[-1] = None
    converted: np.ndarray[Any, Any] = texts[codes]
    return converted


def _text(cell: Any, name: str) -> str | None:
    """A cell as text, None if it is missing."""
    if isinstance(cell, bytes):
        cell = cell.decode("utf-8", "replace")
    if isinstance(cell, str):
        text = cell.strip()
        return None if text in MISSING else text
    if isinstance(cell, bool | np.bool_ | int | float | np.number | Decimal):
        return None if cell != cell else str(cell)
    if isinstance(cell, datetime.date | datetime.time | np.datetime64 | pd.Interval):
        return str(cell)
    if cell is None or cell is pd.NA or cell is pd.NaT:
        return None
    raise DataTypeError(
        f"column {name!r}: expected numbers, texts, booleans or dates in its cells, got {type(cell).__name__}; "
        "leave it out, or make columns of its parts"
    )
