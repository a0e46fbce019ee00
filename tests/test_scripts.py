"""The scripts run; the long ones with small arguments."""

import ast
import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from fastmlp.codegen import cache, cpu
from fastmlp.config import Config
from fastmlp.settings import ACTIVATIONS, LOSSES, OPTIMIZERS, Schedule

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


def load(name):
    """A script as a module."""
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def tune_blocks():
    return load("tune_blocks")


def test_every_candidate_tile_fits_into_the_registers(tune_blocks):
    tried = [ast.literal_eval(value) for name, value in tune_blocks.candidates() if name == "TILE_HEIGHTS"]
    tiles = [tile for heights in tried for tile in enumerate(heights[cpu.n_registers()], 1)]
    assert len(tried) >= 6
    # A single row takes its vectors from memory.
    needed = [rows[0] * n_vectors + (n_vectors if rows[0] > 1 else 0) + 1 for n_vectors, rows in tiles]
    assert max(needed) <= cpu.n_registers()
    assert all(len(heights[cpu.n_registers()]) == len(cpu.tile_heights()) for heights in tried)
    assert all(rows[-1] == 1 for _, rows in tiles)


def test_the_candidates_are_other_values_of_every_tuned_constant(tune_blocks):
    tried = list(tune_blocks.candidates())
    names = {"TILE_HEIGHTS", "BLOCK_ROWS", "PANEL_LINES", "PRODUCT_STEPS", "PRODUCT_ROWS", "PREFETCH_WEIGHTS"}
    assert {name for name, _ in tried} == names
    assert all(ast.literal_eval(value) != getattr(cpu, name) for name, value in tried)


def test_values_for_avx2_that_were_found_on_a_wider_cpu_are_marked(tune_blocks, monkeypatch):
    for has_avx512, n_registers, is_marked in ((True, 16, True), (False, 16, False), (True, 32, False)):
        monkeypatch.setattr(tune_blocks.llvm, "get_host_cpu_features", lambda has=has_avx512: {"avx512f": has})
        monkeypatch.setattr(cpu, "n_registers", lambda n=n_registers: n)
        assert tune_blocks.measured_on().endswith("a second opinion") is is_marked


def test_a_candidate_is_a_copy_of_the_package_with_another_size(tune_blocks, tmp_path):
    folder = tune_blocks.copy_package(tmp_path / "8", ("PANEL_LINES", "8"))
    program = "from fastmlp.codegen import cache, cpu; print(cpu.__file__, cpu.panel_bytes(1), cache.stamp())"
    command, environment = [sys.executable, "-c", program], {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(command, capture_output=True, check=True, text=True, env=environment, cwd=folder)
    path, panel_bytes, stamp = done.stdout.split()
    assert path.startswith(str(folder))
    assert int(panel_bytes) == 8 * cpu.LINE_BYTES
    assert stamp != cache.stamp()


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


def test_reproduce_paper_gives_no_verdict_in_a_rehearsal(tmp_path):
    flags = "--data", "digits", "--n-repeats", "1", "--n-epochs", "1"
    assert run("reproduce_paper.py", str(tmp_path), *flags) == (
        "rehearsal: digits instead of CIFAR-10, 1 repeat instead of 10, 1 epoch instead of 20; no verdicts on the "
        "paper's claims\n"
    )


def test_check_tables_prints_a_line_per_file(tmp_path):
    rows = "".join(f"{'red' if i % 3 else 'blue'};{i % 7},5;{'yn'[i % 2]}\n" for i in range(40))
    (tmp_path / "x.csv").write_text("colour;size;kind\n" + rows)
    *_, line, _, count = run("check_tables.py", f"{tmp_path / 'x.csv'}=kind").splitlines()
    number = r"accuracy \d\.\d{4}"
    assert re.fullmatch(rf"\| x\.csv \| {number} \| \d+\.\d \| {number} \| same \| refused \|", line)
    assert count == "1 of 1 files train"


def test_fuzz_readers_counts_the_outcomes_of_a_reader():
    head, csv, *bugs = run("fuzz_readers.py", "--reader", "csv", "--n", "30").splitlines()
    assert head.split() == ["mutants", "same", "refused", "changed", "unverified", "bugs", "seconds"]
    _, n, *counts, n_bugs, _ = csv.split()
    assert (int(n), sum(map(int, counts)), int(n_bugs)) == (30, 30, 0)
    assert "".join(bugs) == ""


def test_fuzz_training_counts_the_outcomes_of_the_runs():
    head, counts, diverged, sweep = run("fuzz_training.py", "--n", "40", "--n-rates", "3").splitlines()
    assert head.split() == ["runs", "finite", "diverged", "refused", "bugs", "seconds"]
    n, *outcomes, n_bugs, _ = map(int, counts.split())
    assert (n, sum(outcomes), n_bugs) == (40, 40, 0)
    assert diverged.startswith("diverged in ")
    assert sweep == "sweep: complete"


@pytest.mark.skipif(os.name == "nt", reason="memory and open files are read from /proc or /dev")
def test_soak_leaves_no_files_open():
    head, *lines = run("soak.py", "--n-runs", "8", "--n-processes", "0").splitlines()
    assert head.split() == ["runs", "MB", "files", "seconds"]
    assert len({line.split()[2] for line in lines}) == 1


@pytest.fixture(scope="module")
def check_arm():
    return load("check_arm")


def test_check_arm_trains_every_activation_loss_optimizer_and_schedule(check_arm):
    configs = [Config(**settings) for _, settings in check_arm.CASES.values()]
    for name, values in (
        ("activation", ACTIVATIONS), ("loss", LOSSES), ("optimizer", OPTIMIZERS), ("schedule", get_args(Schedule)),
    ):  # fmt: skip
        assert {getattr(config, name) for config in configs} == set(values)
    assert {config.precision for config in configs} == {"float32", "float64"}


def test_check_arm_prints_the_same_digests_in_every_process(check_arm):
    (machine, width, versions), *lines = (json.loads(line) for line in run("check_arm.py", "--digests").splitlines())
    assert (machine, width) == (platform.machine(), f"{cpu.vector_bits()}-bit vectors")
    assert set(versions) == {"python", "numpy", "numba", "llvmlite"}
    assert [name for name, *_ in lines] == list(check_arm.CASES)
    assert len({tuple(digests) for _, *digests, _ in lines}) == len(lines)
    for name, *digests, _ in lines[-2:]:
        assert check_arm.digests_of(*check_arm.CASES[name]) == tuple(digests)


def test_check_arm_s_subnormal_weights_are_flushed_to_zero(check_arm):
    kind, settings = check_arm.CASES["subnormal weights"]
    model = check_arm.train(kind, settings).model
    assert not model.weights[0][-1].any()
    assert model.weights[0][:-1].all()


@pytest.mark.parametrize(("digest", "line"), [("0" * 16, "1 of 1 equal"), ("1" * 16, "0 of 1 equal")])
def test_check_arm_compares_digests(check_arm, capsys, digest, line):
    head, ref = ["x86_64", "512-bit vectors", {"numpy": "2.4.6"}], ["adam", "0" * 16, "2" * 16, 1.0]
    is_equal = check_arm.compare(iter([head, ref]), iter([head, ["adam", digest, "2" * 16, 20.0]]))
    printed = capsys.readouterr().out
    assert is_equal == line.startswith("1")
    assert line in printed
    assert ("weights differ" in printed) == (not is_equal)


def test_check_arm_names_the_emulator_that_is_missing(check_arm, tmp_path):
    command, environment = [sys.executable, SCRIPTS / "check_arm.py"], {**os.environ, "PATH": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    is_supported = sys.platform == "linux" and platform.machine() == "x86_64"
    expected = "qemu-aarch64-static: not found; apt install qemu-user-static" if is_supported else "expected Linux on"
    assert (done.returncode, done.stdout) == (2, "")
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif((sys.platform, platform.machine()) != ("linux", "x86_64"), reason="needs Linux on x86-64")
def test_check_arm_says_which_download_failed_and_leaves_nothing(check_arm, tmp_path):
    """With an emulator and an apt-get on the path that do what a machine without network does."""
    programs, temporary = tmp_path / "bin", tmp_path / "tmp"
    programs.mkdir()
    temporary.mkdir()
    for name, line in (("qemu-aarch64", "echo qemu 7"), ("apt-get", "echo 'Could not connect' >&2; exit 100")):
        (programs / name).write_text(f"#!/bin/sh\n{line}\n")
        (programs / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "TMPDIR": str(temporary)}
    command = [sys.executable, SCRIPTS / "check_arm.py"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    assert "downloading apt's lists of arm64 packages failed" in done.stderr
    assert "Could not connect" in done.stderr
    assert list(temporary.iterdir()) == []
