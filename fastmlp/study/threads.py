"""Backend of a study that executes runs at the same time in this process; a run may have several threads."""

from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from threading import Barrier, BrokenBarrierError, Event, Lock
from typing import Any

from fastmlp.codegen.cpu import available_cores
from fastmlp.data import Dataset
from fastmlp.errors import ConfigError
from fastmlp.parallel import core_in_use, run_team
from fastmlp.study.plan import RunSpec
from fastmlp.study.run import Record, execute
from fastmlp.training.history import Progress

#: Timeout of the main thread's wait for the queue, in seconds: on Windows, Ctrl-C cannot interrupt an unlimited wait.
POLL_S = 0.2

#: Callback of a backend: called with a run and its progress, or with a run and its record.
Report = Callable[[RunSpec, Progress | Record], None]


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a study.

    Parameters
    ----------
    message : str
        The text of the exception.
    study : Study
        The runs that had finished.

    Attributes
    ----------
    study : Study
        As given.

    Examples
    --------
    >>> import fastmlp
    >>> from fastmlp.study import Interrupted
    >>> digits, config = fastmlp.load_data("digits"), fastmlp.Config(hidden=(4,), n_epochs=1)
    >>> try:
    ...     study = fastmlp.repeat(digits, config, n_repeats=2)
    ... except Interrupted as interruption:
    ...     study = interruption.study
    >>> len(study.records())
    2
    """

    def __init__(self, message: str, study: Any) -> None:
        super().__init__(message)
        self.study = study


class _Stopped(Exception):  # noqa: N818 - not an error
    """Raised in a worker thread to end its run, when the study ends before the run does."""


def count_jobs(n_jobs: int) -> int:
    """Number of concurrent runs: `n_jobs` itself; for -1 the number of available cores, for -2 one less.

    Raises
    ------
    ConfigError
        If `n_jobs` is 0 or not an integer.

    Examples
    --------
    >>> count_jobs(3)
    3
    """
    check_jobs(n_jobs)
    return n_jobs if n_jobs > 0 else max(1, available_cores() + 1 + n_jobs)


def check_jobs(n_jobs: int) -> None:
    """Raise `ConfigError` if `n_jobs` is not a number of jobs."""
    if not isinstance(n_jobs, int) or isinstance(n_jobs, bool) or n_jobs == 0:
        raise ConfigError(f"n_jobs: expected an integer >= 1, or -1 for all cores, got {n_jobs!r}")


def run_threads(specs: Iterator[RunSpec], n_jobs: int, dataset: Dataset, report: Report) -> None:
    """Execute runs on threads that share the data. The kernels release the global interpreter lock.

    Every thread uses one core from before the first run starts until no run is left. Other cores, and those of threads
    that have ended, are for the runs that are active, see `fastmlp.parallel.threads_for`.

    Parameters
    ----------
    specs : iterator of RunSpec
        The next run is taken by the next idle thread.
    n_jobs : int
        Number of threads.
    dataset : Dataset
        Shared by all threads.
    report : callable
        Called in this thread with all progress and all records. After Ctrl-C, or an exception in `report`, the active
        runs stop at the end of their current chunk, and runs that have finished by then are still reported.
    """
    events: SimpleQueue[Any] = SimpleQueue()
    stop, specs_lock, start = Event(), Lock(), Barrier(n_jobs)

    def put_progress(spec: RunSpec, progress: Progress) -> None:
        if stop.is_set():
            raise _Stopped
        events.put((spec, progress))

    def execute_runs() -> None:
        start.wait()
        while not stop.is_set():
            with specs_lock:
                spec = next(specs, None)
            if spec is None:
                break
            events.put((spec, execute(spec, dataset, lambda progress, spec=spec: put_progress(spec, progress))))  # type: ignore[misc]

    def work() -> None:
        try:
            with core_in_use():
                execute_runs()
        except (_Stopped, BrokenBarrierError):
            pass
        except BaseException as error:
            events.put(error)
        finally:
            events.put(None)

    def call(rank: int) -> None:
        if rank > 0:
            work()
        else:
            _report_events(events, n_jobs, report)

    def abort() -> None:
        stop.set()
        start.abort()  # frees threads that wait for others that could not be started

    try:
        run_team(call, n_jobs + 1, abort)
    except BaseException:
        _report_remaining_records(events, report)
        raise


def _report_events(events: "SimpleQueue[Any]", n_running: int, report: Report) -> None:
    """Report events until all threads have ended; raise the exception of a thread."""
    while n_running:
        try:
            event = events.get(timeout=POLL_S)
        except Empty:
            continue
        if event is None:
            n_running -= 1
        elif isinstance(event, BaseException):
            raise event
        else:
            report(*event)


def _report_remaining_records(events: "SimpleQueue[Any]", report: Report) -> None:
    """Report the runs that finished while the threads were stopping."""
    while not events.empty():
        event = events.get()
        if isinstance(event, tuple) and isinstance(event[1], dict):
            report(*event)
