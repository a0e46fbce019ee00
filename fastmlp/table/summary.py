"""Summary of a table: what was made of each column, and what else a user should know before training."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastmlp.table.schema import Column, TableSchema

#: Most columns that are listed one by one; more of them are grouped by what they are made of.
MAX_ROWS = 30


@dataclass(frozen=True, kw_only=True)
class TableSummary:
    """What was made of a table.

    Attributes
    ----------
    title : str
        Numbers of rows, columns and features; target and task.
    rows : tuple of (str, str, str)
        Name, kind and note of each column, or of a group of columns of one kind.
    notes : tuple of str
        What else a user should know, in sentences: guesses, and the options that override them.
    """

    title: str
    rows: tuple[tuple[str, str, str], ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The summary as text, one line per row and per note."""
        widths = [max((len(row[place]) for row in self.rows), default=0) for place in range(2)]
        lines = [f"  {name:<{widths[0]}}  {made:<{widths[1]}}  {note}".rstrip() for name, made, note in self.rows]
        return "\n".join([self.title, *lines, *self.notes])


def summarise(schema: TableSchema, n_rows: int, n_left_out: int = 0, notes: Sequence[str] = ()) -> TableSummary:
    """Summarise what was made of a table's columns.

    Parameters
    ----------
    schema : TableSchema
        The columns.
    n_rows : int
        Number of rows that are used.
    n_left_out : int
        Number of rows that are left out, because they have no label.
    notes : sequence of str
        Notes of the steps before, in sentences.

    Examples
    --------
    >>> age = Column(name="age", kind="number", fill=40.0, has_indicator=True, missing_share=0.125)
    >>> colour = Column(name="colour", kind="category", levels=("blue", "red"), has_other=True)
    >>> schema = TableSchema(columns=(age, colour), target="y", target_position=2, task="regression")
    >>> print(summarise(schema, 1200, 3))
    1,200 rows (3 without a label left out), 2 columns as 5 features; target 'y' (regression)
      age     number                12.5 % missing, median 40
      colour  category of 2 levels  rare and new levels share a feature
    """
    rows = [(_shortened(column.name), _made_of(column), _note(column)) for column in schema.columns]
    if len(rows) > MAX_ROWS:
        rows = _grouped(rows)
    if schema.as_bytes:
        rows = [(name, made.replace("number", "whole number") + ", 0 to 255", note) if "number" in made else
                (name, made, note) for name, made, note in rows]  # fmt: skip
    left_out = f" ({n_left_out:,} without a label left out)" if n_left_out else ""
    title = (
        f"{n_rows:,} rows{left_out}, {len(schema.inputs):,} columns as {len(schema.feature_names):,} features; "
        f"target {_shortened(schema.target)!r} ({schema.task})"
    )
    return TableSummary(title=title, rows=tuple(rows), notes=tuple(filter(None, notes)))


def summarise_reading(schema: TableSchema) -> TableSummary:
    """Summarise a table that `fastmlp.load_data` read, with how it was read and what was guessed."""
    reading = schema.reading
    read = reading["read"]
    settings = [f"{name} {_in_words(value)}" for name, value in read.items() if name != "format"]
    options = ["--no-header" if name == "header" and read[name] else f"--{name}" for name in reading["guessed"]]
    override = f"; guessed, change it by {', '.join(options)}" if options else ""
    how = f"read as {', '.join([read['format'], *settings])}{override}"
    return summarise(schema, reading["rows"], reading["rows_left_out"], [how, *reading["notes"]])


def _in_words(value: Any) -> Any:
    """How a table was read, in words; a count stays a number, though 1 equals True."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return {".": "point", ",": "comma"}.get(value, value)


def _made_of(column: Column) -> str:
    """Kind of a column, and its number of levels or parts."""
    if column.kind == "category":
        return f"category of {_count(len(column.levels), 'level')}"
    if column.kind == "date":
        return "date: " + (", ".join(column.parts) or "no part varies")
    return column.kind


def _note(column: Column) -> str:
    """What a user should know of a column."""
    notes = []
    if column.missing_share:
        share = f"{100 * column.missing_share:.3g} % missing"
        fill = f", median {column.fill:g}" if column.kind == "number" else ""
        notes.append(share + fill)
    if column.has_other:
        notes.append("rare and new levels share a feature")
    return "; ".join([*notes, *[column.note] * bool(column.note)])


def _grouped(rows: Sequence[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """Rows with the same contents in one, in the order of the first of each."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name, made, note in rows:
        groups.setdefault((made, note), []).append(name)
    found = []
    for (made, note), names in groups.items():
        if len(names) > 1:
            between = ", " if len(names) == 2 else ", ..., "
            found.append((names[0] + between + names[-1], _count(len(names), made), note))
        else:
            found.append((names[0], made, note))
    return found


def _count(number: int, noun: str) -> str:
    """A number with its noun, as in 1 level, 3 levels; what follows a blank stays as it is."""
    first, blank, rest = noun.partition(" ")
    plural = {"category": "categories", "left": "columns left"}.get(first, first + "s" * (first[-1:] not in ":"))
    return f"{number} {first if number == 1 else plural}{blank}{rest}"


def _shortened(name: str) -> str:
    """A name of at most 40 characters."""
    return name if len(name) <= 40 else name[:37] + "..."
