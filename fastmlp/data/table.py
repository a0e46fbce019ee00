"""Data sets made of tables: target, task and split, and the encoding that is fitted to the training rows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from fastmlp.data.check import Array
from fastmlp.data.dataset import Dataset
from fastmlp.data.options import TableOptions
from fastmlp.data.split import SplitKind
from fastmlp.data.table_split import (
    describe_split,
    parse_table_split,
    split_table,
    with_known_class,
    without_group,
)
from fastmlp.errors import DataError, MissingExtraError
from fastmlp.settings import Task
from fastmlp.table.cell import are_numbers, guess_numbers, numbers_of
from fastmlp.table.column import IMAGE_COLUMNS, describe_columns
from fastmlp.table.content import Table
from fastmlp.table.encoder import TableEncoder, fit_schema
from fastmlp.table.frame import to_frame
from fastmlp.table.label import labels_among
from fastmlp.table.name import listed, nearest
from fastmlp.table.options import ReadOptions
from fastmlp.table.schema import Column, TableSchema
from fastmlp.table.source import read_table
from fastmlp.table.target import find_target, labels_of

try:
    import pandas as pd
except ImportError:
    raise MissingExtraError("pandas", "table", "Reading tables") from None

#: A table of bytes with at least IMAGE_COLUMNS columns, one of which reaches at least this value, is taken for images:
#: its pixels share one scale. The digits of scikit-learn reach 16, and are scaled column by column.
IMAGE_MAXIMUM = 128


class _Choice(NamedTuple):
    """What was given or inferred of a table, before anything is learnt from its training rows.

    Attributes
    ----------
    target, position : str, int
        The target column.
    decimal : str
        The decimal point of its numbers.
    task : {"classification", "regression"}
        The task.
    values, keep : numpy.ndarray
        Labels or numbers of the rows that have one, and which rows these are.
    columns : tuple of Column
        All other columns.
    split_kind, split_column : str, str or None
        How the test set is held out.
    notes : tuple of str
        What was guessed.
    """

    target: str
    position: int
    decimal: str
    task: Task
    values: Array
    keep: Array
    columns: tuple[Column, ...]
    split_kind: SplitKind
    split_column: str | None
    notes: tuple[str, ...]


class _Problems(list[str]):
    """Messages of several errors, which are raised as one."""

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Keep the message of an error in a block."""
        try:
            yield
        except DataError as error:
            self.append(str(error))

    def raise_all(self, hint: str) -> None:
        """Raise the errors, if there are any, with a hint that concerns them all."""
        if self:
            title = [f"{len(self)} problems"] if len(self) > 1 else []
            raise DataError("\n  ".join([*title, *self]) + hint)


def load_table(
    source: Any,
    options: TableOptions = TableOptions(),
    scale: str = "auto",
    task: str | None = None,
    name: str | None = None,
    test: Any = None,
) -> Dataset:
    """Make a data set of a table.

    Parameters
    ----------
    source : pathlib.Path, data frame or mapping
        A file, or named columns; see `fastmlp.table.frame.to_frame`.
    options : TableOptions
        Target, test set, columns to leave out, and how a file is read.
    scale : str
        See `Dataset`; auto scales the pixels of images together, and other tables by their columns, as ``robust``.
    task : {"classification", "regression"}, optional
        By default inferred.
    name : str, optional
        Name of the data set; by default that of the file.
    test : data frame or mapping, optional
        The test set, in place of that of a file.

    Returns
    -------
    Dataset
        Its ``table`` is the schema.

    Raises
    ------
    FileFormatError
        If a file is damaged, or a row has too many or too few cells.
    DataError
        If an option names a column that does not exist, or the target cannot be learnt; the message lists all problems.

    Examples
    --------
    >>> from fastmlp.data.table import load_table
    >>> sizes, colours = [1.0, None, 3.0, 4.0, 5.0], ["red", "blue", "red", "blue", "red"]
    >>> rows = {"size": sizes, "colour": colours, "y": [1.5, 2.0, 3.5, 4.0, 5.5]}
    >>> dataset = load_table(rows)
    >>> dataset.table.task, dataset.n_features, dataset.table.reading["notes"][0]
    ('regression', 4, "target: 'y', by its name; --target chooses another column")
    """
    # As the rows to predict are read: 1.10 is another level than 1.1, and 2024.10 another month than 2024.1.
    as_text = [column for column, kind in options.kinds if kind != "number"]
    table = _read(source, options.read, as_text=as_text)
    chosen = _choose(table, options, task)
    rows = table.frame[chosen.keep].drop(columns=chosen.target).reset_index(drop=True)
    notes = list(chosen.notes)
    has_test_set = test is not None or options.test is not None
    if has_test_set:
        train, held_out = np.arange(len(rows)), None
    else:
        by = chosen.split_kind, chosen.split_column
        train, held_out = split_table(*by, chosen.values, chosen.columns, table.frame[chosen.keep])
    train_rows = rows.iloc[train]
    schema = fit_schema(
        train_rows, chosen.columns, target=chosen.target, target_position=chosen.position, task=chosen.task,
        has_header=table.has_header,
    )  # fmt: skip
    schema = replace(schema, reading={"read": table.reading}, target_decimal=chosen.decimal)
    if held_out is not None:
        left_out: list[str] = []
        if chosen.task == "classification":
            held_out, left_out = with_known_class(chosen.values, train, held_out)
        test_rows, test_values = rows.iloc[held_out], chosen.values[held_out]
        how = describe_split(chosen.split_kind, chosen.split_column)
        notes += [f"test set: {len(held_out):,} rows, {how}; --split or --test FILE chooses others", *left_out]
    else:
        other = test if options.test is None else Path(options.test)
        test_rows, test_values, found_in_test = _test_set(other, options.read, schema, chosen)
        notes += found_in_test
    encoder = TableEncoder(schema)
    X_test, found = encoder.encode(test_rows, is_training_table=held_out is not None)
    notes += [f"test set: {note}" for note in found]
    reading = {
        "read": table.reading, "guessed": list(table.guessed), "rows": len(rows),
        "rows_left_out": int((~chosen.keep).sum()), "split": options.split, "notes": notes,
    }  # fmt: skip
    X_train, _ = encoder.encode(train_rows, is_training_table=True)
    return Dataset(
        X_train, chosen.values[train], X_test, test_values, _scale_of(scale, X_train), name=name or _name_of(source),
        task=chosen.task, table=replace(schema, reading=reading),
    )  # fmt: skip


def load_labelled_table(
    source: Any,
    table: TableSchema | None,
    classes: Array | None,
    class_names: Sequence[str],
    target: str | int | None,
    read: ReadOptions,
) -> tuple[pd.DataFrame, Array, float, str]:
    """All rows of a table and their targets, to evaluate a network on.

    Parameters
    ----------
    source : pathlib.Path, data frame or mapping
        As in `load_table`.
    table : TableSchema, optional
        The schema of the network's table.
    classes : numpy.ndarray of shape (n_classes,), optional
        The classes of the network; None for regression.
    class_names : sequence of str
        Their names, which are accepted as labels too.
    target : str or int, optional
        Target column; by default that of `table`.
    read : ReadOptions
        How a file is read.

    Returns
    -------
    rows : pandas.DataFrame
        The rows that have a target, with all columns but the target.
    y : numpy.ndarray
        Labels in the type of `classes`, or float64 numbers.
    majority_accuracy : float
        Share of the most frequent label; NaN for regression.
    description : str
        How many rows are evaluated, and how many are left out.

    Raises
    ------
    DataError
        If the target column is missing, or labels are not among the classes.
    """
    given = _read(source, read, table, classes)
    names = list(given.frame.columns)
    if target is None and table is not None:
        is_named = (
            table.target in names if table.has_header and given.has_header else len(names) == len(table.columns) + 1
        )
        if not is_named:
            raise DataError(
                f"target: expected the column {table.target!r} of the training table, got {listed(names)}; name the "
                "target by --target"
            )
        target = table.target if given.has_header and table.has_header else table.target_position
    name, _, note = find_target(names, target, given.has_header)
    decimal = None if table is None else table.target_decimal
    values, keep, notes = labels_among(given.frame[name], classes, _places(given), class_names, decimal)
    rows = given.frame[keep].drop(columns=name).reset_index(drop=True)
    majority = float("nan")
    if classes is not None:
        _, counts = np.unique(values, return_counts=True)
        majority = float(counts.max() / counts.sum())
    text = f"all {len(rows):,} rows{_left_out(keep, name)}"
    return rows, values, majority, "\n".join([text, *notes, *([note] if note else [])])


def _left_out(keep: Array, target: str) -> str:
    """How many rows are left out, because they have no target."""
    n_left_out = int((~keep).sum())
    return f", without {n_left_out:,} that have no value in {target!r}" if n_left_out else ""


def _read(
    source: Any,
    read: ReadOptions,
    like: TableSchema | None = None,
    classes: Array | None = None,
    as_text: Sequence[str] = (),
) -> Table:
    if isinstance(source, Path):
        has_text_target = classes is not None and classes.dtype.kind in "OU"
        return read_table(source, read, like, has_text_target, as_text)
    return Table(to_frame(source), True, {"format": "data frame"}, (), lambda row: None)


def _places(table: Table) -> Callable[[int], str]:
    """Place of a row: its line in a file of text, otherwise its number."""

    def place_of(row: int) -> str:
        line = table.line_of(row)
        return f"row {row} (counted from 0)" if line is None else f"line {line}"

    return place_of


def _choose(table: Table, options: TableOptions, task: str | None) -> _Choice:
    """Find target, task, kinds of columns and split.

    Raises
    ------
    DataError
        If an option does not fit the table, or the target cannot be learnt; the message lists all problems.
    """
    frame, problems = table.frame, _Problems()
    target, split, labels, decimal = None, None, None, "."
    columns: tuple[Column, ...] = ()
    if task not in (None, "classification", "regression"):
        problems.append(f"--task: expected classification or regression, since a table has one target, got {task}")
    with problems.collect():
        target = find_target(list(frame.columns), options.target, table.has_header)
    with problems.collect():
        _check_position(options.target, list(frame.columns))
    with problems.collect():
        split = parse_table_split(options.split, list(frame.columns), options.test is not None, table.has_header)
    with problems.collect():
        columns = _columns(table, None if target is None else target[0], options)
    if target is not None:
        decimal = _target_decimal(target[0], table)
        with problems.collect():
            labels = labels_of(frame[target[0]], cast(Task | None, task), _places(table), decimal)
        with problems.collect():
            _check_split(split, target[0], labels and labels[0], dict(options.kinds))
    if target is None or split is None or labels is None:
        problems.raise_all(_other_sheets(table))
        raise AssertionError
    problems.raise_all(_other_sheets(table))
    (name, position, note), (kind, column), (found_task, values, keep, notes) = target, split, labels
    return _Choice(
        name, position, decimal, found_task, values, keep, without_group(columns, kind, column),
        kind or ("stratified" if found_task == "classification" else "random"), column,
        tuple(text for text in (note, *notes) if text),
    )  # fmt: skip


def _other_sheets(table: Table) -> str:
    """What to say of the sheet that was read if there are others, and none was named."""
    others = table.reading.get("other sheets")
    return (
        f"; the sheet read is {table.reading['sheet']!r}, others: {others}; --sheet chooses another" if others else ""
    )


def _check_split(
    split: tuple[SplitKind | None, str | None] | None, target: str, task: Task | None, kinds: Mapping[str, str]
) -> None:
    """Refuse a split by the target, one by classes where there are none, and a kind for the names of groups."""
    kind, column = split or (None, None)
    if column == target:
        raise DataError(f"--split: expected another column than the target, got {target!r}")
    if kind == "group" and column in kinds:
        raise DataError(f"--kind: expected none for {column!r}, which is no feature: it names the groups of --split")
    if kind == "stratified" and task == "regression":
        raise DataError("--split: expected another split than stratified for regression; leave it out, or give random")


def _check_position(target: str | int | None, names: list[str]) -> None:
    """Refuse an integer that is the position of one column and the name of another, as in frames made of arrays."""
    if isinstance(target, int) and str(target) in names and names.index(str(target)) != target % len(names):
        raise DataError(
            f"target: expected one column, got {target}, which is the position of {names[target % len(names)]!r} and "
            f"the name of another; give a name as text: {str(target)!r}"
        )


def _columns(table: Table, target: str | None, options: TableOptions) -> tuple[Column, ...]:
    for name in ("drop", "keep_as_id"):
        if target in getattr(options, name):
            raise DataError(f"--{name.replace('_', '-')}: expected other columns than the target, got {target!r}")
    if target in dict(options.kinds):
        raise DataError(f"--kind: expected other columns than the target, got {target!r}; --task chooses its kind")
    frame = table.frame if target is None else table.frame.drop(columns=target)
    found = describe_columns(frame, options.drop, options.keep_as_id, dict(options.kinds), table.has_header)
    return tuple(replace(column, decimal=",") if _has_commas(column, table) else column for column in found)


def _has_commas(column: Column, table: Table) -> bool:
    """Whether a column holds numbers with a decimal comma, so that new ones are read with it."""
    if column.kind != "number":
        return False
    if column.name in table.commas:
        return True
    cells = table.frame[column.name]
    is_text = table.reading.get("decimal") == "," and cells.dtype.kind == "O"
    return is_text and are_numbers(*numbers_of(cells, ","))


def _target_decimal(name: str, table: Table) -> str:
    """The decimal point of the target: that of the file it was read from, otherwise the one its cells have."""
    return "," if _has_commas(Column(name=name, kind="number"), table) else guess_numbers(table.frame[name])[0]


def _test_set(
    source: Any, read: ReadOptions, schema: TableSchema, chosen: _Choice
) -> tuple[pd.DataFrame, Array, list[str]]:
    """Rows, targets and notes of the test set; columns are matched by name, or by position without a header."""
    classes = np.unique(chosen.values) if chosen.task == "classification" else None
    test = _read(source, read, schema, classes)
    frame = test.frame
    if chosen.target not in frame.columns:
        place = f" in {source}" if isinstance(source, Path) else ""
        raise DataError(f"--test: expected the target column{place}, got an {nearest(chosen.target, list(frame))}")
    values, keep, found = labels_among(frame[chosen.target], classes, _places(test), decimal=schema.target_decimal)
    where = f" of {source.name}" if isinstance(source, Path) else ""
    notes = [f"test set: the {len(values):,} rows{where}{_left_out(keep, chosen.target)}"]
    notes += [f"test set: {note}" for note in found]
    return frame[keep].drop(columns=chosen.target).reset_index(drop=True), values, notes


def _scale_of(scale: str, X: Array) -> str:
    if scale != "auto":
        return scale
    return "unit" if X.dtype == np.uint8 and X.shape[1] >= IMAGE_COLUMNS and X.max() >= IMAGE_MAXIMUM else "robust"


def _name_of(source: Any) -> str:
    return source.name.split(".")[0] if isinstance(source, Path) else "table"
