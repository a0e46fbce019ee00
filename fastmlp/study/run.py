"""Run: one training run of a study, and what is kept of it. Knows not where it runs nor where its record goes."""

import hashlib
import platform
from collections.abc import Callable
from time import perf_counter
from typing import Any, Literal, TypedDict

import numpy as np

from fastmlp.data import Dataset
from fastmlp.errors import DivergedError, WorkerError
from fastmlp.model.model import Model
from fastmlp.study.plan import RunSpec
from fastmlp.training.history import Progress
from fastmlp.training.loop import train
from fastmlp.training.precision import resolve


class Record(TypedDict):
    """What is kept of a run; all of it fits JSON.

    Attributes
    ----------
    setting : dict
        What varies, as this run had it.
    repeat : int
        From 0.
    seed : int
        Of its initial weights and its batches, shared by the settings of a repeat.
    status : str
        finished, or diverged: then the loss stopped being finite, and what is kept is of the epochs before.
    seconds : float
        That it took, training and evaluation.
    weights_sha256 : str
        Digest of the weights and biases at the end.
    history : dict of str to list
        A list for each of `History.columns`, a value an epoch.
    """

    setting: dict[str, Any]
    repeat: int
    seed: int
    status: Literal["finished", "diverged"]
    seconds: float
    weights_sha256: str
    history: dict[str, list[float]]


def execute(task: RunSpec, dataset: Dataset, progress: Callable[[Progress], None] | None = None) -> Record:
    """Do a run. One whose loss stops being finite has a result too.

    Parameters
    ----------
    task : RunSpec
        Which run.
    dataset : Dataset
        What to train and test on; it may be shared by threads.
    progress : callable, optional
        See `fastmlp.train`; what it raises ends the run.

    Returns
    -------
    Record

    Raises
    ------
    WorkerError
        If this machine lacks the bf16 unit that the study's precision is for.
    """
    start = perf_counter()
    _, reason = resolve(task.config, dataset.X_train)
    if reason:
        remedy = "leave that worker out, or ask for float32"
        raise WorkerError(f"the study's precision cannot be had on {platform.node()}: {reason}; {remedy}")
    status: Literal["finished", "diverged"] = "finished"
    try:
        model, history, _ = train(dataset, task.config, progress=progress)
    except DivergedError as error:
        status, model, history = "diverged", error.model, error.history
    return Record(
        setting=task.setting,
        repeat=task.repeat,
        seed=task.config.seed,
        status=status,
        seconds=perf_counter() - start,
        weights_sha256=digest(model),
        history=history.to_dict(),
    )


def digest(model: Model) -> str:
    """Digest of a network's weights and biases, layer by layer, without the padding they have in memory.

    Returns
    -------
    str
        sha256, as 64 hexadecimal digits.

    Examples
    --------
    >>> import fastmlp
    >>> digest(fastmlp.init_model(fastmlp.Config(), n_features=3, n_classes=2))[:8]
    'f153c6f8'
    """
    total = hashlib.sha256()
    for layer in zip(model.weights, model.biases, strict=True):
        for array in layer:
            total.update(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).data)
    return total.hexdigest()
