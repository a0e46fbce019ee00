"""What each column of a table is made of, decided on all rows: number, category, date, id, or left out.

`describe_columns` returns a `Column` for each, with a note for users; `fastmlp.table.encoder` adds what is learnt from
the training rows.
"""

import random
import re
import shlex
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from fastmlp.errors import DataError, MissingExtraError
from fastmlp.table.cell import are_bytes, are_numbers, dates_of, guess_date_format, guess_numbers, texts_of
from fastmlp.table.kind import check_choices, column_of_kind, option
from fastmlp.table.name import shown
from fastmlp.table.schema import Column

try:
    import pandas as pd
except ImportError:
    raise MissingExtraError("pandas", "table", "Reading tables") from None

#: A column of numbers and other cells is a category if it has at most so many levels, and more than such a share of
#: other cells: 0, 1, 2, 3+ is one; a column of measurements with a few remarks is none.
FEW_LEVELS, OTHER_SHARE = 10, 0.01
#: Digits after a leading 0, as in 020, are a code rather than a number, unless there are more levels.
MANY_CODES = 100
#: Texts of which more than this share of the cells, and more than this number, are distinct say nothing about new rows.
DISTINCT_SHARE, DISTINCT_TEXTS = 0.5, 20
#: From this share of missing cells on, a column of distinct texts is kept for its missing cells.
MISSING_SHARE = 0.05
#: Smallest share of distinct whole numbers in a column that is named like an id, for it to be one. Ids of patients
#: repeat where a patient came twice.
ID_SHARE = 0.9
#: Numbers of rows below which nothing is taken for an id or a count of the rows.
FEW_ROWS = 10
#: So many columns of bytes and more are taken for pixels, 7 x 7 of them, where a constant one keeps its place: in most
#: images of digits the corners are 0.
IMAGE_COLUMNS = 49
#: Cells by which it is decided whether a column of text may hold numbers.
_SAMPLE = 1000
#: Smallest mean number of words, or of characters, of texts that are called free text rather than ids.
_WORDS, _CHARACTERS = 3, 30

#: customerID, Patient Id, PID, id_client, ID Number; index, Sr. No., row.names; policy_number; Unnamed: 0, or no name.
_ID_NAME = re.compile(
    r".*[a-z0-9](?:ID|Id)"
    r"|(?i:(?:.*[\W_])?(?:ids?|[cprsu]id|uuid|guid)|id[\W_].*)"
    r"|(?i:(?:account|case|client|customer|employee|invoice|loan|member|order|patient|phone|policy|student|ticket|user)"
    r"[\W_]*(?:no|nr|num|number|code)\.?)"
    r"|(?i:index|idx|key|(?:rows?|serial|record|sl|sr|s)?[\W_]*(?:no|nr|num|number|names?)\.?|unnamed:? ?[0-9]*|)"
)
#: Names of a first column without a name in the header, as R and pandas write the names of the rows.
_ROW_NAMES = re.compile("row_names|unnamed_0")
#: Names of columns that may count the rows because time does.
_TIME_NAME = re.compile(r"(?i:.*(?:time|date|day|week|month|year|hour|minute|second|period|step|age).*|t)")


def describe_columns(
    frame: pd.DataFrame,
    drop: Collection[str] = (),
    keep_as_id: Collection[str] = (),
    kinds: Mapping[str, str] | None = None,
    has_header: bool = True,
) -> tuple[Column, ...]:
    """What each column is made of.

    Parameters
    ----------
    frame : pandas.DataFrame
        All rows, without the target, in the form that `fastmlp.table.frame.to_frame` returns.
    drop : collection of str
        Names of columns to leave out.
    keep_as_id : collection of str
        Names of columns that are no features, but are copied to the output of predict.
    kinds : mapping of str to str, optional
        Kinds of columns, whatever would be inferred: number, category, date (in a format that is recognised), or
        ``date:`` with a format for `datetime.datetime.strptime`.
    has_header : bool
        Whether the table has names of its own. Otherwise a column may be given by its position, counted from 0, too.

    Returns
    -------
    tuple of Column
        One per column, with name, kind, note and, for dates, date_format.

    Raises
    ------
    DataError
        If a name in `drop`, `keep_as_id` or `kinds` is no column, or is in two of them, a kind is none or does not fit
        the cells, or no column is left to learn from.

    Examples
    --------
    >>> frame = pd.DataFrame({"age": [20, 31, 45], "sex": ["f", "m", "f"], "unit": ["cm"] * 3})
    >>> [(column.name, column.kind, column.note) for column in describe_columns(frame)]
    [('age', 'number', ''), ('sex', 'category', ''), ('unit', 'left out', "constant: 'cm' in every row")]
    >>> describe_columns(frame, drop=["unit"], kinds={"age": "category"})[0].kind
    'category'
    """
    chosen = check_choices(list(frame.columns), drop, keep_as_id, kinds or {}, has_header)
    columns, faults = [], []
    for place, (name, cells) in enumerate(frame.items()):  # iloc takes 60 us per column, which is a third of all here
        if name in chosen.keep_as_id:
            columns.append(Column(name=name, kind="id", note="copied to the output of predict"))
        elif name in chosen.drop:
            columns.append(Column(name=name, kind="left out", note="--drop"))
        elif name in chosen.kinds:
            try:
                columns.append(column_of_kind(cells, chosen.kinds[name]))
            except DataError as error:
                faults.append(str(error))
        else:
            columns.append(_describe(cells, place))
    if faults:
        raise DataError("; ".join(faults))
    used = [c for c in columns if c.kind == "number" or c.note.startswith("constant")]
    if len(used) == len(columns) >= IMAGE_COLUMNS and all(are_bytes(cells) for _, cells in frame.items()):
        columns = [c if c.kind == "number" else Column(name=c.name, kind="number", note="constant") for c in columns]
    if not any(column.kind in ("number", "category", "date") for column in columns):
        # Better a count of the rows than nothing: a table of one column x = 0, 1, 2, ...
        columns = [Column(name=c.name, kind="number") if c.note.startswith("counts") else c for c in columns]
    if not any(column.kind in ("number", "category", "date") for column in columns):
        found = "; ".join(f"{column.name!r}: {column.note}" for column in columns[:10]) or "no columns"
        raise DataError(
            f"table: expected a column to learn from besides the target, got none ({found}); --kind NAME=number or "
            "--kind NAME=category uses one"
        )
    return tuple(columns)


def _describe(cells: pd.Series, place: int) -> Column:
    """What a column is made of; `place` is its position among the columns."""
    name, n_cells = cells.name, int(cells.count())
    if place == 0 and _ROW_NAMES.fullmatch(name) and n_cells == len(cells) > 1 and cells.is_unique:
        return Column(name=name, kind="left out", note=f"names of the rows: all differ{_id_advice(cells)}")
    if cells.dtype.kind in "biuf":
        return _describe_numbers(cells, place)
    if n_cells == 0:
        return Column(name=name, kind="left out", note="empty")
    if cells.dtype.kind == "M":
        if n_cells == len(cells) and cells.nunique() == 1:
            return Column(name=name, kind="left out", note=f"constant: {cells.iloc[0]} in every row")
        return Column(name=name, kind="date", date_format="ISO8601")
    return _describe_texts(cells, n_cells)


def _describe_numbers(cells: pd.Series, place: int) -> Column:
    """What a column of numbers or booleans is made of."""
    name, values = cells.name, cells.to_numpy()
    if values.dtype.kind == "f":
        finite = values[np.isfinite(values)]
        n_bad = int(np.isinf(values).sum())
        note = f"infinite cells count as missing: {n_bad}" if n_bad else ""
    else:
        finite, note = values, ""
    if not len(finite):
        return Column(name=name, kind="left out", note=note or "empty")
    low, high = finite.min().item(), finite.max().item()
    if low == high and len(finite) == len(values):
        # Whole numbers beyond 2^53 may differ in the file.
        where = "in every row" if abs(low) < 2**53 else "in every row, as far as numbers of 64 bits tell them apart"
        return Column(name=name, kind="left out", note=f"constant: {low} {where}")
    found = _id_note(cells, finite, place)
    return Column(name=name, kind="left out", note=found) if found else Column(name=name, kind="number", note=note)


def _id_note(cells: pd.Series, finite: np.ndarray[Any, Any], place: int) -> str:
    """Why a column of numbers is an id, or empty: a measurement is none, however many distinct values it has."""
    name, values = str(cells.name), cells.to_numpy()
    n_rows, n = len(values), len(finite)
    if n < FEW_ROWS or values.dtype.kind == "b":
        return ""
    low, high = finite.min().item(), finite.max().item()
    has_id_name = _ID_NAME.fullmatch(name) is not None and (name != "" or place == 0)
    if has_id_name and high - low >= ID_SHARE * n - 1 and (finite == np.round(finite)).all():
        n_distinct = len(np.unique(finite))
        if n_distinct >= ID_SHARE * n:
            return f"an id: {n_distinct} different numbers in {n_rows} rows{_id_advice(cells)}"
    # In the order of the rows, with gaps where rows without a label were left out: any order would take a rank for a
    # count, such as those of the departments in Guerry's moral statistics.
    is_dense = values.dtype.kind in "iu" and low in (0, 1) and ID_SHARE * (high - low) < n
    if is_dense and not _TIME_NAME.fullmatch(name) and (np.diff(values.astype(np.int64)) > 0).all():
        return f"counts the rows{_id_advice(cells)}"
    return ""


def _id_advice(cells: pd.Series) -> str:
    """How an id is used nevertheless."""
    name, kind = str(cells.name), "number" if cells.dtype.kind in "biuf" else "category"
    return f"; {option(name, kind)} uses it, --keep-as-id {shlex.quote(name)} copies it to the output of predict"


def _describe_number_texts(cells: pd.Series, n_levels: int) -> Column | None:
    """What a column of texts is made of if nearly all of them are numbers; None if it is no such column.

    It is a category if the texts that are none are more than remarks, or the numbers are codes.
    """
    if not _may_be_numbers(cells):
        return None
    name = str(cells.name)
    decimal, values, is_bad = guess_numbers(cells)
    if not are_numbers(values, is_bad):
        return None
    n_bad = int(is_bad.sum())
    if n_levels <= FEW_LEVELS and n_bad > OTHER_SHARE * len(cells):
        note = f"numbers and other texts; {option(name, 'number')} counts the others as missing"
        return Column(name=name, kind="category", note=note)
    if n_levels <= MANY_CODES and cells.astype(str).str.fullmatch("0[0-9]+").any():
        return Column(name=name, kind="category", note=f"codes with a leading 0; or {option(name, 'number')}")
    found = _describe_numbers(pd.Series(values, name=cells.name), -1)
    if found.kind != "number":
        return found
    note = (
        f"cells that are no numbers count as missing: {n_bad}, the first {shown(cells[is_bad].iloc[0])}; "
        f"or {option(name, 'category')}"
        if n_bad
        else ""
    )
    return replace(found, note=note, decimal=decimal)


def _may_be_numbers(cells: pd.Series) -> bool:
    """Whether half the cells of a sample are numbers: parsing 100,000 different texts in vain takes 0.2 s."""
    if len(cells) < 2 * _SAMPLE:
        return True
    rows = random.Random(0).sample(range(len(cells)), _SAMPLE)
    _, values, is_bad = guess_numbers(cells.iloc[rows])
    return bool(is_bad.sum() <= np.isfinite(values).sum())


def _describe_date_texts(cells: pd.Series, n_levels: int) -> Column | None:
    """What a column of texts is made of if nearly all of them are dates of one format; None if it is no such column.

    As with numbers, a few levels of which one is no date are a category.
    """
    guess = guess_date_format(cells)
    if guess is None:
        return None
    name, notes = str(cells.name), []
    if guess.other:
        notes.append(f"read as {guess.date_format}; or {option(name, f'date:{guess.other}')}")
    if guess.odd:
        is_bad = dates_of(cells, guess.date_format)[1]
        n_bad = int(is_bad.sum())
        if n_levels <= FEW_LEVELS and n_bad > OTHER_SHARE * len(cells):
            return None
        if n_bad:
            first = shown(cells[is_bad].iloc[0])
            notes.append(
                f"cells that are no dates like {guess.date_format} count as missing: {n_bad}, the first {first}; "
                f"or {option(name, 'category')}"
            )
    return Column(name=name, kind="date", date_format=guess.date_format, note="; ".join(notes))


def _describe_texts(cells: pd.Series, n_cells: int) -> Column:
    """What a column of texts is made of."""
    name, n_rows = cells.name, len(cells)
    counts = pd.Series(texts_of(cells), dtype=object).value_counts()
    n_levels = len(counts)
    if n_levels == 1 and n_cells == n_rows:
        return Column(name=name, kind="left out", note=f"constant: {shown(counts.index[0])} in every row")
    if isinstance(cells.dtype, pd.CategoricalDtype):
        return Column(name=name, kind="category")
    numbers = _describe_number_texts(cells, n_levels)
    if numbers is not None and numbers.kind != "category":
        return numbers
    dates = _describe_date_texts(cells, n_levels)
    if dates is not None:
        return dates
    is_unique = n_levels == n_cells and n_cells >= FEW_ROWS
    is_distinct = n_levels > max(DISTINCT_SHARE * n_cells, DISTINCT_TEXTS)
    if (is_unique or is_distinct) and n_rows - n_cells < MISSING_SHARE * n_rows:
        sample = counts.index[:1000]
        n_words = np.mean([len(text.split()) for text in sample])
        is_free = n_words >= _WORDS or np.mean([len(text) for text in sample]) >= _CHARACTERS
        what = "free text" if is_free else "an id"
        note = f"{what}: {n_levels} different texts in {n_rows} rows{_id_advice(cells)}"
        return Column(name=name, kind="left out", note=note)
    return numbers or Column(name=name, kind="category")
