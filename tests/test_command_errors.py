"""Wrong and odd inputs of every command: one message on stderr and exit code 2, never a traceback, never a hang."""

import os
import re
from dataclasses import fields
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest

pytest.importorskip("cyclopts")
pytest.importorskip("rich")
pytest.importorskip("matplotlib")

from fastmlp.cli import main
from fastmlp.config import Config

ROWS = "\n".join(f"{i / 10},{i % 3}" for i in range(40))
TABLES = {
    "empty.csv": "",
    "header.csv": "a,y\n",
    "ragged.csv": f"a,y\n{ROWS}\n1,2,3\n",
    "one-column.csv": "y\n1\n2\n3\n",
    "one-class.csv": "a,y\n" + "\n".join(f"{i},1" for i in range(30)) + "\n",
    "text.txt": "hello",
    "no-study/study.json": "{}",
    "nested/study.json": "[" * 100_000,
}
ZEROS, LABELS = np.zeros((4, 2)), np.array([0, 1, 0, 1])
ARRAYS = {
    "vector.npy": np.arange(5.0),
    "nan.npy": np.full((3, 64), np.nan),
    "narrow.npy": np.zeros((3, 63)),
    "text.npy": np.array([["a"] * 64]),
    "no-samples.npy": np.zeros((0, 64)),
    "scalar.npy": np.float64(3),
    "complex.npy": np.zeros((2, 64), complex),
    "beyond-float32.npy": np.full((3, 64), 1e300),
    "no-target.npz": {"X_train": ZEROS},
    "short.npz": {"X_train": ZEROS, "y_train": LABELS[:3], "X_test": ZEROS, "y_test": LABELS},
    "fractions.npz": {"X_train": ZEROS, "y_train": LABELS + 0.5, "X_test": ZEROS, "y_test": LABELS},
    "widths.npz": {"X_train": ZEROS, "y_train": LABELS, "X_test": np.zeros((4, 3)), "y_test": LABELS},
}
BYTES = {"noise.npz": bytes(range(256)) * 2, "empty.npz": b"", "empty.npy": b"", "noise.safetensors": b"\xff" * 50}
#: Paths that name no file of the right kind. Some are the names of folders, some cannot be the name of anything.
PLACES = [
    "nowhere",
    "nowhere.npz",
    "nowhere.csv",
    "folder",
    "loop",
    os.devnull,
    "",
    "a" * 300,
    "text.txt/x",
    ".",
    "~x/y",
]
FILES = [*TABLES, *ARRAYS, *BYTES, *PLACES]
READERS = [
    ["train", "--n-epochs", "1", "--data", "FILE"],
    ["train", "--n-epochs", "1", "--target", "other", "--data", "FILE"],
    ["train", "--n-epochs", "1", "--target", "y", "--loss", "huber", "--activation", "relu", "--data", "FILE/"],
    ["sweep", "--n-epochs", "1", "--repeats", "1", "--data", "FILE"],
    ["paper", "--out", "paper", "--epochs", "1", "--repeats", "1", "--data", "FILE"],
    ["find-learning-rate", "--n-steps", "10", "--data", "FILE"],
    ["evaluate", "run/model.npz", "--data", "FILE"],
    ["evaluate", "FILE"],
    ["predict", "run/model.npz", "FILE"],
    ["predict", "FILE", "samples.npy"],
    ["export", "FILE", "exported.npz"],
    ["export", "FILE", "exported.onnx"],
    ["data", "FILE"],
    ["study", "show", "FILE"],
    ["study", "plot", "FILE"],
    ["study", "merge", "FILE"],
    ["study", "merge", "study", "FILE"],
]
#: Folders and files that cannot be written.
OUTPUTS = ["text.txt", "text.txt/x", "loop", "a" * 300, os.devnull, f"{os.devnull}/x"]
WRITERS = [
    ["train", "--n-epochs", "1", "--hidden", "4", "--out", "FILE"],
    ["sweep", "--n-epochs", "1", "--repeats", "1", "--hidden", "4", "--out", "FILE"],
    ["paper", "--data", "digits", "--epochs", "1", "--repeats", "1", "--figure", "3", "--out", "FILE"],
    ["predict", "run/model.npz", "samples.npy", "--out", "FILE/x"],
    ["export", "run/model.npz", "FILE/x.npz"],
    ["export", "run/model.npz", "FILE/x.onnx"],
    ["export", "run/model.npz", "FILE"],
    ["find-learning-rate", "--n-steps", "10", "--hidden", "4", "--out", "FILE/x.png"],
    ["study", "plot", "study", "--out", "FILE/x.png"],
    ["study", "plot", "study", "--out", "FILE"],
]
NUMBERS = ["nan", "-inf", "-1", "", "many", "1,2", "1e400", "9" * 20, "9" * 5000, "[1]", "None"]
GRIDS = [
    "l2",
    "l2=",
    "l2=nan",
    "loss=other",
    "loss=huber",
    "loss=cross_entropy,huber",
    "hidden=x",
    "hidden=8x",
    "hidden=0",
    "=",
    "=1",
]
GRIDS += ["shuffle=maybe", "seed=-1", "n_epochs=0", "n_epochs=1e9", "other=1", "optimizer=,", "l2=1,1"]
USES = [
    ["other"], ["--other"], ["train", "x"], ["train", "--out"], ["train", "--fresh"], ["evaluate"], ["predict", "a"],
    ["export", "a"], ["paper"], ["study", "other"], ["study", "show"], ["data", "a", "b"], ["warmup", "x"],
    ["info", "x"],
    ["export", "run/model.npz", "x.npz", "--input-type", "uint8"], ["sweep", "--scheduler", "tcp://127.0.0.1:1"],
    ["export", "run/model.npz", "x.onnx", "--input-type", "int8"], ["sweep", "--shard", "1/2"],
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of odd files, with a trained run, a study and samples."""
    folder = tmp_path_factory.mktemp("odd")
    for name, text in TABLES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    for name, content in ARRAYS.items():
        np.savez(folder / name, **content) if isinstance(content, dict) else np.save(folder / name, content)
    for name, content in BYTES.items():
        (folder / name).write_bytes(content)
    (folder / "folder").mkdir()
    (folder / "loop").symlink_to("loop")
    np.save(folder / "samples.npy", np.zeros((3, 64)))
    assert main(["train", "--n-epochs", "1", "--hidden", "4", "--out", str(folder / "run")]) == 0
    sweep = ["sweep", "--n-epochs", "1", "--hidden", "4", "--repeats", "1"]
    assert main([*sweep, "--out", str(folder / "study")]) == 0
    return folder


@pytest.fixture
def refused(folder, capsys, monkeypatch):
    """Function that runs a command in the folder, and returns what is wrong with its refusal, if anything."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("FASTMLP_DATA", str(folder))

    def run(argv):
        start, words = perf_counter(), " ".join(argv)[:100]
        code = main(argv)
        out, err = capsys.readouterr()
        if (code, out, len(re.findall("^error: ", err, re.MULTILINE))) != (2, "", 1) or "Traceback" in err:
            return [f"{words}: exit code {code}, stdout {out[:80]!r}, stderr {err[-200:]!r}"]
        return [f"{words}: {perf_counter() - start} s"] if perf_counter() - start > 60 else []

    return run


def substitute(command, name):
    return [word.replace("FILE/", name + "/" * word.count("FILE/x")).replace("FILE", name) for word in command]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("command", READERS, ids=" ".join)
def test_files_that_cannot_be_used_are_refused(command, refused):
    names = [name for name in FILES if not (command[:2] == ["study", "merge"] and name == "study")]
    if command[0] == "train" and "huber" in command:  # tables that only a number as the target makes unusable
        names = [name for name in names if name != "one-class.csv"]
    assert [problem for name in names for problem in refused(substitute(command, name))] == []


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("command", WRITERS, ids=" ".join)
def test_places_that_cannot_be_written_are_refused(command, refused):
    assert [problem for name in OUTPUTS for problem in refused(substitute(command, name))] == []


@pytest.mark.parametrize("field", fields(Config), ids=lambda field: field.name)
def test_values_that_no_setting_accepts_are_refused(field, refused):
    command, values = ["train", f"--{field.name.replace('_', '-')}"], NUMBERS
    if isinstance(field.default, bool):
        command, values = ["train", "--no-shuffle"], ["other"]
    elif isinstance(field.default, float):
        values = [value for value in NUMBERS if value != "9" * 20]
    elif isinstance(field.default, tuple):
        values = [value for value in NUMBERS if value != "[1]"]  # a list in JSON
    assert [problem for value in values for problem in refused([*command, value])] == []


@pytest.mark.parametrize("option", ["--repeats", "--n-jobs", "--shard", "--backend"])
def test_values_that_no_option_of_a_study_accepts_are_refused(option, refused):
    command = ["sweep", "--n-epochs", "1", "--hidden", "2"]
    values = [value for value in NUMBERS if not (option == "--n-jobs" and value in ("-1", "9" * 20))]
    assert [problem for value in values for problem in refused([*command, option, value])] == []


def test_grids_that_cannot_be_used_are_refused(refused):
    assert [problem for grid in GRIDS for problem in refused(["sweep", "--repeats", "1", "--vary", grid])] == []


@pytest.mark.parametrize("option", ["--repeats", "--epochs", "--figure", "--precision", "--n-jobs"])
def test_values_that_no_option_of_paper_accepts_are_refused(option, refused):
    command = ["paper", "--data", "digits", "--out", "paper", "--figure", "3"][: 5 if option == "--figure" else None]
    accepted = {"--n-jobs": ("-1", "9" * 20), "--figure": ("[1]",)}.get(option, ())
    values = [value for value in NUMBERS if value not in accepted]
    assert [problem for value in values for problem in refused([*command, option, value])] == []


def test_wrong_uses_are_refused(refused):
    assert [problem for argv in USES for problem in refused(argv)] == []


def test_more_jobs_than_runs_start_no_more_threads_than_runs(tmp_path, capsys):
    argv = ["sweep", "--n-epochs", "1", "--hidden", "2", "--repeats", "2", "--n-jobs", "9" * 20, "--out", str(tmp_path)]
    assert main(argv) == 0
    assert "2 of 2 runs" in capsys.readouterr().out


def test_nothing_was_written_by_refused_commands(folder, refused):
    assert {path.name for path in Path(folder).glob("exported*")} == set()
