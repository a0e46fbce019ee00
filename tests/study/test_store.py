"""The folder of a study: saved, merged, shared by processes, and complete after kill -9."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

import fastmlp
from fastmlp.errors import OutputError, StudyError
from fastmlp.io.lock import locked
from fastmlp.study.store import CLAIMS, merge_stores


def test_a_loaded_study_equals_the_saved_one(blobs, config, tmp_path):
    study = fastmlp.sweep(blobs, config, {"hidden": [(4,), (4, 4)]}, 2, out=tmp_path)
    assert fastmlp.load_study(tmp_path).records() == study.records()


def test_shards_are_separate_files_that_can_be_merged(blobs, config, grid, tmp_path, digests, ref):
    for part in (1, 2):
        fastmlp.sweep(blobs, config, grid, 3, out=tmp_path, shard=(part, 2))
    assert len(list(tmp_path.glob("runs-?-of-2.jsonl"))) == 2
    assert merge_stores(tmp_path, []) == 6
    assert [path.name for path in tmp_path.glob("runs*")] == ["runs.jsonl"]
    assert digests(fastmlp.load_study(tmp_path)) == ref


def test_a_folder_is_not_merged_while_a_process_runs_the_study(blobs, config, grid, tmp_path):
    fastmlp.sweep(blobs, config, grid, 1, out=tmp_path, shard=(1, 2))
    with (
        locked(tmp_path / CLAIMS / "0-0.lock"),
        pytest.raises(StudyError, match="a process is still running this study"),
    ):
        merge_stores(tmp_path, [])
    assert merge_stores(tmp_path, []) == 1


def test_on_a_full_disk_no_finished_run_is_lost(blobs, config, grid, small_disk, digests, ref):
    folder = small_disk.path / "study"

    def fill(progress):
        if progress.n_done == 2:
            small_disk.leave(0)
            with open(folder / "runs.jsonl", "ab") as last:  # the rest of the last block
                last.write(b"\n" * (-(folder / "runs.jsonl").stat().st_size % 4096))

    with pytest.raises(OutputError, match=r"No space left on device; free some space and start the same study") as got:
        fastmlp.sweep(blobs, config, grid, 3, 1, out=folder, progress=fill)
    assert len(got.value.study.records()) > 2
    small_disk.free()
    executed = []
    again = fastmlp.sweep(
        blobs, config, grid, 3, 1, out=folder, progress=lambda p: p.record and executed.append(p.spec)
    )
    assert digests(again) == ref
    assert len(executed) == 4


# several processes

COMMAND = [sys.executable, "-m", "fastmlp", "sweep", "--hidden", "60", "--n-epochs", "12", "--vary", "l2=0.01,0.001"]


def start(folder):
    command = [*COMMAND, "--repeats", "6", "--n-jobs", "2", "--out", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def runs(folder):
    return [json.loads(line) for line in (folder / "runs.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    assert start(folder).wait(60) == 0
    return fastmlp.load_study(folder)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no kill -9")
def test_a_study_that_is_killed_several_times_has_each_run_once(tmp_path, digests, uninterrupted):
    for delay_s in (0.9, 1.0, 1.1, 1.2):
        process = start(tmp_path)
        time.sleep(delay_s)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert start(tmp_path).wait(60) == 0
    assert len(runs(tmp_path)) == 12
    assert digests(fastmlp.load_study(tmp_path)) == digests(uninterrupted)


def test_two_processes_with_one_folder_execute_no_run_twice(tmp_path, digests, uninterrupted):
    assert [process.wait(60) for process in (start(tmp_path), start(tmp_path))] == [0, 0]
    assert len(runs(tmp_path)) == 12
    assert digests(fastmlp.load_study(tmp_path)) == digests(uninterrupted)
