"""The kernels that a network needs: which are not compiled yet, a line that says so, and their compilation."""

import logging
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from itertools import pairwise, product
from threading import Lock
from time import perf_counter
from typing import Any, NamedTuple

import numba
import numpy as np

from fastmlp.codegen.indirect import Implementation
from fastmlp.codegen.jit import is_cached
from fastmlp.config import Config
from fastmlp.data.check import read_only
from fastmlp.kernels.epoch import train_chunk
from fastmlp.kernels.implementations import (
    CONVERSIONS,
    SCALE,
    for_prediction,
    for_samples,
    for_training,
    sparse_predict,
)
from fastmlp.kernels.layout import SAMPLE_DTYPES, DataArrays, NetworkArrays, OptimizerState, ParamArrays
from fastmlp.kernels.predict import bits_differ, predict_chunk
from fastmlp.model.kernel_args import Targets
from fastmlp.settings import ACTIVATIONS, BF16_TERMS, LOSSES, OPTIMIZERS, dropped_draws, uses_bf16

LOGGER = logging.getLogger("fastmlp")
#: Estimated seconds of compilation, in all, from which a line is printed.
ANNOUNCED_S = 1.0
#: Seconds that kernels take to compile on one core of a Zen 5, with Python 3.11; those not listed: 0.03 to 0.19.
SECONDS = {
    "train_chunk": 2.1,
    "bf16_fused_update_forward": 1.6,
    "bf16_update": 1.2,
    "bf16_backward": 1.2,
    "bf16_forward": 1.0,
    "sparse_update_forward": 0.8,
    "clipped_update": 0.6,
    "predict_chunk": 0.45,
    "product_block": 0.4,
    "product_descent": 0.4,
}
OTHER_SECONDS = 0.07
#: Seconds of `_python_s` on that core: compilation is as slow as other Python code, of which it is one half.
PYTHON_S = 0.38e-3


class Kernel(NamedTuple):
    """A kernel for parameters of a dtype, which Python or other kernels call.

    Attributes
    ----------
    name : str
        Its name, unique among those of a dtype.
    dtype : str
        float32 or float64.
    is_ready : callable
        Whether it is compiled, in this process or on disk, given the dtype.
    load : callable
        Load or compile it, given the dtype.
    """

    name: str
    dtype: str
    is_ready: Callable[[str], bool]
    load: Callable[[str], object]


def run_kernels(
    config: Config,
    sizes: tuple[int, ...] | None,
    batch_size: int,
    samples: Iterable[str],
    evaluated: Iterable[str] = (),
    updates: bool = True,
    is_sparse: bool = False,
) -> list[Kernel]:
    """The kernels of a training, and of the evaluation of the network.

    Parameters
    ----------
    config : Config
        The settings, with the precision resolved.
    sizes : tuple of int or None
        Numbers of features, of units of each hidden layer and of outputs, by which layers are computed in bf16 or not;
        without them, all kernels of the precision are returned.
    batch_size : int
        Number of samples in a full batch.
    samples, evaluated : iterable of str
        Dtypes of the samples that are trained on, and of those that outputs are computed for. Others than those of
        `SAMPLE_DTYPES`, which are refused with the samples, are ignored.
    updates : bool
        Whether a step updates the weights, or stores the gradient.
    is_sparse : bool
        Whether the samples are sparse, and reach the kernels as they are.

    Examples
    --------
    >>> kernels = run_kernels(Config(), (64, 100, 10), 64, ["float32"])
    >>> "update_sgd" in {kernel.name for kernel in kernels}
    True
    """
    bf16 = config.precision in BF16_TERMS
    if sizes is not None:
        bf16 = bf16 and any(uses_bf16(*pair, batch_size) for pair in pairwise(sizes[is_sparse:]))
    samples, evaluated = ([name for name in names if name in SAMPLE_DTYPES] for names in (samples, evaluated))
    choices = [implementations_of(config, bf16, updates), *(for_samples(name, is_sparse) for name in samples)]
    kernels = [_of(implementation, config.dtype) for choice in choices for implementation in choice.values()]
    kernels.append(_entry_points(config.dtype)["train_chunk"])
    if evaluated:
        kernels += prediction_kernels(config.activation, config.loss, config.dtype, *evaluated, is_sparse=is_sparse)
    return unique(kernels)


def implementations_of(config: Config, bf16: bool, updates: bool = True) -> dict[int, Implementation]:
    """The kernels that training calls by their address, but those for the samples, see `for_training`."""
    return for_training(
        config.activation,
        config.loss,
        config.optimizer,
        clips=config.clip_norm > 0,
        drops_out=dropped_draws(config.dropout) > 0,
        smooths=config.label_smoothing > 0,
        bf16=bf16,
        updates=updates,
    )


@cache
def prediction_kernels(
    activation: str, loss: str, dtype: str, *samples: str, is_sparse: bool = False
) -> tuple[Kernel, ...]:
    """The kernels that compute outputs for samples of some dtypes."""
    choice = [*for_prediction(activation, loss).values()]
    for name in samples:
        choice += [CONVERSIONS[name], sparse_predict] if is_sparse else [SCALE[name]]
    entries = _entry_points(dtype)
    return *(_of(kernel, dtype) for kernel in choice), entries["predict_chunk"], entries["bits_differ"]


def all_kernels(bf16: bool) -> list[Kernel]:
    """The kernels of all networks, in both dtypes; those of bf16 products only if asked for."""
    kernels: list[Kernel] = []
    for dtype, activation, loss, optimizer in product(("float32", "float64"), ACTIVATIONS, LOSSES, OPTIMIZERS):
        for clips in (False, True):
            choice = for_training(
                activation, loss, optimizer, clips=clips, drops_out=True, smooths=True, bf16=bf16 and dtype == "float32"
            )
            kernels += [_of(implementation, dtype) for implementation in choice.values()]
    for dtype in ("float32", "float64"):
        for name in SAMPLE_DTYPES:
            choices = for_samples(name), for_samples(name, is_sparse=True)
            kernels += [_of(kernel, dtype) for choice in choices for kernel in choice.values()]
            kernels += [_of(SCALE[name], dtype), _of(sparse_predict, dtype)]
        kernels += _entry_points(dtype).values()
    return unique(kernels)


def unique(kernels: Iterable[Kernel]) -> list[Kernel]:
    """The kernels, each once, by their dtypes."""
    return sorted({kernel[:2]: kernel for kernel in kernels}.values(), key=lambda kernel: kernel.dtype)


def missing(kernels: Iterable[Kernel]) -> list[Kernel]:
    """Those that are not compiled yet, neither in this process nor on disk."""
    return [kernel for kernel in kernels if not kernel.is_ready(kernel.dtype)]


def prepare(kernels: Iterable[Kernel]) -> None:
    """Load the kernels, and compile the missing ones, which is announced if it takes long."""
    kernels = list(kernels)
    announce(kernels)
    for kernel in kernels:
        kernel.load(kernel.dtype)


def announce(kernels: Iterable[Kernel]) -> None:
    """Say once that kernels are about to be compiled, if that takes longer than a second.

    The line is a warning of the logger ``fastmlp``, which without any configuration goes to stderr. A Python warning
    would be an exception where warnings are errors, as in many test suites, and would name a line of the caller's code
    that is not to blame. But where a filter ignores all Python warnings, the line is not printed either.

    Parameters
    ----------
    kernels : iterable of Kernel
        Those that a network needs. Those that this function has been called with before are not announced again.
    """
    kernels = [kernel for kernel in kernels if kernel[:2] not in _announced]  # 1 us for those of a prediction
    if not kernels:
        return
    with _lock:
        new = missing(kernel for kernel in kernels if kernel[:2] not in _announced)
        _announced.update(kernel[:2] for kernel in kernels)
    if new and not _is_silent.get() and not _warnings_are_ignored():
        seconds = estimated_seconds(new)
        if seconds > ANNOUNCED_S:
            LOGGER.warning("%s", description(new, seconds))


def description(kernels: list[Kernel], seconds: float) -> str:
    """The line that says which kernels are compiled, and about how long that takes."""
    dtypes = " and ".join(sorted({kernel.dtype for kernel in kernels}))
    number = f"{len(kernels)} kernel{'s' if len(kernels) > 1 else ''}"
    return f"fastmlp compiles {number} for {dtypes} (about {seconds:.0f} s, once per machine)"


def estimated_seconds(kernels: Iterable[Kernel]) -> float:
    """About how long it takes to compile kernels, on this machine."""
    return sum(SECONDS.get(kernel.name, OTHER_SECONDS) for kernel in kernels) * min(map(_python_s, range(5))) / PYTHON_S


@contextmanager
def silent() -> Iterator[None]:
    """Announce nothing in this block, in this thread."""
    token = _is_silent.set(True)
    try:
        yield
    finally:
        _is_silent.reset(token)


_is_silent = ContextVar("_is_silent", default=False)
_lock = Lock()
#: Name and dtype of the kernels that `announce` has been called with.
_announced: set[tuple[object, ...]] = set()


def _warnings_are_ignored() -> bool:
    """Whether Python's first filter for all warnings of users' code ignores them."""
    for action, message, category, module, _ in warnings.filters:
        if message is None and module is None and issubclass(UserWarning, category):
            return action == "ignore"
    return False


def _python_s(_: int) -> float:
    """Seconds that this thread takes for a short piece of Python code."""
    start, numbers = perf_counter(), {}
    for i in range(10_000):
        numbers[i & 63] = (i, str)
    return perf_counter() - start


@cache
def _of(implementation: Implementation, dtype: str) -> Kernel:
    return Kernel(implementation.name, dtype, implementation.is_ready, implementation.address)


@cache
def _entry_points(dtype: str) -> dict[str, Kernel]:
    """The kernels that Python calls, by name."""
    real, numbers, integers = np.zeros(1, dtype), np.zeros(1), np.zeros(1, np.int64)
    X, table, outputs = read_only(np.zeros(1, np.uint8)), np.zeros((1, 1), np.int64), np.zeros((1, 1), dtype)
    int32s = np.zeros(1, np.int32)
    net = NetworkArrays(ParamArrays(real, real, real, real), table, real, integers, integers, int32s)
    data = DataArrays(X, 1, 1, real, real, read_only(integers), read_only(int32s))
    targets = Targets(int32s, outputs, numbers)
    state = OptimizerState(numbers, numbers, real)
    bits = read_only(integers.copy())
    arguments = {
        train_chunk: (data, targets, int32s, net, state, numbers, integers),
        predict_chunk: (X, real, table, outputs, outputs, numbers, real, (0, 0, 1, 0, 0, 0)),
        bits_differ: (bits, bits),
    }
    return {entry.__name__: _entry_point(entry, dtype, given) for entry, given in arguments.items()}


def _entry_point(entry: Any, dtype: str, arguments: tuple[Any, ...]) -> Kernel:
    """An entry point for arguments of these types."""
    types = tuple(map(numba.typeof, arguments))
    return Kernel(entry.__name__, dtype, lambda _: is_cached(entry, arguments), lambda _: entry.compile(types))
