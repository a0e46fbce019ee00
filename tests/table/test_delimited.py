"""Delimited text of the forms in which it lies in public repositories: each is made small here."""

import csv
import gzip
import io

import numpy as np
import pytest

from fastmlp.errors import FileFormatError
from fastmlp.table.options import MAX_COLUMNS, ReadOptions
from fastmlp.table.source import read_table


@pytest.fixture
def read(tmp_path):
    def read_text(text, **options):
        path = tmp_path / "x.data"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_table(path, ReadOptions(**options))

    return read_text


def columns(table):
    """Lists of the cells, with None for each missing one."""
    return {
        name: [None if cell is None or cell != cell else cell for cell in values.tolist()]
        for name, values in table.frame.items()
    }


FORMS = {
    "auto-mpg": (
        '18.0   8   307.0      130.0      3504.      12.0   70  1\t"chevrolet chevelle malibu"\n'
        '25.0   4   98.00      ?          2046.      19.0   71  1\t"ford pinto"\n',
        {
            "column_0": [18.0, 25.0],
            "column_1": [8, 4],
            "column_2": [307.0, 98.0],
            "column_3": [130.0, None],
            "column_4": [3504.0, 2046.0],
            "column_5": [12.0, 19.0],
            "column_6": [70, 71],
            "column_7": [1, 1],
            "column_8": ["chevrolet chevelle malibu", "ford pinto"],
        },
    ),
    "housing.data": (
        " 0.00632  18.00  0   4.98  24.00\n 0.02731   0.00  1   9.14  21.60\n10.02731   0.00  0  19.14  21.60\n",
        {
            "column_0": [0.00632, 0.02731, 10.02731],
            "column_1": [18.0, 0.0, 0.0],
            "column_2": [0, 1, 0],
            "column_3": [4.98, 9.14, 19.14],
            "column_4": [24.0, 21.6, 21.6],
        },
    ),
    "adult.data": (
        "39, State-gov, 77516, Bachelors, 13, <=50K\n50, ?, 83311, Bachelors, 13, >50K\n\n|1x3 Cross validator\n",
        {
            "column_0": [39, 50],
            "column_1": ["State-gov", None],
            "column_2": [77516, 83311],
            "column_3": ["Bachelors", "Bachelors"],
            "column_4": [13, 13],
            "column_5": ["<=50K", ">50K"],
        },
    ),
    "adult.test": (
        "|1x3 Cross validator\n25, Private, <=50K.\n38, Private, >50K.\n",
        {"column_0": [25, 38], "column_1": ["Private", "Private"], "column_2": ["<=50K.", ">50K."]},
    ),
    "wine.data": ("1,14.23\n1,13.2\n2,.94\n", {"column_0": [1, 1, 2], "column_1": [14.23, 13.2, 0.94]}),
    "car.data": (
        "vhigh,2,small,unacc\nvhigh,3,small,unacc\nlow,5more,big,vgood\n",
        {
            "column_0": ["vhigh", "vhigh", "low"],
            "column_1": ["2", "3", "5more"],
            "column_2": ["small", "small", "big"],
            "column_3": ["unacc", "unacc", "vgood"],
        },
    ),
    "sonar": ("0.0200,R\n0.0453,M\n", {"column_0": [0.02, 0.0453], "column_1": ["R", "M"]}),
    "balance-scale": ("B,1\nR,2\nR,3\n", {"column_0": ["B", "R", "R"], "column_1": [1, 2, 3]}),
    "mtcars": (
        '"","mpg","cyl"\n"Mazda RX4",21,6\n"Datsun 710",22.8,4\n',
        {"unnamed_0": ["Mazda RX4", "Datsun 710"], "mpg": [21.0, 22.8], "cyl": [6, 4]},
    ),
    "write.table": (
        '"mpg" "cyl"\n"Mazda RX4" 21 6\n"Datsun 710" 22.8 4\n',
        {"row_names": ["Mazda RX4", "Datsun 710"], "mpg": [21.0, 22.8], "cyl": [6, 4]},
    ),
    "an index of pandas": (",a,b\n0,1,x\n1,2,y\n", {"unnamed_0": [0, 1], "a": [1, 2], "b": ["x", "y"]}),
    "bank-full": (
        '"age";"job";"y"\n58;"management";"no"\n"44";"technician; senior";"no"\n',
        {"age": [58, 44], "job": ["management", "technician; senior"], "y": ["no", "no"]},
    ),
    "AirQuality": (
        "Date;Time;CO(GT);T;;\n10/03/2004;18.00.00;2,6;13,6;;\n10/03/2004;19.00.00;2;-200;;\n;;;;;\n;;;;;\n",
        {
            "Date": ["10/03/2004", "10/03/2004"],
            "Time": ["18.00.00", "19.00.00"],
            "CO(GT)": [2.6, 2.0],
            "T": [13.6, -200.0],
        },
    ),
    "weather": (
        "date,rain,sunny,at\n2020-01-01,0.5,TRUE,12:30\n2020-01-02,0,FALSE,13:45\n",
        {
            "date": ["2020-01-01", "2020-01-02"],
            "rain": [0.5, 0.0],
            "sunny": [True, False],
            "at": ["12:30", "13:45"],
        },
    ),
    "Excel in German": (
        "sep=;\r\nGröße;Preis;Ort\r\n1,5;1.234,50;Köln\r\n2,5;99,00;Bonn\r\n",
        {"Größe": [1.5, 2.5], "Preis": [1234.5, 99.0], "Ort": ["Köln", "Bonn"]},
    ),
    "tabs and decimal commas": ("a\tb\n1,5\tx\n-2,25\ty\n", {"a": [1.5, -2.25], "b": ["x", "y"]}),
    "blanks and decimal commas": (
        "1,5 2 3\n4,5 5 6\n",
        {"column_0": [1.5, 4.5], "column_1": [2, 5], "column_2": [3, 6]},
    ),
    "no header, semicolons and decimal commas": (
        "1,5;2,5\n3,5;4,5\n",
        {"column_0": [1.5, 3.5], "column_1": [2.5, 4.5]},
    ),
    "groups of digits in quotes": ('a,b\n"1,234",x\n"12,345.5",y\n', {"a": [1234.0, 12345.5], "b": ["x", "y"]}),
    "savetxt": ("# a b\n1 2\n3 4\n", {"a": [1, 3], "b": [2, 4]}),
    "comments": ("# made by hand\n#\na|b\n1|2\n# the end\n3|4\n", {"a": [1, 3], "b": [2, 4]}),
    "blanks before a quote": (
        'a, "b c", d\n1, "x, y", 2\n3, "z", 4\n',
        {"a": [1, 3], "b c": ["x, y", "z"], "d": [2, 4]},
    ),
    "a delimiter at the end": ("1,2,\n3,4,\n", {"column_0": [1, 3], "column_1": [2, 4]}),
    "a delimiter at the end of rows only": ("a,b\n1,2,\n3,4,\n", {"a": [1, 3], "b": [2, 4]}),
    "equal and empty names": (
        "a,a,,b\n1,2,3,x\n1,2,3,y\n",
        {"a": [1, 1], "a.1": [2, 2], "column_2": [3, 3], "b": ["x", "y"]},
    ),
    "lone carriage returns": ("a,b\r1,x\r2,y\r", {"a": [1, 2], "b": ["x", "y"]}),
    "lines in quotes": ('a,b\n1,"x\ny"\n2,z\n', {"a": [1, 2], "b": ["x\ny", "z"]}),
    "one column": ("a\n1\n2\n", {"a": [1, 2]}),
    "text without a header": (
        "red,s\nblue,m\nred,m\n",
        {"column_0": ["red", "blue", "red"], "column_1": ["s", "m", "m"]},
    ),
    "text with a header": (
        "colour,size\nred,s\nblue,m\nred,m\n",
        {"colour": ["red", "blue", "red"], "size": ["s", "m", "m"]},
    ),
    "years as names": (
        "city,2019,2020\nBonn,1.5,2.5\nUlm,1,2\n",
        {"city": ["Bonn", "Ulm"], "2019": [1.5, 1.0], "2020": [2.5, 2.0]},
    ),
    "codes": ("zip,class,n\n01067,01,1\n80331,1,2\n", {"zip": ["01067", "80331"], "class": ["01", "1"], "n": [1, 2]}),
    "no numbers": (
        "a,b,c,d,e\n1_0,٣,0x10,inf,1e999\n2,4,5,1.5,2\n",
        {"a": ["1_0", "2"], "b": ["٣", "4"], "c": ["0x10", "5"], "d": [np.inf, 1.5], "e": [np.inf, 2]},
    ),
    "booleans in any case": ("a,b\ntRuE,1\nfalse,2\n", {"a": [True, False], "b": [1, 2]}),
    "missing cells": (
        "a,b,c\n1,x,TRUE\n?, NA ,?\n ,,\n ,y,FALSE\n",
        {"a": [1.0, None, None], "b": ["x", None, "y"], "c": ["TRUE", None, "FALSE"]},
    ),
    "large whole numbers": (
        "a,b\n9007199254740993,12345678901234567890\n1,2\n",
        {"a": [9007199254740993, 1], "b": ["12345678901234567890", "2"]},
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_read(form, read):
    text, expected = FORMS[form]
    assert columns(read(text)) == expected


POSITIONS = {
    "positions as names": ("0,1,2\n5,6,7\n8,9,9\n", {"0": [5, 8], "1": [6, 9], "2": [7, 9]}),
    "with an index": (",0,1,2\n0,5,6,x\n1,8,9,y\n", {"unnamed_0": [0, 1], "0": [5, 8], "1": [6, 9], "2": ["x", "y"]}),
    "# as a name": ("#,name,n\n1,x,2\n2,y,3\n", {"#": [1, 2], "name": ["x", "y"], "n": [2, 3]}),
    "savetxt with commas": ("# a,b\n1,2\n3,4\n", {"a": [1, 3], "b": [2, 4]}),
    "classes of signs": ("1,+\n2,-\n3,-\n", {"column_0": [1, 2, 3], "column_1": ["+", "-", "-"]}),
    "a title": ("Report of 2020;;\n\na;b;c\n1;2;x\n3;4;y\n", {"a": [1, 3], "b": [2, 4], "c": ["x", "y"]}),
    "a title of one cell": ("Report of 2020\na,b,c\n1,2,x\n3,4,y\n", {"a": [1, 3], "b": [2, 4], "c": ["x", "y"]}),
    "numbers of patients": ("1,2,3\n4,5,6\n", {"column_0": [1, 4], "column_1": [2, 5], "column_2": [3, 6]}),
    "a missing cell in the first row": (
        "?,1.5,x\n2,2.5,y\n",
        {"column_0": [None, 2.0], "column_1": [1.5, 2.5], "column_2": ["x", "y"]},
    ),
    "a single column of missing cells": ("a\n1\nNA\n2\n", {"a": [1.0, None, 2.0]}),
}


@pytest.mark.parametrize("form", POSITIONS)
def test_names_are_found(form, read):
    text, expected = POSITIONS[form]
    assert columns(read(text)) == expected


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\r\r\n", "\n\n"])
def test_encodings_and_ends_of_lines(encoding, end, read):
    table = read(end.join(["größe;art", "1;ä", "2;ö", ""]).encode(encoding))
    assert columns(table) == {"größe": [1, 2], "art": ["ä", "ö"]}
    assert table.reading["encoding"] in (encoding, "utf-8", "windows-1252", "utf-16-le")
    assert table.line_of(1) == {"\r\r\n": 5, "\n\n": 5}.get(end, 3)


def test_bytes_that_windows_does_not_define_are_latin_1(read):
    assert read(b"a;b\n\x81;1\nx;2\n").reading["encoding"] == "latin-1"


def test_options_override_what_would_be_guessed(read):
    text = "1,5;2\n3,5;4\n"
    assert columns(read(text, delimiter=",")) == {"column_0": [1, 3], "column_1": ["5;2", "5;4"]}
    assert columns(read("a;b\n1;2\n", header=False)) == {"column_0": ["a", "1"], "column_1": ["b", "2"]}
    assert columns(read("1;2\n3;4\n", header=True)) == {"1": [3], "2": [4]}
    assert columns(read('a,b\n"1,5",1\n', decimal=".")) == {"a": ["1,5"], "b": [1]}
    table = read("ä;b\n1;2\n", encoding="latin-1", delimiter="semicolon", decimal=".", header=True)
    assert list(table.frame) == ["Ã¤", "b"]
    assert table.guessed == ()


def test_a_row_of_another_length_is_named_by_its_line(read):
    text = "a,b\n\n1,x\n" + '2,"y\n\ny"\n' + "3,z,4\n5,6\n"
    with pytest.raises(FileFormatError, match=r"x\.data, line 7: expected 2 cells, as in others, got 3; .*--delimiter"):
        read(text)
    with pytest.raises(FileFormatError, match=r"line 2: expected 3 cells, as in others, got 2"):
        read("1,2,3\n4,5\n6,7,8\n")
    with pytest.raises(FileFormatError, match=r"expected text in utf-8, got .*--encoding"):
        read(b"a,b\n\xff,2\n", encoding="utf-8")
    with pytest.raises(FileFormatError, match="no row"):
        read("\n \n")
    with pytest.raises(FileFormatError, match="expected rows of cells, got only a header"):
        read("a,b\n")


def test_lines_of_rows(read):
    table = read('# note\n\na,b\n1,x\n,\n\n2,"y\ny"\n# note\n3,z\n')
    assert [table.line_of(row) for row in range(4)] == [4, 7, 10, None]
    assert table.reading["empty rows left out"] == 1


def test_a_column_that_the_first_rows_mislead_about(read):
    rows = [f"{k},{k}.5,{k % 200},x\n" for k in range(1000)]
    rows[900] = "many,few,-1,1\n"
    got = columns(read("a,b,c,d\n" + "".join(rows)))
    assert got["a"] == [str(k) if k != 900 else "many" for k in range(1000)]
    assert got["b"][899:901] == ["899.5", "few"]
    assert got["c"] == [k % 200 if k != 900 else -1 for k in range(1000)]
    assert got["d"][899:902] == ["x", "1", "x"]


def test_dates_and_times_that_pyarrow_would_convert_stay_text(read):
    rows = ["2020-01-01,12:30,2020-01-01 10:00\n"] * 300
    assert read("a,b,c\nx,y,z\n" + "".join(rows)).frame.iloc[5].tolist() == ["2020-01-01", "12:30", "2020-01-01 10:00"]


def test_pixels_are_bytes(read):
    pixels = np.random.default_rng(0).integers(0, 256, (50, 40))
    text = io.StringIO()
    np.savetxt(text, pixels, "%d", ",")
    frame = read(text.getvalue()).frame
    assert (frame.dtypes == np.uint8).all()
    np.testing.assert_array_equal(frame.to_numpy(), pixels)
    assert read(text.getvalue().replace("\n", "\n", 1) + "256" + ",0" * 39 + "\n").frame["column_0"].dtype == np.int64
    assert read(text.getvalue() + "00" + ",0" * 39 + "\n").frame["column_0"].tolist()[-1] == "00"


def test_long_rows_and_long_cells(read):
    frame = read("\n".join([",".join(f"name{k:05}" for k in range(3_000))] + [",".join(["1.25"] * 3_000)] * 60)).frame
    assert frame.shape == (60, 3_000)
    with pytest.raises(FileFormatError, match="at most 100,000 cells of at most 131,072 characters, got a longer"):
        read("\n".join([",".join(["1"] * (MAX_COLUMNS + 1))] * 2))
    rows = ["1,y\n"] * 300
    assert read("a,b\n" + "".join(rows) + "1," + "x" * (9 << 20) + "\n2,y\n").frame.shape == (302, 2)


def test_a_gzipped_file_is_read_again_for_the_line_of_a_row(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(b"a,b\n\n1,2\n"))
    assert read_table(path).line_of(0) == 3


def test_what_python_writes_is_read(read):
    """Cells with delimiters, quotes and ends of lines, as the csv module quotes them."""
    rng = np.random.default_rng(0)
    words = ["a", 'b"c', "d,e", "f;g", "h\ni", "j k", "l\tm"]
    rows = [[str(k), *rng.choice(words, 3)] for k in range(40)]
    for delimiter in ",;\t|":
        text = io.StringIO()
        csv.writer(text, delimiter=delimiter).writerows([["n", "a", "b", "c"], *rows])
        got = read(text.getvalue())
        assert got.reading["delimiter"] == {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}[delimiter]
        assert got.frame.astype(str).to_numpy().tolist() == rows


def test_units_tell_the_decimal_comma(read):
    table = read("day;price;share;n\n02.08.2024;2.840,75 €;7,5 %;796\n03.08.2024;940,10 €;8 %;3.025\n")
    assert table.reading["decimal"] == ","
    assert columns(table)["n"] == [796, 3025]


def test_points_that_may_group_thousands_are_noted(read):
    table = read("n;k\n4.940;a\n796;b\n")
    assert columns(table)["n"] == [4.94, 796]
    assert "--decimal ," in table.reading["points before three digits"]
    given = read("n;k\n4.940;a\n796;b\n", decimal=",")
    assert columns(given)["n"] == [4940, 796]
    assert "points before three digits" not in given.reading
