"""Fixtures for several test modules: a small data set, and activations, losses and optimizers in plain NumPy."""

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fastmlp import parallel
from fastmlp.codegen import cpu
from fastmlp.data import Dataset

#: What runs first, in this order: the longest tests, and those that compile the kernels that the others use.
FIRST = ("tests/test_instruction_sets.py::test_the_tests_of_kernels", "tests/kernels/")


os.environ.setdefault("MPLBACKEND", "agg")  # figures of pyplot open no window


@pytest.fixture(autouse=True)
def close_figures():
    """Close what a test leaves open in pyplot, which warns of more than 20 figures."""
    yield
    if (pyplot := sys.modules.get("matplotlib.pyplot")) is not None:
        pyplot.close("all")


def pytest_collection_modifyitems(items):
    """For pytest-xdist: the tests of a file stay in one process, with what they compile."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.split("::")[0]))
    items.sort(key=lambda item: [not item.nodeid.startswith(prefix) for prefix in FIRST])


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


def sparse_and_dense(scale="unit", dtype=np.float32, **options):
    """A sparse data set of counts, and the same one dense."""
    from scipy.sparse import csr_array

    rng = np.random.default_rng(0)
    X = np.where(rng.random((100, 40)) < 0.15, rng.integers(1, 9, (100, 40)), 0).astype(dtype)
    y = (X[:, :20].sum(axis=1) > X[:, 20:].sum(axis=1)).astype(int)
    sets = ((kind(X[:80]), y[:80], kind(X[80:]), y[80:]) for kind in (csr_array, np.asarray))
    return [Dataset(*arrays, scale, name="counts", **options) for arrays in sets]


@pytest.fixture(scope="session")
def make_sparse_and_dense():
    return sparse_and_dense


class SmallDisk:
    """A mounted file system, and a file on it that leaves as little free space as a test needs."""

    def __init__(self, path):
        self.path, self._filler = path, path / "filler"

    def leave(self, n_bytes):
        """Leave so many bytes of free space, rounded to whole blocks."""
        self._filler.unlink(missing_ok=True)
        disk = os.statvfs(self.path)
        n_blocks = disk.f_bavail - n_bytes // disk.f_frsize
        self._filler.write_bytes(bytes(max(0, n_blocks) * disk.f_frsize))

    def free(self):
        """Remove the file that takes the space."""
        self._filler.unlink(missing_ok=True)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 512 KiB in memory; skips where mounting is not allowed."""
    path = Path(tmp_path, "disk")
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(path)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if mounted.returncode:
        pytest.skip(f"a file system cannot be mounted here: {mounted.stderr.strip()}")
    yield SmallDisk(path)
    subprocess.run(["umount", "--lazy", str(path)], check=True)


@pytest.fixture
def amx_disabled(monkeypatch):
    """A CPU with AMX that ``FASTMLP_AMX=0`` forbids to use, so that no kernels for it are compiled."""
    monkeypatch.setattr(cpu, "bf16_instructions", lambda: "amx")
    monkeypatch.setenv("FASTMLP_AMX", "0")


@pytest.fixture
def four_cores(monkeypatch):
    """A machine with four cores, and no other limit of the number of threads."""
    monkeypatch.setattr(parallel, "affinity", lambda: frozenset(range(4)))
    monkeypatch.setattr(parallel, "physical_cores", len)
    monkeypatch.setattr(parallel, "cgroup_limits", lambda: ())
    for name in parallel.VARIABLES:
        monkeypatch.delenv(name, raising=False)


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


@pytest.fixture(scope="session")
def plain_losses():
    """Every loss in plain NumPy, by name: a function of pre-activations, targets and config, one value per sample."""

    def cross_entropy(Z, y, config):
        n_classes, smoothing = Z.shape[1], config.label_smoothing
        targets = np.eye(n_classes)[y] * (1 - smoothing) + smoothing / n_classes
        return np.log(np.exp(Z).sum(axis=1)) - (targets * Z).sum(axis=1)

    def binary_cross_entropy(Z, y, config):
        p, y = 1 / (1 + np.exp(-Z)), y * (1 - config.label_smoothing) + config.label_smoothing / 2
        return -(y * np.log(p) + (1 - y) * np.log(1 - p)).sum(axis=1)

    def squared_error(Z, y, config):
        return ((Z - y) ** 2 / 2).sum(axis=1)

    def huber(Z, y, config):
        error, delta = abs(Z - y), config.huber_delta
        return np.where(error < delta, error**2 / 2, delta * (error - delta / 2)).sum(axis=1)

    def poisson(Z, y, config):
        return (np.exp(Z) - y * Z + np.where(y > 0, y * np.log(np.maximum(y, 1)) - y, 0)).sum(axis=1)

    return {
        "cross_entropy": cross_entropy,
        "binary_cross_entropy": binary_cross_entropy,
        "squared_error": squared_error,
        "huber": huber,
        "poisson": poisson,
    }


@pytest.fixture(scope="session")
def plain_steps():
    """Every optimizer in plain NumPy, by name: weight and moments after step t, in the form of the papers."""

    def sgd(w, m, v, g, t, c):
        return w - c.learning_rate * g, m, v

    def momentum(w, m, v, g, t, c):
        m = c.momentum * m - c.learning_rate * g
        return w + m, m, v

    def nesterov(w, m, v, g, t, c):
        m = c.momentum * m - c.learning_rate * g
        return w + c.momentum * m - c.learning_rate * g, m, v

    def rmsprop(w, m, v, g, t, c):
        v = c.beta2 * v + (1 - c.beta2) * g**2
        return w - c.learning_rate * g / (np.sqrt(v) + c.eps), m, v

    def adam(w, m, v, g, t, c):
        m, v = c.beta1 * m + (1 - c.beta1) * g, c.beta2 * v + (1 - c.beta2) * g**2
        root = np.sqrt(v / (1 - c.beta2**t)) + c.eps
        return w - c.learning_rate * m / (1 - c.beta1**t) / root, m, v

    def nadam(w, m, v, g, t, c):
        m, v = c.beta1 * m + (1 - c.beta1) * g, c.beta2 * v + (1 - c.beta2) * g**2
        root = np.sqrt(v / (1 - c.beta2**t)) + c.eps
        *past, mu, next_mu = (c.beta1 * (1 - 0.5 * 0.96 ** (0.004 * i)) for i in range(1, t + 2))
        product = math.prod(past) * mu
        mean = next_mu * m / (1 - product * next_mu) + (1 - mu) * g / (1 - product)
        return w - c.learning_rate * mean / root, m, v

    return {
        "sgd": sgd,
        "momentum": momentum,
        "nesterov": nesterov,
        "rmsprop": rmsprop,
        "adam": adam,
        "adamw": adam,
        "nadam": nadam,
    }
