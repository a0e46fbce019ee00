"""Delimited text: CSV and its relatives, read by pyarrow after our own code found their encoding and form."""

import csv
import io
import re
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np

from fastmlp.errors import DataError, FileFormatError, MissingExtraError
from fastmlp.table.arrow_csv import Body, read_columns
from fastmlp.table.assembly import Array, Notes, make_frame, name_columns, rows_of_missing, unique_names
from fastmlp.table.content import Content, Table, check_size, read_content
from fastmlp.table.dialect import (
    NO_DELIMITER,
    Dialect,
    guess_dialect,
    is_comment,
    iterate_rows,
)
from fastmlp.table.known import KnownTable, known_positions
from fastmlp.table.name import listed
from fastmlp.table.options import DELIMITERS, MAX_COLUMNS, ReadOptions
from fastmlp.table.text_column import Form, forms_to_learn

try:
    import pyarrow as pa
    import pyarrow.csv
except ImportError as error:
    raise MissingExtraError(error.name or "pyarrow", "table", "a table") from error

#: Bytes at the beginning from which the form is guessed; more if they hold few lines.
HEAD_BYTES, MAX_HEAD_BYTES = 1 << 18, 1 << 26
BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
DELIMITER_NAMES = {delimiter: name for name, delimiter in DELIMITERS.items()} | {NO_DELIMITER: None}


def read_delimited(
    content: Content, options: ReadOptions, known: KnownTable | None = None, as_text: Collection[str] = ()
) -> Table:
    r"""Read delimited text.

    Parameters
    ----------
    content : Content
        The text, in any encoding.
    options : ReadOptions
        What is given of its form.
    known : KnownTable, optional
        The table that a network was trained on; then rows of empty cells are rows.
    as_text : collection of str
        Columns whose text stays as it stands, see `fastmlp.table.source.read_table`.

    Returns
    -------
    Table

    Raises
    ------
    FileFormatError
        If a row has too many or too few cells, or the text is not in the given encoding.
    DataError
        If commas are between the cells, and are the decimal points of the known table.

    Examples
    --------
    >>> table = read_delimited(Content(Path("x.csv"), b"a;b\n1;x\n2;y\n", "", 99), ReadOptions())
    >>> table.frame["b"].tolist(), table.reading["delimiter"]
    (['x', 'y'], 'semicolon')
    """
    text, encoding = decode(content, options.encoding)
    head = _head(text)
    dialect = guess_dialect(head, options.header, options.delimiter, options.decimal, known)
    if dialect is None:
        raise FileFormatError(
            f"{content.path}: expected rows of at most {MAX_COLUMNS:,} cells of at most {csv.field_size_limit():,} "
            f"characters, got {'a longer one' if text.strip() else 'no row'}"
        )
    check_size(content, max(text.count(b"\n"), text.count(b"\r")), dialect.width)
    rows = _TextRows(content.path, text, dialect)
    body = _body(rows, sum(len(line.encode()) for line in head[: dialect.n_lines]))
    header, remark = dialect.names, dialect.remark
    if known is not None and not header:
        header, remark = known_positions(content.path, known, dialect.width, remark)
    found = unique_names(header, dialect.width, dialect.has_row_names)
    columns, marks = _columns(rows, body, _forms(rows, found, options.decimal, known, as_text))
    names, columns, notes = name_columns(header, columns, dialect.has_row_names, () if known is None else known.names)
    commas = frozenset(name for name, mark in zip(found, marks, strict=True) if mark == ",")
    points = [column for name, column in zip(names, columns, strict=True) if name not in commas]
    decimal = "," if commas and not any(column.dtype == np.float64 for column in points) else dialect.decimal
    if commas and decimal == ".":
        notes["columns with a decimal comma"] = listed(sorted(commas))
    if dialect.has_thousands and decimal == ".":
        notes["points before three digits"] = "are taken as decimal points (if they group thousands: --decimal ,)"
    reading: Notes = {
        "format": "delimited text",
        "encoding": encoding,
        "delimiter": DELIMITER_NAMES[dialect.delimiter],
        "decimal": decimal,
        "header": dialect.has_header,
    }
    guessed = (("encoding",) if options.encoding is None else ()) + dialect.guessed
    if dialect.n_titles:
        notes["lines above the table left out"] = dialect.n_titles
    if dialect.width == 1 and (n_blank := _count_blank(text)):
        notes["blank lines left out"] = n_blank
    keeps_empty = known is not None
    if not keeps_empty and len(rows_of_missing(columns)):
        is_empty = np.array([not any(map(str.strip, cells)) for _, cells in rows])
        columns = [column[~is_empty] for column in columns]
        if is_empty.any():
            notes["empty rows left out"] = int(is_empty.sum())

    @cache
    def lines() -> list[int]:
        again, _ = decode(read_content(content.path), options.encoding)
        again_rows = _TextRows(content.path, again, dialect)
        return [line for line, cells in again_rows if keeps_empty or any(map(str.strip, cells))]

    def line_of(row: int) -> int | None:
        return lines()[row] if row < len(lines()) else None

    has_header = dialect.has_header or (known is not None and known.has_header)
    remarks = (remark,) if remark else ()
    return Table(make_frame(names, columns), has_header, reading | notes, guessed, line_of, commas, remarks)


def decode(content: Content, encoding: str | None) -> tuple[bytes | bytearray, str]:
    r"""A text in UTF-8 without a byte order mark, and the name of the encoding that it had.

    Without a byte order mark it is UTF-8 if it can be, otherwise Windows-1252, or Latin-1 if it cannot be that.

    Parameters
    ----------
    content : Content
        The text.
    encoding : str, optional
        Its encoding, if it is known.

    Returns
    -------
    tuple of bytes and str

    Raises
    ------
    FileFormatError
        If it is not in that encoding.

    Examples
    --------
    >>> decode(Content(Path("x.csv"), b"\xb0C", "", 0), None)
    (b'\xc2\xb0C', 'windows-1252')
    """
    data = content.data
    mark = next((mark for mark in BYTE_ORDER_MARKS if data.startswith(mark)), b"")
    if encoding is not None:
        candidates = [encoding]
    elif mark:
        candidates = [BYTE_ORDER_MARKS[mark]]
    else:
        candidates = ["utf-8", "windows-1252", "latin-1"]
    if encoding is None and not mark and data.isascii():
        return data, "utf-8"
    for name in candidates:
        try:
            text = data.decode(name)
        except (UnicodeError, ValueError) as error:
            last = error
            continue
        if name == "utf-8":
            return data[len(mark) :] if mark else data, name
        return text.removeprefix("\ufeff").encode("utf-8", "replace"), name
    raise FileFormatError(
        f"{content.path}: expected text in {candidates[0]}, got {last}; give its encoding (--encoding)"
    )


def _head(text: bytes | bytearray) -> list[str]:
    """The first lines, with their ends."""
    n_bytes, lines = HEAD_BYTES, []
    while True:
        lines = bytes(text[:n_bytes]).splitlines(keepends=True)
        if n_bytes >= len(text):
            break
        if len(lines) > 20 or n_bytes >= MAX_HEAD_BYTES:
            lines = lines[:-1]
            break
        n_bytes *= 4
    return [line.decode("utf-8", "replace") for line in lines]


class _TextRows:
    """The rows of a text after its header, as our own code splits them: for the numbers of lines."""

    def __init__(self, path: Path, text: bytes | bytearray, dialect: Dialect) -> None:
        self.path, self.text, self.dialect = path, text, dialect

    def _lines(self) -> Iterator[str]:
        return islice(io.TextIOWrapper(io.BytesIO(self.text), "utf-8", newline=""), self.dialect.n_lines, None)

    def all(self) -> Iterator[tuple[int, list[str]]]:
        """Line and cells of each row, and of each comment."""
        for line, cells in iterate_rows(self._lines(), self.dialect.delimiter):
            yield self.dialect.n_lines + line, cells

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        return ((line, cells) for line, cells in self.all() if not is_comment(cells, self.dialect.width))

    def bad_row(self) -> FileFormatError:
        """The error for the first row with too many or too few cells."""
        width, name = self.dialect.width, DELIMITER_NAMES[self.dialect.delimiter]
        advice = f"correct it, or give the delimiter, if {name or 'none'} is not right (--delimiter)"
        try:
            for line, cells in self:
                if len(cells) != width:
                    return FileFormatError(
                        f"{self.path}, line {line}: expected {width} cells, as in others, got {len(cells)}; {advice}"
                    )
        except csv.Error as error:
            return FileFormatError(f"{self.path}: expected rows of {width} cells, got an error: {error}; {advice}")
        return FileFormatError(f"{self.path}: expected {width} cells in each row, got another number; {advice}")


def _body(rows: _TextRows, start: int) -> Body:
    """The rows from a byte of the text on."""
    text, delimiter = rows.text, rows.dialect.delimiter
    body, has_quotes = memoryview(text)[start:], text.find(b'"', start) >= 0
    if rows.dialect.width == 1:  # pyarrow takes a line of blanks for a row
        return _rewritten(rows, ",")
    if delimiter == " " and not has_quotes:
        # A regular expression makes an object of each piece between blanks: 27 times the bytes of the text.
        lines = b"\n" + bytes(body).replace(b"\r", b"\n").replace(b" ", b"\t")
        while b"\t\t" in lines:
            lines = lines.replace(b"\t\t", b"\t")
        return Body(memoryview(lines.replace(b"\n\t", b"\n").replace(b"\t\n", b"\n").rstrip(b"\t")), "\t", False)
    if delimiter == " " or (has_quotes and re.search(re.escape(delimiter).encode() + b'[ \t]+"', body)):
        return _rewritten(rows, "\t" if delimiter == " " else delimiter)
    return Body(body, delimiter, has_quotes, text.count(b"\r", start))


def _forms(
    rows: _TextRows, names: Sequence[str], given: str | None, known: KnownTable | None, as_text: Collection[str]
) -> list[Form]:
    """How the cells of columns are converted."""
    dialect = rows.dialect
    if known is None:
        decimals = (dialect.decimal,) if given else (dialect.decimal, "," if dialect.decimal == "." else ".")
        return forms_to_learn(names, as_text, Form("any", decimals))
    if not given and dialect.delimiter == dialect.decimal != known.delimiter:
        # In 12,345 and 12.345, nothing but the option says which one is meant.
        raise DataError(
            f"{rows.path}: expected other delimiters than the decimal commas of the training table, got commas; "
            "give the decimal point of this file: --decimal . or --decimal ,"
        )
    return known.forms(names, given, dialect.decimal)


def _count_blank(text: bytes | bytearray) -> int:
    """Number of blank lines before the last line that is none."""
    return sum(not line.strip() for line in bytes(text).rstrip().splitlines())


def _rewritten(rows: _TextRows, delimiter: str) -> Body:
    made = io.StringIO(newline="")
    csv.writer(made, delimiter=delimiter, lineterminator="\n").writerows(cells for _, cells in rows.all())
    return Body(memoryview(made.getvalue().encode()), delimiter, True)


def _columns(rows: _TextRows, body: Body, forms: Sequence[Form]) -> tuple[list[Array], list[str]]:
    try:
        return read_columns(rows.dialect, body, forms)
    except pa.ArrowInvalid as error:
        raise rows.bad_row() from error
