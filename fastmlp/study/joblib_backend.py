"""Cluster: runs in other processes, through joblib: its own on this machine, Dask's workers, or what the user has set.

Knows not what becomes of a record, and never sends data: workers load it.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from fastmlp.errors import FastMLPError, MissingExtraError, SchedulerError, WorkerError
from fastmlp.study.plan import RunSpec
from fastmlp.study.run import Record
from fastmlp.study.threads import Report
from fastmlp.study.worker import WorkerJob, execute_job

#: Seconds that a scheduler has to answer.
SCHEDULER_S = 10


def configured_backend() -> tuple[bool, int | None]:
    """What ``joblib.parallel_config`` has set, if the user has.

    Returns
    -------
    elsewhere : bool
        Whether it is something else than threads of this process.
    n_jobs : int or None
        Its number of jobs.
    """
    if "joblib" not in sys.modules:  # then nobody has set anything
        return False, None
    from joblib.parallel import get_active_backend

    backend, n_jobs = get_active_backend(prefer="threads")
    return not getattr(backend, "uses_threads", False), n_jobs


def run_joblib(
    tasks: Iterator[RunSpec], n_jobs: int, order: WorkerJob, report: Report, backend: str | None, scheduler: str | None
) -> None:
    """Do runs on joblib's workers.

    Parameters
    ----------
    tasks : iterator of RunSpec
        Asked for a run when a worker will soon be free.
    n_jobs : int
        Workers; -1 for all there are.
    order : WorkerJob
        What every worker is told.
    report : callable
        Called in this thread with every record, as soon as it is here.
    backend : str, optional
        processes or dask; None: the one that ``joblib.parallel_config`` has set.
    scheduler : str, optional
        Dask's address.

    Raises
    ------
    SchedulerError
        If no scheduler answers.
    WorkerError
        If a worker could not do its run.
    MissingExtraError
        If joblib or Dask is not installed.
    """
    try:
        import joblib
    except ImportError:
        raise MissingExtraError("joblib", "sklearn", "A study on other processes") from None
    with _backend(joblib, backend, scheduler):
        # Batches of one run, so that each is reported when it is finished.
        pool = joblib.Parallel(n_jobs=n_jobs, batch_size=1, return_as="generator_unordered")
        try:
            for task, record in pool(joblib.delayed(_execute)(order, task) for task in tasks):
                report(task, record)
        except FastMLPError:
            raise
        except Exception as error:
            raise WorkerError(f"a worker could not do its run: {type(error).__name__}: {error}") from error


def _execute(order: WorkerJob, task: RunSpec) -> tuple[RunSpec, Record]:
    return task, execute_job(order, task)


@contextmanager
def _backend(joblib: Any, backend: str | None, scheduler: str | None) -> Iterator[None]:
    if backend == "dask":
        with _client(scheduler) as client, joblib.parallel_config("dask", client=client):
            yield
    else:
        with joblib.parallel_config("loky") if backend == "processes" else nullcontext():
            yield


@contextmanager
def _client(scheduler: str | None) -> Iterator[Any]:
    """A client of the scheduler at an address, closed at the end; without an address, the one that the user made."""
    try:
        from distributed import Client, get_client
    except ImportError:
        raise MissingExtraError("dask.distributed", "dask", "A cluster") from None
    if scheduler is None:
        try:
            client: Any = get_client(timeout=SCHEDULER_S)
        except ValueError:
            advice = "give the address that `dask scheduler` prints, such as tcp://127.0.0.1:8786"
            raise SchedulerError(f"no scheduler is known: {advice}") from None
        yield client
        return
    try:
        client = Client(scheduler, timeout=SCHEDULER_S, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, TimeoutError) as error:
        advice = "start one with `dask scheduler`, and give the address that it prints"
        raise SchedulerError(f"no scheduler answers at {scheduler} within {SCHEDULER_S} s: {advice}") from error
    with client:
        yield client
