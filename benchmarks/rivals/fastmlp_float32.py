"""fastmlp with float32 samples, as the other libraries have.

The time of training is ``train_s`` of its history; predictions are those of `fastmlp.Model`.
"""

from functools import partial
from importlib.metadata import version as version_of

from benchmarks.case import N_LOSS_SAMPLES, model_of
from benchmarks.rivals import NoBf16Error

label = "fastmlp"


def version():
    return f"numba {version_of('numba')}"


def train(workload, ready, report, kind="float32", precision="float32"):
    import fastmlp
    from fastmlp.training.precision import resolve

    X, scale = (workload.X, "auto") if kind == "uint8" else (workload.inputs, "none")
    dataset = fastmlp.Dataset(X, workload.y, X[:N_LOSS_SAMPLES], workload.y[:N_LOSS_SAMPLES], scale)
    model = model_of(workload, workload.n_epochs)
    config, reason = resolve(model.config.replace(precision=precision), X)
    if reason:
        raise NoBf16Error(reason)
    ready(fastmlp.warmup(config))
    fastmlp.train(dataset, config, model, partial(_progress, report), n_threads=workload.n_threads)


def _progress(report, progress):
    if progress.row is not None:
        report(progress.row["train_s"], progress.row["test_loss"])


def predictor(workload):
    predict_proba = model_of(workload).predict_proba
    if workload.n_threads == 1:
        return predict_proba  # "auto" is 1 on one core, and a keyword is a part of the time for one sample
    return partial(predict_proba, n_threads=workload.n_threads)
