"""Epochs by `fastmlp.train`, in the shapes of CIFAR-10 and MNIST. `train` copies the model: no reset is needed."""

from dataclasses import replace

import numpy as np
import pytest

import fastmlp
from benchmarks.case import CASES, SCALE, config_of, load_data
from benchmarks.validate import check_training
from fastmlp.settings import BF16_TERMS
from fastmlp.training.precision import resolve

SETTINGS = {
    "sgd": {"optimizer": "sgd", "learning_rate": 0.3},
    "sgd-l2": {"optimizer": "sgd", "learning_rate": 0.3, "l2": 0.001},
    "adam": {"optimizer": "adam", "learning_rate": 0.001},
}


@pytest.mark.benchmark(group="epoch")
@pytest.mark.parametrize("kind", ["uint8", "float32"])
@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("shape", ["paper", "mnist"])
def test_epoch(measure, shape, settings, kind):
    case = replace(CASES[shape], **SETTINGS[settings])
    check_training(case)
    X, y, _ = load_data(case)
    if kind == "float32":
        X = np.multiply(X, np.float32(SCALE), dtype=np.float32)
    dataset = fastmlp.Dataset(X, y, X[:1], y[:1], "auto" if kind == "uint8" else "none")
    config = config_of(case, n_epochs=1)
    model = fastmlp.init_model(config, dataset.n_features, dataset.n_classes)
    measure(lambda: fastmlp.train(dataset, config, model), flops=case.flops, rounds=5)


@pytest.mark.benchmark(group="epoch")
@pytest.mark.parametrize("precision", BF16_TERMS)
def test_epoch_with_bf16_instructions(measure, precision):
    case = CASES["paper"]
    X, y, _ = load_data(case)
    config, reason = resolve(config_of(case, n_epochs=1).replace(precision=precision), X)
    if reason:
        pytest.skip(reason)
    dataset = fastmlp.Dataset(X, y, X[:1], y[:1])
    model = fastmlp.init_model(config, dataset.n_features, dataset.n_classes)
    measure(lambda: fastmlp.train(dataset, config, model), flops=case.flops, rounds=5)
