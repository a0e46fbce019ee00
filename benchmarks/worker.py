"""A rival's process: trains one epoch for every line on its standard input, and answers each with a line of JSON.

``python -m benchmarks.worker RIVAL FOLDER``, the task being in the folder. Its first line tells that it is ready.
Knows how to be asked; nothing of whom it is compared with.
"""

import contextlib
import json
import os
import sys
import warnings
from pathlib import Path

from benchmarks import rivals
from benchmarks.case import Workload


class Channel:
    """Answers on the real standard output; whatever a library prints goes to standard error."""

    def __init__(self):
        self.out = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)

    def answer(self, **values):
        """Print a line, and wait for the next; there is none when the run is over."""
        print(json.dumps(values), file=self.out, flush=True)
        if not sys.stdin.readline():
            raise SystemExit


def main(name: str, folder: str) -> None:
    """Train a rival on the task in a folder."""
    channel, rival, task = Channel(), rivals.load(name), Workload.load(Path(folder))
    warnings.simplefilter("ignore")
    rival.train(
        task,
        lambda compile_s: channel.answer(compile_s=compile_s, version=rival.version()),
        lambda epoch_s, loss: channel.answer(epoch_s=epoch_s, loss=loss),
    )


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main(*sys.argv[1:])
