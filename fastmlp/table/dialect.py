"""The form of delimited text, guessed from its first lines: delimiter, decimal point, header, names of the columns."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple

from fastmlp.table.assembly import unique_names
from fastmlp.table.options import DELIMITERS, MAX_COLUMNS
from fastmlp.table.schema import MISSING_CELLS

if TYPE_CHECKING:
    from fastmlp.table.known import KnownTable

#: Rows of the sample; fewer of a wide table, where enough cells will do; and its largest size, at 60 bytes per cell.
N_SAMPLE_ROWS, MIN_SAMPLE_ROWS, ENOUGH_CELLS, MAX_SAMPLE_CELLS = 200, 10, 1 << 14, 1 << 19
#: Cells by which a header, and whether cells are simple, is decided; more take longer than reading the file.
ENOUGH_HEADER_CELLS, ENOUGH_SIMPLE_CELLS = 5_000, 1_000
#: What stands for "no delimiter": the unit separator of ASCII, which occurs in no text.
NO_DELIMITER = "\x1f"
#: Lines that are comments if they have another number of cells than the table; | is that of C4.5's files.
COMMENT_MARKS = ("#", "|")

MISSING = frozenset(MISSING_CELLS)
WITH_POINT = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
WITH_COMMA = re.compile(r"[+-]?([0-9]+(,[0-9]*)?|,[0-9]+)([eE][+-]?[0-9]+)?")
GROUPED_BY_COMMAS = re.compile(r"[+-]?[1-9][0-9]{0,2}(,[0-9]{3})+(\.[0-9]*)?")
GROUPED_BY_POINTS = re.compile(r"[+-]?[1-9][0-9]{0,2}(\.[0-9]{3})+(,[0-9]*)?")
WHOLE = re.compile(r"[+-]?[0-9]+")
#: A number with the sign of a currency or percent, as `fastmlp.table.cell.number_of` reads it.
WITH_UNIT = re.compile(r"([+-]?)[$€£]?([0-9.,]+) ?[%€£]?")


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """The form of a delimited text.

    Attributes
    ----------
    delimiter : str
        Of `DELIMITERS`, or `NO_DELIMITER`.
    decimal : str
        The decimal point.
    width : int
        Number of cells per row.
    names : tuple of str
        Names of the columns in the header, "" where there is none; empty without a header.
    n_lines : int
        Lines before the first row of data.
    n_titles : int
        Rows before the header that are no part of the table.
    has_row_names : bool
        Whether the header, as R writes it, has no name for the first column.
    remark : str
        What a user should know of how the header was found, or empty.
    guessed : tuple of str
        Which of these were guessed: "delimiter", "decimal", "header".
    has_thousands : bool
        Whether points before exactly three digits, of which some may be thousands, are all that speaks for a decimal
        point beside semicolons.
    sample : list of list of str
        The first rows of data.
    """

    delimiter: str
    decimal: str
    width: int
    names: tuple[str, ...]
    n_lines: int
    n_titles: int
    has_row_names: bool
    remark: str
    guessed: tuple[str, ...]
    has_thousands: bool
    sample: list[list[str]]

    @property
    def has_header(self) -> bool:
        """Whether the columns have names."""
        return bool(self.names)


def is_number(cell: str) -> bool:
    """Whether a cell is a number, with a decimal point, a decimal comma, or groups of three digits.

    Examples
    --------
    >>> [is_number(cell) for cell in ("1.5", "-1,5", "1,234.5", "1e5", "inf", "1_0", "0x1")]
    [True, True, True, True, False, False, False]
    """
    return any(
        form.fullmatch(cell) is not None for form in (WITH_POINT, WITH_COMMA, GROUPED_BY_COMMAS, GROUPED_BY_POINTS)
    )


def iterate_rows(lines: Iterable[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    r"""The rows of a text with the number of the line, from 1, in which each begins; lines without text are no rows.

    Parameters
    ----------
    lines : iterable of str
        Lines with their ends.
    delimiter : str
        See `Dialect`.

    Yields
    ------
    line : int
    cells : list of str

    Raises
    ------
    csv.Error
        If a cell is longer than 131,072 characters.

    Examples
    --------
    >>> list(iterate_rows(["a,b\n", "\n", "1, 2\n"], ","))
    [(1, ['a', 'b']), (3, ['1', '2'])]
    """
    if delimiter == " ":
        lines = (line.replace("\t", " ").strip() + "\n" for line in lines)
    last = ""

    def remembered() -> Iterator[str]:
        nonlocal last
        for line in lines:
            last = line
            yield line

    reader = csv.reader(remembered(), delimiter=delimiter, skipinitialspace=True)
    first = 1
    for cells in reader:
        if cells and (len(cells) > 1 or cells[0].strip() or '"' in last):
            yield first, cells
        first = reader.line_num + 1


def is_comment(cells: Sequence[str], width: int) -> bool:
    """Whether a row is a comment: it begins like one, and has not as many cells as the table.

    Examples
    --------
    >>> is_comment(["|1x3 Cross validator"], 15)
    True
    """
    return len(cells) != width and cells[0].lstrip().startswith(COMMENT_MARKS)


def guess_dialect(
    lines: Sequence[str],
    header: bool | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    known: "KnownTable | None" = None,
) -> Dialect | None:
    r"""The form of a text, from its first lines.

    Parameters
    ----------
    lines : sequence of str
        The first lines, with their ends.
    header, delimiter, decimal : optional
        What is given, see `fastmlp.table.options.ReadOptions`.
    known : KnownTable, optional
        The table that a network was trained on.

    Returns
    -------
    Dialect, or None if there is no row, or more than `MAX_COLUMNS` cells in one.

    Examples
    --------
    >>> found = guess_dialect(["size;price\n", "1;2,5\n", "2;3,5\n"])
    >>> found.delimiter, found.decimal, found.names
    (';', ',', ('size', 'price'))
    """
    n_skipped, separator, comment = _preamble(lines)
    text = lines[n_skipped:]
    guessed: tuple[str, ...] = ("delimiter",) if delimiter is None and separator is None else ()
    delimiter = delimiter or separator
    if delimiter:
        sample = _sample(text, delimiter)
    else:
        delimiter, sample = _known_delimiter(text, known) or _guess_delimiter(text)
    if sample is None or not sample.rows:
        return None
    rows, width = sample
    has_thousands = False
    if decimal is None:
        decimal = None if known is None else known.decimal
        if decimal is None:
            decimal, has_thousands = _guess_decimal([cells for _, cells in rows], delimiter)
        guessed += ("decimal",)
    n_titles, remark = 0, ""
    if known is None:
        n_titles = count_titles([cells for _, cells in rows], width)
        names, n_rows, has_row_names = find_header([cells for _, cells in rows[n_titles:]], width, header)
    else:
        found = known.find_header([cells for _, cells in rows], width, header)
        n_titles, names, n_rows, has_row_names, remark = found
    rows = rows[n_titles:]
    if header is None:
        guessed += ("header",)
        if not names and not n_rows:
            names = _names_in_comment(comment, delimiter, width)
    n_lines = n_skipped + (rows[1][0] - 1 if len(rows) > 1 else len(text)) if n_rows else n_skipped + rows[0][0] - 1
    return Dialect(
        delimiter=delimiter,
        decimal=decimal,
        width=width,
        names=names,
        n_lines=n_lines,
        n_titles=n_titles,
        has_row_names=has_row_names,
        remark=remark,
        guessed=guessed,
        has_thousands=has_thousands,
        sample=[cells for _, cells in rows[n_rows:] if len(cells) == width],
    )


def _preamble(lines: Sequence[str]) -> tuple[int, str | None, str]:
    """Number of lines before the table, the delimiter that one of them names, and the last comment among them."""
    separator, comment, n_lines = None, "", 0
    for n_lines, line in enumerate(lines):
        text = line.strip("\r\n")
        if n_lines == 0 and text[:4].lower() == "sep=" and text[4:5] in {*DELIMITERS.values()} and len(text) == 5:
            separator = text[4]
        elif text.lstrip().startswith("#"):
            comment = text.strip()
        elif text.strip():
            return n_lines, separator, comment
    return len(lines), separator, comment


class _Sample(NamedTuple):
    """The first rows with their lines, without comments, and the number of cells that most of them have."""

    rows: list[tuple[int, list[str]]]
    width: int


def _sample(lines: Sequence[str], delimiter: str) -> _Sample | None:
    """A sample of the rows; None if one is too long."""
    if delimiter != " " and max((line.count(delimiter) for line in lines), default=0) >= MAX_SAMPLE_CELLS:
        return None
    rows, n_cells = [], 0
    try:
        for row in islice(iterate_rows(lines, delimiter), N_SAMPLE_ROWS):
            rows.append(row)
            n_cells += len(row[1])
            if n_cells > (ENOUGH_CELLS if len(rows) >= MIN_SAMPLE_ROWS else MAX_SAMPLE_CELLS):
                break
    except csv.Error:  # a cell of more than 131,072 characters
        return None
    counts = Counter(len(cells) for _, cells in rows[1:] or rows)
    width = max(counts, key=lambda n: (counts[n], n), default=0)
    stripped = [(line, [*map(str.strip, cells)]) for line, cells in rows if not is_comment(cells, width)]
    return None if width > MAX_COLUMNS else _Sample(stripped, width)


def _guess_delimiter(lines: Sequence[str]) -> tuple[str, _Sample | None]:
    """The delimiter by which most rows have equally many cells, and cells are simple; and the sample for it."""
    samples = {delimiter: _sample(lines, delimiter) for delimiter in ("\t", ";", ",", "|", " ")}
    best, best_score = NO_DELIMITER, (0.5, 0.0)
    for delimiter, sample in samples.items():
        if sample is None or sample.width < 2:
            continue
        equal = [cells for _, cells in sample.rows if len(cells) == sample.width]
        cells = [*chain.from_iterable(equal)]
        cells = cells[:: len(cells) // ENOUGH_SIMPLE_CELLS + 1]
        simple = sum(_is_simple(cell, delimiter) for cell in cells) / len(cells)
        score = (min(1.0, round((len(equal) + 1) / len(sample.rows), 1)), round(simple, 2))
        if score > best_score:
            best, best_score = delimiter, score
    if best == NO_DELIMITER and None in samples.values():
        return best, None
    return best, samples[best] if best in samples else _sample(lines, best)


def _is_simple(cell: str, delimiter: str) -> bool:
    """Whether a cell does not look like several cells with another delimiter."""
    if is_number(cell):
        return delimiter != "," or "," not in cell
    text = cell.replace(", ", " ")  # as in a sentence
    if any(other in text for other in ",;\t|" if other != delimiter):
        return False
    return not (" " in cell and all(map(is_number, cell.split())))


def _known_delimiter(lines: Sequence[str], known: "KnownTable | None") -> tuple[str, _Sample] | None:
    """The delimiter by which the first rows have the known columns, that of the known table first; and the sample."""
    if known is None:
        return None
    for delimiter in dict.fromkeys((known.delimiter or "\t", "\t", ";", ",", "|")):
        sample = _sample(lines, delimiter)
        if sample is None or not sample.rows or sample.width < 2:
            continue
        are_names = [known.has_names(unique_names(cells, len(cells))) for _, cells in sample.rows[:MIN_SAMPLE_ROWS]]
        if known.positions(sample.width) is not None or any(are_names):
            return delimiter, sample
    return None


def _guess_decimal(rows: Sequence[Sequence[str]], delimiter: str) -> tuple[str, bool]:
    """The decimal point, and `Dialect.has_thousands`.

    12.345 and 12,345 are numbers either way; they count only where no other number has a point or comma.
    """
    if delimiter == ",":
        return ".", False
    cells = [_without_unit(cell) for row in rows for cell in row if "," in cell or "." in cell]
    by_comma = [bool(WITH_COMMA.fullmatch(cell) or GROUPED_BY_POINTS.fullmatch(cell)) for cell in cells]
    by_point = [bool(WITH_POINT.fullmatch(cell) or GROUPED_BY_COMMAS.fullmatch(cell)) for cell in cells]
    votes = Counter(zip(by_comma, by_point, strict=True))
    commas, points = votes[True, False], votes[False, True]
    if commas or points:
        return "," if commas > points else ".", False
    both = [cell for cell, *is_number in zip(cells, by_comma, by_point, strict=True) if all(is_number)]
    n_commas = sum("," in cell for cell in both)
    is_comma = 2 * n_commas > len(both)
    return "," if is_comma else ".", delimiter == ";" and bool(both) and not is_comma


def _without_unit(cell: str) -> str:
    found = WITH_UNIT.fullmatch(cell)
    return "".join(found.groups()) if found else cell


def count_titles(rows: Sequence[Sequence[str]], width: int) -> int:
    """How many rows at the beginning are titles: they have one cell of text, while the table has more than two.

    Examples
    --------
    >>> count_titles([["Report of 2020"], ["a", "b", "c"], ["1", "2", "3"]], 3)
    1
    """
    for n_titles, cells in enumerate(rows):
        texts = [cell for cell in cells if cell]
        if width < 3 or len(texts) != 1 or is_number(texts[0]) or n_titles == len(rows) - 1:
            return n_titles
    return 0


def find_header(
    rows: Sequence[Sequence[str]], width: int, header: bool | None = None
) -> tuple[tuple[str, ...], int, bool]:
    """The names of the columns, if the first row has them.

    Parameters
    ----------
    rows : sequence of sequence of str
        The first rows, without blanks around the cells.
    width : int
        Number of columns.
    header : bool, optional
        Whether the first row has names; by default guessed.

    Returns
    -------
    names : tuple of str
        "" for a column without a name; empty without a header.
    n_rows : int
        Rows that the names take: 1 or 0.
    has_row_names : bool
        Whether the first column has no name in the header, as in R's tables, since it has the names of the rows.

    Examples
    --------
    >>> find_header([["a", "b"], ["1", "x"]], 2)
    (('a', 'b'), 1, False)
    """
    first, below = list(rows[0]), [cells for cells in rows[1:] if len(cells) == width]
    below = below[: max(MIN_SAMPLE_ROWS, ENOUGH_HEADER_CELLS // width)]
    while len(first) > width and not first[-1]:
        first.pop()
    if header is False or len(first) not in (width - 1, width):
        return (), 0, False
    if len(first) == width:
        return (tuple(first), 1, False) if header or _is_header(first, below) else ((), 0, False)
    if below and all(not cells[-1] for cells in below):  # a delimiter at the end of each row but the first
        return ((*first, ""), 1, False) if header or _is_header([*first, ""], below) else ((), 0, False)
    has_names = header or _is_header(["", *first], below)
    return (("", *first), 1, True) if below and has_names else ((), 0, False)


def _names_in_comment(comment: str, delimiter: str, width: int) -> tuple[str, ...]:
    """Names in the last line before the table that begins with #, as in the files of NumPy's savetxt."""
    for text in (comment, comment[1:].lstrip()):
        for _, cells in iterate_rows([text], delimiter):
            names = [cell.strip() for cell in cells]
            if len(names) == width and not any(map(is_number, names)):
                return (names[0].removeprefix("#").strip() or names[0], *names[1:])
    return ()


def _is_header(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether a row holds names: text above numbers; or, in a table of text, cells that do not occur again."""
    if not below:
        return not any(map(is_number, first))
    n_names = n_numbers = 0
    for position, cell in enumerate(first):
        column = [cells[position] for cells in below if cells[position] not in MISSING]
        if cell in MISSING or not column or sum(map(is_number, column)) < 0.8 * len(column):
            continue
        n_numbers += is_number(cell)
        n_names += not is_number(cell)
    numbers = [cell for cell in first if is_number(cell)]
    if n_numbers:  # names may be numbers, too: positions, as pandas writes them, years, or others beside words
        are_whole = all(map(WHOLE.fullmatch, numbers)) and len(set(first)) == len(first)
        is_range = len(numbers) > 2 and numbers == [str(position) for position in range(len(numbers))]
        are_years = len(numbers) > 1 and all(re.fullmatch("1[89][0-9]{2}|20[0-9]{2}", cell) for cell in numbers)
        are_names = n_names or (is_range and len(numbers) >= len(first) - 1)
        return bool(
            are_whole and (are_names or (are_years and len(numbers) < len(first) and numbers == sorted(numbers)))
        )
    if n_names:
        return True
    named = [position for position, cell in enumerate(first) if cell not in MISSING]
    is_new = all(_form(first[position]) not in {_form(cells[position]) for cells in below} for position in named)
    return len({first[position] for position in named}) == len(named) > 0 and is_new


def _form(cell: str) -> str:
    """A cell that has digits with all of them alike: dates and codes of one form are no names, though they differ."""
    return re.sub("[0-9]", "0", cell)
