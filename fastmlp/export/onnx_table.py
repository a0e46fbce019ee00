"""The part of an ONNX graph that turns raw rows of a table into features, as `fastmlp.table.encoder` does.

The operators are those of opset 13, and LabelEncoder of the domain ``ai.onnx.ml``, opset 2, for categories: strings are
compared by the operator Equal from opset 19 on only.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastmlp.export.onnx_graph import Graph
from fastmlp.table.schema import MISSING_CELLS, Column, DatePart, TableSchema

#: Domain and version of LabelEncoder; version 2 is the first that maps strings to integers given side by side.
ML_DOMAIN, ML_OPSET = "ai.onnx.ml", 2
#: A missing date: NumPy's and pandas's NaT as an integer.
MISSING_DATE = int(np.iinfo(np.int64).min)
#: Names of the graph's outputs, which no input can have.
OUTPUTS = ("probabilities", "label", "values")


def input_names(schema: TableSchema) -> dict[str, str]:
    """Name of the graph's input for each input column: that of the column, unless it is empty or that of an output.

    Examples
    --------
    >>> columns = tuple(Column(name=name, kind="number") for name in ("age", "label"))
    >>> input_names(TableSchema(columns=columns, target="y", target_position=2, task="classification"))
    {'age': 'age', 'label': 'label (column)'}
    """
    columns = [column.name for column in schema.inputs]
    names = {}
    for column in columns:
        name = column
        while not name or name in OUTPUTS or (name != column and name in columns):
            name += " (column)"
        names[column] = name
    return names


def add_table(graph: Graph, schema: TableSchema, inputs: Sequence[str], input_type: str) -> str:
    """Add the encoding of raw rows.

    Parameters
    ----------
    graph : Graph
        The graph.
    schema : TableSchema
        The columns.
    inputs : sequence of str
        The input (n_samples, 1) of each of ``schema.inputs``: numbers, NaN where one is missing; strings;
        seconds since 1970-01-01 of int64, `MISSING_DATE` where one is missing.
    input_type : {"uint8", "float32", "float64"}
        Dtype of the numbers.

    Returns
    -------
    str
        Name of the features (n_samples, n_features), in the network's dtype.
    """
    named = {column.name: name for column, name in zip(schema.inputs, inputs, strict=True)}
    numbers, dates = schema.of_kind("number"), schema.of_kind("date")
    blocks = []
    if numbers:
        joined = _joined(graph, [named[column.name] for column in numbers])
        blocks += _add_numbers(graph, numbers, joined, input_type)
    for i, column in enumerate(schema.of_kind("category")):
        blocks.append(_add_category(graph, column, named[column.name], f"codes_{i}"))
    if dates:
        blocks.append(_add_dates(graph, dates, _joined(graph, [named[column.name] for column in dates])))
    return _joined(graph, blocks)


def add_byte_table(graph: Graph, schema: TableSchema, inputs: Sequence[str], input_type: str) -> str:
    """Add the encoding of rows of numbers from 0 to 255, all in one input (n_samples, n_features); see `add_table`."""
    return _add_numbers(graph, schema.inputs, inputs[0], input_type)[0]


def _add_numbers(graph: Graph, columns: Sequence[Column], value: str, input_type: str) -> list[str]:
    """The numbers filled, and indicators if there are any.

    Infinite numbers are missing ones, but for those that only the network's dtype cannot represent.
    """
    number = graph.add("Cast", value, to=graph.network_type)
    given = number if input_type == "uint8" else value
    missing = graph.add("IsNaN", graph.add("Sub", given, given))
    filled = graph.add("Where", missing, graph.array("fill", np.array([column.fill for column in columns])), number)
    indicators = [i for i, column in enumerate(columns) if column.has_indicator]
    if not indicators:
        return [filled]
    return [filled, graph.add("Cast", _columns_of(graph, missing, indicators, "indicators"), to=graph.network_type)]


def _joined(graph: Graph, values: Sequence[str]) -> str:
    return values[0] if len(values) == 1 else graph.add("Concat", *values, axis=1)


def _columns_of(graph: Graph, value: str, indices: Sequence[int], name: str) -> str:
    return graph.add("Gather", value, graph.array(name, np.array(indices), "int64"), axis=1)


def _add_category(graph: Graph, column: Column, value: str, name: str) -> str:
    """One feature per level, for the missing level and for the other levels, of which at most one is 1."""
    n_levels = len(column.levels)
    n_features = n_levels + column.has_missing + column.has_other
    default = n_features - 1 if column.has_other else -1
    codes = dict.fromkeys(MISSING_CELLS, n_levels if column.has_missing else default)
    codes |= {text: code for code, level in enumerate(column.levels) for text in _other_texts(level)}
    codes |= {level: code for code, level in enumerate(column.levels)}
    code = graph.add(
        "LabelEncoder", value, domain=ML_DOMAIN, keys_strings=list(codes), values_int64s=list(codes.values()),
        default_int64=default,
    )  # fmt: skip
    is_level = graph.add("Equal", code, graph.array(name, np.arange(n_features), "int64"))
    return graph.add("Cast", is_level, to=graph.network_type)


def _other_texts(level: str) -> list[str]:
    """Texts that are the same level in `fastmlp.table.cell.text_of`, as Python writes floats and booleans."""
    if level in ("true", "false"):
        return [level.capitalize(), level.upper()]
    return [f"{level}.0"] if re.fullmatch("-?(0|[1-9][0-9]*)", level, re.ASCII) else []


def _add_dates(graph: Graph, columns: Sequence[Column], seconds: str) -> str:
    """The parts of dates, given as seconds since 1970-01-01 (n_samples, n_columns)."""
    missing = graph.add("Equal", seconds, graph.number(MISSING_DATE, "int64"))
    known = Int64(graph, graph.add("Where", missing, graph.number(0, "int64"), seconds))
    parts = {**calendar_parts(known), "missing": known - known}  # 0, and 1 by the fill of a missing date
    matrix = _joined(graph, [part.name for part in parts.values()])
    order = [(i, part) for i, column in enumerate(columns) for part in column.parts]
    indices = [list(parts).index(part) * len(columns) + i for i, part in order]
    values = graph.add("Cast", _columns_of(graph, matrix, indices, "date_parts"), to=graph.network_type)
    is_missing = _columns_of(graph, missing, [i for i, _ in order], "date_columns")
    fills = [fill for column in columns for fill in column.fills]
    fills = [1.0 if part == "missing" else fill for fill, (_, part) in zip(fills, order, strict=True)]
    return graph.add("Where", is_missing, graph.array("date_fills", np.array(fills)), values)


class Int64:
    """A value of a graph with the arithmetic of integers: each operation adds nodes."""

    def __init__(self, graph: Graph, name: str) -> None:
        self._graph, self.name = graph, name

    def _apply(self, operator: str, other: "Int64 | int") -> "Int64":
        name = other.name if isinstance(other, Int64) else self._graph.number(other, "int64")
        return Int64(self._graph, self._graph.add(operator, self.name, name))

    def __add__(self, other: "Int64 | int") -> "Int64":
        return self._apply("Add", other)

    def __sub__(self, other: "Int64 | int") -> "Int64":
        return self._apply("Sub", other)

    def __mul__(self, other: "Int64 | int") -> "Int64":
        return self._apply("Mul", other)

    def __mod__(self, other: "Int64 | int") -> "Int64":
        """Remainder with the sign of the divisor, as Python's."""
        return self._apply("Mod", other)

    def __floordiv__(self, other: "Int64 | int") -> "Int64":
        """Quotient rounded down; ONNX's Div rounds towards 0."""
        return (self - self % other)._apply("Div", other)


def calendar_parts(seconds: Any) -> dict[DatePart, Any]:
    """Parts of dates in the proleptic Gregorian calendar.

    Year, month and day of month are those of ``civil_from_days`` in Howard Hinnant, "chrono-Compatible Low-Level Date
    Algorithms" (2013), https://howardhinnant.github.io/date_algorithms.html: a year begins in March, so that a leap day
    is its last one, and an era has 400 years, which are 146,097 days.

    Parameters
    ----------
    seconds : Int64, ndarray or int
        Seconds since 1970-01-01, any integers with Python's ``//`` and ``%``.

    Returns
    -------
    dict
        Each part, of the type of the argument. A weekday is 0 for Monday.

    Examples
    --------
    >>> calendar_parts(951782400 + 3600)  # 2000-02-29, a Tuesday
    {'day': 11016, 'year': 2000, 'month': 2, 'day of month': 29, 'weekday': 1, 'hour': 1, 'minute': 0}
    """
    days = seconds // 86400
    shifted = days + 719468  # since 0000-03-01
    era = shifted // 146097
    day_of_era = shifted % 146097
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (year_of_era * 365 + year_of_era // 4 - year_of_era // 100)
    month = (day_of_year * 5 + 2) // 153  # 0 is March
    return {
        "day": days,
        "year": era * 400 + year_of_era + month // 10,
        "month": (month + 2) % 12 + 1,
        "day of month": day_of_year - (month * 153 + 2) // 5 + 1,
        "weekday": (days + 3) % 7,  # 1970-01-01 was a Thursday
        "hour": seconds // 3600 % 24,
        "minute": seconds // 60 % 60,
    }
