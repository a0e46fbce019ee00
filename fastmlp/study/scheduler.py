"""Scheduling of a study: claim the missing runs, execute them on a backend, and count progress."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import NamedTuple

import numpy as np

from fastmlp.data import Dataset
from fastmlp.data.arrays import OPTIONAL_NAMES, SPLIT_NAMES
from fastmlp.data.dataset import DataSource
from fastmlp.errors import ConfigError
from fastmlp.study.joblib_backend import configured_backend, run_joblib
from fastmlp.study.plan import Key, RunSpec
from fastmlp.study.registry import Registry
from fastmlp.study.run import Record
from fastmlp.study.threads import Report, check_jobs, count_jobs, run_threads
from fastmlp.study.worker import WorkerJob
from fastmlp.training.history import Progress
from fastmlp.training.warmup import prepare_run
from fastmlp.version import __version__

BACKENDS = ("threads", "processes", "dask")
#: Seconds between two checks for the results of other processes that work on the same folder.
WAIT_S = 0.25


class StudyProgress(NamedTuple):
    """Progress of a study, reported at the start, after every chunk of an epoch, and after every run.

    Attributes
    ----------
    n_done, n_runs : int
        Number of finished runs, including those found in the folder, and of all runs.
    n_diverged : int
        Number of finished runs that diverged.
    epochs, n_epochs : float, int
        Epochs completed, including fractions, and in all. A finished run counts in full.
    spec : RunSpec or None
        The run that this report is about; None at the start.
    record : Record or None
        Its record, if the run has just finished.
    """

    n_done: int
    n_runs: int
    n_diverged: int
    epochs: float
    n_epochs: int
    spec: RunSpec | None
    record: Record | None


def describe_study_progress(progress: StudyProgress) -> tuple[float, str]:
    """The share of the epochs that is done, and a text with the numbers of runs and epochs.

    Examples
    --------
    >>> describe_study_progress(StudyProgress(3, 8, 1, 7.5, 16, None, None))
    (0.46875, 'run 3/8, 1 diverged  epoch 7/16')
    """
    p = progress
    diverged = f", {p.n_diverged} diverged" if p.n_diverged else ""
    return p.epochs / p.n_epochs, f"run {p.n_done}/{p.n_runs}{diverged}  epoch {int(p.epochs)}/{p.n_epochs}"


class ExecutionOptions(NamedTuple):
    """Where the runs of a study are executed.

    Attributes
    ----------
    n_jobs : int
        Number of concurrent runs, see `fastmlp.study.threads.count_jobs`.
    backend : str or None
        threads, processes or dask; None means threads, or the backend set by ``joblib.parallel_config``.
    scheduler : str or None
        Address of the Dask scheduler.
    """

    n_jobs: int
    backend: str | None
    scheduler: str | None

    def check(self) -> None:
        """Raise `ConfigError` if an option is not accepted."""
        check_jobs(self.n_jobs)
        if self.backend not in (None, *BACKENDS):
            raise ConfigError(f"backend: expected one of {', '.join(map(repr, BACKENDS))}, got {self.backend!r}")
        if self.scheduler is not None and self.backend != "dask":
            raise ConfigError(
                f"scheduler: expected only with the backend 'dask', got {self.scheduler!r} with the backend "
                f"{self.backend!r}"
            )


def run_missing(
    specs: list[RunSpec],
    dataset: Dataset,
    checksum: str,
    registry: Registry,
    options: ExecutionOptions,
    progress: Callable[[StudyProgress], None],
) -> None:
    """Execute the missing runs, and wait for those that other processes have claimed.

    Parameters
    ----------
    specs : list of RunSpec
        All runs of the study, or of the shard.
    dataset : Dataset
        Training and test set.
    checksum : str
        Checksum of the dataset.
    registry : Registry
        Has the records of the finished runs; the others are added.
    options : ExecutionOptions
        Number of jobs and backend.
    progress : callable
        Called in this thread with a `StudyProgress`.
    """
    counter = _ProgressCounter(specs, registry, progress)
    missing = _missing(specs, registry)
    if not missing:
        return
    # Once, before the workers start: otherwise all of them would compile the same kernels.
    prepare_run(dataset, *{spec.setting_index: spec.config for spec in missing}.values())
    with _backend(dataset, checksum, options, len(missing), counter.report) as execute_all:
        while missing:
            execute_all(registry.claimed(missing))
            registry.refresh()
            missing = _missing(specs, registry)
            counter.recount()
            if missing:  # other processes have claimed them; if one of those dies, its runs can be claimed here
                sleep(WAIT_S)


def _missing(specs: list[RunSpec], registry: Registry) -> list[RunSpec]:
    return [spec for spec in specs if spec.key not in registry.records]


@contextmanager
def _backend(
    dataset: Dataset, checksum: str, options: ExecutionOptions, n_missing: int, report: Report
) -> Iterator[Callable[[Iterator[RunSpec]], None]]:
    """The function that executes runs on the chosen backend."""
    uses_joblib, configured_jobs = configured_backend() if options.backend is None else (False, None)
    n_jobs = configured_jobs if configured_jobs is not None and options.n_jobs == -1 else options.n_jobs
    if not uses_joblib and options.backend in (None, "threads"):
        yield lambda specs: run_threads(specs, min(count_jobs(n_jobs), n_missing), dataset, report)
        return
    n_workers = min(count_jobs(n_jobs), n_missing) if options.backend == "processes" else n_jobs
    with _data_source(dataset) as source:
        job = WorkerJob(__version__, source, dataset.class_names, checksum, n_missing)
        yield lambda specs: run_joblib(specs, n_workers, job, report, options.backend, options.scheduler)


@contextmanager
def _data_source(dataset: Dataset) -> Iterator[DataSource]:
    """The source that workers load the data from; a dataset made of arrays is saved to temporary files."""
    if dataset.source is not None:
        yield dataset.source
        return
    with tempfile.TemporaryDirectory(prefix="fastmlp-") as folder:
        for name in (*SPLIT_NAMES, *OPTIONAL_NAMES):
            array = getattr(dataset, name)
            if hasattr(array, "indptr"):
                from scipy.sparse import save_npz

                save_npz(Path(folder, f"{name}.npz"), array, compressed=False)
            elif array is not None:
                np.save(Path(folder, name), array)
        yield DataSource(folder, folder, dataset.scale, dataset.task, dataset.target_scale)


class _ProgressCounter:
    """Adds records to the registry as runs finish, counts runs and epochs, and reports progress."""

    def __init__(self, specs: list[RunSpec], registry: Registry, progress: Callable[[StudyProgress], None]) -> None:
        self.specs, self.registry, self.progress = specs, registry, progress
        self.n_epochs = sum(spec.config.n_epochs for spec in specs)
        self.recount()

    def recount(self) -> None:
        """Count the finished runs in the registry: at the start, and after other processes have added records."""
        done = [spec for spec in self.specs if spec.key in self.registry.records]
        self.n_done, self.epochs_done = len(done), sum(spec.config.n_epochs for spec in done)
        self.n_diverged = sum(self.registry.records[spec.key]["status"] == "diverged" for spec in done)
        self.running: dict[Key, float] = {}
        self._call_progress(None, None)

    def report(self, spec: RunSpec, event: Progress | Record) -> None:
        """Count a run's progress or store its record, then call the progress callback."""
        if isinstance(event, Progress):
            self.running[spec.key] = event.epoch - 1 + event.n_seen / event.n_samples
            self._call_progress(spec, None)
            return
        self.registry.finish(spec, event)
        self.running.pop(spec.key, None)
        self.n_done, self.epochs_done = self.n_done + 1, self.epochs_done + spec.config.n_epochs
        self.n_diverged += event["status"] == "diverged"
        self._call_progress(spec, event)

    def _call_progress(self, spec: RunSpec | None, record: Record | None) -> None:
        epochs = self.epochs_done + sum(self.running.values())
        counts = self.n_done, len(self.specs), self.n_diverged
        self.progress(StudyProgress(*counts, epochs, self.n_epochs, spec, record))
