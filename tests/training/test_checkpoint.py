"""A run that is broken off, in every way that there is, goes on to the same bits, or says why it does not."""

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
from fastmlp.errors import CheckpointError, DivergedError, FileFormatError
from fastmlp.io.npz import read_npz, write_npz
from fastmlp.training import checkpoint, loop
from fastmlp.training.checkpoint import LOCK, NEWEST, PREVIOUS, Checkpoint, State, discard_checkpoint
from fastmlp.training.history import History
from fastmlp.training.loop import train

POSIX = pytest.mark.skipif(os.name == "nt", reason="Windows has other signals, limits and permissions")
SMALL = Config(hidden=(7, 6), n_epochs=4, batch_size=16, optimizer="adam", learning_rate=0.02, dropout=0.3)
MANY = {
    "adam": {},
    "nadam, clipped": {"optimizer": "nadam", "clip_norm": 0.1},
    "sgd in order": {"optimizer": "sgd", "shuffle": False, "l2": 0.01, "l2_scale": "batch"},
    "momentum, float64": {"optimizer": "momentum", "precision": "float64"},
    "stopped early": {"early_stopping": "loss", "patience": 2, "n_epochs": 30, "learning_rate": 0.3},
    "plateaus": {"schedule": "plateau", "step_epochs": 1, "tol": 0.3, "n_epochs": 5},
}


@pytest.fixture
def short_stretches(monkeypatch):
    """A step a stretch, and a checkpoint after each."""
    monkeypatch.setattr("fastmlp.training.trainer.CHUNK_S", 1e-12)


@pytest.fixture
def often(monkeypatch):
    monkeypatch.setattr(checkpoint, "INTERVAL_S", 0.0)
    monkeypatch.setattr(checkpoint, "MAX_TIME_FRACTION", np.inf)


def measured(run):
    """All that a run comes to, but for seconds."""
    history = {name: values for name, values in run.history.to_dict().items() if not name.endswith("_s")}
    return run.model.params.theta.tobytes(), run.model.n_epochs, history


def stop_after(n_reports):
    left = [n_reports]

    def progress(_):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt

    return progress


def train_in_pieces(data, config, folder, n_reports, model=None):
    for n_pieces in range(1, 1000):
        try:
            return train(data, config, model, stop_after(n_reports), folder), n_pieces
        except KeyboardInterrupt:
            assert (folder / NEWEST).exists()
    raise AssertionError("it never ends")


# the same bits


@pytest.mark.parametrize("changes", MANY.values(), ids=MANY)
def test_a_run_that_is_broken_off_again_and_again_comes_to_the_same(changes, blobs, tmp_path, short_stretches):
    config = SMALL.replace(**changes)
    got, n_pieces = train_in_pieces(blobs, config, tmp_path, 3)
    assert n_pieces > 5
    assert measured(got) == measured(train(blobs, config))


def test_a_run_that_is_killed_goes_on_from_the_last_checkpoint(blobs, tmp_path, short_stretches, often):
    def die(progress):
        if (progress.epoch, progress.n_seen) == (3, 64):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train(blobs, SMALL, progress=die, checkpoint=tmp_path)
    told = []
    got = train(blobs, SMALL, progress=told.append, checkpoint=tmp_path)
    assert (told[0].epoch, told[0].n_seen) == (3, 64)
    assert measured(got) == measured(train(blobs, SMALL))


@pytest.mark.parametrize("place", ["update_monitors", "evaluate_checked", "run_epoch"])
def test_an_interruption_between_any_two_lines_is_sound(place, blobs, tmp_path, monkeypatch):
    """Before an epoch is taken note of, within its evaluation, and before its first step."""
    config = SMALL.replace(early_stopping="loss", patience=3, n_epochs=8)
    owner = fastmlp.Model if place == "evaluate_checked" else loop._TrainingLoop
    whole, plain, n_calls = train(blobs, config), getattr(owner, place), [0]

    def interrupted(*args):
        n_calls[0] += 1
        if n_calls[0] in (2, 7):
            raise KeyboardInterrupt
        return plain(*args)

    monkeypatch.setattr(owner, place, interrupted)
    got, n_pieces = train_in_pieces(blobs, config, tmp_path, 1000)
    assert n_pieces == 3
    assert measured(got) == measured(whole)


def test_a_run_from_a_model_goes_on_and_another_model_is_refused(blobs, tmp_path, short_stretches):
    model = train(blobs, SMALL.replace(n_epochs=1)).model
    got, _ = train_in_pieces(blobs, SMALL, tmp_path, 9, model)
    assert measured(got) == measured(train(blobs, SMALL, model))
    with pytest.raises(CheckpointError, match="  network at the beginning: given '"):
        train(blobs, SMALL, checkpoint=tmp_path)


def test_a_run_that_diverges_within_a_resumed_epoch_gives_back_the_last_finite_one(blobs, tmp_path, short_stretches):
    config = Config(hidden=(4,), activation="relu", learning_rate=0.5, l2=20.0, batch_size=40, n_epochs=100)
    with pytest.raises(DivergedError) as whole:
        train(blobs, config)
    with pytest.raises(DivergedError) as pieces:
        train_in_pieces(blobs, config, tmp_path, 5)
    assert measured(pieces.value) == measured(whole.value)
    assert pieces.value.epoch == whole.value.epoch > 1


def test_a_finished_run_is_given_back_without_a_step(blobs, tmp_path):
    first, told = train(blobs, SMALL, checkpoint=tmp_path), []
    again = train(blobs, SMALL, progress=told.append, checkpoint=tmp_path)
    assert (measured(again), told) == (measured(first), [])
    assert again.history == first.history
    assert sorted(os.listdir(tmp_path)) == [NEWEST]


# another run


def test_another_config_is_refused_with_every_difference(blobs, tmp_path):
    train(blobs, SMALL, checkpoint=tmp_path)
    before = (tmp_path / NEWEST).read_bytes()
    with pytest.raises(CheckpointError) as error:
        train(blobs, SMALL.replace(l2=0.5, hidden=(3,)), checkpoint=tmp_path)
    lines = str(error.value).splitlines()
    assert lines[1:3] == ["  hidden: given [3], there [7, 6]", "  l2: given 0.5, there 0.0"]
    assert lines[-1] == (
        "Ask for the one that it holds, name another folder, or start anew (--fresh; from Python: "
        "fastmlp.discard_checkpoint)."
    )
    assert (tmp_path / NEWEST).read_bytes() == before


def test_other_data_is_refused(blobs, make_blobs, tmp_path):
    train(blobs, SMALL, checkpoint=tmp_path)
    X = blobs.X_train.copy()
    X[0, 0] += 1e-9
    other = Dataset(X, blobs.y_train, blobs.X_test, blobs.y_test)
    with pytest.raises(CheckpointError, match=f"  data: given '{other.checksum()}', there '{blobs.checksum()}'"):
        train(other, SMALL, checkpoint=tmp_path)


def test_a_version_that_may_round_otherwise_is_refused(blobs, tmp_path, monkeypatch):
    train(blobs, SMALL, checkpoint=tmp_path)
    monkeypatch.setattr(checkpoint, "__version__", "0.0.7")
    with pytest.raises(CheckpointError, match=r"  fastmlp: given '0\.0\.7', there '"):
        train(blobs, SMALL, checkpoint=tmp_path)


def test_two_may_not_train_in_one_folder(blobs, tmp_path):
    with (
        Checkpoint(tmp_path, {}),
        pytest.raises(CheckpointError, match=r"another process trains in .*: wait for it, or name another folder"),
    ):
        train(blobs, SMALL, checkpoint=tmp_path)
    train(blobs, SMALL, checkpoint=tmp_path)


def test_discard_leaves_what_is_not_its_own(blobs, tmp_path):
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
    """A folder with two checkpoints, of which the newest is worth damaging."""
    with Checkpoint(tmp_path, {"seed": 0}) as kept:
        for by in (1, 2):
            kept.save(State(History(), float(by), shift(STATE, by)))
    return tmp_path


def read(folder, identity=None):
    with Checkpoint(folder, identity or {"seed": 0}) as kept:
        state = kept.load(STATE)
        return state and state.train_s


def test_the_newest_checkpoint_is_read(two):
    assert read(two) == 2.0


def test_where_the_newest_is_missing_the_one_before_it_is_read(two):
    (two / NEWEST).unlink()
    assert read(two) == 1.0
    (two / PREVIOUS).unlink()
    assert read(two) is None


def rewrite(path, **changes):
    """A header that lies, in a file that is whole as such."""
    with read_npz(path, "checkpoint", 1) as (header, arrays):
        header, arrays = header | changes.pop("header", {}), {n: arrays[n] for n in arrays if n != "header"}
    header.pop("format"), header.pop("version")
    write_npz(path, "checkpoint", changes.pop("version", 1), header, arrays | changes)


DAMAGE = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-4000]),
    "empty": lambda path: path.write_bytes(b""),
    "a bit": lambda path: flip(path, path.stat().st_size // 2),
    "other seconds": lambda path: rewrite(path, header={"train_s": 7.0}),
    "no history": lambda path: rewrite(path, header={"history": 3}),
    "no checksum": lambda path: rewrite(path, header={"checksum": None}),
    "another version": lambda path: rewrite(path, version=2),
    "another shape": lambda path: rewrite(path, theta=np.ones(999)),
    "another type": lambda path: rewrite(path, theta=np.ones(1000, np.float32)),
    "one too many": lambda path: rewrite(path, phi=np.ones(1)),
    "a huge shape": lambda path: claim(path, b"(1000,), }      ", b"(1000000000,), }"),
    "pickled": lambda path: claim(path, b"<f8", b"|O8"),
}


def flip(path, at):
    octets = bytearray(path.read_bytes())
    octets[at] ^= 4
    path.write_bytes(octets)


def claim(path, old, new):
    """Another header of an array, in a zip whose checksums are right."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    assert old in members["theta.npy"]
    members["theta.npy"] = members["theta.npy"].replace(old, new)
    with zipfile.ZipFile(path, "w") as archive:
        for name, octets in members.items():
            archive.writestr(name, octets)


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_checkpoint_is_passed_over_with_a_warning(damage, two):
    damage(two / NEWEST)
    with pytest.warns(UserWarning, match=rf"{NEWEST} is not a checkpoint .*; the run goes on from .*{PREVIOUS}"):
        assert read(two) == 1.0


def test_the_good_one_stays_until_there_are_two(two):
    damage = (two / NEWEST).read_bytes()[:-1000]
    (two / NEWEST).write_bytes(damage)
    before = (two / PREVIOUS).read_bytes()
    with Checkpoint(two, {"seed": 0}) as kept:
        with pytest.warns(UserWarning, match="goes on from"):
            kept.load(STATE)
        kept.save(State(History(), 3.0, STATE))
        assert (two / PREVIOUS).read_bytes() == before
        kept.save(State(History(), 4.0, STATE))
    (two / NEWEST).unlink()
    assert read(two) == 3.0


def test_where_none_is_whole_it_says_so_and_begins_nothing(two):
    for name in (NEWEST, PREVIOUS):
        DAMAGE["cut"](two / name)
    with (
        pytest.warns(UserWarning, match="goes on from"),
        pytest.raises(FileFormatError, match=r"no checkpoint in .* is whole: start anew"),
    ):
        read(two)
    (two / PREVIOUS).unlink()
    with pytest.raises(FileFormatError, match="there is no checkpoint before it: start anew"):
        read(two)


@pytest.mark.parametrize("change", [{"powers": np.full(5, 1e9)}, {"powers": np.full(5, np.nan)}, {"theta": None}])
def test_a_checkpoint_of_no_run_is_refused(change, blobs, tmp_path):
    train(blobs, SMALL, checkpoint=tmp_path)
    with read_npz(tmp_path / NEWEST, "checkpoint", 1) as (header, arrays):
        content = {name: arrays[name] for name in arrays if name != "header"} | change
    content = {name: array for name, array in content.items() if array is not None}
    title = {name: header[name] for name in checkpoint.TITLE}
    header = title | {"checksum": checkpoint._checksum(title, content)}
    write_npz(tmp_path / NEWEST, "checkpoint", 1, header, content)
    with pytest.raises(FileFormatError, match="the checkpoint is of no run: start anew"):
        train(blobs, SMALL, checkpoint=tmp_path)


# writing


def test_what_takes_long_to_write_is_written_seldom(tmp_path, monkeypatch):
    with Checkpoint(tmp_path, {}) as kept:
        assert not kept.is_due
        clock = iter([1000.0, 1010.0, 2009.0, 2011.0])
        monkeypatch.setattr(checkpoint, "monotonic", lambda: next(clock))
        kept.save(State(History(), 0.0, STATE))
        assert [kept.is_due, kept.is_due] == [False, True]


HINDRANCES = {
    "File too large": "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))",
    # Root may write anywhere: it gives itself up.
    "Permission denied": "os.chmod(sys.argv[1], 0o555); os.getuid() or os.seteuid(65534)",
}


@POSIX
@pytest.mark.parametrize("reason", HINDRANCES)
def test_a_checkpoint_that_cannot_be_written_is_told_and_those_before_are_whole(reason, two):
    before = {path.name: path.read_bytes() for path in two.glob("*.npz")}
    code = f"""
import os, resource, sys, numpy as np
from fastmlp.training.checkpoint import Checkpoint, History, State
from fastmlp.errors import OutputError
with Checkpoint(sys.argv[1], {{"seed": 0}}) as kept:
    {HINDRANCES[reason]}
    try:
        kept.save(State(History(), 3.0, {{"theta": np.ones(1000), "powers": np.ones(5)}}))
    except OutputError as error:
        print(error)
"""
    said = subprocess.run([sys.executable, "-c", code, two], capture_output=True, text=True, check=True).stdout
    two.chmod(0o755)
    assert said == f"the checkpoint could not be written to {two / NEWEST}: {reason}\n"
    assert {path.name: path.read_bytes() for path in two.iterdir() if path.name != LOCK} == before


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


@pytest.fixture(scope="module")
def unbroken():
    config = Config(hidden=(300, 300), optimizer="adam", learning_rate=0.001, dropout=0.2, n_epochs=6)
    return measured(train(fastmlp.load_data("digits"), config))


def results_of(folder):
    history = History.from_csv(folder / "history.csv").to_dict()
    model = fastmlp.load_model(folder / "model.npz")
    history = {name: values for name, values in history.items() if not name.endswith("_s")}
    return model.params.theta.tobytes(), model.n_epochs, history


@POSIX
def test_killed_and_terminated_the_same_command_comes_to_the_same(tmp_path, unbroken):
    argv = [*ARGUMENTS, "--n-epochs", 6, "--out", tmp_path]
    killed = spawn(*argv)
    wait_for(tmp_path / NEWEST, killed)
    killed.kill()
    killed.communicate()
    terminated = spawn(*argv)
    wait_for(tmp_path / PREVIOUS, terminated)
    asked = perf_counter()
    terminated.send_signal(signal.SIGTERM)
    out, err = terminated.communicate(timeout=60)
    assert perf_counter() - asked < 1
    assert (terminated.returncode, out) == (143, "")
    said = f"terminated: the run is kept in {tmp_path}; the same command goes on from there"
    assert err.splitlines()[-1] == said
    assert f"going on with the run that {tmp_path} holds; --fresh would start anew" in err
    assert main([str(word) for word in argv]) == 0
    assert results_of(tmp_path) == unbroken
    assert sorted(os.listdir(tmp_path)) == sorted(RESULTS)


@POSIX
def test_ctrl_c_says_how_to_go_on(tmp_path, capsys):
    argv = [*ARGUMENTS, "--n-epochs", 500, "--out", tmp_path]
    process = spawn(*argv)
    wait_for(tmp_path / NEWEST, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1] == f"interrupted: the run is kept in {tmp_path}; the same command goes on from there"
    assert main(["train", "--n-epochs", "1", "--out", str(tmp_path)]) == 2
    assert re.search(r"^  n_epochs: given 1, there 500$", capsys.readouterr().err, re.MULTILINE)
    assert main(["train", "--n-epochs", "1", "--out", str(tmp_path), "--fresh"]) == 0
    assert len(json.loads((tmp_path / "config.json").read_text())) > 0
    assert sorted(os.listdir(tmp_path)) == sorted(RESULTS)
    assert main(["train", "--n-epochs", "1", "--out", str(tmp_path), "--fresh"]) == 2


def test_fresh_without_a_folder_is_a_mistake(capsys):
    assert main(["train", "--fresh"]) == 2
    assert "error: fresh: accepted: only with out" in capsys.readouterr().err


@POSIX
def test_sigterm_ends_a_study_and_says_what_is_kept(tmp_path):
    argv = ["sweep", "--vary", "l2=0.1,0.01", "--n-epochs", 20, "--hidden", 200, "--n-jobs", 1, "--out", tmp_path]
    process = spawn(*argv)
    wait_for(tmp_path / "runs.jsonl", process)
    asked = perf_counter()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert perf_counter() - asked < 1
    assert process.returncode == 143
    said = rf"terminated: \d+ of 20 runs are kept in {tmp_path}; the same command goes on with the rest"
    assert re.fullmatch(said, err.splitlines()[-1])
    assert len(fastmlp.load_study(Path(tmp_path)).records()) == int(re.search(r"(\d+) of 20 runs", err)[1]) > 0
