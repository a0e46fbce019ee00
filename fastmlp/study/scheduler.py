"""Session: one go at a study: what is missing is claimed, run and kept. Knows the engines by their doors."""

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
from fastmlp.training.warmup import warmup
from fastmlp.version import __version__

BACKENDS = ("threads", "processes", "dask")
#: Seconds between looks at runs that another process does.
WAIT_S = 0.25


class StudyProgress(NamedTuple):
    """How far a study has come, as it is told after every stretch of a run and after every run.

    Attributes
    ----------
    n_done, n_runs : int
        Runs that are finished, those found in the folder included, and all.
    n_diverged : int
        How many of those finished diverged.
    epochs, n_epochs : float, int
        Epochs that are done, with parts of one, and all. A run that is finished counts whole.
    task : RunSpec or None
        The run that this is about; None at the start.
    record : Record or None
        That of the run, if it is what has just been finished.
    """

    n_done: int
    n_runs: int
    n_diverged: int
    epochs: float
    n_epochs: int
    task: RunSpec | None
    record: Record | None


class Execution(NamedTuple):
    """With what the runs are done.

    Attributes
    ----------
    n_jobs : int
        Runs at a time, see `fastmlp.study.threads.count_jobs`.
    backend : str or None
        threads, processes or dask; None for threads, or what ``joblib.parallel_config`` has set.
    scheduler : str or None
        Dask's address.
    """

    n_jobs: int
    backend: str | None
    scheduler: str | None

    def check(self) -> None:
        """Raise `ConfigError` if they are not what is accepted."""
        check_jobs(self.n_jobs)
        if self.backend not in (None, *BACKENDS):
            raise ConfigError(f"backend: expected {', '.join(BACKENDS)}, got {self.backend!r}")
        if self.scheduler is not None and self.backend != "dask":
            raise ConfigError(f"scheduler: given {self.scheduler!r}, which the backend dask alone has")


def run_missing(
    tasks: list[RunSpec],
    dataset: Dataset,
    checksum: str,
    registry: Registry,
    execution: Execution,
    progress: Callable[[StudyProgress], None],
) -> None:
    """Do the runs that are missing, and wait for those that other processes do.

    Parameters
    ----------
    tasks : list of RunSpec
        All runs.
    dataset : Dataset
        What to train and test on.
    checksum : str
        Its own.
    registry : Registry
        Has the runs that are done, and gets the others.
    execution : Execution
        With what.
    progress : callable
        Called in this thread.
    """
    counter = _ProgressCounter(tasks, registry, progress)
    missing = _missing(tasks, registry)
    if not missing:
        return
    for precision in {task.config.precision for task in missing}:
        warmup(precision)  # here, once: many that compile at the same time would race for the cache
    with _engine(dataset, checksum, execution, counter.report) as run:
        while missing:
            run(registry.claimed(missing))
            registry.refresh()
            missing = _missing(tasks, registry)
            counter.count()
            if missing:  # another process does them; if it dies, they are ours
                sleep(WAIT_S)


def _missing(tasks: list[RunSpec], registry: Registry) -> list[RunSpec]:
    return [task for task in tasks if task.key not in registry.records]


@contextmanager
def _engine(
    dataset: Dataset, checksum: str, execution: Execution, report: Report
) -> Iterator[Callable[[Iterator[RunSpec]], None]]:
    elsewhere, configured = configured_backend() if execution.backend is None else (False, None)
    n_jobs = configured if configured is not None and execution.n_jobs == -1 else execution.n_jobs
    if not elsewhere and execution.backend in (None, "threads"):
        yield lambda tasks: run_threads(tasks, count_jobs(n_jobs), dataset, report)
        return
    n_workers = count_jobs(n_jobs) if execution.backend == "processes" else n_jobs
    with _source(dataset) as source:
        order = WorkerJob(__version__, source, dataset.class_names, checksum)
        yield lambda tasks: run_joblib(tasks, n_workers, order, report, execution.backend, execution.scheduler)


@contextmanager
def _source(dataset: Dataset) -> Iterator[DataSource]:
    """Where workers find the data: where it was loaded from; arrays are written to files, which go at the end."""
    if dataset.source is not None:
        yield dataset.source
        return
    with tempfile.TemporaryDirectory(prefix="fastmlp-") as folder:
        for name in (*SPLIT_NAMES, *OPTIONAL_NAMES):
            if getattr(dataset, name) is not None:
                np.save(Path(folder, name), getattr(dataset, name))
        yield DataSource(folder, folder, None, dataset.scale, dataset.task)


class _ProgressCounter:
    """Keeps records as they come in, counts runs and epochs, and tells."""

    def __init__(self, tasks: list[RunSpec], registry: Registry, progress: Callable[[StudyProgress], None]) -> None:
        self.tasks, self.registry, self.progress = tasks, registry, progress
        self.n_epochs = sum(task.config.n_epochs for task in tasks)
        self.count()

    def count(self) -> None:
        """Count anew what the registry has: at the start, and when others have added to it."""
        done = [task for task in self.tasks if task.key in self.registry.records]
        self.n_done, self.epochs_done = len(done), sum(task.config.n_epochs for task in done)
        self.n_diverged = sum(self.registry.records[task.key]["status"] == "diverged" for task in done)
        self.under_way: dict[Key, float] = {}
        self._tell(None, None)

    def report(self, task: RunSpec, news: Progress | Record) -> None:
        """Take what an engine says."""
        if isinstance(news, Progress):
            self.under_way[task.key] = news.epoch - 1 + news.n_seen / news.n_samples
            self._tell(task, None)
            return
        self.registry.finish(task, news)
        self.under_way.pop(task.key, None)
        self.n_done, self.epochs_done = self.n_done + 1, self.epochs_done + task.config.n_epochs
        self.n_diverged += news["status"] == "diverged"
        self._tell(task, news)

    def _tell(self, task: RunSpec | None, record: Record | None) -> None:
        epochs = self.epochs_done + sum(self.under_way.values())
        counts = self.n_done, len(self.tasks), self.n_diverged
        self.progress(StudyProgress(*counts, epochs, self.n_epochs, task, record))
