import dataclasses
import json
import re
from typing import get_args, get_type_hints

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmlp.config import TABULAR, TABULAR_EPOCHS, TABULAR_STEPS, Config
from fastmlp.errors import ConfigError
from fastmlp.settings import (
    ACTIVATIONS,
    DROPOUT_DRAWS,
    LOSSES,
    OPTIMIZERS,
    SETTINGS,
    ActivationName,
    Init,
    LossName,
    OptimizerName,
    Precision,
    Schedule,
    Task,
    dropped_draws,
)

positive = st.floats(1e-30, 1e30)
configs = st.builds(
    Config,
    hidden=st.lists(st.integers(1, 10_000), max_size=4),
    activation=st.sampled_from([*ACTIVATIONS]),
    init=st.sampled_from(get_args(Init)),
    optimizer=st.sampled_from([*OPTIMIZERS]),
    learning_rate=positive,
    schedule=st.sampled_from(get_args(Schedule)),
    decay_rate=st.floats(0, 1e30),
    step_epochs=st.integers(1, 2**63 - 1),
    step_factor=st.floats(1e-30, 1),
    power=st.floats(0, 1e30),
    l2=st.floats(0, 1e30),
    beta1=st.floats(0, 0.9999),
    beta2=st.floats(0, 0.9999),
    eps=positive,
    batch_size=st.integers(1, 2**63 - 1),
    n_epochs=st.integers(1, 2**63 - 1),
    shuffle=st.booleans(),
    seed=st.integers(0, 2**63 - 1),
    precision=st.sampled_from(get_args(Precision)),
)

INVALID = [
    ("hidden", 100),
    ("hidden", (100, 0)),
    ("hidden", (1.0,)),
    ("hidden", "100"),
    ("hidden", np.zeros((2, 2), dtype=int)),
    ("activation", "Sigmoid"),
    ("activation", np.array(["tanh", "relu"])),
    ("init", None),
    ("optimizer", "adagrad"),
    ("dropout", -0.1),
    ("dropout", 1.0),
    ("dropout", 1e308),
    ("dropout", 1e-9),
    ("dropout", 2.0**-17),
    ("dropout", 1 - 2.0**-17),
    ("learning_rate", 0),
    ("learning_rate", -0.1),
    ("learning_rate", float("nan")),
    ("learning_rate", float("inf")),
    ("learning_rate", "0.1"),
    ("learning_rate", True),
    ("learning_rate", 10**400),
    ("decay_rate", -1e-9),
    ("schedule", "cosin"),
    ("schedule", None),
    ("step_epochs", 0),
    ("step_epochs", 1.5),
    ("step_factor", 0.0),
    ("step_factor", 1.1),
    ("power", -0.5),
    ("power", float("nan")),
    ("warmup_epochs", -1),
    ("l2", -1),
    ("beta1", 1.0),
    ("beta1", -0.1),
    ("beta2", 1),
    ("eps", 0.0),
    ("batch_size", 0),
    ("batch_size", 64.0),
    ("batch_size", True),
    ("n_epochs", 0),
    ("shuffle", 1),
    ("seed", -1),
    ("seed", 2**63),
    ("precision", "float16"),
    ("precision", np.float32),
]


def test_the_defaults_are_those_of_the_paper():
    config = Config()
    assert (config.hidden, config.activation, config.optimizer) == ((100, 100), "sigmoid", "sgd")
    assert (config.learning_rate, config.schedule, config.decay_rate, config.l2) == (0.3, "exponential", 0.0, 0.0)
    assert (config.beta1, config.beta2, config.eps) == (0.9, 0.999, 1e-8)
    assert (config.batch_size, config.n_epochs, config.shuffle, config.seed) == (64, 20, True, 0)


def test_the_fields_are_the_settings_in_the_same_order():
    assert list(SETTINGS) == [field.name for field in dataclasses.fields(Config)]


def test_every_field_is_documented_in_order():
    parameters = Config.__doc__.partition("----------")[2].partition("Raises")[0]
    documented = [line.split(" : ")[0].strip() for line in parameters.splitlines() if " : " in line]
    assert documented == [field.name for field in dataclasses.fields(Config)]


@pytest.mark.parametrize(("name", "value"), INVALID)
def test_an_invalid_value_is_refused_with_the_accepted_values_and_the_given_one(name, value):
    with pytest.raises(ConfigError, match=rf"^{name}: expected {re.escape(SETTINGS[name].words)}, got (?s:.)+$"):
        Config(**{name: value})


def test_lbfgs_is_referred_to_the_estimators():
    with pytest.raises(
        ConfigError, match=r"optimizer: expected one of .*, got 'lbfgs'; .* MLPClassifier\(solver='lbfgs'\)$"
    ):
        Config(optimizer="lbfgs")


def test_all_invalid_settings_are_listed():
    with pytest.raises(ConfigError) as caught:
        Config(hidden=(0,), learning_rate=-1, seed=-5, optimizer="newton")
    lines = str(caught.value).splitlines()
    assert lines[0] == "4 settings cannot be used"
    assert [line.split(":")[0].strip() for line in lines[1:]] == ["hidden", "optimizer", "learning_rate", "seed"]


@pytest.mark.parametrize(
    ("name", "value", "rounded"), [("eps", 1e-40, "0.0"), ("beta2", 1 - 1e-12, "1.0"), ("l2", 1e39, "inf")]
)
def test_a_number_that_float32_cannot_represent_is_refused(name, value, rounded):
    with pytest.raises(
        ConfigError, match=rf"^{name}: expected .*, got {re.escape(repr(value))}, which is {rounded} in float32"
    ):
        Config(**{name: value})


@pytest.mark.parametrize(("name", "value"), [("eps", 1e-40), ("beta2", 1 - 1e-12), ("l2", 1e39)])
def test_the_same_number_is_accepted_in_float64(name, value):
    assert getattr(Config(**{name: value}, precision="float64"), name) == value


@pytest.mark.parametrize("rate", [0.0, 8e-6, 0.3, 0.99999])
def test_a_dropout_rate_that_rounds_to_neither_0_nor_1_is_accepted_as_it_is(rate):
    assert Config(dropout=rate).dropout == rate
    assert 0 <= dropped_draws(rate) < DROPOUT_DRAWS
    assert (dropped_draws(rate) == 0) == (rate == 0)


def test_a_dropout_rate_that_rounds_to_0_is_refused_by_the_estimators():
    pytest.importorskip("sklearn")
    from fastmlp import MLPClassifier, MLPRegressor

    X, y = np.eye(4), np.array([0, 1, 0, 1])
    for make in (MLPClassifier, MLPRegressor):
        with pytest.raises(ConfigError, match="dropout: expected 0, or a number > 1/131,072"):
            make(dropout=1e-9).fit(X, y)


def test_numpy_scalars_become_python_numbers():
    config = Config(
        hidden=np.array([3, 4], dtype=np.int32),
        learning_rate=np.float32(0.5),
        l2=1,
        seed=np.uint8(7),
        shuffle=np.False_,
    )
    got = [type(value) for value in (config.hidden[0], config.learning_rate, config.l2, config.seed, config.shuffle)]
    assert got == [int, float, float, int, bool]


def test_no_hidden_layer_is_accepted():
    assert Config(hidden=[]).hidden == ()


def test_a_config_is_frozen_and_hashable():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().seed = 1
    assert hash(Config()) == hash(Config(hidden=[100, 100]))


def test_an_unknown_keyword_is_a_type_error():
    with pytest.raises(TypeError, match="unexpected keyword argument 'lr'"):
        Config(lr=0.1)


def test_from_dict_lists_unknown_settings_with_the_nearest_name_and_invalid_values():
    with pytest.raises(
        ConfigError, match=r"unknown setting 'learningrate'; did you mean 'learning_rate'.\n  l2: expected"
    ):
        Config.from_dict({"learningrate": 0.1, "l2": -1})


def test_from_dict_lists_all_settings_if_no_name_is_near():
    with pytest.raises(ConfigError, match="unknown setting 'zzz'; the settings are hidden, activation"):
        Config.from_dict({"zzz": 0.1})


def test_from_dict_refuses_anything_but_a_mapping():
    with pytest.raises(ConfigError, match=r"expected a mapping .*, got \[1\]"):
        Config.from_dict([1])


def test_from_dict_uses_defaults_for_missing_settings():
    assert Config.from_dict({"seed": 3}) == Config(seed=3)


@given(configs)
def test_a_config_survives_json(config):
    assert Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_replace_validates_the_result():
    with pytest.raises(ConfigError, match=r"beta1: expected .*, got 2"):
        Config().replace(beta1=2)


def test_replace_does_not_modify_the_original():
    config = Config()
    assert (config.replace(seed=9).seed, config.seed) == (9, 0)


def test_the_accepted_names_are_those_of_the_type_aliases():
    hints = get_type_hints(Config)
    aliases = {
        "activation": ActivationName, "init": Init, "loss": LossName, "optimizer": OptimizerName, "schedule": Schedule,
        "precision": Precision,
    }  # fmt: skip
    for name, alias in aliases.items():
        assert hints[name] == alias
        assert all(getattr(Config(**{name: choice}), name) == choice for choice in get_args(alias))


def test_an_eps_that_vanishes_in_adams_first_step_is_refused():
    Config(eps=1e-36)
    with pytest.raises(ConfigError, match="first step"):
        Config(eps=1e-37)
    Config(eps=1e-37, precision="float64")


def test_a_cosine_warm_up_over_all_epochs_is_refused():
    Config(schedule="cosine", warmup_epochs=4, n_epochs=5)
    Config(warmup_epochs=5, n_epochs=5)
    with pytest.raises(ConfigError, match=r"^warmup_epochs: expected fewer than n_epochs, which is 5, got 5$"):
        Config(schedule="cosine", warmup_epochs=5, n_epochs=5)


def test_tabular_chooses_the_epochs_by_the_number_of_steps():
    def n_epochs(n_samples, **changes):
        return Config.tabular(n_samples=n_samples, task="regression", batch_size=32, **changes).n_epochs

    assert [n_epochs(n) for n in (1, 100, 10**9)] == [*TABULAR_EPOCHS[1:], TABULAR_EPOCHS[1], TABULAR_EPOCHS[0]]
    assert n_epochs(1000) == TABULAR_STEPS * 32 // 1000
    assert n_epochs(2000, early_stopping="loss", validation_fraction=0.5) == n_epochs(1000)
    assert n_epochs(1000, n_epochs=7) == 7


def test_tabular_has_no_batch_larger_than_the_training_set():
    def batch_size(n_samples, **changes):
        return Config.tabular(n_samples=n_samples, task="classification", **changes).batch_size

    assert [batch_size(n) for n in (1, 10, 10_000)] == [1, 8, TABULAR["batch_size"]]
    assert batch_size(10, early_stopping="none") == 10
    assert batch_size(10, batch_size=16) == 16


@pytest.mark.parametrize("task", get_args(Task))
def test_tabular_uses_a_loss_of_the_task(task):
    assert task in LOSSES[Config.tabular(n_samples=100, task=task).loss].tasks


def test_tabular_changes_take_the_place_of_the_preset():
    assert Config.tabular(n_samples=100, task="classification", hidden=(8,), loss="binary_cross_entropy").hidden == (8,)


@pytest.mark.parametrize("n_samples", [0, -1, True, 1.5, "100", None])
def test_tabular_refuses_other_numbers_of_samples(n_samples):
    with pytest.raises(ConfigError, match="n_samples: expected an integer >= 1, got"):
        Config.tabular(n_samples=n_samples, task="regression")


def test_tabular_refuses_other_tasks_and_settings():
    with pytest.raises(ConfigError, match="task: expected one of classification, multilabel, regression, got 'r'"):
        Config.tabular(n_samples=1, task="r")
    with pytest.raises(ConfigError, match="unknown setting 'epochs'"):
        Config.tabular(n_samples=1, task="regression", epochs=3)
