"""Fixtures for several test modules: a small data set that any network learns quickly, and the activations in NumPy."""

import numpy as np
import pytest

from fastmlp.codegen import cpu
from fastmlp.data import Dataset

#: What runs first: these tests compile the kernels that the others use.
FIRST = ("tests/test_instruction_sets.py", "tests/kernels/")


def pytest_collection_modifyitems(items):
    """For pytest-xdist: the tests of a file stay in one process, with what they compile; the longest files first."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.split("::")[0]))
    items.sort(key=lambda item: not item.nodeid.startswith(FIRST))


def gaussian_blobs(n_train=120, n_test=40, n_features=5, n_classes=3, dtype=np.float64):
    """Gaussian clusters around corners of a cube; both sets contain every class."""
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


@pytest.fixture
def amx_disabled(monkeypatch):
    """A CPU with AMX that ``FASTMLP_AMX=0`` forbids to use, so that no kernels for it are compiled."""
    monkeypatch.setattr(cpu, "bf16_instructions", lambda: "amx")
    monkeypatch.setenv("FASTMLP_AMX", "0")


@pytest.fixture(scope="session")
def plain_activations():
    """Every activation in plain NumPy, by name."""
    return {
        "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
        "tanh": np.tanh,
        "relu": lambda z: np.maximum(z, 0),
        "identity": lambda z: z,
        "leaky_relu": lambda z: np.where(z < 0, 0.01 * z, z),
        "elu": lambda z: np.where(z < 0, np.expm1(np.minimum(z, 0)), z),
        "gelu": lambda z: 0.5 * z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3))),
        "silu": lambda z: z / (1 + np.exp(-z)),
        "softplus": lambda z: np.logaddexp(0, z),
    }
