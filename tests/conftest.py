"""What the tests of several modules share: small data that any network learns in a few epochs."""

import numpy as np
import pytest

from fastmlp.data import Dataset


def gaussian_blobs(n_train=120, n_test=40, n_features=5, n_classes=3, dtype=np.float64):
    """Clouds round corners of a cube; every class is in both sets."""
    rng = np.random.default_rng(0)
    y = np.arange(n_train + n_test) % n_classes
    centres = 3 * rng.choice([-1.0, 1.0], (n_classes, n_features))
    X = (centres[y] + rng.standard_normal((y.size, n_features))).astype(dtype)
    return Dataset(X[:n_train], y[:n_train], X[n_train:], y[n_train:], name="blobs")


@pytest.fixture(scope="session")
def make_blobs():
    return gaussian_blobs


@pytest.fixture(scope="session")
def blobs():
    return gaussian_blobs()
