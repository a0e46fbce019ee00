"""A small sweep, the digests of its weights, and a folder with a study."""

import pytest

import fastmlp


def _digests(study):
    return [record["weights_sha256"] for record in study.records()]


@pytest.fixture(scope="session")
def digests():
    """Function that returns the digests of the weights of all runs."""
    return _digests


@pytest.fixture(scope="session")
def config():
    return fastmlp.Config(hidden=(8,), n_epochs=2, batch_size=16)


@pytest.fixture(scope="session")
def grid():
    return {"learning_rate": [0.3, 0.01]}


@pytest.fixture(scope="session")
def ref(blobs, config, grid):
    """Digests of the sweep with three repeats, executed one run at a time."""
    return _digests(fastmlp.sweep(blobs, config, grid, 3, n_jobs=1))


@pytest.fixture
def folder(blobs, tmp_path):
    """Folder of a finished study: two settings, two repeats, two epochs."""
    fastmlp.sweep(blobs, fastmlp.Config(hidden=(4,), n_epochs=2), {"l2": [0.0, 0.01]}, 2, out=tmp_path)
    return tmp_path
