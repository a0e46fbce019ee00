"""Engine: the threads that a study's runs are spread over, one run a thread. Knows not what becomes of a record."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from threading import Event, Lock
from typing import Any

from fastmlp.codegen.cpu import available_cores
from fastmlp.data import Dataset
from fastmlp.errors import ConfigError
from fastmlp.study.plan import RunSpec
from fastmlp.study.run import Record, execute
from fastmlp.training.history import Progress

#: Seconds after which the main thread looks up from the queue: a wait without end cannot be interrupted on Windows.
POLL_S = 0.2

#: What an engine says of a run: how far it is, or its record.
Report = Callable[[RunSpec, Progress | Record], None]


class Interrupted(KeyboardInterrupt):
    """Ctrl-C in the middle of a study.

    Attributes
    ----------
    study : Study
        What was finished until then.
    """

    def __init__(self, message: str, study: Any) -> None:
        super().__init__(message)
        self.study = study


class _Stopped(Exception):  # noqa: N818 - it is no error
    """The study ends before the run does."""


def count_jobs(n_jobs: int) -> int:
    """Runs at a time: as many as were asked for; -1 stands for every core that this process may use, -2 for one less.

    Raises
    ------
    ConfigError
        If it is 0 or no integer.

    Examples
    --------
    >>> count_jobs(3)
    3
    """
    check_jobs(n_jobs)
    return n_jobs if n_jobs > 0 else max(1, available_cores() + 1 + n_jobs)


def check_jobs(n_jobs: int) -> None:
    """Raise `ConfigError` if this is no number of jobs."""
    if not isinstance(n_jobs, int) or isinstance(n_jobs, bool) or n_jobs == 0:
        raise ConfigError(f"n_jobs: expected an integer >= 1, or -1 for every core, got {n_jobs!r}")


def run_threads(tasks: Iterator[RunSpec], n_jobs: int, dataset: Dataset, report: Report) -> None:
    """Do runs on threads of this process, which share the data; the kernels hold no lock of the interpreter.

    Parameters
    ----------
    tasks : iterator of RunSpec
        Asked for the next run by whichever thread is free.
    n_jobs : int
        Threads.
    dataset : Dataset
        Shared by all.
    report : callable
        Called in this thread with every progress and every record. After Ctrl-C, or whatever it raises, the runs under
        way end at their next stretch, and those that were finished by then are reported still.
    """
    events: SimpleQueue[Any] = SimpleQueue()
    stop, asking = Event(), Lock()

    def tell(task: RunSpec, progress: Progress) -> None:
        if stop.is_set():
            raise _Stopped
        events.put((task, progress))

    def work() -> None:
        try:
            while not stop.is_set():
                with asking:
                    task = next(tasks, None)
                if task is None:
                    break
                events.put((task, execute(task, dataset, lambda progress, task=task: tell(task, progress))))  # type: ignore[misc]
        except _Stopped:
            pass
        except BaseException as error:
            events.put(error)
        finally:
            events.put(None)

    with ThreadPoolExecutor(n_jobs, "fastmlp") as pool:
        for _ in range(n_jobs):
            pool.submit(work)
        try:
            _listen(events, n_jobs, report)
        except BaseException:
            stop.set()
            pool.shutdown()
            _drain(events, report)
            raise


def _listen(events: "SimpleQueue[Any]", n_running: int, report: Report) -> None:
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


def _drain(events: "SimpleQueue[Any]", report: Report) -> None:
    """Report the records that came in while the threads were stopping."""
    while not events.empty():
        event = events.get()
        if isinstance(event, tuple) and isinstance(event[1], dict):
            report(*event)
