"""Names of columns, and what is left out."""

import numpy as np
import pandas as pd
import pytest

from fastmlp.table.assembly import make_frame, missing_column, name_columns, narrow, rows_of_missing, unique_names

A, B = np.arange(2), np.array([5, 5])


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a", "b"], ["a", "b"]),
        (["a", "a", "a"], ["a", "a.1", "a.2"]),
        (["a", "a.1", "a"], ["a", "a.1", "a.2"]),
        (["a", "", " b "], ["a", "column_1", "b"]),
        (["column_1", ""], ["column_1", "column_1.1"]),
        (["", "a"], ["unnamed_0", "a"]),
        (["Unnamed: 0", "a"], ["Unnamed: 0", "a"]),
        ([], ["column_0", "column_1"]),
    ],
)
def test_names_are_distinct(names, expected):
    found, columns, _ = name_columns(names, [B] * (len(names) or 2))
    assert found == expected
    assert len(columns) == len(found)


def test_names_of_rows_are_a_column():
    assert name_columns(["", "a"], [A, B], has_row_names=True)[0] == ["row_names", "a"]
    assert unique_names(["", "row_names"], 2, has_row_names=True) == ["row_names", "row_names.1"]


def test_columns_of_nothing_are_left_out_if_no_name_refers_to_them():
    nothing = missing_column(2)
    assert name_columns(["a", "", "b", ""], [A, nothing, nothing, nothing])[0] == ["a", "b"]
    assert name_columns([], [nothing, A, nothing, nothing])[0] == ["column_0", "column_1"]
    assert name_columns(["a", "", ""], [A, nothing, nothing], known=["column_1"])[0] == ["a", "column_1"]


def test_frames_keep_dtypes():
    columns = [A, A * 0.5, A > 0, np.array(["x", None], object), np.array(["2020-01-01"] * 2, "datetime64[s]")]
    frame = make_frame(list("abcde"), columns)
    assert [values.dtype for _, values in frame.items()] == [column.dtype for column in columns]
    assert frame.index.equals(pd.RangeIndex(2))
    assert make_frame(["a"], [narrow(A)])["a"].dtype == np.uint8
    assert make_frame(["a"], [missing_column(0)]).shape == (0, 1)


def test_rows_of_missing_cells():
    columns = [np.array([1, np.nan, np.nan]), np.array([None, None, "x"]), np.array(["NaT"] * 3, "datetime64[s]")]
    assert rows_of_missing(columns).tolist() == [1]
    assert rows_of_missing([*columns, A[:1].repeat(3)]).tolist() == []
    assert rows_of_missing([]).tolist() == []
