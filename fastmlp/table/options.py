"""ReadOptions: how a table file is to be read, where that is not to be guessed."""

import codecs
from dataclasses import dataclass

from fastmlp.errors import DataError

#: Characters that separate cells, by their names; a blank stands for any number of blanks and tabs.
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "blank": " "}
DECIMALS = (".", ",")
#: Largest number of columns of a table. Each takes about 2 KB while it is read and converted.
MAX_COLUMNS = 100_000


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    r"""How a table file is read; what is None is guessed from the file, or does not matter to its format.

    Attributes
    ----------
    header : bool, optional
        Whether the first row names the columns (delimited text and Excel).
    delimiter : str, optional
        The character between cells of delimited text: a comma, semicolon, tab, pipe or blank, or the name of one of
        them, such as ``"tab"``. Blanks stand for any number of blanks and tabs.
    decimal : {".", ","}, optional
        The decimal point of numbers in delimited text.
    encoding : str, optional
        The encoding of delimited text or ARFF, by a name that Python knows.
    sheet : str, optional
        The sheet of an Excel file; by default the first one that is not empty.

    Raises
    ------
    DataError
        If a value is not one of those; the message lists all that are wrong.

    Examples
    --------
    >>> ReadOptions(delimiter="tab").delimiter
    '\t'
    """

    header: bool | None = None
    delimiter: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    sheet: str | None = None

    def __post_init__(self) -> None:
        delimiter = self.delimiter
        if isinstance(delimiter, str):
            delimiter = DELIMITERS.get(delimiter.lower(), "\t" if delimiter == "\\t" else delimiter)
            object.__setattr__(self, "delimiter", delimiter)
        problems = []
        if self.header not in (None, True, False):
            problems.append(f"header: expected True, False or None, got {self.header!r}")
        if delimiter is not None and delimiter not in DELIMITERS.values():
            problems.append(f"delimiter: expected one of {', '.join(DELIMITERS)}, got {delimiter!r}")
        if self.decimal not in (None, *DECIMALS):
            problems.append(f"decimal: expected '.' or ',', got {self.decimal!r}")
        elif self.decimal == "," == delimiter:
            problems.append("decimal: expected another character than the delimiter, got ',' for both")
        if self.encoding is not None and not _is_text_encoding(self.encoding):
            problems.append(f"encoding: expected one such as utf-8, latin-1 or utf-16, got {self.encoding!r}")
        if self.sheet is not None and not isinstance(self.sheet, str):
            problems.append(f"sheet: expected the name of a sheet, got {self.sheet!r}")
        if problems:
            raise DataError("; ".join(problems))


def _is_text_encoding(name: object) -> bool:
    try:
        return isinstance(name, str) and isinstance("".encode(codecs.lookup(name).name), bytes)
    except (LookupError, ValueError, TypeError):  # unknown; a null byte in the name; rot13, which makes text of text
        return False
