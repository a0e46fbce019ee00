"""Worker: a run in another process, on this machine or a far one, which loads the data itself, once."""

import os
import platform
from functools import lru_cache
from threading import Lock
from typing import NamedTuple

from fastmlp.data import Dataset, load_data
from fastmlp.data.dataset import DataSource
from fastmlp.errors import WorkerError
from fastmlp.study.plan import RunSpec
from fastmlp.study.run import Record, execute
from fastmlp.version import __version__

_loading = Lock()


class WorkerJob(NamedTuple):
    """What a worker is told beside the run: a few hundred bytes, and never the data itself.

    Attributes
    ----------
    version : str
        Of fastmlp, which the worker must have too.
    source : DataSource
        Where the data lies.
    class_names : tuple of str or None
        Of data that was arrays, whose files have no place for them.
    checksum : str
        What the data must come to.
    """

    version: str
    source: DataSource
    class_names: tuple[str, ...] | None
    checksum: str


def execute_job(order: WorkerJob, task: RunSpec) -> Record:
    """Do a run.

    Parameters
    ----------
    order : WorkerJob
        On what.
    task : RunSpec
        Which run.

    Returns
    -------
    Record

    Raises
    ------
    WorkerError
        If this worker has another version of fastmlp, or other data.
    """
    if order.version != __version__:
        remedy = f'install the same on every worker: pip install "fastmlp=={order.version}"'
        raise WorkerError(f"{_name()} has fastmlp {__version__}, the study {order.version}; {remedy}")
    with _loading:  # a worker may have several threads
        dataset = _load(order)
    return execute(task, dataset)


@lru_cache(maxsize=1)
def _load(order: WorkerJob) -> Dataset:
    place, folder, target, scale, task = order.source
    dataset = load_data(place, folder, target=target, scale=scale, task=task)
    if order.class_names != dataset.class_names:
        dataset = dataset.replace(class_names=order.class_names)
    if dataset.checksum() != order.checksum:
        raise WorkerError(f"{_name()} finds other data at {place} ({folder}) than the study trains on; copy it there")
    return dataset


def _name() -> str:
    return f"the worker on {platform.node()} (process {os.getpid()})"
