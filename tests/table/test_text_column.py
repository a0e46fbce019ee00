"""Types of columns of text."""

import numpy as np
import pyarrow as pa
import pytest

from fastmlp.table.text_column import TEXT, Form, convert_text

NUMBERS = {
    "whole": (["1", "-2", "+3"], [1, -2, 3], np.int64),
    "bytes": (["0", "255", " 7 "], [0, 255, 7], np.uint8),
    "fractions": (["1.5", ".5", "2.", "1e3", "-1E-2"], [1.5, 0.5, 2, 1000, -0.01], np.float64),
    "missing": (["1", "", "?", None], [1, np.nan, np.nan, np.nan], np.float64),
    "groups": (["1,234", "12,345,678.5", "7"], [1234, 12345678.5, 7], np.float64),
    "whole groups": (["1,234", "999"], [1234, 999], np.int64),
    "decimal commas": (["1,5", "0,123"], [1.5, 0.123], np.float64),
    "points as groups": (["1.234,5", "1.000.000,25"], [1234.5, 1000000.25], np.float64),
    "zeros before a fraction": (["01.5", "2"], [1.5, 2], np.float64),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers(name):
    cells, expected, dtype = NUMBERS[name]
    got, decimal = convert_text(pa.array(cells))
    assert got.dtype == dtype
    assert decimal == ("," if "commas" in name or "points" in name else ".")
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    "cells",
    [
        ["01", "1"], ["007"], ["1_0"], ["\u0663"], ["0x1F"], ["infinite"], ["1,23,4"],
        ["1 2"], ["12:30"],
        ["2020-01-01"], ["yes", "no"], ["true", "1"], ["9223372036854775808"], ["5%"], ["1.5,5"], ["--1"],
    ],
)  # fmt: skip
def test_what_is_no_number_is_text(cells):
    got, decimal = convert_text(pa.array(cells))
    assert (got.dtype, decimal) == (object, "")
    assert got.tolist() == cells


def converted(cells, *form):
    return convert_text(cells if hasattr(cells, "type") else pa.array(cells), Form(*form))[0].tolist()


def test_infinite_numbers_are_numbers():
    assert converted(["inf", "-Infinity", "1e999", "1"]) == [np.inf, -np.inf, np.inf, 1]


def test_booleans_and_text():
    assert converted(["True", "FALSE"]) == [True, False]
    assert converted(["True", None]) == ["True", None]
    assert converted([" a ", "NA", "b c"]) == ["a", None, "b c"]
    assert converted(["1.10", "+2", "true"], *TEXT) == ["1.10", "+2", "true"]
    assert converted(["1,5"], "any", (".",)) == ["1,5"]
    assert np.isnan(converted(pa.array(["", None], pa.string()))).all()
    assert converted(pa.array([], pa.string())) == []


def test_chunks_and_dictionaries():
    chunks = pa.chunked_array([pa.array(["b", "a"]), pa.array(["c", None, "a"])])
    assert converted(chunks) == ["b", "a", "c", None, "a"]
    assert converted(chunks.dictionary_encode()) == ["b", "a", "c", None, "a"]
    assert converted(pa.chunked_array([], pa.string())) == []


def test_numbers_among_other_cells_stay_as_they_are():
    assert converted(["1,5", "2", "k.A.", "3.10"]) == ["1,5", "2", "k.A.", "3.10"]


def test_columns_of_numbers_have_the_decimal_point_that_is_asked_for():
    assert converted(["1,5", "2"], "number", (",",), ".") == [1.5, 2]
    assert converted(["1,5", "k.A."], "number", (",",), ".") == ["1.5", "k,A,"]
    assert converted(["1.234", "1.5", "x"], "number", (",",), ",") == ["1.234", "1.5", "x"]
    assert converted(["tRuE", "x"], "number", (".",)) == ["true", "x"]
