"""The commands sweep and study; `tests/study` has the studies themselves."""

import re

import pytest

from fastmlp.cli.study import read_grid

SWEEP = ["sweep", "--hidden", "4", "--n-epochs", "1", "--vary", "l2=0,0.1", "--repeats", "2", "--n-jobs", "1"]


def test_a_sweep_prints_one_line_per_run_and_a_table(run, tmp_path):
    code, out, err = run(*SWEEP, "--out", tmp_path)
    assert code == 0
    assert re.search(r"^run 1/4  l2 0, repeat 0: test accuracy 0\.\d{4}, \d+\.\d+ s$", err, re.MULTILINE)
    assert len(re.findall(r"^run \d/4  ", err, re.MULTILINE)) == 4
    assert re.search(r"^ +l2 0\.1 +2 +0 +1 +", out, re.MULTILINE)
    assert out.endswith("\nStudy: 2 settings, 4 of 4 runs\n")
    assert run("study", "show", tmp_path) == (0, out, "")


def test_without_vary_the_setting_is_repeated(run):
    code, out, _ = run(*SWEEP[:5], "--repeats", "2")
    assert code == 0
    assert out.endswith("\nStudy: 1 setting, 2 of 2 runs\n")


def test_a_study_can_be_plotted(run, tmp_path):
    pytest.importorskip("matplotlib")
    assert run(*SWEEP, "--out", tmp_path)[0] == 0
    assert run("study", "plot", tmp_path) == (0, "", f"wrote {tmp_path / 'study.png'}\n")
    assert (tmp_path / "study.png").read_bytes().startswith(b"\x89PNG")


def test_shards_can_be_merged(run, tmp_path):
    assert run(*SWEEP, "--out", tmp_path, "--shard", "1/2")[0] == 0
    assert run(*SWEEP, "--out", tmp_path, "--shard", "2/2")[0] == 0
    assert run("study", "merge", tmp_path) == (0, f"4 runs in {tmp_path}\n", "")


def test_a_grid_is_read_with_the_types_of_the_settings():
    words = ["hidden=100x100,300,none", "l2=0.01,1", "batch-size=8", "shuffle=True,false", "optimizer=sgd,adam", "tol="]
    assert read_grid(words) == {
        "hidden": [(100, 100), (300,), ()],
        "l2": [0.01, 1.0],
        "batch_size": [8],
        "shuffle": [True, False],
        "optimizer": ["sgd", "adam"],
        "tol": [],
    }


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--vary", "l2"], "--vary: expected name=value,value,..., got l2; for example --vary l2=0.01,0.001"),
        (
            ["--vary", "l2=1", "--vary", "l2=2"],
            "--vary: expected each name once, got l2 twice; give all its values together: --vary l2=1,2",
        ),
        (
            ["--vary", "l2=1,", "2"],
            "--vary: expected name=value,value,..., got 2; separate values by ',', without spaces: --vary l2=1,2",
        ),
        (
            ["--vary", "hidden=8", "8"],
            "--vary: expected name=value,value,..., got 8; separate sizes by 'x', without spaces: --vary hidden=8x8",
        ),
        (
            ["--vary", "hidden=(8,8)"],
            "--vary: expected sizes of hidden layers, such as 100x100, or none, got '(8'; "
            "separate sizes by x, and networks by commas: --vary hidden=100x100,300",
        ),
        (["--vary", "l2=x"], "l2: expected a finite number >= 0, got 'x'"),
        (["--shard", "3"], "--shard: expected i/n with 1 <= i <= n, got 3; for example --shard 2/10"),
        (["--shard", "3/2", "--out", "x"], "shard: expected (i, n) with 1 <= i <= n, got (3, 2)"),
        (["--shard", "1/2"], "shard: expected only together with out, got no out"),
        (["--backend", "mpi"], "backend: expected one of 'threads', 'processes', 'dask', got 'mpi'"),
    ],
)
def test_invalid_options_are_refused(argv, message, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = run("sweep", *argv)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {message}")
