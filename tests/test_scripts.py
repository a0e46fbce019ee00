"""The scripts run; the long ones with small arguments."""

import ast
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fastmlp.codegen import cpu, jit

SCRIPTS = Path(__file__).parents[1] / "scripts"


def run(name, *flags):
    command, environment = [sys.executable, SCRIPTS / name, *flags], {**os.environ, "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(command, capture_output=True, check=True, encoding="utf-8", env=environment).stdout


def test_train_digits_reaches_a_high_accuracy():
    accuracies = re.findall(r"^epoch .* test accuracy (0\.\d{4})$", run("train_digits.py"), re.MULTILINE)
    assert len(accuracies) == 15
    assert float(accuracies[-1]) > 0.95


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_killed_and_resumed_training_equals_the_uninterrupted_run():
    text = run("kill_training.py", "--data", "digits", "--n-kills", "1", "--n-writing", "0", "--n-signals", "0")
    assert re.match(r"1 kills in \d+ runs; (\d+) of \1 equal the uninterrupted run, [0-9a-f]{16}\n", text)


def test_measure_init_prints_a_line_per_init():
    lines = run("measure_init.py", "--data", "digits", "--n-epochs", "1", "--n-seeds", "2").splitlines()
    assert lines[0] == "digits, 1 epochs, decay rate 0, 2 seeds"
    assert all(re.fullmatch(r"\w+ +0\.\d{4} ± \d\.\d{4}   \d\.\d{4} ± \d\.\d{4}", line) for line in lines[2:])


@pytest.fixture(scope="module")
def tune_blocks():
    spec = importlib.util.spec_from_file_location("tune_blocks", SCRIPTS / "tune_blocks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_candidate_tile_fits_into_the_registers(tune_blocks):
    tried = [ast.literal_eval(value) for name, value in tune_blocks.candidates() if name == "TILE_HEIGHTS"]
    tiles = [tile for heights in tried for tile in enumerate(heights[cpu.n_registers()], 1)]
    assert len(tried) >= 6
    assert all(rows[0] * n_vectors + n_vectors + 1 <= cpu.n_registers() for n_vectors, rows in tiles)
    assert all(rows[-1] == 1 for _, rows in tiles)


def test_a_candidate_is_a_copy_of_the_package_with_another_size(tune_blocks, tmp_path):
    folder = tune_blocks.copy_package(tmp_path / "8", ("PANEL_LINES", "8"))
    program = "from fastmlp.codegen import cpu, jit; print(cpu.__file__, cpu.panel_bytes(), jit.stamp())"
    command, environment = [sys.executable, "-c", program], {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(command, capture_output=True, check=True, text=True, env=environment, cwd=folder)
    path, panel_bytes, stamp = done.stdout.split()
    assert path.startswith(str(folder))
    assert int(panel_bytes) == 8 * cpu.LINE_BYTES
    assert stamp != jit.stamp()


def test_compare_sklearn_prints_a_line_with_times_and_scores():
    *_, line = run("compare_sklearn.py", "digits", "--n-seeds", "2").splitlines()
    number = r"0\.\d{4} ± 0\.\d{4}"
    assert re.fullmatch(rf"\| digits \| .* s \| .* s \| .* x \(.* to .*\) \| {number} \| {number} \|", line)


def test_repeat_digits_prints_a_mean_and_a_deviation_per_epoch():
    lines = run("repeat_digits.py").splitlines()
    assert len(lines) == 10
    assert all(re.fullmatch(r"epoch +\d+  test accuracy 0\.\d{4} ± 0\.\d{4}", line) for line in lines)


def test_sweep_digits_prints_the_best_of_six_settings():
    lines = run("sweep_digits.py").splitlines()
    assert len(lines) == 7
    assert lines[-1].startswith("best: {'optimizer': ")


def test_reproduce_paper_prints_a_verdict_on_every_claim(tmp_path):
    lines = run(
        "reproduce_paper.py", str(tmp_path), "--data", "digits", "--n-repeats", "1", "--n-epochs", "1"
    ).splitlines()
    verdicts = lines[::2]
    assert len(verdicts) == 6
    assert all(re.match(r"(holds|does not hold): ", line) for line in verdicts)
    assert "holds: The majority baseline is around 10 % (section 3)." in verdicts


def test_fuzz_readers_counts_the_outcomes_of_a_reader():
    head, csv, *bugs = run("fuzz_readers.py", "--reader", "csv", "--n", "30").splitlines()
    assert head.split() == ["mutants", "same", "refused", "changed", "unverified", "bugs", "seconds"]
    _, n, *counts, n_bugs, _ = csv.split()
    assert (int(n), sum(map(int, counts)), int(n_bugs)) == (30, 30, 0)
    assert "".join(bugs) == ""


@pytest.mark.skipif(os.name == "nt", reason="memory and open files are read from /proc or /dev")
def test_soak_leaves_no_files_open():
    head, *lines = run("soak.py", "--n-runs", "8", "--n-processes", "0").splitlines()
    assert head.split() == ["runs", "MB", "files", "seconds"]
    assert len({line.split()[2] for line in lines}) == 1
