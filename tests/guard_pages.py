"""Train and predict with an inaccessible page beside each buffer of the kernels: the first access beyond a buffer ends
the process.

``python guard_pages.py end 40`` runs 40 random networks with a page after the end of each buffer, ``start`` with one
before its start. Each network is printed before it runs. With the name of a buffer as third argument, that buffer is
damaged, to see that an access beyond it is noticed.

NUMBA_BOUNDSCHECK checks the indices of arrays alone. Inside kernels arrays are pointers, which only the memory
protection of the operating system can check.
"""

import argparse
import ctypes
import math
import mmap
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, get_args

import numpy as np

import fastmlp
from fastmlp import Config, Dataset
from fastmlp.codegen.amx import unavailable_reason
from fastmlp.codegen.cpu import panel_bytes
from fastmlp.model import predictor as predictor_module
from fastmlp.settings import ACTIVATIONS, BF16_TERMS, LOSSES, OPTIMIZERS, Dtype
from fastmlp.training import trainer as trainer_module

PROT_NONE = 0
#: Damage to a buffer, by its name: so that kernels access what is beyond it.
DAMAGE: dict[str, Callable[[Any], Any]] = {
    "theta": lambda theta: theta[: theta.size // 2],
    "factor": lambda factor: factor[:1],
    "order": lambda order: order - 1,
    "labels": lambda labels: labels[: labels.size // 2],
}


def protected_memory(n_bytes: int) -> tuple[mmap.mmap, int]:
    """Whole pages for n_bytes between two pages that cannot be accessed, and the number of bytes of all three."""
    n_pages = max(1, math.ceil(n_bytes / mmap.PAGESIZE)) + 2
    memory = mmap.mmap(-1, n_pages * mmap.PAGESIZE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    for page in (0, n_pages - 1):
        start = ctypes.c_void_p(address + page * mmap.PAGESIZE)
        if libc.mprotect(start, ctypes.c_size_t(mmap.PAGESIZE), PROT_NONE) != 0:
            raise OSError(ctypes.get_errno(), "mprotect failed")
    return memory, n_pages * mmap.PAGESIZE


def guarded(array: Any, side: str) -> Any:
    """A copy of an array whose last byte (side "end") or first byte ("start") is next to an inaccessible page."""
    memory, n_bytes = protected_memory(array.nbytes)
    first = mmap.PAGESIZE if side == "start" else n_bytes - mmap.PAGESIZE - array.nbytes
    copy: Any = np.ndarray(array.shape, array.dtype, memory, first)
    copy[...] = array
    return copy


def guarded_samples(X: Any, side: str, gap: int) -> Any:
    """A guarded copy of samples with a gap of some elements between each row and the next; none follows the last."""
    wide = np.zeros((len(X), X.shape[1] + gap), X.dtype)
    wide[:, : X.shape[1]] = X
    memory = guarded(wide.ravel()[: wide.size - gap], side)
    return np.lib.stride_tricks.as_strided(memory, X.shape, wide.strides)


class Guards:
    """Replaces the arguments of a call into the kernels by guarded copies; afterwards, their content is copied back."""

    def __init__(self, side: str, damaged: str | None) -> None:
        self.side, self.damaged, self.n_calls = side, damaged, 0
        self.copies: list[tuple[Any, Any]] = []

    def replaced(self, argument: Any, name: str = "") -> Any:
        if isinstance(argument, tuple):
            names = getattr(argument, "_fields", [""] * len(argument))
            parts = [self.replaced(part, field) for part, field in zip(argument, names, strict=True)]
            return type(argument)(*parts) if hasattr(argument, "_fields") else tuple(parts)
        if not isinstance(argument, np.ndarray) or not argument.flags.writeable:  # X is read-only, and guarded already
            return argument
        copy = guarded(argument, self.side)
        self.copies.append((argument, copy))
        is_order = name == "" and argument.dtype == np.int32
        name = "order" if is_order else name
        return guarded(DAMAGE[name](copy), self.side) if name == self.damaged else copy

    def wrap(self, kernel: Any) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self.n_calls += 1
            result = kernel(*self.replaced(arguments))
            for array, copy in self.copies:
                array[...] = copy
            self.copies.clear()
            return result

        return call

    @contextmanager
    def installed(self) -> Iterator[None]:
        kernels = trainer_module.train_chunk, predictor_module.predict_chunk
        trainer_module.train_chunk, predictor_module.predict_chunk = map(self.wrap, kernels)
        try:
            yield
        finally:
            trainer_module.train_chunk, predictor_module.predict_chunk = kernels


#: Those that this CPU computes in. Some of the networks have layers large enough for bf16.
PRECISIONS = (*get_args(Dtype), *(() if unavailable_reason() else BF16_TERMS))


def random_config(source: random.Random) -> Config:
    """A config whose sizes are rarely multiples of a tile or of a vector."""
    loss, clips = source.choice(list(LOSSES)), source.random() < 0.3
    hidden = [source.choice([1, 2, 15, 16, 17, source.randint(1, 90)]) for _ in range(source.randint(0, 3))]
    return Config(
        hidden=hidden,
        loss=loss,
        activation=source.choice(list(ACTIVATIONS)),
        optimizer=source.choice(list(OPTIMIZERS)),
        precision=source.choice(PRECISIONS),
        batch_size=source.choice([1, 2, 7, 16, 33, source.randint(1, 70)]),
        dropout=source.choice([0.0, 0.3]),
        clip_norm=0.5 if clips else 0.0,
        label_smoothing=0.1 if loss == "binary_cross_entropy" or loss == "cross_entropy" else 0.0,
        l2=source.choice([0.0, 0.01]),
        l2_scale=source.choice(["step", "batch"]),
        weight_decay=source.choice([0.0, 0.01]),
        learning_rate=1e-3,
        n_epochs=1,
        shuffle=source.random() < 0.7,
        seed=source.randint(0, 99),
    )


def random_samples(source: random.Random, config: Config) -> tuple[Any, int]:
    """Samples, and the number of elements between their rows in memory."""
    panel = panel_bytes(config.batch_size) // np.dtype(config.dtype).itemsize
    n_features = source.choice([1, 3, 15, 17, 63, 64, 65, source.randint(1, 300), panel - 1, panel + 3])
    numbers = np.random.default_rng(source.randint(0, 999))
    X = numbers.integers(0, 256, (source.choice([129, source.randint(3, 80)]), n_features))
    dtype = source.choice(["uint8", "float32", "float64"])
    return (X if dtype == "uint8" else X / 256).astype(dtype), source.choice([0, 0, 1, 5])


def random_targets(source: random.Random, n_samples: int, loss: str) -> tuple[Any, str]:
    """Targets and their task."""
    numbers, n_outputs = np.random.default_rng(source.randint(0, 999)), source.choice([1, 2, 3, 10, 16, 17, 33])
    if loss == "cross_entropy":
        return np.arange(n_samples) % max(2, n_outputs), "classification"
    if loss == "binary_cross_entropy":
        return numbers.integers(0, 2, (n_samples, n_outputs)), "multilabel"
    return numbers.poisson(1.0, (n_samples, n_outputs)).astype(float), "regression"


def run(config: Config, X: Any, gap: int, y: Any, task: str, weights: Any, guards: Guards | None) -> list[Any]:
    """Trained parameters and predictions; with guards, of samples that are guarded too."""
    n_test = 1 + len(X) // 3
    train, test = (part if guards is None else guarded_samples(part, guards.side, gap) for part in (X, X[:n_test]))
    dataset = Dataset(train, y, test, y[:n_test], "none", task=task, weight_train=weights)
    assert np.shares_memory(dataset.X_train, train)
    try:
        model = fastmlp.train(dataset, config).model
    except fastmlp.DivergedError as error:
        model = error.model
    return [model.params.theta, model.predict(test)]


def main(side: str, n_networks: int, damaged: str | None = None) -> None:
    warnings.simplefilter("ignore")  # of batches larger than the data
    for index in range(n_networks):
        source = random.Random(index)
        config = random_config(source) if damaged is None else Config(hidden=(20,), shuffle=False, n_epochs=1)
        X, gap = random_samples(source, config)
        y, task = random_targets(source, len(X), config.loss)
        weights = source.choice([None, np.arange(1.0, len(X) + 1)])
        print(f"{index}: X {X.shape} {X.dtype}, gap {gap}, y {y.shape}, weights {weights is not None}, {config}")
        sys.stdout.flush()
        ref, guards = run(config, X, gap, y, task, weights, None), Guards(side, damaged)
        with guards.installed():
            got = run(config, X, gap, y, task, weights, guards)
        assert guards.n_calls >= 3  # training, evaluation, prediction
        for array, expected in zip(got, ref, strict=True):
            np.testing.assert_array_equal(array, expected)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("side", choices=["start", "end"], help="side of the buffers on which the pages are")
    parser.add_argument("n_networks", type=int, help="number of random networks")
    parser.add_argument("damaged", nargs="?", help="name of a buffer to damage")
    given = parser.parse_args()
    main(given.side, given.n_networks, given.damaged)
