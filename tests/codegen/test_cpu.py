import pytest

from fastmlp.codegen import cpu
from fastmlp.errors import ConfigError


def test_features_are_names_and_the_same_every_time():
    assert all(isinstance(name, str) for name in cpu.features())
    assert cpu.features() is cpu.features()


def bits(monkeypatch, asked):
    monkeypatch.setenv("FASTMLP_VECTOR_BITS", asked)
    return cpu.vector_bits.__wrapped__()


@pytest.mark.parametrize("asked", ["512", "256", "128"])
def test_a_width_may_be_forced(asked, monkeypatch):
    assert bits(monkeypatch, asked) == int(asked)


@pytest.mark.parametrize("asked", ["64", "1024", "wide", "256 "])
def test_a_width_that_is_none_is_refused_when_kernels_are_wanted(asked, monkeypatch):
    assert bits(monkeypatch, asked) in cpu.VECTOR_WIDTHS
    with pytest.raises(ConfigError, match=f"FASTMLP_VECTOR_BITS is '{asked}'; it may be 512, 256 or 128"):
        cpu.check_vector_bits()


def test_an_empty_width_counts_as_unset(monkeypatch):
    monkeypatch.setenv("FASTMLP_VECTOR_BITS", "")
    cpu.check_vector_bits()


def test_unasked_the_width_is_one_that_the_cpu_has(monkeypatch):
    monkeypatch.delenv("FASTMLP_VECTOR_BITS", raising=False)
    needs = {512: "avx512f", 256: "avx2"}
    assert needs.get(cpu.vector_bits.__wrapped__()) in {None, *cpu.features()}


@pytest.mark.parametrize("asked", [512, 256, 128])
def test_a_tile_its_vectors_and_a_broadcast_fit_the_registers(asked, monkeypatch):
    monkeypatch.setattr(cpu, "vector_bits", lambda: asked)
    for n_vectors, heights in enumerate(cpu.tile_heights(), 1):
        assert heights[0] * n_vectors + n_vectors + 1 <= cpu.n_registers()
        assert heights[-1] == 1
        assert list(heights) == sorted(heights, reverse=True)


@pytest.mark.parametrize("n", [1, 10, 16, 17, 100, 1000, 3072, 4096])
@pytest.mark.parametrize("itemsize", [4, 8])
def test_a_row_is_an_odd_number_of_whole_cache_lines(n, itemsize):
    n_bytes = cpu.row_stride(n, itemsize) * itemsize
    assert n * itemsize <= n_bytes < n * itemsize + 2 * cpu.LINE_BYTES
    assert n_bytes % (2 * cpu.LINE_BYTES) == cpu.LINE_BYTES


def test_a_panel_is_whole_cache_lines():
    assert cpu.panel_bytes() % cpu.LINE_BYTES == 0


def test_the_description_names_what_a_bug_report_needs():
    about = cpu.describe()
    assert {"cpu", "cpu features", "vector width", "register tile"} <= set(about)
    assert all(isinstance(text, str) for text in about.values())
