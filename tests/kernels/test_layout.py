"""The entries of the tables that kernels share are distinct and fill their tables."""

import pytest

from fastmlp.codegen.cpu import LINE_BYTES
from fastmlp.kernels import layout

LAYER = ("FAN_IN", "FAN_OUT", "W", "W_STRIDE", "B", "A", "DZ", "DERIVATIVE", "AT", "BF16")
SCALARS = ("ON", "OFF", "HUBER_DELTA", "KEEP_SCALE", "SMOOTHING", "PIXEL_SCALE")
INTEGERS = ("FIRST", "STOP", "OPTIMIZER", "SHUFFLE", "ORDER_STATE", "DROPOUT_STATE", "OFFSET")
BARRIER = ("ARRIVED", "GENERATION", "ABORTED")
OTHERS = ("N_LAYER_ENTRIES", "N_COMMON_ENTRIES", "N_INTEGERS", "N_BARRIER_ENTRIES", "SAMPLE_DTYPES", "BLOCK_FEATURES")
COMMON = tuple(
    name for name in vars(layout) if name.isupper() and name not in LAYER + SCALARS + INTEGERS + BARRIER + OTHERS
)


@pytest.mark.parametrize(
    ("names", "n_entries"),
    [
        (LAYER, layout.N_LAYER_ENTRIES),
        (COMMON, layout.N_COMMON_ENTRIES),
        (SCALARS, len(SCALARS)),
        (INTEGERS, layout.N_INTEGERS),
    ],
)
def test_the_entries_of_a_table_are_numbered_from_zero_without_gaps(names, n_entries):
    assert sorted(getattr(layout, name) for name in names) == list(range(n_entries))


def test_the_scalars_fit_into_one_cache_line_in_float64():
    assert len(SCALARS) * 8 <= LINE_BYTES


def test_each_entry_of_a_barrier_has_a_cache_line_of_its_own():
    entries = [getattr(layout, name) * 8 // LINE_BYTES for name in BARRIER]
    assert sorted(entries) == list(range(len(BARRIER)))
    assert len(BARRIER) * LINE_BYTES == layout.N_BARRIER_ENTRIES * 8
