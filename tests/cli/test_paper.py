"""The command paper; `tests/paper` has the figures, claims and report themselves."""

import json
import re
import shutil

import numpy as np
import pytest

import fastmlp
from fastmlp.cli import main
from fastmlp.data.cifar10 import find_cifar10
from fastmlp.data.folder import data_folder
from fastmlp.paper.figures import load_figures


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Output folder of figures 1 and 3 on the digits, and the options of the command."""
    pytest.importorskip("matplotlib")
    out = tmp_path_factory.mktemp("paper")
    flags = ["--data", "digits", "--figure", "1", "3", "--repeats", "2", "--epochs", "1"]
    assert main(["paper", "--out", str(out), *flags]) == 0
    return out, flags


def test_the_command_writes_figures_and_a_report(folder):
    out, _ = folder
    assert {path.name for path in out.iterdir()} == {
        "figure-1", "figure-1.png", "figure-1.svg", "figure-3", "figure-3.png", "figure-3.svg", "report.html"
    }  # fmt: skip
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 2
    assert set(re.findall(r"(?:src|href)\s*=\s*[\"']?(.)", page)) == {"#"}
    assert not re.search("https?:", page)
    assert "fastmlp paper --data digits" in page


def test_the_same_command_again_executes_no_run(folder):
    out, flags = folder
    before = [study.records() for study in load_figures(out).values()]
    lines = (out / "figure-1" / "runs.jsonl").read_text(encoding="utf-8")
    assert main(["paper", "--out", str(out), *flags]) == 0
    assert (out / "figure-1" / "runs.jsonl").read_text(encoding="utf-8") == lines
    assert [study.records() for study in load_figures(out).values()] == before
    assert len([json.loads(line) for line in lines.splitlines()]) == 6


def test_an_unknown_figure_is_refused(tmp_path, run):
    code, _, err = run("paper", "--out", tmp_path, "--data", "digits", "--figure", "4")
    assert code == 2
    assert "figure: expected numbers from 1 to 3, got 4" in err


def test_a_rehearsal_says_so_at_its_beginning_and_gives_no_verdicts(folder, run):
    out, flags = folder
    code, stdout, err = run("paper", "--out", out, *flags)
    assert code == 0
    assert err.startswith(
        "rehearsal: digits instead of CIFAR-10, 2 repeats instead of 10, 1 epoch instead of 20; no verdicts on the "
        "paper's claims\n"
    )
    assert "holds" not in stdout + err + (out / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("space", [0, 10_000, 60_000, 100_000, 130_000])
def test_a_report_that_cannot_be_written_loses_no_run(space, small_disk, tmp_path, run):
    pytest.importorskip("matplotlib")
    flags = ["--data", "digits", "--figure", "3", "--repeats", "1", "--epochs", "1"]
    assert run("paper", "--out", tmp_path / "elsewhere", *flags)[0] == 0
    out = small_disk.path / "paper"
    shutil.copytree(tmp_path / "elsewhere" / "figure-3", out / "figure-3")
    small_disk.leave(space)
    code, _, err = run("paper", "--out", out, *flags)
    assert code == 2
    saved = f"; all runs are saved in {out}: start the same command again to write it"
    assert re.search(rf"^error: .* written.*{out}.*: No space left on device{saved}$", err, re.MULTILINE)
    small_disk.free()
    code, _, err = run("paper", "--out", out, *flags)
    assert code == 0
    assert not re.search("^run ", err, re.MULTILINE)
    assert (out / "report.html").exists()


@pytest.mark.parametrize("source", ["folder", "npz"])
def test_a_short_run_on_cifar10_is_measured_without_verdicts_wherever_the_data_comes_from(source, tmp_path, run):
    if find_cifar10(data_folder()) is None:
        pytest.skip("CIFAR-10 is not in the data folder")
    data = ["--data-dir", data_folder()]
    if source == "npz":
        cifar10 = fastmlp.load_data("cifar10")
        names = ("X_train", "y_train", "X_test", "y_test")
        np.savez(tmp_path / "images.npz", **{name: getattr(cifar10, name) for name in names})
        data = ["--data", tmp_path / "images.npz"]
    flags = ["--repeats", "1", "--epochs", "1", "--figure", "3", "--n-jobs", "1", "--out", tmp_path / "paper"]
    code, _, err = run("paper", *data, *flags)
    assert code == 0
    assert err.startswith(
        "rehearsal: 1 repeat instead of 10, 1 epoch instead of 20; no verdicts on the paper's claims\n"
    )
    page = (tmp_path / "paper" / "report.html").read_text(encoding="utf-8")
    assert page.count("<td class=verdict>no verdict") == 3
    assert "&#10003;" not in page
    assert "&#10007;" not in page
