"""ARFF files, Weka's format: a header that declares the columns, then rows, which liac-arff reads."""

import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

from fastmlp.errors import DataError, FileFormatError, MissingExtraError
from fastmlp.table.assembly import Notes, make_frame, name_columns, unique_names
from fastmlp.table.content import Content, Table, check_size
from fastmlp.table.delimited import decode
from fastmlp.table.known import KnownTable
from fastmlp.table.options import ReadOptions
from fastmlp.table.text_column import TEXT, Form, convert_text, forms_to_learn

try:
    import arff
    import pyarrow as pa
except ImportError as error:
    raise MissingExtraError("liac-arff", "table", "an ARFF file") from error

ATTRIBUTE = re.compile(r"""@attribute\s+('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\s{]+)\s*(\S.*)""", re.IGNORECASE)
FIRST_LEVEL = re.compile(r"""\{\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^,}]*)""")
NUMERIC, TEXT_TYPES = ("numeric", "real", "integer"), ("string", "date")


class Attribute(NamedTuple):
    """A declared column.

    Attributes
    ----------
    name : str
    is_numeric : bool
        Otherwise its cells are text.
    zero : str
        What a cell is that a sparse row leaves out.
    """

    name: str
    is_numeric: bool
    zero: str


def read_arff(
    content: Content, options: ReadOptions, known: KnownTable | None = None, as_text: Collection[str] = ()
) -> Table:
    r"""Read an ARFF file.

    Parameters
    ----------
    content : Content
        The file.
    options : ReadOptions
        Its encoding.
    known : KnownTable, optional
        The table that a network was trained on.
    as_text : collection of str
        Columns whose text stays as it stands, see `fastmlp.table.source.read_table`.

    Returns
    -------
    Table
        Nominal attributes, strings and dates are text.

    Raises
    ------
    FileFormatError
        If a line is not as the format demands.
    DataError
        If an attribute is relational.

    Examples
    --------
    >>> data = b"@relation r\n@attribute a numeric\n@attribute b {x, y}\n@data\n1.5, x\n?, y\n"
    >>> read_arff(Content("x.arff", data, "", 1 << 26), ReadOptions()).frame.values.tolist()
    [[1.5, 'x'], [nan, 'y']]
    """
    text, encoding = decode(content, options.encoding)
    lines = bytes(text).decode().replace("\r\n", "\n").replace("\r", "\n").split("\n")
    attributes, n_header = _read_header(content, lines)
    columns: list[list[str | None]] = [[] for _ in attributes]
    numbers = []
    for line, row in _rows(content, lines, attributes, n_header):
        numbers.append(line)
        for column, cell in zip(columns, row, strict=True):
            column.append(cell)
    declared = [attribute.name for attribute in attributes]
    forms = [Form("any", (".",)) if attribute.is_numeric else TEXT for attribute in attributes]
    unique = unique_names(declared, len(declared))
    given = forms_to_learn(unique, as_text) if known is None else known.forms(unique, ".")
    forms = [new if new.kind != "any" else form for form, new in zip(forms, given, strict=True)]
    arrays = [convert_text(pa.array(column, pa.string()), form)[0] for column, form in zip(columns, forms, strict=True)]
    names, arrays, notes = name_columns(declared, arrays, known=() if known is None else known.names)
    reading: Notes = {"format": "ARFF", "encoding": encoding, "header": True}
    guessed = ("encoding",) if options.encoding is None else ()
    return Table(
        make_frame(names, arrays),
        True,
        reading | notes,
        guessed,
        lambda row: numbers[row] if row < len(numbers) else None,
    )


def _read_header(content: Content, lines: list[str]) -> tuple[list[Attribute], int]:
    """The attributes, and the number of lines up to @data. liac-arff asks for blanks where Weka accepts tabs."""
    attributes: list[Attribute] = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        word = text[:10].lower()
        if word.startswith("@data"):
            if not attributes:
                break
            return attributes, number
        if word == "@attribute":
            attributes.append(_attribute(content, text, number))
            check_size(content, 0, len(attributes))
        elif text and not text.startswith("%") and word[:9] != "@relation":
            raise FileFormatError(
                f"{content.path}, line {number}: expected @relation, @attribute, @data or a comment, got {text[:40]!r}"
            )
    raise FileFormatError(f"{content.path}: expected lines with @attribute and one with @data, got none")


def _attribute(content: Content, text: str, number: int) -> Attribute:
    found = ATTRIBUTE.fullmatch(text)
    if found is None:
        raise FileFormatError(f"{content.path}, line {number}: expected @attribute name type, got {text[:60]!r}")
    name, kind = _unquote(found[1]), found[2].strip()
    word = kind.split()[0].lower()
    if kind.startswith("{"):
        level = FIRST_LEVEL.match(kind)
        return Attribute(name, False, "" if level is None else _unquote(level[1].strip()))
    if word in NUMERIC or word in TEXT_TYPES:
        return Attribute(name, word in NUMERIC, "0" if word in NUMERIC else "")
    raise DataError(
        f"{content.path}, line {number}: expected an attribute of numbers, levels, text or dates, got {kind[:40]!r}"
    )


def _unquote(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text[:1] in ("'", '"') and len(text) > 1 else text


def _rows(
    content: Content, lines: list[str], attributes: list[Attribute], n_header: int
) -> Iterator[tuple[int, list[str | None]]]:
    """Line and cells of each row."""
    numbers = [
        number for number, line in enumerate(lines[n_header:], n_header + 1) if line.strip() and line.strip()[0] != "%"
    ]
    if not numbers:
        return
    check_size(content, len(numbers), len(attributes))
    is_sparse = lines[numbers[0] - 1].lstrip().startswith("{")
    # Every column is text to liac-arff: its own conversion takes 1_0 for a number, and its pattern of levels takes
    # exponential time for some declarations.
    header = ["@RELATION r", *(f"@ATTRIBUTE a{position} STRING" for position in range(len(attributes))), "@DATA"]
    rows = (lines[number - 1] for number in numbers)
    kind = arff.LOD_GEN if is_sparse else arff.DENSE_GEN
    decoder, place = arff.ArffDecoder(), 0
    try:
        decoded = decoder.decode(iter([*header, *rows]), return_type=kind)
        for place, row in enumerate(decoded["data"]):
            cells = [row.get(i, attribute.zero) for i, attribute in enumerate(attributes)] if is_sparse else row
            yield numbers[place], cells
            place += 1
    except (arff.ArffException, ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        line = numbers[min(place, len(numbers) - 1)]
        raise FileFormatError(
            f"{content.path}, line {line}: expected {len(attributes)} cells as declared by @attribute, got "
            f"{lines[line - 1].strip()[:60]!r}"
        ) from error
