"""Interrupted runs resume to the same bits, or an error gives the reason why they cannot."""

import json
import os
import re
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest

import fastmlp
from fastmlp.cli import RESULTS, main
from fastmlp.config import Config
from fastmlp.data import Dataset
from fastmlp.errors import CheckpointError, DivergedError, FileFormatError, OutputError
from fastmlp.io.npz import read_npz, write_npz
from fastmlp.study.run import digest
from fastmlp.training import checkpoint, loop
from fastmlp.training.checkpoint import LOCK, NEWEST, PREVIOUS, Checkpoint, State, discard_checkpoint
from fastmlp.training.history import History
from fastmlp.training.loop import train

POSIX = pytest.mark.skipif(os.name == "nt", reason="Windows has other signals, limits and permissions")
SMALL = Config(hidden=(7, 6), n_epochs=4, batch_size=16, optimizer="adam", learning_rate=0.02, dropout=0.3)
CHANGES = {
    "adam": {},
    "nadam, clipped": {"optimizer": "nadam", "clip_norm": 0.1},
    "sgd in order": {"optimizer": "sgd", "shuffle": False, "l2": 0.01, "l2_scale": "batch"},
    "momentum, float64": {"optimizer": "momentum", "precision": "float64"},
    "stopped early": {"early_stopping": "loss", "patience": 2, "n_epochs": 30, "learning_rate": 0.3},
    "plateau schedule": {"schedule": "plateau", "step_epochs": 1, "tol": 0.3, "n_epochs": 5},
}


@pytest.fixture
def short_chunks(monkeypatch):
    """Chunks of one step, after each of which training can be interrupted."""
    monkeypatch.setattr("fastmlp.training.thread_trials.CHUNK_S", 1e-12)


@pytest.fixture
def frequent_checkpoints(monkeypatch):
    """A checkpoint after every chunk."""
    monkeypatch.setattr(checkpoint, "INTERVAL_S", 0.0)
    monkeypatch.setattr(checkpoint, "MAX_TIME_FRACTION", np.inf)


def results(run):
    """Results of a run, without the seconds."""
    history = {name: values for name, values in run.history.to_dict().items() if not name.endswith("_s")}
    return run.model.params.theta.tobytes(), run.model.n_epochs, history


def stop_after(n_reports):
    n_left = [n_reports]

    def progress(_):
        n_left[0] -= 1
        if n_left[0] < 0:
            raise KeyboardInterrupt

    return progress


def train_with_interruptions(data, config, folder, n_reports, model=None):
    for n_calls in range(1, 1000):
        try:
            return train(data, config, model, stop_after(n_reports), folder), n_calls
        except KeyboardInterrupt:
            assert (folder / NEWEST).exists()
    raise AssertionError("training does not end")


# the same bits


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_a_run_that_is_interrupted_many_times_gives_the_same_bits(changes, blobs, tmp_path, short_chunks):
    config = SMALL.replace(**changes)
    got, n_calls = train_with_interruptions(blobs, config, tmp_path, 3)
    assert n_calls > 5
    assert results(got) == results(train(blobs, config))


def test_a_run_on_sparse_samples_gives_the_same_bits(make_sparse_and_dense, tmp_path, short_chunks):
    sparse, dense = make_sparse_and_dense()
    config = SMALL.replace(batch_size=8)
    got, n_calls = train_with_interruptions(sparse, config, tmp_path, 7)
    assert n_calls > 5
    ref = train(sparse, config)
    assert results(got) == results(ref)
    assert digest(ref.model) == digest(train(dense, config).model)


def test_a_run_that_is_killed_resumes_from_the_last_checkpoint(blobs, tmp_path, short_chunks, frequent_checkpoints):
    def die(progress):
        if (progress.epoch, progress.n_seen) == (3, 64):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train(blobs, SMALL, progress=die, checkpoint=tmp_path)
    reports = []
    got = train(blobs, SMALL, progress=reports.append, checkpoint=tmp_path)
    assert (reports[0].epoch, reports[0].n_seen) == (3, 64)
    assert results(got) == results(train(blobs, SMALL))


@pytest.mark.parametrize("place", ["update_monitors", "evaluate_validated", "run_epoch"])
def test_a_run_can_be_interrupted_between_any_two_lines(place, blobs, tmp_path, monkeypatch):
    """Before the monitors are updated, within the evaluation, and before the first step of an epoch."""
    config = SMALL.replace(early_stopping="loss", patience=3, n_epochs=8)
    owner = fastmlp.Model if place == "evaluate_validated" else loop.TrainingLoop
    ref, original, count = train(blobs, config), getattr(owner, place), [0]

    def interrupted(*args):
        count[0] += 1
        if count[0] in (2, 7):
            raise KeyboardInterrupt
        return original(*args)

    monkeypatch.setattr(owner, place, interrupted)
    got, n_calls = train_with_interruptions(blobs, config, tmp_path, 1000)
    assert n_calls == 3
    assert results(got) == results(ref)


def test_a_run_from_a_given_model_is_resumed_and_another_model_is_refused(blobs, tmp_path, short_chunks):
    model = train(blobs, SMALL.replace(n_epochs=1)).model
    got, _ = train_with_interruptions(blobs, SMALL, tmp_path, 9, model)
    assert results(got) == results(train(blobs, SMALL, model))
    with pytest.raises(CheckpointError, match=r"  network at the beginning: expected '[0-9a-f]{64}', got '"):
        train(blobs, SMALL, checkpoint=tmp_path)


def test_a_run_that_diverges_within_a_resumed_epoch_returns_the_last_finite_epoch(blobs, tmp_path, short_chunks):
    config = Config(hidden=(4,), activation="relu", learning_rate=0.5, l2=20.0, batch_size=40, n_epochs=100)
    with pytest.raises(DivergedError) as ref:
        train(blobs, config)
    with pytest.raises(DivergedError) as got:
        train_with_interruptions(blobs, config, tmp_path, 5)
    assert results(got.value) == results(ref.value)
    assert got.value.epoch == ref.value.epoch > 1


def test_a_finished_run_is_returned_without_training(blobs, tmp_path):
    first, reports = train(blobs, SMALL, checkpoint=tmp_path), []
    second = train(blobs, SMALL, progress=reports.append, checkpoint=tmp_path)
    assert (results(second), reports) == (results(first), [])
    assert second.history == first.history
    assert sorted(os.listdir(tmp_path)) == [NEWEST]


# another run


def test_another_config_is_refused_and_every_difference_is_listed(blobs, tmp_path):
    train(blobs, SMALL, checkpoint=tmp_path)
    before = (tmp_path / NEWEST).read_bytes()
    with pytest.raises(CheckpointError) as error:
        train(blobs, SMALL.replace(l2=0.5, hidden=(3,)), checkpoint=tmp_path)
    lines = str(error.value).splitlines()
    assert lines[0] == f"{tmp_path} holds the checkpoint of another run"
    assert lines[1:3] == ["  hidden: expected [7, 6], got [3]", "  l2: expected 0.0, got 0.5"]
    assert lines[-1] == (
        "Use the settings and data of that run, name another folder, or start over (--fresh; from Python: "
        "fastmlp.discard_checkpoint)."
    )
    assert (tmp_path / NEWEST).read_bytes() == before


def test_other_data_is_refused(blobs, make_blobs, tmp_path):
    train(blobs, SMALL, checkpoint=tmp_path)
    X = blobs.X_train.copy()
    X[0, 0] += 1e-9
    other = Dataset(X, blobs.y_train, blobs.X_test, blobs.y_test)
    with pytest.raises(CheckpointError, match=f"  data: expected '{blobs.checksum()}', got '{other.checksum()}'"):
        train(other, SMALL, checkpoint=tmp_path)


def test_another_version_of_fastmlp_is_refused(blobs, tmp_path, monkeypatch):
    train(blobs, SMALL, checkpoint=tmp_path)
    monkeypatch.setattr(checkpoint, "__version__", "0.0.7")
    with pytest.raises(CheckpointError, match=r"  fastmlp: expected '.*', got '0\.0\.7'"):
        train(blobs, SMALL, checkpoint=tmp_path)


def test_two_runs_in_one_folder_are_refused(blobs, tmp_path):
    with (
        Checkpoint(tmp_path, {}),
        pytest.raises(
            CheckpointError, match=r"another process is training in .*; wait for it to end, or name another folder"
        ),
    ):
        train(blobs, SMALL, checkpoint=tmp_path)
    train(blobs, SMALL, checkpoint=tmp_path)


def test_a_folder_is_unlocked_though_ctrl_c_comes_again(blobs, tmp_path, monkeypatch):
    def interrupted(path, missing_ok):
        if path.name == LOCK:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(blobs, SMALL, progress=stop_after(2), checkpoint=tmp_path)
    assert results(train(blobs, SMALL, checkpoint=tmp_path)) == results(train(blobs, SMALL))


def test_discarding_removes_checkpoints_only(blobs, tmp_path):
    (tmp_path / "notes.txt").touch()
    (tmp_path / f".{NEWEST}.0123").touch()
    for n_epochs in (1, 1):
        train(blobs, SMALL.replace(n_epochs=n_epochs), checkpoint=tmp_path)
    discard_checkpoint(tmp_path)
    assert os.listdir(tmp_path) == ["notes.txt"]


# damage


STATE = {"theta": np.arange(1000.0), "powers": np.ones(5)}


def shift(state, by):
    return {name: array + by for name, array in state.items()}


@pytest.fixture
def two(tmp_path):
    """A folder with two checkpoints; the newest has a `train_s` of 2, the previous one of 1."""
    with Checkpoint(tmp_path, {"seed": 0}) as checkpoints:
        for by in (1, 2):
            checkpoints.save(State(History(), float(by), shift(STATE, by)))
    return tmp_path


def read(folder, identity=None):
    with Checkpoint(folder, identity or {"seed": 0}) as checkpoints:
        state = checkpoints.load(STATE)
        return state and state.train_s


def test_the_newest_checkpoint_is_read(two):
    assert read(two) == 2.0


def test_the_previous_checkpoint_is_read_if_the_newest_is_missing(two):
    (two / NEWEST).unlink()
    assert read(two) == 1.0
    (two / PREVIOUS).unlink()
    assert read(two) is None


def rewrite(path, **changes):
    """Change the header or an array, in a file that is otherwise intact."""
    with read_npz(path, "checkpoint", 1) as (header, arrays):
        header, arrays = header | changes.pop("header", {}), dict(arrays)
    header.pop("format"), header.pop("version")
    write_npz(path, "checkpoint", changes.pop("version", 1), header, arrays | changes)


DAMAGE = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-4000]),
    "empty": lambda path: path.write_bytes(b""),
    "a flipped bit": lambda path: flip_bit(path, path.stat().st_size // 2),
    "no history": lambda path: rewrite(path, header={"history": 3}),
    "another version": lambda path: rewrite(path, version=2),
    "another shape": lambda path: rewrite(path, theta=np.ones(999)),
    "another dtype": lambda path: rewrite(path, theta=np.ones(1000, np.float32)),
    "an unknown array": lambda path: rewrite(path, phi=np.ones(1)),
    "a huge shape": lambda path: rewrite_array_header(path, b"(1000,), }      ", b"(1000000000,), }"),
    "pickled objects": lambda path: rewrite_array_header(path, b"<f8", b"|O8"),
}


def flip_bit(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 4
    path.write_bytes(content)


def rewrite_array_header(path, old, new):
    """Change the header of an array, in a zip file with correct checksums."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    assert old in members["theta.npy"]
    members["theta.npy"] = members["theta.npy"].replace(old, new)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_for_a_damaged_checkpoint_the_previous_one_is_read_with_a_warning(damage, two):
    damage(two / NEWEST)
    with pytest.warns(UserWarning, match=rf"{NEWEST} is not a checkpoint .*; the run resumes from .*{PREVIOUS}"):
        assert read(two) == 1.0


def test_the_intact_checkpoint_is_kept_until_there_are_two_intact_ones(two):
    DAMAGE["truncated"](two / NEWEST)
    before = (two / PREVIOUS).read_bytes()
    with Checkpoint(two, {"seed": 0}) as checkpoints:
        with pytest.warns(UserWarning, match="resumes from"):
            checkpoints.load(STATE)
        checkpoints.save(State(History(), 3.0, STATE))
        assert (two / PREVIOUS).read_bytes() == before
        checkpoints.save(State(History(), 4.0, STATE))
    (two / NEWEST).unlink()
    assert read(two) == 3.0


def test_if_no_checkpoint_is_intact_an_error_says_so(two):
    for name in (NEWEST, PREVIOUS):
        DAMAGE["truncated"](two / name)
    with (
        pytest.warns(UserWarning, match="resumes from"),
        pytest.raises(FileFormatError, match=r"no checkpoint in .* is intact: start over"),
    ):
        read(two)
    (two / PREVIOUS).unlink()
    with pytest.raises(FileFormatError, match="there is no previous checkpoint: start over"):
        read(two)


@pytest.mark.parametrize("change", [{"powers": np.full(5, 1e9)}, {"powers": np.full(5, np.nan)}, {"theta": None}])
def test_an_inconsistent_checkpoint_is_refused(change, blobs, tmp_path):
    train(blobs, SMALL, checkpoint=tmp_path)
    with read_npz(tmp_path / NEWEST, "checkpoint", 1) as (header, arrays):
        content = dict(arrays) | change
    content = {name: array for name, array in content.items() if array is not None}
    fields = {name: header[name] for name in checkpoint.HEADER_FIELDS}
    write_npz(tmp_path / NEWEST, "checkpoint", 1, fields, content)
    with pytest.raises(FileFormatError, match="the checkpoint is inconsistent: start over"):
        train(blobs, SMALL, checkpoint=tmp_path)


# writing


def test_checkpoints_that_are_slow_to_write_are_written_less_often(tmp_path, monkeypatch):
    with Checkpoint(tmp_path, {}) as checkpoints:
        assert not checkpoints.is_due
        clock = iter([1000.0, 1010.0, 2009.0, 2011.0])
        monkeypatch.setattr(checkpoint, "monotonic", lambda: next(clock))
        checkpoints.save(State(History(), 0.0, STATE))
        assert [checkpoints.is_due, checkpoints.is_due] == [False, True]


OBSTACLES = {
    "File too large": "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))",
    # Root may write anywhere, so it becomes another user first.
    "Permission denied": "os.chmod(sys.argv[1], 0o555); os.getuid() or os.seteuid(65534)",
}


@POSIX
@pytest.mark.parametrize("reason", OBSTACLES)
def test_a_failure_to_write_is_reported_and_leaves_the_earlier_checkpoints_unchanged(reason, two):
    before = {path.name: path.read_bytes() for path in two.glob("*.npz")}
    code = f"""
import os, resource, sys, numpy as np
from fastmlp.training.checkpoint import Checkpoint, History, State
from fastmlp.errors import OutputError
with Checkpoint(sys.argv[1], {{"seed": 0}}) as checkpoints:
    {OBSTACLES[reason]}
    try:
        checkpoints.save(State(History(), 3.0, {{"theta": np.ones(1000), "powers": np.ones(5)}}))
    except OutputError as error:
        print(error)
"""
    out = subprocess.run([sys.executable, "-c", code, two], capture_output=True, text=True, check=True).stdout
    two.chmod(0o755)
    assert out == f"the checkpoint could not be written to {two / NEWEST}: {reason}\n"
    assert {path.name: path.read_bytes() for path in two.iterdir() if path.name != LOCK} == before


# a full disk


def test_a_run_whose_last_checkpoint_cannot_be_written_is_returned_with_a_warning(blobs, small_disk):
    small_disk.leave(0)
    with pytest.warns(UserWarning, match=rf"{NEWEST}: No space left on device; there is no checkpoint$"):
        run = train(blobs, SMALL, checkpoint=small_disk.path)
    assert results(run) == results(train(blobs, SMALL))


def test_a_disk_that_becomes_full_ends_no_run_that_has_a_checkpoint(blobs, small_disk, frequent_checkpoints):
    def fill(progress):
        if progress.epoch == 3:
            small_disk.leave(0)

    with pytest.warns(UserWarning, match=rf"{NEWEST}: No space left on device; the checkpoint before it is intact$"):
        run = train(blobs, SMALL, progress=fill, checkpoint=small_disk.path)
    small_disk.free()
    assert results(run) == results(train(blobs, SMALL))
    epochs = []
    again = train(blobs, SMALL, progress=lambda progress: epochs.append(progress.epoch), checkpoint=small_disk.path)
    assert results(again) == results(run)
    assert epochs[0] in (2, 3)


def test_a_disk_that_is_full_from_the_start_is_reported_before_hours_of_training(
    blobs, small_disk, frequent_checkpoints
):
    small_disk.leave(0)
    epochs = []
    with pytest.raises(OutputError, match="No space left on device"):
        train(blobs, SMALL, progress=lambda progress: epochs.append(progress.epoch), checkpoint=small_disk.path)
    assert epochs == [1]


def test_ctrl_c_on_a_full_disk_stays_an_interruption(blobs, small_disk, short_chunks):
    small_disk.leave(0)
    with pytest.warns(UserWarning, match="No space left on device"), pytest.raises(KeyboardInterrupt):
        train(blobs, SMALL, progress=stop_after(3), checkpoint=small_disk.path)


# the command line


CHILD = """
import sys
from fastmlp.training import checkpoint
from fastmlp.__main__ import main
checkpoint.INTERVAL_S, checkpoint.MAX_TIME_FRACTION = 0.05, float("inf")
sys.exit(main())
"""
ARGUMENTS = ["train", "--hidden", "300", "300", "--optimizer", "adam", "--learning-rate", "0.001", "--dropout", "0.2"]


def spawn(*argv):
    command = [sys.executable, "-c", CHILD, *map(str, argv)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(path, process):
    while not path.exists() or not path.stat().st_size:
        assert process.poll() is None


#: So many that the command is still running when the second checkpoint has been written, kernels cached or not.
N_EPOCHS = 24


@pytest.fixture(scope="module")
def uninterrupted():
    """Results of the command that is interrupted below, without interruptions."""
    config = Config(hidden=(300, 300), optimizer="adam", learning_rate=0.001, dropout=0.2, n_epochs=N_EPOCHS)
    return results(train(fastmlp.load_data("digits"), config))


def results_of(folder):
    history = History.from_csv(folder / "history.csv").to_dict()
    model = fastmlp.load_model(folder / "model.npz")
    history = {name: values for name, values in history.items() if not name.endswith("_s")}
    return model.params.theta.tobytes(), model.n_epochs, history


@POSIX
def test_a_command_that_is_killed_and_terminated_resumes_to_the_same_bits(tmp_path, uninterrupted):
    argv = [*ARGUMENTS, "--n-epochs", N_EPOCHS, "--out", tmp_path]
    killed = spawn(*argv)
    wait_for(tmp_path / NEWEST, killed)
    killed.kill()
    killed.communicate()
    terminated = spawn(*argv)
    wait_for(tmp_path / PREVIOUS, terminated)
    start = perf_counter()
    terminated.send_signal(signal.SIGTERM)
    out, err = terminated.communicate(timeout=60)
    assert perf_counter() - start < 1
    assert (terminated.returncode, out) == (143, "")
    message = f"terminated: the run is saved in {tmp_path}; start the same command again to resume it"
    assert err.splitlines()[-1] == message
    assert f"resuming the run in {tmp_path}; --fresh starts from the beginning" in err
    assert main([str(word) for word in argv]) == 0
    assert results_of(tmp_path) == uninterrupted
    assert sorted(os.listdir(tmp_path)) == sorted(RESULTS)


@POSIX
def test_ctrl_c_prints_how_to_resume(tmp_path, capsys):
    argv = [*ARGUMENTS, "--n-epochs", 500, "--out", tmp_path]
    process = spawn(*argv)
    wait_for(tmp_path / NEWEST, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert (
        err.splitlines()[-1]
        == f"interrupted: the run is saved in {tmp_path}; start the same command again to resume it"
    )
    assert main(["train", "--n-epochs", "1", "--out", str(tmp_path)]) == 2
    assert re.search(r"^  n_epochs: expected 500, got 1$", capsys.readouterr().err, re.MULTILINE)
    assert main(["train", "--n-epochs", "1", "--out", str(tmp_path), "--fresh"]) == 0
    assert len(json.loads((tmp_path / "config.json").read_text())) > 0
    assert sorted(os.listdir(tmp_path)) == sorted(RESULTS)
    assert main(["train", "--n-epochs", "1", "--out", str(tmp_path), "--fresh"]) == 2


def test_fresh_without_a_folder_is_refused(capsys):
    assert main(["train", "--fresh"]) == 2
    assert "error: --fresh: expected only with --out" in capsys.readouterr().err


@POSIX
def test_sigterm_ends_a_study_and_prints_what_is_saved(tmp_path):
    argv = ["sweep", "--vary", "l2=0.1,0.01", "--n-epochs", 20, "--hidden", 200, "--n-jobs", 1, "--out", tmp_path]
    process = spawn(*argv)
    wait_for(tmp_path / "runs.jsonl", process)
    start = perf_counter()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert perf_counter() - start < 1
    assert process.returncode == 143
    message = rf"terminated: \d+ of 20 runs are saved in {tmp_path}; start the same command again for the rest"
    assert re.fullmatch(message, err.splitlines()[-1])
    assert len(fastmlp.load_study(Path(tmp_path)).records()) == int(re.search(r"(\d+) of 20 runs", err)[1]) > 0
