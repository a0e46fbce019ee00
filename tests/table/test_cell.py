"""Tests of the conversion of cells."""

import numpy as np
import pytest

pd = pytest.importorskip("pandas")

from fastmlp.table.cell import (  # noqa: E402
    are_bytes,
    are_numbers,
    best_date_format,
    date_parts,
    dates_of,
    guess_date_format,
    guess_numbers,
    number_of,
    numbers_of,
    texts_of,
)


def texts(*cells):
    return pd.Series(cells, dtype=object)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("5", 5),
        ("-5.", -5),
        ("+.5", 0.5),
        ("1e3", 1000),
        ("1,234,567.5", 1234567.5),
        ("$1,200", 1200),
        ("-$5", -5),
        ("7 %", 7),
    ],
)
def test_texts_that_are_numbers(text, number):
    assert number_of(text) == number
    assert number_of(text.translate(str.maketrans(",.", ".,")), ",") == number


@pytest.mark.parametrize(
    ("cells", "decimal"),
    [
        (["1,5", "0,125", "x"] + ["2"] * 20, ","),
        (["1,250", "7"], "."),
        (["a", "b"], "."),
        (["1.250,5"], ","),
        ([], "."),
    ],
)
def test_the_decimal_point_of_a_column(cells, decimal):
    assert guess_numbers(texts(*cells))[0] == decimal


@pytest.mark.parametrize(
    ("cells", "expected"), [(["1"] * 9 + ["x", None, "-"], True), (["1"] * 8 + ["x"], False), ([None, "-"], False)]
)
def test_nearly_all_cells_that_are_not_missing_are_numbers(cells, expected):
    assert are_numbers(*numbers_of(texts(*cells))) is expected


@pytest.mark.parametrize(
    "text",
    [
        "1_0",
        "\u0661\u0662",
        "\uff11",
        "0x10",
        "inf",
        "nan",
        "1e999",
        "1,23",
        "0,125",
        "1 000",
        "",
        "-",
        "1e",
        "--5",
        "5 km",
    ],
)
def test_texts_that_are_none(text):
    assert np.isnan(number_of(text))


def test_cells_that_are_no_numbers_are_told_from_missing_ones():
    values, is_bad = numbers_of(texts("1", None, "abc", "-", "2.5"))
    np.testing.assert_array_equal(values, [1, np.nan, np.nan, np.nan, 2.5])
    assert is_bad.tolist() == [False, False, True, False, False]
    values, is_bad = numbers_of(pd.Series([1.0, np.inf, np.nan]))
    assert is_bad.tolist() == [False, True, False]
    assert np.isnan(values[1])
    assert numbers_of(pd.Series(pd.to_datetime(["2020-01-01", None])))[1].tolist() == [True, False]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pd.Series([1, 2]), ["1", "2"]),
        (pd.Series([10**15, 2**53 - 1]), ["1000000000000000", "9007199254740991"]),
        (pd.Series([1e15, 2.0**53 - 1]), ["1000000000000000", "9007199254740991"]),
        (pd.Series([1.0, np.nan, 2.5]), ["1", None, "2.5"]),
        (texts("1.0", "01", None, "a", "TRUE", "v1.0"), ["1", "01", None, "a", "true", "v1.0"]),
        (pd.Series([True, False]), ["true", "false"]),
        (pd.Series(pd.Categorical(["b", None, "a"])), ["b", None, "a"]),
        (pd.Series(pd.Categorical([2, 1, 2])), ["2", "1", "2"]),
        (pd.Series(pd.to_datetime(["2020-01-02", None])), ["2020-01-02", None]),
        (pd.Series(["a", None], dtype="string"), ["a", None]),
    ],
)
def test_one_level_has_one_text(column, expected):
    assert texts_of(column).tolist() == expected


@pytest.mark.parametrize(
    ("cells", "date_format", "first"),
    [
        (["2020-02-01", "2020-12-31"], "ISO8601", "2020-02-01"),
        (["2020-02-01T10:00:00Z", "2020-02-01 10:00:00+02:00"], "ISO8601", "2020-02-01T10:00"),
        (["01/02/2020", "13/02/2020"], "%d/%m/%Y", "2020-02-01"),
        (["02/01/2020", "02/13/2020"], "%m/%d/%Y", "2020-02-01"),
        (["1.2.2020"], "%d.%m.%Y", "2020-02-01"),
        (["2020/02/01"], "%Y/%m/%d", "2020-02-01"),
        (["1/2/2020 3:04 PM", "1/13/2020 3:04 AM"], "%m/%d/%Y %I:%M %p", "2020-01-02T15:04"),
        (["1 Feb 2020"], "%d %b %Y", "2020-02-01"),
        (["Feb 1 2020", "Mar 1 2020"], "%b %d %Y", "2020-02-01"),
        (["2020-02", "2020-12"], "%Y-%m", "2020-02-01"),
        (["Feb-20"], "%b-%y", "2020-02-01"),
        (["23:59", "0:10"], "%H:%M", "1900-01-01T23:59"),
        (["2020-02-01", "-"], "ISO8601", "2020-02-01"),
    ],
)
def test_formats_of_dates(cells, date_format, first):
    column = texts(*cells, None)
    assert guess_date_format(column) == (date_format, "", 1, [])
    dates, is_bad = dates_of(column, date_format)
    assert dates[0] == np.datetime64(first)
    assert np.isnat(dates[-1])
    assert not is_bad.any()


@pytest.mark.parametrize(
    "cells",
    [["2020"], ["20200105"], ["2020-13-01"], ["25:30"], ["01/02/2020", "x"], ["\u0660\u0661/02/2020"], [5, "1"]],
)
def test_texts_that_are_no_dates(cells):
    assert guess_date_format(texts(*cells)) is None


def test_a_second_format_that_fits_is_told():
    assert guess_date_format(texts("01/02/2020"))[:2] == ("%m/%d/%Y", "%d/%m/%Y")


@pytest.mark.parametrize("form", ["%d.%m.%Y %H:%M", "%Y-%m-%d %H:%M"])
def test_a_few_cells_may_be_no_dates(form):
    dates = pd.date_range("2024-01-01", periods=900, freq="7h").strftime(form)
    guess = guess_date_format(texts("unknown", "see file", *dates, "on 5 May", None))
    assert guess.date_format == ("ISO8601" if form.startswith("%Y") else form)
    assert guess.odd == ["see file", "on 5 May"]
    assert 0.99 < guess.share < 1
    assert guess_date_format(texts(*dates[:89], *["see file"] * 11)) is None
    assert guess_date_format(texts(*["see file"] * 10, *dates[:90])) == (guess.date_format, "", 0.9, ["see file"])


def test_the_format_that_fits_most_cells_counts():
    guess = best_date_format(texts(*(f"{day}/1/2024" for day in range(1, 31)), "soon"))
    assert guess[:2] == ("%d/%m/%Y", "")
    assert guess.odd == ["soon"]
    assert best_date_format(texts("x", "y 1")) is None
    assert best_date_format(texts(None)) is None


def test_dates_in_another_format_are_told():
    dates, is_bad = dates_of(texts("01/02/2020", "2020-02-01", "soon", None), "%d/%m/%Y")
    assert (dates[:2] == np.datetime64("2020-02-01")).all()
    assert is_bad.tolist() == [False, False, True, False]
    assert dates_of(pd.Series([3.0, np.nan]), "ISO8601")[1].tolist() == [True, False]
    dates, is_bad = dates_of(pd.Series([20240131.0, np.nan, 7.0]), "%Y%m%d")
    assert dates[0] == np.datetime64("2024-01-31")
    assert is_bad.tolist() == [False, False, True]


def test_parts_of_dates():
    dates = np.array(["1970-01-02T05:06", "NaT", "1969-12-31T23:59"], dtype="datetime64[s]")
    got = date_parts(dates, ("day", "year", "month", "day of month", "weekday", "hour", "minute", "missing"))
    ref = [[1, 1970, 1, 2, 4, 5, 6, 0], [np.nan] * 7 + [1], [-1, 1969, 12, 31, 2, 23, 59, 0]]
    np.testing.assert_array_equal(got, ref)


def test_bytes():
    assert are_bytes(pd.Series([0, 255]))
    assert are_bytes(pd.Series([True]))
    assert are_bytes(pd.Series([1], dtype=np.uint8))
    assert not any(map(are_bytes, (pd.Series([256]), pd.Series([-1]), pd.Series([1.0]), texts("1"))))
