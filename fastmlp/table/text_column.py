"""Columns from cells of text: numbers, booleans, or text without the blanks around it."""

import re
from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple

import numpy as np

from fastmlp.errors import MissingExtraError
from fastmlp.table.assembly import Array, missing_column, narrow
from fastmlp.table.cell import SWAPPED
from fastmlp.table.dialect import GROUPED_BY_COMMAS, GROUPED_BY_POINTS, MISSING, WHOLE, WITH_COMMA, WITH_POINT

try:
    import pyarrow as pa
except ImportError as error:
    raise MissingExtraError(error.name or "pyarrow", "table", "a table") from error

#: Whole numbers up to this magnitude are exact as float64.
MAX_EXACT = 1 << 53
LEADING_ZERO = re.compile(r"[+-]?0[0-9]+")
#: What pandas and R write for an infinite number.
INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
BOOLEANS = {"true": True, "false": False}


class Form(NamedTuple):
    """How a column of text is converted.

    Attributes
    ----------
    kind : {"any", "text", "number"}
        "any": numbers if all cells are numbers, booleans if all are, otherwise text; "text": text, as it stands;
        "number": as "any", but text of which each cell can be converted without the others.
    decimals : tuple of str
        The decimal point, "." or ",", or both: the second holds for columns that are no numbers with the first.
    written : str
        The decimal point that a column of numbers has which stays text, since some cells are none.
    """

    kind: Literal["any", "text", "number"] = "any"
    decimals: tuple[str, ...] = (".", ",")
    written: str = "."


ANY, TEXT = Form(), Form("text")


def forms_to_learn(names: Sequence[str], as_text: Collection[str], others: Form = ANY) -> list[Form]:
    """How the columns of a table are converted from which a network learns.

    Parameters
    ----------
    names : sequence of str
        The columns.
    as_text : collection of str
        Those whose text stays as it stands, by their names or, for ``column_3`` and the like, by their positions.
    others : Form
        How the others are converted.

    Returns
    -------
    list of Form

    Examples
    --------
    >>> [form.kind for form in forms_to_learn(["column_0", "column_1", "release"], ["1", "release"])]
    ['any', 'text', 'text']
    """
    return [
        TEXT if name in as_text or (name == f"column_{place}" and str(place) in as_text) else others
        for place, name in enumerate(names)
    ]


def convert_text(cells: "pa.Array | pa.ChunkedArray", form: Form = ANY) -> tuple[Array, str]:
    """A column of the cells' type: numbers if all cells are numbers, booleans if all are, otherwise text.

    Whole numbers of which one has leading zeros are codes, such as postcodes, and stay text. Text stays as it is: 1.10
    may be a version.

    Parameters
    ----------
    cells : pyarrow array of str, or of a dictionary of str
        Blanks around them are removed; then cells of `MISSING_CELLS` are missing.
    form : Form
        What is known of them.

    Returns
    -------
    column : numpy.ndarray of shape (n_rows,)
        uint8, int64, float64 (a missing cell is NaN), bool, or object of str (None).
    decimal : str
        The decimal point of the numbers; "" for text and booleans.

    Examples
    --------
    >>> convert_text(pa.array(["1", " 2"])), convert_text(pa.array(["1,5", "?"]))
    ((array([1, 2], dtype=uint8), '.'), (array([1.5, nan]), ','))
    >>> convert_text(pa.array(["01", "1"]))
    (array(['01', '1'], dtype=object), '')
    """
    encoded = cells if pa.types.is_dictionary(cells.type) else cells.dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.unify_dictionaries().combine_chunks()
    stripped = [(level or "").strip() for level in encoded.dictionary.to_pylist()]
    levels = [None if level in MISSING else level for level in stripped]
    codes = encoded.indices.fill_null(len(levels)).to_numpy(zero_copy_only=False)
    levels.append(None)
    present = [level for level in levels if level is not None]
    if not present:
        return missing_column(len(codes)), ""
    is_missing = np.fromiter((level is None for level in levels), bool, len(levels))
    converted, decimal = _convert(present, form, bool(is_missing[codes].any()))
    dtype = converted.dtype
    values = np.full(len(levels), None if dtype.kind == "O" else np.nan if dtype.kind == "f" else 0, dtype)
    values[~is_missing] = converted
    return narrow(values[codes]), decimal


def _convert(cells: list[str], form: Form, has_missing: bool) -> tuple[Array, str]:
    """Different cells as numbers, booleans or texts, and their decimal point."""
    if form.kind != "text":
        for decimal in form.decimals:
            numbers = _numbers(cells, decimal, has_missing)
            if numbers is not None:
                return numbers, decimal
        if not has_missing and all(cell.lower() in BOOLEANS for cell in cells):
            return np.array([BOOLEANS[cell.lower()] for cell in cells]), ""
    if form.kind == "number":
        cells = [cell.lower() if cell.lower() in BOOLEANS else cell for cell in cells]
        if form.written not in form.decimals:
            cells = [cell.translate(SWAPPED) for cell in cells]
    return np.array(cells, dtype=object), ""


def _numbers(cells: list[str], decimal: str, has_missing: bool) -> Array | None:
    """Different cells as numbers, or None if not all are."""
    texts = _plain_numbers(cells, decimal)
    if texts is None:
        return None
    if all(map(WHOLE.fullmatch, texts)):
        numbers = list(map(int, texts))
        largest = max(map(abs, numbers))
        if any(map(LEADING_ZERO.fullmatch, cells)) or largest >= (MAX_EXACT if has_missing else 1 << 63):
            return None
        return np.array(numbers, dtype=np.float64 if has_missing else np.int64)
    return np.array(texts, dtype=np.float64)


def _plain_numbers(cells: list[str], decimal: str) -> list[str] | None:
    """Numbers as Python writes them: without groups of digits, and with a decimal point; None if a cell is none."""
    plain, grouped = (WITH_POINT, GROUPED_BY_COMMAS) if decimal == "." else (WITH_COMMA, GROUPED_BY_POINTS)
    if not all(plain.fullmatch(cell) or grouped.fullmatch(cell) or INFINITE.fullmatch(cell) for cell in cells):
        return None
    if decimal == ".":
        return [cell.replace(",", "") for cell in cells]
    return [(cell if plain.fullmatch(cell) else cell.replace(".", "")).replace(",", ".") for cell in cells]
