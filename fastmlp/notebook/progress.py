"""Progress in the output of a notebook's cell, which appears where a training takes longer than two seconds.

It is a bar of tqdm, the library that people use for it, which is a widget of ipywidgets in a notebook. Both come with
the extra notebook, and are imported when the first bar appears (35 ms); without them there is no bar, and the logger
fastmlp says so, once. tqdm's ``delay`` would not do: it makes a widget at the start of every training, however
short, which the kernel and the front end then keep. A saved notebook has the widget's state only if the user asks for
it, and JupyterLab shows an error in place of a widget without its state: at the end, the text of the bar replaces it.
"""

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from threading import RLock
from time import time
from typing import Any, Literal, TypeVar, cast

from fastmlp.errors import ConfigError, MissingExtraError
from fastmlp.notebook.shell import in_notebook

#: Seconds after which progress appears, and seconds between two updates.
APPEARS_S, UPDATE_S = 2.0, 0.25

LOGGER = logging.getLogger("fastmlp")

Event = TypeVar("Event")


@contextmanager
def progress_shown(
    progress: Callable[[Event], None] | Literal["auto"] | None, describe: Callable[[Event], tuple[float, str]]
) -> Iterator[Callable[[Event], None]]:
    """The callback that a user's argument `progress` stands for.

    Parameters
    ----------
    progress : callable, "auto" or None
        The callback itself; progress in the cell's output if this is a notebook; nothing.
    describe : callable
        The share that is done, from 0 to 1, and a text, for the argument of the callback.

    Raises
    ------
    ConfigError
        If progress is something else.
    """
    if progress == "auto" and in_notebook():
        shown = _Shown(describe)
        try:
            yield shown.report
        finally:
            shown.finish()
    elif progress is None or progress == "auto":
        yield lambda event: None
    elif callable(progress):
        yield progress
    else:
        raise ConfigError(f'progress: expected a function, "auto" or None, got {progress!r}')


class _Shown:
    """The latest event, as a bar in the cell's output once it is time."""

    def __init__(self, describe: Callable[[Any], tuple[float, str]]) -> None:
        self.describe, self.last = describe, cast(Any, None)
        self.bar, self.output = cast(Any, None), cast(Any, None)
        self.start = time()  # as tqdm measures it
        self.due = self.start + APPEARS_S

    def report(self, event: Any) -> None:
        """Show an event if the last update was long enough ago: 0.1 us for others."""
        self.last = event
        if time() >= self.due:
            if self.output is None:
                self.appear()
            else:
                self.update()
            self.due = time() + UPDATE_S if self.output is not None else math.inf

    def appear(self) -> None:
        """Show a bar with the last event, or tell once how to get one."""
        try:
            import ipywidgets  # noqa: F401  # tqdm.notebook can be imported without, and has no bar then
            from tqdm.notebook import tqdm
        except ImportError as error:
            _warn_once(str(MissingExtraError(str(error.name), "notebook", "Progress in a notebook")))
            return
        from IPython.display import DisplayHandle  # a notebook has it

        layout = "{percentage:3.0f}%|{bar}| {desc}  {elapsed}, {remaining} left"
        # An interrupt may leave tqdm's lock taken, which all bars share, and on which its monitor would wait at exit.
        own: Any = type("Bar", (tqdm,), {"monitor_interval": 0})
        own.set_lock(RLock())
        # No smoothing: the time left follows from the average so far, as the steps differ in size.
        self.bar = own(total=1, bar_format=layout, smoothing=0, display=False)
        self.bar.start_t = self.start
        self.update()
        self.output = DisplayHandle()
        self.output.display(self.bar.container)

    def update(self) -> None:
        """Show the last event."""
        self.bar.n, text = self.describe(self.last)
        self.bar.set_description_str(text, refresh=False)
        self.bar.refresh(nolock=True)

    def finish(self) -> None:
        """Leave the text of the last event in the widget's place, if it was shown."""
        if self.output is not None:
            self.update()
            self.output.update({"text/plain": str(self.bar)}, raw=True)
        if self.bar is not None:
            self.bar.close()
            self.bar.container.close()


@cache
def _warn_once(message: str) -> None:
    LOGGER.warning(message)
