"""Progress: a bar in a terminal, lines elsewhere, and the reason for another precision."""

import os
import re
import subprocess

import numpy as np
import pytest

from fastmlp.cli.terminal import note_classes
from fastmlp.data import Dataset


@pytest.mark.parametrize(("n_epochs", "n_lines"), [(1, 1), (20, 20), (21, 11), (100, 20)])
def test_without_a_terminal_at_most_twenty_lines_are_printed_including_the_last_epoch(n_epochs, n_lines, run):
    _, _, err = run("train", "--n-epochs", n_epochs, "--hidden", "2")
    lines = [line for line in err.splitlines() if line.startswith("epoch")]
    assert len(lines) == n_lines
    assert re.fullmatch(
        rf"epoch {n_epochs}/{n_epochs}  train loss \d\.\d+  test accuracy 0\.\d{{4}}  [\d,.]+M? samples/s", lines[-1]
    )


@pytest.mark.parametrize(
    ("labels", "line"),
    [
        ([0, 1], ""),
        ([10, 30], "classes: 10, 30 (coded 0, 1)\n"),
        (["ant", "bee"], "classes: ant, bee (coded 0, 1)\n"),
        (range(1, 21), "classes: 1, 2, 3, 4, 5, 6, 7, 8, ..., 20 (coded 0, 1, 2, 3, 4, 5, 6, 7, ..., 19)\n"),
    ],
)
def test_the_codes_of_labels_are_printed_unless_they_are_the_labels(labels, line, capsys):
    X, y = np.ones((len(labels), 1)), list(labels)
    note_classes(Dataset(X, y, X, y))
    note_classes(Dataset(X, X, X, X, task="regression"))
    assert capsys.readouterr().err == line


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo-terminals")
def test_a_terminal_shows_a_progress_bar(spawn):
    terminal, write = os.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    process = spawn("train", stdout=subprocess.DEVNULL, stderr=write, env=environment)
    os.close(write)
    shown = read_all(terminal)
    assert process.wait(60) == 0
    assert "epoch 20/20" in shown
    assert "━━━━" in shown
    assert "samples/s  00:00" in shown
    assert max(map(len, re.split(r"[\r\n]+", shown))) <= 80


def read_all(terminal):
    """Everything that is written to a terminal, without control sequences."""
    shown = b""
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # the end on Linux; other systems return an empty piece
            piece = b""
        if not piece:
            os.close(terminal)
            return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())
        shown += piece


@pytest.mark.parametrize(
    "command",
    [
        ["train", "--n-epochs", "1"],
        ["sweep", "--n-epochs", "1", "--repeats", "1", "--n-jobs", "1"],
        ["paper", "--data", "digits", "--figure", "1", "--repeats", "1", "--epochs", "1", "--n-jobs", "1"],
    ],
    ids=lambda command: command[0],
)
@pytest.mark.parametrize("precision", ["auto", "bf16"])
def test_the_reason_for_another_precision_is_printed_once(run, amx_disabled, tmp_path, command, precision):
    code, _, err = run(*command, "--precision", precision, "--out", tmp_path / "out")
    assert code == 0
    reason = {"auto": "the samples are float32, and not uint8", "bf16": "FASTMLP_AMX is 0"}[precision]
    assert err.count("float32, since") == 1
    assert f"precision {precision}: float32, since {reason}\n" in err
