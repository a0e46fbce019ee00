"""Executing a run in another process, on this machine or another one, which loads the data itself, once."""

import os
import platform
import warnings
from functools import lru_cache
from threading import Lock
from typing import NamedTuple

from fastmlp.codegen.cpu import affinity, available_cores, physical_cores
from fastmlp.data import Dataset, load_data
from fastmlp.data.dataset import DataSource
from fastmlp.errors import LeftOutWarning, WorkerError
from fastmlp.parallel import limited_to
from fastmlp.study.plan import RunSpec
from fastmlp.study.run import Record, execute
from fastmlp.version import __version__

_load_lock = Lock()


class WorkerJob(NamedTuple):
    """The part of a job that is the same for all runs: a few hundred bytes, never the data itself.

    Attributes
    ----------
    version : str
        The version of fastmlp, which the worker must have too.
    source : DataSource
        Where the worker loads the data from.
    class_names : tuple of str or None
        Class names of a dataset made of arrays, which its temporary files do not contain.
    checksum : str
        Expected checksum of the data.
    n_workers : int
        Number of runs that are executed at once, on all machines: each may use that part of the cores of its machine.
    """

    version: str
    source: DataSource
    class_names: tuple[str, ...] | None
    checksum: str
    n_workers: int = 1


def execute_job(job: WorkerJob, spec: RunSpec) -> Record:
    """Execute a run on this worker, with its part of the cores.

    Not all workers are told how many threads to use. Loky sets ``OMP_NUM_THREADS`` to the cores divided by the number
    of workers, but does not replace a value that the parent has set; Dask's nannies set it to 1; Dask's workers without
    a nanny have no limit. On several machines, the part is smaller than it could be.

    Parameters
    ----------
    job : WorkerJob
        The version and the data of the study.
    spec : RunSpec
        The run.

    Returns
    -------
    Record

    Raises
    ------
    WorkerError
        If this worker has another version of fastmlp or other data.
    """
    from fastmlp.model import compilation  # imports Numba

    if job.version != __version__:
        remedy = f'install the same version on every worker: pip install "fastmlp=={job.version}"'
        raise WorkerError(f"{_worker_name()} has fastmlp {__version__}, the study has {job.version}; {remedy}")
    with _load_lock:  # a worker may have several threads
        dataset = _load(job)
    n_cores = min(available_cores(), physical_cores(affinity()))
    # The parent has announced and compiled the kernels; a worker on another machine compiles them once more.
    with compilation.silent(), limited_to(max(1, n_cores // job.n_workers)):
        return execute(spec, dataset)


@lru_cache(maxsize=1)
def _load(job: WorkerJob) -> Dataset:
    source = job.source
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LeftOutWarning)  # the user has loaded the same data, and been told
        dataset = load_data(source.name_or_path, source.data_dir, **source.keywords())
    if job.class_names != dataset.class_names:
        dataset = dataset.replace(class_names=job.class_names)
    if dataset.checksum() != job.checksum:
        raise WorkerError(
            f"{_worker_name()} has other data at {source.name_or_path} ({source.data_dir}) than the study; copy "
            "the study's data there"
        )
    return dataset


def _worker_name() -> str:
    return f"the worker on {platform.node()} (process {os.getpid()})"
