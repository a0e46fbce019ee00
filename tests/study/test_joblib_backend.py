"""Studies on Dask: a scheduler and two workers in processes of their own, one of which is killed."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

import fastmlp
from fastmlp.errors import SchedulerError
from fastmlp.study import joblib_backend
from fastmlp.study.worker import WorkerJob

pytest.importorskip("distributed", reason="dask.distributed is not installed")

DASK = [sys.executable, "-m", "dask"]
CONFIG = fastmlp.Config(hidden=(60,), n_epochs=12)
GRID = {"l2": [0.01, 0.001]}
N_REPEATS = 4


def start(*words):
    return subprocess.Popen([*DASK, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.fixture
def cluster(tmp_path):
    """Address of a scheduler, and the processes of its two workers."""
    file = tmp_path / "scheduler.json"
    common = "--scheduler-file", str(file), "--no-dashboard", "--host", "127.0.0.1"
    worker = "worker", *common, "--nthreads", "1", "--no-nanny", "--local-directory", str(tmp_path)
    processes = [start("scheduler", "--port", "0", *common), start(*worker), start(*worker)]
    deadline = time.monotonic() + 60
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    try:
        yield json.loads(file.read_text())["address"], processes[1:]
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def digits():
    return fastmlp.load_data("digits")


@pytest.fixture(scope="module")
def ref_digits(digits, digests):
    return digests(fastmlp.sweep(digits, CONFIG, GRID, N_REPEATS, n_jobs=1))


def test_dask_workers_give_the_same_bits(cluster, digits, digests, ref_digits):
    address, _ = cluster
    assert digests(fastmlp.sweep(digits, CONFIG, GRID, N_REPEATS, backend="dask", scheduler=address)) == ref_digits


@pytest.mark.skipif(os.name == "nt", reason="Windows has no kill -9")
def test_no_run_is_lost_if_a_worker_is_killed(cluster, digits, digests, ref_digits, tmp_path):
    address, workers = cluster
    out, killed = tmp_path / "study", []

    def kill_one(progress):
        if progress.record is not None and not killed:
            workers[0].send_signal(signal.SIGKILL)
            killed.append(progress.n_done)

    options = {"backend": "dask", "scheduler": address, "out": out, "progress": kill_one}
    study = fastmlp.sweep(digits, CONFIG, GRID, N_REPEATS, **options)
    assert killed == [1]
    assert workers[0].wait(10) == -signal.SIGKILL
    assert digests(study) == ref_digits
    assert len((out / "runs.jsonl").read_text(encoding="utf-8").splitlines()) == len(ref_digits)


def test_a_scheduler_that_does_not_answer_is_reported(blobs, config, monkeypatch):
    monkeypatch.setattr("fastmlp.study.joblib_backend.SCHEDULER_TIMEOUT_S", 1)
    with pytest.raises(SchedulerError, match=r"no scheduler answers at tcp://127\.0\.0\.1:9 within 1 s; start one"):
        fastmlp.repeat(blobs, config, 2, backend="dask", scheduler="tcp://127.0.0.1:9")


@pytest.mark.parametrize(("n_jobs", "n_missing", "n_workers"), [(1, 4, 1), (3, 4, 3), (8, 4, 4)])
def test_each_worker_is_told_how_many_runs_are_executed_at_once(n_jobs, n_missing, n_workers, monkeypatch):
    joblib = pytest.importorskip("joblib")
    monkeypatch.setattr(joblib_backend, "execute_job", lambda job, spec: job.n_workers)
    reported = []
    with joblib.parallel_config("threading"):
        job = WorkerJob(fastmlp.__version__, None, None, "", n_missing)
        joblib_backend.run_joblib(iter("abcd"), n_jobs, job, lambda *event: reported.append(event), None, None)
    assert sorted(reported) == [(spec, n_workers) for spec in "abcd"]
