"""Excel files (.xlsx), read by openpyxl: the values that Excel saved, no formula, no macro, no other file."""

import datetime
import io
import warnings
import zipfile
from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np

from fastmlp.errors import DataError, FastMLPError, FileFormatError, MissingExtraError
from fastmlp.table.assembly import Array, Notes, make_frame, missing_column, name_columns, narrow, unique_names
from fastmlp.table.cell import text_of
from fastmlp.table.content import Content, Table, check_size
from fastmlp.table.dialect import MISSING, N_SAMPLE_ROWS, count_titles, find_header
from fastmlp.table.known import KnownHeader, KnownTable, known_positions
from fastmlp.table.name import listed
from fastmlp.table.options import MAX_COLUMNS, ReadOptions
from fastmlp.table.text_column import MAX_EXACT, Form, convert_text, forms_to_learn

try:
    import defusedxml  # type: ignore[import-untyped]  # noqa: F401
    import pyarrow as pa
    from openpyxl.packaging.manifest import Manifest
    from openpyxl.reader.excel import ExcelReader
    from openpyxl.xml.functions import fromstring
except ImportError as error:
    raise MissingExtraError(error.name or "openpyxl", "table", "an Excel file") from error

#: Largest size of the members of the archive that are no cells: openpyxl makes up to 200 bytes per byte of styles.
MAX_OTHER_BYTES = 1 << 20
#: Members that openpyxl reads besides, and those that name them.
OTHER_MEMBERS = (
    "[Content_Types].xml", "xl/workbook.xml", "xl/styles.xml", "xl/theme/", "xl/_rels/", "_rels/", "docProps/",
)  # fmt: skip
#: Values of cells whose formula failed.
ERROR_VALUES = ("#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!", "#GETTING_DATA")
#: Empty rows after which a sheet ends. A cell in its last row, 1,048,576, has been seen; openpyxl yields all before it.
MAX_EMPTY_ROWS = 10_000


def read_excel(
    content: Content, options: ReadOptions, known: KnownTable | None = None, as_text: Collection[str] = ()
) -> Table:
    """Read a sheet of an Excel file.

    Parameters
    ----------
    content : Content
        The file.
    options : ReadOptions
        The sheet, by default the first that is not empty; and whether its first row is a header.
    known : KnownTable, optional
        The table that a network was trained on.
    as_text : collection of str
        Columns whose text stays as it stands, see `fastmlp.table.source.read_table`.

    Returns
    -------
    Table
        Without the empty rows and columns around the cells; and without empty rows between them, unless the table is
        known.

    Raises
    ------
    FileFormatError
        If the file is damaged or larger than the limits.
    DataError
        If there is no such sheet, or it is empty.

    Examples
    --------
    >>> import openpyxl
    >>> book, file = openpyxl.Workbook(), io.BytesIO()
    >>> for row in (["a", "b"], [1, "x"], [2, "y"]):
    ...     book.active.append(row)
    >>> book.save(file)
    >>> read_excel(Content("x.xlsx", file.getvalue(), "", 1 << 26), ReadOptions()).frame["a"].tolist()
    [1, 2]
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and extensions, which do not matter
            _check_members(content)
            reader = _Reader(io.BytesIO(content.data), read_only=True, data_only=True, keep_links=False)
            reader.read()
            sheet = _find_sheet(content, reader.wb, options.sheet, keep_empty=known is not None)
    except FastMLPError:
        raise
    except Exception as error:  # openpyxl raises KeyError, TypeError, AttributeError and others for damaged files
        raise FileFormatError(
            f"{content.path} ({len(content.data):,} bytes) is not an intact Excel file: {type(error).__name__}: {error}"
        ) from error
    rows = sheet.rows
    left = min(next(place for place, cell in enumerate(row) if cell is not None) for _, row in rows if row)
    width = max(len(row) for _, row in rows)
    check_size(content, len(rows), width - left)
    n_titles, names, n_rows, has_row_names, remark = _find_header(
        _grid(rows[:N_SAMPLE_ROWS], left, width), options.header, known
    )
    if known is not None and n_rows == 0:  # no header says that empty cells at the margins are none of the table
        left, width = 0, max(width, known.n_columns)
        check_size(content, len(rows), width)
    cells = _grid(rows, left, width)
    n_rows += n_titles
    header = names
    if known is not None and not names:
        header, remark = known_positions(content.path, known, width - left, remark)
    unique = unique_names(header, width - left, has_row_names)
    forms = forms_to_learn(unique, as_text) if known is None else known.forms(unique)
    made = [
        _column([_clean(cell) for cell in column], form)
        for column, form in zip(zip(*cells[n_rows:], strict=True), forms, strict=False)
    ]
    made = made or [(missing_column(0), "") for _ in unique]
    commas = frozenset(name for name, (_, mark) in zip(unique, made, strict=True) if mark == ",")
    found, columns, notes = name_columns(
        header, [column for column, _ in made], has_row_names, () if known is None else known.names
    )
    if n_titles:
        notes["lines above the table left out"] = n_titles
    if sheet.is_cut:
        notes["rows left out"] = f"those after {MAX_EMPTY_ROWS:,} empty ones"
    others = [title for title in reader.wb.sheetnames if title != sheet.title] if options.sheet is None else []
    notes |= {"other sheets": listed(others)} if others else {}
    lines = [number for number, _ in rows[n_rows:]]
    reading: Notes = {"format": "Excel", "sheet": sheet.title, "header": bool(names)}
    guessed = (*(["sheet"] if options.sheet is None else []), *(["header"] if options.header is None else []))
    return Table(
        make_frame(found, columns),
        bool(names) or (known is not None and known.has_header),
        reading | notes,
        guessed,
        lambda row: lines[row] if row < len(lines) else None,
        commas,
        (remark,) if remark else (),
    )


def _grid(rows: list[tuple[int, list[Any]]], left: int, width: int) -> list[list[Any]]:
    """Rows of equal length, from a column on."""
    return [[*row[left:], *[None] * (width - max(left, len(row)))] for _, row in rows]


def _find_header(cells: list[list[Any]], header: bool | None, known: KnownTable | None) -> KnownHeader:
    sample = [["" if cell is None else str(cell).strip() for cell in row] for row in cells]
    width = len(cells[0])
    if known is not None:
        return known.find_header(sample, width, header)
    n_titles = count_titles(sample, width)
    return KnownHeader(n_titles, *find_header(sample[n_titles:], width, header), "")


def _check_members(content: Content) -> None:
    """Compare the sizes that the archive declares with the limits; zipfile reads no more than these."""
    n_bytes = 0
    with zipfile.ZipFile(io.BytesIO(content.data)) as archive:
        for member in archive.infolist():
            n_bytes += member.file_size
            is_small = member.filename.startswith(OTHER_MEMBERS) or member.filename.endswith(".rels")
            if is_small and member.file_size > MAX_OTHER_BYTES:
                raise FileFormatError(
                    f"{content.path}: expected at most {MAX_OTHER_BYTES:,} bytes in {member.filename}, got "
                    f"{member.file_size:,}; save the sheet as CSV"
                )
    if n_bytes > content.max_bytes:
        raise FileFormatError(
            f"{content.path}: expected at most {content.max_bytes:,} decompressed bytes, got {n_bytes:,}; "
            "save the sheet as CSV"
        )
    with zipfile.ZipFile(io.BytesIO(content.data)) as archive:
        package = Manifest.from_tree(fromstring(archive.read("[Content_Types].xml")))
    others = [part.PartName for part in package.Override if part.ContentType.endswith("main+xml")]
    if set(others) - {"/xl/workbook.xml"}:
        raise FileFormatError(f"{content.path}: expected /xl/workbook.xml as the workbook, got {others[0]}")


class _Reader(ExcelReader):  # type: ignore[misc]
    """openpyxl's reader, which reads no charts."""

    def read_chartsheet(self, sheet: Any, rel: Any) -> None:
        """Leave out a sheet that is a chart: openpyxl would make a tree of it, whatever its size."""


class _Sheet(NamedTuple):
    """The rows of a sheet with their numbers, from 1, and whether there are more far below."""

    title: str
    rows: list[tuple[int, list[Any]]]
    is_cut: bool


def _find_sheet(content: Content, book: Any, name: str | None, keep_empty: bool) -> _Sheet:
    """The sheet with this name, or the first that is not empty."""
    sheets = {sheet.title: sheet for sheet in book.worksheets}
    if name is not None and name not in sheets:
        raise DataError(f"{content.path}: expected a sheet called {name!r}, got {', '.join(map(repr, sheets))}")
    for title in sheets if name is None else [name]:
        found = _read_sheet(content, sheets[title], keep_empty)
        if found.rows:
            return found
    where = "a sheet" if name is None else f"the sheet {name!r}"
    raise DataError(f"{content.path}: expected cells in {where}, got none")


def _read_sheet(content: Content, sheet: Any, keep_empty: bool) -> _Sheet:
    sheet.reset_dimensions()  # what a file says of its size may be wrong
    rows: list[tuple[int, list[Any]]] = []
    n_cells = n_empty = 0
    for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
        n_cells += len(row)
        if n_cells > content.max_bytes // 4 or len(row) > MAX_COLUMNS:
            check_size(content, number, max(len(row), n_cells // number + 1))
        filled = [place for place, cell in enumerate(row) if cell is not None and not _is_blank(cell)]
        n_empty = 0 if filled else n_empty + 1
        if n_empty > MAX_EMPTY_ROWS:
            return _Sheet(sheet.title, rows, True)
        if filled:
            if keep_empty and rows:
                rows += [(between, []) for between in range(rows[-1][0] + 1, number)]
            rows.append((number, list(row[: filled[-1] + 1])))
    return _Sheet(sheet.title, rows, False)


def _is_blank(cell: Any) -> bool:
    return isinstance(cell, str) and not cell.strip()


def _clean(cell: Any) -> Any:
    """A cell, None if it is missing."""
    if isinstance(cell, str):
        cell = cell.strip()
        return None if cell in MISSING or cell in ERROR_VALUES else cell
    return cell


def _column(cells: list[Any], form: Form) -> tuple[Array, str]:
    if form.kind != "text":
        native = _native(cells)
        if native is not None:
            return native, ""
    texts = [None if cell is None else _text(cell, form) for cell in cells]
    return convert_text(pa.array(texts, pa.string()), form)


def _text(cell: Any, form: Form) -> str:
    """A cell as text: that of `fastmlp.table.cell.texts_of` for numbers and dates in a column of text."""
    if isinstance(cell, datetime.date):
        return f"{cell:%Y-%m-%d %H:%M:%S}".removesuffix(" 00:00:00")
    if form.kind == "text":
        return text_of(cell)
    is_comma = form.decimals == (",",) and isinstance(cell, float)
    return str(cell).replace(".", ",") if is_comma else str(cell)


def _native(cells: list[Any]) -> Array | None:
    """A column of numbers, booleans or dates; None if some cells are others."""
    kinds = {type(cell) for cell in cells} - {type(None)}
    has_missing = any(cell is None for cell in cells)
    if not kinds:
        return missing_column(len(cells))
    if kinds <= {int, float}:
        numbers = np.array([np.nan if cell is None else cell for cell in cells], dtype=np.float64)
        is_whole = not has_missing and all(isinstance(cell, int) and abs(cell) < MAX_EXACT for cell in cells)
        return narrow(numbers.astype(np.int64)) if is_whole else numbers
    if kinds == {bool} and not has_missing:
        return np.array(cells)
    if kinds <= {datetime.datetime, datetime.date}:
        return np.array(cells, dtype="datetime64[us]")
    return None
