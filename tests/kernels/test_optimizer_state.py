"""The entries of an optimizer's state are distinct and fill their arrays."""

import pytest

from fastmlp.kernels import optimizer_state as entry

COEFFICIENTS = ("LR", "L2", "BETA1", "BETA2", "EPS", "ONE_MINUS_BETA1", "ONE_MINUS_BETA2", "MU", "DECAY", "LR_G")
POWERS = ("BETA1_POWER", "BETA2_POWER", "PSI_POWER", "MU_PRODUCT", "STEPS")
HYPERPARAMETERS = (*(name for name in vars(entry) if name.startswith("HYPER_")), "L2_PER_WEIGHT", "EPS_HAT")


@pytest.mark.parametrize(
    ("names", "n_entries"),
    [
        (COEFFICIENTS, entry.N_COEFFICIENTS),
        (POWERS, entry.N_POWERS),
        (HYPERPARAMETERS, entry.N_HYPERPARAMETERS),
    ],
)
def test_the_entries_of_an_array_are_numbered_from_zero_without_gaps(names, n_entries):
    assert sorted(getattr(entry, name) for name in names) == list(range(n_entries))
