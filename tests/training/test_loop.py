import hashlib
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastmlp
from fastmlp import parallel
from fastmlp.config import Config
from fastmlp.data import Dataset
from fastmlp.errors import ConfigError, DataError, DivergedError, FastMLPError
from fastmlp.seeding import Purpose, stream, uniform
from fastmlp.settings import ACTIVATIONS, OPTIMIZERS, Init, Precision
from fastmlp.study.run import digest
from fastmlp.training.early_stopping import hold_out_validation
from fastmlp.training.loop import train

SMALL = Config(hidden=(7, 6), n_epochs=3, batch_size=16)
# Only the penalty changes these weights: each step multiplies them by 1 - 0.5 * 20 = -9, until float32 overflows.
GROWING = Config(hidden=(4,), activation="relu", learning_rate=0.5, l2=20.0, batch_size=40, n_epochs=100)


def bits(model):
    return model.params.theta.tobytes()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.filterwarnings("ignore:precision bf16.*float32, since")
@pytest.mark.parametrize("precision", get_args(Precision))
def test_training_twice_gives_the_same_bits(optimizer, precision, blobs):
    config = SMALL.replace(optimizer=optimizer, precision=precision, learning_rate=0.05, l2=1e-3)
    assert bits(train(blobs, config).model) == bits(train(blobs, config).model)


def test_two_concurrent_threads_train_to_the_same_bits(blobs):
    config = SMALL.replace(n_epochs=30)
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda _: train(blobs, config), range(4)))
    assert {bits(run.model) for run in runs} == {bits(train(blobs, config).model)}


def test_another_seed_gives_another_network(blobs):
    assert bits(train(blobs, SMALL).model) != bits(train(blobs, SMALL.replace(seed=1)).model)


def test_two_epochs_and_three_more_give_the_bits_of_five(blobs):
    five = train(blobs, SMALL.replace(n_epochs=5))
    two = train(blobs, SMALL.replace(n_epochs=2))
    three = train(blobs, SMALL.replace(n_epochs=3), model=two.model)
    assert bits(three.model) == bits(five.model)
    assert three.model.n_epochs == 5
    assert two.history["test_loss"] + three.history["test_loss"] == five.history["test_loss"]


def test_a_given_model_is_not_modified(blobs):
    model = fastmlp.init_model(SMALL, blobs.n_features, blobs.n_classes)
    before = bits(model)
    run = train(blobs, SMALL, model=model)
    assert (bits(model), model.n_epochs, model.scaling) == (before, 0, None)
    assert bits(run.model) != before


def test_a_given_untrained_model_is_the_initial_network(blobs):
    model = fastmlp.init_model(SMALL, blobs.n_features, blobs.n_classes)
    assert bits(train(blobs, SMALL, model=model).model) == bits(train(blobs, SMALL).model)


# progress, history


def test_progress_is_reported_after_every_chunk_and_with_the_row_at_the_end_of_an_epoch(blobs, monkeypatch):
    monkeypatch.setattr("fastmlp.training.thread_trials.CHUNK_S", 1e-12)
    reports = []
    run = train(blobs, SMALL.replace(n_epochs=2, batch_size=50), progress=reports.append)
    assert [(p.epoch, p.n_seen) for p in reports] == [(1, 50), (1, 100), (1, 120), (2, 50), (2, 100), (2, 120)]
    assert [p.row for p in reports] == [None, None, run.history[0], None, None, run.history[1]]
    assert {(p.n_epochs, p.n_samples) for p in reports} == {(2, 120)}
    assert [p.train_loss for p in reports if p.row] == run.history["train_loss"]


def test_the_progress_of_a_short_epoch_is_reported_once(blobs):
    reports = []
    train(blobs, SMALL, progress=reports.append)
    assert [p.epoch for p in reports] == [1, 2, 3]


def test_the_history_has_the_evaluation_on_the_test_set(blobs):
    run = train(blobs, SMALL)
    last = run.history[-1]
    assert (last["test_loss"], last["test_accuracy"]) == run.model.evaluate(blobs.X_test, blobs.y_test)
    assert run.history["epoch"] == [1, 2, 3]
    assert all(seconds > 0 for seconds in run.history["train_s"] + run.history["eval_s"])


def test_the_training_loss_of_a_batch_is_that_of_the_weights_before_its_step(blobs):
    config = SMALL.replace(n_epochs=1, batch_size=120, precision="float64")
    model = fastmlp.init_model(config, blobs.n_features, blobs.n_classes)
    model.scaling = blobs.scaling()
    ref = model.evaluate(blobs.X_train, blobs.y_train).loss
    assert train(blobs, config).history["train_loss"] == [pytest.approx(ref, rel=1e-14)]


def test_the_learning_rate_decays_per_epoch(blobs):
    rates = train(blobs, SMALL.replace(learning_rate=0.2, decay_rate=0.5)).history["learning_rate"]
    np.testing.assert_allclose(rates, 0.2 * np.exp(-0.5 * np.arange(3)), rtol=1e-15)


def test_a_run_has_the_config_and_the_class_names(make_blobs):
    data = make_blobs()
    named = Dataset(data.X_train, data.y_train, data.X_test, data.y_test, class_names=("a", "b", "c"))
    run = train(named, SMALL)
    assert (run.config, run.model.config, run.model.class_names) == (SMALL, SMALL, ("a", "b", "c"))


# settings


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("init", get_args(Init))
def test_every_activation_learns_with_every_initialisation(activation, init, blobs):
    config = Config(hidden=(16,), activation=activation, init=init, learning_rate=0.1, batch_size=8, n_epochs=10)
    assert train(blobs, config).history[-1]["test_accuracy"] > 0.9


def test_a_network_without_hidden_layers_learns(blobs):
    run = train(blobs, Config(hidden=(), batch_size=8, n_epochs=5))
    assert [W.shape for W in run.model.weights] == [(5, 3)]
    assert run.history[-1]["test_accuracy"] > 0.9


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_learns(optimizer, blobs):
    rate = 0.3 if optimizer == "sgd" else 0.02
    config = Config(hidden=(16,), optimizer=optimizer, learning_rate=rate, batch_size=8, n_epochs=8)
    assert train(blobs, config).history[-1]["test_accuracy"] > 0.9


@pytest.mark.parametrize("loss", ["squared_error", "huber"])
def test_regression_learns_with_every_loss_for_real_numbers(loss, make_regression):
    X, Y = make_regression(400, 2)
    data = Dataset(X[:300], Y[:300], X[300:], Y[300:], task="regression")
    config = Config(hidden=(32,), loss=loss, optimizer="adam", learning_rate=0.02, batch_size=16, n_epochs=20)
    run = train(data, config)
    assert run.history["test_r2"][-1] > 0.9
    assert run.model.predict(X[:3]).shape == (3, 2)
    assert run.history.score == "test_r2"


def test_regression_learns_counts_with_the_poisson_loss():
    random = np.random.default_rng(0)
    X = random.normal(size=(600, 3))
    y = random.poisson(np.exp(1 + 0.8 * X[:, 0]))
    data = Dataset(X[:500], y[:500], X[500:], y[500:], task="regression")
    config = Config(hidden=(16,), loss="poisson", optimizer="adam", learning_rate=0.01, batch_size=20, n_epochs=20)
    model = train(data, config).model
    assert np.corrcoef(model.predict(X), np.exp(1 + 0.8 * X[:, 0]))[0, 1] > 0.95
    assert (model.predict(X) > 0).all()


def test_several_labels_per_sample_are_learnt(blobs):
    X = blobs.X_train
    Y = np.stack([X[:, 0] > 0, X[:, 1] > 0], axis=1).astype(int)
    data = Dataset(X[:90], Y[:90], X[90:], Y[90:], task="multilabel")
    config = Config(hidden=(8,), loss="binary_cross_entropy", learning_rate=0.5, batch_size=8, n_epochs=20)
    run = train(data, config)
    assert run.history["test_accuracy"][-1] > 0.9
    assert set(np.unique(run.model.predict(X))) == {0, 1}


def test_one_sigmoid_output_learns_two_classes(make_blobs):
    data = make_blobs(n_classes=2)
    run = train(data, SMALL.replace(loss="binary_cross_entropy", n_epochs=5))
    assert (run.model.n_outputs, run.model.n_classes) == (1, 2)
    np.testing.assert_allclose(run.model.predict_proba(data.X_test).sum(axis=1), 1, rtol=1e-6)
    assert run.history["test_accuracy"][-1] > 0.9


def test_the_gradient_norm_is_clipped_to_its_maximum(blobs):
    config = SMALL.replace(n_epochs=1, batch_size=120, clip_norm=1e-3, learning_rate=1.0, precision="float64")
    initial = fastmlp.init_model(config, blobs.n_features, blobs.n_classes)
    model = train(blobs, config, initial).model
    steps = [a - b for after, before in ((model.weights, initial.weights), (model.biases, initial.biases))
             for a, b in zip(after, before, strict=True)]  # fmt: skip
    assert math.sqrt(sum(np.sum(step**2) for step in steps)) == pytest.approx(1e-3, rel=1e-12)


def test_dropout_masks_depend_on_the_seed(blobs):
    config = SMALL.replace(dropout=0.5, shuffle=False)
    model = train(blobs, config.replace(n_epochs=1)).model
    again = train(blobs, config.replace(n_epochs=1), model).history
    assert bits(train(blobs, config).model) == bits(train(blobs, config).model)
    assert again["train_loss"] != train(blobs, config.replace(seed=1, n_epochs=1), model).history["train_loss"]


@pytest.mark.parametrize(("shuffle", "is_same"), [(False, True), (True, False)])
def test_the_order_of_the_samples_depends_on_the_seed_unless_shuffle_is_off(shuffle, is_same, blobs):
    model = fastmlp.init_model(SMALL, blobs.n_features, blobs.n_classes)
    first, second = (train(blobs, SMALL.replace(shuffle=shuffle, seed=seed), model=model) for seed in (0, 1))
    assert (bits(first.model) == bits(second.model)) is is_same


def test_l2_shrinks_the_weights_but_not_the_biases(blobs):
    config = SMALL.replace(learning_rate=0.1, n_epochs=1, batch_size=120, precision="float64")
    ref, got = (train(blobs, config.replace(l2=l2)).model for l2 in (0.0, 0.5))
    initial = fastmlp.init_model(config, blobs.n_features, blobs.n_classes)
    for layer, W in enumerate(initial.weights):
        np.testing.assert_allclose(got.weights[layer], ref.weights[layer] - 0.1 * 0.5 * W, rtol=1e-12, atol=1e-15)
        np.testing.assert_array_equal(got.biases[layer], ref.biases[layer])


# sample weights


def test_samples_with_weight_zero_have_no_effect(blobs):
    config = SMALL.replace(shuffle=False, batch_size=120, precision="float64", n_epochs=2)
    weights = np.r_[np.ones(60), np.zeros(60)]
    weighted = Dataset(blobs.X_train, blobs.y_train, blobs.X_test, blobs.y_test, "none", weight_train=weights)
    half = Dataset(blobs.X_train[:60], blobs.y_train[:60], blobs.X_test, blobs.y_test, "none")
    got, ref = train(weighted, config), train(half, config.replace(batch_size=60))
    for one, other in zip(got.model.weights, ref.model.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
    np.testing.assert_allclose(got.history["train_loss"], ref.history["train_loss"], rtol=1e-12)


def test_balanced_class_weights_equal_the_sample_weights_of_their_formula(blobs):
    y = np.where(blobs.y_train == 2, 1, blobs.y_train)
    balanced = Dataset(blobs.X_train, y, blobs.X_test, blobs.y_test % 2, "none")
    weighted = Dataset(
        blobs.X_train, y, blobs.X_test, blobs.y_test % 2, "none", weight_train=np.where(y == 0, 120 / 80, 120 / 160)
    )
    ref = train(weighted, SMALL)
    assert bits(train(balanced, SMALL.replace(class_weight="balanced")).model) == bits(ref.model)


def test_balanced_class_weights_take_sample_weights_into_account(blobs):
    y, weights = blobs.y_train, np.where((blobs.y_train == 0) & (np.arange(120) < 80), 0.0, 1.0)
    config = SMALL.replace(class_weight="balanced", batch_size=120, shuffle=False, precision="float64")
    weighted = Dataset(blobs.X_train, y, blobs.X_test, blobs.y_test, "none", weight_train=weights)
    has_weight = weights > 0
    fewer = Dataset(blobs.X_train[has_weight], y[has_weight], blobs.X_test, blobs.y_test, "none")
    got, ref = train(weighted, config), train(fewer, config.replace(batch_size=int(has_weight.sum())))
    np.testing.assert_allclose(got.model.weights[0], ref.model.weights[0], rtol=1e-12)


def test_training_samples_that_all_have_weight_zero_are_refused(blobs):
    config = SMALL.replace(early_stopping="loss", validation_fraction=0.5)
    weights = np.zeros(120)
    weights[np.argsort(uniform(stream(config.seed, Purpose.VALIDATION), 0, 120), kind="stable")[:60]] = 1
    data = Dataset(blobs.X_train, blobs.y_train, blobs.X_test, blobs.y_test, weight_train=weights)
    with pytest.raises(
        DataError, match="weight_train: expected a weight > 0 among the samples that are not held out, got only zeros"
    ):
        train(data, config)


def weighted_cross_entropy(model, X, y, weights):
    """Mean of the weighted means of the batches (here of 16), in float64."""
    factor, offset = model.scaling
    A, n_layers = X * factor + offset, len(model.weights)
    for i, (W, b) in enumerate(zip(model.weights, model.biases, strict=True)):
        A = A @ W.astype(np.float64) + b
        A = A if i == n_layers - 1 else 1 / (1 + np.exp(-A))
    A -= A.max(axis=1, keepdims=True)
    losses = np.log(np.exp(A).sum(axis=1)) - A[np.arange(len(y)), y]
    weights = weights / weights.max()
    batches = [slice(start, start + 16) for start in range(0, len(y), 16)]
    return sum(len(y[b]) * np.average(losses[b], weights=weights[b]) for b in batches) / len(y)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("size", [5e-324, 1e-310, 1e-308, 1e-300, 1.0, 1e300, 1e305])
def test_only_the_ratios_of_the_sample_weights_count(size, precision, blobs):
    weights = size * (1 + np.arange(120) % 3)
    config = SMALL.replace(shuffle=False, precision=precision, learning_rate=1e-30, n_epochs=1)
    data = Dataset(blobs.X_train, blobs.y_train, blobs.X_test, blobs.y_test, weight_train=weights)
    run = train(data, config)
    ref = weighted_cross_entropy(run.model, blobs.X_train, blobs.y_train, weights)
    rtol = 1e-6 if precision == "float32" else 1e-13
    assert run.history["train_loss"][0] == pytest.approx(ref, rel=rtol)


@pytest.mark.parametrize("l2_scale", ["step", "batch"])
def test_a_subnormal_weight_beside_ordinary_ones_changes_nothing(l2_scale, blobs):
    config = SMALL.replace(l2=0.1, l2_scale=l2_scale)
    zero, subnormal = (
        Dataset(blobs.X_train, blobs.y_train, blobs.X_test, blobs.y_test, weight_train=np.r_[weight, np.ones(119)])
        for weight in (0.0, 5e-324)
    )
    got, ref = train(subnormal, config), train(zero, config)
    assert bits(got.model) == bits(ref.model)
    assert got.history["train_loss"] == ref.history["train_loss"]
    assert subnormal.weight_train[0] == 5e-324


def test_a_batch_of_tiny_weights_has_its_weighted_mean(blobs):
    weights = np.where(np.arange(120) < 32, 1e-307, 1e300)
    config = SMALL.replace(shuffle=False, precision="float64", learning_rate=1e-30, n_epochs=1)
    one, two = (
        Dataset(blobs.X_train, blobs.y_train, blobs.X_test, blobs.y_test, weight_train=given)
        for given in (weights, np.ones(120))
    )
    assert train(one, config).history["train_loss"] == pytest.approx(train(two, config).history["train_loss"])


def test_balanced_class_weights_of_extreme_sample_weights(blobs):
    size = np.choose(blobs.y_train, [1e-300, 1.0, 1e300])
    data, ref = (
        Dataset(blobs.X_train, blobs.y_train, blobs.X_test, blobs.y_test, weight_train=weights)
        for weights in (size, np.ones(120))
    )
    config = SMALL.replace(class_weight="balanced")
    assert bits(train(data, config).model) == bits(train(ref, config).model)


def test_weights_by_which_the_l2_coefficient_cannot_be_divided_are_refused(blobs):
    data = Dataset(blobs.X_train, blobs.y_train, blobs.X_test, blobs.y_test, weight_train=np.full(120, 1e-300))
    train(data, SMALL.replace(l2=1e-3))
    with pytest.raises(
        DataError, match=r"weight_train .*: expected a sum per batch .* 0\.001 \(alpha\) .*, got 1\.6e-299"
    ):
        train(data, SMALL.replace(l2=1e-3, l2_scale="batch"))


@pytest.mark.parametrize(("weights", "error"), [
    (np.full(120, 1e308), "multiply all weights"), (np.r_[np.full(119, 1e300), 1e-320], "got 9.99989e-321 to 1e"),
    (-np.ones(120), "weights >= 0"), (np.zeros(120), "not all 0"), (np.ones(119), "one weight per sample"),
    (np.full(120, np.nan), "finite"), (["a"] * 120, "real numbers"),
])  # fmt: skip
def test_invalid_sample_weights_are_refused(weights, error, blobs):
    with pytest.raises(FastMLPError, match=error):
        Dataset(blobs.X_train, blobs.y_train, blobs.X_test, blobs.y_test, weight_train=weights)


# divergence


def test_divergence_keeps_the_model_and_history_of_the_last_finite_epoch(blobs):
    with pytest.raises(DivergedError, match=r"_loss: .* in epoch \d+ at learning rate 0\.5; try a smaller") as caught:
        train(blobs, GROWING)
    error = caught.value
    assert not math.isfinite(error.value)
    assert error.epoch == len(error.history) + 1 > 2
    assert error.learning_rate == 0.5
    ref = train(blobs, GROWING.replace(n_epochs=error.epoch - 1))
    assert bits(error.model) == bits(ref.model)
    assert error.model.n_epochs == ref.model.n_epochs
    assert error.history["test_loss"] == ref.history["test_loss"]


def test_divergence_in_the_first_epoch_keeps_the_initial_weights(blobs):
    config = SMALL.replace(activation="relu", learning_rate=1e30)
    with pytest.raises(DivergedError, match="in epoch 1") as caught:
        train(blobs, config)
    assert (caught.value.column, caught.value.largest) == ("train_loss", {})
    assert bits(caught.value.model) == bits(fastmlp.init_model(config, blobs.n_features, blobs.n_classes))
    assert len(caught.value.history) == 0


FILL = 9.96921e36  # NetCDF's for a missing value
REGRESSION = Config(hidden=(4,), loss="squared_error", batch_size=32, n_epochs=4, learning_rate=0.01)
MONITORS = [{}, {"early_stopping": "loss"}, {"early_stopping": "score"}, {"schedule": "plateau"}]


def with_value(array, value):
    changed = np.array(array, np.float64)
    changed[3] = value
    return changed


@pytest.mark.parametrize("settings", MONITORS)
@pytest.mark.parametrize("part", ["val", "test"])
def test_a_fill_value_among_other_than_the_training_targets_is_reported_as_divergence(part, settings, make_regression):
    X, Y = make_regression()
    y_test, y_val = (with_value(Y[:40], FILL if name == part else 0.5) for name in ("test", "val"))
    data = Dataset(X, Y, X[:40], y_test, task="regression", X_val=X[:40], y_val=y_val)
    message = rf"^{part}_loss: .* got inf in epoch 1 .* values in y_{part} \(9\.97e\+36\) and X_{part} \(\d"
    with pytest.raises(DivergedError, match=message) as caught:
        train(data, REGRESSION.replace(**settings))
    assert caught.value.column == f"{part}_loss"
    assert caught.value.largest[f"y_{part}"] == FILL
    assert len(caught.value.history) == 0
    assert caught.value.history.columns[2:7] == ("train_loss", "val_loss", "val_r2", "test_loss", "test_r2")
    assert np.isfinite(caught.value.model.params.theta).all()


def test_a_fill_value_among_held_out_samples_is_reported_as_divergence(make_regression):
    X, Y = make_regression()
    config = REGRESSION.replace(early_stopping="loss", validation_fraction=0.5)
    Y[hold_out_validation(len(X), config)[1][0]] = -FILL
    arrays = X, Y, X[:50], np.zeros(50)
    with (
        pytest.warns(UserWarning, match="root mean square"),
        pytest.raises(DivergedError, match=r"^val_loss: .* values in y_val \(9\.97e\+36\) and X_val \(\d"),
    ):
        train(Dataset(*arrays, task="regression", target_scale="none"), config)
    with pytest.raises(DataError, match=r"^y_train: got targets that deviate by .*e\+35 .*; look for fill values"):
        train(Dataset(*arrays, task="regression"), config)


def test_an_extreme_sample_of_the_test_set_is_reported_as_divergence(make_regression):
    X, Y = make_regression()
    data = Dataset(X, Y, with_value(X[:50], 3e38), Y[:50], task="regression", scale="none")
    with pytest.raises(DivergedError, match=r"^test_loss: .* and X_test \(3e\+38\); the numbers are the largest"):
        train(data, REGRESSION.replace(activation="relu"))


def test_a_score_that_is_not_finite_beside_finite_losses_is_divergence(blobs, monkeypatch):
    evaluation = fastmlp.model.model.Evaluation(1.0, math.nan)
    monkeypatch.setattr(fastmlp.model.model.Model, "evaluate_validated", lambda *_: evaluation)
    with pytest.raises(DivergedError, match=r"^test_accuracy: expected a finite number, got nan in epoch 1 .* X_test"):
        train(blobs, SMALL)


@pytest.mark.filterwarnings("ignore:y_train. expected targets of a root mean square near 1")
@pytest.mark.parametrize("size", [1e-300, 1e153, 1e300])
def test_targets_of_any_magnitude_have_a_finite_score(size, make_regression):
    X, Y = make_regression()
    data = Dataset(X, size * Y, X, size * Y, task="regression")
    history = train(data, REGRESSION.replace(loss="huber", precision="float64")).history
    assert np.isfinite(history["test_r2"] + history["test_loss"]).all()


# any shape and setting


sizes = st.integers(1, 40)


@pytest.mark.filterwarnings("ignore:precision bf16.*float32, since")
@settings(max_examples=100, deadline=None, derandomize=True)
@given(data=st.data())
@pytest.mark.filterwarnings("ignore:batch_size")
def test_any_shape_and_settings_train_to_finite_numbers_or_raise_an_error_of_fastmlp(data, make_blobs):
    n_classes = data.draw(st.integers(2, 20))
    config = Config(
        hidden=data.draw(st.lists(sizes, max_size=3)),
        activation=data.draw(st.sampled_from([*ACTIVATIONS])),
        optimizer=data.draw(st.sampled_from([*OPTIMIZERS])),
        learning_rate=data.draw(st.floats(1e-6, 1e6)),
        l2=data.draw(st.sampled_from([0.0, 1e-3, 10.0])),
        batch_size=data.draw(sizes),
        n_epochs=2,
        shuffle=data.draw(st.booleans()),
        precision=data.draw(st.sampled_from(get_args(Precision))),
    )
    blobs = make_blobs(n_classes + data.draw(sizes), data.draw(sizes), data.draw(sizes), n_classes)
    try:
        run = train(blobs, config)
    except FastMLPError as error:
        run = error
    assert np.isfinite(run.model.predict_proba(blobs.X_test)).all()
    assert np.isfinite(list(run.history.to_dict().values())).all()


@pytest.mark.parametrize(("optimizer", "digest"), [("sgd", "68dd54df6901a09a"), ("adam", "d197ada15dea0b86")])
def test_trained_weights_have_the_same_bits_as_in_earlier_versions(optimizer, digest):
    numbers = uniform(stream(0, Purpose.WEIGHTS), 0, 300 * 21).reshape(300, 21)
    X, y = (numbers[:, :20] * 256).astype(np.uint8), (numbers[:, 20] * 3).astype(np.int64)
    config = Config(hidden=(17, 9), optimizer=optimizer, l2=0.001, decay_rate=0.1, n_epochs=3)
    model = train(Dataset(X, y, X, y), config).model
    got = hashlib.sha256(b"".join(array.tobytes() for array in [*model.weights, *model.biases])).hexdigest()
    assert got[:16] == digest, "the bits have changed: announce it in the changelog"


# threads


@pytest.mark.parametrize("n_threads", [1, 2, 3, 7])
def test_the_number_of_threads_changes_no_bit(n_threads, blobs):
    config = Config(hidden=(30, 20), n_epochs=3)
    ref, got = train(blobs, config), train(blobs, config, n_threads=n_threads)
    assert bits(got.model) == bits(ref.model)
    names = [name for name in ref.history.columns if not name.endswith("_s")]
    assert [got.history[name] for name in names] == [ref.history[name] for name in names]


@pytest.mark.parametrize("n_threads", [0, 1.5, "2", None])
def test_an_invalid_number_of_threads_is_refused(n_threads, blobs):
    with pytest.raises(ConfigError, match=r'^n_threads: expected "auto" or an integer from 1 to 1024, got '):
        train(blobs, n_threads=n_threads)


def test_an_interrupted_run_may_be_resumed_with_another_number_of_threads(blobs, tmp_path):
    def interrupt(progress):
        if progress.epoch == 2:
            raise KeyboardInterrupt

    config = Config(hidden=(30,), n_epochs=4)
    with pytest.raises(KeyboardInterrupt):
        train(blobs, config, progress=interrupt, checkpoint=tmp_path, n_threads=2)
    run = train(blobs, config, checkpoint=tmp_path, n_threads=3)
    assert bits(run.model) == bits(train(blobs, config, n_threads=1).model)


def test_a_run_uses_its_core_from_the_first_chunk_to_the_last(blobs):
    in_use = []
    train(blobs, Config(hidden=(4,), n_epochs=2), progress=lambda _: in_use.append(parallel._cores.in_use.copy()))
    assert in_use == 2 * [{threading.get_ident(): 1}]
    assert parallel._cores.in_use == {}


# sparse samples


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "adam", "dropout": 0.2, "l2": 1e-3},
        {"early_stopping": "loss", "patience": 2, "n_epochs": 6},
        {"precision": "float64", "class_weight": "balanced", "shuffle": False},
    ],
    ids=["adam", "early stopping", "float64"],
)
def test_sparse_and_dense_samples_give_the_same_bits(changes, dtype, make_sparse_and_dense):
    config = SMALL.replace(**changes)
    for scale in ("none", "unit")[: 1 if dtype is np.uint8 else 2]:  # dense bytes are scaled as pixels are
        sparse, dense = (train(data, config) for data in make_sparse_and_dense(scale, dtype))
        assert digest(sparse.model) == digest(dense.model)
        for column in set(sparse.history.columns) - {"train_s", "eval_s"}:
            assert sparse.history[column] == dense.history[column]


def test_a_network_predicts_and_evaluates_sparse_samples_as_dense_ones(make_sparse_and_dense):
    sparse, dense = make_sparse_and_dense()
    model = train(sparse, SMALL).model
    for X in (sparse.X_test, sparse.X_test.tocsc(), sparse.X_test.tocoo()):
        np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(dense.X_test))
    np.testing.assert_array_equal(model.predict(sparse.X_test[[3]]), model.predict(dense.X_test[3:4]))
    assert model.evaluate(sparse.X_test, sparse.y_test) == model.evaluate(dense.X_test, dense.y_test)


def test_a_sparse_validation_set_is_monitored(make_sparse_and_dense):
    sparse, dense = (
        Dataset(data.X_train, data.y_train, data.X_test, data.y_test, "unit", X_val=data.X_test, y_val=data.y_test)
        for data in make_sparse_and_dense()
    )
    config = SMALL.replace(early_stopping="score")
    runs = [train(data, config) for data in (sparse, dense)]
    assert runs[0].history["val_loss"] == runs[0].history["test_loss"]
    assert digest(runs[0].model) == digest(runs[1].model)


def test_an_extreme_sparse_sample_of_the_test_set_is_reported_as_divergence(make_sparse_and_dense):
    data, _ = make_sparse_and_dense("none", np.float64)
    X_test = data.X_test.copy()
    X_test.data[:] = 1e300
    data = Dataset(data.X_train, [0.5] * 80, X_test, [0.5] * 20, "none", task="regression")
    with pytest.raises(DivergedError, match=r"test_loss: .*X_test") as caught:
        train(data, SMALL.replace(loss="squared_error", activation="relu", precision="float64"))
    assert caught.value.largest == {"y_test": 0.5, "X_test": 1e300}
