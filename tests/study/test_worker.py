"""Workers in other processes: version and data are checked, and arrays reach them through files."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import fastmlp
from fastmlp import parallel
from fastmlp.errors import WorkerError
from fastmlp.study.scheduler import _data_source
from fastmlp.study.worker import WorkerJob, _load, execute_job


def test_a_worker_with_another_version_is_refused(blobs, config, monkeypatch):
    monkeypatch.setattr("fastmlp.study.scheduler.__version__", "9.9.9")
    with pytest.raises(WorkerError, match=r"has fastmlp \S+, the study has 9\.9\.9; install the same version"):
        fastmlp.repeat(blobs, config, 2, 1, backend="processes")


@pytest.mark.parametrize("labels", [[-1, 4, 7], ["ant", "bee", "crane"], [0, 1, 2]], ids=str)
def test_the_codes_of_labels_reach_other_processes(labels, blobs):
    """A name without a sample remains a class."""
    names = ("a", "b", "c", "d") if labels == [0, 1, 2] else None
    y_train, y_test = (np.array(labels)[y] for y in (blobs.y_train, blobs.y_test))
    dataset = fastmlp.Dataset(blobs.X_train, y_train, blobs.X_test, y_test, class_names=names)
    with _data_source(dataset) as source:
        got = _load(WorkerJob(fastmlp.__version__, source, dataset.class_names, dataset.checksum()))
    np.testing.assert_array_equal(got.y_train, dataset.y_train)
    assert (got.n_classes, got.class_names) == (dataset.n_classes, dataset.class_names)


def test_arrays_with_class_names_weights_and_a_validation_set_reach_other_processes(blobs):
    data = fastmlp.Dataset(
        blobs.X_train, blobs.y_train, blobs.X_test, blobs.y_test, class_names=("a", "b", "c"),
        weight_train=np.arange(1, 121), X_val=blobs.X_test, y_val=blobs.y_test,
    )  # fmt: skip
    config = fastmlp.Config(hidden=(3,), n_epochs=1)
    ref, got = (fastmlp.repeat(data, config, 2, backend=name) for name in ("threads", "processes"))
    assert [r["weights_sha256"] for r in got.records()] == [r["weights_sha256"] for r in ref.records()]


def test_sparse_samples_reach_other_processes(make_sparse_and_dense, config):
    sparse, dense = make_sparse_and_dense()
    studies = [
        fastmlp.repeat(data, config, 2, 2, backend=name) for data, name in ((dense, "threads"), (sparse, "processes"))
    ]
    ref, got = ([record["weights_sha256"] for record in study.records()] for study in studies)
    assert got == ref
    assert studies[1].about["data"]["n_train"] == 80
    assert studies[1].about["data"]["checksum"] != studies[0].about["data"]["checksum"]


@pytest.mark.parametrize("target_scale", ["auto", "none"])
def test_the_scaling_of_targets_reaches_other_processes(target_scale, blobs):
    y = 10.0 + 3.0 * blobs.y_train
    data = fastmlp.Dataset(blobs.X_train, y, blobs.X_train, y, task="regression", target_scale=target_scale)
    with _data_source(data) as source:
        got = _load(WorkerJob(fastmlp.__version__, source, None, data.checksum()))
    assert got.target_scale == target_scale


@pytest.mark.parametrize(("n_workers", "n_threads"), [(1, 4), (2, 2), (3, 1), (9, 1)])
def test_a_worker_has_its_part_of_the_cores(n_workers, n_threads, blobs, four_cores, monkeypatch):
    assert execute_together(1, n_workers, blobs, monkeypatch) == [n_threads]


@pytest.mark.parametrize(("n_runs", "n_workers", "n_threads"), [(2, 2, 2), (2, 4, 1), (4, 4, 1)])
def test_runs_in_one_worker_have_their_part_each(n_runs, n_workers, n_threads, blobs, four_cores, monkeypatch):
    assert execute_together(n_runs, n_workers, blobs, monkeypatch) == [n_threads] * n_runs


def test_hardware_threads_of_a_core_count_once(blobs, four_cores, monkeypatch):
    assert execute_together(1, 2, blobs, monkeypatch, n_cores=2) == [1]


def execute_together(n_runs, n_workers, blobs, monkeypatch, n_cores=4):
    """The numbers of threads of runs at the same time in a worker with four CPUs."""
    start, has_counted = threading.Barrier(n_runs), threading.Barrier(n_runs)

    def count(spec, dataset):
        with parallel.core_in_use():
            start.wait(10)
            with parallel.threads_for("auto", 8) as n:
                has_counted.wait(10)
                return n

    monkeypatch.setattr("fastmlp.study.worker.available_cores", lambda: 4)
    monkeypatch.setattr("fastmlp.study.worker.physical_cores", lambda cpus: n_cores)
    monkeypatch.setattr("fastmlp.study.worker.execute", count)
    with _data_source(blobs) as source, ThreadPoolExecutor(n_runs) as pool:
        job = WorkerJob(fastmlp.__version__, source, blobs.class_names, blobs.checksum(), n_workers)
        return list(pool.map(execute_job, [job] * n_runs, [None] * n_runs))
