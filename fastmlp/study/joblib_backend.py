"""Backend of a study that executes its runs through joblib: on local processes, Dask workers, or a configured backend.

Data is never sent to the workers, which load it themselves.
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

#: Timeout for connecting to a Dask scheduler, in seconds.
SCHEDULER_TIMEOUT_S = 10


def configured_backend() -> tuple[bool, int | None]:
    """The backend that the user has set with ``joblib.parallel_config``.

    Returns
    -------
    uses_joblib : bool
        Whether it is other than threads of this process.
    n_jobs : int or None
        Its number of jobs.
    """
    if "joblib" not in sys.modules:  # then nothing can have been set
        return False, None
    from joblib.parallel import get_active_backend

    backend, n_jobs = get_active_backend(prefer="threads")
    return not getattr(backend, "uses_threads", False), n_jobs


def run_joblib(
    specs: Iterator[RunSpec], n_jobs: int, job: WorkerJob, report: Report, backend: str | None, scheduler: str | None
) -> None:
    """Execute runs on joblib's workers.

    Parameters
    ----------
    specs : iterator of RunSpec
        The next run is taken when a worker will soon be idle.
    n_jobs : int
        Number of workers; -1 for all.
    job : WorkerJob
        The version and the data of the study. Its n_workers is the number of runs: fewer workers lower it.
    report : callable
        Called in this thread with each record as soon as it arrives.
    backend : str, optional
        processes or dask; None means the backend set by ``joblib.parallel_config``.
    scheduler : str, optional
        Address of the Dask scheduler.

    Raises
    ------
    SchedulerError
        If no scheduler answers.
    WorkerError
        If a worker failed to execute its run.
    MissingExtraError
        If joblib or Dask is not installed.
    """
    try:
        import joblib
    except ImportError:
        raise MissingExtraError("joblib", "sklearn", "Running a study on other processes") from None
    with _joblib_config(joblib, backend, scheduler):
        # One run per batch, so that each is reported when it finishes.
        pool = joblib.Parallel(n_jobs=n_jobs, batch_size=1, return_as="generator_unordered")
        try:
            job = job._replace(n_workers=min(job.n_workers, joblib.effective_n_jobs(n_jobs)))
            for spec, record in pool(joblib.delayed(_execute)(job, spec) for spec in specs):
                report(spec, record)
        except FastMLPError:
            raise
        except Exception as error:
            raise WorkerError(f"a worker failed to execute its run: {type(error).__name__}: {error}") from error


def _execute(job: WorkerJob, spec: RunSpec) -> tuple[RunSpec, Record]:
    return spec, execute_job(job, spec)


@contextmanager
def _joblib_config(joblib: Any, backend: str | None, scheduler: str | None) -> Iterator[None]:
    if backend == "dask":
        with _dask_client(scheduler) as client, joblib.parallel_config("dask", client=client):
            yield
    else:
        with joblib.parallel_config("loky") if backend == "processes" else nullcontext():
            yield


@contextmanager
def _dask_client(scheduler: str | None) -> Iterator[Any]:
    """A client of the scheduler at an address, closed at the end; without an address, the user's current client."""
    try:
        from distributed import Client, get_client
    except ImportError:
        raise MissingExtraError("dask.distributed", "dask", "Running a study on Dask") from None
    if scheduler is None:
        try:
            client: Any = get_client(timeout=SCHEDULER_TIMEOUT_S)
        except ValueError:
            raise SchedulerError(
                "scheduler: expected an address or a current dask.distributed.Client, got neither; give the address "
                "that `dask scheduler` prints, such as tcp://127.0.0.1:8786"
            ) from None
        yield client
        return
    try:
        client = Client(scheduler, timeout=SCHEDULER_TIMEOUT_S, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, TimeoutError) as error:
        remedy = "start one with `dask scheduler`, and give the address that it prints"
        raise SchedulerError(f"no scheduler answers at {scheduler} within {SCHEDULER_TIMEOUT_S} s; {remedy}") from error
    with client:
        yield client
