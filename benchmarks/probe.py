"""Worker process of the regression check: ``python probe.py``, with a commit's package first on PYTHONPATH.

It imports nothing but the public API of fastmlp, so that it runs unchanged with any commit. For each line on standard
input, the name of a probe, it prints the minimum time of a few runs, which are short enough to fit between two
interruptions by the operating system.
"""

import json
import sys
import warnings
from time import perf_counter

import numpy as np

import fastmlp

N_RUNS = 3


def training(sizes, batch_size, n_steps, X_dtype="uint8", **settings):
    """A probe that returns the seconds per epoch of training, as recorded in the history."""
    dataset = _data(sizes, batch_size * n_steps, X_dtype)
    settings = {"learning_rate": 0.1, "batch_size": batch_size, "hidden": sizes[1:-1], **settings}
    config = fastmlp.Config(n_epochs=N_RUNS, **settings)
    return lambda: min(row["train_s"] for row in fastmlp.train(dataset, config).history)


def predicting(sizes, n_samples, n_calls=1):
    """A probe that returns the seconds of `predict_proba` for n_samples, in calls of as many samples each."""
    calls = np.split(_data(sizes, n_samples, "float32").X_train, n_calls)
    model = fastmlp.init_model(fastmlp.Config(hidden=sizes[1:-1]), sizes[0], sizes[-1])

    def run():
        seconds = []
        for _ in range(N_RUNS):
            start = perf_counter()
            for X in calls:
                model.predict_proba(X)
            seconds.append(perf_counter() - start)
        return min(seconds)

    return run


def _data(sizes, n_samples, dtype):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, size=(n_samples, sizes[0]), dtype=np.uint8)
    X = X if dtype == "uint8" else X.astype(dtype) / 255
    y = rng.integers(sizes[-1], size=n_samples)
    y[: sizes[-1]] = np.arange(sizes[-1])
    return fastmlp.Dataset(X, y, X[:16], y[:16])


#: Ten to thirty milliseconds each; together they run every kernel.
PROBES = {
    "tiny": lambda: training((64, 32, 10), 32, 1000),
    "small, tanh, L2": lambda: training((64, 100, 100, 10), 64, 250, activation="tanh", l2=0.001),
    "mnist": lambda: training((784, 128, 10), 128, 60, X_dtype="float32"),
    "paper": lambda: training((3072, 100, 100, 10), 64, 40),
    "paper, float32": lambda: training((3072, 100, 100, 10), 64, 40, X_dtype="float32"),
    "paper, Adam": lambda: training((3072, 100, 100, 10), 64, 25, optimizer="adam", learning_rate=0.001),
    "paper, bf16": lambda: training((3072, 100, 100, 10), 64, 60, precision="bf16"),
    "wide, ReLU": lambda: training((256, 512, 512, 10), 128, 15, activation="relu"),
    "predict": lambda: predicting((3072, 100, 100, 10), 3000),
    "predict, one sample": lambda: predicting((64, 100, 100, 10), 300, n_calls=300),
    "predict, 784-128-10": lambda: predicting((784, 128, 10), 5000),
}


def prepared(make):
    """A probe that has run once, or None if the commit (by an error) or this CPU (by a warning) does not support it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        try:
            run = make()
            run()
        except (ValueError, UserWarning) as reason:
            print(f"left out: {reason}", file=sys.stderr)
            return None
    return run


def main():
    """Answer requests until standard input ends."""
    fastmlp.warmup()
    runs = {name: run for name, make in PROBES.items() if (run := prepared(make)) is not None}
    print(json.dumps({"package": fastmlp.__file__, "probes": list(runs)}), flush=True)
    for line in sys.stdin:
        print(json.dumps({"seconds": runs[line.strip()]()}), flush=True)


if __name__ == "__main__":
    main()
