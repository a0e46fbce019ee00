"""Worker process of one side on sparse input: ``python -m benchmarks.sparse_worker TASK SIDE FOLDER``.

The side is `fastmlp` or `sklearn`; the folder has what `benchmarks.sparse_case.save` wrote. The process imports nothing
of the other side, so that the peak of its memory is its own. It answers with lines of JSON as `benchmarks.worker` does.

- `fit` answers with its memory before and after a fit and the losses of another one, then with the seconds of a fit.
- `store` writes an estimator with its initial weights into the folder, and scikit-learn's also the probabilities in
  float64.
- `predict` reads that estimator, and answers with its memory and the error of the probabilities, then with the seconds
  of a prediction of all samples, and of one.
"""

import contextlib
import gc
import io
import pickle
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.case import PREDICTION_TOLERANCE, PredictionError
from benchmarks.memory import peak_memory_mb, reset_peak_memory
from benchmarks.sparse_case import SparseCase, load, make_data, reference
from benchmarks.worker import Channel, pass_seconds

#: Epochs whose losses are compared, and learning rates by solver, with which the loss changes by more than with the
#: default of 0.001: so little in two steps of SGD that a wrong gradient would not be noticed.
CHECKED_EPOCHS, CHECKED_RATES = 2, {"adam": 0.01, "sgd": 0.1}
#: Samples of one measurement of predictions of one sample per call.
N_SINGLE = 64
#: Bytes of an array that is allocated and freed at the start. glibc then keeps the memory of smaller arrays that are
#: freed, as it does in a process that has worked with large ones, instead of returning it to the operating system. With
#: it, an epoch of scikit-learn's Adam, which makes several arrays of the weights' size per step, took 26 ms instead of
#: 80 (20,000 columns, 10 hidden neurons, batches of 200) and 0.35 s instead of 0.45 (100 neurons); SGD was no slower.
FREED_BYTES = 2**25 - 2**16
#: A learning rate that changes no bit of a weight, for estimators with their initial weights, which are the same.
NO_LEARNING = 1e-30


def make_estimator(side: str, case: SparseCase, **parameters: Any) -> Any:
    """An estimator that stops after the epochs of the case, if no other number is given."""
    parameters = {
        "hidden_layer_sizes": (case.hidden,), "solver": case.solver, "batch_size": case.batch_size, "random_state": 0,
        "max_iter": case.n_epochs, "n_iter_no_change": case.n_epochs + 1, **parameters,
    }  # fmt: skip
    if side == "fastmlp":
        import fastmlp

        return fastmlp.MLPClassifier(**parameters, n_threads=1)
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier(**parameters)


def warm_up(side: str, case: SparseCase) -> None:
    """Fit tiny sparse data, and predict all of it and one sample; fastmlp compiles its kernels or reads them."""
    X, y = make_data(replace(case, n_features=200, n_nonzeros=4, n_samples=60))
    estimator = make_estimator(side, replace(case, hidden=4, batch_size=20), max_iter=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the optimisation has not converged
        estimator.fit(X, y)
    estimator.predict_proba(X)
    estimator.predict_proba(X[:1])


class EpochEnds(io.TextIOBase):
    """A file that stores when each epoch ended: both estimators print a line after it if they are verbose."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def write(self, text: str) -> int:
        if text.startswith("Iteration "):
            self.times.append(perf_counter())
        return len(text)


def fit_seconds(side: str, case: SparseCase, X: Any, y: NDArray[np.int64]) -> dict[str, float]:
    """Seconds of a whole fit, and the median of its epochs without the first, in which memory is touched first."""
    estimator, ends = make_estimator(side, case, verbose=True), EpochEnds()
    gc.collect()
    start = perf_counter()
    with contextlib.redirect_stdout(ends):
        estimator.fit(X, y)
    fit_s = perf_counter() - start
    return {"fit_s": fit_s, "epoch_s": float(np.median(np.diff(ends.times)))}


def fit(channel: Channel, side: str, folder: Path) -> None:
    case, X, y = load(folder)
    warm_up(side, case)
    warm_mb = reset_peak_memory()
    make_estimator(side, case).fit(X, y)
    peak_mb = peak_memory_mb()
    # Without the shuffle, whose order differs, both sides do the same steps.
    settings = {"shuffle": False, "max_iter": CHECKED_EPOCHS, "learning_rate_init": CHECKED_RATES[case.solver]}
    checked = make_estimator(side, case, **settings).fit(X, y)
    losses = [float(loss) for loss in checked.loss_curve_]
    del checked
    channel.answer(warm_mb=warm_mb, peak_mb=peak_mb, losses=losses, version=_version(side))
    while True:
        channel.answer(**fit_seconds(side, case, X, y))


def store(channel: Channel, side: str, folder: Path) -> None:
    case, X, y = load(folder)
    X_first, y_first = X[: case.batch_size], y[: case.batch_size]
    estimator = make_estimator(side, case, learning_rate_init=NO_LEARNING, max_iter=1).fit(X_first, y_first)
    with open(folder / f"{side}.pickle", "wb") as file:
        pickle.dump(estimator, file, pickle.HIGHEST_PROTOCOL)
    if side == "sklearn":
        np.save(folder / "reference.npy", reference(X, estimator.coefs_, estimator.intercepts_))
    channel.answer()


def predict(channel: Channel, side: str, folder: Path) -> None:
    case, X, _ = load(folder)
    warm_up(side, case)
    warm_mb = reset_peak_memory()
    with open(folder / f"{side}.pickle", "rb") as file:
        predict_proba = pickle.load(file).predict_proba
    loaded_mb = peak_memory_mb()
    predict_proba(X)
    peak_mb = peak_memory_mb()
    rows = [X[i : i + 1] for i in range(min(N_SINGLE, case.n_samples))]
    error = check_predictions(predict_proba, X, rows, np.load(folder / "reference.npy"))
    memory = {"warm_mb": warm_mb, "loaded_mb": loaded_mb, "peak_mb": peak_mb}
    channel.answer(**memory, error=error, version=_version(side))
    while True:
        seconds = [median(pass_seconds(predict_proba, calls)) / len(calls) for calls in ([X], rows)]
        channel.answer(all_s=seconds[0], one_s=seconds[1])


def check_predictions(
    predict_proba: Callable[[Any], NDArray[Any]], X: Any, rows: list[Any], expected: NDArray[np.float64]
) -> float:
    """The largest relative difference of the probabilities, of all samples at once and of one each, from the expected.

    Raises a PredictionError if it exceeds the tolerance.
    """
    got = np.concatenate([predict_proba(X), *map(predict_proba, rows)])
    error = float(np.max(np.abs(got / np.concatenate([expected, expected[: len(rows)]]) - 1)))
    if not error <= PREDICTION_TOLERANCE:
        raise PredictionError(
            f"expected probabilities within {PREDICTION_TOLERANCE:g} (relative) of those in float64, got a difference "
            f"of {error:g}"
        )
    return error


def _version(side: str) -> str:
    return version({"sklearn": "scikit-learn"}.get(side, side))


TASKS = {task.__name__: task for task in (fit, store, predict)}


def main(task: str, side: str, folder: str) -> None:
    import sklearn

    channel = Channel()
    np.empty(FREED_BYTES, np.uint8)
    warnings.simplefilter("ignore")  # that the optimisation has not converged
    sklearn.set_config(assume_finite=True)  # no search for NaN in each call, on either side
    TASKS[task](channel, side, Path(folder))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main(*sys.argv[1:])
