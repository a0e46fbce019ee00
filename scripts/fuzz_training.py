"""Fuzz test of training: every run ends with finite losses, or as DivergedError with a finite model and history.

The runs are random: losses, precisions, optimizers, schedules, regularisation, sample weights, learning rates from 1e-6
to 1e30, and samples and targets with extreme values, standardised or not. A run may also be refused before training, by
a DataError or ConfigError that names the argument. Everything else is a bug and sets the exit code to 1: another
exception, a loss, a score or a weight that is not finite, a warning of NumPy. The runs are generated from seeds. At the
end, the record of every run of two sweeps over learning rates must be there, finished or diverged.
"""

import argparse
import math
import re
import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Iterable
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastmlp
from fastmlp.errors import ConfigError, DataError, DivergedError
from fastmlp.settings import ACTIVATIONS, BF16_TERMS, LOSSES, OPTIMIZERS, SETTINGS
from fastmlp.training.precision import resolve

Random = np.random.Generator

#: Fill values of NetCDF and others, squares near the ends of both ranges, zeros and subnormal numbers.
EXTREMES = (9.96921e36, -9.96921e36, 1e20, 1e38, -1e38, 3.4e38, -0.0, 1e-40, 1e-300, 5e-324)
EXTREMES_OF_FLOAT64 = (*EXTREMES, 1e154, -1e154, 1e300, -1.7e308)
WEIGHTS = (0.0, 5e-324, 1e-308, 1e-300, 1e-30, 1.0, 1e30, 1e300)
RATES = (-6.0, 30.0)  # decimal logarithms
SCHEDULES = ("exponential", "constant", "step", "cosine", "inverse", "one_cycle", "plateau")
PRECISIONS = [
    name
    for name in ("float32", "float64", *BF16_TERMS)
    if not resolve(fastmlp.Config(precision=name), np.zeros((1, 1), np.float32))[1]
]
#: Names that an error may begin with: the arguments of `Dataset` and the settings.
ARGUMENTS = ("X", "y", *(f"{a}_{part}" for a in "Xy" for part in ("train", "test", "val")), "weight_train", *SETTINGS)


def random_config(random: Random) -> fastmlp.Config:
    """Settings of a small network; a twentieth of them are invalid for most data."""
    precision = str(random.choice(PRECISIONS))
    low, high = RATES
    rate = 10.0 ** random.uniform(low, high if random.random() < 0.5 else 1.0)
    settings: dict[str, Any] = {
        "hidden": tuple(int(n) for n in random.integers(1, 6, random.integers(0, 3))),
        "activation": str(random.choice([*ACTIVATIONS])),
        "loss": str(random.choice([*LOSSES])),
        "optimizer": str(random.choice([*OPTIMIZERS])),
        "schedule": str(random.choice(SCHEDULES)),
        "learning_rate": float(rate),
        "precision": precision,
        "batch_size": int(random.choice([1, 4, 16])),
        "n_epochs": int(random.integers(1, 7)),
        "early_stopping": str(random.choice(["none", "loss", "score"])),
        "patience": int(random.integers(1, 4)),
        "step_epochs": int(random.integers(1, 3)),
        "seed": int(random.integers(2**31)),
    }
    optional = {
        "dropout": 0.3,
        "label_smoothing": 0.1,
        "clip_norm": float(random.choice([1e-3, 1.0, 1e30])),
        "l2": float(10.0 ** random.uniform(-6, 6)),
        "l2_scale": "batch",
        "weight_decay": float(10.0 ** random.uniform(-6, 3)),
        "momentum": 0.0,
        "beta2": 0.0,
        "decay_rate": float(10.0 ** random.uniform(-3, 3)),
        "huber_delta": float(10.0 ** random.uniform(-30, 30)),
        "tol": float(10.0 ** random.uniform(-6, 30)),
        "init": "glorot_uniform_gain",
    }
    settings |= {name: value for name, value in optional.items() if name in SETTINGS and random.random() < 0.15}
    if settings["loss"] not in ("cross_entropy", "binary_cross_entropy"):
        settings.pop("label_smoothing", None)
    elif settings["loss"] == "cross_entropy" and random.random() < 0.2:
        settings["class_weight"] = "balanced"
    return fastmlp.Config.from_dict(settings)


def with_extremes(values: NDArray[np.float64], random: Random, extremes: Iterable[float]) -> NDArray[np.float64]:
    """Values of which, in a third of the cases, some are replaced by extremes, or all are scaled."""
    kind, values, extreme = random.random(), values.copy(), float(random.choice(list(extremes)))
    if kind < 0.2:
        values[random.integers(len(values))] = extreme
    elif kind < 0.27:
        values *= abs(extreme) / max(1.0, np.abs(values).max())
    elif kind < 0.3:
        values[...] = extreme
    return values


def random_dataset(random: Random, config: fastmlp.Config) -> fastmlp.Dataset:
    """Data for the loss of a config."""
    extremes = EXTREMES_OF_FLOAT64 if config.dtype == "float64" or random.random() < 0.03 else EXTREMES
    n, n_features = int(random.integers(12, 40)), int(random.integers(1, 5))
    parts = {name: n if name == "train" else 8 for name in ("train", "test", "val")[: 2 + (random.random() < 0.6)]}
    arguments: dict[str, Any] = {name: str(random.choice(["auto", "none"])) for name in ("scale", "target_scale")}
    n_outputs, tasks = int(random.integers(1, 4)), LOSSES[config.loss].tasks
    arguments["task"] = task = str(random.choice(tasks))
    n_classes = 2 if config.loss == "binary_cross_entropy" else 3
    for part, size in parts.items():
        X = random.normal(size=(size, n_features))
        arguments[f"X_{part}"] = with_extremes(X, random, extremes if random.random() < 0.3 else EXTREMES[-4:])
        if task == "classification":
            y: Any = np.arange(size) % n_classes
        elif task == "multilabel":
            y = random.integers(0, 2, (size, n_outputs))
        else:
            counts = config.loss == "poisson"
            y = (
                random.poisson(3.0, (size, n_outputs)).astype(np.float64)
                if counts
                else random.normal(size=(size, n_outputs))
            )
            y = with_extremes(y, random, extremes)
            y = np.abs(y) if counts and random.random() < 0.98 else y
        arguments[f"y_{part}"] = y
    if random.random() < 0.3:
        arguments["weight_train"] = random.random(n) * random.choice(WEIGHTS, 2)[np.arange(n) % 2]
    return fastmlp.Dataset(**arguments)


def check_result(model: fastmlp.Model, history: fastmlp.History) -> str:
    """Description of the first number that is not finite, or "" if there is none."""
    if not np.isfinite(model.params.theta).all():
        return "weights that are not finite"
    for name, column in history.to_dict().items():
        if not all(map(math.isfinite, column)):
            return f"{name} is not finite"
    return ""


def outcome(seed: int) -> str:
    """Outcome of a run: "finite", "diverged", "refused", or the description of a bug."""
    random = np.random.default_rng(seed)
    try:
        config = random_config(random)
        dataset = random_dataset(random, config)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            run = fastmlp.train(dataset, config)
        if any(issubclass(warning.category, RuntimeWarning) for warning in caught):
            return f"RuntimeWarning: {caught[-1].message}"
    except DivergedError as error:
        if math.isfinite(error.value) or len(error.history) != error.epoch - 1:
            return "DivergedError with a finite value, or the history of another epoch"
        return check_result(error.model, error.history) or f"diverged in {error.column}"
    except (DataError, ConfigError) as error:
        name = re.match(r"\w+", str(error))
        return "refused" if name and name[0] in ARGUMENTS else f"refused without a name: {error}"
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} in {place.name}: {error}"
    return check_result(run.model, run.history) or "finite"


def sweep_outcome(seed: int, n_rates: int) -> str:
    """Outcome of a sweep over learning rates, with and without a fill value in the validation set."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(40, 3))
    y = random.poisson(2.0, (40, 1)).astype(np.float64)
    rates = [float(rate) for rate in np.logspace(*RATES, n_rates)]
    for y_val in (y[:8], np.where(np.arange(8) == 3, EXTREMES[0], y[:8, 0])):
        dataset = fastmlp.Dataset(X, y, X[:8], y[:8], task="regression", X_val=X[:8], y_val=y_val)
        config = fastmlp.Config(hidden=(4,), loss="poisson", n_epochs=4, batch_size=8, early_stopping="loss")
        grid = {"learning_rate": rates, "loss": ["poisson", "squared_error"], "precision": ["float32", "float64"]}
        try:
            study = fastmlp.sweep(dataset, config, grid, n_repeats=1)
            study.summary()
            if study.best() not in study.settings:
                return "the best setting is none of the settings"
        except fastmlp.errors.StudyError as error:
            if "no run has finished" not in str(error):
                return f"StudyError: {error}"
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        if len(study.records()) != len(study.settings):
            return "a run without a record"
    return "complete"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=1000, help="number of runs")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first run; the next has the next seed")
    parser.add_argument("--n-rates", type=int, default=20, help="learning rates of the sweep")
    arguments = parser.parse_args()
    start, counts, bugs = perf_counter(), Counter[str](), []
    for seed in range(arguments.seed, arguments.seed + arguments.n):
        result = outcome(seed)
        kind = result if result in ("finite", "refused") or result.startswith("diverged in ") else "bugs"
        counts[kind] += 1
        if kind == "bugs":
            bugs.append(f"seed {seed}: {result}")
    diverged = sum(count for kind, count in counts.items() if kind.startswith("diverged"))
    print(f"{'runs':>8} {'finite':>8} {'diverged':>8} {'refused':>8} {'bugs':>8} {'seconds':>8}")
    numbers = arguments.n, counts["finite"], diverged, counts["refused"], counts["bugs"]
    print(*(f"{number:8}" for number in numbers), f"{perf_counter() - start:8.0f}")
    print("; ".join(f"{kind}: {count}" for kind, count in sorted(counts.items()) if kind.startswith("diverged")))
    sweep = sweep_outcome(arguments.seed, arguments.n_rates)
    print(f"sweep: {sweep}")
    print("\n".join(bugs[:50]), file=sys.stderr)
    return int(bool(bugs) or sweep != "complete")


if __name__ == "__main__":
    sys.exit(main())
