"""Studies end to end: paired seeds, the same bytes whatever runs them, and nothing lost."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import fastmlp
from fastmlp.errors import ConfigError, FileFormatError, SchedulerError, StudyError, WorkerError
from fastmlp.io.lock import locked
from fastmlp.seeding import Purpose, stream
from fastmlp.study.result import outcome_of
from fastmlp.study.store import CLAIMS, merge_stores

CONFIG = fastmlp.Config(hidden=(8,), n_epochs=2, batch_size=16)
GRID = {"learning_rate": [0.3, 0.01]}


def digests(study):
    return [record["weights_sha256"] for record in study.records()]


@pytest.fixture(scope="module")
def ref(blobs):
    return digests(fastmlp.sweep(blobs, CONFIG, GRID, 3, n_jobs=1))


# settings and seeds


def test_settings_that_share_a_repeat_share_its_seed(blobs):
    records = fastmlp.sweep(blobs, CONFIG, GRID, 2).records()
    seeds = [record["seed"] for record in records]
    assert seeds == [stream(0, Purpose.REPEAT, repeat) >> 11 for repeat in (0, 1)] * 2


def test_a_run_can_be_done_again_by_its_seed(blobs):
    record = fastmlp.repeat(blobs, CONFIG, 2).records()[1]
    again = fastmlp.train(blobs, CONFIG.replace(seed=record["seed"]))
    assert again.history["test_loss"] == record["history"]["test_loss"]


@pytest.mark.parametrize(
    ("vary", "n_repeats", "message"),
    [
        ({"learning-rate": [0.1]}, 2, "did you mean 'learning_rate'"),
        ({"l2": []}, 2, "l2: expected a list of one value or more, got an empty list"),
        ({}, 2, "nothing varies"),
        ([], 2, "the list of settings is empty"),
        ({"l2": 0.1}, 2, "l2: expected a list of values, got 0.1"),
        ({"l2": [-1]}, 2, "l2: expected .*, got -1"),
        ({"l2": [0, 0.0]}, 2, "stands twice"),
        ({"l2": [0.1]}, 0, "n_repeats: expected .*, got 0"),
    ],
)
def test_what_cannot_be_planned_is_named(vary, n_repeats, message, blobs):
    with pytest.raises(ConfigError, match=message):
        fastmlp.sweep(blobs, CONFIG, vary, n_repeats)


def test_a_diverged_run_is_a_result_and_ends_nothing(blobs):
    config = CONFIG.replace(activation="relu")
    study = fastmlp.sweep(blobs, config, {"learning_rate": [1e30, 0.1]}, 2)
    assert [record["status"] for record in study.records()] == ["diverged"] * 2 + ["finished"] * 2
    assert study.n_diverged({"learning_rate": 1e30}) == 2
    assert study.best() == {"learning_rate": 0.1}


# statistics


def test_statistics_are_those_of_the_histories(blobs):
    study = fastmlp.repeat(blobs, CONFIG, 3)
    last = [record["history"]["test_loss"][-1] for record in study.records()]
    got = study.statistics({}, "test_loss")
    assert (got.n[-1], got.min[-1], got.max[-1]) == (3, min(last), max(last))
    assert got.mean[-1] == pytest.approx(sum(last) / 3)
    assert got.std[-1] == pytest.approx((sum((x - sum(last) / 3) ** 2 for x in last) / 2) ** 0.5)


def test_the_table_has_a_row_an_epoch_of_a_run(blobs):
    assert len(fastmlp.sweep(blobs, CONFIG, GRID, 3).table()) == 2 * 3 * 2


# the same bytes


@pytest.mark.parametrize(("n_jobs", "backend"), [(2, "threads"), (2, "processes")])
def test_no_engine_changes_a_bit(n_jobs, backend, blobs, ref):
    assert digests(fastmlp.sweep(blobs, CONFIG, GRID, 3, n_jobs, backend=backend)) == ref


def test_joblibs_own_configuration_is_respected(blobs, ref):
    import joblib

    with joblib.parallel_config("loky", n_jobs=2):
        assert digests(fastmlp.sweep(blobs, CONFIG, GRID, 3)) == ref


def test_a_scheduler_that_does_not_answer_is_named(blobs, monkeypatch):
    monkeypatch.setattr("fastmlp.study.joblib_backend.SCHEDULER_S", 1)
    with pytest.raises(SchedulerError, match=r"no scheduler answers at tcp://127\.0\.0\.1:9 within"):
        fastmlp.repeat(blobs, CONFIG, 2, backend="dask", scheduler="tcp://127.0.0.1:9")


def test_a_worker_of_another_version_is_refused(blobs, monkeypatch):
    monkeypatch.setattr("fastmlp.study.scheduler.__version__", "9.9.9")
    with pytest.raises(WorkerError, match=r"has fastmlp \S+, the study 9.9.9"):
        fastmlp.repeat(blobs, CONFIG, 2, 1, backend="processes")


# the folder


def test_a_study_read_back_is_the_one_written(blobs, tmp_path):
    study = fastmlp.sweep(blobs, CONFIG, {"hidden": [(4,), (4, 4)]}, 2, out=tmp_path)
    assert fastmlp.load_study(tmp_path).records() == study.records()


def test_only_what_is_missing_is_run(blobs, tmp_path):
    first = fastmlp.sweep(blobs, CONFIG, GRID, 3, out=tmp_path)
    path = tmp_path / "runs.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:4]))
    done = []
    again = fastmlp.sweep(blobs, CONFIG, GRID, 3, out=tmp_path, progress=lambda p: done.append(p.record is not None))
    assert sum(done) == 2
    assert digests(again) == digests(first)


def test_a_torn_last_line_is_dropped_with_a_warning_and_its_run_done_again(blobs, tmp_path, ref):
    fastmlp.sweep(blobs, CONFIG, GRID, 3, out=tmp_path)
    path = tmp_path / "runs.jsonl"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.warns(UserWarning, match="the last line is torn"):
        study = fastmlp.sweep(blobs, CONFIG, GRID, 3, out=tmp_path)
    assert digests(study) == ref
    assert len([json.loads(line) for line in path.read_text().splitlines()]) == 6


def test_a_damaged_line_elsewhere_is_named_by_its_number(blobs, tmp_path):
    fastmlp.sweep(blobs, CONFIG, GRID, 3, out=tmp_path)
    path = tmp_path / "runs.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:2], lines[2][:40] + "\n", *lines[3:]]))
    with pytest.raises(FileFormatError, match=r"runs\.jsonl, line 3 is damaged"):
        fastmlp.load_study(tmp_path)


def test_a_folder_of_another_study_is_refused_and_the_difference_named(blobs, tmp_path):
    fastmlp.sweep(blobs, CONFIG, GRID, 1, out=tmp_path)
    with pytest.raises(
        StudyError, match=r"  l2: the folder has 0\.0, given 0\.5\n  n_repeats: the folder has 1, given 2"
    ):
        fastmlp.sweep(blobs, CONFIG.replace(l2=0.5), GRID, 2, out=tmp_path)


def test_shards_are_files_that_merge_into_the_whole(blobs, tmp_path, ref):
    for part in (1, 2):
        fastmlp.sweep(blobs, CONFIG, GRID, 3, out=tmp_path, shard=(part, 2))
    assert len(list(tmp_path.glob("runs-?-of-2.jsonl"))) == 2
    assert merge_stores(tmp_path, []) == 6
    assert [path.name for path in tmp_path.glob("runs*")] == ["runs.jsonl"]
    assert digests(fastmlp.load_study(tmp_path)) == ref


def test_a_folder_that_is_worked_on_is_not_merged(blobs, tmp_path):
    fastmlp.sweep(blobs, CONFIG, GRID, 1, out=tmp_path, shard=(1, 2))
    with locked(tmp_path / CLAIMS / "0-0.lock"), pytest.raises(StudyError, match="a process is at work on"):
        merge_stores(tmp_path, [])
    assert merge_stores(tmp_path, []) == 1


# processes of their own

COMMAND = [sys.executable, "-m", "fastmlp", "sweep", "--hidden", "60", "--n-epochs", "12", "--vary", "l2=0.01,0.001"]


def start(folder):
    command = [*COMMAND, "--repeats", "6", "--n-jobs", "2", "--out", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def runs(folder):
    return [json.loads(line) for line in (folder / "runs.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def never_killed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    assert start(folder).wait(60) == 0
    return fastmlp.load_study(folder)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no kill -9")
def test_killed_again_and_again_every_run_is_there_once(tmp_path, never_killed):
    for moment in (0.9, 1.0, 1.1, 1.2):
        process = start(tmp_path)
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert start(tmp_path).wait(60) == 0
    assert len(runs(tmp_path)) == 12
    assert digests(fastmlp.load_study(tmp_path)) == digests(never_killed)


def test_two_processes_on_one_folder_do_no_run_twice(tmp_path, never_killed):
    assert [process.wait(60) for process in (start(tmp_path), start(tmp_path))] == [0, 0]
    assert len(runs(tmp_path)) == 12
    assert digests(fastmlp.load_study(tmp_path)) == digests(never_killed)


def test_a_run_that_stopped_early_counts_with_the_weights_that_it_ended_with(blobs):
    config = fastmlp.Config(hidden=(5,), early_stopping="loss", patience=1, tol=0.002, n_epochs=200, batch_size=16)
    study = fastmlp.sweep(blobs, config, {"learning_rate": [0.5, 1.5]}, n_repeats=4)
    for setting in study.settings:
        finals = study.finals(setting, "test_loss")
        configs = [config.replace(**setting, seed=record["seed"]) for record in study.records_of(setting)]
        runs = [fastmlp.train(blobs, one) for one in configs]
        assert finals == [run.model.evaluate(blobs.X_test, blobs.y_test).loss for run in runs]
        assert len({len(record["history"]["epoch"]) for record in study.records_of(setting)}) > 1
        assert outcome_of(study, setting)["test loss"].startswith(f"{np.mean(finals):.4f} ±")


def test_arrays_with_names_weights_and_a_validation_set_reach_other_processes(blobs):
    data = fastmlp.Dataset(
        blobs.X_train, blobs.y_train, blobs.X_test, blobs.y_test, class_names=("a", "b", "c"),
        weight_train=np.arange(1, 121), X_val=blobs.X_test, y_val=blobs.y_test,
    )  # fmt: skip
    config = fastmlp.Config(hidden=(3,), n_epochs=1)
    here, there = (fastmlp.repeat(data, config, 2, backend=name) for name in ("threads", "processes"))
    assert [r["weights_sha256"] for r in here.records()] == [r["weights_sha256"] for r in there.records()]


def test_a_study_of_losses_is_scored_as_they_are(blobs):
    X = blobs.X_train
    data = fastmlp.Dataset(X[:90], X[:90, 0], X[90:], X[90:, 0], task="regression")
    study = fastmlp.sweep(data, fastmlp.Config(hidden=(3,), n_epochs=2), {"loss": ["squared_error", "huber"]}, 2)
    assert study.score == "test_r2"
    assert "test R2" in outcome_of(study, study.settings[1])
    assert study.best() in study.settings
