import os

import pytest

from fastmlp.codegen import cpu
from fastmlp.errors import ConfigError


def test_features_are_names_that_are_determined_once():
    assert all(isinstance(name, str) for name in cpu.features())
    assert cpu.features() is cpu.features()


def vector_bits(monkeypatch, value):
    """The vector width by a value of the environment variable."""
    monkeypatch.setenv("FASTMLP_VECTOR_BITS", value)
    return cpu.vector_bits.__wrapped__()


@pytest.mark.parametrize("value", ["512", "256", "128"])
def test_the_environment_variable_sets_the_vector_width(value, monkeypatch):
    assert vector_bits(monkeypatch, value) == int(value)


@pytest.mark.parametrize("value", ["64", "1024", "wide", "256 "])
def test_an_invalid_vector_width_is_ignored_on_import_and_refused_by_the_check(value, monkeypatch):
    assert vector_bits(monkeypatch, value) in cpu.VECTOR_WIDTHS
    message = f"^FASTMLP_VECTOR_BITS: expected 512, 256, 128 or no value, got '{value}'$"
    with pytest.raises(ConfigError, match=message):
        cpu.check_vector_bits()


def test_an_empty_vector_width_counts_as_unset(monkeypatch):
    monkeypatch.setenv("FASTMLP_VECTOR_BITS", "")
    cpu.check_vector_bits()


def test_the_default_vector_width_is_one_of_the_cpu(monkeypatch):
    monkeypatch.delenv("FASTMLP_VECTOR_BITS", raising=False)
    needs = {512: "avx512f", 256: "avx2"}
    assert needs.get(cpu.vector_bits.__wrapped__()) in {None, *cpu.features()}


@pytest.mark.parametrize("width", [512, 256, 128])
def test_the_accumulators_vectors_and_broadcast_of_a_tile_fit_into_the_registers(width, monkeypatch):
    monkeypatch.setattr(cpu, "vector_bits", lambda: width)
    for n_vectors, heights in enumerate(cpu.tile_heights(), 1):
        n_operands = n_vectors + 1 if heights[0] > 1 else 1  # a single row takes its vectors from memory
        assert heights[0] * n_vectors + n_operands <= cpu.n_registers()
        assert heights[-1] == 1
        assert list(heights) == sorted(heights, reverse=True)


@pytest.mark.parametrize("n", [1, 10, 16, 17, 100, 1000, 3072, 4096])
@pytest.mark.parametrize("itemsize", [4, 8])
def test_a_row_stride_is_an_odd_number_of_whole_cache_lines(n, itemsize):
    n_bytes = cpu.row_stride(n, itemsize) * itemsize
    assert n * itemsize <= n_bytes < n * itemsize + 2 * cpu.LINE_BYTES
    assert n_bytes % (2 * cpu.LINE_BYTES) == cpu.LINE_BYTES


def test_panels_of_large_batches_are_narrower_so_that_both_stay_in_half_of_l2(monkeypatch):
    for size in (256 << 10, 512 << 10, 2 << 20):
        monkeypatch.setattr(cpu, "l2_bytes", lambda size=size: size)
        lines = [cpu.panel_bytes(batch_size) // cpu.LINE_BYTES for batch_size in (1, 64, 128, 256, 1024, 10**9)]
        assert lines[0] == cpu.PANEL_LINES
        assert lines[-1] == 4
        assert lines == sorted(lines, reverse=True)
        for batch_size, n_lines in zip((64, 128, 256), lines[1:4], strict=True):
            assert n_lines == 4 or 2 * batch_size * n_lines * cpu.LINE_BYTES <= size // 2


@pytest.mark.parametrize(
    ("level", "text", "expected"), [("2", "1024K", 1 << 20), ("2", "", cpu.L2_BYTES), ("3", "32768K", cpu.L2_BYTES)]
)
def test_the_size_of_l2_is_read_from_linux_or_assumed(level, text, expected, tmp_path, monkeypatch):
    (tmp_path / "index2").mkdir()
    (tmp_path / "index2" / "level").write_text(level + "\n")
    (tmp_path / "index2" / "size").write_text(text + "\n")
    monkeypatch.setattr(cpu, "CACHES", tmp_path)
    assert cpu.l2_bytes.__wrapped__() == expected


def test_the_description_of_the_machine_has_the_facts_for_a_bug_report():
    description = cpu.describe()
    assert {"cpu", "cpu features", "vector width", "register tiles"} <= set(description)
    assert all(isinstance(text, str) for text in description.values())


# cores


@pytest.mark.parametrize(
    ("siblings", "n"),
    [
        (["0", "1", "2", "3"], 4),
        (["0,2", "1,3", "0,2", "1,3"], 2),
        (["0-1", "0-1", "2-3", ""], 3),
        ([], 4),
    ],
    ids=["one thread per core", "two", "a CPU without a description", "no description"],
)
def test_hardware_threads_of_one_core_are_one_core(siblings, n, tmp_path):
    for cpu_number, text in enumerate(siblings):
        folder = tmp_path / f"cpu{cpu_number}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(text + "\n")
    assert cpu.physical_cores(frozenset(range(4)), tmp_path) == n
    assert cpu.physical_cores(frozenset({0}), tmp_path) == 1


def test_there_are_at_least_as_many_available_cores_as_physical_ones_without_a_quota(monkeypatch):
    monkeypatch.setattr(cpu, "cgroup_limits", lambda: ())
    assert 1 <= cpu.physical_cores(cpu.affinity()) <= cpu.available_cores() == len(cpu.affinity())


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the operating system has no CPU affinity")
def test_the_affinity_limits_the_available_cores():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert cpu.available_cores() == cpu.physical_cores(cpu.affinity()) == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(("limits", "n"), [((), 8), ((16.0,), 8), ((2.0, 4.0), 2), ((1.5,), 2), ((0.1,), 1)], ids=str)
def test_a_quota_limits_the_available_cores_and_is_rounded_up(limits, n, monkeypatch):
    monkeypatch.setattr(cpu, "affinity", lambda: frozenset(range(8)))
    monkeypatch.setattr(cpu, "cgroup_limits", lambda: limits)
    assert cpu.available_cores() == n


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


def test_quotas_of_control_groups_version_2_are_those_of_the_group_and_its_parents(tmp_path):
    write(tmp_path / "membership", "0::/user/session")
    write(tmp_path / "cgroup" / "user" / "session" / "cpu.max", "max 100000")
    write(tmp_path / "cgroup" / "user" / "cpu.max", "150000 100000")
    write(tmp_path / "cgroup" / "cpu.max", "400000 100000")
    write(tmp_path / "cgroup" / "other" / "cpu.max", "1000 100000")
    write(tmp_path / "cpu.max", "1000 100000")
    assert cpu.cgroup_limits(tmp_path / "cgroup", tmp_path / "membership") == (1.5, 4.0)


def test_quotas_of_control_groups_version_1_are_those_of_the_group_and_its_parents(tmp_path):
    write(tmp_path / "membership", "4:cpu,cpuacct:/docker/a:b\n3:cpuset:/other\n0::/")
    write(tmp_path / "cpu" / "docker" / "a:b" / "cpu.cfs_quota_us", "50000")
    write(tmp_path / "cpu" / "docker" / "a:b" / "cpu.cfs_period_us", "100000")
    write(tmp_path / "cpu" / "cpu.cfs_quota_us", "-1")
    write(tmp_path / "cpu" / "cpu.cfs_period_us", "100000")
    write(tmp_path / "cpu" / "other" / "cpu.cfs_quota_us", "1")
    assert cpu.cgroup_limits(tmp_path, tmp_path / "membership") == (0.5,)


def test_a_quota_without_a_membership_is_that_of_the_root_as_in_a_container(tmp_path):
    write(tmp_path / "cpu" / "cpu.cfs_quota_us", "300000")
    write(tmp_path / "cpu" / "cpu.cfs_period_us", "100000")
    assert cpu.cgroup_limits(tmp_path, tmp_path / "membership") == (3.0,)


@pytest.mark.parametrize("text", ["", "max", "100000", "100000 0", "many 100000"])
def test_a_quota_in_another_form_is_no_limit(text, tmp_path):
    write(tmp_path / "cpu.max", text)
    assert cpu.cgroup_limits(tmp_path, tmp_path / "membership") == ()
