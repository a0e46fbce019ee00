"""Tests of what columns are made of."""

import numpy as np
import pytest

from fastmlp.errors import DataError

pd = pytest.importorskip("pandas")

from fastmlp.table.column import IMAGE_COLUMNS, describe_columns  # noqa: E402
from fastmlp.table.frame import to_frame  # noqa: E402

rng = np.random.default_rng(0)
N = 200
OTHER = {"other": rng.normal(size=N)}
WORDS = np.array(["red", "green", "blue", "lime", "plum"])


def describe(cells, name="x", **options):
    """The description of one column beside another."""
    return describe_columns(to_frame({name: cells} | {"other": rng.normal(size=len(cells))}), **options)[0]


NUMBERS = {
    "floats": rng.normal(size=N),
    "distinct whole numbers": rng.permutation(10_000)[:N] * 3,
    "ranks": rng.permutation(N) + 1,
    "consecutive numbers from 5": np.arange(N) + 5,
    "booleans": rng.random(N) < 0.5,
    "texts that are numbers": [f"{value:.2f}" for value in rng.normal(size=N)],
    "numbers with a few remarks": ["n/k", "broken", *map(str, rng.integers(0, 90, N - 2))],
    "numbers with absent ones": ["-"] * 150 + list(map(str, rng.integers(0, 90, N - 150))),
    "true and false with a gap": [None, *["True", "False"] * 20],
    "prices": [f"${value:,}" for value in rng.integers(0, 9000, N)],
    "one value and missing cells": [1.0, None] * 20,
}


@pytest.mark.parametrize("what", NUMBERS)
def test_numbers(what):
    assert describe(NUMBERS[what]).kind == "number"


CATEGORIES = {
    "texts": WORDS[rng.integers(0, 5, N)],
    "numbers and 3+": np.array(["0", "1", "2", "3+"])[rng.integers(0, 4, N)],
    "few distinct texts": list("abcdef"),
    "codes with a leading 0": np.array(["010", "020", "120"])[rng.integers(0, 3, N)],
    "one level and missing cells": ["yes", None] * 20,
    "distinct texts where half are missing": [f"cabin {place}" if place % 2 else None for place in range(N)],
    "a categorical of numbers": pd.Categorical(rng.integers(0, 5, N)),
    "many levels that repeat": [f"level {place}" for place in rng.integers(0, 60, N)],
}


@pytest.mark.parametrize("what", CATEGORIES)
def test_categories(what):
    assert describe(CATEGORIES[what]).kind == "category"


DATES = {
    "ISO": ([f"2020-01-{day:02}" for day in range(1, 30)], "ISO8601"),
    "days first": ([f"{day}/01/2020" for day in range(1, 30)], "%d/%m/%Y"),
    "datetime64": (pd.date_range("2020-01-01", periods=30), "ISO8601"),
    "times": (["10:00", "11:30", None] * 5, "%H:%M"),
}


@pytest.mark.parametrize("what", DATES)
def test_dates(what):
    cells, date_format = DATES[what]
    assert (describe(cells).kind, describe(cells).date_format) == ("date", date_format)


def test_dates_with_a_few_other_cells():
    days = pd.date_range("2024-01-01", periods=N, freq="D").strftime("%d.%m.%Y")
    column = describe(["unknown", "see file", *days])
    assert (column.kind, column.date_format) == ("date", "%d.%m.%Y")
    assert column.note == (
        "cells that are no dates like %d.%m.%Y count as missing: 1, the first 'see file'; or --kind x=category"
    )
    assert describe([*days[:5], "never"] * 3).kind == "category"
    assert describe([*days[:9], *days[:9], "never"]).kind == "category"


LEFT_OUT = {
    "customerID": ([f"{place}-ABC" for place in range(N)], "an id"),
    "ID Number": (rng.permutation(10**6)[:N], "an id"),
    "PassengerId": (np.arange(N) + 892, "an id"),
    "PID": (rng.permutation(10**6)[:N], "an id"),
    "policy_number": (rng.permutation(10**6)[:N], "an id"),
    "rank": (np.arange(N) + 1, "counts the rows"),
    "case": (np.delete(np.arange(N + 9), rng.permutation(N)[:9]), "counts the rows"),
    "Unnamed: 0": (np.arange(N) * 2, "an id"),
    "review": ([f"A long text of many words, number {place}" for place in range(N)], "free text"),
    "car": ([f"car {place // 2 if place < 100 else place}" for place in range(N)], "an id"),
    "unit": (["cm"] * N, "constant: 'cm'"),
    "zero": (np.zeros(N, np.int64), "constant: 0 in"),
    "member": ([True] * N, "constant: True"),
    "nothing": ([None] * N, "empty"),
    "day": ([pd.Timestamp("2020-01-01")] * N, "constant"),
    "infinite": ([np.inf] * N, "infinite cells"),
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_columns_that_are_left_out(name):
    cells, note = LEFT_OUT[name]
    column = describe(cells, name)
    assert column.kind == "left out"
    assert column.note.startswith(note)
    assert ("--keep-as-id" in column.note) == (not note.startswith(("constant", "empty", "infinite")))


@pytest.mark.parametrize("name", ["id", "customerID", "Unnamed: 0", "index", ""])
def test_a_measurement_is_never_an_id(name):
    assert describe(rng.normal(size=N), name).kind == "number"
    assert describe(rng.integers(0, 50, N), name).kind == "number"


@pytest.mark.parametrize("name", ["fluid", "valid", "acid", "grid", "width", "number of rooms", "paid", "year", "t"])
def test_names_that_only_look_like_an_id(name):
    assert describe(np.arange(N), "time " + name).kind == "number"
    assert describe(rng.permutation(10**6)[:N], name).kind == "number"


def test_options_override():
    frame = to_frame({"a": [1, 2, 3], "b": ["x", "y", "x"], "c": [1, 1, 2]})
    kinds = [column.kind for column in describe_columns(frame, drop=["a"], keep_as_id=["b"])]
    assert kinds == ["left out", "id", "number"]


def test_a_kind_overrides_what_would_be_inferred():
    frame = to_frame(
        {
            "customer_id": np.arange(N) * 3 + 7,
            "review": [f"A long text of many words, number {place}" for place in range(N)],
            "stars": rng.integers(1, 6, N),
            "code": np.array(["010", "020", "120"])[rng.integers(0, 3, N)],
            "day": ["02/03/2020", "03/02/2020"] * (N // 2),
            "unit": [5] * N,
        }
    )
    inferred = describe_columns(frame)
    assert [column.kind for column in inferred] == ["left out", "left out", "number", "category", "date", "left out"]
    assert not any(column.is_given for column in inferred)
    kinds = {"customer_id": "number", "review": "category", "stars": "category", "code": "number"}
    kinds |= {"day": "date:%d/%m/%Y", "unit": "number"}
    given = describe_columns(frame, kinds=kinds)
    assert [column.kind for column in given] == ["number", "category", "category", "number", "date", "number"]
    assert given[4].date_format == "%d/%m/%Y"
    assert all(column.is_given for column in given)


@pytest.mark.parametrize(
    ("name", "cells", "words"),
    [
        ("pid", np.arange(N) * 3, "--kind pid=number uses it, --keep-as-id pid copies it"),
        ("Sr. No.", np.arange(N) * 3, "--kind 'Sr. No.=number' uses it, --keep-as-id 'Sr. No.' copies it"),
        ("case", np.arange(N), "--kind case=number uses it"),
        ("code", [f"A{place}" for place in range(N)], "--kind code=category uses it, --keep-as-id code copies it"),
        ("day", ["02/03/2020", "03/02/2020"] * 9, "read as %m/%d/%Y; or --kind day=date:%d/%m/%Y"),
        ("n", ["broken", *map(str, range(5, N))], "count as missing: 1, the first 'broken'; or --kind n=category"),
        ("n", ["0", "1", "3+"] * 9, ""),
        ("n", [*["0", "1", "2", "3"] * 30, *["4+"] * 9], "--kind n=number counts the others as missing"),
        ("zip", ["010", "020"] * 9, "codes with a leading 0; or --kind zip=number"),
        (
            "row_names",
            [f"row {place}" for place in range(5)],
            "names of the rows: all differ; --kind row_names=category",
        ),
        ("unnamed_0", [3, 1, 2], "names of the rows: all differ; --kind unnamed_0=number"),
    ],
)
def test_notes_name_the_option_that_overrides(name, cells, words):
    assert words in describe(cells, name).note


def test_long_columns_of_text_are_judged_by_all_their_cells():
    numbers = [*["none", "broken"] * 150, *map(str, range(4000))]
    assert describe(numbers).kind == "number"
    assert describe([*["broken"] * 500, *map(str, range(4000))]).kind == "left out"
    assert describe([*[f"{place},5" for place in range(4000)], *["1.5.2"] * 100]).decimal == ","
    assert describe([f"text {place}" for place in range(4000)]).note.startswith("an id: 4000 different texts")


def test_names_of_rows_are_those_of_the_first_column_alone():
    assert describe([3, 1, 3], "row_names").kind == "number"
    frame = to_frame({"x": [1.0, 2.0, 4.0], "row_names": [3, 1, 2]})
    assert describe_columns(frame)[1].kind == "number"


def test_all_wrong_options_are_told():
    frame = to_frame({"age": [1, 2], "sex": ["x", "y"]})
    with pytest.raises(DataError, match=r"--drop: .*'Age'; did you mean 'age'\?.*--keep-as-id: .*'foo'"):
        describe_columns(frame, drop=["Age"], keep_as_id=["foo"])
    with pytest.raises(DataError, match="'age': --drop"):
        describe_columns(frame, drop=["age", "sex"])
    with pytest.raises(DataError, match=r"--kind sex=number: .*'x'; --kind age=date: "):
        describe_columns(frame[["sex", "age"]], kinds={"sex": "number", "age": "date"})


def test_a_count_of_the_rows_is_better_than_nothing():
    assert describe_columns(to_frame({"x": np.arange(50)}))[0].kind == "number"


def test_constant_pixels_keep_their_place():
    pixels = rng.integers(0, 256, (30, IMAGE_COLUMNS), dtype=np.uint8)
    pixels[:, 0] = 0
    columns = describe_columns(to_frame(pixels, names=[f"p{place}" for place in range(IMAGE_COLUMNS)]))
    assert {column.kind for column in columns} == {"number"}
    assert columns[0].note == "constant"
    fewer = describe_columns(to_frame(pixels[:, :8], names=list("abcdefgh")))
    assert fewer[0].kind == "left out"
