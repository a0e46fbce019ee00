"""Worker process of a rival: ``python -m benchmarks.worker RIVAL FOLDER``, with the workload in the folder.

It writes a line of JSON when it is ready, then trains one epoch per line on standard input and answers with its seconds
and loss as a line of JSON.
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
    """Answers on standard output; what a library prints is redirected to standard error."""

    def __init__(self):
        self.out = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)

    def answer(self, **values):
        """Print an answer and wait for the next request; exit if there is none."""
        print(json.dumps(values), file=self.out, flush=True)
        if not sys.stdin.readline():
            raise SystemExit


def main(name: str, folder: str) -> None:
    """Train a rival on the workload in a folder, epoch by epoch."""
    channel, rival, workload = Channel(), rivals.load(name), Workload.load(Path(folder))
    warnings.simplefilter("ignore")
    rival.train(
        workload,
        lambda compile_s: channel.answer(compile_s=compile_s, version=rival.version()),
        lambda epoch_s, loss: channel.answer(epoch_s=epoch_s, loss=loss),
    )


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main(*sys.argv[1:])
