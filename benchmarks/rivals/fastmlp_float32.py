"""Ours, from float32 samples like everybody's. The time is what `fastmlp.train` itself writes into its history."""

from functools import partial
from importlib.metadata import version as version_of

from benchmarks.case import N_JUDGED, config_of
from benchmarks.rivals import NoBf16Error

label = "fastmlp"


def version():
    return f"numba {version_of('numba')}"


def train(task, ready, report, kind="float32", precision="float32"):
    import fastmlp
    from fastmlp.training.precision import resolve

    X, scale = (task.X, "auto") if kind == "uint8" else (task.inputs, "none")
    dataset = fastmlp.Dataset(X, task.y, X[:N_JUDGED], task.y[:N_JUDGED], scale)
    config, reason = resolve(config_of(task.case, task.n_epochs).replace(precision=precision), X)
    if reason:
        raise NoBf16Error(reason)
    model = fastmlp.init_model(config, dataset.n_features, dataset.n_classes)
    model.weights, model.biases = task.weights, task.biases
    ready(fastmlp.warmup(config.precision))
    fastmlp.train(dataset, config, model, partial(_progress, report))


def _progress(report, progress):
    if progress.row is not None:
        report(progress.row["train_s"], progress.row["test_loss"])
