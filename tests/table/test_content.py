"""Formats by their first bytes; limits of compressed files."""

import lzma
import zipfile
from pathlib import Path

import pytest

from fastmlp.errors import FileFormatError
from fastmlp.table.content import OTHER_FORMATS, Content, check_size, find_format, read_content


@pytest.mark.parametrize("mark", OTHER_FORMATS)
def test_formats_have_marks(mark):
    assert find_format(mark + b"\0" * 9)[0] == OTHER_FORMATS[mark].partition("; ")[0]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"PAR1", "Parquet"),
        (b"  \n% comment\n@RELATION x", "ARFF"),
        (b"\xef\xbb\xbf@relation x", "ARFF"),
        (b"relation,b", "delimited text"),
        (b"\xff\xfea\0,\0", "delimited text"),
        (b"a\0b", "binary data"),
        (b"\x01\x02", "binary data"),
    ],
)
def test_formats_of_text_and_tables(data, expected):
    assert find_format(data)[0] == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("xl/workbook.xml", "Excel"),
        ("xl/workbook.bin", "a binary Excel file"),
        ("x.npy", "NumPy arrays"),
        ("mimetype", "an OpenDocument file"),
        ("x.csv", "a zip archive"),
    ],
)
def test_archives_are_told_by_their_members(name, expected, tmp_path):
    with zipfile.ZipFile(tmp_path / "x", "w") as archive:
        archive.writestr(name, b"x")
    assert find_format((tmp_path / "x").read_bytes())[0] == expected


@pytest.mark.parametrize("start", [b"\x93NUMPY", b"\0\0\x08\x03", "npz"])
def test_compressed_arrays_are_to_be_decompressed(start, tmp_path):
    if start == "npz":
        with zipfile.ZipFile(tmp_path / "x", "w") as archive:
            archive.writestr("x.npy", b"x")
        start = (tmp_path / "x").read_bytes()
    found, advice = find_format(start)
    assert advice == ""
    assert find_format(start, "bzip2") == (found, "decompress it first")


def test_the_memory_that_an_xz_file_asks_for_is_limited(tmp_path):
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 28}]
    (tmp_path / "x").write_bytes(lzma.compress(b"a,b\n", lzma.FORMAT_XZ, filters=filters))
    with pytest.raises(FileFormatError, match="Memory usage limit"):
        read_content(tmp_path / "x")


def test_sizes():
    content = Content(Path("x"), b"", "", 4000)
    check_size(content, 100, 10)
    with pytest.raises(
        FileFormatError, match="x: expected at most 1,000 cells in a file of this size, got 101 rows of 10"
    ):
        check_size(content, 101, 10)
    with pytest.raises(FileFormatError, match="at most 100,000 columns, got 100,001"):
        check_size(content, 0, 100_001)
