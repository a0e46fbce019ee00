"""Compare the estimators with scikit-learn's: time of a fit and accuracy or R2, with equal settings, on one thread.

Each pair of fits has its own seed, and the libraries alternate in going first. See --help.
"""

import argparse
import warnings
from collections.abc import Callable
from statistics import mean, median, stdev
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from sklearn import neural_network
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

import fastmlp


class Problem(NamedTuple):
    """Training and test data, the name of the estimator's class, and its parameters."""

    X_train: Any
    y_train: Any
    X_test: Any
    y_test: Any
    estimator: str
    settings: dict[str, Any]


def split(X: Any, y: Any, n_test: int, estimator: str, **settings: Any) -> Problem:
    return Problem(X[:-n_test], y[:-n_test], X[-n_test:], y[-n_test:], estimator, settings)


def digits() -> Problem:
    X, y = load_digits(return_X_y=True)
    rows = np.random.default_rng(0).permutation(len(y))
    return split(X[rows] / 16, y[rows], 360, "MLPClassifier", max_iter=50)


def housing() -> Problem:
    """Synthetic data of the shape of California housing: 20,640 rows of 8 numbers, a smooth function of them, noise."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20_640, 8))
    y = np.sin(X[:, 0]) + X[:, 1] * X[:, 2] / 2 + X[:, 3:] @ [0.5, -0.4, 0.3, 0.2, 0.1] + rng.normal(0, 0.5, len(X))
    return split(X, y, 4_128, "MLPRegressor", max_iter=10)


def mnist() -> Problem:
    """Synthetic data of MNIST's shape in float32: one image per class, nine tenths of its pixels replaced by noise."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, 70_000)
    X = rng.integers(0, 256, (10, 784), dtype=np.uint8)[y]
    noise = rng.integers(0, 256, X.shape, dtype=np.uint8)
    mixed = np.where(rng.random(X.shape, dtype=np.float32) < 0.9, noise, X)
    return split(mixed.astype(np.float32) / 255, y, 10_000, "MLPClassifier", max_iter=2)


def images(name: str) -> Problem:
    data = fastmlp.load_data(name)
    X_train, X_test = (np.float32(X) / 255 for X in (data.X_train, data.X_test))
    return Problem(X_train, data.y_train, X_test, data.y_test, "MLPClassifier", {"max_iter": 2})


PROBLEMS: dict[str, Callable[[], Problem]] = {"digits": digits, "housing": housing, "mnist": mnist}


def fit(library: Any, problem: Problem, seed: int) -> tuple[float, float]:
    """Seconds of a fit, and the score on the test data."""
    settings = {**problem.settings, "tol": 0, "n_iter_no_change": 10**6, "random_state": seed}
    estimator = getattr(library, problem.estimator)(**settings)
    start = perf_counter()
    estimator.fit(problem.X_train, problem.y_train)
    seconds = perf_counter() - start
    return seconds, estimator.score(problem.X_test, problem.y_test)


def compare(problem: Problem, n_seeds: int) -> dict[str, list[tuple[float, float]]]:
    """Seconds and scores of pairs of fits, after a warm-up fit of each library."""
    libraries: dict[str, Any] = {"fastmlp": fastmlp, "scikit-learn": neural_network}
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in libraries}
    short = problem._replace(settings={**problem.settings, "max_iter": 1})
    for library in libraries.values():
        fit(library, short, 0)
    for seed in range(n_seeds):
        for name in list(libraries)[:: 1 if seed % 2 else -1]:
            results[name].append(fit(libraries[name], problem, seed))
    return results


def line(name: str, results: dict[str, list[tuple[float, float]]]) -> str:
    """A row of the table: medians of the times, their ratio with its range, and means of the scores."""
    ours, theirs = (list(zip(*results[library], strict=True)) for library in ("fastmlp", "scikit-learn"))
    ratios = [slow / fast for fast, slow in zip(ours[0], theirs[0], strict=True)]
    scores = [f"{mean(s):.4f} ± {stdev(s) / len(s) ** 0.5:.4f}" for s in (ours[1], theirs[1])]
    return (
        f"| {name} | {median(ours[0]):.3f} s | {median(theirs[0]):.3f} s | {median(ratios):.1f} x "
        f"({min(ratios):.1f} to {max(ratios):.1f}) | {scores[0]} | {scores[1]} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare the estimators with scikit-learn's.")
    parser.add_argument("problems", nargs="*", default=list(PROBLEMS), help=f"some of {', '.join(PROBLEMS)}")
    parser.add_argument("--n-seeds", type=int, default=10)
    parser.add_argument("--float32", action="store_true", help="samples in float32, which those of mnist always are")
    parser.add_argument("--pictures", metavar="NAME", help="fashion-mnist or mnist in place of the synthetic mnist")
    flags = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    print("|  | fastmlp | scikit-learn | ratio (min to max) | fastmlp score | scikit-learn score |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name in flags.problems:
        problem = images(flags.pictures) if name == "mnist" and flags.pictures else PROBLEMS[name]()
        if flags.float32:
            problem = problem._replace(X_train=np.float32(problem.X_train), X_test=np.float32(problem.X_test))
        with threadpool_limits(1):
            print(line(name, compare(problem, flags.n_seeds)), flush=True)


if __name__ == "__main__":
    main()
