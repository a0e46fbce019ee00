"""Cases of the comparison on sparse input, ``python -m benchmarks sparse``, and the data that both sides are given.

The columns of a row are uniform among all columns. Words or levels of a category have frequencies more like Zipf's law,
with which most non-zeros fall on few rows of the first layer's weights, which then stay in a cache. Uniform columns are
the worst case of both sides: nearly each non-zero is a row of weights that is read from memory.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

N_CLASSES = 10
#: Columns, and non-zeros per row.
SHAPES = ((20_000, 60), (100_000, 100), (2**20, 50))
HIDDEN, BATCH_SIZES, SOLVERS = (10, 100), (200, 3000), ("adam", "sgd")
#: Samples of an epoch, and of one in batches of 200 with the most weights, of which scikit-learn updates each in every
#: step: one of 30 steps would take it 20 s.
N_SAMPLES, FEWER_SAMPLES, MAX_WEIGHTS = 6000, 1000, 10**8
#: Samples of one prediction.
N_PREDICTED = 3000
#: Weights that are updated in a fit, from which the number of its epochs follows, and the bounds of that number.
N_UPDATES, MIN_EPOCHS, MAX_EPOCHS = 3 * 10**8, 3, 20


@dataclass(frozen=True, kw_only=True)
class SparseCase:
    """A network with one hidden layer, with the estimators' default settings otherwise; a prediction has no batch."""

    n_features: int
    n_nonzeros: int
    hidden: int
    n_samples: int
    batch_size: int = 200
    solver: str = "adam"

    @property
    def n_epochs(self) -> int:
        """Epochs of a fit: more of those that take milliseconds."""
        n_steps = -(-self.n_samples // self.batch_size)
        return int(np.clip(N_UPDATES // (self.n_features * self.hidden * n_steps), MIN_EPOCHS, MAX_EPOCHS))


def _fits() -> dict[str, SparseCase]:
    cases = {}
    for (n_features, n_nonzeros), hidden, batch_size, solver in product(SHAPES, HIDDEN, BATCH_SIZES, SOLVERS):
        is_large = n_features * hidden > MAX_WEIGHTS and batch_size < FEWER_SAMPLES
        cases[f"fit-{n_features}-{hidden}-{batch_size}-{solver}"] = SparseCase(
            n_features=n_features, n_nonzeros=n_nonzeros, hidden=hidden, batch_size=batch_size, solver=solver,
            n_samples=FEWER_SAMPLES if is_large else N_SAMPLES,
        )  # fmt: skip
    return cases


FITS = _fits()
PREDICTIONS = {
    f"predict-{n_features}-{hidden}": SparseCase(
        n_features=n_features, n_nonzeros=n_nonzeros, hidden=hidden, n_samples=N_PREDICTED
    )
    for (n_features, n_nonzeros), hidden in product(SHAPES, HIDDEN)
}


def make_data(case: SparseCase) -> tuple[Any, NDArray[np.int64]]:
    """Samples, a CSR matrix in float32 whose rows have the Euclidean norm 1 as tf-idf features have, and labels.

    The label is the largest of ten random linear functions.
    """
    from scipy.sparse import csr_matrix

    rng, n, k = np.random.default_rng(0), case.n_samples, case.n_nonzeros
    columns = np.sort([rng.choice(case.n_features, k, replace=False, shuffle=False) for _ in range(n)])
    values = 1 - rng.random((n, k), dtype=np.float32)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    starts = np.arange(0, n * k + 1, k, dtype=np.int32)
    X = csr_matrix((values.ravel(), columns.ravel().astype(np.int32), starts), (n, case.n_features))
    return X, (X @ rng.standard_normal((case.n_features, N_CLASSES), dtype=np.float32)).argmax(axis=1)


def save(case: SparseCase, folder: Path) -> None:
    """Write a case and its data into a folder."""
    X, y = make_data(case)
    np.savez(folder / "data.npz", data=X.data, indices=X.indices, indptr=X.indptr, y=y)
    (folder / "case.json").write_text(json.dumps(dataclasses.asdict(case)))


def load(folder: Path) -> tuple[SparseCase, Any, NDArray[np.int64]]:
    """Read the case, the samples and the labels that `save` wrote."""
    from scipy.sparse import csr_matrix

    case = SparseCase(**json.loads((folder / "case.json").read_text()))
    with np.load(folder / "data.npz") as arrays:
        parts = arrays["data"], arrays["indices"], arrays["indptr"]
        return case, csr_matrix(parts, (case.n_samples, case.n_features)), arrays["y"]


def reference(X: Any, weights: list[NDArray[Any]], biases: list[NDArray[Any]]) -> NDArray[np.float64]:
    """Probabilities of a network with one hidden layer of ReLUs, in float64."""
    columns = np.unique(X.indices)  # the weights of all columns would take a gigabyte
    A = np.maximum(X[:, columns].astype(np.float64) @ weights[0][columns].astype(np.float64) + biases[0], 0)
    logits = A @ weights[1].astype(np.float64) + biases[1]
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)
