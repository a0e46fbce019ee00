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
