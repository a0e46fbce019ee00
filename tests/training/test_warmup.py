from itertools import product
from typing import get_args

import numpy as np
import pytest

from fastmlp.config import Config
from fastmlp.data import Dataset
from fastmlp.kernels.epoch import train_chunk
from fastmlp.kernels.predict import bits_differ, predict_chunk
from fastmlp.settings import ACTIVATIONS, LOSSES, OPTIMIZERS, Precision, Schedule
from fastmlp.training.loop import train
from fastmlp.training.precision import resolve
from fastmlp.training.warmup import is_warm, warmup

#: The precisions that are available on this machine.
PRECISIONS = [
    name for name in get_args(Precision) if not resolve(Config(precision=name), np.zeros((1, 1), np.uint8))[1]
]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_after_warmup_is_warm_is_true(precision):
    assert warmup(precision) >= 0
    assert is_warm(precision)


def make_data(loss, make_blobs):
    """A small data set with a task that a loss can be used for."""
    blobs = make_blobs()
    if loss == "cross_entropy":
        return blobs
    task = "multilabel" if loss == "binary_cross_entropy" else "regression"
    train, test = (np.stack([y % 2, y > 1], axis=1).astype(int) for y in (blobs.y_train, blobs.y_test))
    return Dataset(blobs.X_train[:20], train[:20], blobs.X_test[:5], test[:5], task=task)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_no_run_compiles_anything_after_warmup(precision, make_blobs):
    warmup(precision)
    before = [set(entry.overloads) for entry in (train_chunk, predict_chunk, bits_differ)]
    common = {"precision": precision, "hidden": (3,), "batch_size": 7, "n_epochs": 1, "learning_rate": 1e-3}
    data = {loss: make_data(loss, make_blobs) for loss in LOSSES}
    for loss, activation, optimizer, schedule in product(LOSSES, ACTIVATIONS, OPTIMIZERS, get_args(Schedule)):
        config = Config(loss=loss, activation=activation, optimizer=optimizer, schedule=schedule, **common)
        train(data[loss], config)
    for dtype in (np.uint8, np.float32, np.float64):
        train(make_blobs(dtype=dtype), Config(dropout=0.5, clip_norm=0.1, weight_decay=0.1, l2_scale="batch", **common))
    assert [set(entry.overloads) for entry in (train_chunk, predict_chunk, bits_differ)] == before


def test_a_second_warmup_is_fast():
    warmup("float32")
    assert warmup("float32") < 0.1
