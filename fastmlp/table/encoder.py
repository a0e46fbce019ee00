"""Encoding of a table's rows as features, by scikit-learn's transformers.

`fit_schema` fits them on the training rows and keeps what they learnt as a `TableSchema`. `TableEncoder` makes them
anew from a schema, so that training and prediction run the same code: it fits each on a few rows, of which it learns
exactly what the schema holds. No fitted object is stored, and none is loaded.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fastmlp.errors import DataError, MissingExtraError
from fastmlp.settings import MAX_DISTANCE, Task
from fastmlp.table.cell import are_bytes, date_parts, dates_of, numbers_of, texts_of
from fastmlp.table.kind import option
from fastmlp.table.name import listed, shown
from fastmlp.table.schema import Column, ColumnKind, DatePart, TableSchema

try:
    import pandas as pd
    from sklearn.impute import MissingIndicator, SimpleImputer
    from sklearn.preprocessing import OneHotEncoder
except ImportError as error:
    missing = "pandas" if "pandas" in str(error) else "scikit-learn"
    raise MissingExtraError(missing, "table", "Reading tables") from None

#: Most levels of a category that have a feature of their own.
MAX_LEVELS = 100
#: A level of fewer rows than a thousandth of the training rows, but at least and at most so many, has none of its own.
MIN_ROWS = 2, 10
#: Cells of each kind of columns, in the order of the columns.
_Cells = dict[ColumnKind, np.ndarray[Any, Any]]
#: All parts of a date, and those of a time of day.
_DATE_PARTS: tuple[DatePart, ...] = ("day", "year", "month", "day of month", "weekday", "hour", "minute")
_TIME_PARTS: tuple[DatePart, ...] = ("hour", "minute")


def fit_schema(
    frame: pd.DataFrame,
    columns: Sequence[Column],
    *,
    target: str,
    target_position: int,
    task: Task,
    has_header: bool = True,
) -> TableSchema:
    """Learn medians and levels from the training rows.

    Parameters
    ----------
    frame : pandas.DataFrame
        The training rows, with the columns of `columns` in their order; the target may be among them.
    columns : sequence of Column
        What `fastmlp.table.column.describe_columns` made of all rows.
    target, target_position, task, has_header
        As in `TableSchema`.

    Returns
    -------
    TableSchema
        `as_bytes` is set if all features are whole numbers from 0 to 255, and none is missing. A column of numbers that
        float32 cannot tell apart is left out, unless its kind is given.

    Raises
    ------
    DataError
        If there would be no feature.

    Examples
    --------
    >>> frame = pd.DataFrame({"age": [20.0, np.nan, 41.0, 30.0], "sex": ["f", "m", "f", "m"], "y": [1, 2, 3, 4]})
    >>> columns = Column(name="age", kind="number"), Column(name="sex", kind="category")
    >>> schema = fit_schema(frame, columns, target="y", target_position=2, task="regression")
    >>> schema.feature_names, schema.columns[0].fill
    (('age', 'age is missing', 'sex = f', 'sex = m'), 30.0)
    >>> TableEncoder(schema).transform(frame)[:2]
    array([[20.,  0.,  1.,  0.],
           [30.,  1.,  0.,  1.]])
    """
    inputs = [column for column in columns if column.kind in ("number", "category", "date")]
    cells = dict(frame.items())  # frame[name] takes 3 times as long
    as_bytes = all(column.kind == "number" and are_bytes(cells[column.name]) for column in inputs)
    learn = {"number": _learn_byte if as_bytes else _learn_number, "category": _learn_category, "date": _learn_date}
    learnt = {column.name: learn[column.kind](column, cells[column.name]) for column in inputs}
    schema = TableSchema(
        columns=tuple(learnt.get(column.name, column) for column in columns),
        target=target,
        target_position=target_position,
        task=task,
        has_header=has_header,
        as_bytes=as_bytes,
    )
    if not schema.feature_names:
        notes = "; ".join(f"{c.name!r}: {c.note}" for c in schema.columns[:10] if c.kind == "left out")
        raise DataError(
            "table: expected a column that varies over the training rows, got none; more rows are needed"
            + (f" ({notes})" if notes else "")
        )
    return schema


def _learn_byte(column: Column, cells: pd.Series) -> Column:
    """A column of whole numbers from 0 to 255 with its median: the lower one, by counting; 5 times as fast."""
    at_most = np.cumsum(np.bincount(cells.to_numpy().astype(np.uint8)))
    return replace(column, fill=float(np.searchsorted(at_most, len(cells) / 2)))


def _learn_number(column: Column, cells: pd.Series) -> Column:
    """A column of numbers with its median and indicator, or left out."""
    values = numbers_of(cells, column.decimal)[0].reshape(-1, 1)
    is_missing = np.isnan(values)
    note = "" if column.is_given else _float32_note(column.name, values[~is_missing])
    if note:
        return Column(name=column.name, kind="left out", note=note)
    # Sums and differences of numbers near the largest one overflow.
    with np.errstate(over="ignore", invalid="ignore"):
        median = SimpleImputer(strategy="median", keep_empty_features=True).fit(values).statistics_[0]
    # Half of the largest number, since the median of an even count is that of a sum.
    largest = np.finfo(np.float64).max / 2
    fill = float(np.clip(median, -largest, largest))
    share, has_indicator = float(is_missing.mean()), bool(is_missing.any())
    return replace(column, fill=fill, has_indicator=has_indicator, missing_share=share)


def _float32_note(name: str, values: np.ndarray[Any, Any]) -> str:
    """Why a network of float32 cannot be trained on numbers, or empty: training would be refused.

    The standard deviation is at most the spread by which any scaling divides.
    """
    largest = float(abs(values).max(initial=0.0))
    advice = f"{option(name, 'number')} --precision float64 uses them"
    if largest > float(np.finfo(np.float32).max):
        return f"numbers up to {largest:g}, beyond float32's range; {advice}"
    spread = float(values.std()) if len(values) else 0.0
    if 0 < spread * MAX_DISTANCE < largest:
        return f"numbers up to {largest:g} with a spread of {spread:.3g}, too close together for float32; {advice}"
    return ""


def _learn_category(column: Column, cells: pd.Series) -> Column:
    """A category with the levels that have a feature of their own: the most frequent ones."""
    texts = texts_of(cells).reshape(-1, 1)
    encoder = OneHotEncoder(
        max_categories=MAX_LEVELS + 1,
        min_frequency=int(np.clip(len(texts) // 1000, *MIN_ROWS)),
        handle_unknown="infrequent_if_exist",
        sparse_output=False,
    ).fit(texts)
    rare = encoder.infrequent_categories_[0]
    rare = set() if rare is None else set(rare)
    kept = [level for level in encoder.categories_[0] if level not in rare]
    levels = tuple(str(level) for level in kept if level is not None)
    share = float(np.mean(texts == None))  # noqa: E711 - compares element by element
    return replace(column, levels=levels, has_missing=None in kept, has_other=bool(rare), missing_share=share)


def _learn_date(column: Column, cells: pd.Series) -> Column:
    """A date with the parts that vary over the rows, and their medians."""
    dates = dates_of(cells, column.date_format)[0]
    is_time = column.date_format != "ISO8601" and "%Y" not in column.date_format and "%y" not in column.date_format
    possible = _TIME_PARTS if is_time else _DATE_PARTS
    values = date_parts(dates, possible)
    is_missing = np.isnat(dates)
    known = values[~is_missing]
    varies = np.ptp(known, axis=0) > 0 if len(known) else np.zeros(len(possible), bool)
    parts = tuple(part for part, keep in zip(possible, varies, strict=True) if keep)
    fills = tuple(float(np.median(known[:, place])) for place in np.flatnonzero(varies))
    if is_missing.any():
        parts, fills = (*parts, "missing"), (*fills, 0.0)
    return replace(column, parts=parts, fills=fills, missing_share=float(is_missing.mean()))


class TableEncoder:
    """Encodes rows of a table as features.

    Parameters
    ----------
    schema : TableSchema
        The columns, and what was learnt from the training rows.

    Attributes
    ----------
    schema : TableSchema
        The schema.
    """

    def __init__(self, schema: TableSchema) -> None:
        self.schema = schema
        self._numbers = schema.of_kind("number")
        self._categories = schema.of_kind("category")
        self._dates = schema.of_kind("date")
        self._transformers = None if schema.as_bytes else self._make_transformers()

    def transform(self, frame: pd.DataFrame) -> np.ndarray[Any, Any]:
        """Features of rows.

        Parameters
        ----------
        frame : pandas.DataFrame
            Rows in the form that `fastmlp.table.frame.to_frame` returns. Columns are matched by name, in any order;
            columns that are no features are ignored. If the training table had no header, and this one has none
            either, they are matched by position: all columns, with or without the target, or those alone that are
            features.

        Returns
        -------
        ndarray of float64 (n, n_features)
            In the order of ``schema.feature_names``; uint8 if ``schema.as_bytes`` and all cells are such numbers.

        Raises
        ------
        DataError
            If columns are missing; or, in two rows or more, no cell of a column of numbers or dates can be read.
        """
        return self.encode(frame)[0]

    def encode(
        self, frame: pd.DataFrame, is_training_table: bool = False
    ) -> tuple[np.ndarray[Any, Any], tuple[str, ...]]:
        """Features of rows, as `transform` returns them, and what a user should know of them, in sentences.

        Rows of the training table may have a column of which no cell can be read: the few cells of a sparse column.
        """
        places, notes = self._match([str(name) for name in frame.columns])
        if len(frame) == 0:  # which scikit-learn refuses
            empty = np.empty((0, len(self.schema.feature_names)), np.uint8 if self.schema.as_bytes else np.float64)
            return empty, tuple(notes)
        if self.schema.as_bytes:
            is_whole = list(places.values()) == list(range(frame.shape[1]))
            inputs = frame if is_whole else frame.iloc[:, list(places.values())]
            if all(are_bytes(cells) for _, cells in inputs.items()):
                return np.ascontiguousarray(inputs.to_numpy(dtype=np.uint8)), tuple(notes)
        faults: list[str] = []
        cells = self._cells(frame, places, notes, faults)
        if faults and len(frame) > 1 and not is_training_table:
            raise DataError(
                f"table: {'; '.join(faults)}; correct these columns, or empty their cells if they are missing"
            )
        transformers = self._transformers or self._make_transformers()
        with np.errstate(over="ignore", invalid="ignore"):  # of sums of numbers near the largest one, in checks
            blocks = [np.asarray(made.transform(cells[kind]), dtype=np.float64) for kind, made in transformers]
        return np.ascontiguousarray(np.hstack(blocks)), tuple(notes)

    def _match(self, names: list[str]) -> tuple[dict[str, int], list[str]]:
        """Position of each input's column among `names`, and a note on columns that are ignored."""
        inputs, columns = self.schema.inputs, self.schema.columns
        if not self.schema.has_header and names == [f"column_{place}" for place in range(len(names))]:
            return self._match_positions(len(names)), []
        places = {name: place for place, name in enumerate(names)}
        absent = [column.name for column in inputs if column.name not in places]
        if absent:
            known = {column.name for column in columns}
            unknown = [name for name in names if name not in known and name != self.schema.target]
            others = f"; unknown: {listed(unknown)}" if unknown else ""
            raise DataError(
                f"table: expected columns of these names, which are missing: {listed(absent)}{others}; rename columns, "
                "or add the missing ones (empty cells count as missing values)"
            )
        known = {column.name for column in columns} | {self.schema.target}
        extra = [name for name in names if name not in known]
        notes = [f"columns that the model does not know are ignored: {listed(extra)}"] if extra else []
        return {column.name: places[column.name] for column in inputs}, notes

    def _match_positions(self, n_columns: int) -> dict[str, int]:
        """Position of each input's column in a table without header."""
        names = [column.name for column in self.schema.columns]
        inputs = [column.name for column in self.schema.inputs]
        if n_columns == len(names) + 1:
            names.insert(self.schema.target_position, self.schema.target)
        elif n_columns != len(names):
            names = inputs
        if n_columns != len(names):
            raise DataError(
                f"table without header: expected {len(self.schema.columns)} columns without the target, or "
                f"{len(self.schema.columns) + 1} with it, or the {len(inputs)} that are features, got {n_columns}"
            )
        return {name: names.index(name) for name in inputs}

    def _cells(self, frame: pd.DataFrame, places: dict[str, int], notes: list[str], faults: list[str]) -> _Cells:
        """Cells as numbers, texts and parts of dates, each a matrix (n, n_columns).

        Columns of numbers or dates of which no cell can be read are `faults`.
        """
        converted: _Cells = {
            "number": np.empty((len(frame), len(self._numbers))),
            "category": np.empty((len(frame), len(self._categories)), dtype=object),
        }
        given = [cells for _, cells in frame.items()]  # iloc takes 4 times as long
        for number, column in enumerate(self._numbers):
            cells = given[places[column.name]]
            values, is_bad = numbers_of(cells, column.decimal)
            converted["number"][:, number] = values
            self._report(cells, column, is_bad, "no numbers", notes)
            if is_bad.any() and np.isnan(values).all():
                what = "numbers with a decimal comma" if column.decimal == "," else "numbers"
                faults.append(_unreadable(cells, column, is_bad, what))
        for number, column in enumerate(self._categories):
            cells = given[places[column.name]]
            texts = converted["category"][:, number] = texts_of(cells)
            if not column.has_other:
                is_known = pd.Series(texts, dtype=object).isin([*column.levels, None]).to_numpy()
                self._report(cells, column, ~is_known, "no level of the training rows", notes)
        parts = [np.empty((len(frame), 0))]
        for column in self._dates:
            cells = given[places[column.name]]
            dates, is_bad = dates_of(cells, column.date_format)
            self._report(cells, column, is_bad, f"no dates like {column.date_format}", notes)
            parts.append(date_parts(dates, column.parts))
            if is_bad.any() and np.isnat(dates).all():
                faults.append(_unreadable(cells, column, is_bad, f"dates like {column.date_format}"))
        return converted | {"date": np.hstack(parts)}

    @staticmethod
    def _report(cells: pd.Series, column: Column, which: Any, what: str, notes: list[str]) -> None:
        """Add a note on cells that are not what a column holds."""
        n_cells = int(np.count_nonzero(which))
        if n_cells:
            first = cells.iloc[int(np.argmax(which))]
            meaning = "count as missing" if column.kind != "category" else "have no feature"
            notes.append(
                f"column {column.name!r}: cells that are {what} {meaning}: {n_cells}, the first {shown(first)}"
            )

    def _make_transformers(self) -> list[tuple[ColumnKind, Any]]:
        """The transformers, and the kind of their cells, fitted on rows of which they learn what the schema holds.

        A `ColumnTransformer`, which selects columns of a frame, takes 3 times as long for a row of 2,000 columns.
        """
        sample = self._sample()
        # In a category without rare levels, a level that did not occur has no feature. One encoder of all categories
        # takes a quarter of the time of one for each.
        encoder = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=2, sparse_output=False)
        made: list[tuple[ColumnKind, Any]] = [
            ("number", SimpleImputer(strategy="median", keep_empty_features=True)),
            ("number", MissingIndicator(features="missing-only", error_on_new=False)),
            ("category", encoder),
            ("date", SimpleImputer(strategy="median", keep_empty_features=True)),
        ]
        with np.errstate(over="ignore", invalid="ignore"):
            return [(kind, transformer.fit(sample[kind])) for kind, transformer in made if sample[kind].shape[1]]

    def _sample(self) -> _Cells:
        """Rows whose medians are the fills, and whose levels are those of the schema.

        The first row holds the fills, and the others miss numbers that have an indicator.
        """
        kept: list[list[str | None]] = [[*c.levels, *[None] * c.has_missing] for c in self._categories]
        n_rows = 2 * max([1, *map(len, kept)]) + 1
        numbers = np.tile([column.fill for column in self._numbers], (n_rows, 1))
        numbers[1:, [column.has_indicator for column in self._numbers]] = np.nan
        texts = np.empty((n_rows, len(kept)), dtype=object)
        for place, (column, levels) in enumerate(zip(self._categories, kept, strict=True)):
            # A level is frequent from two rows on. Texts that occur once make up the other level.
            rows = [levels[row % len(levels)] for row in range(n_rows - 1)] if levels else []
            rare = [_unused(column.levels, row) for row in range(n_rows - len(rows))]
            texts[:, place] = [*rows, *(rare if column.has_other else levels[:1])]
        fills = [fill for column in self._dates for fill in column.fills]
        return {"number": numbers, "category": texts, "date": np.tile(fills, (n_rows, 1))}


def _unreadable(cells: pd.Series, column: Column, is_bad: np.ndarray[Any, Any], what: str) -> str:
    """What is wrong with a column of which no cell can be read."""
    first, n_bad = shown(cells.iloc[int(np.argmax(is_bad))]), int(is_bad.sum())
    return f"column {column.name!r}: expected {what}, got none in {n_bad} cells, the first {first}"


def _unused(levels: Sequence[str], number: int) -> str:
    """A text that is no level, another one for each number."""
    text = f"other {number}"
    while text in levels:
        text += "'"
    return text
