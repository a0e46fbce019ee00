"""Conversion of a column's cells: numbers and dates out of text, and the text of a level of a category.

Each distinct cell is converted once. Which cells are no numbers or dates is returned, so that callers can tell.
"""

import math
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastmlp.errors import MissingExtraError
from fastmlp.table.schema import MISSING_NUMBERS, DatePart

try:
    import pandas as pd
except ImportError:
    raise MissingExtraError("pandas", "table", "Reading tables") from None

#: A number in plain digits, with an exponent or not, with commas between groups of three digits or not, and with a sign
#: of a currency or percent or not. float() alone would also read '1_0', Arabic digits, 'inf' and blanks.
_NUMBER = re.compile(
    r"([+-]?)[$€£]?"
    r"((?:(?:[1-9][0-9]{0,2}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?)"
    r" ?[%€£]?",
    re.ASCII,
)
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]*)\.0+", re.ASCII)
_TRUTH = {text: text.lower() for text in ("true", "True", "TRUE", "false", "False", "FALSE")}
_ABSENT = frozenset(MISSING_NUMBERS)
SWAPPED = str.maketrans(",.", ".,")
#: Share of a text column's cells that must be numbers, or dates of one format, for the others to count as missing.
NUMBER_SHARE = 0.9
_ISO_DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?: ?(?:Z|[+-][0-9]{2}:?[0-9]{2}))?)?",
    re.ASCII,
)
#: Formats of dates besides ISO 8601, by a pattern of their days, in the order in which they are tried: where several
#: fit all cells of a column, the first counts. Month before day is pandas' default too.
_DAYS = {
    r"[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}": ("%m/%d/%Y", "%d/%m/%Y"),
    r"[0-9]{1,2}-[0-9]{1,2}-[0-9]{4}": ("%d-%m-%Y", "%m-%d-%Y"),
    r"[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4}": ("%d.%m.%Y",),
    r"[0-9]{1,2}/[0-9]{1,2}/[0-9]{2}": ("%m/%d/%y", "%d/%m/%y"),
    r"[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{2}": ("%d.%m.%y",),
    r"[0-9]{4}/[0-9]{1,2}/[0-9]{1,2}": ("%Y/%m/%d",),
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}": ("%Y-%m-%d",),
    r"[0-9]{4}\.[0-9]{1,2}\.[0-9]{1,2}": ("%Y.%m.%d",),
    r"[0-9]{1,2} [A-Za-z]+ [0-9]{4}": ("%d %b %Y", "%d %B %Y"),
    r"[0-9]{1,2}-[A-Za-z]{3}-[0-9]{4}": ("%d-%b-%Y",),
    r"[0-9]{1,2}-[A-Za-z]{3}-[0-9]{2}": ("%d-%b-%y",),
    r"[A-Za-z]+ [0-9]{1,2}, [0-9]{4}": ("%b %d, %Y", "%B %d, %Y"),
    r"[A-Za-z]+ [0-9]{1,2} [0-9]{4}": ("%b %d %Y", "%B %d %Y"),
    r"[A-Za-z]+ [0-9]{4}": ("%b %Y", "%B %Y"),
    r"[A-Za-z]{3}-[0-9]{2}": ("%b-%y",),
    r"[0-9]{4}-[0-9]{2}": ("%Y-%m",),
}
#: Cells by which it is found which formats a column of dates may have.
_DATE_SAMPLE = 7
#: Formats of the times of day that may follow a day after a blank, or stand alone.
_TIMES = {
    r"[0-9]{1,2}:[0-9]{2}": "%H:%M",
    r"[0-9]{1,2}:[0-9]{2}:[0-9]{2}": "%H:%M:%S",
    r"[0-9]{1,2}:[0-9]{2} [AaPp][Mm]": "%I:%M %p",
    r"[0-9]{1,2}:[0-9]{2}:[0-9]{2} [AaPp][Mm]": "%I:%M:%S %p",
}


def number_of(text: str, decimal: str = ".") -> float:
    """The number that a text denotes, NaN if none; true and false are 1 and 0, as in a column of booleans; 5% is 5.

    With a comma as the decimal point, points may stand between groups of three digits.

    Examples
    --------
    >>> [number_of(text) for text in ("1,250.5", "-3e2", "True", "$5", "1_0", "inf", "12 km")]
    [1250.5, -300.0, 1.0, 5.0, nan, nan, nan]
    """
    found = _NUMBER.fullmatch(text if decimal == "." else text.translate(SWAPPED))
    if found is None:
        return float(_TRUTH[text] == "true") if text in _TRUTH else math.nan
    value = float("".join(found.groups()).replace(",", ""))
    return value if math.isfinite(value) else math.nan


def numbers_of(column: pd.Series, decimal: str = ".") -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Numbers of a column's cells, float64 with NaN for missing; and which cells are neither numbers nor missing.

    Infinite numbers count among the latter, and the texts in `MISSING_NUMBERS` among the missing.
    """
    if column.dtype.kind in "biuf":
        values = column.to_numpy(dtype=np.float64)
        is_bad = np.isinf(values)
        return (np.where(is_bad, np.nan, values), is_bad) if is_bad.any() else (values, is_bad)
    if column.dtype.kind == "M":
        return np.full(len(column), np.nan), column.notna().to_numpy()
    values = _by_distinct(column, lambda cells: [number_of(str(cell), decimal) for cell in cells], np.float64, np.nan)
    return values, np.isnan(values) & _is_present(column)


def guess_numbers(column: pd.Series) -> tuple[str, np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The decimal point of a column, and its numbers and bad cells as `numbers_of` returns them.

    The decimal point is a comma if nearly all cells are numbers with that alone, otherwise ".".
    """
    plain = numbers_of(column)
    if not are_numbers(*plain) and column.dtype.kind not in "biufM":
        found = numbers_of(column, ",")
        if are_numbers(*found):
            return ",", *found
    return ".", *plain


def are_numbers(values: np.ndarray[Any, Any], is_bad: np.ndarray[Any, Any]) -> bool:
    """Whether nearly all cells that are not missing are numbers, and some are; of what `numbers_of` returns.

    Examples
    --------
    >>> are_numbers(*numbers_of(pd.Series(["1", "2", None]))), are_numbers(*numbers_of(pd.Series(["1", "2", "x"])))
    (True, False)
    """
    n_numbers = np.isfinite(values).sum()
    return bool(n_numbers and n_numbers >= NUMBER_SHARE * (n_numbers + is_bad.sum()))


def are_bytes(cells: pd.Series) -> bool:
    """Whether cells are whole numbers from 0 to 255, or booleans, none of them missing."""
    if cells.dtype == np.uint8 or cells.dtype.kind == "b":
        return True
    return cells.dtype.kind in "iu" and (len(cells) == 0 or bool(cells.min() >= 0 and cells.max() <= 255))


def text_of(cell: Any) -> str:
    """The text of a category's cell: 1, 1.0 and "1" have one text, and so have True, "True" and "true".

    Examples
    --------
    >>> [text_of(cell) for cell in (1, 1.0, "1.0", "01", True, "TRUE", 2.5)]
    ['1', '1', '1', '01', 'true', 'true', '2.5']
    """
    if isinstance(cell, float):
        return str(int(cell)) if float(cell).is_integer() and abs(cell) < 2**53 else repr(float(cell))
    text = str(cell)
    if text.endswith("0") and _WHOLE.fullmatch(text):
        return text.partition(".")[0]
    return _TRUTH.get(text, text)


def texts_of(column: pd.Series) -> np.ndarray[Any, Any]:
    """Texts of a category's cells: an object array of str, None for a missing cell; dates are in ISO 8601."""
    if column.dtype.kind == "M":
        column = column.dt.strftime("%Y-%m-%d %H:%M:%S").str.removesuffix(" 00:00:00")
    return _by_distinct(column, lambda cells: [text_of(cell) for cell in cells], object, None)


def _by_distinct(
    column: pd.Series, convert: Callable[[Sequence[Any]], Any], dtype: Any, missing: Any
) -> np.ndarray[Any, Any]:
    """Cells converted by a function of all distinct cells; `missing` for missing ones."""
    values: np.ndarray[Any, Any]
    codes, distinct = pd.factorize(column)
    values = np.empty(len(distinct) + 1, dtype)
    values[:-1] = convert(list(distinct))
    values[-1] = missing
    converted: np.ndarray[Any, Any] = values[codes]
    return converted


def _is_present(column: pd.Series) -> np.ndarray[Any, Any]:
    """Which cells are neither missing nor texts in `MISSING_NUMBERS`."""
    present: np.ndarray[Any, Any] = (column.notna() & ~column.isin(_ABSENT)).to_numpy()
    return present


# dates


class DateGuess(NamedTuple):
    """The format that most dates in a column have.

    Attributes
    ----------
    date_format : str
        "ISO8601", or a format for `datetime.datetime.strptime`.
    other : str
        Another format that fits as many cells, or empty.
    share : float
        Share of the cells that are not missing which fit.
    odd : list
        The distinct cells that do not.
    """

    date_format: str
    other: str
    share: float
    odd: list[Any]


def guess_date_format(column: pd.Series) -> DateGuess | None:
    """Format of the dates in a column of text, if nearly all cells that are not missing have one; otherwise None."""
    found = best_date_format(column)
    return found if found is not None and found.share >= NUMBER_SHARE else None


def best_date_format(column: pd.Series) -> DateGuess | None:
    """The format of dates that fits most cells of a column of text; None if a few of them are all no dates.

    Examples
    --------
    >>> best_date_format(pd.Series(["31.01.2024", "29.02.2024", "see file"]))
    DateGuess(date_format='%d.%m.%Y', other='', share=0.6666666666666666, odd=['see file'])
    """
    present = column[_is_present(column)].astype(object)
    if not len(present):
        return None
    # Formats of a few cells over the whole column: the first cells may be the odd ones.
    places = np.linspace(0, len(present) - 1, min(len(present), _DATE_SAMPLE)).astype(int)
    sample = [text for text in present.iloc[places] if isinstance(text, str)]
    formats = dict.fromkeys(form for text in sample for form in _formats_like(text))
    if not formats:
        return None
    counts = present.value_counts(sort=False)
    distinct, weights = list(counts.index), counts.to_numpy()
    best: tuple[float, str, np.ndarray[Any, Any]] = (0.0, "", np.zeros(len(distinct), bool))
    other = ""
    for form in formats:
        texts = distinct
        if form == "ISO8601":  # which pandas takes for more than days and times in full
            texts = [cell if isinstance(cell, str) and _ISO_DATE.fullmatch(cell) else None for cell in distinct]
        fits = ~np.isnat(_parse_dates(texts, form))
        share = float(weights[fits].sum() / weights.sum())
        if share > best[0]:
            best, other = (share, form, fits), ""
        elif share == best[0] > 0 and best[1] != "ISO8601":
            other = other or form
        if form == "ISO8601" and share == 1:
            break
    share, form, fits = best
    return DateGuess(form, other, share, [distinct[place] for place in np.flatnonzero(~fits)]) if share else None


def _formats_like(text: str) -> list[str]:
    """The formats that a text may have by its digits and separators."""
    if not any(map(str.isdigit, text)):
        return []
    times = {"": ""} | {f" {pattern}": f" {form}" for pattern, form in _TIMES.items()}
    found = ["ISO8601"] if _ISO_DATE.fullmatch(text) else []
    found += [form for pattern, form in _TIMES.items() if re.fullmatch(pattern, text, re.ASCII)]
    for days, formats in _DAYS.items():
        for time, suffix in times.items():
            if re.fullmatch(days + time, text, re.ASCII):
                found += [form + suffix for form in formats]
    return found


def _parse_dates(texts: Sequence[Any], date_format: str) -> np.ndarray[Any, Any]:
    """Dates of texts, datetime64[s] in UTC; NaT for a text in another format."""
    cells = [text if isinstance(text, str) and text.isascii() else None for text in texts]
    dates = pd.to_datetime(pd.Series(cells, dtype=object), format=date_format, errors="coerce", utc=True)
    parsed: np.ndarray[Any, Any] = dates.dt.tz_localize(None).to_numpy().astype("datetime64[s]")
    return parsed


def dates_of(column: pd.Series, date_format: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Dates of a column's cells, datetime64[s] with NaT for missing; and which cells are neither dates nor missing.

    A text in another format than `date_format` is a date if it is in ISO 8601. A date with a time zone is in UTC. A
    number may have a format, as 20240131 has %Y%m%d.
    """
    if column.dtype.kind == "M":
        dates = column.to_numpy().astype("datetime64[s]")
        return dates, np.zeros(len(column), bool)
    if column.dtype.kind in "biuf":
        if date_format == "ISO8601":
            return np.full(len(column), np.datetime64("NaT"), "datetime64[s]"), column.notna().to_numpy()
        column = pd.Series(texts_of(column), dtype=object)

    def convert(cells: Sequence[Any]) -> np.ndarray[Any, Any]:
        dates = _parse_dates(cells, date_format)
        unknown = np.flatnonzero(np.isnat(dates)).tolist()
        is_iso = [index for index in unknown if _ISO_DATE.fullmatch(str(cells[index]))]
        dates[is_iso] = _parse_dates([cells[index] for index in is_iso], "ISO8601")
        return dates

    dates = _by_distinct(column, convert, "datetime64[s]", np.datetime64("NaT"))
    return dates, np.isnat(dates) & _is_present(column)


def date_parts(dates: np.ndarray[Any, Any], parts: Sequence[DatePart]) -> np.ndarray[Any, Any]:
    """Parts of dates as numbers.

    Parameters
    ----------
    dates : ndarray of datetime64[s] (n,)
        The dates.
    parts : sequence of str
        The parts, such as year; day is the number of days since 1970-01-01, weekday is 0 on Mondays, missing is 1 for
        a missing date and 0 for others.

    Returns
    -------
    ndarray of float64 (n, len(parts))
        One column per part; NaN for the other parts of a missing date.
    """
    index = pd.DatetimeIndex(dates)
    attributes = {"day of month": "day", "weekday": "day_of_week"}
    values = np.empty((len(dates), len(parts)))
    for place, part in enumerate(parts):
        if part == "day":
            days = dates.astype("datetime64[D]").astype(np.float64)
            values[:, place] = np.where(np.isnat(dates), np.nan, days)
        elif part == "missing":
            values[:, place] = np.isnat(dates)
        else:
            values[:, place] = getattr(index, attributes.get(part, part))
    return values
