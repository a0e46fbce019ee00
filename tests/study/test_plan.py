"""Plans: seeds of the runs, and the grids that are refused."""

import pytest

import fastmlp
from fastmlp.errors import ConfigError
from fastmlp.seeding import Purpose, stream


def test_all_settings_of_a_repeat_have_the_same_seed(blobs, config, grid):
    records = fastmlp.sweep(blobs, config, grid, 2).records()
    seeds = [record["seed"] for record in records]
    assert seeds == [stream(0, Purpose.REPEAT, repeat) >> 11 for repeat in (0, 1)] * 2


@pytest.mark.parametrize(
    ("vary", "n_repeats", "message"),
    [
        ({"learning-rate": [0.1]}, 2, "did you mean 'learning_rate'"),
        ({"l2": []}, 2, "l2: expected at least one value, got an empty list"),
        ({}, 2, r"vary: expected at least one setting with its values, .*, got \{\}"),
        ([], 2, "vary: expected at least one setting, .*, got an empty list"),
        ({"l2": 0.1}, 2, "l2: expected a list of values, got 0.1"),
        ("l2", 2, "vary: expected a mapping of names to lists, or a list of settings, got 'l2'"),
        ({"l2": [-1]}, 2, "l2: expected .*, got -1"),
        ({"l2": [0, 0.0]}, 2, "vary: expected each setting once, got l2 0 twice"),
        ({"l2": [0.1]}, 0, "n_repeats: expected .*, got 0"),
    ],
)
def test_an_invalid_plan_is_refused(vary, n_repeats, message, blobs, config):
    with pytest.raises(ConfigError, match=message):
        fastmlp.sweep(blobs, config, vary, n_repeats)
