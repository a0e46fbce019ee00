"""Workers in other processes: version and data are checked, and arrays reach them through files."""

import numpy as np
import pytest

import fastmlp
from fastmlp.errors import WorkerError


def test_a_worker_with_another_version_is_refused(blobs, config, monkeypatch):
    monkeypatch.setattr("fastmlp.study.scheduler.__version__", "9.9.9")
    with pytest.raises(WorkerError, match=r"has fastmlp \S+, the study has 9\.9\.9; install the same version"):
        fastmlp.repeat(blobs, config, 2, 1, backend="processes")


def test_arrays_with_class_names_weights_and_a_validation_set_reach_other_processes(blobs):
    data = fastmlp.Dataset(
        blobs.X_train, blobs.y_train, blobs.X_test, blobs.y_test, class_names=("a", "b", "c"),
        weight_train=np.arange(1, 121), X_val=blobs.X_test, y_val=blobs.y_test,
    )  # fmt: skip
    config = fastmlp.Config(hidden=(3,), n_epochs=1)
    ref, got = (fastmlp.repeat(data, config, 2, backend=name) for name in ("threads", "processes"))
    assert [r["weights_sha256"] for r in got.records()] == [r["weights_sha256"] for r in ref.records()]
