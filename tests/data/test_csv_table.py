import gzip
import tracemalloc

import numpy as np
import pytest

from fastmlp.data.csv_table import MAX_COLUMNS, MAX_QUOTED_COMMAS, load_table, read_samples, read_table
from fastmlp.errors import DataError, FileFormatError
from fastmlp.io import bounded


@pytest.fixture
def write(tmp_path):
    def write_text(text, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        return path

    return write_text


@pytest.mark.parametrize("name", ["pets.csv", "pets.csv.gz"])
def test_features_and_target_are_separated(name, write):
    got = read_table(write("a,label,b\n1,0,2.5\n-3,1,4e2\n", name))
    np.testing.assert_array_equal(got.X, [[1, 2.5], [-3, 400]])
    assert got.y.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("cells", "dtype", "y"),
    [
        ("1 -2", "int64", [1, -2]),
        ("1 -2.0", "float64", [1, -2]),
        ("1 99999999999999999999", "float64", [1, 1e20]),
        ("1 x", "object", ["1", "x"]),
        ("True False", "object", ["True", "False"]),
    ],
)
def test_a_target_has_the_type_of_its_cells(cells, dtype, y, write):
    got = read_table(write("a,y\n" + "".join(f"0,{cell}\n" for cell in cells.split()))).y
    assert (got.dtype, got.tolist()) == (dtype, y)


def test_names_are_coded_in_alphabetical_order(write):
    dataset = load_table(write("a,class\n" + "1, dog\n2,cat\n" * 10))
    assert dataset.classes.tolist() == ["cat", "dog"]
    assert dataset.class_names == ("cat", "dog")
    np.testing.assert_array_equal(dataset.y_train, dataset.X_train[:, 0] == 1)


@pytest.mark.parametrize("labels", [(1, 2), (-1, 1), (0, 100)])
def test_integers_are_coded_without_a_class_in_between(labels, write):
    dataset = load_table(write("a,y\n" + f"1,{labels[0]}\n2,{labels[1]}\n" * 10))
    assert (dataset.n_classes, dataset.classes.tolist(), dataset.class_names) == (2, list(labels), None)
    np.testing.assert_array_equal(dataset.y_train, dataset.X_train[:, 0] == 2)


def test_the_target_column_can_be_given(write):
    got = read_table(write("y,kind\n1,0\n2,1\n"), target="kind")
    assert got.X.tolist() == [[1], [2]]


@pytest.mark.parametrize("target", ["target", "label", "class", "y"])
def test_a_target_column_with_a_usual_name_is_found(target, write):
    assert read_table(write(f"a,{target}\n1,0\n")).y.tolist() == [0]


def test_quotes_blank_lines_and_a_byte_order_mark_are_accepted(write):
    got = read_table(write('\ufeff"a","y"\r\n"1",0\r\n\r\n2,1\r\n'))
    assert got.X.tolist() == [[1], [2]]


def test_a_fifth_is_held_out(write):
    dataset = load_table(write("a,y\n" + "1,0\n2,1\n" * 10, "ten.csv.gz"), scale="none")
    assert (len(dataset.X_train), len(dataset.X_test)) == (16, 4)
    assert (dataset.name, dataset.scale) == ("ten", "none")
    np.testing.assert_array_equal(dataset.X_train[:, 0], dataset.y_train + 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a,b\n1,2\n",
            "expected one column called 'target' or 'label' or 'class' or 'y', got none among the columns a, b; give",
        ),
        ("a;y\n1;2\n", "got none among the columns a;y; separate the cells by commas, not by a semicolon"),
        ("a\ty\n1\t2\n", "; separate the cells by commas, not by a tab"),
        ("5.1,3.5,1,cat\n4.9,3.0,2,dog\n", "; name the columns in the first line, which seems to hold a sample"),
        ("y,label\n1,2\n", "expected one column called .*, got several among the columns y, label"),
        ("a,y\n1,0\nx,1\n", r"table\.csv, line 3, column 'a': expected a finite number, got 'x'"),
        ("a,y\n1,0\n,1\n", "line 3, column 'a': expected a finite number, got ''"),
        ("a,y\n\n\nnan,1\n", "line 4, column 'a': expected a finite number, got 'nan'"),
        ("a,b,y\n1,-inf,1\n", "line 2, column 'b': expected a finite number, got '-inf'"),
        ("a,y\n1,\n", "line 2, column 'y': expected a label, got an empty cell"),
    ],
)
def test_the_error_for_invalid_data_has_its_line_and_column(text, message, write):
    with pytest.raises(DataError, match=message):
        read_table(write(text))


def test_a_missing_target_column_is_refused(write):
    with pytest.raises(DataError, match="expected one column called 'c', got none among the columns a, y"):
        read_table(write("a,y\n1,2\n"), target="c")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected column names in the first line, got an empty line"),
        ("1,2\n3,4\n", "expected column names in the first line, got 1, 2"),
        ("a,y\n1,0\n1,2,3\n", "line 3: expected 2 cells, one per column of the header, got 3"),
        ("a,y\n1\n", "line 2: expected 2 cells, one per column of the header, got 1"),
        ('a,y\n"1,0\n', "not an intact CSV file"),
    ],
)
def test_a_damaged_table_is_refused(text, message, write):
    with pytest.raises(FileFormatError, match=message):
        read_table(write(text))


@pytest.mark.parametrize(("name", "content"), [("x.csv", b"a,y\n\xff\xfe,0\n"), ("x.csv.gz", b"no gzip")])
def test_a_foreign_file_is_refused(name, content, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"x\.csv.* bytes\) is not an intact CSV file"):
        read_table(path)


def test_another_encoding_than_utf_8_is_named(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes("Grad \N{DEGREE SIGN}C,y\n1,0\n".encode("latin-1"))
    with pytest.raises(FileFormatError, match="expected UTF-8, got the byte 0xb0; save it as UTF-8"):
        read_table(path)


@pytest.mark.parametrize("label", ["1.5", "nan"])
def test_labels_that_are_numbers_but_not_integers_are_refused(label, write):
    with pytest.raises(DataError, match=f"expected labels, which are integers if they are numbers, got {label}"):
        load_table(write("a,y\n" + f"1,0\n2,{label}\n" * 10))


def test_names_are_refused_for_regression(write):
    with pytest.raises(DataError, match=r"expected numbers in the target column for the task regression, got .* 'cat'"):
        load_table(write("a,y\n" + "1,dog\n2,cat\n" * 10), task="regression")


def test_a_table_without_features_is_refused(write):
    with pytest.raises(DataError, match="expected at least one feature"):
        load_table(write("y\n" + "0\n1\n" * 10))


@pytest.mark.parametrize("name", ["pets.csv", "pets.csv.gz"])
def test_samples_without_labels_are_read(name, write):
    np.testing.assert_array_equal(read_samples(write("a,b\n1,2.5\n-3,4e2\n", name)), [[1, 2.5], [-3, 400]])


@pytest.mark.parametrize(
    ("text", "first_line"), [("", "an empty line"), ("\na,b\n", "an empty line"), ("1,2\n3,4\n", "1, 2")]
)
def test_samples_without_column_names_are_refused(text, first_line, write):
    message = rf"table\.csv: expected column names in the first line, got {first_line}$"
    with pytest.raises(FileFormatError, match=message):
        read_samples(write(text))


@pytest.mark.parametrize(
    ("row", "error", "reason"),
    [
        ("1", FileFormatError, "line 2: expected 2 cells, one per column of the header, got 1"),
        ("1,x", DataError, "line 2, column 'b': expected a finite number, got 'x'"),
        ("1,nan", DataError, "line 2, column 'b': expected a finite number, got 'nan'"),
    ],
)
def test_the_error_for_an_invalid_row_of_samples_has_its_line(row, error, reason, write):
    with pytest.raises(error, match=reason):
        read_samples(write(f"a,b\n{row}\n"))


@pytest.mark.parametrize("read", [load_table, read_samples])
def test_a_decompression_bomb_is_refused(read, tmp_path, monkeypatch):
    monkeypatch.setattr(bounded, "MIN_DECOMPRESSION_BOUND", 1 << 16)
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress(b"a,y\n" + b"0.5,1\n" * 200_000))
    assert bounded.max_decompressed_bytes(path.stat().st_size) < 1 << 20
    message = r"x\.csv\.gz: expected at most \d+,\d+ decompressed bytes, got more; decompress it first"
    with pytest.raises(FileFormatError, match=message):
        read(path)


# wide rows

MANY = MAX_COLUMNS + MAX_QUOTED_COMMAS


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("," * MANY, MAX_COLUMNS),
        ("ab," * MANY, MAX_COLUMNS),
        ("a,y\n" + "ab," * MANY + "1\n", 2 + MAX_QUOTED_COMMAS + 1),
        ("a,y\n" + '"a\n",' * MANY + "1\n", 2 + MAX_QUOTED_COMMAS + 1),
        ("a,y\n1,2\n" + '"a\n",' * MANY + "1\n", 2 + MAX_QUOTED_COMMAS + 1),
    ],
    ids=["commas", "names", "row", "row of many lines", "second row"],
)
@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz"])
def test_a_row_of_too_many_cells_is_refused_before_it_is_split(text, n, name, tmp_path):
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    for read in (read_table, read_samples):
        tracemalloc.start()
        with pytest.raises(FileFormatError, match=rf"expected a row of at most {n:,} cells, got more"):
            read(path)
        assert tracemalloc.get_traced_memory()[1] < 2 * len(text) + (8 << 20)
        tracemalloc.stop()


def test_labels_may_hold_many_commas(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("a,y\n" + f'1,"{"," * 60_000}"\n1,b\n' * 5)
    assert set(read_table(path).y) == {"," * 60_000, "b"}


def test_a_table_may_have_a_hundred_thousand_columns(tmp_path):
    path = tmp_path / "x.csv"
    names = ",".join(f"c{i}" for i in range(100_000))
    path.write_text(f"{names}\n" + "1," * 99_999 + "2\n")
    assert read_samples(path).shape == (1, 100_000)
