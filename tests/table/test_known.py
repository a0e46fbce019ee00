"""Files that are read as the table that a network was trained on: no row depends on its neighbours."""

import numpy as np
import openpyxl
import pandas as pd
import pytest

from fastmlp.errors import DataError, FileFormatError
from fastmlp.table.known import KnownTable, known_positions
from fastmlp.table.options import ReadOptions
from fastmlp.table.schema import Column, TableSchema
from fastmlp.table.source import read_table

NUMBER = Column(name="size", kind="number")
LEVELS = Column(name="release", kind="category", levels=("1.10", "1.20", "N/1"))
ID = Column(name="code", kind="id")


def schema(*columns, has_header=True, **read):
    return TableSchema(
        columns=columns or (NUMBER, LEVELS, ID), target="y", target_position=1, task="classification",
        has_header=has_header, reading={"read": read},
    )  # fmt: skip


@pytest.fixture
def read(tmp_path):
    def read_text(text, like=None, has_text_target=False, **options):
        path = tmp_path / "x.csv"
        path.write_text(text)
        return read_table(path, ReadOptions(**options), like or schema(), has_text_target)

    return read_text


def rows(table):
    return [[None if cell is None or cell != cell else cell for cell in row] for row in table.frame.values.tolist()]


HEADER = "code,size,release\n"


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ("1e1,1.5,1.10", ["1e1", 1.5, "1.10"]),
        ("+1,2,1.20", ["+1", 2.0, "1.20"]),
        ("007,1e400,N/1", ["007", np.inf, "N/1"]),
        (",,", [None, None, None]),
        ("true,,1.1", ["true", None, "1.1"]),
    ],
)
def test_a_row_is_read_alone_as_it_is_among_others(cells, expected, read):
    assert rows(read(HEADER + cells + "\n")) == [expected]
    others = "x,2.5,1.10\n,,\n7,-3,2,20\n".replace("2,20", '"2,20"')
    assert rows(read(HEADER + others + cells + "\n"))[-1] == expected
    assert len(read(HEADER + "\n" + others + "\n" + cells + "\n").frame) == 4


def test_a_cell_that_is_no_number_changes_no_other(read):
    """In a column of numbers, which stays text, each cell is what `numbers_of` makes of it, by the known point."""
    like = schema(Column(name="size", kind="number", decimal=","), ID, decimal=",", delimiter="semicolon")
    assert rows(read("size;code\n1,5;a\n", like)) == [[1.5, "a"]]
    assert rows(read("size;code\n1.234;a\n", like)) == [[1234, "a"]]
    assert rows(read("size;code\n1,5;a\nx;b\n", like)) == [["1,5", "a"], ["x", "b"]]
    assert rows(read("size;code\n1.5;a\nx;b\n", like, decimal=".")) == [["1,5", "a"], ["x", "b"]]
    with pytest.raises(
        DataError, match=r"got commas; give the decimal point of this file: --decimal \. or --decimal ,"
    ):
        read("size,code\n1.5,a\n", like)
    assert rows(read("size,code\n1.5,a\n", like, decimal=".")) == [[1.5, "a"]]
    assert rows(read('size,code\n"1,5",a\n', like, decimal=",")) == [[1.5, "a"]]
    assert read("size;code\n1;a\n", like).reading["decimal"] == ","


def test_names_in_any_order_are_a_header_whatever_is_below(read):
    text = pd.DataFrame([["size", "code", "release"]], columns=["size", "code", "release"]).to_csv(index=False)
    assert rows(read(text)) == [["size", "code", "release"]]
    assert list(read("Report of 2020\nother,code,size,release\n1,2,3,4\n").frame) == [
        "other",
        "code",
        "size",
        "release",
    ]
    assert list(read("code|release|size\n1|2|3\n").frame) == ["code", "release", "size"]


def test_without_names_columns_are_matched_by_position(read):
    with pytest.warns(UserWarning, match="no names, so columns are matched by position; --header takes it for names"):
        table = read("1.5,1.10,a\n")
    assert (list(table.frame), table.has_header) == (["size", "release", "code"], True)
    with pytest.warns(UserWarning, match="by position"):
        assert list(read("1.5,yes,1.10,a,\n").frame) == ["size", "y", "release", "code"]
    with pytest.warns(UserWarning, match="by position"):
        assert rows(read("size,1.10,a\n", header=False)) == [["size", "1.10", "a"]]
    with pytest.raises(FileFormatError, match=r"3 columns without the target or 4 with it, .*, got 2; --header takes"):
        read("1.5,1.10\n2,3\n")
    with pytest.warns(UserWarning, match="has no known one; --no-header takes it for a row"):
        assert list(read("a,b,c\n1,2,3\n").frame) == ["a", "b", "c"]


def test_a_header_of_a_table_that_had_none_is_skipped(read):
    columns = [Column(name="column_0", kind="number"), Column(name="column_2", kind="category", levels=("x",))]
    like = schema(*columns, has_header=False)
    for text, n_rows in {"1,x\n": 1, "?,x\n": 1, "1,x\n2,z\n": 2}.items():
        assert read(text, like).frame.shape == (n_rows, 2)
    with pytest.warns(UserWarning, match="seems to hold names, and is left out; --no-header takes it for a row"):
        assert rows(read("size,kind\n1,x\n", like)) == [[1, "x"]]
    assert rows(read("size,x\n1,x\n", like, header=False)) == [["size", "x"], ["1", "x"]]


def test_a_header_is_told_by_numbers_dates_or_levels():
    day = Column(name="day", kind="date", date_format="%d.%m.%Y")
    known = KnownTable(schema(NUMBER, LEVELS, day))
    assert known.seems_header(["x", "1.10", "today"])
    assert not known.seems_header(["x", "1.10", "1.2.2020"])
    assert not known.seems_header(["-", "new", ""])
    assert not known.seems_header(["", "1.10", ""])
    assert known.seems_header(["", "new", ""])
    assert known.seems_header(["size", "release", "Day"])
    assert known.seems_header(["", "", ""]) is None
    assert known.seems_header(["1"]) is None


def test_labels_are_text_if_they_were(read):
    text = "size,y,release,code\n1,+1,a,b\n"
    assert read(text).frame["y"].tolist() == [1]
    assert read(text, has_text_target=True).frame["y"].tolist() == ["+1"]


def test_the_target_has_its_own_decimal_point(read):
    columns = (NUMBER,)
    like = TableSchema(columns=columns, target="y", target_position=1, task="regression", target_decimal=",")
    assert rows(read("size;y\n1.5;1,500\n", like)) == [[1.5, 1.5]]
    assert rows(read("size;y\n1.5;1,500\n1.5;-\n1.5;no\n", like))[0] == [1.5, "1,500"]
    assert rows(read("size;y\n1.5;1,500\n1.5;2.5\n1.5;no\n", like, decimal="."))[1] == [1.5, "2,5"]


def test_a_table_of_one_column(read):
    like = TableSchema(columns=(NUMBER,), target="y", target_position=1, task="regression")
    table = read('size\n1\n\n  \n""\n2\n\n', like)
    assert rows(table) == [[1], [None], [2]]
    assert table.reading["blank lines left out"] == 2
    assert table.line_of(2) == 6


def test_empty_rows_of_a_sheet_are_kept_but_for_the_last(tmp_path):
    book = openpyxl.Workbook()
    for row in ([], ["size", "release", "code"], [1.5, 1.1, 7], [], [2, "1.10", None], [" "]):
        book.active.append(row)
    book.save(tmp_path / "x.xlsx")
    table = read_table(tmp_path / "x.xlsx", like=schema())
    assert rows(table) == [[1.5, "1.1", "7"], [None, None, None], [2, "1.10", None]]
    assert table.line_of(2) == 5
    assert len(read_table(tmp_path / "x.xlsx").frame) == 2


def test_empty_margins_of_a_sheet_without_names_are_cells(tmp_path):
    book = openpyxl.Workbook()
    book.active.append([None, "1.10"])
    book.save(tmp_path / "x.xlsx")
    with pytest.warns(UserWarning, match="matched by position"):
        table = read_table(tmp_path / "x.xlsx", like=schema())
    assert rows(table) == [[None, "1.10", None]]


def test_parquet_and_arff(tmp_path, read):
    pd.DataFrame({"size": ["1,5", "2"], "release": ["1.10", "1.20"], "code": ["1", "+2"]}).to_parquet(tmp_path / "x")
    like = schema(Column(name="size", kind="number", decimal=","), LEVELS, ID)
    assert rows(read_table(tmp_path / "x", like=like)) == [[1.5, "1.10", "1"], [2, "1.20", "+2"]]
    text = "@relation r\n@attribute size numeric\n@attribute code numeric\n@data\n1.5,01\n2,+3\n"
    assert rows(read(text, schema(NUMBER, ID))) == [[1.5, "01"], [2, "+3"]]


def test_positions():
    with pytest.raises(FileFormatError, match="x: expected 3 columns"):
        known_positions("x", KnownTable(schema()), 7)


def test_options_of_other_formats_are_refused(tmp_path, read):
    with pytest.raises(
        DataError, match="--sheet: expected no such option, since the file is delimited text; leave out"
    ):
        read("a,b\n1,2\n", sheet="x")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "x")
    with pytest.raises(DataError, match="--no-header, --decimal: expected no such option, since the file is Parquet"):
        read_table(tmp_path / "x", ReadOptions(decimal=",", header=False))


def test_what_has_no_rows_is_told(read, tmp_path):
    with pytest.raises(FileFormatError, match="got only a header; --no-header, if the first row is none"):
        read("size,release,code\n")
    (tmp_path / "x").write_text("a,b\n,\n,\n")
    with pytest.raises(FileFormatError, match="got only rows of empty cells"):
        read_table(tmp_path / "x")
