"""Scores and times on tables: ``python -m benchmarks tables`` compares the preset tabular with other libraries.

The tables are real files in the folder that the environment variable FASTMLP_TABLES names. For each seed the rows are
permuted, and `fastmlp.load_data` holds out a fifth of them, by class for classification. All competitors get the
features that it makes of the columns, fitted to the training rows: numbers with the median in missing cells and an
indicator of these, one feature per level of a category, and the parts of dates. Each fit has one thread.

RealMLP-TD-S (Holzmüller, Grinsztajn and Steinwart 2024, arXiv:2407.04491) is in the package pytabkit, which is in no
extra of fastmlp since it may pull a CUDA build of PyTorch. Install PyTorch for the CPU first, then ``pip install
pytabkit[models]``. Without it, its row is left out with a note.

A record is ``{"machine": ..., "tables": {file: {"task", "n_rows", "n_features", "results": {competitor: {"score",
"cpu_s"}}}}}``, the last two with an entry per seed. Seconds are CPU time of the process, which other load on the
machine changes less than the time that passes. A score is the accuracy, or R^2 (None if the run diverged).
"""

import os
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import fastmlp
from benchmarks import machine
from fastmlp.metrics import r2

#: Target of each file, by name or position, and task; None is inferred. The quality of wine has six values, which would
#: be taken for classes.
TABLES: dict[str, tuple[str | int, str | None]] = {
    "iris_noheader.csv": (-1, None),
    "pima_noheader.csv": (-1, None),
    "banknote.csv": (-1, None),
    "glass.csv": (-1, None),
    "german.data": ("CLASSIFICATION", None),
    "processed.cleveland.data": ("num", None),
    "breast-cancer-wisconsin-data.csv": ("Class", None),
    "mushrooms.csv": ("type", None),
    "penguins.csv": ("species", None),
    "Telco-Customer-Churn.csv": ("Churn", None),
    "digits.csv.gz": (-1, None),
    "credit-g.arff": ("class", None),
    "titanic.parquet": ("Survived", None),
    "abalone_noheader.csv": (-1, None),
    "winequality-red-semi.csv": ("quality", "regression"),
    "Concrete_Data.csv": (-1, None),
    "airfoil_self_noise.dat": ("TARGET", None),
    "insurance.csv": ("charges", None),
    "diamonds.csv": ("price", None),
    "student-mat.csv": ("G3", None),
    "SeoulBikeData_latin1.csv": ("Rented Bike Count", None),
    "flood_dataset.csv": ("t7", None),
    "ENB2012_data.xlsx": ("Y1", None),
}

TASKS = "classification", "regression"
Array = NDArray[Any]
#: Fits a model with a seed, and returns the function that predicts.
Fit = Callable[[fastmlp.Dataset, int], Callable[[Array], Array]]


class Competitor(NamedTuple):
    """A row of the table: its label, its tasks, and the function that fits it."""

    label: str
    fit: Fit
    tasks: tuple[str, ...] = TASKS


def _fit_preset(dataset: fastmlp.Dataset, seed: int) -> Callable[[Array], Array]:
    config = fastmlp.Config.tabular(n_samples=len(dataset.X_train), task=dataset.task, seed=seed)
    return fastmlp.train(dataset, config, n_threads=1).model.predict


def _fit_defaults(dataset: fastmlp.Dataset, seed: int) -> Callable[[Array], Array]:
    """The paper's settings, with targets as they are."""
    is_regression = dataset.task == "regression"
    config = fastmlp.Config(seed=seed, loss="squared_error" if is_regression else "cross_entropy")
    if is_regression:
        dataset = dataset.replace(target_scale="none")
    return fastmlp.train(dataset, config, n_threads=1).model.predict


def _fit_sklearn(
    estimators: Callable[[str, int], Any], dataset: fastmlp.Dataset, seed: int
) -> Callable[[Array], Array]:
    """An estimator of scikit-learn's interface; numbers as they are, and labels."""
    estimator = estimators(dataset.task, seed)
    y = dataset.targets()["y_train"]
    estimator.fit(dataset.X_train.astype(np.float64), y.ravel() if dataset.task == "regression" else y)
    return lambda X: estimator.predict(X.astype(np.float64))


def _sklearn_mlp(task: str, seed: int, scales_target: bool = False) -> Any:
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    mlp = MLPRegressor(random_state=seed) if task == "regression" else MLPClassifier(random_state=seed)
    model = make_pipeline(StandardScaler(), mlp)
    return TransformedTargetRegressor(model, transformer=StandardScaler()) if scales_target else model


def _boosting(task: str, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingRegressor if task == "regression" else HistGradientBoostingClassifier
    return kind(random_state=seed)


def _realmlp(task: str, seed: int) -> Any:
    import torch
    from pytabkit import RealMLP_TD_S_Classifier, RealMLP_TD_S_Regressor

    torch.set_num_threads(1)
    kind = RealMLP_TD_S_Regressor if task == "regression" else RealMLP_TD_S_Classifier
    return kind(device="cpu", random_state=seed, n_threads=1)


COMPETITORS: dict[str, Competitor] = {
    "fastmlp": Competitor("**fastmlp, preset tabular**", _fit_preset),
    "fastmlp_paper": Competitor("fastmlp, the paper's settings, raw target", _fit_defaults),
    "sklearn_mlp": Competitor("scikit-learn MLP, defaults (200 epochs)", partial(_fit_sklearn, _sklearn_mlp)),
    "sklearn_mlp_scaled": Competitor(
        "scikit-learn MLP, standardised target",
        partial(_fit_sklearn, partial(_sklearn_mlp, scales_target=True)),
        ("regression",),
    ),
    "boosting": Competitor("HistGradientBoosting, defaults", partial(_fit_sklearn, _boosting)),
    "realmlp": Competitor("RealMLP-TD-S, defaults (256 epochs)", partial(_fit_sklearn, _realmlp)),
}


def folder() -> Path:
    """The folder of the tables.

    Raises
    ------
    FileNotFoundError
        If FASTMLP_TABLES does not name one.
    """
    path = Path(os.environ.get("FASTMLP_TABLES", ""))
    if not (os.environ.get("FASTMLP_TABLES") and path.is_dir()):
        raise FileNotFoundError("FASTMLP_TABLES: expected the folder of the tables, got no folder; set the variable")
    return path


def run(tables: Collection[str], names: Iterable[str], seeds: Iterable[int]) -> dict:
    """Fit each competitor to each table, or the given ones, with each seed; return the record.

    A competitor whose package is missing is left out with a note.
    """
    path, names, seeds = folder(), [name for name in names if _is_available(name)], list(seeds)
    machine.pin(1)
    fastmlp.warmup()
    record: dict = {"machine": machine.describe(1), "tables": {}}
    for table, (target, task) in TABLES.items():
        if table in tables or not tables:
            record["tables"][table] = _run_table(datasets(path / table, target, task, seeds), names)
            results = record["tables"][table]["results"]
            scores = (f"{name} {_format(result['score'])}" for name, result in results.items())
            print(f"{table}: {', '.join(scores)}", flush=True)
    return record


def _run_table(pairs: Iterable[tuple[int, fastmlp.Dataset]], names: Iterable[str]) -> dict:
    results: dict = {}
    for seed, dataset in pairs:
        for name in names:
            if dataset.task in COMPETITORS[name].tasks:
                score, seconds = measure(COMPETITORS[name].fit, dataset, seed)
                result = results.setdefault(name, {"score": [], "cpu_s": []})
                result["score"].append(score)
                result["cpu_s"].append(seconds)
    n_rows = len(dataset.X_train) + len(dataset.X_test)
    return {"task": dataset.task, "n_rows": n_rows, "n_features": dataset.n_features, "results": results}


def _format(scores: Iterable[float | None]) -> str:
    return " ".join("diverged" if score is None else f"{score:.3f}" for score in scores)


def measure(fit: Fit, dataset: fastmlp.Dataset, seed: int) -> tuple[float | None, float]:
    """Score on the test set, None if the run diverged, and CPU seconds of the fit."""
    start = process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as that of an optimisation that has not converged
            predict = fit(dataset, seed)
    except fastmlp.DivergedError:
        return None, process_time() - start
    seconds = process_time() - start
    predicted, y = predict(dataset.X_test), dataset.targets()["y_test"]
    if dataset.task == "regression":
        score = r2(np.asarray(predicted, dtype=np.float64).reshape(y.shape), y.astype(np.float64))
        return (score if np.isfinite(score) else None), seconds
    return float(np.mean(np.asarray(predicted).ravel().astype(str) == y.astype(str))), seconds


def datasets(
    path: Path, target: str | int, task: str | None, seeds: Iterable[int]
) -> Iterator[tuple[int, fastmlp.Dataset]]:
    """Each seed with a data set, whose rows are permuted before a fifth of them is held out."""
    from fastmlp.table.source import read_table

    frame = read_table(path).frame
    for seed in seeds:
        order = np.random.default_rng(seed).permutation(len(frame))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield seed, fastmlp.load_data(frame.iloc[order].reset_index(drop=True), target=target, task=task)


def _is_available(name: str) -> bool:
    try:
        if name == "realmlp":
            _realmlp("classification", 0)
    except ImportError as error:
        print(f"{COMPETITORS[name].label} is left out: {error}", flush=True)
        return False
    return True
