"""Studies on Dask: a real scheduler, and real workers, one of which is killed."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

import fastmlp

pytest.importorskip("distributed", reason="dask.distributed is not installed")

DASK = [sys.executable, "-m", "dask"]
CONFIG = fastmlp.Config(hidden=(60,), n_epochs=12)
GRID = {"l2": [0.01, 0.001]}
N_REPEATS = 4


def digests(study):
    return [record["weights_sha256"] for record in study.records()]


def start(*words):
    return subprocess.Popen([*DASK, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.fixture
def cluster(tmp_path):
    """Address of a scheduler, and its two workers."""
    file = tmp_path / "scheduler.json"
    here = "--scheduler-file", str(file), "--no-dashboard", "--host", "127.0.0.1"
    worker = "worker", *here, "--nthreads", "1", "--no-nanny", "--local-directory", str(tmp_path)
    processes = [start("scheduler", "--port", "0", *here), start(*worker), start(*worker)]
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
def ref(digits):
    return digests(fastmlp.sweep(digits, CONFIG, GRID, N_REPEATS, n_jobs=1))


def test_workers_give_the_same_bytes(cluster, digits, ref):
    address, _ = cluster
    assert digests(fastmlp.sweep(digits, CONFIG, GRID, N_REPEATS, backend="dask", scheduler=address)) == ref


@pytest.mark.skipif(os.name == "nt", reason="Windows has no kill -9")
def test_a_worker_killed_in_the_middle_costs_no_run(cluster, digits, ref, tmp_path):
    address, workers = cluster
    out, killed = tmp_path / "study", []

    def kill_one(progress):
        if progress.record is not None and not killed:
            workers[0].send_signal(signal.SIGKILL)
            killed.append(progress.n_done)

    how = {"backend": "dask", "scheduler": address, "out": out, "progress": kill_one}
    study = fastmlp.sweep(digits, CONFIG, GRID, N_REPEATS, **how)
    assert killed == [1]
    assert workers[0].wait(10) == -signal.SIGKILL
    assert digests(study) == ref
    assert len((out / "runs.jsonl").read_text(encoding="utf-8").splitlines()) == len(ref)
