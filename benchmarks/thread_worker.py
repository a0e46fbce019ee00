"""Worker process on one thread: ``python -m benchmarks.thread_worker TASK FOLDER CORE``, TASK being train or predict.

Several of them show what independent processes get from a machine. The folder has a workload without samples, and the
samples as `inputs.npy`, which all processes map into memory. For each line on standard input, it answers with the
seconds of a step, or of a call, over `RUN_S` seconds, as a line of JSON.
"""

import contextlib
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np

import fastmlp
from benchmarks.case import Workload, model_of
from benchmarks.worker import Channel
from fastmlp.training.trainer import Trainer

#: Least seconds of a measurement; with a chunk of an epoch taking a quarter of a second, several processes overlap.
RUN_S = 0.5


def runner(task: str, workload: Workload, X, n_threads: int) -> tuple[Callable[[], np.ndarray], int]:
    """A function that trains for an epoch, or predicts all samples, and returns the weights or predictions; and its
    number of steps or calls.
    """
    if task == "predict":
        predict_proba = model_of(workload).predict_proba
        return lambda: predict_proba(X, n_threads=n_threads), 1
    trainer = Trainer(model_of(workload), X, workload.y, n_threads=n_threads)

    def train() -> np.ndarray:
        trainer.run_epoch(workload.case.learning_rate)
        return trainer.model.params.theta

    return train, trainer.steps_per_epoch


def main(task: str, folder: str, core: str) -> None:
    channel = Channel()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, [int(core)])
    warnings.simplefilter("ignore")
    fastmlp.warmup()
    X = np.load(Path(folder, "inputs.npy"), mmap_mode="r")
    run, n_units = runner(task, Workload.load(Path(folder, "workload")), X, 1)
    run()
    channel.answer()
    while True:
        n_runs, start = 0, perf_counter()
        while perf_counter() - start < RUN_S:
            run()
            n_runs += 1
        channel.answer(seconds=(perf_counter() - start) / (n_runs * n_units))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main(*sys.argv[1:])
