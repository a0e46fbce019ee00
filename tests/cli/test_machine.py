"""The commands data, warmup and info."""

import re
from pathlib import Path


def test_data_lists_the_named_data_sets(run):
    code, out, _ = run("data")
    assert code == 0
    assert {"digits", "cifar10", "mnist", "fashion-mnist"} <= {line[:14].rstrip() for line in out.splitlines()}


def test_data_with_a_name_prints_the_location(run):
    code, out, _ = run("data", "digits")
    assert code == 0
    assert Path(out.rstrip("\n")).exists()


def test_info_prints_versions_cpu_and_cache_folder(run):
    code, out, _ = run("info")
    assert code == 0
    names = {re.split(" {2,}", line)[0] for line in out.splitlines()}
    assert {"fastmlp", "python", "numba", "numpy", "platform", "cache folder"} <= names
    assert {"vector width", "register tiles", "bf16 instructions"} <= names


def test_info_prints_why_bf16_instructions_are_not_used(run, amx_disabled):
    assert re.search(r"^bf16 instructions +amx, not used: FASTMLP_AMX is 0$", run("info")[1], re.MULTILINE)


def test_a_second_warmup_compiles_nothing(run):
    assert run("warmup")[0] == 0
    lines = run("warmup")[1].splitlines()
    assert lines[:2] == ["float32: already compiled", "float64: already compiled"]
    assert all(re.fullmatch(r"(bf16x3, bf16x2, )?bf16: already compiled", line) for line in lines[2:])


def test_warmup_compiles_nothing_for_disabled_bf16_instructions(run, amx_disabled):
    assert run("warmup")[1].splitlines() == ["float32: already compiled", "float64: already compiled"]


def test_info_prints_how_many_threads_auto_takes_and_what_limits_it(run, four_cores, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    line = r"^threads +at most 3 \(OMP_NUM_THREADS: 3, physical cores: 4\)$"
    assert re.search(line, run("info")[1], re.MULTILINE)
