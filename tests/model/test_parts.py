import numpy as np
import pytest

from fastmlp.config import Config
from fastmlp.errors import ConfigError, DataError, DataTypeError
from fastmlp.model.params import Params
from fastmlp.model.parts import (
    Parts,
    check_class_names,
    check_config,
    check_n_epochs,
    check_scaling,
    classes_of,
    is_binary,
    n_classes_of,
    output_of,
    task_of_network,
)
from fastmlp.settings import LOSSES


@pytest.mark.parametrize("loss", LOSSES)
def test_the_output_activation_is_that_of_the_loss(loss):
    assert output_of(Config(loss=loss)) == LOSSES[loss].output


@pytest.mark.parametrize(
    ("loss", "n_outputs", "ref"),
    [
        ("binary_cross_entropy", 1, True),
        ("binary_cross_entropy", 2, False),
        ("cross_entropy", 2, False),
        ("squared_error", 1, False),
    ],
)
def test_only_one_sigmoid_output_is_binary(loss, n_outputs, ref):
    params = Params((3, n_outputs), "float32")
    assert is_binary(Config(loss=loss), params) is ref
    assert n_classes_of(Config(loss=loss), params) == (2 if ref else n_outputs)


@pytest.mark.parametrize(
    ("loss", "n_outputs", "ref"),
    [
        ("binary_cross_entropy", 1, "classification"),
        ("binary_cross_entropy", 2, "multilabel"),
        ("cross_entropy", 2, "classification"),
        ("squared_error", 1, "regression"),
        ("poisson", 2, "regression"),
    ],
)
def test_the_task_follows_from_the_loss_and_the_number_of_outputs(loss, n_outputs, ref):
    assert task_of_network(Config(loss=loss), Params((3, n_outputs), "float32")) == ref


def test_scaling_classes_and_table_are_optional():
    parts = Parts(Config(), Params((3, 2), "float32"))
    assert parts[2:] == (None, None, 0, None, None)


PARAMS = Params((3, 4, 2), "float32")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (Config(hidden=(5,)), r"^hidden: expected \(4,\), the layers of the network, got \(5,\)"),
        (Config(hidden=(4,), precision="float64"), "^precision: expected one with float32 weights, .* got 'float64'"),
        ("adam", r"^config: expected a fastmlp\.Config, got 'adam'"),
    ],
)
def test_a_config_of_another_network_is_refused(config, message):
    with pytest.raises(ConfigError, match=message):
        check_config(config, PARAMS)


def test_a_scaling_is_copied_and_read_only():
    factor = np.ones(3, np.float32)
    got, _ = check_scaling((factor, [0, 1, 2]), PARAMS)
    factor[0] = 7
    assert (got.tolist(), got.dtype) == ([1.0, 1.0, 1.0], np.float64)
    with pytest.raises(ValueError, match="read-only"):
        got[0] = 2
    assert check_scaling(None, PARAMS) is None


@pytest.mark.parametrize(
    ("scaling", "error", "message"),
    [
        ("ab", DataTypeError, "^scaling: expected None or two arrays, factor and offset, got 'ab'"),
        ((np.ones(3),), DataTypeError, "^scaling: expected None or two arrays"),
        (np.array(1.0), DataTypeError, "^scaling: expected None or two arrays"),
        (
            (np.ones(2), np.ones(3)),
            DataError,
            r"^scaling\[0\]: expected one number per feature, shape \(3,\), got shape \(",
        ),
        ((np.ones(3), np.ones((3, 1))), DataError, r"^scaling\[1\]: expected one number per feature"),
        ((np.ones(3), [0, np.nan, 0]), DataError, r"^scaling\[1\]: expected finite numbers, got nan"),
        ((["a"] * 3, np.ones(3)), DataTypeError, r"^scaling\[0\]: expected real numbers"),
        (([1, 1, 1e39], np.ones(3)), DataError, r"^scaling\[0\]: got 1e\+39, beyond the range of float32"),
    ],
)
def test_a_scaling_that_does_not_fit_the_network_is_refused(scaling, error, message):
    with pytest.raises(error, match=message):
        check_scaling(scaling, PARAMS)


@pytest.mark.parametrize("names", [["a", "b"], ("a", "b"), np.array(["a", "b"])])
def test_class_names_become_a_tuple(names):
    assert check_class_names(names, 2) == ("a", "b")
    assert check_class_names(None, 2) is None


@pytest.mark.parametrize(
    ("names", "error"),
    [
        ("ab", DataTypeError),
        ([1, 2], DataTypeError),
        (3, DataTypeError),
        (np.array("a"), DataTypeError),
        (["a"], DataError),
    ],
)
def test_other_class_names_are_refused(names, error):
    with pytest.raises(error, match=r"^class_names: expected .*, got "):
        check_class_names(names, 2)


@pytest.mark.parametrize("n_epochs", [-1, "x", None, 1.0, True, np.float64(1)])
def test_a_number_of_epochs_is_an_integer(n_epochs):
    with pytest.raises(ConfigError, match=r"^n_epochs: expected an integer >= 0, got "):
        check_n_epochs(n_epochs)
    assert type(check_n_epochs(np.int32(2))) is int


@pytest.mark.parametrize(
    ("loss", "n_outputs", "ref"),
    [
        ("cross_entropy", 3, [0, 1, 2]),
        ("binary_cross_entropy", 1, [0, 1]),
        ("binary_cross_entropy", 2, None),
        ("squared_error", 1, None),
    ],
)
def test_classes_are_numbered_from_0_by_default(loss, n_outputs, ref):
    got = classes_of(Config(loss=loss), Params((3, n_outputs), "float32"))
    assert ref is got is None or got.tolist() == ref


def test_only_the_one_output_of_an_estimator_may_have_a_single_class():
    assert classes_of(Config(loss="binary_cross_entropy"), Params((3, 1), "float32"), ["ant"]).tolist() == ["ant"]
    with pytest.raises(DataError, match=r"^classes: expected 2 labels, got an array of shape \(1,\)$"):
        classes_of(Config(), Params((3, 2), "float32"), ["ant"])
    with pytest.raises(DataError, match=r"^classes: expected None for a network of several labels or values, got"):
        classes_of(Config(loss="squared_error"), Params((3, 2), "float32"), ["ant", "bee"])
