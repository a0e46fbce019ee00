"""The content of a table file: its bytes after decompression, and their format; the table that a reader makes of it."""

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple

from fastmlp.errors import FileFormatError, MissingExtraError
from fastmlp.io.bounded import PIECE_BYTES, max_decompressed_bytes, translate_errors
from fastmlp.io.regular_file import open_regular
from fastmlp.table.options import MAX_COLUMNS

try:
    import pandas as pd
    import pyarrow as pa
except ImportError as error:
    raise MissingExtraError(error.name or "pandas", "table", "a table") from error

TABLE_FORMATS = ("Parquet", "Excel", "ARFF", "delimited text")
#: Memory that the header of an .xz file may ask for; ``xz -9`` needs 65 MiB.
MAX_XZ_MEMORY = 1 << 27
#: First bytes of compressed files.
COMPRESSIONS = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
#: First bytes of files that are no tables, or none that is read; what they are, and what to do.
OTHER_FORMATS = {
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an Excel file of the format before 2007, or an encrypted one; "
    "save it as .xlsx or CSV without a password",
    b"\x89HDF": "an HDF5 file; save the table as CSV or Parquet",
    b"SQLite format 3\0": "an SQLite database; save the table as CSV or Parquet",
    b"ARROW1": "an Arrow or Feather file; save it as Parquet",
    b"FEA1": "a Feather file; save it as Parquet",
    b"ORC": "an ORC file; save it as Parquet",
    b"Obj\x01": "an Avro file; save it as Parquet",
    b"RDX": "an R workspace; write the table with write.csv",
    b"$FL": "an SPSS file; save it as CSV",
    b"<stata_dta>": "a Stata file; save it as CSV",
    b"HEADER RECORD": "a SAS transport file; save it as CSV",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"II*\0": "a TIFF image",
    b"%PDF": "a PDF document",
    b"Rar!": "a RAR archive; unpack it first",
    b"7z\xbc\xaf": "a 7-zip archive; unpack it first",
    b"\x7fELF": "a program",
    b"<!DOCTYPE": "an HTML page; download the file itself",
    b"<html": "an HTML page; download the file itself",
    b"<?xml": "an XML file; save the table as CSV",
    b"version https://git-lfs": "a pointer of Git LFS; run: git lfs pull",
}
TEXT_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
#: Bytes that are in no text of eight-bit characters.
CONTROL_BYTES = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1a\x1b"))


class Table(NamedTuple):
    """A table as it was read.

    Attributes
    ----------
    frame : pandas.DataFrame
        Columns with distinct names of str, and an index of row numbers. The dtypes are int64 or uint8 (whole numbers),
        float64 (a missing number is NaN), bool, object of str (a missing cell is None) and datetime64.
    has_header : bool
        Whether the names of the columns are in the file.
    reading : dict of str to str, int, bool or None
        How the file was read, in words.
    guessed : tuple of str
        Keys of `reading` that were guessed.
    line_of : callable
        Maps a row's number, from 0, to its line in the file, from 1; None for a format without lines.
    commas : frozenset of str
        Columns of numbers with a decimal comma.
    remarks : tuple of str
        What a user should know of how the table was matched with one that is known, in sentences.
    """

    frame: "pd.DataFrame"
    has_header: bool
    reading: dict[str, str | int | bool | None]
    guessed: tuple[str, ...]
    line_of: Callable[[int], int | None]
    commas: frozenset[str] = frozenset()
    remarks: tuple[str, ...] = ()


class Content(NamedTuple):
    """The bytes of a file.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    data : bytes or bytearray
        Its content, decompressed.
    compression : str
        How it was compressed; "" if it was not.
    max_bytes : int
        Number of bytes that the file may decompress to, see `fastmlp.io.bounded.max_decompressed_bytes`.
    """

    path: Path
    data: bytes | bytearray
    compression: str
    max_bytes: int


def read_content(path: Path) -> Content:
    """Read a file, and decompress it if its first bytes say that it is compressed.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    Content

    Raises
    ------
    DataNotFoundError
        If the file cannot be opened, or is not a regular one.
    FileFormatError
        If compressed data is damaged, or larger than `fastmlp.io.bounded.max_decompressed_bytes`.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "x.csv")
    ...     _ = path.write_bytes(gzip.compress(b"a,b"))
    ...     read_content(path)[1:3]
    (bytearray(b'a,b'), 'gzip')
    """
    with translate_errors(path, "compressed file", lzma.LZMAError, pa.ArrowException), open_regular(path) as file:
        start = file.read(8)
        n_file = file.seek(0, io.SEEK_END)
        file.seek(0)
        max_bytes = max_decompressed_bytes(n_file)
        compression = next((name for mark, name in COMPRESSIONS.items() if start.startswith(mark)), "")
        if not compression:
            return Content(path, file.read(), "", max_bytes)
        data = bytearray()
        with _decompressed(file, compression) as stream:
            while piece := stream.read(PIECE_BYTES):
                data += piece
                if len(data) > max_bytes:
                    raise FileFormatError(
                        f"{path}: expected at most {max_bytes:,} decompressed bytes, got more; decompress it first"
                    )
    return Content(path, data, compression, max_bytes)


def _decompressed(file: io.BufferedReader, compression: str) -> IO[bytes] | Any:
    if compression == "gzip":
        return gzip.GzipFile(fileobj=file, mode="rb")
    if compression == "bzip2":
        return bz2.BZ2File(file)
    if compression == "xz":
        return _XzStream(file)
    return pa.CompressedInputStream(file, "zstd")


class _XzStream:
    """Reads .xz data; unlike `lzma.LZMAFile`, with a limit of the memory that the file's header asks for."""

    def __init__(self, file: io.BufferedReader) -> None:
        self._file, self._waiting = file, b""
        self._decoder = self._new_decoder()

    def __enter__(self) -> "_XzStream":
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    @staticmethod
    def _new_decoder() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_XZ_MEMORY)

    def read(self, n_bytes: int) -> bytes:
        """Up to `n_bytes` bytes; none at the end."""
        while True:
            if self._decoder.eof:  # another stream may follow, after bytes of zero
                self._waiting = (self._decoder.unused_data or self._file.read(PIECE_BYTES)).lstrip(b"\0")
                if not self._waiting:
                    return b""
                self._decoder = self._new_decoder()
            elif self._decoder.needs_input:
                self._waiting = self._file.read(PIECE_BYTES)
                if not self._waiting:
                    raise EOFError("the compressed data ends too early")
            piece = self._decoder.decompress(self._waiting, n_bytes)
            self._waiting = b""
            if piece:
                return piece


def find_format(data: bytes | bytearray, compression: str = "") -> tuple[str, str]:
    """The format of a file's content, and what to do if it is not one of `TABLE_FORMATS`.

    Parameters
    ----------
    data : bytes or bytearray
        The content, or its beginning: then a zip archive is taken for an Excel file.
    compression : str
        How the file was compressed, see `Content`.

    Returns
    -------
    tuple of str
        The format in words, and a piece of advice or "".

    Examples
    --------
    >>> find_format(b"a,b"), find_format(b"PAR1"), find_format(b"GIF89a")
    (('delimited text', ''), ('Parquet', ''), ('a GIF image', ''))
    """
    start = bytes(data[:64])
    array_advice = "decompress it first" if compression else ""  # arrays are read where no table is expected
    for mark, name in OTHER_FORMATS.items():
        if start.startswith(mark):
            what, _, advice = name.partition("; ")
            return what, advice
    if start.startswith(b"PAR1"):
        return "Parquet", ""
    if start.startswith(b"PK\x03\x04"):
        return _find_zip_format(data, array_advice)
    if start.startswith(b"\x93NUMPY"):
        return "a NumPy array", array_advice
    if start[:1] == b"\x80" and start[1:2] in b"\x02\x03\x04\x05":
        return "a pickle, which is never read, since it may hold code", "save the table as CSV or Parquet"
    if (
        start[:2] == b"\0\0"
        and start[2:3] in b"\x08\x09\x0b\x0c\x0d\x0e"
        and start[3:4] in (b"\x01", b"\x02", b"\x03", b"\x04")
    ):
        return "an idx file", array_advice
    if data[257:262] == b"ustar":
        return "a tar archive", "unpack it first"
    if not start:
        return "an empty file", ""
    if not start.startswith(TEXT_MARKS[1:]) and _has_control_bytes(data):
        return "binary data", "if it is text in UTF-16, name its encoding (--encoding utf-16-le or utf-16-be)"
    return _find_text_format(data), ""


def _has_control_bytes(data: bytes | bytearray) -> bool:
    head = data[: 1 << 16]
    return b"\0" in data or len(head.translate(None, CONTROL_BYTES)) < len(head)


def _find_zip_format(data: bytes | bytearray, array_advice: str) -> tuple[str, str]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
    except (
        zipfile.BadZipFile,
        ValueError,
        NotImplementedError,
        OSError,
    ):  # a damaged archive, or its beginning
        return "Excel", ""
    if "xl/workbook.xml" in names:
        return "Excel", ""
    if any(name.startswith("xl/") for name in names):
        return "a binary Excel file", "save it as .xlsx or CSV"
    if any(name.endswith(".npy") for name in names):
        return "NumPy arrays", array_advice
    if "mimetype" in names:
        return "an OpenDocument file", "save it as .xlsx or CSV"
    return "a zip archive", "unpack it first"


def _find_text_format(data: bytes | bytearray) -> str:
    """ARFF if the first line that is neither empty nor a comment begins with @relation, otherwise delimited text."""
    for line in io.BytesIO(data):
        text = line.strip(b"\xef\xbb\xbf \t\r\n")
        if text and not text.startswith(b"%"):
            return "ARFF" if text[:9].lower() == b"@relation" else "delimited text"
    return "delimited text"


def check_size(content: Content, n_rows: int, n_columns: int) -> None:
    """Refuse a table that a small file makes large, before memory is allocated for it.

    Parameters
    ----------
    content : Content
        The file.
    n_rows, n_columns : int
        The size of its table.

    Raises
    ------
    FileFormatError
        If it has more than `MAX_COLUMNS` columns, or, at 8 bytes per cell, takes more than twice the bytes that the
        file may decompress to.

    Examples
    --------
    >>> check_size(Content(Path("x.parquet"), b"", "", 1 << 26), 1000, 1000)
    """
    if n_columns > MAX_COLUMNS:
        raise FileFormatError(f"{content.path}: expected at most {MAX_COLUMNS:,} columns, got {n_columns:,}")
    max_cells = content.max_bytes // 4
    if n_rows * n_columns > max_cells:
        raise FileFormatError(
            f"{content.path}: expected at most {max_cells:,} cells in a file of this size, got {n_rows:,} rows of "
            f"{n_columns:,}; save the table as CSV, not compressed"
        )
