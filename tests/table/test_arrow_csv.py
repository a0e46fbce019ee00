"""Columns by pyarrow's reader: fast where types are as the first rows say, and the same where they are not."""

import numpy as np
import pytest

from fastmlp.table.arrow_csv import BLOCK_BYTES, Body, read_columns
from fastmlp.table.dialect import guess_dialect
from fastmlp.table.text_column import ANY, TEXT, Form, convert_text


def read_all(text, form=ANY):
    dialect = guess_dialect(text.splitlines(keepends=True))
    return read_columns(dialect, Body(memoryview(text.encode()), ",", '"' in text), [form] * dialect.width)


def read(text):
    return read_all(text)[0]


@pytest.mark.parametrize(
    "last",
    [
        "",
        "1,2.5",
        "x,y",
        "300,1",
        "-1,inf",
        "007,1",
        "0x1F,1e999",
        ",",
        "NA,?",
        " 5, 6",
        "TRUE,2020-01-01",
        "1e400,nan(1)",
    ],
)
def test_columns_are_those_of_their_text(last):
    """Whatever pyarrow makes of a column, it is what our own rules make of its cells."""
    pa = pytest.importorskip("pyarrow")
    rows = ["1,0.5", "2,1.5"] * 150 + ([last] if last else [])
    got = read("\n".join(rows) + "\n")
    for column, cells in zip(got, zip(*(row.split(",") for row in rows), strict=True), strict=True):
        expected, _ = convert_text(pa.array(cells))
        assert column.dtype == expected.dtype
        np.testing.assert_array_equal(column, expected)


def test_leading_zeros_are_found_in_a_table_of_bytes():
    text = "1,20,255\n0,7,10\n" * 20
    assert [column.dtype for column in read(text)] == [np.uint8] * 3
    assert [column.dtype.kind for column in read(text + "00,7,1\n")] == ["O", "u", "u"]
    assert [column.dtype.kind for column in read(text.replace("\n", "\r\n"))] == ["u"] * 3


def test_what_is_known_of_a_column():
    columns, decimals = read_all("1.10,+2\n" * 300, TEXT)
    assert [column[0] for column in columns] == ["1.10", "+2"]
    assert decimals == ["", ""]
    columns, decimals = read_all("1.5,2\n" * 300, Form("number", (",",), ","))
    assert [column[0] for column in columns] == ["1.5", 2]
    assert decimals == ["", ","]


def test_a_row_longer_than_a_block():
    long = "x" * (2 * BLOCK_BYTES)
    assert [len(cell) for cell in read("1,a\n" * 300 + f"2,{long}\n")[1][-2:]] == [1, len(long)]
