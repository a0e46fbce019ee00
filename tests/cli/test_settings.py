import pytest

import fastmlp
from fastmlp.cli.settings import GivenSettings, provisional_config, resolve_settings, task_of_settings
from fastmlp.data import load_data
from fastmlp.errors import ConfigError
from fastmlp.settings import LOSSES


def table(target):
    return load_data(
        {"a": [i * i % 37 for i in range(100)], "b": [0.5, 1.5] * 50, "y": [target(i) for i in range(100)]}
    )


def test_the_preset_auto_is_tabular_for_a_table_alone():
    arrays = fastmlp.Dataset([[0.0], [1.0]], [0, 1], [[0.5]], [1])
    assert resolve_settings(GivenSettings(), "auto", arrays) == (fastmlp.Config(), "paper")
    dataset = table(lambda i: "xy"[i % 2])
    expected = fastmlp.Config.tabular(n_samples=80, task="classification")
    assert resolve_settings(GivenSettings(), "auto", dataset) == (expected, "tabular")


def test_a_given_setting_takes_the_place_of_the_presets():
    dataset = table(lambda i: i / 3)
    got, _ = resolve_settings(GivenSettings(n_epochs=3, loss="huber"), "auto", dataset)
    assert (got.n_epochs, got.loss) == (3, "huber")
    assert got.activation == fastmlp.Config.tabular(n_samples=80, task="regression").activation


def test_the_loss_is_that_of_the_task_unless_it_is_given():
    dataset = table(lambda i: i / 3)
    assert resolve_settings(GivenSettings(), "paper", dataset)[0].loss == "squared_error"
    assert resolve_settings(GivenSettings(loss="huber"), "paper", dataset)[0].loss == "huber"


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_for_one_task_decides_the_task(loss):
    expected = LOSSES[loss].tasks[0] if len(LOSSES[loss].tasks) == 1 else None
    assert task_of_settings(GivenSettings(loss=loss), None) == expected
    assert task_of_settings(GivenSettings(loss=loss), "multilabel") == "multilabel"


def test_invalid_settings_are_refused_before_the_data_is_known():
    with pytest.raises(ConfigError, match="2 settings cannot be used"):
        provisional_config(GivenSettings(l2=-1.0, batch_size=0), "auto")


def test_a_setting_that_one_of_two_presets_allows_is_decided_by_the_data():
    given = GivenSettings(schedule="cosine", warmup_epochs=25)  # the preset paper has 20 epochs
    assert provisional_config(given, "auto").warmup_epochs == 25
    with pytest.raises(ConfigError, match="warmup_epochs: expected fewer than n_epochs, which is 20, got 25"):
        provisional_config(given, "paper")
