"""Benchmark cases: the networks that are trained or predict, and the arrays that every rival is given.

One table of cases serves the comparisons and the suites.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

#: Samples that `Workload.loss` is computed over; ten times as many give no better check.
N_LOSS_SAMPLES = 1000
#: Pixels to network input, as fastmlp scales uint8.
SCALE = 1 / 255
#: Alignment of the samples in bytes. JAX copies an array that is not aligned to 64 bytes.
ALIGNMENT = 64
#: Largest difference of a predicted probability from that in float64, relative to it.
PREDICTION_TOLERANCE = 1e-5


class PredictionError(AssertionError):
    """Predicted probabilities differ from those in float64, so that the times of rivals cannot be compared."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A network and its training settings: sigmoid layers, softmax, cross-entropy, float32."""

    sizes: tuple[int, ...]
    batch_size: int
    n_samples: int
    optimizer: str = "sgd"
    learning_rate: float = 0.3
    l2: float = 0.0

    @property
    def name(self) -> str:
        return "-".join(map(str, self.sizes)) + f" {self.optimizer}"

    @property
    def n_steps(self) -> int:
        """Steps per epoch."""
        return -(-self.n_samples // self.batch_size)

    @property
    def flops(self) -> int:
        """Useful floating-point operations per epoch: three products per layer, two in the first.

        The first layer needs no gradient of its input.
        """
        layers = [fan_in * fan_out for fan_in, fan_out in pairwise(self.sizes)]
        return self.n_samples * (6 * sum(layers) - 2 * layers[0])

    @property
    def prediction_flops(self) -> int:
        """Useful floating-point operations of a prediction for all samples: one product per layer."""
        return 2 * self.n_samples * sum(fan_in * fan_out for fan_in, fan_out in pairwise(self.sizes))


#: By name. The loss of the large one rises to 7 within 40 steps at a rate of 0.1, where rounding errors grow until bf16
#: differs by 2 %. An epoch of tiny and small has a thousand steps, which is long enough to time; mnist and paper have
#: as many samples as MNIST and CIFAR-10.
CASES = {
    "tiny": Case(sizes=(64, 32, 10), batch_size=32, n_samples=32_000),
    "small": Case(sizes=(64, 100, 100, 10), batch_size=64, n_samples=64_000),
    "mnist": Case(sizes=(784, 128, 10), batch_size=128, n_samples=60_000),
    "paper": Case(sizes=(3072, 100, 100, 10), batch_size=64, n_samples=50_000),
    "paper-adam": Case(
        sizes=(3072, 100, 100, 10), batch_size=64, n_samples=50_000, optimizer="adam", learning_rate=0.001
    ),
    "large": Case(sizes=(3072, 1024, 1024, 10), batch_size=256, n_samples=10_000, learning_rate=0.01),
}


@dataclass(frozen=True)
class Workload:
    """A case with its data, initial weights and orders of the samples, which are the same for every rival."""

    case: Case
    X: NDArray[np.uint8]
    y: NDArray[np.int32]
    weights: list[Floats]
    biases: list[Floats]
    #: (n_epochs, n_samples) int32
    orders: NDArray[np.int32]
    n_threads: int = 1

    @property
    def n_epochs(self) -> int:
        return len(self.orders)

    @cached_property
    def inputs(self) -> Floats:
        """X scaled to [0, 1] in float32: a copy, aligned to cache lines."""
        memory = np.empty(self.X.size * 4 + ALIGNMENT, np.uint8)
        start = -memory.ctypes.data % ALIGNMENT
        inputs = memory[start : start + self.X.size * 4].view(np.float32).reshape(self.X.shape)
        return np.multiply(self.X, np.float32(SCALE), out=inputs, dtype=np.float32)

    @property
    def calls(self) -> list[Floats]:
        """The samples of each call of a prediction: as many as in a batch."""
        return [self.inputs[i : i + self.case.batch_size] for i in range(0, len(self.X), self.case.batch_size)]

    def batches(self, order: NDArray[np.int32]) -> list[NDArray[np.int32]]:
        """Sample indices of each batch; the last one may be shorter."""
        return [order[i : i + self.case.batch_size] for i in range(0, len(order), self.case.batch_size)]

    def loss(self, weights: list[NDArray], biases: list[NDArray]) -> float:
        """Mean cross-entropy over the first samples, in float64, by which all rivals are validated."""
        log_probs = _log_probs(self.X[:N_LOSS_SAMPLES] * np.float64(SCALE), weights, biases)
        return float(-log_probs[np.arange(len(log_probs)), self.y[: len(log_probs)]].mean())

    def check_predictions(self, predict: Callable[[Floats], NDArray]) -> float:
        """The largest relative difference of the probabilities that `predict` gives from those in float64.

        Raises a PredictionError if it exceeds the tolerance.
        """
        expected = np.exp(_log_probs(self.inputs.astype(np.float64), self.weights, self.biases))
        error = float(np.max(np.abs(np.concatenate([predict(X).copy() for X in self.calls]) / expected - 1)))
        if not error <= PREDICTION_TOLERANCE:
            raise PredictionError(
                f"expected probabilities within {PREDICTION_TOLERANCE:g} (relative) of those in float64, got a "
                f"difference of {error:g}"
            )
        return error

    def save(self, folder: Path) -> None:
        """Write the workload into a new folder."""
        folder.mkdir()
        np.save(folder / "X.npy", self.X)
        np.savez(folder / "rest.npz", *self.weights, *self.biases, y=self.y, orders=self.orders)
        (folder / "case.json").write_text(json.dumps([dataclasses.asdict(self.case), self.n_threads]))

    @classmethod
    def load(cls, folder: Path) -> Workload:
        """Read the workload that `save` wrote."""
        settings, n_threads = json.loads((folder / "case.json").read_text())
        case = Case(**settings | {"sizes": tuple(settings["sizes"])})
        n_layers = len(case.sizes) - 1
        with np.load(folder / "rest.npz") as rest:
            params = [rest[f"arr_{i}"] for i in range(2 * n_layers)]
            y, orders = rest["y"], rest["orders"]
        return cls(case, np.load(folder / "X.npy"), y, params[:n_layers], params[n_layers:], orders, n_threads)


def _log_probs(A: NDArray, weights: list[NDArray], biases: list[NDArray]) -> NDArray:
    """Logarithms of the probabilities in float64: the reference of all rivals."""
    for W, b in zip(weights[:-1], biases[:-1], strict=True):
        A = 1 / (1 + np.exp(-(A @ W.astype(np.float64) + b)))
    logits = A @ weights[-1].astype(np.float64) + biases[-1]
    logits -= logits.max(axis=1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def synthetic_data(n_samples: int, n_features: int, n_classes: int) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Noisy pixels with one pattern per class; a third of the labels is random, so that not all can be learnt."""
    rng = np.random.default_rng(0)
    y = rng.integers(n_classes, size=n_samples, dtype=np.int32)
    patterns = rng.integers(0, 40, size=(n_classes, n_features), dtype=np.uint8)
    X = rng.integers(0, 216, size=(n_samples, n_features), dtype=np.uint8)
    for start in range(0, n_samples, 1000):
        X[start : start + 1000] += patterns[y[start : start + 1000]]
    is_random = rng.random(n_samples) < 1 / 3
    y[is_random] = rng.integers(n_classes, size=is_random.sum(), dtype=np.int32)
    return X, y


def has_cifar10() -> bool:
    """Whether CIFAR-10 is on this machine, in the directory ``FASTMLP_DATA`` or in the user's cache."""
    from fastmlp.data import available

    return any(entry.name == "cifar10" and entry.present for entry in available())


def load_data(case: Case) -> tuple[NDArray[np.uint8], NDArray[np.int32], str]:
    """Samples, labels and the name of their source: CIFAR-10 if it has the case's shape and is here, else synthetic."""
    import fastmlp

    if case.sizes[0] == 3072 and has_cifar10():
        dataset = fastmlp.load_data("cifar10")
        return dataset.X_train[: case.n_samples], dataset.y_train[: case.n_samples], "CIFAR-10"
    return *synthetic_data(case.n_samples, case.sizes[0], case.sizes[-1]), "synthetic"


def config_of(case: Case, n_epochs: int):
    """The case as a `fastmlp.Config`."""
    import fastmlp

    return fastmlp.Config(
        hidden=case.sizes[1:-1],
        optimizer=case.optimizer,
        learning_rate=case.learning_rate,
        l2=case.l2,
        batch_size=case.batch_size,
        n_epochs=n_epochs,
    )


def make_workload(case: Case, n_epochs: int, n_threads: int = 1) -> tuple[Workload, str]:
    """The case with data, initial weights and orders of the samples; and the name of the data's source.

    Weights and orders are fastmlp's. Its initial biases are zero, by which a wrong bias would not be noticed.
    """
    import fastmlp
    from fastmlp.kernels.sampling import permutation_fill
    from fastmlp.seeding import Purpose, stream

    X, y, source = load_data(case)
    config = config_of(case, n_epochs)
    model = fastmlp.init_model(config, case.sizes[0], case.sizes[-1])
    random = np.random.default_rng(0)
    biases = [random.normal(0, 0.1, len(b)).astype(np.float32) for b in model.biases]
    orders = np.empty((n_epochs, case.n_samples), np.int32)
    for epoch, order in enumerate(orders):
        permutation_fill(order, order.size, np.uint64(stream(config.seed, Purpose.ORDER, epoch)))
    weights = [np.ascontiguousarray(W) for W in model.weights]
    return Workload(case, X, y, weights, biases, orders, n_threads), source


def model_of(workload: Workload, n_epochs: int = 1):
    """The workload's network as a `fastmlp.Model`."""
    import fastmlp

    sizes = workload.case.sizes
    model = fastmlp.init_model(config_of(workload.case, n_epochs), sizes[0], sizes[-1])
    model.weights, model.biases = workload.weights, workload.biases
    return model
