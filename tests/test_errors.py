import pickle

import pytest

from fastmlp import errors
from fastmlp.errors import DivergedError, FastMLPError, MissingExtraError

CLASSES = [cls for cls in vars(errors).values() if getattr(cls, "__module__", "") == errors.__name__]
CLASSES.remove(FastMLPError)


@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_is_one_of_fastmlps_and_the_built_in_one_expects(cls):
    assert issubclass(cls, FastMLPError)
    assert cls.__bases__[1].__module__ == "builtins"


def test_a_missing_extra_is_mended_by_the_command_it_names():
    text = str(MissingExtraError("matplotlib", "plot", "Drawing curves"))
    assert text == ('Drawing curves needs matplotlib, which is not installed. Run: pip install "fastmlp[plot]"')


def test_divergence_names_epoch_and_learning_rate_and_keeps_the_rest():
    error = DivergedError(3, 0.5, "model", "history")
    assert "epoch 3 at learning rate 0.5" in str(error)
    assert (error.epoch, error.learning_rate, error.model, error.history) == (3, 0.5, "model", "history")


@pytest.mark.parametrize("error", [MissingExtraError("dask", "dask", "A cluster"), DivergedError(3, 0.5, None, None)])
def test_an_error_crosses_a_process_pool_whole(error):
    twin = pickle.loads(pickle.dumps(error))
    assert (type(twin), str(twin), vars(twin)) == (type(error), str(error), vars(error))
