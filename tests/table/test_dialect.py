"""What is guessed of a delimited text; whole files are in test_delimited.py."""

import pytest

from fastmlp.table.dialect import count_titles, find_header, guess_dialect, is_comment, is_number, iterate_rows


@pytest.mark.parametrize(
    ("text", "delimiter", "decimal"),
    [
        ("1,2\n3,4\n", ",", "."),
        ("1,5;2,5\n3,5;4,5\n", ";", ","),
        ("1.5;2,5\n3.5;4\n1.5;2\n", ";", "."),
        ("1\t2,5\n3\t4,5\n", "\t", ","),
        ("1|a, b\n2|c, d\n", "|", "."),
        ("1 2\n3 4\n", " ", "."),
        ("a;b,1\nc;d,2\n", ";", "."),
        ('"a;b",1\n"c;d",2\n', ",", "."),
        ("2020-01-01 10:00,1,2\n2020-01-01 11:00,3,4\n", ",", "."),
        ("10:00 x;5\n11:00 x;6\n", ";", "."),
        ("word\nother\n", "\x1f", "."),
        ("2.840,75 €;7,5 %;796\n940,10 €;8 %;3.025\n", ";", ","),
        ("2,5;3.025;4.025;5.025\n3,5;796;1.000;3\n", ";", ","),
        ("1,234.50 €;3,025\n-$7.5;796\n", ";", "."),
        ("4,940;1\n796;2\n", ";", ","),
    ],
)
def test_delimiters_and_decimal_points(text, delimiter, decimal):
    dialect = guess_dialect(text.splitlines(keepends=True))
    assert (dialect.delimiter, dialect.decimal) == (delimiter, decimal)


@pytest.mark.parametrize(
    ("text", "has_thousands"),
    [
        ("4.940;a\n796;b\n", True),
        ("4.940 €;a\n796 €;b\n", True),
        ("4.94;a\n796;b\n", False),
        ("4.940\ta\n796\tb\n", False),
        ("4,940;a\n796;b\n", False),
        ("4.940;2,5\n796;1,5\n", False),
    ],
)
def test_points_that_may_group_thousands(text, has_thousands):
    lines = text.splitlines(keepends=True)
    assert guess_dialect(lines).has_thousands == has_thousands
    assert not guess_dialect(lines, decimal=".").has_thousands


@pytest.mark.parametrize(
    ("rows", "names"),
    [
        ([["a", "b"], ["1", "2"]], ("a", "b")),
        ([["1", "b"], ["1", "c"]], ()),
        ([["a", "2020"], ["1", "2"]], ("a", "2020")),
        ([["a", "1.5"], ["1", "2"]], ()),
        ([["a", "b"], ["c", "d"]], ("a", "b")),
        ([["a", "b"], ["a", "d"]], ()),
        ([["a", "a"], ["c", "d"]], ()),
        ([["01/02/2020", "x"], ["03/02/2020", "y"]], ()),
        ([["id", "day 1"], ["A1", "B2"]], ("id", "day 1")),
        ([["a", "b"]], ("a", "b")),
        ([["a", "1"]], ()),
        ([["", "a"], ["x", "1"]], ("", "a")),
    ],
)
def test_headers(rows, names):
    assert find_header(rows, 2) == (names, int(bool(names)), False)


def test_a_short_header_is_that_of_r_or_of_rows_with_a_delimiter_at_their_end():
    assert find_header([["a"], ["x", "1"], ["y", "2"]], 2) == (("", "a"), 1, True)
    assert find_header([["a"], ["1", ""], ["2", ""]], 2) == (("a", ""), 1, False)
    assert find_header([["a", "b", ""], ["1", "2"]], 2) == (("a", "b"), 1, False)


def test_pieces():
    assert is_number("+1.5e-3")
    assert not is_number("")
    assert is_comment(["# x"], 2)
    assert not is_comment(["# x", "y"], 2)
    assert count_titles([["5"], ["a", "b", "c"]], 3) == 0
    assert list(iterate_rows([" a\t b \n", "\n", '"c d" e\n'], " ")) == [(1, ["a", "b"]), (3, ["c d", "e"])]
    assert guess_dialect([]) is None
    assert guess_dialect(["x" * 200_000]) is None
