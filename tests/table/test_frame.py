"""Tests of to_frame: one form for all kinds of tables."""

import datetime

import numpy as np
import pytest

from fastmlp.errors import DataError, DataTypeError

pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")

from fastmlp.table.frame import to_frame  # noqa: E402

CELLS = {
    "whole": [1, 2, 3],
    "gap": [1, None, 3],
    "real": [0.5, None, 2.0],
    "text": ["a ", "?", None],
    "truth": [True, False, True],
    "perhaps": [True, None, False],
    "day": [datetime.date(2020, 1, 2), None, datetime.date(2021, 3, 4)],
    "time": [datetime.datetime(2020, 1, 2, 3, 4, 5), None, None],
}
KINDS = {"whole": "i", "gap": "f", "real": "f", "text": "O", "truth": "b", "perhaps": "O", "day": "M", "time": "M"}


def polars_frame():
    return pytest.importorskip("polars").DataFrame(CELLS)


@pytest.mark.parametrize(
    "make",
    [
        lambda: CELLS,
        lambda: [dict(zip(CELLS, row, strict=True)) for row in zip(*CELLS.values(), strict=True)],
        lambda: pd.DataFrame(CELLS),
        lambda: pd.DataFrame(CELLS).convert_dtypes(),
        lambda: pd.DataFrame(CELLS).convert_dtypes(dtype_backend="pyarrow"),
        lambda: pd.DataFrame(CELLS, index=[7, 8, 9]),
        lambda: pa.table(CELLS),
        polars_frame,
    ],
)
def test_all_kinds_of_tables_have_one_form(make):
    frame = to_frame(make())
    assert {name: frame[name].dtype.kind for name in frame} == KINDS
    assert isinstance(frame.index, pd.RangeIndex)
    assert frame["text"].tolist() == ["a", None, None]
    assert frame["perhaps"].tolist() == ["True", None, "False"]
    np.testing.assert_array_equal(frame["gap"], [1, np.nan, 3])
    assert frame["day"][2] == pd.Timestamp("2021-03-04")
    assert frame["time"][0] == pd.Timestamp("2020-01-02 03:04:05")
    pd.testing.assert_frame_equal(to_frame(frame), frame)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([1, "b", 2.5, None], ["1", "b", "2.5", None]),
        ([True, 1, "a"], ["True", "1", "a"]),
        ([b"x ", "y"], ["x", "y"]),
        ([datetime.time(3, 4), None], ["03:04:00", None]),
        ([" NA ", "none", "-"], [None, "none", "-"]),
    ],
)
def test_other_cells_are_texts(cells, expected):
    assert to_frame({"x": cells})["x"].tolist() == expected


@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        (np.arange(3, dtype=np.uint8), "uint8"),
        (np.arange(3, dtype=np.int16), "int64"),
        (np.arange(3, dtype=np.float32), "float64"),
        (np.array([2**64 - 1], dtype=np.uint64), "float64"),
        ([2**80, 1], "float64"),
        (pd.array([1, 2], dtype="Int8"), "int64"),
        (pd.to_timedelta([1], unit="h"), "float64"),
        (pd.Categorical(["a", "b"]), "category"),
    ],
)
def test_types_of_columns(column, dtype):
    assert to_frame(pd.DataFrame({"x": column}))["x"].dtype == dtype


def test_time_zones_become_utc():
    times = pd.to_datetime(["2020-07-01 12:00"]).tz_localize("Europe/Berlin")
    assert to_frame(pd.DataFrame({"t": times}))["t"][0] == pd.Timestamp("2020-07-01 10:00")


def test_categories_are_stripped_and_may_be_missing():
    frame = to_frame(pd.DataFrame({"c": pd.Categorical(["a ", "?", None, "b"])}))
    assert frame["c"].cat.categories.tolist() == ["a", "b"]
    assert frame["c"].isna().tolist() == [False, True, True, False]


def test_one_row():
    assert to_frame({"age": 22, "sex": "f"}).to_dict("list") == {"age": [22], "sex": ["f"]}
    row = np.array([(1, 2.5, b"ab")], dtype=[("a", int), ("b", float), ("c", "S2")])[0]
    assert to_frame(row).to_dict("list") == {"a": [1], "b": [2.5], "c": ["ab"]}


def test_arrays_with_names():
    assert to_frame([[1, "a"], [2.5, "b"]], names=["p", "q"]).to_dict("list") == {"p": [1.0, 2.5], "q": ["a", "b"]}
    assert to_frame(np.ones((2, 2), np.uint8), names=["p", "q"]).dtypes.tolist() == [np.uint8] * 2


def test_an_index_is_a_column_if_it_has_a_name():
    frame = pd.DataFrame({"a": [1, 2]}, index=["x", "y"])
    assert list(to_frame(frame)) == ["a"]
    assert list(to_frame(frame.rename_axis("key"))) == ["key", "a"]
    several = pd.DataFrame({"a": [1, 2]}, index=pd.MultiIndex.from_tuples([(1, 2), (3, 4)], names=["k", None]))
    assert to_frame(several).to_dict("list") == {"k": [1, 3], "a": [1, 2]}


def test_series_are_matched_by_position():
    made = to_frame({"x": pd.Series([1, 2], index=[5, 6]), "y": pd.Series([3, 4])})
    assert made.to_dict("list") == {"x": [1, 2], "y": [3, 4]}


def test_the_callers_frame_is_not_changed():
    frame = pd.DataFrame({"a": [1.0, 2.0]})
    made = to_frame(frame)
    made["b"] = 1
    assert list(frame) == ["a"]


@pytest.mark.parametrize(
    ("X", "error", "words"),
    [
        ({}, DataError, "got none"),
        ({"x": [1], " x": [2]}, DataError, "got 'x' more than once; rename them, .* keep the first of each: frame"),
        ({"x": [1, 2], "y": [1]}, DataError, "one length"),
        ({"x": np.ones((2, 2))}, DataError, "1-D"),
        ({"x": [[1], [2]]}, DataTypeError, "got list"),
        ({"x": [1 + 2j]}, DataTypeError, "complex"),
        (np.ones((2, 2)), DataTypeError, "got ndarray"),
    ],
)
def test_other_values_are_refused(X, error, words):
    with pytest.raises(error, match=words):
        to_frame(X)
    with pytest.raises(DataError, match="rows of 2 columns"):
        to_frame(np.ones((2, 3)), names=["a", "b"])
