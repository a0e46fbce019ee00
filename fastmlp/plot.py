"""Plots of a history, a study, a confusion matrix and a range test, on given or new matplotlib axes, and their files.

A new figure is one of pyplot, unless it is for a file, see `fastmlp.notebook.figure`. Given axes need no pyplot.
rcParams is not changed.
"""

import io
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastmlp.data.label import encode_labels
from fastmlp.errors import ConfigError, DataTypeError, OutputError
from fastmlp.io.atomic import write_atomic
from fastmlp.model.model import Model
from fastmlp.model.raw_row import Samples
from fastmlp.notebook.figure import new_figure, without_pyplot
from fastmlp.notebook.html import LOG_AXIS_RATIO, MAX_DRAWN
from fastmlp.parallel import Threads
from fastmlp.training.history import History
from fastmlp.training.range_test import DIVERGED, RangeTest

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
#: Colour map of shares: one hue, whose lightness alone tells the share, and so in grey too. Text is white on cells
#: darker than the given share.
_SHARE_MAP, _WHITE_TEXT_SHARE = "Blues", 0.55
#: Numbers of classes up to which a confusion matrix shows counts and shares, and up to which every class has its name.
_MAX_CLASSES_WITH_COUNTS, _MAX_CLASSES_WITH_NAMES = 20, 60
#: Longest class name that is shown, in characters.
_NAME_LENGTH = 24


def plot_history(history: History, axes: "Sequence[Axes] | None" = None) -> "tuple[Axes, Axes]":
    """Plot loss and score against the epoch, side by side.

    Parameters
    ----------
    history : History
        The history to plot.
    axes : sequence of two matplotlib Axes, optional
        The axes of the loss and of the score. By default, those of a new figure of pyplot.

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
    loss, score = new_figure().subplots(1, 2) if axes is None else axes
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
        The axes of the loss and of the score. By default, those of a new figure of pyplot.
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
    loss, score = new_figure(3.6 + 0.22 * n_rows).subplots(1, 2) if axes is None else axes
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


def plot_confusion(
    model: Model, X: Samples, y: ArrayLike, axes: "Axes | None" = None, *, n_threads: Threads = "auto"
) -> "Axes":
    """Plot the confusion matrix of a network for classification: one row per true class, one column per predicted one.

    Each cell that is not empty has the number of samples and its share of the row's; the colour is the share, so that
    classes of few samples are as visible as others. With more than 20 classes, colours alone are drawn.

    Parameters
    ----------
    model : Model
        A network for classification.
    X : array_like (n_samples, n_features), or DataFrame
        Raw samples, as for `fastmlp.Model.predict`.
    y : array_like (n_samples,)
        Their labels, each of them one of ``model.classes``; for the test set of a Dataset,
        ``dataset.targets()["y_test"]``.
    axes : matplotlib Axes, optional
        Axes to draw on; by default those of a new figure of pyplot.
    n_threads : int or "auto"
        Number of threads of the prediction; it changes no result.

    Returns
    -------
    matplotlib Axes
        Their figure is ``axes.figure``.

    Raises
    ------
    ConfigError
        If the network is for regression or has several labels per sample.
    DataError, DataTypeError
        If model is no network, or X or y has another shape or other values.
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> import fastmlp
    >>> digits = fastmlp.load_data("digits")
    >>> model = fastmlp.train(digits, fastmlp.Config(hidden=(32,), n_epochs=5)).model
    >>> axes = fastmlp.plot_confusion(model, digits.X_test, digits.targets()["y_test"])
    >>> axes.get_xlabel(), axes.get_ylabel()
    ('predicted class', 'true class')
    """
    counts, classes = _confusion_matrix(model, X, y, n_threads)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [str(name) for name in model.class_names or classes][: len(classes)]
    names = [name if len(name) <= _NAME_LENGTH else f"{name[: _NAME_LENGTH - 1]}…" for name in names]
    if axes is None:
        height = min(2.0 + 0.55 * len(names) + 0.09 * max(map(len, names)), 12.0)
        axes = new_figure(height, 1.1 * height + 1.2).subplots()
    image = axes.imshow(shares, cmap=_SHARE_MAP, vmin=0.0, vmax=1.0)
    bar = _figure_of(axes).colorbar(image, cax=axes.inset_axes((1.03, 0.0, 0.04, 1.0)))  # as high as the matrix
    bar.set_label("share of the true class", color=_TEXT_COLOUR)
    bar.ax.tick_params(labelcolor=_TEXT_COLOUR)
    bar.outline.set_visible(False)
    if len(names) <= _MAX_CLASSES_WITH_COUNTS:
        _write_counts(axes, counts, shares)
    _label_classes(axes, names)
    title = f"Confusion matrix\naccuracy {counts.trace() / counts.sum():.4f}, {counts.sum():,} samples"
    axes.set_title(title, loc="left", color=_TEXT_COLOUR, fontweight="bold")
    return axes


def plot_range_test(test: RangeTest, axes: "Axes | None" = None) -> "Axes":
    """Plot the loss of a learning rate range test against the learning rate, and mark the suggestion.

    Parameters
    ----------
    test : RangeTest
        The result of `fastmlp.find_learning_rate`.
    axes : matplotlib Axes, optional
        Axes to draw on; by default those of a new figure of pyplot.

    Returns
    -------
    matplotlib Axes
        Their figure is ``axes.figure``.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> test = RangeTest([0.01, 0.1, 1.0], [2.0, 1.0, 3.0], [2.0, 1.5, 2.0], 0.01)
    >>> axes = plot_range_test(test)
    >>> axes.get_xscale(), [line.get_label() for line in axes.lines]
    ('log', ['batch', 'smoothed', 'suggestion 0.01'])
    """
    axes = new_figure(width=6.0).subplots() if axes is None else axes
    smoothed = _drawn(test.smoothed_losses)
    axes.plot(test.rates, _drawn(test.losses), linestyle="", marker=".", markersize=3, color="#999999", label="batch")
    axes.plot(test.rates, smoothed, linewidth=1.8, color=_TRAIN["color"], label="smoothed")
    if test.suggestion is not None:
        label = f"suggestion {test.suggestion:.2g}"
        axes.axvline(test.suggestion, label=label, color=_TEST["color"], linestyle="--", linewidth=1.6)
    _format_axes(axes, "Learning rate range test", "mean loss of a batch")
    axes.set_xscale("log")
    axes.set_xlabel("learning rate, logarithmic", color=_TEXT_COLOUR)
    if smoothed:
        axes.set_ylim(*_range_of_losses(test.losses, smoothed))
    axes.legend(edgecolor="white", labelcolor=_TEXT_COLOUR)  # with a background, since it may cover a line
    return axes


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
    with without_pyplot():
        axes, _ = plot_history(history)
    save_figure(axes, path)


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
        raise OutputError(f"the figure could not be written to {os.fspath(path)}: {error}") from error
    write_atomic(path, "figure", lambda file: file.write(content.getvalue()))


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


def _confusion_matrix(
    model: Model, X: Samples, y: ArrayLike, n_threads: Threads
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Numbers of samples by true (rows) and predicted class (columns), and the classes."""
    if not isinstance(model, Model):
        found = type(model).__name__
        raise DataTypeError(f"model: expected a fastmlp.Model, got a {found}; an estimator's network is its model_")
    if (classes := model.classes) is None:
        expected, advice = "a network for classification", "see Model.evaluate for its score"
        raise ConfigError(f"model: expected {expected}, got one for {model.task}; {advice}")
    predicted, n = model.predict(X, n_threads=n_threads), len(classes)
    rows, columns = (encode_labels(labels, len(predicted), classes) for labels in (y, predicted))
    return np.bincount(rows.astype(np.int64) * n + columns, minlength=n * n).reshape(n, n), classes


def _range_of_losses(losses: Sequence[float], smoothed: Sequence[float]) -> tuple[float, float]:
    """Limits of the loss axis of a range test: without losses far above those before the divergence.

    At a single step, the loss may rise by orders of magnitude, beside which the descent would be a flat line.
    """
    lowest = min(smoothed)
    high = min(max(smoothed), max(*smoothed[: smoothed.index(lowest) + 1], DIVERGED * lowest))
    low = min(min(losses), high)
    margin = 0.05 * (high - low) or 1.0
    return low - margin, high + margin


def _write_counts(axes: "Axes", counts: NDArray[np.int64], shares: NDArray[np.float64]) -> None:
    """Write count and share into the cells of a confusion matrix that are not empty, as large as two lines fit."""
    place = axes.get_position()
    width, height = _figure_of(axes).get_size_inches() * (place.width, place.height)
    size = min(72 * min(width, height) / len(counts) / 4, 10.0)
    for row, column in np.argwhere(counts):
        share = shares[row, column]
        text = f"{counts[row, column]}\n{100 * share:.{0 if share >= 0.01 else 1}f} %"
        colour = "white" if share > _WHITE_TEXT_SHARE else _TEXT_COLOUR
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=size)


def _label_classes(axes: "Axes", names: Sequence[str]) -> None:
    """Label both axes of a confusion matrix with names of classes, or every few of them where there are too many."""
    n, n_most = len(names), _MAX_CLASSES_WITH_COUNTS
    ticks = range(0, n, -(-n // _MAX_CLASSES_WITH_NAMES))
    labels = [names[tick] for tick in ticks]
    rotation = 90 if n > n_most or max(map(len, labels)) > 4 else 0
    axes.set_xticks(ticks, labels, rotation=rotation, parse_math=False)  # a name may have dollar signs
    axes.set_yticks(ticks, labels, parse_math=False)
    axes.set_xlabel("predicted class", color=_TEXT_COLOUR)
    axes.set_ylabel("true class", color=_TEXT_COLOUR)
    axes.tick_params(length=0, labelcolor=_TEXT_COLOUR, labelsize=8 if n > n_most else None)
    if n <= n_most:  # lines between the cells
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks(np.arange(n + 1) - 0.5, minor=True)
        axes.grid(which="minor", color=_GRID_COLOUR, linewidth=0.6)
        axes.tick_params(which="minor", length=0)
    axes.spines[:].set_visible(False)


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
    return [max(-MAX_DRAWN, min(value, MAX_DRAWN)) if math.isfinite(value) else value for value in values]


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

    if means and max(means) > LOG_AXIS_RATIO * min(means) > 0:
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
