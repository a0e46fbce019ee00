"""What is known of a table before it is read: the columns of the table that a network was trained on.

Each row is read by that alone, and never by what other rows of the file look like.
"""

from collections.abc import Sequence
from os import PathLike
from typing import NamedTuple

import numpy as np

from fastmlp.errors import FileFormatError
from fastmlp.table.assembly import unique_names
from fastmlp.table.cell import number_of, text_of
from fastmlp.table.dialect import MISSING, count_titles, find_header
from fastmlp.table.options import DELIMITERS
from fastmlp.table.schema import MISSING_NUMBERS, TableSchema
from fastmlp.table.text_column import ANY, TEXT, Form

_ABSENT = frozenset(MISSING_NUMBERS)


class KnownHeader(NamedTuple):
    """Where the header of a table is whose columns are known, and what a user should know of it.

    `names` is empty, too, if there is a header but the known table had none: its columns are matched by position.
    """

    n_titles: int
    names: tuple[str, ...]
    n_rows: int
    has_row_names: bool
    remark: str


class KnownTable:
    """The names of a table's columns, and how their cells are converted.

    Parameters
    ----------
    schema : TableSchema
        The columns of the table that a network was trained on.
    has_text_target : bool
        Whether the labels are text.

    Attributes
    ----------
    names : frozenset of str
        All columns, the target among them.
    n_columns : int
        Their number, without the target.
    has_header : bool
        Whether these names stood in the file.
    decimal, delimiter : str or None
        With what the file was read; None for a file that has neither.

    Examples
    --------
    >>> from fastmlp.table.schema import Column
    >>> columns = Column(name="a", kind="number"), Column(name="b", kind="category", levels=("x", "y"))
    >>> known = KnownTable(TableSchema(columns=columns, target="y", target_position=2, task="regression"))
    >>> known.has_names(["b", "a", "other"]), known.positions(2), known.seems_header(["c", "d"])
    (True, ['a', 'b'], True)
    """

    def __init__(self, schema: TableSchema, has_text_target: bool = False) -> None:
        self._schema, self._has_text_target = schema, has_text_target
        read = schema.reading.get("read")
        read = read if isinstance(read, dict) else {}
        decimal, delimiter = read.get("decimal"), read.get("delimiter")
        self.decimal: str | None = decimal if decimal in (".", ",") else None
        self.delimiter: str | None = DELIMITERS.get(delimiter) if isinstance(delimiter, str) else None
        self.has_header = schema.has_header
        self._columns = {column.name: column for column in schema.columns}
        self._inputs = {column.name for column in schema.inputs}
        self._in_order = list(self._columns)
        self._in_order.insert(schema.target_position, schema.target)
        self.names = frozenset(self._in_order)
        self.n_columns = len(self._columns)

    def has_names(self, names: Sequence[str]) -> bool:
        """Whether names hold those of all columns that become features."""
        return self._inputs <= set(names)

    def positions(self, width: int) -> list[str] | None:
        """Names of so many columns without names: all, with or without the target; None for another number of them.

        A column more, without a name, is that of a delimiter at the end of each row.
        """
        known = [self._in_order, list(self._columns)]
        if not self.has_header:
            known.append([name for name in self._columns if name in self._inputs])
        for n_extra in (0, 1):
            for names in known:
                if len(names) == width - n_extra:
                    return names + [""] * n_extra
        return None

    def seems_header(self, cells: Sequence[str]) -> bool | None:
        """Whether a row has names, which need not be those that are known; None if that cannot be told.

        It has if most of its cells are known names; if it has no number in any column of numbers, and no digit in any
        of dates; or, in a table of categories alone, if none of its cells is a known level.
        """
        present = [cell for cell in cells if cell not in MISSING]
        if present and sum(cell in self.names for cell in present) > len(present) / 2:
            return True
        names = self.positions(len(cells))
        if names is None:
            return None
        are_values, are_levels = [], []
        for name, cell in zip(names, cells, strict=True):
            column = self._columns.get(name)
            if column is None or cell in MISSING:
                continue
            if column.kind == "number":
                are_values.append(cell in _ABSENT or any(np.isfinite(number_of(cell, point)) for point in ".,"))
            elif column.kind == "date":
                are_values.append(any(map(str.isdigit, cell)))
            elif column.kind == "category" and column.levels:
                are_levels.append(text_of(cell) in column.levels)
        found = are_values or are_levels
        return not any(found) if found else None

    def find_header(self, rows: Sequence[Sequence[str]], width: int, header: bool | None) -> KnownHeader:
        """The header of a table, by its first row, or by the row below titles, alone.

        Parameters
        ----------
        rows : sequence of sequence of str
            The first rows, without blanks around the cells.
        width : int
            Number of columns.
        header : bool, optional
            Whether there is one; by default found out.

        Returns
        -------
        KnownHeader
        """
        n_titles = count_titles(rows, width)
        for place in range(n_titles + 1) if header is not False else ():
            names, n_rows, has_row_names = find_header(rows[place:], width, True)
            if names and self.has_names(unique_names(names, width, has_row_names)):
                return KnownHeader(place, names, n_rows, has_row_names, "")
        remark = ""
        if header is None:
            header = self.seems_header(rows[0])
            if header is None:
                header = bool(find_header(rows[n_titles:], width)[0])
            if header and self.has_header and not self.names.intersection(rows[n_titles]):
                remark = "the first row, which is taken for names, has no known one; --no-header takes it for a row"
            elif header and not self.has_header:
                remark = "the first row seems to hold names, and is left out; --no-header takes it for a row"
        n_titles = n_titles if header else 0
        names, n_rows, has_row_names = find_header(rows[n_titles:], width, header)
        return KnownHeader(n_titles, names if self.has_header else (), n_rows, has_row_names, remark)

    def forms(self, names: Sequence[str], given: str | None = None, guessed: str | None = None) -> list[Form]:
        """How the cells of columns are converted.

        Parameters
        ----------
        names : sequence of str
            The columns.
        given : str, optional
            The decimal point of the file, if it is given; that of each column by default.
        guessed : str, optional
            The decimal point of the file by its cells, for a table that was not read with one.

        Returns
        -------
        list of Form
        """
        return [self._form(name, given, guessed) for name in names]

    def _form(self, name: str, given: str | None, guessed: str | None) -> Form:
        if name == self._schema.target:
            kind, decimal = "text" if self._has_text_target else "number", self._schema.target_decimal
        else:
            column = self._columns.get(name)
            if column is None or column.kind == "left out":
                return ANY
            kind, decimal = column.kind, column.decimal
        if kind != "number":
            return TEXT
        if given is None and guessed is not None and self.decimal is None and decimal == ".":
            given = guessed
        return Form("number", (given or decimal,), decimal)


def known_positions(
    path: "str | PathLike[str]", known: KnownTable, width: int, remark: str = ""
) -> tuple[tuple[str, ...], str]:
    """Names of the columns of a table without names, and what a user should know.

    Parameters
    ----------
    path : path-like
        The file, for the message.
    known : KnownTable
        The table that a network was trained on.
    width : int
        Number of columns.
    remark : str
        What is known of the first row.

    Returns
    -------
    names : tuple of str
    remark : str

    Raises
    ------
    FileFormatError
        If it has another number of columns.
    """
    names = known.positions(width)
    if names is None:
        n_columns = len(known.names)
        raise FileFormatError(
            f"{path}: expected {n_columns - 1} columns without the target or {n_columns} with it, since the first row "
            f"has no names, got {width}; --header takes it for names"
        )
    if known.has_header and not remark:
        remark = "the first row has no names, so columns are matched by position; --header takes it for names"
    return tuple(names), remark
