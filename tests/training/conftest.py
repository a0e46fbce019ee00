"""Data for the tests of training."""

import numpy as np
import pytest


def regression_arrays(n=200, n_outputs=1):
    """Samples and target values that a small network can learn."""
    random = np.random.default_rng(0)
    X = random.normal(size=(n, 4))
    return X, np.stack([np.sin(X[:, j]) + 0.5 * X[:, j + 1] for j in range(n_outputs)], axis=1)


@pytest.fixture(scope="session")
def make_regression():
    return regression_arrays
