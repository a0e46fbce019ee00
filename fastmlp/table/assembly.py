"""A frame from columns: their names, and what is left out of them."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastmlp.errors import MissingExtraError

try:
    import pandas as pd
except ImportError as error:
    raise MissingExtraError(error.name or "pandas", "table", "a table") from error

Array = NDArray[Any]
Notes = dict[str, str | int | bool | None]


def make_frame(names: Sequence[str], columns: Sequence[Array]) -> pd.DataFrame:
    """A frame of columns, whose dtypes stay as they are.

    Parameters
    ----------
    names : sequence of str
        Distinct names.
    columns : sequence of numpy.ndarray of shape (n_rows,)
        As `convert_text` and `narrow` return them.

    Returns
    -------
    pandas.DataFrame
        With an index of row numbers.

    Examples
    --------
    >>> make_frame(["a"], [np.array(["x", None], dtype=object)])["a"].tolist()
    ['x', None]
    """
    index = pd.Index(names, dtype=object)
    if len({column.dtype for column in columns}) == 1 and columns[0].dtype.kind != "O":
        # One block: 20,000 Series take 3 s, and such a frame becomes a matrix again without a copy.
        return pd.DataFrame(np.stack(columns).T, columns=index, copy=False)
    n_rows = len(columns[0]) if columns else 0
    rows = pd.RangeIndex(n_rows)
    # pandas 3 makes columns of its own type of text from arrays of objects, unless the dtype is given.
    series = {position: pd.Series(column, rows, column.dtype, copy=False) for position, column in enumerate(columns)}
    frame = pd.DataFrame(series, rows, copy=False)
    frame.columns = index
    return frame


def narrow(numbers: Array) -> Array:
    """Whole numbers from 0 to 255 as uint8; others as they are.

    Examples
    --------
    >>> narrow(np.array([0, 255])).dtype, narrow(np.array([0, 256])).dtype
    (dtype('uint8'), dtype('int64'))
    """
    is_narrow = numbers.dtype == np.int64 and len(numbers) and numbers.min() >= 0 and numbers.max() <= 255
    return numbers.astype(np.uint8) if is_narrow else numbers


def missing_column(n_rows: int) -> Array:
    """A column of missing cells."""
    return np.full(n_rows, np.nan)


def unique_names(names: Sequence[str], width: int, has_row_names: bool = False) -> list[str]:
    """Distinct names of columns, which do not depend on the cells.

    Equal names get the suffixes ``.1``, ``.2``, ... A column without a name is called by its position, ``column_3``;
    but the first one beside names is ``row_names`` if it has those of the rows, as in R's tables, and else
    ``unnamed_0``.

    Parameters
    ----------
    names : sequence of str
        Names in the header, "" for none; empty without one.
    width : int
        Number of columns.
    has_row_names : bool
        Whether the first column has the names of the rows.

    Returns
    -------
    list of str

    Examples
    --------
    >>> unique_names(["", "a", "a", ""], 4), unique_names([], 2)
    (['unnamed_0', 'a', 'a.1', 'column_3'], ['column_0', 'column_1'])
    """
    found = [name.strip() for name in names] or [""] * width
    if names and not found[0]:
        found[0] = "row_names" if has_row_names else "unnamed_0"
    taken: dict[str, int] = {}
    made = []
    for position, name in enumerate(found):
        name = name or f"column_{position}"
        unique = name
        while unique in taken:
            unique = f"{name}.{taken[name]}"
            taken[name] += 1
        taken[unique] = taken.get(unique, 0) + 1
        made.append(unique)
    return made


def name_columns(
    names: Sequence[str], columns: list[Array], has_row_names: bool = False, known: Collection[str] = ()
) -> tuple[list[str], list[Array], Notes]:
    """Distinct names of columns, without the columns that hold nothing and have no name.

    Parameters
    ----------
    names, has_row_names
        As in `unique_names`.
    columns : list of numpy.ndarray
        All columns.
    known : collection of str
        Names of columns that are kept even if they hold nothing.

    Returns
    -------
    names : list of str
    columns : list of numpy.ndarray
    notes : dict
        What was left out, in words.

    Examples
    --------
    >>> name_columns(["a", "a"], [np.arange(2), np.arange(2)])[0]
    ['a', 'a.1']
    """
    notes: Notes = {}
    made = unique_names(names, len(columns), has_row_names)
    given = [name.strip() for name in names] or [""] * len(columns)
    is_kept = [
        name != "" or unique in known or not len(column) or not _is_missing(column).all()
        for name, unique, column in zip(given, made, columns, strict=True)
    ]
    if not names:  # only those at the end: a position in the middle has a meaning
        n_kept = max((position for position, kept in enumerate(is_kept, 1) if kept), default=0)
        is_kept = [position < n_kept for position in range(len(is_kept))]
    if not all(is_kept):
        notes["empty columns left out"] = is_kept.count(False)
    if len(set(given) - {""}) < len([name for name in given if name]):
        notes["equal names"] = "have a suffix such as .1"
    return (
        [name for name, kept in zip(made, is_kept, strict=True) if kept],
        [column for column, kept in zip(columns, is_kept, strict=True) if kept],
        notes,
    )


def _is_missing(column: Array) -> Array:
    if column.dtype.kind == "O":
        return np.fromiter((cell is None for cell in column), bool, len(column))
    if column.dtype.kind in "fM":
        return np.isnan(column) if column.dtype.kind == "f" else np.isnat(column)
    return np.zeros(len(column), bool)


def rows_of_missing(columns: Sequence[Array]) -> Array:
    """Numbers of the rows of which all cells are missing.

    Examples
    --------
    >>> rows_of_missing([np.array([1, np.nan]), np.array(["x", None], dtype=object)])
    array([1])
    """
    found: Array | None = None
    for column in columns:
        missing = _is_missing(column)
        found = missing if found is None else found & missing
        if not found.any():
            break
    return np.flatnonzero(found) if found is not None else np.arange(0)
