"""Training with extreme data and settings: the loss is finite, or a DivergedError is raised."""

import itertools
import math
import warnings

import numpy as np
import pytest

import fastmlp
from fastmlp import Config, Dataset, DivergedError, FastMLPError

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((60, 6)), np.arange(60) % 3


def trained(dataset, **settings):
    """Model and history of a run that ended or diverged, after checking that they contain no NaN."""
    config = Config(**{"hidden": (8, 8), "n_epochs": 4, "batch_size": 16, **settings})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            run = fastmlp.train(dataset, config)
            model, history, diverged = run.model, run.history, False
        except DivergedError as error:
            model, history, diverged = error.model, error.history, True
    assert all(math.isfinite(row["train_loss"]) for row in history)
    assert diverged or len(history) == config.n_epochs
    if not diverged:
        assert all(not math.isnan(value) for row in history for value in row.values())
        probs = model.predict_proba(dataset.X_test)
        assert not np.isnan(probs).any()
        np.testing.assert_allclose(probs.sum(axis=1), 1.0, rtol=1e-5)
    return model, history, diverged


def blobs(scale="none", factor=1.0, dtype=np.float64):
    samples = (X * factor).astype(dtype)
    return Dataset(samples, Y, samples, Y, scale)


EVERY = list(itertools.product(("sigmoid", "tanh", "relu", "identity"), ("sgd", "adam"), ("float32", "float64")))


@pytest.mark.parametrize(("activation", "optimizer", "precision"), EVERY)
@pytest.mark.parametrize("learning_rate", [1e-30, 1.0, 1e3, 1e10, 1e30])
def test_any_learning_rate_trains_or_diverges(learning_rate, activation, optimizer, precision):
    settings = {"activation": activation, "optimizer": optimizer, "precision": precision}
    trained(blobs(), learning_rate=learning_rate, **settings)


@pytest.mark.parametrize(("activation", "optimizer", "precision"), EVERY)
@pytest.mark.parametrize("factor", [1e-45, 1e-38, 1e4, 1e30])
def test_features_of_any_size_train_or_diverge(factor, activation, optimizer, precision):
    settings = {"activation": activation, "optimizer": optimizer, "precision": precision}
    trained(blobs(factor=factor), learning_rate=0.1, **settings)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("scale", ["auto", "unit", "standard", "robust"])
@pytest.mark.parametrize("factor", [1e-40, 1e30, 1e37])
def test_scaled_features_of_any_size_train(factor, scale, precision):
    _, history, diverged = trained(blobs(scale, factor), precision=precision)
    assert not diverged
    assert history[-1]["train_loss"] < 1.2


@pytest.mark.parametrize("scale", ["none", "auto", "unit", "standard", "robust"])
@pytest.mark.parametrize("value", [0.0, 7.5, -1e30, 1e-40])
def test_constant_features_train(value, scale):
    samples = np.hstack([X, np.full((60, 2), value)])
    trained(Dataset(samples, Y, samples, Y, scale), learning_rate=0.1)


@pytest.mark.parametrize("scale", ["auto", "unit", "standard", "robust"])
def test_only_constant_features_train(scale):
    samples = np.full((60, 3), 1e30)
    _, history, diverged = trained(Dataset(samples, Y, samples, Y, scale))
    assert not diverged
    assert history[-1]["test_loss"] == pytest.approx(math.log(3), rel=0.1)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_saturated_neurons_train(activation, precision):
    dataset = blobs()
    model = fastmlp.init_model(Config(hidden=(8,), activation=activation, precision=precision), 6, 3)
    model.weights = [1e6 * W for W in model.weights[:1]] + list(model.weights[1:])
    config = model.config.replace(n_epochs=3, batch_size=16)
    run = fastmlp.train(dataset, config, model)
    assert all(math.isfinite(loss) for loss in run.history["train_loss"] + run.history["test_loss"])


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("size", [1e3, 1e10, 1e30])
def test_huge_logits_have_probabilities_and_a_loss(size, precision):
    """exp(1000) overflows in either precision; softmax subtracts the largest logit first."""
    model = fastmlp.init_model(Config(hidden=(), precision=precision), 3, 3)
    model.weights = [size * np.eye(3)]
    X_ = np.eye(3)
    np.testing.assert_allclose(model.predict_proba(X_), np.eye(3), atol=1e-37)
    assert model.evaluate(X_, [0, 1, 2]) == (0.0, 1.0)
    wrong = model.evaluate(X_, [1, 2, 0])
    assert wrong.score == 0.0
    assert wrong.loss == pytest.approx(size, rel=1e-6)


def test_subnormal_weights_are_zero():
    model = fastmlp.init_model(Config(hidden=(8,)), 6, 3)
    for layer in range(2):
        model.weights[layer] = np.full(model.weights[layer].shape, 1e-42)
    np.testing.assert_allclose(model.predict_proba(X), 1 / 3, rtol=1e-6)
    run = fastmlp.train(blobs(), model.config.replace(n_epochs=2, batch_size=16), model)
    assert math.isfinite(run.history["train_loss"][-1])


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_classes_without_training_samples_are_never_predicted(optimizer):
    y = Y.copy() * 2  # 0, 2 and 4; classes 1 and 3 have no samples, 5 only in the test set
    dataset = Dataset(X, y, X[:4], [0, 1, 3, 5])
    model, history, diverged = trained(dataset, optimizer=optimizer, learning_rate=0.05, n_epochs=30)
    assert not diverged
    assert model.n_classes == 6
    assert set(model.predict(X)) <= {0, 2, 4}
    assert math.isfinite(history[-1]["test_loss"])


@pytest.mark.parametrize(
    "settings", [{"l2": 1e30}, {"l2": 1e-40}, {"eps": 1e-30}, {"eps": 1e30}, {"beta1": 0.0, "beta2": 0.0}]
)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_settings_at_their_limits_train_or_diverge(settings, optimizer):
    try:
        trained(blobs(), optimizer=optimizer, **settings)
    except fastmlp.errors.ConfigError:
        return


@pytest.mark.parametrize("schedule", ["exponential", "constant", "step", "cosine", "inverse", "one_cycle"])
@pytest.mark.parametrize("learning_rate", [1e-30, 1e30])
def test_every_schedule_trains_or_diverges(schedule, learning_rate):
    trained(blobs(), schedule=schedule, learning_rate=learning_rate, decay_rate=1e30, power=1e30)


@pytest.mark.parametrize(("factor", "message"), [(1e155, "overflow"), (1e38, "beyond float32's range")])
def test_features_beyond_the_range_of_the_dtype_are_refused(factor, message):
    with pytest.raises(FastMLPError, match=message):
        trained(blobs("auto", factor))
