"""Tests of the summary of a table."""

import pytest

from fastmlp.table.schema import Column, TableSchema
from fastmlp.table.summary import MAX_ROWS, summarise, summarise_reading


def schema_of(*columns, **options):
    made = {"target": "y", "target_position": len(columns), "task": "classification"} | options
    return TableSchema(columns=columns, **made)


def test_one_row_per_column():
    schema = schema_of(
        Column(name="id", kind="left out", note="an id"),
        Column(name="age", kind="number", fill=40.25, missing_share=0.2, has_indicator=True, note="2 cells are none"),
        Column(name="colour", kind="category", levels=("red",), has_missing=True, has_other=True),
        Column(name="when", kind="date", date_format="ISO8601", parts=("day", "hour"), fills=(1.0, 2.0)),
    )
    summary = summarise(schema, 1000, notes=["", "delimiter: ';'"])
    assert summary.title == "1,000 rows, 3 columns as 7 features; target 'y' (classification)"
    assert summary.rows == (
        ("id", "left out", "an id"),
        ("age", "number", "20 % missing, median 40.25; 2 cells are none"),
        ("colour", "category of 1 level", "rare and new levels share a feature"),
        ("when", "date: day, hour", ""),
    )
    assert summary.notes == ("delimiter: ';'",)
    assert str(summary).splitlines()[2] == "  age     number               20 % missing, median 40.25; 2 cells are none"


def test_many_columns_are_grouped():
    pixels = [Column(name=f"pixel_{place}", kind="number") for place in range(784)]
    summary = summarise(schema_of(*pixels, as_bytes=True), 60_000)
    assert summary.rows == (("pixel_0, ..., pixel_783", "784 whole numbers, 0 to 255", ""),)
    some = [Column(name="a", kind="left out", note="constant"), Column(name="b", kind="left out", note="constant")]
    summary = summarise(schema_of(*pixels[:MAX_ROWS], *some), 10)
    assert summary.rows[1] == ("a, b", "2 columns left out", "constant")


def test_long_names_are_shortened():
    summary = summarise(schema_of(Column(name="n" * 500, kind="number")), 10)
    assert max(map(len, str(summary).splitlines())) < 100


@pytest.mark.parametrize("n_empty", [0, 1, 2])
def test_counts_of_how_a_table_was_read_are_numbers(n_empty):
    read = {
        "format": "delimited text",
        "delimiter": "tab",
        "decimal": ",",
        "header": True,
        "empty rows left out": n_empty,
    }
    reading = {"read": read, "guessed": ["header"], "rows": 9, "rows_left_out": 0, "notes": []}
    summary = summarise_reading(schema_of(Column(name="a", kind="number"), reading=reading))
    how = f"read as delimited text, delimiter tab, decimal comma, header yes, empty rows left out {n_empty}"
    assert summary.notes == (f"{how}; guessed, change it by --no-header",)
