"""Plots of a history and of a study, on given or new matplotlib axes, and their files.

matplotlib's global state (pyplot, rcParams) is neither used nor changed.
"""

import importlib.util
import io
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from fastmlp.errors import MissingExtraError, OutputError
from fastmlp.io.atomic import write_atomic
from fastmlp.training.history import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which are distinguishable with every kind of colour vision. In a grey-scale print, line style
# and marker distinguish the lines.
_TRAIN = {"color": "#0072B2", "linestyle": "--", "marker": "o", "markerfacecolor": "white", "label": "training"}
_TEST = {"color": "#D55E00", "linestyle": "-", "marker": "o", "label": "test"}
_VALIDATION = {"color": "#009E73", "linestyle": "-.", "marker": "s", "markerfacecolor": "white", "label": "validation"}
#: Title and axis label of a score's panel.
_SCORES = {
    "test_accuracy": ("Test accuracy", "share of the test set"),
    "test_r2": ("Test R2", "share of the variance explained"),
}
_TEXT_COLOUR, _GRID_COLOUR = "#333333", "#DDDDDD"
# Six of Okabe and Ito's eight colours, without yellow, which is hardly visible on white. Six, so that in a sweep of two
# optimizers over six learning rates each rate has one colour.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_LINE_STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)))
_MARKERS = ("o", "s", "^", "D", "v", "P")
#: Width of a legend below a figure, and of a legend entry's line sample with the gap behind it, in characters.
_LEGEND_WIDTH, _SAMPLE_WIDTH = 120, 9
#: Ratio of the largest to the smallest mean loss above which the axis is logarithmic: on a linear one, the failed runs
#: would flatten all other lines.
_LOG_AXIS_RATIO = 5.0
#: Largest magnitude that is drawn: beyond it, matplotlib's limits of axes overflow, and no figure is made.
_MAX_DRAWN = 1e250


def require_matplotlib() -> None:
    """Check that matplotlib is installed, before hours of training, without the half second of importing it.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtraError("matplotlib", "plot", "Plotting")


def plot_history(history: History, axes: "Sequence[Axes] | None" = None) -> "tuple[Axes, Axes]":
    """Plot loss and score against the epoch, side by side.

    Parameters
    ----------
    history : History
        The history to plot.
    axes : sequence of two matplotlib Axes, optional
        The axes of the loss and of the score. Without them, a new figure is made, which pyplot does not manage.

    Returns
    -------
    tuple of two matplotlib Axes
        The panel of the loss and that of the score; their figure is ``axes[0].figure``.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> loss, score = plot_history(History())
    >>> loss.get_ylabel(), score.get_ylabel()
    ('mean loss', 'share of the test set')
    """
    loss, score = _new_figure().subplots(1, 2) if axes is None else axes
    _plot_column(loss, history, "train_loss", _TRAIN)
    _plot_column(loss, history, "test_loss", _TEST)
    _plot_column(score, history, history.score, _TEST)
    title, quantity = _SCORES[history.score]
    if "val_loss" in history.columns:
        _plot_column(loss, history, "val_loss", _VALIDATION)
        _plot_column(score, history, history.score.replace("test", "val"), _VALIDATION)
        title, quantity = title.replace("Test ", "").capitalize(), quantity.replace("the test set", "the set")
    _format_axes(loss, "Loss", "mean loss")
    _format_axes(score, title, quantity)
    if len(history) == 0:  # of a run that diverged in its first epoch
        for panel in (loss, score):
            panel.set(xticks=[], yticks=[])
            panel.text(0.5, 0.5, "no finished epoch", transform=panel.transAxes, ha="center", color=_TEXT_COLOUR)
    else:
        loss.legend(frameon=False, labelcolor=_TEXT_COLOUR)
    return loss, score


class Band(NamedTuple):
    """Mean and standard deviation per epoch over the repeats of a setting.

    Attributes
    ----------
    label : str
        Label in the legend.
    epoch : sequence of int
        Epochs, counted from 1.
    mean, std : sequence of float
        The line, and half the height of the band around it; nan where there is no value.
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
    """Plot test loss and test score of several settings side by side, each as a mean with a band of one std around it.

    Parameters
    ----------
    losses, scores : sequence of Band
        One band per setting, in the same order.
    axes : sequence of two matplotlib Axes, optional
        The axes of the loss and of the score. Without them, a new figure is made, which pyplot does not manage.
    quantity : str
        Column of the score: test_accuracy or test_r2.

    Returns
    -------
    tuple of two matplotlib Axes
        The panel of the loss and that of the score; their figure is ``axes[0].figure``.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.

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
        for i, band in enumerate(bands):
            _plot_band(panel, band, _band_style(i))
    _format_axes(loss, "Test loss", "mean loss")
    _format_axes(score, *_SCORES[quantity])
    _use_log_scale_if_wide(loss, [mean for band in losses for mean in band.mean])
    if axes is None:
        _legend_below(loss)
    else:
        loss.legend(frameon=False, labelcolor=_TEXT_COLOUR)
    return loss, score


def save_curves(history: History, path: str | os.PathLike[str]) -> None:
    """Write the figure of `plot_history` to a file.

    Parameters
    ----------
    history : History
        The history to plot.
    path : path-like
        The file. Its suffix determines the format: ``.png``, ``.svg`` or ``.pdf``.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    OutputError
        If the file cannot be written, or if its format is unknown.
    """
    save_figure(plot_history(history)[0], path)


def save_figure(axes: "Axes", path: str | os.PathLike[str]) -> None:
    """Write the figure of some axes to a file. PNG files of equal figures are identical.

    Parameters
    ----------
    axes : matplotlib Axes
        Axes such as those that `plot_history` and `plot_bands` return.
    path : path-like
        The file. Its suffix determines the format: ``.png``, ``.svg`` or ``.pdf``.

    Raises
    ------
    OutputError
        If the file cannot be written, or if its format is unknown.
    """
    content = io.BytesIO()
    try:
        _figure_of(axes).savefig(content, dpi=150, format=Path(path).suffix.removeprefix(".").lower())
    except ValueError as error:
        raise OutputError(f"the curves could not be written to {os.fspath(path)}: {error}") from error
    write_atomic(path, "curves", lambda file: file.write(content.getvalue()))


def set_title(axes: "Axes", title: str) -> None:
    """Set the title of the whole figure of some axes."""
    _figure_of(axes).suptitle(title, color=_TEXT_COLOUR)


def render_svg(axes: "Axes") -> str:
    """Render the figure of some axes as an SVG element for an HTML page, without an XML prolog or URLs.

    Parameters
    ----------
    axes : matplotlib Axes
        Axes such as those that `plot_history` and `plot_bands` return.

    Returns
    -------
    str
        The element, from ``<svg`` to ``</svg>``.

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


def _band_style(i: int) -> dict[str, Any]:
    """Colour, line style and marker of setting i; the latter two also distinguish it in a grey-scale print."""
    return {
        "color": _COLOURS[i % len(_COLOURS)],
        "linestyle": _LINE_STYLES[i % len(_LINE_STYLES)],
        "marker": _MARKERS[i % len(_MARKERS)],
        "markerfacecolor": "white" if i // len(_COLOURS) % 2 else None,
    }


def _plot_band(axes: "Axes", band: Band, style: dict[str, Any]) -> None:
    every = max(1, len(band.epoch) // 7)
    axes.plot(band.epoch, _drawn(band.mean), linewidth=1.6, markersize=4.5, markevery=every, label=band.label, **style)
    low, high = (_drawn([m + sign * s for m, s in zip(band.mean, band.std, strict=True)]) for sign in (-1, 1))
    axes.fill_between(band.epoch, low, high, color=style["color"], alpha=0.2, linewidth=0)


def _drawn(values: Sequence[float]) -> list[float]:
    """The values, clipped to the largest magnitude that is drawn; infinite ones stay, and are left out."""
    return [max(-_MAX_DRAWN, min(value, _MAX_DRAWN)) if math.isfinite(value) else value for value in values]


def _legend_below(axes: "Axes") -> None:
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        style = {"frameon": False, "labelcolor": _TEXT_COLOUR, "handlelength": 3.2, "ncols": _legend_columns(labels)}
        _figure_of(axes).legend(handles, labels, loc="outside lower center", **style)


def _legend_columns(labels: Sequence[str]) -> int:
    """Number of columns of a legend: as many as fit, at most three."""
    widest = max(map(len, labels), default=0) + _SAMPLE_WIDTH
    return max(1, min(len(labels), 3, _LEGEND_WIDTH // widest))


def _use_log_scale_if_wide(axes: "Axes", means: Sequence[float]) -> None:
    """Use a logarithmic scale, labelled with plain numbers, where the means span a wide range."""
    from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

    if means and max(means) > _LOG_AXIS_RATIO * min(means) > 0:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.set_ylabel("mean loss, logarithmic", color=_TEXT_COLOUR)


def _plot_column(axes: "Axes", history: History, column: str, style: dict[str, Any]) -> None:
    """Plot one line with about a dozen markers: a single epoch is visible, and a thousand markers do not overlap."""
    every = max(1, len(history) // 12)
    axes.plot(history["epoch"], _drawn(history[column]), linewidth=1.8, markersize=4.5, markevery=every, **style)


def _format_axes(axes: "Axes", title: str, quantity: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_title(title, loc="left", color=_TEXT_COLOUR, fontweight="bold")
    axes.set_xlabel("epoch", color=_TEXT_COLOUR)
    axes.set_ylabel(quantity, color=_TEXT_COLOUR)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.grid(axis="y", color=_GRID_COLOUR, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelcolor=_TEXT_COLOUR)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_GRID_COLOUR)
