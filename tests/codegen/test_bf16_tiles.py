import pytest

from fastmlp.codegen import bf16_tiles, cpu
from fastmlp.codegen.bf16_tiles import WORDS, tile_height


@pytest.mark.parametrize("n_outputs", [1, 16, 17, 100, 1000])
def test_amx_divides_rows_evenly_among_as_few_tiles_as_hold_them(n_outputs, monkeypatch):
    monkeypatch.setattr(cpu, "bf16_instructions", lambda: "amx")
    height, n_tiles = tile_height(n_outputs), -(-n_outputs // WORDS)
    assert height <= WORDS
    assert (n_tiles - 1) * height < n_outputs <= n_tiles * height


def test_a_tile_of_avx512_bf16_holds_two_register_tiles_of_six_rows(monkeypatch):
    monkeypatch.setattr(cpu, "bf16_instructions", lambda: "avx512bf16")
    assert {tile_height(n_outputs) for n_outputs in (1, 16, 100)} == {12}


def test_a_row_of_a_tile_is_one_vector_of_512_bits():
    assert bf16_tiles.WORDS * 32 == bf16_tiles.STEPS * 16 == 512
