"""Worker process of a rival: ``python -m benchmarks.worker TASK RIVAL FOLDER``, with the workload in the folder.

It writes a line of JSON when it is ready, then trains one epoch, or predicts for some passes over the samples, per line
on standard input, and answers with the seconds of an epoch or pass as a line of JSON.
"""

import contextlib
import json
import os
import sys
import warnings
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks import rivals
from benchmarks.case import Workload

#: Least seconds and passes of one measurement of predictions, of which the median pass is taken: some hundred passes
#: over single samples, or some passes over thousands.
MIN_PREDICTION_S, MIN_PASSES = 0.1, 3


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


def main(task: str, name: str, folder: str) -> None:
    """Let a rival train, or predict, on the workload in a folder, one epoch or some passes per request."""
    channel, rival, workload = Channel(), rivals.load(name), Workload.load(Path(folder))
    warnings.simplefilter("ignore")
    if task == "train":
        rival.train(
            workload,
            lambda compile_s: channel.answer(compile_s=compile_s, version=rival.version()),
            lambda epoch_s, loss: channel.answer(epoch_s=epoch_s, loss=loss),
        )
    else:
        _predict(channel, rival, workload)


def _predict(channel, rival, workload):
    """Validate the rival's probabilities, then measure passes over the samples."""
    calls = workload.calls
    start = perf_counter()
    predict = rival.predictor(workload)
    predict(calls[0])
    compile_s = perf_counter() - start
    error = workload.check_predictions(predict)
    channel.answer(compile_s=compile_s, version=rival.version(), error=error)
    while True:
        channel.answer(epoch_s=median(pass_seconds(predict, calls)))


def pass_seconds(predict, calls):
    """Seconds of each of some passes over the samples."""
    seconds = []
    while len(seconds) < MIN_PASSES or sum(seconds) < MIN_PREDICTION_S:
        start = perf_counter()
        for X in calls:
            predict(X)
        seconds.append(perf_counter() - start)
    return seconds


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main(*sys.argv[1:])
