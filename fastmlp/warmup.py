"""Compiles both doors for a precision before they are needed, or finds them on disk."""

from time import perf_counter
from typing import Any

import numpy as np

from fastmlp.config import Config
from fastmlp.handover import Targets, first_powers, hyper_of, integers_of
from fastmlp.jit import is_kept
from fastmlp.kernels.epoch import predict_stretch, train_stretch
from fastmlp.kernels.sampling import UINT8
from fastmlp.params import Params
from fastmlp.precision import require_unit
from fastmlp.rules import Precision, dtype_of
from fastmlp.workspace import Workspace


def _arguments(precision: Precision) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The smallest arguments that both doors accept: two samples of one feature."""
    dtype, config = dtype_of(precision), Config(hidden=(), precision=precision)
    params = Params((1, 2), dtype)
    workspace = Workspace(params, config, 2)
    octets = np.zeros(2, np.uint8)
    octets.flags.writeable = False
    factor, empty = np.zeros(params.theta.size, dtype), np.zeros(0, dtype)
    targets = tuple(Targets.of(np.zeros(2, np.int32), config))
    data, rows = (octets, 1, UINT8, factor, factor), np.zeros(2, np.int32)
    common = data, targets, rows, (params.theta, empty, empty, empty), workspace.tables
    training = (
        *common, hyper_of(config, 0.0), first_powers(), workspace.coefficients, np.zeros(3), integers_of(config, 0, 1),
        workspace.unit,
    )  # fmt: skip
    predicting = (*common, workspace.coefficients, np.zeros((2, 2), dtype), np.zeros(2), 0, 2)
    return training, predicting


def is_warm(precision: Precision) -> bool:
    """Whether the kernels for a precision are compiled already, in this process or on disk.

    Parameters
    ----------
    precision : str
        As `warmup` takes it.

    Returns
    -------
    bool
    """
    training, predicting = _arguments(precision)
    return is_kept(train_stretch, training) and is_kept(predict_stretch, predicting)


def warmup(precision: Precision = "float32") -> float:
    """Compile the kernels for a precision, or load them from disk, by training and predicting two samples.

    One compilation serves every network, optimizer and type of input; one serves bf16x3, bf16x2 and bf16.

    Parameters
    ----------
    precision : str
        One that a run is done in, so not ``"auto"``.

    Returns
    -------
    float
        The seconds that it took.

    Raises
    ------
    ConfigError
        If the precision is none of this machine's.

    Examples
    --------
    >>> seconds = warmup("float32")
    >>> is_warm("float32")
    True
    """
    require_unit(precision)
    start = perf_counter()
    training, predicting = _arguments(precision)
    train_stretch(*training)
    predict_stretch(*predicting)
    return perf_counter() - start
