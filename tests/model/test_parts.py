import pytest

from fastmlp.config import Config
from fastmlp.errors import DataError
from fastmlp.model.params import Params
from fastmlp.model.parts import Parts, classes_of, is_binary, output_of
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
    assert is_binary(Config(loss=loss), Params((3, n_outputs), "float32")) is ref


def test_scaling_and_classes_are_optional():
    parts = Parts(Config(), Params((3, 2), "float32"))
    assert (parts.scaling, parts.class_names, parts.n_epochs, parts.classes) == (None, None, 0, None)


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
