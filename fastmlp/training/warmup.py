"""Compiles both doors for a precision before they are needed, or finds them on disk."""

from time import perf_counter
from typing import Any

import numpy as np

from fastmlp.codegen.jit import is_cached
from fastmlp.config import Config
from fastmlp.kernels.epoch import predict_chunk, train_chunk
from fastmlp.kernels.layout import DataArrays, OptimizerState
from fastmlp.kernels.sampling import UINT8
from fastmlp.model.kernel_args import (
    Targets,
    arrays_for_prediction,
    hyperparameters_of,
    initial_powers,
    integers_of,
)
from fastmlp.model.params import Params
from fastmlp.model.workspace import Workspace
from fastmlp.settings import Precision, dtype_of
from fastmlp.training.precision import require_precision


def _arguments(precision: Precision) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The smallest arguments of both entry points: two samples of one feature."""
    dtype, config = dtype_of(precision), Config(hidden=(), precision=precision)
    params = Params((1, 2), dtype)
    workspace = Workspace(params, config, 2)
    X = np.zeros(2, np.uint8)
    X.flags.writeable = False
    factor, powers = np.zeros(params.theta.size, dtype), initial_powers()
    targets = Targets.of(np.zeros(2, np.int32), config)
    net = workspace.network(arrays_for_prediction(params.theta))
    common = DataArrays(X, 1, UINT8, factor, factor), targets, np.zeros(2, np.int32), net
    state = OptimizerState(hyperparameters_of(config, 0.0), powers, workspace.coefficients)
    training = *common, state, np.zeros(3), integers_of(config, 0, 1), workspace.bf16
    predicting = *common, workspace.coefficients, np.zeros((2, 2), dtype), np.zeros(2), (0, 2)
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
    return is_cached(train_chunk, training) and is_cached(predict_chunk, predicting)


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
    require_precision(precision)
    start = perf_counter()
    training, predicting = _arguments(precision)
    train_chunk(*training)
    predict_chunk(*predicting)
    return perf_counter() - start
