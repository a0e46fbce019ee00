import pytest

from fastmlp.config import Config
from fastmlp.model.params import Params
from fastmlp.model.parts import Parts, is_binary, output_of
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


def test_scaling_and_class_names_are_optional():
    parts = Parts(Config(), Params((3, 2), "float32"))
    assert (parts.scaling, parts.class_names, parts.n_epochs) == (None, None, 0)
