"""The split of a table into training and test rows, by the option ``--split`` and the columns of the table."""

from collections.abc import Sequence

import numpy as np

from fastmlp.data.check import Array
from fastmlp.data.split import Indices, SplitKind, parse_split, split_rows
from fastmlp.errors import DataError, MissingExtraError
from fastmlp.table.cell import dates_of, guess_date_format, guess_numbers, numbers_of, texts_of
from fastmlp.table.kind import column_name, unknown_column
from fastmlp.table.name import listed
from fastmlp.table.schema import Column

try:
    import pandas as pd
except ImportError:
    raise MissingExtraError("pandas", "table", "Reading tables") from None


def parse_table_split(
    text: str | None, names: Sequence[str], has_test_set: bool, has_header: bool = True
) -> tuple[SplitKind | None, str | None]:
    """The kind of a split, and its column; None for both if none is given.

    Parameters
    ----------
    text : str, optional
        The option.
    names : sequence of str
        Names of all columns.
    has_test_set : bool
        Whether there is a test set already.
    has_header : bool
        Whether the table has names of its own; otherwise a position, such as 3, names the column ``column_3``.

    Raises
    ------
    DataError
        If the option is invalid, its column does not exist, or there is a test set already.

    Examples
    --------
    >>> parse_table_split("time:day", ["day", "y"], has_test_set=False)
    ('time', 'day')
    """
    if text is None:
        return None, None
    if has_test_set:
        raise DataError("--split: expected none with a test set of its own, got both --split and --test; leave one out")
    kind, given = parse_split(text)
    if given is None:
        return kind, None
    column = column_name(given, names, has_header)
    if column not in names:
        raise DataError(f"--split: {unknown_column(column, names, has_header)}")
    return kind, column


def describe_split(kind: SplitKind, column: str | None) -> str:
    """A split in words.

    Examples
    --------
    >>> describe_split("time", "day")
    "the latest by 'day'"
    """
    return {
        "random": "drawn at random",
        "stratified": "drawn at random from each class",
        "time": f"the latest by {column!r}",
        "group": f"whole groups by {column!r}",
    }[kind]


def without_group(columns: tuple[Column, ...], kind: SplitKind | None, name: str | None) -> tuple[Column, ...]:
    """The columns, without the one that names the groups of a split: rows to predict belong to other groups.

    Examples
    --------
    >>> [column.kind for column in without_group((Column(name="who", kind="category"),), "group", "who")]
    ['left out']
    """
    if kind != "group":
        return columns
    left_out = Column(name=name or "", kind="left out", note="names the groups of --split")
    return tuple(left_out if column.name == name and column.kind != "id" else column for column in columns)


def split_table(
    kind: SplitKind, name: str | None, values: Array, columns: Sequence[Column], rows: pd.DataFrame
) -> tuple[Indices, Indices]:
    """Split the rows of a table, see `fastmlp.data.split.split_rows`.

    Parameters
    ----------
    kind, name : str
        The kind of split, and its column.
    values : numpy.ndarray of shape (n_rows,)
        Labels or target values.
    columns : sequence of Column
        What is known of the columns.
    rows : pandas.DataFrame
        The rows.

    Returns
    -------
    train, test : numpy.ndarray
        Indices.

    Raises
    ------
    DataError
        If the column has missing cells, text as a time, or one value only.

    Examples
    --------
    >>> rows = pd.DataFrame({"day": ["01/02/2024", "03/02/2024", "02/02/2024", "05/02/2024", "04/02/2024"]})
    >>> columns = [Column(name="day", kind="date", date_format="%d/%m/%Y")]
    >>> split_table("time", "day", np.arange(5.0), columns, rows)[1]
    array([3])
    """
    if name is None:
        return split_rows(kind, values)
    cells = rows[name]
    if kind == "group":
        return split_rows(kind, column=texts_of(cells), name=name)
    column = next(column for column in columns if column.name == name)
    # The column may be left out as a feature, or be an id: its kind says nothing then.
    guess = guess_date_format(cells) if column.kind != "date" else None
    form = column.date_format if guess is None else guess.date_format
    if form and cells.dtype.kind not in "biuf":
        return split_rows(kind, column=dates_of(cells, form)[0], name=name)
    numbers, is_bad = numbers_of(cells, column.decimal) if column.kind == "number" else guess_numbers(cells)[1:]
    return split_rows(kind, column=texts_of(cells) if is_bad.any() else numbers, name=name)


def with_known_class(values: Array, train: Indices, test: Indices) -> tuple[Indices, list[str]]:
    """The test rows whose class has a training row, and a note on the others: no network can have learnt theirs.

    Examples
    --------
    >>> test, notes = with_known_class(np.array(["a", "b", "a", "c"]), np.array([0, 1]), np.array([2, 3]))
    >>> test, notes
    (array([2]), ["test set: rows of classes without a training row are left out: 'c'"])
    """
    is_known = np.isin(values[test], np.unique(values[train]))
    if is_known.all():
        return test, []
    classes = listed([str(value) for value in np.unique(values[test][~is_known])])
    return test[is_known], [f"test set: rows of classes without a training row are left out: {classes}"]
