"""Compilation of the kernels for a precision ahead of their first use."""

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
from fastmlp.training.precision import check_precision_available


def _arguments(precision: Precision) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Minimal arguments of the entry points `train_chunk` and `predict_chunk`: two samples of one feature."""
    dtype, config = dtype_of(precision), Config(hidden=(), precision=precision)
    params = Params((1, 2), dtype)
    workspace = Workspace(params, config, 2)
    X = np.zeros(2, np.uint8)
    X.flags.writeable = False
    factor, powers = np.zeros(params.theta.size, dtype), initial_powers()
    targets = Targets.of(np.zeros(2, np.int32), config)
    net = workspace.network(arrays_for_prediction(params.theta))
    shared = DataArrays(X, 1, UINT8, factor, factor), targets, np.zeros(2, np.int32), net
    state = OptimizerState(hyperparameters_of(config, 0.0), powers, workspace.coefficients)
    training = *shared, state, np.zeros(3), integers_of(config, 0, 1), workspace.bf16
    prediction = *shared, workspace.coefficients, np.zeros((2, 2), dtype), np.zeros(2), (0, 2)
    return training, prediction


def is_warm(precision: Precision) -> bool:
    """Whether the kernels for a precision are compiled already, in this process or in the cache on disk.

    Parameters
    ----------
    precision : str
        A precision as for `warmup`.

    Returns
    -------
    bool
        True if `warmup` would compile nothing.
    """
    training, prediction = _arguments(precision)
    return is_cached(train_chunk, training) and is_cached(predict_chunk, prediction)


def warmup(precision: Precision = "float32") -> float:
    """Compile the kernels for a precision, or load them from the cache on disk, by training and predicting two samples.

    One compilation serves all networks, optimizers and dtypes of the input; bf16x3, bf16x2 and bf16 share one.

    Parameters
    ----------
    precision : str
        The precision. ``"auto"`` must be resolved first, see `fastmlp.training.precision.resolve`.

    Returns
    -------
    float
        Seconds that it took.

    Raises
    ------
    ConfigError
        If the precision is ``"auto"`` or not available on this machine.

    Examples
    --------
    >>> seconds = warmup("float32")
    >>> is_warm("float32")
    True
    """
    check_precision_available(precision)
    start = perf_counter()
    training, prediction = _arguments(precision)
    train_chunk(*training)
    predict_chunk(*prediction)
    return perf_counter() - start
