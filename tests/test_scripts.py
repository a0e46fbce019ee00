"""The scripts run as they are; the long ones on little."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fastmlp import cpu

SCRIPTS = Path(__file__).parents[1] / "scripts"


def run(name, *flags):
    command, environment = [sys.executable, SCRIPTS / name, *flags], {**os.environ, "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(command, capture_output=True, check=True, encoding="utf-8", env=environment).stdout


def test_train_digits_reaches_a_high_accuracy():
    accuracies = re.findall(r"^epoch .* test accuracy (0\.\d{4})$", run("train_digits.py"), re.MULTILINE)
    assert len(accuracies) == 15
    assert float(accuracies[-1]) > 0.95


def test_measure_init_gives_a_line_for_every_init():
    lines = run("measure_init.py", "--data", "digits", "--n-epochs", "1", "--n-seeds", "2").splitlines()
    assert lines[0] == "digits, 1 epochs, decay rate 0, 2 seeds"
    assert all(re.fullmatch(r"\w+ +0\.\d{4} ± \d\.\d{4}   \d\.\d{4} ± \d\.\d{4}", line) for line in lines[2:])


@pytest.mark.skipif(not cpu.has_fma(), reason="without FMA there are no fused multiply-adds to see")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_inner_loop_holds_the_sums_of_a_whole_tile_in_registers(dtype):
    text = run("show_assembly.py", dtype)
    tiles = {n_vectors * heights[0] for n_vectors, heights in enumerate(cpu.tile_heights(), 1)}
    assert f"{max(tiles)} accumulators" in text
    assert not re.search(r"vmovup\w\s+%\wmm\d+, .*\(", text), "a sum is stored inside the loop"


def test_repeat_digits_gives_a_mean_and_a_spread_for_every_epoch():
    lines = run("repeat_digits.py").splitlines()
    assert len(lines) == 10
    assert all(re.fullmatch(r"epoch +\d+  test accuracy 0\.\d{4} ± 0\.\d{4}", line) for line in lines)


def test_sweep_digits_names_the_best_of_six_settings():
    lines = run("sweep_digits.py").splitlines()
    assert len(lines) == 7
    assert lines[-1].startswith("best: {'optimizer': ")
