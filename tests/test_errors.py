import math
import pickle

import pytest

from fastmlp import errors
from fastmlp.errors import DivergedError, FastMLPError, LeftOutWarning, MissingExtraError

CLASSES = [cls for cls in vars(errors).values() if getattr(cls, "__module__", "") == errors.__name__]
CLASSES.remove(FastMLPError)
CLASSES.remove(LeftOutWarning)


@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_derives_from_the_base_class_and_a_builtin_exception(cls):
    assert issubclass(cls, FastMLPError)
    assert cls.__bases__[1].__module__ == "builtins"


def test_a_warning_can_be_filtered_by_its_own_class():
    assert LeftOutWarning.__bases__ == (UserWarning,)


def test_a_missing_extra_is_reported_with_the_command_that_installs_it():
    text = str(MissingExtraError("matplotlib", "plot", "Plotting"))
    assert text == 'Plotting needs matplotlib, which is not installed. Run: pip install "fastmlp[plot]"'


def test_divergence_names_epoch_and_learning_rate_and_has_model_and_history():
    error = DivergedError(3, 0.5, "model", "history", "train_loss", math.inf)
    assert str(error) == (
        "train_loss: expected a finite number, got inf in epoch 3 at learning rate 0.5; try a smaller learning rate. "
        "The model and the history of the last finite epoch are kept as attributes of this exception."
    )
    assert (error.epoch, error.learning_rate, error.model, error.history) == (3, 0.5, "model", "history")
    assert (error.column, error.value, error.largest) == ("train_loss", math.inf, {})


VALIDATION = DivergedError(3, 0.5, None, None, "val_loss", -math.inf, {"y_val": 9.97e36, "X_val": 3.25})


def test_divergence_on_other_than_the_training_set_names_the_largest_magnitudes():
    assert str(VALIDATION).startswith(
        "val_loss: expected a finite number, got -inf in epoch 3 at learning rate 0.5; try a smaller learning rate. "
        "The training loss is finite: look also for fill values and other extreme values in y_val (9.97e+36) and X_val "
        "(3.25); the numbers are the largest magnitudes. The model"
    )
    assert VALIDATION.largest == {"y_val": 9.97e36, "X_val": 3.25}


@pytest.mark.parametrize(
    "error", [MissingExtraError("dask", "dask", "A cluster"), DivergedError(3, 0.5, None, None, value=2.0), VALIDATION]
)
def test_errors_can_be_pickled(error):
    got = pickle.loads(pickle.dumps(error))
    assert (type(got), str(got), vars(got)) == (type(error), str(error), vars(error))
