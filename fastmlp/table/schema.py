"""TableSchema: what is known of a table's columns, as plain data: how they were read, and how a row becomes features.

`is_frame` tells tables of named columns from arrays of features. Neither needs another package, so that a model with a
schema can be loaded, and predicts from features, without pandas.
"""

import dataclasses
import functools
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from fastmlp.errors import DataError
from fastmlp.settings import Task

#: number, category and date columns become features; an id column is copied to the output of predict; a column that is
#: left out is ignored.
ColumnKind = Literal["number", "category", "date", "id", "left out"]
DatePart = Literal["day", "year", "month", "day of month", "weekday", "hour", "minute", "missing"]

#: Cells that stand for a missing value, besides blanks; compared after blanks around them are removed.
MISSING_CELLS = (
    "", "?", "NA", "N/A", "n/a", "na", "#N/A", "#NA", "<NA>", "NaN", "nan", "NAN", "-nan", "-NaN", "null", "NULL",
    "Null", "NaT",
)  # fmt: skip
#: Cells that stand for a missing value among numbers and dates, but are levels and classes like any other among texts:
#: '+' and '-' are the classes of credit approvals, and 'none' is one of sleep disorders.
MISSING_NUMBERS = (
    "-", "--", "---", ".", "..", "None", "none", "NONE", "nil", "NIL", "missing", "Missing", "MISSING", "unknown",
    "Unknown", "UNKNOWN", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#NULL!",
)  # fmt: skip

#: A date's format: "ISO8601", or directives of `datetime.datetime.strptime`, each at most once, and separators.
_DATE_FORMAT = re.compile(r"ISO8601|(?:(%[YymdbBHIMSpf])(?!.*\1)|[-/.,: T])+")
#: The attributes that a column of each kind may have besides its name, kind and note.
_ATTRIBUTES: dict[str, set[str]] = {
    "number": {"is_given", "fill", "decimal", "has_indicator", "missing_share"},
    "category": {"is_given", "levels", "has_missing", "has_other", "missing_share"},
    "date": {"is_given", "date_format", "parts", "fills", "missing_share"},
    "id": set(),
    "left out": set(),
}


def is_frame(X: Any) -> bool:
    """Whether X holds named columns rather than an array of features.

    True for data frames of pandas and polars, tables of PyArrow, mappings, lists of mappings and structured arrays.

    Examples
    --------
    >>> is_frame({"age": [22, 35], "sex": ["f", "m"]}), is_frame([{"age": 22}]), is_frame([[22.0, 1.0]])
    (True, True, False)
    """
    if isinstance(X, Mapping):
        return True
    if isinstance(X, list | tuple):
        return len(X) > 0 and all(isinstance(row, Mapping) for row in X)
    if getattr(getattr(X, "dtype", None), "names", None):
        return True
    return hasattr(X, "columns") and any(hasattr(X, name) for name in ("iloc", "to_pandas"))


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table, and how its cells become features.

    Attributes
    ----------
    name : str
        Its name in the header; a table without a header has the names ``column_0``, ``column_1``, ...
    kind : {"number", "category", "date", "id", "left out"}
        Its kind, which decides how its cells become features.
    note : str
        Why it is left out, or what else a user should know, in a few words.
    is_given : bool
        number, category, date: whether a user chose the kind, by ``--kind``; it was inferred otherwise.
    fill : float
        number: the median of the training rows, which takes the place of missing cells.
    decimal : str
        number: the decimal point of cells that are text, "." or ",".
    has_indicator : bool
        number: whether there is a feature that is 1 for a missing cell.
    levels : tuple of str
        category: the levels that have a feature of their own, in ascending order.
    has_missing : bool
        category: whether a missing cell is a level of its own; otherwise it is treated as a level that did not occur.
    has_other : bool
        category: whether the rare levels of the training rows share one feature; levels that did not occur there belong
        to it too. Without it, they have no feature that is 1.
    date_format : str
        date: its format for `datetime.datetime.strptime`; "ISO8601" for dates in that format, or of a date type.
    parts : tuple of str
        date: the parts that are features; ``day`` is the number of days since 1970-01-01, ``missing`` is 1 for a
        missing date.
    fills : tuple of float
        date: the median of each part over the training rows, which takes the place of missing dates.
    missing_share : float
        Share of the training rows whose cell is missing, or no number or date in a column of these.

    Raises
    ------
    DataError
        If an attribute has the wrong type, is not finite, or does not belong to the kind.
    """

    name: str
    kind: ColumnKind
    note: str = ""
    is_given: bool = False
    fill: float = 0.0
    decimal: str = "."
    has_indicator: bool = False
    levels: tuple[str, ...] = ()
    has_missing: bool = False
    has_other: bool = False
    date_format: str = ""
    parts: tuple[DatePart, ...] = ()
    fills: tuple[float, ...] = ()
    missing_share: float = 0.0

    def __post_init__(self) -> None:
        faults = self._faults()
        if faults:
            raise DataError(f"column {self.name!r:.60} of the table schema: " + "; ".join(faults))

    def _faults(self) -> list[str]:
        """What is wrong with the attributes."""
        faults = _type_faults(self)
        if faults:
            return faults
        if self.kind not in _ATTRIBUTES:
            return [f"kind: expected {', '.join(_ATTRIBUTES)}, got {self.kind!r:.60}"]
        for name, default in _defaults_but(self.kind):
            if getattr(self, name) != default:
                faults.append(f"{name}: expected none for kind {self.kind!r}")
        if not all(map(math.isfinite, (self.fill, self.missing_share, *self.fills))):
            faults.append("fill, fills, missing_share: expected finite numbers")
        if self.decimal not in (".", ","):
            faults.append(f"decimal: expected . or a comma, got {self.decimal!r:.40}")
        if not 0 <= self.missing_share <= 1:
            faults.append(f"missing_share: expected 0 to 1, got {self.missing_share!r}")
        if any(first >= second for first, second in zip(self.levels, self.levels[1:], strict=False)):
            faults.append("levels: expected different texts in ascending order")
        if self.kind == "date":
            faults += self._date_faults()
        return faults

    def _date_faults(self) -> list[str]:
        """What is wrong with the attributes of a date."""
        faults = []
        if not _DATE_FORMAT.fullmatch(self.date_format):
            faults.append(f"date_format: expected ISO8601 or a format for strptime, got {self.date_format!r:.60}")
        if not set(self.parts) <= set(get_args(DatePart)) or len(set(self.parts)) != len(self.parts):
            faults.append(f"parts: expected different ones of {', '.join(get_args(DatePart))}, got {self.parts!r:.200}")
        if len(self.fills) != len(self.parts):
            faults.append(f"fills: expected {len(self.parts)}, one per part, got {len(self.fills)}")
        return faults


@dataclass(frozen=True, kw_only=True)
class TableSchema:
    """The columns of a table, and how it was read.

    Features are in this order: all numbers, in the order of the columns; the indicators of missing numbers; for each
    category its levels, the missing level and the other level; the parts of each date.

    Attributes
    ----------
    columns : tuple of Column
        All columns but the target, in the order of the table.
    target : str
        Name of the target column.
    target_position : int
        Its position among all columns, counted from 0.
    task : {"classification", "regression"}
        The task, as given or inferred.
    has_header : bool
        Whether the columns have names of their own; otherwise they are matched by position.
    target_decimal : str
        The decimal point of target cells that are text, "." or ",".
    as_bytes : bool
        Whether all columns are numbers, whole and from 0 to 255 without missing cells, so that features are uint8.
    reading : dict of str to object
        How the table was read, and what was guessed, in words: for a report, and for config.json. Its values are what
        `json.dumps` accepts.

    Raises
    ------
    DataError
        If two columns have one name, a position is out of range, or another attribute is not what is described here.
    """

    columns: tuple[Column, ...]
    target: str
    target_position: int
    task: Task
    has_header: bool = True
    target_decimal: str = "."
    as_bytes: bool = False
    reading: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        faults = _type_faults(self)
        if not faults:
            names = [column.name for column in self.columns]
            if len({*names, self.target}) <= len(names):
                faults.append("columns: expected different names, which are not the target's")
            if not 0 <= self.target_position <= len(names):
                faults.append(f"target_position: expected 0 to {len(names)}, got {self.target_position}")
            if self.task not in ("classification", "regression"):
                faults.append(f"task: expected classification or regression, got {self.task!r:.60}")
            if self.target_decimal not in (".", ","):
                faults.append(f"target_decimal: expected . or a comma, got {self.target_decimal!r:.40}")
            if self.as_bytes and not all(_is_byte(column) for column in self.inputs):
                faults.append("as_bytes: expected only numbers without indicators, with whole fills")
            empty = [c.name for c in self.of_kind("category") if not (c.levels or c.has_missing or c.has_other)]
            if empty:
                faults.append(f"categories without a feature: {', '.join(map(repr, empty[:10]))}")
            try:
                json.dumps(self.reading, allow_nan=False)
            except (TypeError, ValueError, RecursionError) as error:
                faults.append(f"reading: expected what json.dumps accepts ({error})")
        if faults:
            raise DataError("table schema: " + "; ".join(faults))

    def of_kind(self, kind: ColumnKind) -> tuple[Column, ...]:
        """The columns of a kind, in the order of the table."""
        return tuple(column for column in self.columns if column.kind == kind)

    @property
    def inputs(self) -> tuple[Column, ...]:
        """The columns that become features, in the order of the table."""
        return tuple(column for column in self.columns if column.kind in ("number", "category", "date"))

    @property
    def feature_names(self) -> tuple[str, ...]:
        """One name per feature.

        Examples
        --------
        >>> age = Column(name="age", kind="number", has_indicator=True)
        >>> colour = Column(name="colour", kind="category", levels=("blue", "red"), has_other=True)
        >>> TableSchema(columns=(colour, age), target="y", target_position=2, task="regression").feature_names
        ('age', 'age is missing', 'colour = blue', 'colour = red', 'colour is another')
        """
        numbers = self.of_kind("number")
        names = [column.name for column in numbers]
        names += [f"{column.name} is missing" for column in numbers if column.has_indicator]
        for column in self.of_kind("category"):
            names += [f"{column.name} = {level}" for level in column.levels]
            names += [f"{column.name} is missing"] * column.has_missing
            names += [f"{column.name} is another"] * column.has_other
        names += [f"{column.name}, {part}" for column in self.of_kind("date") for part in column.parts]
        return tuple(names)

    def to_json(self) -> dict[str, Any]:
        """The schema as a dict that ``json.dumps(..., allow_nan=False)`` accepts.

        Examples
        --------
        >>> age = Column(name="age", kind="number", fill=40.0)
        >>> schema = TableSchema(columns=(age,), target="y", target_position=1, task="regression")
        >>> TableSchema.from_json(json.loads(json.dumps(schema.to_json(), allow_nan=False))) == schema
        True
        """
        entry = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        return entry | {"columns": [dataclasses.asdict(column) for column in self.columns]}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> "TableSchema":
        """The schema of which `to_json` made an entry.

        Raises
        ------
        DataError
            If the entry is not one that `to_json` returns.
        """
        entry = _known("table schema", cls, entry)
        columns = entry["columns"]
        if isinstance(columns, str) or not isinstance(columns, Sequence):
            raise DataError(f"table schema: columns: expected a list, got {type(columns).__name__}")
        made = (Column(**_known("column of the table schema", Column, column)) for column in columns)
        return cls(**entry | {"columns": tuple(made)})


def _is_byte(column: Column) -> bool:
    """Whether a column's features can be uint8."""
    whole = 0 <= column.fill <= 255 and column.fill == int(column.fill)
    return column.kind == "number" and not column.has_indicator and whole


def _known(what: str, cls: type[Any], entry: Any) -> dict[str, Any]:
    """An entry for a dataclass with tuples for lists and floats for whole numbers; DataError for unknown keys."""
    if not isinstance(entry, Mapping):
        raise DataError(f"{what}: expected a mapping, got {type(entry).__name__}")
    items = {item.name: item for item in dataclasses.fields(cls)}
    unknown = [str(key) for key in entry if key not in items]
    required = [
        name
        for name, item in items.items()
        if item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
    ]
    missing = [name for name in required if name not in entry]
    if unknown or missing:
        raise DataError(
            f"{what}: expected the keys {', '.join(items)}; missing: {', '.join(missing) or 'none'}, "
            f"unknown: {', '.join(unknown[:10]) or 'none'}"
        )
    values = {}
    for name, value in entry.items():
        if isinstance(value, list):
            value = tuple(value)
        if items[name].type is float:
            value = _as_float(value)
        elif items[name].type == tuple[float, ...] and isinstance(value, tuple):
            value = tuple(map(_as_float, value))
        values[name] = value
    return values


def _as_float(value: Any) -> Any:
    """A whole number as a float, as JSON of another writer may hold it; other values as they are."""
    return float(value) if type(value) is int and abs(value) < 2**53 else value


def _type_faults(record: Any) -> list[str]:
    """The attributes of a dataclass whose value is not of the annotated type."""
    faults = []
    for name, origin, inner in _types_of(record.__class__):
        value = getattr(record, name)
        if type(value) is not origin or not (inner is None or all(type(part) is inner for part in value)):
            faults.append(f"{name}: expected {getattr(origin, '__name__', origin)}, got {value!r:.60}")
    return faults


@functools.cache
def _defaults_but(kind: str) -> tuple[tuple[str, Any], ...]:
    """Name and default of each attribute that a column of a kind does not have; cached, since columns are many."""
    allowed = _ATTRIBUTES[kind] | {"name", "kind", "note"}
    return tuple((item.name, item.default) for item in dataclasses.fields(Column) if item.name not in allowed)


@functools.cache
def _types_of(cls: type[Any]) -> tuple[tuple[str, Any, Any], ...]:
    """Name and type of each attribute of a dataclass, and the type of a tuple's items; cached as above."""
    found = []
    for item in dataclasses.fields(cls):
        origin, inner = getattr(item.type, "__origin__", item.type), None
        if origin is Literal:
            origin = str
        if origin is tuple:
            inner = get_args(item.type)[0]
            inner = str if getattr(inner, "__origin__", None) is Literal else inner
        found.append((item.name, origin, inner))
    return tuple(found)
