"""The function `read_table`, which chooses the reader of a table file by its content, never by its suffix."""

import os
import warnings
from collections.abc import Collection
from pathlib import Path

from fastmlp.errors import DataError, FileFormatError
from fastmlp.table.arff import read_arff
from fastmlp.table.content import TABLE_FORMATS, Table, find_format, read_content
from fastmlp.table.delimited import read_delimited
from fastmlp.table.excel import read_excel
from fastmlp.table.known import KnownTable
from fastmlp.table.options import ReadOptions
from fastmlp.table.parquet import read_parquet
from fastmlp.table.schema import TableSchema

#: Options that do not apply to each format.
INAPPLICABLE_OPTIONS = {
    "Parquet": ("header", "delimiter", "decimal", "encoding", "sheet"),
    "Excel": ("delimiter", "decimal", "encoding"),
    "ARFF": ("header", "delimiter", "decimal", "sheet"),
    "delimited text": ("sheet",),
}
FORMATS_WITH_HEADER_OPTION = ("Excel", "delimited text")
READERS = {"Parquet": read_parquet, "Excel": read_excel, "ARFF": read_arff, "delimited text": read_delimited}


def read_table(
    path: str | os.PathLike[str],
    options: ReadOptions | None = None,
    like: TableSchema | None = None,
    has_text_target: bool = False,
    as_text: Collection[str] = (),
) -> Table:
    r"""Read a table file: delimited text, Parquet, Excel (.xlsx) or ARFF, compressed or not.

    Parameters
    ----------
    path : path-like
        The file; its suffix does not matter.
    options : ReadOptions, optional
        What is given of its form; the rest is guessed.
    like : TableSchema, optional
        The table that a network was trained on. Then each row is read without regard to the others: names and decimal
        point are those of that table, cells of its categories and ids are text as it stands, and rows of empty cells
        are kept.
    has_text_target : bool
        Whether the labels of `like` are text.
    as_text : collection of str
        Without `like`: columns that are to be categories or dates, whose text stays as it stands, so that 1.10 is
        not 1.1. Numbers, booleans and dates in an Excel or Parquet file are what they are.

    Returns
    -------
    Table
        The columns, and how they were read.

    Raises
    ------
    DataNotFoundError
        If the file is missing, cannot be opened, or is not a regular one.
    FileFormatError
        If it has no rows, or neither the names nor the number of columns of `like`; if it is damaged, of another
        format, or larger than the limits in SECURITY.md. If there is a line, it is named.
    DataError
        If a sheet is missing, or an option does not apply to the format.
    MissingExtraError
        If a package of the extra ``table`` is not installed.

    Warns
    -----
    UserWarning
        If columns are matched by position with those of `like`, or the first row is taken for other names.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "pets.txt")
    ...     _ = path.write_text("weight;kind\n4,1;cat\n30;dog\n")
    ...     read_table(path).frame["weight"].tolist()
    [4.1, 30.0]
    """
    path = Path(path)
    content = read_content(path)
    found, advice = find_format(content.data, content.compression)
    if found not in READERS:
        raise FileFormatError(
            f"{path}: expected a table ({', '.join(TABLE_FORMATS)}), got {found}" + (f"; {advice}" if advice else "")
        )
    options = options or ReadOptions()
    _check_options(path, found, options)
    known = None if like is None else KnownTable(like, has_text_target)
    table = READERS[found](content, options, known, as_text)
    if not len(table.frame):
        is_empty = "empty rows left out" in table.reading
        got = "only rows of empty cells" if is_empty else "only a header" if table.has_header else "none"
        advice = (
            "; --no-header, if the first row is none"
            if got == "only a header" and found in FORMATS_WITH_HEADER_OPTION
            else ""
        )
        raise FileFormatError(f"{path}: expected rows of cells, got {got}{advice}")
    for remark in table.remarks:
        warnings.warn(f"{path}: {remark}", stacklevel=3)
    if content.compression:
        table.reading["compression"] = content.compression
    return table


def _check_options(path: Path, found: str, options: ReadOptions) -> None:
    """Refuse options that do not apply to a format."""
    given = [name for name in INAPPLICABLE_OPTIONS[found] if getattr(options, name) is not None]
    if given:
        names = ", ".join("--no-header" if getattr(options, name) is False else f"--{name}" for name in given)
        raise DataError(f"{path}: {names}: expected no such option, since the file is {found}; leave out {names}")
