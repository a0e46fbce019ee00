"""Tests of TableSchema, its checks, and is_frame."""

import json
import subprocess
import sys

import numpy as np
import pytest

from fastmlp.errors import DataError
from fastmlp.table.schema import Column, TableSchema, is_frame

COLUMNS = (
    Column(name="id", kind="id", note="copied"),
    Column(name="age", kind="number", fill=40.5, has_indicator=True, missing_share=0.25),
    Column(name="colour", kind="category", levels=("blue", "red"), has_missing=True, has_other=True),
    Column(name="when", kind="date", date_format="%d/%m/%Y %H:%M", parts=("day", "hour"), fills=(17000.0, 12.0)),
    Column(name="unit", kind="left out", note="constant"),
)


def schema(**changes):
    reading = {"delimiter": ";", "guessed": ["header", 3, None, 2.5]}
    base = {"columns": COLUMNS, "target": "y", "target_position": 2, "task": "regression", "reading": reading}
    return TableSchema(**base | changes)


def entry(**changes):
    return schema().to_json() | changes


def column_entry(place, **changes):
    """An entry of a schema with another column."""
    made = entry()
    made["columns"] = [dict(column) for column in made["columns"]]
    made["columns"][place] |= changes
    return made


def test_a_schema_survives_json():
    text = json.dumps(schema().to_json(), allow_nan=False)
    assert TableSchema.from_json(json.loads(text)) == schema()
    assert "Infinity" not in text


def test_an_entry_without_the_decimal_point_of_the_target_has_a_point():
    made = entry(target_decimal=",")
    assert TableSchema.from_json(made).target_decimal == ","
    del made["target_decimal"]
    assert TableSchema.from_json(made).target_decimal == "."


def test_features_are_in_the_documented_order():
    names = "age", "age is missing", "colour = blue", "colour = red", "colour is missing", "colour is another"
    assert schema().feature_names == (*names, "when, day", "when, hour")
    assert [column.name for column in schema().inputs] == ["age", "colour", "when"]


def test_whole_numbers_of_other_writers_are_floats():
    assert TableSchema.from_json(column_entry(1, fill=40)).columns[1].fill == 40.0
    assert TableSchema.from_json(column_entry(3, fills=[1, 2])).columns[3].fills == (1.0, 2.0)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ([], "expected a mapping"),
        ({}, "missing: columns, target"),
        (entry(colour=1), "unknown: colour"),
        (entry(columns="abc"), "columns: expected a list"),
        (entry(columns=[1]), "expected a mapping, got int"),
        (entry(target=1), "target: expected str"),
        (entry(target="age"), "different names"),
        (entry(target_position=6), "0 to 5"),
        (entry(target_position=True), "target_position: expected int"),
        (entry(target_decimal=";"), "target_decimal: expected . or a comma"),
        (entry(task="multilabel"), "classification or regression"),
        (entry(as_bytes=True), "as_bytes"),
        (entry(reading={"a": float("nan")}), "reading"),
        (entry(reading={"a": object()}), "reading"),
        (column_entry(0, name="age"), "different names"),
        (column_entry(0, kind="image"), "kind: expected number"),
        (column_entry(0, fill=1.0), "fill: expected none"),
        (column_entry(1, fill=float("nan")), "finite"),
        (column_entry(1, fill="1"), "fill: expected float"),
        (column_entry(1, fill=10**400), "fill: expected float"),
        (column_entry(1, decimal=";"), "decimal"),
        (column_entry(1, missing_share=1.5), "0 to 1"),
        (column_entry(1, has_indicator=1), "has_indicator: expected bool"),
        (column_entry(2, levels=["red", "blue"]), "ascending"),
        (column_entry(2, levels=["red", 1]), "levels: expected tuple"),
        (column_entry(2, levels=[], has_missing=False, has_other=False), "without a feature"),
        (column_entry(3, date_format="%d%d"), "date_format"),
        (column_entry(3, date_format="(a+)+%d"), "date_format"),
        (column_entry(3, parts=["day", "second"]), "parts"),
        (column_entry(3, fills=[1.0]), "fills: expected 2"),
    ],
)
def test_other_entries_are_refused(made, words):
    with pytest.raises(DataError, match=words):
        TableSchema.from_json(made)


def test_all_faults_are_told_at_once():
    with pytest.raises(DataError, match=r"target_position.*task"):
        TableSchema.from_json(entry(target_position=-1, task="other"))


@pytest.mark.parametrize(
    ("X", "expected"),
    [
        ({"a": [1]}, True),
        ([{"a": 1}], True),
        (np.zeros(2, dtype=[("a", int)]), True),
        (np.zeros((2, 2)), False),
        ([[1, 2]], False),
        ([], False),
        ("file.csv", False),
        (None, False),
    ],
)
def test_tables_are_told_from_arrays(X, expected):
    assert is_frame(X) is expected


def test_frames_of_other_packages_are_tables():
    pd, pl, pa = map(pytest.importorskip, ("pandas", "polars", "pyarrow"))
    assert all(map(is_frame, (pd.DataFrame({"a": [1]}), pl.DataFrame({"a": [1]}), pa.table({"a": [1]}))))
    assert not any(map(is_frame, (pd.Series([1]), pl.Series([1]))))


def test_a_schema_needs_no_other_package():
    program = "import sys; sys.modules['pandas'] = None; import fastmlp.table.schema; print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert done.stdout == "False\n"
