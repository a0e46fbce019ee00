"""Figures of a history: they take axes and return them. Know numbers only, and touch no global state of matplotlib."""

import importlib.util
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fastmlp.errors import MissingExtraError, OutputError
from fastmlp.history import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's blue and vermilion: apart for every kind of colour vision, and on a grey print by dash and marker.
_TRAIN = {"color": "#0072B2", "linestyle": "--", "marker": "o", "markerfacecolor": "white", "label": "training"}
_TEST = {"color": "#D55E00", "linestyle": "-", "marker": "o", "label": "test"}
_INK, _RULE = "#333333", "#DDDDDD"


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
    """Draw the loss and the accuracy of each epoch side by side.

    Parameters
    ----------
    history : History
        The rows to draw.
    axes : sequence of two matplotlib Axes, optional
        Where to draw loss and accuracy; a new figure of its own, unknown to pyplot, if not given.

    Returns
    -------
    tuple of two matplotlib Axes
        The panel of the loss and that of the accuracy; their figure is ``axes[0].figure``.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.

    Examples
    --------
    >>> loss, accuracy = plot_history(History())
    >>> loss.get_ylabel()
    'cross-entropy'
    """
    loss, accuracy = _new_figure().subplots(1, 2) if axes is None else axes
    _draw(loss, history, "train_loss", _TRAIN)
    _draw(loss, history, "test_loss", _TEST)
    _draw(accuracy, history, "test_accuracy", _TEST)
    _dress(loss, "Loss", "cross-entropy")
    _dress(accuracy, "Test accuracy", "share of the test set")
    loss.legend(frameon=False, labelcolor=_INK)
    return loss, accuracy


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
    figure = _new_figure()
    plot_history(history, figure.subplots(1, 2))
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:
        raise OutputError(f"the curves could not be written to {os.fspath(path)}: {error}") from error


def _new_figure() -> "Figure":
    require_matplotlib()
    from matplotlib.figure import Figure

    return Figure(figsize=(9.0, 3.6), layout="constrained", facecolor="white")


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
