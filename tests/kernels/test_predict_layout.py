"""Entries of the tables of prediction, and the sizes of its blocks."""

from fastmlp.codegen import cpu
from fastmlp.kernels import layout, predict_layout


def test_the_entries_follow_those_of_training_without_gaps():
    entries = [getattr(predict_layout, name) for name in ("FACTOR", "OFFSET", "ROWS_STRIDE", "SQUARES")]
    assert sorted(entries) == list(range(layout.N_COMMON_ENTRIES, predict_layout.N_ENTRIES))


def test_a_block_of_samples_is_a_multiple_of_the_heights_of_the_large_tiles():
    tallest = {heights[0] for heights in cpu.tile_heights() if len(heights) > 1}
    assert {height: predict_layout.BLOCK_SAMPLES % height for height in tallest} == dict.fromkeys(tallest, 0)


def test_findings_are_separate_bits():
    assert predict_layout.LARGE_SAMPLES & predict_layout.NON_FINITE_OUTPUTS == 0
