"""Excel files: types of cells, empty margins, sheets, and limits."""

import datetime
import io
import zipfile

import numpy as np
import openpyxl
import pytest

from fastmlp.errors import DataError, FileFormatError
from fastmlp.table.options import ReadOptions
from fastmlp.table.source import read_table

SHEET = "xl/worksheets/sheet1.xml"


@pytest.fixture
def write(tmp_path):
    def write_rows(rows, top=1, left=1, edit=None, **others):
        book = openpyxl.Workbook()
        for title in others:
            book.create_sheet(title)
        for title, cells in {"Sheet": rows, **others}.items():
            for number, row in enumerate(cells):
                for place, cell in enumerate(row):
                    book[title].cell(number + top, place + left, cell)
        file, path = io.BytesIO(), tmp_path / "x.xlsx"
        book.save(file)
        with zipfile.ZipFile(file) as archive, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
            members = {name: archive.read(name) for name in archive.namelist()}
            for name, content in (edit(members) if edit else members).items():
                made.writestr(name, content)
        return path

    return write_rows


def edit_sheet(old, new):
    return lambda members: members | {SHEET: members[SHEET].replace(old, new, 1)}


def test_types_of_cells(write):
    day = datetime.datetime(2020, 1, 2)
    rows = [
        ["n", "x", "kind", "yes", "day", "at", "code", "formula"],
        [1, 0.5, " a ", True, day, datetime.time(1, 2), "01", "=A2"],
        [2, None, "NA", False, None, None, "1", "=A3"],
        [300, 2, "#DIV/0!", True, day, None, "2", None],
    ]
    table = read_table(write(rows))
    assert [str(dtype) for dtype in table.frame.dtypes] == [
        "int64", "float64", "object", "bool", "datetime64[us]", "object", "object", "float64",
    ]  # fmt: skip
    assert table.frame["kind"].tolist() == ["a", None, None]
    assert table.frame["at"].tolist() == ["01:02:00", None, None]
    assert table.frame["day"].isna().tolist() == [False, True, False]
    assert np.isnan(table.frame["formula"]).all()  # no value is saved with it, and it is not evaluated
    assert table.line_of(2) == 4
    assert table.line_of(3) is None


def test_empty_margins_rows_and_titles(write):
    rows = [["Report"], [], ["a", "b", "c"], [1, "x", 0.5], [None, " "], [2, "y", None]]
    table = read_table(write(rows, top=3, left=2))
    assert table.frame.to_numpy().tolist()[0] == [1, "x", 0.5]
    assert list(table.frame) == ["a", "b", "c"]
    assert table.line_of(1) == 8
    assert table.reading["lines above the table left out"] == 1


def test_a_sheet_by_name_or_the_first_that_is_not_empty(write):
    path = write([], data=[["a"], [1]], other=[["b"], [2]])
    assert read_table(path).reading["sheet"] == "data"
    assert read_table(path).reading["other sheets"] == "'Sheet', 'other'"
    assert "other sheets" not in read_table(path, ReadOptions(sheet="other")).reading
    assert list(read_table(path, ReadOptions(sheet="other")).frame) == ["b"]
    assert read_table(path, ReadOptions(sheet="other")).guessed == ("header",)
    with pytest.raises(DataError, match="expected a sheet called 'x', got 'Sheet', 'data', 'other'"):
        read_table(path, ReadOptions(sheet="x"))
    with pytest.raises(DataError, match="expected cells in the sheet 'Sheet', got none"):
        read_table(path, ReadOptions(sheet="Sheet"))
    assert list(read_table(write([[1, 2], [3, 4]])).frame) == ["column_0", "column_1"]


def test_row_names_and_an_index(write):
    assert list(read_table(write([[None, "a"], [0, 1.5], [1, 2.5]])).frame) == ["unnamed_0", "a"]


def test_a_cell_in_the_last_corner_stays_small(write):
    rows = [["a", "b"], [1, 2], [3, 4]]
    table = read_table(
        write(
            rows, edit=edit_sheet(b"</sheetData>", b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>')
        )
    )
    assert table.frame.to_numpy().tolist() == [[1, 2], [3, 4]]
    assert table.reading["rows left out"] == "those after 10,000 empty ones"
    table = read_table(write(rows, edit=edit_sheet(b"<dimension ref=", b'<dimension ref="A1:XFD1048576"/><x ref=')))
    assert table.frame.shape == (2, 2)


def test_bombs_are_refused(write, monkeypatch):
    rows = [["a", "b"], [1, 2]]
    with pytest.raises(FileFormatError, match=r"at most 1,048,576 bytes in xl/styles.xml, got 2,00"):
        read_table(
            write(rows, edit=lambda members: members | {"xl/styles.xml": members["xl/styles.xml"] + b" " * 2_000_000})
        )
    far = b"".join(b'<row r="%d"><c r="XFD%d"><v>1</v></c></row>' % (k, k) for k in range(3, 1200))
    with pytest.raises(FileFormatError, match="at most 16,777,216 cells"):
        read_table(write(rows, edit=edit_sheet(b"</sheetData>", far + b"</sheetData>")))
    monkeypatch.setattr("fastmlp.io.bounded.MIN_DECOMPRESSION_BOUND", 1 << 20)
    with pytest.raises(FileFormatError, match="decompressed bytes, got"):
        read_table(write(rows, edit=edit_sheet(b"</sheetData>", b" " * (1 << 20) + b"</sheetData>")))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"<worksheet", b'<!DOCTYPE x [<!ENTITY e "eee">]><worksheet', ""),
        (b"</row>", b"", "ParseError"),
        (b"<v>1</v>", b"<v>x</v>", "ValueError"),
    ],
)
def test_damage_is_refused(old, new, message, write):
    with pytest.raises(FileFormatError, match=f"is not an intact Excel file: .*{message}"):
        read_table(write([["a"], [1]], edit=edit_sheet(old, new)))


def test_another_workbook_than_the_checked_one_is_refused(write):
    def edit(members):
        types = members["[Content_Types].xml"].replace(b"/xl/workbook.xml", b"/xl/media/x.bin")
        return members | {"[Content_Types].xml": types, "xl/media/x.bin": members["xl/workbook.xml"]}

    with pytest.raises(FileFormatError, match=r"expected /xl/workbook.xml as the workbook, got /xl/media/x.bin"):
        read_table(write([["a"], [1]], edit=edit))
