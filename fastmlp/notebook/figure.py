"""New figures of matplotlib: shown by pyplot, or for files only.

As with pandas and scikit-learn, a new figure is one of pyplot: a notebook shows it at the end of its cell, and a script
by ``plt.show()``. pyplot is imported for that only. It keeps every figure until that is closed, and warns of more than
20, so what writes files makes its figures `without_pyplot`.
"""

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from fastmlp.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_uses_pyplot = ContextVar("_uses_pyplot", default=True)


def require_matplotlib() -> None:
    """Check that matplotlib is installed, before hours of training, without the half second of importing it.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtraError("matplotlib", "plot", "Plotting")


@contextmanager
def without_pyplot() -> Iterator[None]:
    """Make the new figures within the context without pyplot, for a file: nothing shows them, or has to close them.

    Examples
    --------
    >>> from matplotlib import pyplot
    >>> before = pyplot.get_fignums()
    >>> with without_pyplot():
    ...     figure = new_figure()
    >>> pyplot.get_fignums() == before
    True
    """
    token = _uses_pyplot.set(False)
    try:
        yield
    finally:
        _uses_pyplot.reset(token)


def new_figure(height: float = 3.6, width: float = 9.0) -> "Figure":
    """Make a figure on white, with a size in inches and a constrained layout: one of pyplot, see `without_pyplot`.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> new_figure(2.0).get_size_inches().tolist()
    [9.0, 2.0]
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    make_figure: Callable[..., Figure] = Figure
    if _uses_pyplot.get():
        from matplotlib.pyplot import figure as make_figure
    return make_figure(figsize=(width, height), layout="constrained", facecolor="white")
