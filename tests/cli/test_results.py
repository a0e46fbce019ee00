"""The output folder of train: the same command again, damaged and missing files, and full disks."""

import json
import os
import re
import shutil
from functools import partial
from pkgutil import resolve_name as resolve

import numpy as np
import pytest

import fastmlp
from fastmlp.cli import RESULTS, main

TRAIN = ["train", "--n-epochs", "3", "--hidden", "20", "10"]
DERIVED = ("config.json", "history.csv", "curves.png")


def command(*flags):
    """The command TRAIN with more flags, which replace its own."""
    kept = ["train", *(["--n-epochs", "3"] if "--n-epochs" not in flags else [])]
    return [*kept, *(["--hidden", "20", "10"] if "--hidden" not in flags else []), *flags]


@pytest.fixture
def finished(results, tmp_path):
    """A copy of a finished run of the command TRAIN."""
    return shutil.copytree(results, tmp_path / "finished")


def content(folder):
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def theta(folder):
    return fastmlp.load_model(folder / "model.npz").params.theta.tobytes()


# the same command again


@pytest.mark.parametrize(
    "flags",
    [[], ["--early-stopping", "score", "--patience", "1", "--n-epochs", "30"], ["--precision", "float64"]],
    ids=["plain", "early stopping", "float64"],
)
def test_the_same_command_again_prints_the_same_result_without_training(flags, run, tmp_path):
    first = run(*command(*flags, "--out", tmp_path))
    before = content(tmp_path)
    code, out, err = run(*command(*flags, "--out", tmp_path))
    assert (code, out) == (0, first[1])
    assert re.search(r"\d epochs? in \d+\.\d+ s\n$", out)
    assert not re.search(r"^epoch |^wrote ", err, re.MULTILINE)
    assert err.splitlines()[2] == f"the run in {tmp_path} is finished"
    assert err.splitlines()[3:] == [line for line in first[2].splitlines() if "final weights" in line]
    assert content(tmp_path) == before


@pytest.mark.parametrize("validation", [[], ["--early-stopping", "loss"]])
def test_a_run_that_diverged_in_its_first_epoch_is_reported_again(validation, run, tmp_path):
    argv = [*TRAIN, *validation, "--activation", "relu", "--learning-rate", "1e30", "--out", tmp_path]
    first, again = run(*argv), run(*argv)
    assert first[:2] == again[:2] == (2, "")
    errors = [[line for line in err.splitlines() if line.startswith("error: ")] for _, _, err in (first, again)]
    assert errors[0] == errors[1]
    assert errors[0][0] == (
        "error: train_loss: expected a finite number, got nan in epoch 1 at learning rate 1e+30; try a smaller "
        "learning rate."
    )


@pytest.mark.parametrize(
    ("flags", "difference"),
    [
        (["--n-epochs", "4"], "n_epochs: expected 3, got 4"),
        (["--l2", "0.5", "--hidden", "7"], "hidden: expected [20, 10], got [7]\n  l2: expected 0.0, got 0.5"),
        (["--precision", "float64"], "precision: expected 'float32', got 'float64'"),
        (["--scale", "unit"], "scale: expected 'auto', got 'unit'"),
        (["--data", "other.csv", "--target", "kind"], "data: expected '"),
    ],
)
def test_another_run_is_refused_and_the_differences_are_named(flags, difference, run, finished, monkeypatch):
    monkeypatch.chdir(finished.parent)
    rows = [f"{i / 10},{i % 2}" for i in range(40)]
    (finished.parent / "other.csv").write_text("\n".join(["length,kind", *rows]) + "\n")
    before = content(finished)
    code, out, err = run(*command(*flags, "--out", finished))
    assert (code, out) == (2, "")
    assert f"error: {finished} holds the finished run of other settings, data or version\n" in err
    assert f"\n  {difference}" in err
    assert err.endswith("\nUse the settings, the data and the version of that run, or name another folder.\n")
    assert content(finished) == before


@pytest.mark.parametrize(
    ("kept", "other", "difference"),
    [
        ("ant bee", "ant wasp", "expected ['ant', 'bee'], got ['ant', 'wasp']"),
        ("10 30", "10 31", "expected [10, 30] (int64), got [10, 31] (int64)"),
        ("1 2", "1 b", "expected [1, 2] (int64), got ['1', 'b']"),
        ("a b c d e f g h i j k", "a b", "expected a, b, c, d, e, f, g, h, ..., k (11), got ['a', 'b']"),
    ],
)
def test_other_classes_are_another_run(kept, other, difference, run, tmp_path):
    for names, expected in ((kept.split(), 0), (kept.split(), 0), (other.split(), 2)):
        rows = [f"{i / 10},{names[i % len(names)]}" for i in range(110)]
        (tmp_path / "insects.csv").write_text("\n".join(["length,kind", *rows]) + "\n")
        data = ["--data", tmp_path / "insects.csv", "--target", "kind", "--batch-size", "4"]
        code, _, err = run(*TRAIN, *data, "--out", tmp_path / "out")
        assert code == expected
    assert f"\n  classes: {difference}\n" in err


def test_another_version_of_fastmlp_is_another_run(run, finished, monkeypatch):
    monkeypatch.setattr("fastmlp.cli.results.__version__", "0.0.7")
    code, _, err = run(*TRAIN, "--out", finished)
    assert code == 2
    assert re.search(r"^  fastmlp: expected '.*', got '0\.0\.7'$", err, re.MULTILINE)


@pytest.mark.parametrize("name", RESULTS[:-1])
def test_files_of_another_origin_are_refused(name, run, tmp_path):
    (tmp_path / name).write_text("mine")
    code, out, err = run(*TRAIN, "--out", tmp_path)
    assert (code, out, (tmp_path / name).read_text()) == (2, "", "mine")
    assert err == (
        f"error: {tmp_path} already contains {name} (without the record of a finished run, run.json); choose another "
        "folder, or remove these files\n"
    )


def test_fresh_does_not_discard_a_finished_run(run, finished):
    before = content(finished)
    code, out, err = run(*TRAIN, "--out", finished, "--fresh")
    assert (code, out) == (2, "")
    assert "(--fresh discards checkpoints only); choose another folder" in err
    assert content(finished) == before


# refused runs


@pytest.mark.parametrize(
    "argv",
    [
        ["train", "--target", "b"],
        ["train", "--target", "nothing"],
        ["train", "--target", "a", "--loss", "poisson"],
        ["train", "--target", "c", "--l2", "-1"],
        ["sweep", "--target", "b"],
        ["sweep", "--target", "a", "--loss", "poisson"],
        ["sweep", "--target", "c", "--shard", "3/2"],
        ["sweep", "--target", "c", "--backend", "threads", "--scheduler", "nowhere:1"],
        ["paper", "--target", "b"],
        ["paper", "--target", "c", "--n-jobs", "0"],
    ],
    ids=" ".join,
)
def test_a_refused_run_leaves_no_folder(argv, run, tmp_path):
    (tmp_path / "numbers.csv").write_text("a,b,c\n" + "".join(f"-{i},{i},{i % 2}\n" for i in range(9)) + "9,inf,1\n")
    if "b" not in argv:
        (tmp_path / "numbers.csv").write_text("a,c\n" + "".join(f"-{i},{i % 2}\n" for i in range(10)))
    code, out, err = run(*argv, "--data", tmp_path / "numbers.csv", "--out", tmp_path / "runs" / "first")
    assert (code, out) == (2, "")
    assert err.startswith("error: ") or "\nerror: " in err
    assert [path.name for path in tmp_path.iterdir()] == ["numbers.csv"]


@pytest.mark.parametrize("argv", [["predict", "no.npz", "no.csv", "--out"], ["export", "no.npz"], ["study", "merge"]])
def test_a_refused_command_for_one_file_leaves_no_folder(argv, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(*argv, "new/x.onnx")[0] == 2
    assert list(tmp_path.iterdir()) == []


def test_a_refused_run_leaves_an_existing_folder(run, tmp_path):
    (tmp_path / "out").mkdir()
    assert run("train", "--data", tmp_path / "nothing.csv", "--out", tmp_path / "out")[0] == 2
    assert (tmp_path / "out").is_dir()


def test_a_folder_that_cannot_be_created_is_refused_before_the_data_is_loaded(run, tmp_path):
    (tmp_path / "file").write_text("")
    for command in ("train", "sweep"):
        _, _, err = run(command, "--data", tmp_path / "nothing.csv", "--out", tmp_path / "file" / "out")
        assert err == f"error: {tmp_path / 'file' / 'out'} cannot be written: Not a directory\n"


# missing and damaged files


@pytest.mark.parametrize("missing", [*[(name,) for name in DERIVED], DERIVED], ids=" ".join)
def test_files_that_can_be_derived_are_written_again(missing, run, finished):
    before = {name: data for name, (data, _) in content(finished).items()}
    for name in missing:
        (finished / name).unlink()
    code, out, err = run(*TRAIN, "--out", finished)
    assert code == 0
    assert out.startswith("test accuracy 0.")
    assert err.splitlines()[2] == f"wrote {', '.join(name for name in DERIVED if name in missing)} to {finished}"
    assert {name: data for name, (data, _) in content(finished).items()} == before


def test_a_run_whose_network_was_deleted_is_trained_again(run, finished):
    before = theta(finished)
    (finished / "model.npz").unlink()
    code, _, err = run(*TRAIN, "--out", finished)
    assert code == 0
    assert f"the finished run in {finished} has no model.npz: training it again" in err.splitlines()
    assert theta(finished) == before
    (finished / "model.npz").unlink()
    assert run(*TRAIN, "--l2", "1", "--out", finished)[0] == 2


def truncate(path):
    path.write_bytes(path.read_bytes()[:-20])


def replace_by_folder(path):
    path.unlink()
    path.mkdir()


def replace_by_pipe(path):
    path.unlink()
    os.mkfifo(path)


DAMAGE = {
    "truncated": truncate,
    "empty": lambda path: path.write_bytes(b""),
    "another": lambda path: path.write_bytes(b'{"format": "fastmlp run", "version": 1, "a": "\xff"}'),
    "a list": lambda path: path.write_text("[]"),
    "nested": lambda path: path.write_text("[" * 100_000),
    "folder": replace_by_folder,
    "named pipe": replace_by_pipe,
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", [name for name in RESULTS if name != "curves.png"])
def test_a_damaged_file_is_refused(name, damage, run, finished):
    if damage == "named pipe" and os.name == "nt":
        pytest.skip("Windows has no named pipes in folders")
    DAMAGE[damage](finished / name)
    code, out, err = run(*TRAIN, "--out", finished)
    assert (code, out) == (2, "")
    error = err[err.index("error: ") :]
    assert error.startswith(f"error: {finished / name}")
    assert error.count("\n") == 1
    assert ("remove this run's files" if name == "run.json" else "remove it") in error


def test_a_record_of_another_kind_is_refused(run, finished):
    (finished / "run.json").write_text('{"format": "fastmlp model"}')
    reason = "expected the format 'fastmlp run', got 'fastmlp model'; choose another folder, or remove this run's files"
    assert run(*TRAIN, "--out", finished)[2].endswith(f"run.json is not the record of a finished run: {reason}\n")


def has_the_same_values(damaged, original):
    """Whether both are JSON of the same values: the last digit of a float may be another one of the same float64."""
    try:
        return json.loads(damaged) == json.loads(original)
    except ValueError:
        return False


@pytest.mark.parametrize("name", [name for name in RESULTS if name != "curves.png"])
def test_every_flipped_bit_is_refused(name, finished, capsys):
    original = (finished / name).read_bytes()
    for position in np.random.default_rng(0).integers(0, 8 * len(original), 60):
        damaged = bytearray(original)
        damaged[position // 8] ^= 1 << position % 8
        if has_the_same_values(damaged, original):
            continue
        (finished / name).write_bytes(damaged)
        assert main([*TRAIN, "--out", str(finished)]) == 2, f"bit {position}"
        assert capsys.readouterr().out == ""


# interruptions


@pytest.mark.parametrize("n_done", range(7))
def test_a_run_that_is_interrupted_while_its_results_are_written_gives_them_when_it_is_repeated(
    n_done, run, results, tmp_path, monkeypatch, capsys
):
    """Before, between and after the files: the network, the record, three derived files, and the checkpoint."""
    places = ("fastmlp.io.npz.write_atomic", "fastmlp.cli.results.write_atomic", "fastmlp.plot.write_atomic")
    done = []

    def interrupt(write, *args, **kwargs):
        if len(done) == n_done + 1:  # the first file is the last checkpoint
            raise KeyboardInterrupt
        done.append(args)
        return write(*args, **kwargs)

    with monkeypatch.context() as patch:
        for place in (*places, "fastmlp.cli.results.discard_checkpoint"):
            patch.setattr(place, partial(interrupt, resolve(place)))
        if n_done < 6:
            with pytest.raises(KeyboardInterrupt, match="start the same command again to resume it"):
                main([*TRAIN, "--out", str(tmp_path)])
        else:
            assert main([*TRAIN, "--out", str(tmp_path)]) == 0
    capsys.readouterr()
    code, out, err = run(*TRAIN, "--out", tmp_path)
    assert code == 0
    assert out.startswith("test accuracy")
    assert "\nepoch" not in err
    assert theta(tmp_path) == theta(results)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(RESULTS)


# full disks


SIZES = [*range(0, 120_000, 8192), 200_000]


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("space", SIZES)
def test_on_a_full_disk_the_message_says_where_the_network_is_and_the_command_can_be_repeated(
    space, run, results, small_disk
):
    """The files of the run take about 110,000 bytes at once: each amount of free space fails at another one."""
    out = small_disk.path / "out"
    small_disk.leave(space)
    code, printed, err = run(*TRAIN, "--out", out)
    if code == 2 and not out.exists():
        assert "cannot be written: No space left on device" in err
    elif code == 2:
        assert printed.startswith("test accuracy 0.")
        error = err[err.index("error: ") :]
        assert "No space left on device; " in error
        is_saved = (out / "model.npz").exists()
        assert (f"the network is in {out / 'model.npz'}" in error) == is_saved
        assert (f"the newest checkpoint is in {out}; free" in error) == (out / "checkpoint.npz").exists()
        if is_saved:
            assert theta(out) == theta(results)
    assert not [path.name for path in out.glob(".*")]
    small_disk.free()
    if (out / "model.npz").exists() and not {"run.json", "checkpoint.npz"} & {path.name for path in out.iterdir()}:
        shutil.rmtree(out)
    code, again, _ = run(*TRAIN, "--out", out)
    assert code == 0
    assert again.split(" in ")[0] == (printed or again).split(" in ")[0]
    assert theta(out) == theta(results)
    assert sorted(path.name for path in out.iterdir()) == sorted(RESULTS)


def test_a_diverged_run_on_a_full_disk_reports_both(run, small_disk):
    small_disk.leave(0)
    (small_disk.path / "out").mkdir(exist_ok=True)
    code, out, err = run(*TRAIN, "--activation", "relu", "--learning-rate", "1e30", "--out", small_disk.path / "out")
    assert (code, out) == (2, "")
    assert "warning: the model could not be written" in err
    assert err.splitlines()[-1].startswith("error: train_loss: expected a finite number, got nan in epoch 1")


def test_the_record_holds_the_identity_of_the_run(results):
    record = json.loads((results / "run.json").read_text())
    assert record["run"]["hidden"] == [20, 10]
    assert record["run"]["data"] == fastmlp.load_data("digits").checksum()
    assert record["divergence"] is None
