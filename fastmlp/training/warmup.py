"""Compilation of the kernels for a precision ahead of their first use."""

from time import perf_counter
from typing import Any

import numpy as np

from fastmlp.codegen.cpu import LINE_BYTES
from fastmlp.codegen.jit import is_cached
from fastmlp.config import Config
from fastmlp.data.check import read_only
from fastmlp.kernels.epoch import train_chunk
from fastmlp.kernels.layout import DataArrays, OptimizerState, ParamArrays
from fastmlp.kernels.predict import N_ENTRIES, bits_differ, predict_chunk
from fastmlp.kernels.sampling import UINT8
from fastmlp.model.kernel_args import Targets, hyperparameters_of, initial_powers, integers_of
from fastmlp.model.params import Params
from fastmlp.model.workspace import Workspace
from fastmlp.settings import Precision, dtype_of
from fastmlp.training.precision import check_precision_available


def _training_arguments(precision: Precision) -> tuple[Any, ...]:
    """Minimal arguments of `train_chunk`: two samples of one feature."""
    dtype, config = dtype_of(precision), Config(hidden=(), precision=precision)
    params = Params((1, 2), dtype)
    workspace = Workspace(params, config, 2)
    X = np.zeros(2, np.uint8)
    X.flags.writeable = False
    factor, empty = np.zeros(params.theta.size, dtype), np.zeros(0, dtype)
    net = workspace.networks(ParamArrays(params.theta, empty, empty, empty))[0]
    shared = DataArrays(X, 1, UINT8, factor, factor), Targets.of(np.zeros(2, np.int32), config), np.zeros(2, np.int32)
    state = OptimizerState(hyperparameters_of(config, 0.0), initial_powers(), workspace.coefficients[0])
    return *shared, net, state, np.zeros(3), integers_of(config, 0, 1), workspace.bf16


def _prediction_arguments(precision: Precision) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Minimal arguments of `predict_chunk`, for no samples, and of `bits_differ`."""
    dtype = dtype_of(precision)
    bytes_of_sample, bits = read_only(np.zeros(1, np.uint8)), read_only(np.zeros(1, np.int64))
    work, outputs, tables = np.zeros(LINE_BYTES, dtype), np.zeros((1, 1), dtype), np.ones((3, N_ENTRIES), np.int64)
    return (bytes_of_sample, work, tables, outputs, outputs, np.zeros(0), work, (0, 0, 1, UINT8)), (bits, bits)


def _calls(precision: Precision) -> tuple[tuple[Any, tuple[Any, ...]], ...]:
    """The entry points and minimal arguments of each."""
    prediction, comparison = _prediction_arguments(precision)
    return (train_chunk, _training_arguments(precision)), (predict_chunk, prediction), (bits_differ, comparison)


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
    return all(is_cached(entry, arguments) for entry, arguments in _calls(precision))


def warmup(precision: Precision = "float32") -> float:
    """Compile the kernels for a precision, or load them from the cache on disk, by calling them.

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
    for entry, arguments in _calls(precision):
        entry(*arguments)
    return perf_counter() - start
