"""The command line, the only part that prints. Knows how to ask and how to answer; the work is done further down.

Results go to stdout; progress, notes and mistakes to stderr, so that ``fastmlp predict ... > file`` holds labels only.
Exit codes: 0; 2 for a mistake, which the message names; 130 for Ctrl-C, 143 for SIGTERM; 141 where the reader of a
pipe went away.
"""

import os
import sys
import warnings
from collections.abc import Sequence

from fastmlp.cli import app as app
from fastmlp.cli import export as export
from fastmlp.cli import machine as machine
from fastmlp.cli import paper as paper
from fastmlp.cli import study as study
from fastmlp.cli import training as training
from fastmlp.cli.app import CycloptsError
from fastmlp.cli.terminal import note
from fastmlp.cli.training import RESULTS as RESULTS
from fastmlp.errors import FastMLPError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The words after ``fastmlp``; those of the process if not given.

    Returns
    -------
    int
        The exit code.

    Examples
    --------
    >>> main(["train", "--learning-rate", "-1"])
    2
    """
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: note(f"warning: {message}")
        try:
            app.app(argv, exit_on_error=False, print_error=False, result_action="return_value")
            sys.stdout.flush()
        except (CycloptsError, FastMLPError, MemoryError) as error:
            note(f"error: {error}")
            return 2
        except OSError as error:  # of a full disk behind stdout, or of a pipe whose reader went away
            _leave_stdout()
            if isinstance(error, BrokenPipeError):
                return 141
            note(f"error: {error}")
            return 2
    return 0


def _leave_stdout() -> None:
    """Python flushes it once more on its way out: what cannot be written must go somewhere."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
