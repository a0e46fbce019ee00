import math

import numpy as np
import pytest

from fastmlp.config import Config
from fastmlp.data import Dataset
from fastmlp.errors import DataError
from fastmlp.training.early_stopping import Monitor, Plateau, best_epoch, monitored_column
from fastmlp.training.loop import train

SMALL = Config(hidden=(7, 6), n_epochs=3, batch_size=16)


def bits(model):
    return model.params.theta.tobytes()


# Monitor, Plateau


def test_a_monitor_of_a_loss_records_decreases_larger_than_tol():
    monitor = Monitor(larger_is_better=False, tol=0.5)
    assert [monitor.update(loss) for loss in (3.0, 2.5, 2.4, 2.6)] == [True, False, True, False]
    assert (monitor.best, monitor.n_without_improvement) == (2.4, 1)


def test_a_monitor_of_a_score_records_increases_larger_than_tol():
    monitor = Monitor(larger_is_better=True, tol=0.0)
    assert [monitor.update(score) for score in (0.1, 0.1, 0.2, 0.1, 0.2)] == [True, False, True, False, False]
    assert (monitor.best, monitor.n_without_improvement) == (0.2, 2)


@pytest.mark.parametrize("larger_is_better", [True, False])
@pytest.mark.parametrize("first", [(), (1.0,)])
def test_a_value_that_is_not_finite_is_no_improvement(first, larger_is_better):
    monitor = Monitor(larger_is_better, tol=0.0)
    values = (*first, math.nan, math.inf, -math.inf)
    assert [monitor.update(value) for value in values] == [True] * len(first) + [False] * 3
    assert monitor.n_without_improvement == 3
    assert monitor.update(2.0 if larger_is_better else 0.5)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_the_best_epoch_of_a_history_without_a_finite_value_is_the_last(value):
    config = Config(early_stopping="loss")
    assert best_epoch(config, {"val_loss": [value] * 3}) == 3
    assert best_epoch(config.replace(early_stopping="score"), {"val_accuracy": [value] * 3}) == 3
    assert best_epoch(config, {"val_loss": [value, 2.0, value, 3.0]}) == 2


def test_a_plateau_reduces_the_factor_and_restarts_its_count():
    plateau, factors = Plateau(Config(step_epochs=2, step_factor=0.5)), []
    for loss in (1.0, 1.0, 1.0, 0.5, 0.5, 0.5):
        plateau.update(loss)
        factors.append(plateau.factor)
    assert factors == [1.0, 1.0, 0.5, 0.5, 0.5, 0.25]


@pytest.mark.parametrize(
    ("loss", "early_stopping", "ref"),
    [
        ("cross_entropy", "loss", "val_loss"),
        ("cross_entropy", "score", "val_accuracy"),
        ("huber", "loss", "val_loss"),
        ("huber", "score", "val_r2"),
    ],
)
def test_the_monitored_column_is_the_loss_or_the_metric_of_the_loss(loss, early_stopping, ref):
    assert monitored_column(Config(loss=loss, early_stopping=early_stopping)) == ref


def test_the_best_epoch_is_the_last_improvement_or_without_early_stopping_the_last_epoch():
    columns = {"epoch": [1, 2, 3, 4], "val_loss": [2.0, 1.0, 1.0, 1.5], "val_accuracy": [0.5, 0.6, 0.7, 0.7]}
    config = Config(early_stopping="loss")
    assert best_epoch(config, columns) == 2
    assert best_epoch(config.replace(early_stopping="score"), columns) == 3
    assert best_epoch(config.replace(tol=1.5), columns) == 1
    assert best_epoch(Config(), columns) == 4


# training


@pytest.mark.parametrize("monitored", ["loss", "score"])
def test_training_stops_early_and_restores_the_best_weights(monitored, blobs):
    config = SMALL.replace(n_epochs=200, early_stopping=monitored, patience=3, learning_rate=0.5, tol=1e-4)
    run = train(blobs, config)
    losses = run.history["val_loss" if monitored == "loss" else "val_accuracy"]
    assert len(losses) < 200
    improved = [i for i, x in enumerate(losses) if i == 0 or is_better(x, losses[:i], monitored)]
    best = train(blobs, config.replace(n_epochs=improved[-1] + 1))
    assert len(losses) - improved[-1] - 1 == 3
    assert bits(run.model) == bits(best.model)


def is_better(value, before, monitored):
    best = before[0]
    for other in before[1:]:
        best = other if (best - other if monitored == "loss" else other - best) > 1e-4 else best
    return (best - value if monitored == "loss" else value - best) > 1e-4


def test_held_out_samples_are_not_trained_on(blobs):
    reports = []
    config = SMALL.replace(early_stopping="loss", validation_fraction=0.25)
    train(blobs, config, progress=reports.append)
    assert {p.n_samples for p in reports} == {90}


@pytest.mark.parametrize("fraction", [0.004, 0.998])
def test_a_validation_fraction_that_leaves_a_set_empty_is_refused(fraction, blobs):
    with pytest.raises(
        DataError, match=r"expected at least one held-out and one training sample of 120, got (0|120) held"
    ):
        train(blobs, SMALL.replace(early_stopping="loss", validation_fraction=fraction))


def test_a_given_validation_set_is_monitored(blobs):
    X, y = blobs.X_test[:10], blobs.y_test[:10]
    data = Dataset(blobs.X_train, blobs.y_train, blobs.X_test, blobs.y_test, X_val=X, y_val=y)
    run = train(data, SMALL.replace(early_stopping="loss"))
    without = train(data, SMALL)
    assert without.history["val_loss"] == run.history["val_loss"]
    assert without.history[-1]["val_loss"] == without.model.evaluate(X, y).loss


def test_a_validation_label_that_has_no_name_is_refused(blobs):
    data = {"class_names": ("a", "b", "c"), "X_val": blobs.X_test, "y_val": np.full(40, 3)}
    with pytest.raises(DataError, match="y_val: expected labels 0 to 2, got 3"):
        Dataset(blobs.X_train, blobs.y_train, blobs.X_test, blobs.y_test, **data)


def test_the_plateau_schedule_reduces_the_learning_rate(blobs):
    config = SMALL.replace(schedule="plateau", step_epochs=2, step_factor=0.5, tol=1e9, n_epochs=7)
    rates = train(blobs, config).history["learning_rate"]
    np.testing.assert_array_equal(rates, 0.3 * np.array([1, 1, 1, 0.5, 0.5, 0.25, 0.25]))
