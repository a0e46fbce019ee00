"""Pieces of HTML by which objects show themselves in a notebook: cards, tables and line charts.

There is no script, no style sheet and no id. Every text is escaped and shortened. Texts, axes and grids have the colour
of the text around them, and lines have a contrast of at least 3 to white and to #111111, so that both are legible in
dark and light themes, also in JupyterLab, whose theme ``prefers-color-scheme`` does not know of.

The charts are polylines. Figures of matplotlib were the alternative: for a run of 20 epochs 53 KB in place of 3, in
0.22 s (the first in 0.8 s) in place of 0.35 ms, and with a white ground in a dark notebook.
"""

import html
import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

#: Maximum number of characters of a text.
MAX_TEXT = 120
#: Colour and dash pattern of each line of a chart: training, test, validation, and others. The first four colours are
#: Okabe and Ito's; their orange and sky blue have a contrast of 2.2 to white, and are darker here.
STYLES = (
    ("#0072B2", "5 3"), ("#D55E00", "none"), ("#009E73", "8 3 2 3"), ("#CC79A7", "2 2"), ("#A87400", "10 4"),
    ("#3A93C8", "8 3 2 3 2 3"),
)  # fmt: skip
#: Ratio of the largest to the smallest value above which a chart for which that is allowed has a logarithmic axis: on a
#: linear one, failed runs would flatten all other lines.
LOG_AXIS_RATIO = 5.0
#: Largest magnitude that is drawn: differences of larger ones overflow, here and in matplotlib's limits of axes.
MAX_DRAWN = 1e250
#: Maximum number of groups of neighbouring points of a line, of each of which the lowest and the highest are drawn.
MAX_GROUPS = 60
# Pixels: the size of a chart, and the rectangle in it where lines are drawn.
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 306, 150, 52, 298, 24, 130


class Line(NamedTuple):
    """A line of a chart.

    Attributes
    ----------
    style : int
        Index in `STYLES`, modulo their number.
    x, y : sequence of float
        The points, by ascending x; those with values that are not finite are left out.
    """

    style: int
    x: Sequence[float]
    y: Sequence[float]


def escape(value: object) -> str:
    """The text of a value, shortened to `MAX_TEXT` characters, with the characters that have a meaning in HTML escaped.

    Examples
    --------
    >>> escape("<b> & 'c'")
    '&lt;b&gt; &amp; &#x27;c&#x27;'
    """
    text = str(value)
    return html.escape(text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…")


def card(title: str, *parts: str) -> str:
    """A title above parts, which are HTML.

    Examples
    --------
    >>> card("Model 2-1")
    '<div><strong>Model 2-1</strong></div>'
    """
    return f"<div><strong>{escape(title)}</strong>{''.join(parts)}</div>"


def details(summary: str, *parts: str) -> str:
    """Parts, which are HTML, that are shown after a click on their summary."""
    return f"<details><summary>{escape(summary)}</summary>{''.join(parts)}</details>"


def paragraph(text: str) -> str:
    """A line of text that may be long: it is not shortened."""
    return f'<div style="max-width:60em">{html.escape(text)}</div>'


def table(rows: Iterable[Sequence[object]], header: Sequence[str] = (), samples: Sequence[int] = ()) -> str:
    """A table whose first column has the names of the rows.

    Parameters
    ----------
    rows : iterable of sequence
        The cells, of any type.
    header : sequence of str, optional
        Names of the columns.
    samples : sequence of int, optional
        Styles of the first rows' lines in a chart, which are drawn before their names.

    Examples
    --------
    >>> table([("samples", 3)], ("", "training"))[-63:]
    '<th style="text-align:left">samples</th><td>3</td></tr></table>'
    """
    left = ' style="text-align:left"'
    names = (f"<th{left * (i == 0)}>{escape(name)}</th>" for i, name in enumerate(header))
    lines = [f"<tr>{''.join(names)}</tr>"] if header else []
    for i, (name, *cells) in enumerate(rows):
        sample = line_sample(samples[i]) + " " if i < len(samples) else ""
        # Jupyter aligns cells to the right, which suits the numbers of a table with a header; these stay in one line.
        texts = (f"<td>{_unbroken(cell)}</td>" if header else f"<td{left}>{escape(cell)}</td>" for cell in cells)
        lines.append(f"<tr><th{left}>{sample}{escape(name)}</th>{''.join(texts)}</tr>")
    return f"<table>{''.join(lines)}</table>"


def _unbroken(value: object) -> str:
    return escape(value).replace(" ", "&#160;")


def line_sample(style: int) -> str:
    """A short piece of a line, for a legend."""
    return f'<svg width="26" height="8"><path d="M0 4H26" {_stroke(style)}/></svg>'


def legend(names: Sequence[str], styles: Sequence[int]) -> str:
    """The names of the lines of a chart behind samples of them, in one row."""
    entries = (f"{line_sample(style)} {escape(name)}" for name, style in zip(names, styles, strict=True))
    return f"<div>{' &#8194; '.join(entries)}</div>"


def chart(title: str, lines: Sequence[Line], log_if_wide: bool = False) -> str:
    """A line chart over epochs, as an SVG element of about 1 KB and at most 1.5 KB per line.

    Parameters
    ----------
    title : str
        What is drawn.
    lines : sequence of Line
        The lines; without any point there is no chart, but an empty text.
    log_if_wide : bool
        Whether the axis is logarithmic where all values are positive and span more than a factor of `LOG_AXIS_RATIO`.

    Examples
    --------
    >>> svg = chart("loss", [Line(0, [1, 2, 3], [2.0, 1.0, 0.5])])
    >>> svg[:5], svg.count("<polyline"), chart("loss", [])
    ('<svg ', 1, '')
    """
    drawn = [(line.style, points) for line in lines if (points := _points(line))]
    if not drawn:
        return ""
    xs, ys = ([point[axis] for _, points in drawn for point in points] for axis in (0, 1))
    (x_low, x_high), (low, high) = (min(xs), max(xs)), (min(ys), max(ys))
    is_log = log_if_wide and high > LOG_AXIS_RATIO * low > 0
    place = _log_place if is_log else _linear_place
    middle = math.sqrt(low) * math.sqrt(high) if is_log else low / 2 + high / 2
    parts = [_label(_LEFT, 13, title + ", logarithmic" * is_log, "start", bold=True)]
    for value in dict.fromkeys((low, middle, high)):
        y = _BOTTOM - (_BOTTOM - _TOP) * place(value, low, high)
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_RIGHT}" stroke="currentColor" stroke-opacity=".25"/>')
        parts.append(_label(_LEFT - 5, y + 4, _short(value), "end"))
    parts.append(_label(_LEFT, _HEIGHT - 5, f"{x_low:g}", "start"))
    parts.append(_label((_LEFT + _RIGHT) / 2, _HEIGHT - 5, "epoch", "middle"))
    parts.append(_label(_RIGHT, _HEIGHT - 5, f"{x_high:g}", "end") if x_high > x_low else "")
    for style, points in drawn:
        pixels = [
            f"{_LEFT + (_RIGHT - _LEFT) * _linear_place(x, x_low, x_high):.1f},"
            f"{_BOTTOM - (_BOTTOM - _TOP) * place(y, low, high):.1f}"
            for x, y in points
        ]
        if len(pixels) == 1:
            across, down = pixels[0].split(",")
            parts.append(f'<circle cx="{across}" cy="{down}" r="3" fill="{STYLES[style % len(STYLES)][0]}"/>')
        else:
            parts.append(f'<polyline points="{" ".join(pixels)}" {_stroke(style)}/>')
    return (
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(title)}" font-size="11" fill="currentColor">{"".join(parts)}</svg>'
    )


def _short(number: float) -> str:
    """A number with at most seven characters, but for a sign and exponents of three digits."""
    text = f"{number:.3g}"
    return text if len(text) <= 6 else f"{number:.1e}"


def _label(x: float, y: float, text: str, anchor: str, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:g}" y="{y:.4g}" text-anchor="{anchor}"{weight}>{escape(text)}</text>'


def _stroke(style: int) -> str:
    colour, dashes = STYLES[style % len(STYLES)]
    return f'fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"'


def _linear_place(value: float, low: float, high: float) -> float:
    """Place on a linear axis, from 0 to 1; in the middle of one without a length."""
    return (value - low) / (high - low) if high > low else 0.5


def _log_place(value: float, low: float, high: float) -> float:
    return (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))


def _points(line: Line) -> list[tuple[float, float]]:
    """The finite points of a line; of many, the lowest and the highest of each group of neighbours, and both ends."""
    points = [(x, max(-MAX_DRAWN, min(y, MAX_DRAWN))) for x, y in zip(line.x, line.y, strict=True) if math.isfinite(y)]
    if len(points) <= 2 * MAX_GROUPS:
        return points
    size, kept = -(-len(points) // MAX_GROUPS), {points[0], points[-1]}
    for start in range(0, len(points), size):
        group = points[start : start + size]
        kept |= {min(group, key=_height), max(group, key=_height)}
    return sorted(kept)


def _height(point: tuple[float, float]) -> Any:
    return point[1]
