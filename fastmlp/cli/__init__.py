"""The command line: one module per group of commands, and `main`, which runs them.

Results go to stdout; progress, notes and errors go to stderr, so that ``fastmlp predict ... > file`` writes nothing but
predictions to the file. Exit codes: 0 for success; 2 for an error, which the message describes; 130 after Ctrl-C; 143
after SIGTERM; 141 if stdout is a pipe whose reader has closed it.
"""

import os
import shlex
import sys
import warnings
from collections.abc import Sequence

from fastmlp.cli import app as app
from fastmlp.cli import export as export
from fastmlp.cli import machine as machine
from fastmlp.cli import paper as paper
from fastmlp.cli import range_test as range_test
from fastmlp.cli import study as study
from fastmlp.cli import training as training
from fastmlp.cli.app import CycloptsError, UnusedCliTokensError
from fastmlp.cli.results import RESULTS as RESULTS
from fastmlp.cli.terminal import note
from fastmlp.errors import DivergedError, FastMLPError
from fastmlp.notebook.shell import interrupts_raised


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments after ``fastmlp``; by default those of the process.

    Returns
    -------
    int
        The exit code.

    Examples
    --------
    >>> main(["train", "--learning-rate", "-1"])
    2
    """
    with warnings.catch_warnings(), interrupts_raised():  # also where an interactive shell runs it
        warnings.showwarning = lambda message, *_, **__: note(f"warning: {message}")
        try:
            app.app(argv, exit_on_error=False, print_error=False, result_action="return_value")
            sys.stdout.flush()
        except UnusedCliTokensError as error:
            words = shlex.join(error.unused_tokens or ())
            note(
                f"error: {words}: expected no more arguments; quote a value with spaces, and see --help for all options"
            )
            return 2
        except (CycloptsError, FastMLPError, MemoryError) as error:
            note(f"error: {str(error).removesuffix(f' {DivergedError.KEPT}')}")
            return 2
        except UnicodeEncodeError as error:  # stdout has another encoding than the names of classes
            lacking, advice = error.object[error.start : error.end], "set PYTHONIOENCODING=utf-8"
            note(f"error: stdout: expected an encoding with {lacking!r}, got {error.encoding}; {advice}")
            return 2
        except OSError as error:  # stdout is a file on a full disk, or a pipe whose reader has closed it
            _discard_output()
            if isinstance(error, BrokenPipeError):
                return 141
            note(f"error: {error}")
            return 2
    return 0


def _discard_output() -> None:
    """Redirect stdout to the null device if it cannot be flushed: Python flushes it again when it exits."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
