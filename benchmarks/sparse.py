"""Measurement on sparse input: ``python -m benchmarks sparse``, the estimator beside scikit-learn's, on one thread.

A record is ``{"machine": ..., "fit": {case: entry}, "predict": {case: entry}}``, each entry with the fields of its
`SparseCase` and ``"sides": {"fastmlp": results, "sklearn": results}``. Times have an entry per pair of measurements, in
which the sides take turns in going first:

- a fit: ``{"version", "warm_mb", "peak_mb", "losses", "fit_s", "epoch_s"}``, seconds of a fit and of an epoch in it
- a prediction: ``{"version", "warm_mb", "loaded_mb", "peak_mb", "error", "all_s", "one_s"}``, seconds of a call with
  all samples, and of one with one sample

Memory is that of a process of its own: at the end of its imports and of a fit of tiny data, at its peak while it read
an estimator from a file, and at its peak at the end of the first fit or prediction.
"""

import tempfile
from collections.abc import Collection
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks import instruction_limit, machine, sparse_case, sparse_worker
from benchmarks.paired import PairedComparison, Worker
from benchmarks.record import check_losses
from benchmarks.sparse_case import FITS, PREDICTIONS, SparseCase
from benchmarks.validate import TOLERANCE

SIDES = {"fastmlp": "fastmlp", "sklearn": "scikit-learn"}
CASES = {"fit": FITS, "predict": PREDICTIONS}
#: Results with an entry per pair, by task.
TIMES = {"fit": ("epoch_s", "fit_s"), "predict": ("all_s", "one_s")}
_print = partial(print, flush=True)


def chosen(only: Collection[str]) -> dict[str, dict[str, SparseCase]]:
    """The cases of each task whose name contains one of some texts, or all if none are given."""
    return {
        task: {name: case for name, case in cases.items() if not only or any(text in name for text in only)}
        for task, cases in CASES.items()
    }


def run(cases: dict[str, dict[str, SparseCase]], n_pairs: int) -> dict:
    """Measure the cases of each task; return the record.

    Raises
    ------
    LossError
        If the losses of the first epochs differ.
    WorkerError
        If a process ended, such as one whose probabilities differ from those in float64.
    """
    machine.pin(1)
    record: dict = {"machine": machine.describe(1)}
    for solver in sparse_case.SOLVERS:  # compiles what is not cached, which takes memory
        sparse_worker.warm_up("fastmlp", next(case for case in FITS.values() if case.solver == solver))
    for task, named in cases.items():
        record[task] = {name: run_case(task, name, case, n_pairs) for name, case in named.items()}
    return record


def run_case(task: str, name: str, case: SparseCase, n_pairs: int) -> dict:
    """Measure a case in two processes, of which only one works at a time; return its entry."""
    with tempfile.TemporaryDirectory() as folder:
        sparse_case.save(case, Path(folder))
        if task == "predict":
            for side in SIDES:
                with _start("store", side, folder):
                    pass
        with _start(task, "fastmlp", folder) as ours, _start(task, "sklearn", folder) as theirs:
            workers = {"fastmlp": ours, "sklearn": theirs}
            sides = {side: worker.ready | {time: [] for time in TIMES[task]} for side, worker in workers.items()}
            if task == "fit":
                _check_losses(sides)
            for pair in range(n_pairs):
                for side in list(SIDES)[:: -1 if pair % 2 else 1]:
                    for time, seconds in workers[side].request().items():
                        sides[side][time].append(seconds)
    entry = asdict(case) | {"n_epochs": case.n_epochs, "sides": sides}
    ratios = (f"{time} {ratio(entry, time):.2f} times as fast" for time in TIMES[task])
    medians = (f"{label} {median(sides[side][TIMES[task][0]]):.3g} s" for side, label in SIDES.items())
    _print(f"{name}: {', '.join(ratios)}; {', '.join(medians)}")
    return entry


def _start(task: str, side: str, folder: str) -> Worker:
    command = ["-m", "benchmarks.sparse_worker", task, side, folder]
    return Worker(command, instruction_limit.worker_environment())


def _check_losses(sides: dict[str, dict]) -> None:
    losses = list(zip(sides["fastmlp"]["losses"], sides["sklearn"]["losses"], strict=True))
    comparison = PairedComparison("sklearn", SIDES["sklearn"], sides["sklearn"]["version"], 0.0, 0.0, losses=losses)
    check_losses(comparison, TOLERANCE)


def ratio(entry: dict, time: str) -> float:
    """scikit-learn's time over fastmlp's: the median over the pairs."""
    ours, theirs = (entry["sides"][side][time] for side in SIDES)
    return median(their_s / our_s for our_s, their_s in zip(ours, theirs, strict=True))


def memory_mb(entry: dict, side: str) -> tuple[float, float]:
    """Peak memory of a side's process, and how much of it came after the imports and the fit of tiny data."""
    results = entry["sides"][side]
    return results["peak_mb"], results["peak_mb"] - results["warm_mb"]
