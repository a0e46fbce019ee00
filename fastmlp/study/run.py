"""Executing one run of a study, and the record of its result."""

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
    """Result of a run, serialisable as JSON.

    Attributes
    ----------
    setting : dict
        The fields of the config that this setting changes.
    repeat : int
        Counted from 0.
    seed : int
        Seed of the initial weights and the batches; all settings of a repeat share it.
    status : str
        finished, or diverged: a loss or score was not finite, and history and weights are those of the epochs before.
    seconds : float
        Time of training and evaluation.
    weights_sha256 : str
        Digest of the final weights and biases, see `digest`.
    history : dict of str to list
        One list for each of `History.columns`, with one value per epoch.
    """

    setting: dict[str, Any]
    repeat: int
    seed: int
    status: Literal["finished", "diverged"]
    seconds: float
    weights_sha256: str
    history: dict[str, list[float]]


def execute(spec: RunSpec, dataset: Dataset, progress: Callable[[Progress], None] | None = None) -> Record:
    """Execute one run. A run that diverges has a record too.

    Parameters
    ----------
    spec : RunSpec
        The run.
    dataset : Dataset
        Training and test set; several threads may share it.
    progress : callable, optional
        See `fastmlp.train`; an exception that it raises ends the run.

    Returns
    -------
    Record

    Raises
    ------
    WorkerError
        If this machine lacks the bf16 instructions that the precision of the study requires.
    """
    start = perf_counter()
    _, reason = resolve(spec.config, dataset.X_train)
    if reason:
        remedy = "remove that worker, or use float32"
        raise WorkerError(f"the precision of the study is not available on {platform.node()}: {reason}; {remedy}")
    status: Literal["finished", "diverged"] = "finished"
    try:
        model, history, _ = train(dataset, spec.config, progress=progress)
    except DivergedError as error:
        status, model, history = "diverged", error.model, error.history
    return Record(
        setting=spec.setting,
        repeat=spec.repeat,
        seed=spec.config.seed,
        status=status,
        seconds=perf_counter() - start,
        weights_sha256=digest(model),
        history=history.to_dict(),
    )


def digest(model: Model) -> str:
    """SHA-256 digest of the weights and biases, layer by layer, without the padding that they have in memory.

    Returns
    -------
    str
        64 hexadecimal digits.

    Examples
    --------
    >>> import fastmlp
    >>> digest(fastmlp.init_model(fastmlp.Config(), n_features=3, n_classes=2))[:8]
    'f153c6f8'
    """
    sha256 = hashlib.sha256()
    for layer in zip(model.weights.read(), model.biases.read(), strict=True):
        for array in layer:
            sha256.update(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).data)
    return sha256.hexdigest()
