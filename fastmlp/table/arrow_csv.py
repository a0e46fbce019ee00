"""Columns of delimited text by pyarrow's reader, of which the types are checked afterwards."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastmlp.errors import MissingExtraError
from fastmlp.parallel import thread_limit
from fastmlp.table.assembly import Array, missing_column, narrow
from fastmlp.table.dialect import COMMENT_MARKS, MISSING, WHOLE, WITH_COMMA, WITH_POINT, Dialect
from fastmlp.table.schema import MISSING_CELLS
from fastmlp.table.text_column import MAX_EXACT, Form, convert_text

try:
    import pyarrow as pa
    import pyarrow.csv
except ImportError as error:
    raise MissingExtraError(error.name or "pyarrow", "table", "a table") from error

#: Bytes that pyarrow parses at once: 4 MiB take 1.3 times as long on a table of 785 columns.
BLOCK_BYTES = 1 << 20


def _cases(word: str) -> list[str]:
    """A word in lower case, capitals, and both mixed."""
    mixed = [""]
    for letter in word:
        mixed = [start + variant for start in mixed for variant in (letter, letter.upper())]
    return mixed


TRUE, FALSE = _cases("true"), _cases("false")


class Body(NamedTuple):
    """Text that pyarrow reads: each cell but the first of a row follows one delimiter immediately."""

    data: memoryview
    delimiter: str
    has_quotes: bool
    n_carriage_returns: int = 0


class _Parser:
    """pyarrow's reader with the settings of one text."""

    def __init__(self, dialect: Dialect, body: Body) -> None:
        self._dialect, self._body = dialect, body

    def parse(self, types: dict[str, Any], only: list[str] | None = None) -> "pa.Table":
        """Columns named by their positions; those without a type get the one that pyarrow finds."""
        block_size, convert = BLOCK_BYTES, self._convert_options(types, only)
        while True:
            try:
                return pyarrow.csv.read_csv(
                    pa.py_buffer(self._body.data), self._read_options(block_size), self._parse_options(), convert
                )
            except pa.ArrowInvalid as error:
                if "straddling" in str(error) and block_size < len(self._body.data):
                    block_size = min(16 * block_size, (1 << 31) - 1, len(self._body.data) + 1)
                    continue
                raise

    def _read_options(self, block_size: int) -> Any:
        names = [str(position) for position in range(self._dialect.width)]
        return pyarrow.csv.ReadOptions(
            column_names=names,
            block_size=block_size,
            use_threads=len(self._body.data) > block_size and thread_limit() > 1,
        )

    def _parse_options(self) -> Any:
        return pyarrow.csv.ParseOptions(
            delimiter=self._body.delimiter,
            quote_char='"' if self._body.has_quotes else False,  # without quotes it takes three quarters of the time
            newlines_in_values=self._body.has_quotes,
            invalid_row_handler=_skip_comments,
        )

    def _convert_options(self, types: dict[str, Any], only: list[str] | None) -> Any:
        return pyarrow.csv.ConvertOptions(
            column_types=types,
            include_columns=only or [],
            null_values=list(MISSING_CELLS),
            strings_can_be_null=True,
            true_values=TRUE,
            false_values=FALSE,
            decimal_point=self._dialect.decimal,
        )


def _skip_comments(row: Any) -> str:
    text = row.text.strip()
    return "skip" if not text or text.startswith(COMMENT_MARKS) else "error"


def read_columns(dialect: Dialect, body: Body, forms: Sequence[Form]) -> tuple[list[Array], list[str]]:
    r"""Read all columns.

    Parameters
    ----------
    dialect : Dialect
        The form of the text.
    body : Body
        The rows.
    forms : sequence of Form
        How each column is converted if it is not all numbers with the decimal point of the dialect.

    Returns
    -------
    columns : list of numpy.ndarray of shape (n_rows,)
        Of the dtypes that `convert_text` returns.
    decimals : list of str
        The decimal point of each, "" if it is no number.

    Raises
    ------
    pyarrow.ArrowInvalid
        If a row has too many or too few cells.

    Examples
    --------
    >>> from fastmlp.table.dialect import guess_dialect
    >>> dialect = guess_dialect(["1;x\n", "2;y\n"])
    >>> read_columns(dialect, Body(memoryview(b"1;x\n2;y\n"), ";", False), [Form(), Form()])
    ([array([1, 2], dtype=uint8), array(['x', 'y'], dtype=object)], ['.', ''])
    """
    if not bytes(body.data[:BLOCK_BYTES]).strip():
        return [missing_column(0) for _ in range(dialect.width)], [""] * dialect.width
    parser = _Parser(dialect, body)
    is_text = [form.kind == "text" or dialect.decimal not in form.decimals for form in forms]
    texts = {str(position): pa.string() for position in np.flatnonzero(is_text)}
    try:
        table = parser.parse(_guess_types(dialect) | texts)
    except pa.ArrowInvalid as error:
        if "conversion error" not in str(error):
            raise
        table = parser.parse(texts)
    columns = [_numpy_column(column) for column in table.columns]
    if not _is_canonical(columns, len(body.data) - body.n_carriage_returns) and _has_leading_zeros(body.data):
        columns = [None if column is None or column.dtype.kind in "iu" else column for column in columns]
    as_text = [str(position) for position, column in enumerate(columns) if column is None]
    others = {position for position in as_text if not pa.types.is_string(table.schema.field(int(position)).type)}
    again = parser.parse(dict.fromkeys(others, pa.string()), sorted(others)) if others else table
    decimals = [dialect.decimal if column is None or column.dtype.kind in "iuf" else "" for column in columns]
    for position in as_text:
        cells, place = again[position] if position in others else table[position], int(position)
        columns[place], decimals[place] = convert_text(cells, forms[place])
    return columns, decimals  # type: ignore[return-value]


def _guess_types(dialect: Dialect) -> dict[str, Any]:
    """Types of the columns by the first rows. Inference by pyarrow takes 2.5 times as long as reading does."""
    number = WITH_POINT if dialect.decimal == "." else WITH_COMMA
    types = {}
    for position, column in enumerate(zip(*dialect.sample, strict=True)):
        cells = set(column) - MISSING
        if cells and all(map(WHOLE.fullmatch, cells)):
            types[str(position)] = pa.int64()
        else:
            types[str(position)] = pa.float64() if cells and all(map(number.fullmatch, cells)) else pa.string()
    cells = {cell for row in dialect.sample for cell in row}
    if cells and all(cell.isdecimal() and len(cell) <= 3 and int(cell) <= 255 for cell in cells):
        return dict.fromkeys(types, pa.uint8())
    return types


def _is_canonical(columns: Sequence[Array | None], n_bytes: int) -> bool:
    """Whether a table of bytes has as many characters as its cells need, so that none begins with a zero."""
    cells = [column for column in columns if column is not None and column.dtype == np.uint8]
    if len(cells) < len(columns):
        return False
    matrix = np.stack(cells)
    n_digits = matrix.size + np.count_nonzero(matrix > 9) + np.count_nonzero(matrix > 99)
    return n_bytes - n_digits - matrix.size in (-1, 0)  # a delimiter or a line feed after each cell


def _has_leading_zeros(body: memoryview) -> bool:
    """Whether a cell may begin with a zero and another digit, or with 0x, which pyarrow takes for a number."""
    data = np.frombuffer(body, dtype=np.uint8)
    zeros = data[:-1] == ord("0")
    zeros &= ((data[1:] - ord("0")) < 10) | (data[1:] | 32 == ord("x"))
    places = np.flatnonzero(zeros)
    before = data[places - 1]
    return bool(((places == 0) | (((before - ord("0")) >= 10) & (before != ord(".")))).any())


def _numpy_column(column: "pa.ChunkedArray") -> Array | None:
    """A column of numbers or booleans; None if its text must be looked at."""
    kind, n_missing = column.type, column.null_count
    if n_missing == len(column):
        return None if pa.types.is_string(kind) else missing_column(len(column))
    if pa.types.is_boolean(kind):
        return None if n_missing else column.to_numpy()
    if pa.types.is_integer(kind):
        numbers = column.to_numpy()
        return None if n_missing and np.nanmax(np.abs(numbers)) >= MAX_EXACT else narrow(numbers)
    if pa.types.is_floating(kind):
        numbers = column.to_numpy()
        # The digits of a large whole number may be a code.
        is_exact = np.max(np.abs(numbers), where=np.isfinite(numbers), initial=0) < MAX_EXACT
        return numbers if is_exact and int(np.isnan(numbers).sum()) == n_missing else None
    return None
