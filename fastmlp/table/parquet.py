"""Parquet files, read by pyarrow."""

import re
from collections.abc import Collection
from typing import Any

import numpy as np

from fastmlp.errors import DataError, FastMLPError, FileFormatError, MissingExtraError
from fastmlp.table.assembly import Array, Notes, make_frame, missing_column, name_columns, narrow, unique_names
from fastmlp.table.content import Content, Table, check_size
from fastmlp.table.known import KnownTable
from fastmlp.table.name import listed
from fastmlp.table.options import ReadOptions
from fastmlp.table.text_column import Form, convert_text, forms_to_learn

try:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet
except ImportError as error:
    raise MissingExtraError(error.name or "pyarrow", "table", "a Parquet file") from error

#: Name of a column that pandas made of an index without a name.
INDEX_COLUMN = re.compile(r"__index_level_[0-9]+__")


def read_parquet(
    content: Content, options: ReadOptions, known: KnownTable | None = None, as_text: Collection[str] = ()
) -> Table:
    """Read a Parquet file.

    Parameters
    ----------
    content : Content
        The file.
    options : ReadOptions
        None of them matters.
    known : KnownTable, optional
        The table that a network was trained on.
    as_text : collection of str
        Columns whose text stays as it stands, see `fastmlp.table.source.read_table`.

    Returns
    -------
    Table
        Dates and times are datetime64, without their time zone; times of day are text; durations are seconds. Columns
        of lists, structures, bytes and other types are left out.

    Raises
    ------
    FileFormatError
        If it is damaged, or has more cells than `check_size` allows.
    DataError
        If no column can be read.

    Examples
    --------
    >>> sink = pa.BufferOutputStream()
    >>> pyarrow.parquet.write_table(pa.table({"a": [1, None]}), sink)
    >>> content = Content("x.parquet", sink.getvalue().to_pybytes(), "", 1 << 26)
    >>> read_parquet(content, ReadOptions()).frame["a"].tolist()
    [1.0, nan]
    """
    try:
        table, left_out = _read(content)
        unique = unique_names(table.column_names, table.num_columns)
        forms = forms_to_learn(unique, as_text) if known is None else known.forms(unique)
        made = [_numpy_column(column, form) for column, form in zip(table.columns, forms, strict=True)]
    except FastMLPError:
        raise
    except (pa.ArrowException, OSError, ValueError, NotImplementedError) as error:
        raise FileFormatError(
            f"{content.path} ({len(content.data):,} bytes) is not an intact Parquet file: {error}"
        ) from error
    columns = [column for column, _ in made]
    commas = frozenset(name for name, (_, mark) in zip(unique, made, strict=True) if mark == ",")
    names, columns, notes = name_columns(table.column_names, columns, known=() if known is None else known.names)
    reading: Notes = {"format": "Parquet", "header": True}
    if left_out:
        notes["columns of other types left out"] = listed(left_out)
    return Table(make_frame(names, columns), True, reading | notes, (), lambda row: None, commas)


def _read(content: Content) -> tuple["pa.Table", list[str]]:
    """The columns that can be read, and the names of the others."""
    buffer = pa.py_buffer(content.data)
    file = pyarrow.parquet.ParquetFile(buffer)
    schema = file.schema_arrow
    check_size(content, file.metadata.num_rows, file.metadata.num_columns)
    left_out = [field.name for field in schema if not _is_plain(field.type)]
    names = [field.name for field in schema if _is_plain(field.type) and not INDEX_COLUMN.fullmatch(field.name)]
    if left_out and not names:
        raise DataError(
            f"{content.path}: expected cells of numbers, text, booleans or dates, got other types in all columns: "
            f"{listed(left_out)}; write columns of their parts"
        )
    if len(set(schema.names)) < len(schema.names):
        raise FileFormatError(f"{content.path}: expected different names of columns, got equal ones; rename them")
    # Text stays encoded by its dictionary: a long string in a short column chunk takes its length per row otherwise.
    text = [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]
    reader = pyarrow.parquet.ParquetFile(buffer, read_dictionary=text)
    return reader.read(columns=names, use_threads=False), left_out


def _is_plain(kind: Any) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_plain(kind.value_type)
    tests = (
        "duration",
        "null",
        "boolean",
        "integer",
        "floating",
        "decimal",
        "string",
        "large_string",
        "date",
        "timestamp",
        "time",
    )
    return any(getattr(pa.types, f"is_{test}")(kind) for test in tests)


def _numpy_column(column: "pa.ChunkedArray", form: Form) -> tuple[Array, str]:
    native = _native(column)
    if native is not None:
        return native, ""
    return convert_text(column if pa.types.is_dictionary(column.type) else column.cast(pa.string()), form)


def _native(column: "pa.ChunkedArray") -> Array | None:
    """A column that is no text; None for text."""
    kind, n_missing = column.type, column.null_count
    if n_missing == len(column):
        return missing_column(len(column))
    if pa.types.is_dictionary(kind) and not pa.types.is_string(kind.value_type):
        return _native(column.cast(kind.value_type))
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        unit = "s" if pa.types.is_date(kind) else kind.unit
        return np.asarray(column.cast(pa.timestamp(unit)))
    if pa.types.is_integer(kind) and not n_missing and (kind != pa.uint64() or pc.max(column).as_py() < 1 << 63):
        return narrow(np.asarray(column).astype(np.int64))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return np.asarray(column.cast(pa.float64(), safe=False))
    if pa.types.is_boolean(kind) and not n_missing:
        return np.asarray(column)
    if pa.types.is_duration(kind):
        return np.asarray(column).astype(f"timedelta64[{kind.unit}]") / np.timedelta64(1, "s")
    return None
