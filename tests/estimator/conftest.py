"""Data that a small network separates in a few epochs, and functions that create small estimators."""

import numpy as np
import pytest

from fastmlp import MLPClassifier, MLPRegressor

SMALL = {"hidden_layer_sizes": (8,), "learning_rate_init": 0.03, "random_state": 0}


@pytest.fixture(scope="session")
def y():
    """Labels of three classes."""
    return np.arange(120) % 3


@pytest.fixture(scope="session")
def X(y):
    """Samples of three features, scattered around a different corner for each class."""
    return (y[:, None] == np.arange(3)) * 2.0 + np.random.default_rng(2).standard_normal((120, 3)) * 0.4


@pytest.fixture(scope="session")
def values(X):
    """Target values for regression."""
    return X @ [1.0, -2.0, 0.5]


@pytest.fixture(scope="session")
def make_classifier():
    return lambda **parameters: MLPClassifier(**{**SMALL, **parameters})


@pytest.fixture(scope="session")
def make_regressor():
    return lambda **parameters: MLPRegressor(**{**SMALL, **parameters})
