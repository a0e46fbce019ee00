"""Hold the estimators against scikit-learn's: time of a fit, and accuracy or R2, the same settings on one thread.

Each pair of fits has a seed of its own, and one or the other library goes first in turn: see --help.
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


class Task(NamedTuple):
    """Data in two parts, the class of estimator, and its settings."""

    X_train: Any
    y_train: Any
    X_test: Any
    y_test: Any
    estimator: str
    settings: dict[str, Any]


def split(X: Any, y: Any, n_test: int, estimator: str, **settings: Any) -> Task:
    return Task(X[:-n_test], y[:-n_test], X[-n_test:], y[-n_test:], estimator, settings)


def digits() -> Task:
    X, y = load_digits(return_X_y=True)
    rows = np.random.default_rng(0).permutation(len(y))
    return split(X[rows] / 16, y[rows], 360, "MLPClassifier", max_iter=50)


def housing() -> Task:
    """Of the shape of California's housing data: 20,640 rows of 8 numbers, a smooth function of them, and noise."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20_640, 8))
    y = np.sin(X[:, 0]) + X[:, 1] * X[:, 2] / 2 + X[:, 3:] @ [0.5, -0.4, 0.3, 0.2, 0.1] + rng.normal(0, 0.5, len(X))
    return split(X, y, 4_128, "MLPRegressor", max_iter=10)


def mnist() -> Task:
    """Of MNIST's shape, in float32: ten pictures under nine tenths of noise."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, 70_000)
    X = rng.integers(0, 256, (10, 784), dtype=np.uint8)[y]
    noise = rng.integers(0, 256, X.shape, dtype=np.uint8)
    mixed = np.where(rng.random(X.shape, dtype=np.float32) < 0.9, noise, X)
    return split(mixed.astype(np.float32) / 255, y, 10_000, "MLPClassifier", max_iter=2)


def pictures(name: str) -> Task:
    data = fastmlp.load_data(name)
    X_train, X_test = (np.float32(X) / 255 for X in (data.X_train, data.X_test))
    return Task(X_train, data.y_train, X_test, data.y_test, "MLPClassifier", {"max_iter": 2})


TASKS: dict[str, Callable[[], Task]] = {"digits": digits, "housing": housing, "mnist": mnist}


def fit(library: Any, task: Task, seed: int) -> tuple[float, float]:
    """Seconds of a fit, and its score on the test part."""
    estimator = getattr(library, task.estimator)(**task.settings, tol=0, n_iter_no_change=10**6, random_state=seed)
    start = perf_counter()
    estimator.fit(task.X_train, task.y_train)
    seconds = perf_counter() - start
    return seconds, estimator.score(task.X_test, task.y_test)


def compare(task: Task, n_seeds: int) -> dict[str, list[tuple[float, float]]]:
    """Pairs of fits after one of each that does not count."""
    libraries: dict[str, Any] = {"fastmlp": fastmlp, "scikit-learn": neural_network}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in libraries}
    short = task._replace(settings={**task.settings, "max_iter": 1})
    for library in libraries.values():
        fit(library, short, 0)
    for seed in range(n_seeds):
        for name in list(libraries)[:: 1 if seed % 2 else -1]:
            found[name].append(fit(libraries[name], task, seed))
    return found


def line(name: str, found: dict[str, list[tuple[float, float]]]) -> str:
    mine, theirs = (list(zip(*found[library], strict=True)) for library in ("fastmlp", "scikit-learn"))
    ratios = [slow / fast for fast, slow in zip(mine[0], theirs[0], strict=True)]
    scores = [f"{mean(s):.4f} ± {stdev(s) / len(s) ** 0.5:.4f}" for s in (mine[1], theirs[1])]
    return (
        f"| {name} | {median(mine[0]):.3f} s | {median(theirs[0]):.3f} s | {median(ratios):.1f} x "
        f"({min(ratios):.1f} to {max(ratios):.1f}) | {scores[0]} | {scores[1]} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Hold the estimators against scikit-learn's.")
    parser.add_argument("tasks", nargs="*", default=list(TASKS), help=f"some of {', '.join(TASKS)}")
    parser.add_argument("--n-seeds", type=int, default=10)
    parser.add_argument("--float32", action="store_true", help="all samples in float32; mnist's are so anyway")
    parser.add_argument("--pictures", metavar="NAME", help="fashion-mnist or mnist itself, in place of mnist's shape")
    flags = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    print("|  | fastmlp | scikit-learn | ratio (least to most) | our score | its score |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name in flags.tasks:
        task = pictures(flags.pictures) if name == "mnist" and flags.pictures else TASKS[name]()
        if flags.float32:
            task = task._replace(X_train=np.float32(task.X_train), X_test=np.float32(task.X_test))
        with threadpool_limits(1):
            print(line(name, compare(task, flags.n_seeds)), flush=True)


if __name__ == "__main__":
    main()
