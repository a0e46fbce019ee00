"""Figures of a history and of a study: they take axes and return them.

Know numbers only, and touch no global state of matplotlib.
"""

import importlib.util
import io
import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from fastmlp.errors import MissingExtraError, OutputError
from fastmlp.training.history import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's blue and vermilion: apart for every kind of colour vision, and on a grey print by dash and marker.
_TRAIN = {"color": "#0072B2", "linestyle": "--", "marker": "o", "markerfacecolor": "white", "label": "training"}
_TEST = {"color": "#D55E00", "linestyle": "-", "marker": "o", "label": "test"}
_VALIDATION = {"color": "#009E73", "linestyle": "-.", "marker": "s", "markerfacecolor": "white", "label": "validation"}
#: Title and unit of a score's panel.
_SCORES = {
    "test_accuracy": ("Test accuracy", "share of the test set"),
    "test_r2": ("Test R2", "share of the variance explained"),
}
_INK, _RULE = "#333333", "#DDDDDD"
# Six of Okabe and Ito's eight, without yellow, which a white page swallows; six, so that two optimizers at six rates
# share a colour a rate.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)))
_MARKERS = ("o", "s", "^", "D", "v", "P")
#: Characters that fit below a figure side by side, and those that a line's sample and the gap behind it take.
_LEGEND_WIDTH, _SAMPLE_WIDTH = 120, 9
#: Beyond this ratio of the largest mean loss to the least, the failures would press all else flat: a logarithmic axis.
_WIDE_LOSSES = 5.0


def require_matplotlib() -> None:
    """Ask for matplotlib before hours of training rather than after, without the half second of importing it.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtraError("matplotlib", "plot", "Drawing curves")


def plot_history(history: History, axes: "Sequence[Axes] | None" = None) -> "tuple[Axes, Axes]":
    """Draw the loss and the score of each epoch side by side.

    Parameters
    ----------
    history : History
        The rows to draw.
    axes : sequence of two matplotlib Axes, optional
        Where to draw loss and score; a new figure of its own, unknown to pyplot, if not given.

    Returns
    -------
    tuple of two matplotlib Axes
        The panel of the loss and that of the score; their figure is ``axes[0].figure``.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.

    Examples
    --------
    >>> loss, score = plot_history(History())
    >>> loss.get_ylabel(), score.get_ylabel()
    ('mean loss', 'share of the test set')
    """
    loss, score = _new_figure().subplots(1, 2) if axes is None else axes
    _draw(loss, history, "train_loss", _TRAIN)
    _draw(loss, history, "test_loss", _TEST)
    _draw(score, history, history.score, _TEST)
    title, quantity = _SCORES[history.score]
    if "val_loss" in history.columns:
        _draw(loss, history, "val_loss", _VALIDATION)
        _draw(score, history, history.score.replace("test", "val"), _VALIDATION)
        title, quantity = title.replace("Test ", "").capitalize(), quantity.replace("the test set", "the set")
    _dress(loss, "Loss", "mean loss")
    _dress(score, title, quantity)
    loss.legend(frameon=False, labelcolor=_INK)
    return loss, score


class Band(NamedTuple):
    """The repeats of a setting, as they are drawn.

    Attributes
    ----------
    label : str
        What the legend says.
    epoch : sequence of int
        From 1.
    mean, std : sequence of float
        The line, and half the width of the band about it; nan for none.
    """

    label: str
    epoch: Sequence[int]
    mean: Sequence[float]
    std: Sequence[float]


def plot_bands(
    losses: Sequence[Band],
    scores: Sequence[Band],
    axes: "Sequence[Axes] | None" = None,
    quantity: str = "test_accuracy",
) -> "tuple[Axes, Axes]":
    """Draw the test loss and the test score of several settings side by side, each a mean and a band about it.

    Parameters
    ----------
    losses, scores : sequence of Band
        A setting each, in the same order.
    axes : sequence of two matplotlib Axes, optional
        Where to draw loss and score; a new figure of its own, unknown to pyplot, if not given.
    quantity : str
        What the score is: test_accuracy or test_r2.

    Returns
    -------
    tuple of two matplotlib Axes
        The panel of the loss and that of the score; their figure is ``axes[0].figure``.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.

    Examples
    --------
    >>> band = Band("l2 0.01 (n = 3)", [1, 2], [2.3, 2.2], [0.1, 0.1])
    >>> loss, score = plot_bands([band], [])
    >>> loss.get_ylabel(), len(loss.lines), len(score.lines)
    ('mean loss', 1, 0)
    """
    n_rows = -(-len(losses) // _legend_columns([band.label for band in losses]))
    loss, score = _new_figure(3.6 + 0.22 * n_rows).subplots(1, 2) if axes is None else axes
    for panel, bands in ((loss, losses), (score, scores)):
        for place, band in enumerate(bands):
            _draw_band(panel, band, _band_style(place))
    _dress(loss, "Test loss", "mean loss")
    _dress(score, *_SCORES[quantity])
    _widen(loss, [mean for band in losses for mean in band.mean])
    if axes is None:
        _legend_below(loss)
    else:
        loss.legend(frameon=False, labelcolor=_INK)
    return loss, score


def save_curves(history: History, path: str | os.PathLike[str]) -> None:
    """Write the figure of `plot_history` to a file.

    Parameters
    ----------
    history : History
        The rows to draw.
    path : path-like
        The file; its ending decides the format: ``.png``, ``.svg`` or ``.pdf``.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    OutputError
        The file cannot be written, or no such format is known.
    """
    save_figure(plot_history(history)[0], path)


def save_figure(axes: "Axes", path: str | os.PathLike[str]) -> None:
    """Write the figure that some axes are part of to a file, the same bytes each time.

    Parameters
    ----------
    axes : matplotlib Axes
        Such as `plot_history` and `plot_bands` return.
    path : path-like
        The file; its ending decides the format: ``.png``, ``.svg`` or ``.pdf``.

    Raises
    ------
    OutputError
        The file cannot be written, or no such format is known.
    """
    try:
        _figure_of(axes).savefig(path, dpi=150)
    except (OSError, ValueError) as error:
        raise OutputError(f"the curves could not be written to {os.fspath(path)}: {error}") from error


def render_svg(axes: "Axes") -> str:
    """The figure that some axes are part of as an SVG element, fit to stand inside a page: no prolog, no references.

    Parameters
    ----------
    axes : matplotlib Axes
        Such as `plot_history` and `plot_bands` return.

    Returns
    -------
    str
        From ``<svg`` to ``</svg>``.

    Examples
    --------
    >>> render_svg(plot_history(History())[0])[:5]
    '<svg '
    """
    text = io.StringIO()
    _figure_of(axes).savefig(text, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    svg = text.getvalue()
    return re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg[svg.index("<svg") :])


def _new_figure(height: float = 3.6) -> "Figure":
    require_matplotlib()
    from matplotlib.figure import Figure

    return Figure(figsize=(9.0, height), layout="constrained", facecolor="white")


def _figure_of(axes: "Axes") -> "Figure":
    return cast("Figure", axes.figure)


def _band_style(place: int) -> dict[str, Any]:
    """Colour, dash and marker of a setting: on a grey print it is known by the latter two."""
    return {
        "color": _COLOURS[place % len(_COLOURS)],
        "linestyle": _DASHES[place % len(_DASHES)],
        "marker": _MARKERS[place % len(_MARKERS)],
        "markerfacecolor": "white" if place // len(_COLOURS) % 2 else None,
    }


def _draw_band(axes: "Axes", band: Band, style: dict[str, Any]) -> None:
    every = max(1, len(band.epoch) // 7)
    axes.plot(band.epoch, band.mean, linewidth=1.6, markersize=4.5, markevery=every, label=band.label, **style)
    low, high = ([m + sign * s for m, s in zip(band.mean, band.std, strict=True)] for sign in (-1, 1))
    axes.fill_between(band.epoch, low, high, color=style["color"], alpha=0.2, linewidth=0)


def _legend_below(axes: "Axes") -> None:
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        style = {"frameon": False, "labelcolor": _INK, "handlelength": 3.2, "ncols": _legend_columns(labels)}
        _figure_of(axes).legend(handles, labels, loc="outside lower center", **style)


def _legend_columns(labels: Sequence[str]) -> int:
    """As many as fit, and three at most."""
    widest = max(map(len, labels), default=0) + _SAMPLE_WIDTH
    return max(1, min(len(labels), 3, _LEGEND_WIDTH // widest))


def _widen(axes: "Axes", means: Sequence[float]) -> None:
    """A logarithmic axis, its numbers written out, where the means lie far apart."""
    from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

    if means and max(means) > _WIDE_LOSSES * min(means) > 0:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.set_ylabel("mean loss, logarithmic", color=_INK)


def _draw(axes: "Axes", history: History, column: str, style: dict[str, Any]) -> None:
    """One line; a marker stands at about a dozen epochs, so that one epoch shows and a thousand do not clot."""
    every = max(1, len(history) // 12)
    axes.plot(history["epoch"], history[column], linewidth=1.8, markersize=4.5, markevery=every, **style)


def _dress(axes: "Axes", title: str, quantity: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_title(title, loc="left", color=_INK, fontweight="bold")
    axes.set_xlabel("epoch", color=_INK)
    axes.set_ylabel(quantity, color=_INK)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.grid(axis="y", color=_RULE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelcolor=_INK)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_RULE)
