"""The commands data, warmup and info."""

import re
from collections import Counter
from pathlib import Path

from fastmlp.codegen.cache import cache_dir
from fastmlp.training.warmup import needed_kernels


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


def test_warmup_prints_what_is_compiled_and_where_it_is(run):
    lines = [run("warmup")[1].splitlines() for _ in range(2)][1]
    assert lines[0] == "float32: 19 kernels, already compiled"
    sizes = [file.stat().st_size for file in cache_dir().glob("*.pickle")]
    assert f"{len(sizes)} files, {sum(sizes):,} bytes in {cache_dir()}" in lines[1:]


def test_warmup_compiles_the_kernels_of_all_settings(run):
    lines = [run("warmup", "--all")[1].splitlines() for _ in range(2)][1]
    n_kernels = Counter(kernel.dtype for kernel in needed_kernels("all"))
    assert lines[:2] == [f"{dtype}: {n} kernels, already compiled" for dtype, n in n_kernels.items()]


def test_warmup_compiles_nothing_for_disabled_bf16_instructions(run, amx_disabled):
    run("warmup", "--all")
    n_kernels = Counter(kernel.dtype for kernel in needed_kernels("all"))
    assert n_kernels["float32"] == n_kernels["float64"]
    assert run("warmup", "--all")[1].startswith(f"float32: {n_kernels['float32']} kernels, already compiled")


def test_info_prints_how_many_threads_auto_takes_and_what_limits_it(run, four_cores, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    line = r"^threads +at most 3 \(OMP_NUM_THREADS: 3, physical cores: 4\)$"
    assert re.search(line, run("info")[1], re.MULTILINE)
