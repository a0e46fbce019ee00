"""Scheduling: no backend changes a bit of the results, and unknown options are refused."""

import pytest

import fastmlp
from fastmlp.errors import ConfigError


@pytest.mark.parametrize(("n_jobs", "backend"), [(2, "threads"), (2, "processes")])
def test_no_backend_changes_a_bit(n_jobs, backend, blobs, config, grid, digests, ref):
    assert digests(fastmlp.sweep(blobs, config, grid, 3, n_jobs, backend=backend)) == ref


def test_the_configured_backend_of_joblib_is_used(blobs, config, grid, digests, ref):
    import joblib

    with joblib.parallel_config("loky", n_jobs=2):
        assert digests(fastmlp.sweep(blobs, config, grid, 3)) == ref


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "mpi"}, "backend: expected one of 'threads', 'processes', 'dask', got 'mpi'"),
        ({"scheduler": "tcp://x:1"}, "scheduler: expected only with the backend 'dask', got 'tcp://x:1'"),
        ({"n_jobs": 0}, "n_jobs: expected an integer >= 1, or -1 for all cores, got 0"),
    ],
)
def test_invalid_options_are_refused(options, message, blobs, config):
    with pytest.raises(ConfigError, match=message):
        fastmlp.repeat(blobs, config, 1, **options)
