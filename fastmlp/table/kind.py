"""Columns for which users choose what becomes of them: the options ``--drop``, ``--keep-as-id`` and ``--kind``."""

import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from fastmlp.errors import DataError, MissingExtraError
from fastmlp.table.cell import NUMBER_SHARE, best_date_format, dates_of, guess_numbers
from fastmlp.table.name import nearest, shown
from fastmlp.table.schema import Column

try:
    import pandas as pd
except ImportError:
    raise MissingExtraError("pandas", "table", "Reading tables") from None


class Choices(NamedTuple):
    """What users chose, by the names of columns.

    Attributes
    ----------
    drop, keep_as_id : frozenset of str
        Columns that are left out, or copied to the output of predict.
    kinds : dict of str to str
        Kinds of columns: number, category, date or ``date:FORMAT``.
    """

    drop: frozenset[str]
    keep_as_id: frozenset[str]
    kinds: dict[str, str]


def option(name: str, kind: str) -> str:
    """The option that gives the kind of a column, as it is typed in a shell.

    Examples
    --------
    >>> option("Sr. No.", "number")
    "--kind 'Sr. No.=number'"
    """
    return f"--kind {shlex.quote(f'{name}={kind}')}"


def check_choices(
    names: Sequence[str],
    drop: Collection[str],
    keep_as_id: Collection[str],
    kinds: Mapping[str, str],
    has_header: bool = True,
) -> Choices:
    """What users chose, with the names that the columns have.

    Parameters
    ----------
    names : sequence of str
        Names of all columns but the target.
    drop, keep_as_id, kinds
        See `fastmlp.table.column.describe_columns`.
    has_header : bool
        Whether the table has names of its own; otherwise a position, such as 3, names the column ``column_3``.

    Raises
    ------
    DataError
        With all names that are no column, or belong to several options, and all kinds that are none.

    Examples
    --------
    >>> check_choices(["column_0", "column_1"], ["1"], (), {}, has_header=False).drop
    frozenset({'column_1'})
    """
    known, uses = frozenset(names), dict[str, list[str]]()
    faults, found = [], dict[str, list[str]]()
    for label, given in (("--drop", drop), ("--keep-as-id", keep_as_id), ("--kind", kinds)):
        found[label] = [column_name(name, known, has_header) for name in given]
        for name in found[label]:
            uses.setdefault(name, []).append(label)
            if name not in known:
                given_words = f"{name}={kinds[name]}" if name in kinds and label == "--kind" else name
                advice = _separation_advice(label, given_words, known)
                faults.append(f"{label}: {unknown_column(name, names, has_header)}{advice}")
    faults += [
        f"{', '.join(labels)}: expected different columns, got {name!r:.60} in all of them"
        for name, labels in uses.items()
        if len({*labels}) > 1 or labels.count("--kind") > 1
    ]
    faults += [
        f"--kind: expected number, category, date or date:FORMAT such as date:%d/%m/%Y for {name!r:.60}, "
        f"got {kind!r:.60}"
        for name, kind in kinds.items()
        if not re.fullmatch("number|category|date(:.+)?", kind)
    ]
    if faults:
        raise DataError("; ".join(faults))
    chosen = dict(zip(found["--kind"], kinds.values(), strict=True))
    return Choices(frozenset(found["--drop"]), frozenset(found["--keep-as-id"]), chosen)


def _separation_advice(label: str, text: str, known: Collection[str]) -> str:
    """What to write in place of several names, or kinds of several columns, in one argument; empty for any other."""
    words = [word.strip() for word in re.split("[,;]", text)] if re.search("[,;]", text) else text.split()
    names = [word.rpartition("=")[0] if label == "--kind" else word for word in words]
    if len(words) < 2 or not all(name in known for name in names):
        return ""
    return f"; separate several by spaces: {label} {shlex.join(words)}"


def column_name(name: str, known: Collection[str], has_header: bool) -> str:
    """The name of a column that is given by its name or, in a table without a header, by its position.

    Examples
    --------
    >>> column_name("1", ["column_0", "column_1"], has_header=False)
    'column_1'
    """
    is_position = not has_header and name not in known and re.fullmatch("[0-9]{1,9}", name, re.ASCII)
    return f"column_{int(name)}" if is_position else name


def unknown_column(name: str, names: Sequence[str], has_header: bool) -> str:
    """What to say of an unknown name, which may be meant for a table with, or without, a header.

    Examples
    --------
    >>> unknown_column("1", ["age", "sex"], has_header=True)  # doctest: +ELLIPSIS
    "unknown column '1'; the columns are 'age', 'sex'; columns go by their names; ...: --no-header"
    """
    said = nearest(name, names)
    if not has_header:
        said += "; the table has no header, so names are column_0, column_1, ...; if its first line is one: --header"
    elif re.fullmatch("(column_)?[0-9]+", name, re.ASCII):
        # The table may be a data frame or a Parquet file: its names are no first row, and that is not known here.
        said += "; columns go by their names; if the first row of a text or Excel file is no header: --no-header"
    return said


def column_of_kind(cells: pd.Series, kind: str) -> Column:
    """What a column is made of if users say so.

    Parameters
    ----------
    cells : pandas.Series
        The cells, in the form that `fastmlp.table.frame.to_frame` returns.
    kind : str
        Kind that `check_choices` accepts.

    Returns
    -------
    Column
        Of that kind, with ``is_given``. Cells that are no numbers, or no dates, count as missing; the note says so.

    Raises
    ------
    DataError
        If no cell is a number or date, or the format of dates is none, or needs to be given.

    Examples
    --------
    >>> column_of_kind(pd.Series([2, 3], name="stars"), "category").kind
    'category'
    """
    name = str(cells.name)
    if kind == "category":
        return Column(name=name, kind="category", is_given=True)
    if kind == "number":
        decimal, values, is_bad = guess_numbers(cells)
        made = Column(name=name, kind="number", decimal=decimal, is_given=True)
        is_known = np.isfinite(values)
    else:
        made = Column(name=name, kind="date", date_format=_date_format(cells, kind), is_given=True)
        dates, is_bad = dates_of(cells, made.date_format)
        is_known = ~np.isnat(dates)
    what = "numbers" if kind == "number" else f"dates like {made.date_format}"
    first = f", the first {shown(cells[is_bad].iloc[0])}" if is_bad.any() else ""
    if not is_known.any():
        raise DataError(f"{option(name, kind)}: expected {what}, got none{first.replace(', the first', ', but')}")
    note = f"cells that are no {what} count as missing: {int(is_bad.sum())}{first}" if first else ""
    return replace(made, note=note)


def _date_format(cells: pd.Series, kind: str) -> str:
    """The format of a column's dates, as given or as its cells have it."""
    given = kind.partition(":")[2]
    if given:
        return given
    if cells.dtype.kind == "M":
        return "ISO8601"
    found, name = best_date_format(cells), str(cells.name)
    if found is not None and found.share >= NUMBER_SHARE:
        return found.date_format
    expected = f"{option(name, kind)}: expected dates of one known format in {NUMBER_SHARE:.0%} of the cells"
    if found is None:
        raise DataError(
            f"{expected}, got {', '.join(map(shown, pd.unique(cells.dropna())[:3])) or 'no cells'}; give the format, "
            f"as in {option(name, 'date:%d/%m/%Y')}"
        )
    others = ", ".join(map(shown, found.odd[:3])) + (f", ... ({len(found.odd)} in all)" if len(found.odd) > 3 else "")
    raise DataError(
        f"{expected}, got {found.share:.0%} like {found.date_format}, which fits most; others: {others}; "
        f"{option(name, f'date:{found.date_format}')} counts these as missing"
    )
