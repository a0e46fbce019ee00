import hashlib
import math
from concurrent.futures import ThreadPoolExecutor
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastmlp
from fastmlp.config import Config
from fastmlp.data import Dataset
from fastmlp.errors import ConfigError, DataError, DataTypeError, DivergedError, FastMLPError
from fastmlp.seeding import Purpose, stream, uniform
from fastmlp.settings import ACTIVATIONS, OPTIMIZERS, Init, Precision
from fastmlp.training.loop import train

SMALL = Config(hidden=(7, 6), n_epochs=3, batch_size=16)
# Nothing but the penalty moves these weights: each step multiplies them by 1 - 0.5 * 20 = -9, until float32 ends.
GROWING = Config(hidden=(4,), activation="relu", learning_rate=0.5, l2=20.0, batch_size=40, n_epochs=100)


def bits(model):
    return model.params.theta.tobytes()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.filterwarnings("ignore:precision bf16.*float32, since")
@pytest.mark.parametrize("precision", get_args(Precision))
def test_training_twice_gives_the_same_bits(optimizer, precision, blobs):
    config = SMALL.replace(optimizer=optimizer, precision=precision, learning_rate=0.05, l2=1e-3)
    assert bits(train(blobs, config).model) == bits(train(blobs, config).model)


def test_two_threads_train_at_once_without_a_bit_of_difference(blobs):
    config = SMALL.replace(n_epochs=30)
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda _: train(blobs, config), range(4)))
    assert {bits(run.model) for run in runs} == {bits(train(blobs, config).model)}


def test_another_seed_gives_another_network(blobs):
    assert bits(train(blobs, SMALL).model) != bits(train(blobs, SMALL.replace(seed=1)).model)


def test_two_epochs_and_three_more_are_five(blobs):
    five = train(blobs, SMALL.replace(n_epochs=5))
    two = train(blobs, SMALL.replace(n_epochs=2))
    three = train(blobs, SMALL.replace(n_epochs=3), model=two.model)
    assert bits(three.model) == bits(five.model)
    assert three.model.n_epochs == 5
    assert two.history["test_loss"] + three.history["test_loss"] == five.history["test_loss"]


def test_the_model_to_go_on_from_stays_as_it_is(blobs):
    model = fastmlp.init_model(SMALL, blobs.n_features, blobs.n_classes)
    before = bits(model)
    run = train(blobs, SMALL, model=model)
    assert (bits(model), model.n_epochs, model.scaling) == (before, 0, None)
    assert bits(run.model) != before


def test_an_untrained_model_given_is_what_training_begins_from(blobs):
    model = fastmlp.init_model(SMALL, blobs.n_features, blobs.n_classes)
    assert bits(train(blobs, SMALL, model=model).model) == bits(train(blobs, SMALL).model)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_where_an_epoch_is_cut_changes_no_bit(optimizer, blobs, monkeypatch):
    config = SMALL.replace(optimizer=optimizer, learning_rate=0.05)
    whole = train(blobs, config)
    monkeypatch.setattr("fastmlp.training.trainer.CHUNK_S", 1e-12)
    cut = train(blobs, config)
    assert bits(cut.model) == bits(whole.model)
    assert cut.history["train_loss"] == whole.history["train_loss"]


# progress, history


def test_progress_is_told_after_every_stretch_and_an_epochs_row_at_its_end(blobs, monkeypatch):
    monkeypatch.setattr("fastmlp.training.trainer.CHUNK_S", 1e-12)
    told = []
    run = train(blobs, SMALL.replace(n_epochs=2, batch_size=50), progress=told.append)
    assert [(p.epoch, p.n_seen) for p in told] == [(1, 50), (1, 100), (1, 120), (2, 50), (2, 100), (2, 120)]
    assert [p.row for p in told] == [None, None, run.history[0], None, None, run.history[1]]
    assert {(p.n_epochs, p.n_samples) for p in told} == {(2, 120)}
    assert [p.train_loss for p in told if p.row] == run.history["train_loss"]


def test_a_short_epoch_is_told_once(blobs):
    told = []
    train(blobs, SMALL, progress=told.append)
    assert [p.epoch for p in told] == [1, 2, 3]


def test_the_history_is_what_the_model_does_on_the_test_set(blobs):
    run = train(blobs, SMALL)
    last = run.history[-1]
    assert (last["test_loss"], last["test_accuracy"]) == run.model.evaluate(blobs.X_test, blobs.y_test)
    assert run.history["epoch"] == [1, 2, 3]
    assert all(seconds > 0 for seconds in run.history["train_s"] + run.history["eval_s"])


def test_the_training_loss_of_one_batch_is_that_of_the_weights_before_it(blobs):
    config = SMALL.replace(n_epochs=1, batch_size=120, precision="float64")
    model = fastmlp.init_model(config, blobs.n_features, blobs.n_classes)
    model.scaling = blobs.scaling()
    ref = model.evaluate(blobs.X_train, blobs.y_train).loss
    assert train(blobs, config).history["train_loss"] == [pytest.approx(ref, rel=1e-14)]


def test_the_learning_rate_decays_from_epoch_to_epoch(blobs):
    rates = train(blobs, SMALL.replace(learning_rate=0.2, decay_rate=0.5)).history["learning_rate"]
    np.testing.assert_allclose(rates, 0.2 * np.exp(-0.5 * np.arange(3)), rtol=1e-15)


def test_a_run_names_its_config_and_its_classes(make_blobs):
    data = make_blobs()
    named = Dataset(data.X_train, data.y_train, data.X_test, data.y_test, class_names=("a", "b", "c"))
    run = train(named, SMALL)
    assert (run.config, run.model.config, run.model.class_names) == (SMALL, SMALL, ("a", "b", "c"))


# settings


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("init", get_args(Init))
def test_every_activation_learns_from_every_init(activation, init, blobs):
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


def numbers_to_predict(n=200, n_outputs=1, seed=0):
    """Samples and numbers that a small network can tell from them."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(n, 4))
    return X, np.stack([np.sin(X[:, j]) + 0.5 * X[:, j + 1] for j in range(n_outputs)], axis=1)


@pytest.mark.parametrize("loss", ["squared_error", "huber"])
def test_numbers_are_predicted(loss):
    X, Y = numbers_to_predict(400, 2)
    data = Dataset(X[:300], Y[:300], X[300:], Y[300:], task="regression")
    config = Config(hidden=(32,), loss=loss, optimizer="adam", learning_rate=0.02, batch_size=16, n_epochs=20)
    run = train(data, config)
    assert run.history["test_r2"][-1] > 0.9
    assert run.model.predict(X[:3]).shape == (3, 2)
    assert run.history.score == "test_r2"


def test_counts_are_predicted():
    random = np.random.default_rng(0)
    X = random.normal(size=(600, 3))
    y = random.poisson(np.exp(1 + 0.8 * X[:, 0]))
    data = Dataset(X[:500], y[:500], X[500:], y[500:], task="regression")
    config = Config(hidden=(16,), loss="poisson", optimizer="adam", learning_rate=0.01, batch_size=20, n_epochs=20)
    model = train(data, config).model
    assert np.corrcoef(model.predict(X), np.exp(1 + 0.8 * X[:, 0]))[0, 1] > 0.95
    assert (model.predict(X) > 0).all()


def test_labels_of_which_several_apply_are_predicted(blobs):
    X = blobs.X_train
    Y = np.stack([X[:, 0] > 0, X[:, 1] > 0], axis=1).astype(int)
    data = Dataset(X[:90], Y[:90], X[90:], Y[90:], task="multilabel")
    config = Config(hidden=(8,), loss="binary_cross_entropy", learning_rate=0.5, batch_size=8, n_epochs=20)
    run = train(data, config)
    assert run.history["test_accuracy"][-1] > 0.9
    assert set(np.unique(run.model.predict(X))) == {0, 1}


def test_one_sigmoid_tells_two_classes_apart(make_blobs):
    data = make_blobs(n_classes=2)
    run = train(data, SMALL.replace(loss="binary_cross_entropy", n_epochs=5))
    assert (run.model.n_outputs, run.model.n_classes) == (1, 2)
    np.testing.assert_allclose(run.model.predict_proba(data.X_test).sum(axis=1), 1, rtol=1e-6)
    assert run.history["test_accuracy"][-1] > 0.9


@pytest.mark.parametrize(
    ("loss", "task", "error"),
    [
        ("squared_error", "classification", "expected one of cross_entropy, .* for the task classification"),
        ("cross_entropy", "regression", "expected one of squared_error, .* for the task regression"),
        ("binary_cross_entropy", "classification", "the data has 3 classes: use cross_entropy"),
    ],
)
def test_a_loss_that_the_data_is_not_for_names_those_that_it_is_for(loss, task, error, blobs):
    data = Dataset(blobs.X_train, blobs.y_train, blobs.X_test, blobs.y_test, task=task)
    with pytest.raises(ConfigError, match=error):
        train(data, SMALL.replace(loss=loss))


def test_numbers_taken_for_classes_are_refused():
    X, _ = numbers_to_predict()
    data = Dataset(X, np.arange(200) * 1000, X, np.arange(200) * 1000)
    with pytest.raises(DataError, match=r"labels up to 199000 for 200 samples: .* ask for the task regression"):
        train(data, SMALL)


def test_numbers_far_from_one_are_warned_of():
    X, Y = numbers_to_predict()
    with pytest.warns(UserWarning, match=r"y_train is of the size .*; a network learns numbers of about 1 best"):
        train(Dataset(X, 1e4 + Y, X, 1e4 + Y, task="regression"), SMALL.replace(loss="huber", n_epochs=1))


def test_counts_below_zero_are_refused():
    X, Y = numbers_to_predict()
    with pytest.raises(DataError, match="the loss 'poisson' is for counts"):
        train(Dataset(X, Y, X, Y, task="regression"), SMALL.replace(loss="poisson"))


# weights of samples


def test_samples_of_weight_zero_are_as_if_they_were_not_there(blobs):
    config = SMALL.replace(shuffle=False, batch_size=120, precision="float64", n_epochs=2)
    weights = np.r_[np.ones(60), np.zeros(60)]
    weighted = Dataset(blobs.X_train, blobs.y_train, blobs.X_test, blobs.y_test, "none", weight_train=weights)
    half = Dataset(blobs.X_train[:60], blobs.y_train[:60], blobs.X_test, blobs.y_test, "none")
    got, ref = train(weighted, config), train(half, config.replace(batch_size=60))
    for one, other in zip(got.model.weights, ref.model.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
    np.testing.assert_allclose(got.history["train_loss"], ref.history["train_loss"], rtol=1e-12)


def test_balanced_classes_weigh_the_same_together(blobs):
    y = np.where(blobs.y_train == 2, 1, blobs.y_train)
    balanced = Dataset(blobs.X_train, y, blobs.X_test, blobs.y_test % 2, "none")
    by_hand = Dataset(
        blobs.X_train, y, blobs.X_test, blobs.y_test % 2, "none", weight_train=np.where(y == 0, 120 / 80, 120 / 160)
    )
    ref = train(by_hand, SMALL)
    assert bits(train(balanced, SMALL.replace(class_weight="balanced")).model) == bits(ref.model)


def test_balance_takes_the_weights_that_are_there_into_account(blobs):
    y, weights = blobs.y_train, np.where((blobs.y_train == 0) & (np.arange(120) < 80), 0.0, 1.0)
    config = SMALL.replace(class_weight="balanced", batch_size=120, shuffle=False, precision="float64")
    weighted = Dataset(blobs.X_train, y, blobs.X_test, blobs.y_test, "none", weight_train=weights)
    kept = weights > 0
    fewer = Dataset(blobs.X_train[kept], y[kept], blobs.X_test, blobs.y_test, "none")
    got, ref = train(weighted, config), train(fewer, config.replace(batch_size=int(kept.sum())))
    np.testing.assert_allclose(got.model.weights[0], ref.model.weights[0], rtol=1e-12)


def test_balance_is_for_classes():
    X, Y = numbers_to_predict()
    with pytest.raises(ConfigError, match="class_weight: given 'balanced', for classes; the data is for regression"):
        train(Dataset(X, Y, X, Y, task="regression"), SMALL.replace(loss="huber", class_weight="balanced"))


def test_a_training_part_without_weight_is_refused(blobs):
    config = SMALL.replace(early_stopping="loss", validation_fraction=0.5)
    weights = np.zeros(120)
    weights[np.argsort(uniform(stream(config.seed, Purpose.VALIDATION), 0, 120), kind="stable")[:60]] = 1
    data = Dataset(blobs.X_train, blobs.y_train, blobs.X_test, blobs.y_test, weight_train=weights)
    with pytest.raises(DataError, match="nothing is left to train on"):
        train(data, config)


@pytest.mark.parametrize("part", ["y_train", "y_test", "y_val"])
@pytest.mark.parametrize(("loss", "number", "error"), [
    ("poisson", -1.0, "is for counts"), ("huber", 1e300, "beyond float32's range"),
])  # fmt: skip
def test_targets_that_a_loss_is_not_for_are_refused_in_every_set(part, loss, number, error):
    X, Y = numbers_to_predict(20)
    sets = {name: abs(Y) for name in ("y_train", "y_test", "y_val")}
    sets[part] = np.where(np.arange(20)[:, None] == 3, number, abs(Y))
    data = Dataset(X, sets["y_train"], X, sets["y_test"], task="regression", X_val=X, y_val=sets["y_val"])
    with pytest.raises(DataError, match=f"{part} holds .*{error}"):
        train(data, SMALL.replace(loss=loss))


@pytest.mark.parametrize(("weights", "error"), [
    (np.full(120, 1e308), "sums up to inf"), (np.full(120, 1e-320), "multiply all weights"),
    (-np.ones(120), "weights >= 0"), (np.zeros(120), "not all 0"), (np.ones(119), "a weight a sample"),
    (np.full(120, np.nan), "finite"), (["a"] * 120, "real numbers"),
])  # fmt: skip
def test_weights_that_are_none_are_refused(weights, error, blobs):
    with pytest.raises(FastMLPError, match=error):
        Dataset(blobs.X_train, blobs.y_train, blobs.X_test, blobs.y_test, weight_train=weights)


# stopping, plateaus


@pytest.mark.parametrize("watched", ["loss", "score"])
def test_training_stops_early_and_puts_the_best_weights_back(watched, blobs):
    config = SMALL.replace(n_epochs=200, early_stopping=watched, patience=3, learning_rate=0.5, tol=1e-4)
    run = train(blobs, config)
    losses = run.history["val_loss" if watched == "loss" else "val_accuracy"]
    assert len(losses) < 200
    improved = [i for i, x in enumerate(losses) if i == 0 or is_better(x, losses[:i], watched)]
    kept = train(blobs, config.replace(n_epochs=improved[-1] + 1))
    assert len(losses) - improved[-1] - 1 == 3
    assert bits(run.model) == bits(kept.model)


def is_better(number, before, watched):
    best = before[0]
    for other in before[1:]:
        best = other if (best - other if watched == "loss" else other - best) > 1e-4 else best
    return (best - number if watched == "loss" else number - best) > 1e-4


def test_what_is_held_out_is_not_trained_on(blobs):
    told = []
    config = SMALL.replace(early_stopping="loss", validation_fraction=0.25)
    train(blobs, config, progress=told.append)
    assert {p.n_samples for p in told} == {90}


def test_a_validation_set_of_one_s_own_is_the_one_that_is_watched(blobs):
    X, y = blobs.X_test[:10], blobs.y_test[:10]
    data = Dataset(blobs.X_train, blobs.y_train, blobs.X_test, blobs.y_test, X_val=X, y_val=y)
    run = train(data, SMALL.replace(early_stopping="loss"))
    last = train(data, SMALL)
    assert last.history["val_loss"] == run.history["val_loss"]
    assert last.history[-1]["val_loss"] == last.model.evaluate(X, y).loss


def test_a_validation_label_that_training_has_not_is_refused(blobs):
    with pytest.raises(DataError, match="y_val holds the label 3"):
        Dataset(blobs.X_train, blobs.y_train, blobs.X_test, blobs.y_test, X_val=blobs.X_test, y_val=np.full(40, 3))


def test_on_a_plateau_the_rate_falls(blobs):
    config = SMALL.replace(schedule="plateau", step_epochs=2, step_factor=0.5, tol=1e9, n_epochs=7)
    rates = train(blobs, config).history["learning_rate"]
    np.testing.assert_array_equal(rates, 0.3 * np.array([1, 1, 1, 0.5, 0.5, 0.25, 0.25]))


def test_a_large_step_is_clipped_to_the_norm_that_is_allowed(blobs):
    config = SMALL.replace(n_epochs=1, batch_size=120, clip_norm=1e-3, learning_rate=1.0, precision="float64")
    begun = fastmlp.init_model(config, blobs.n_features, blobs.n_classes)
    model = train(blobs, config, begun).model
    steps = [a - b for ours, before in ((model.weights, begun.weights), (model.biases, begun.biases))
             for a, b in zip(ours, before, strict=True)]  # fmt: skip
    assert math.sqrt(sum(np.sum(step**2) for step in steps)) == pytest.approx(1e-3, rel=1e-12)


def test_dropout_draws_other_units_in_every_epoch_and_the_same_for_a_seed(blobs):
    config = SMALL.replace(dropout=0.5, shuffle=False)
    model = train(blobs, config.replace(n_epochs=1)).model
    again = train(blobs, config.replace(n_epochs=1), model).history
    assert bits(train(blobs, config).model) == bits(train(blobs, config).model)
    assert again["train_loss"] != train(blobs, config.replace(seed=1, n_epochs=1), model).history["train_loss"]


@pytest.mark.parametrize(("shuffle", "is_same"), [(False, True), (True, False)])
def test_the_order_depends_on_the_seed_unless_shuffle_is_off(shuffle, is_same, blobs):
    model = fastmlp.init_model(SMALL, blobs.n_features, blobs.n_classes)
    first, second = (train(blobs, SMALL.replace(shuffle=shuffle, seed=seed), model=model) for seed in (0, 1))
    assert (bits(first.model) == bits(second.model)) is is_same


def test_l2_shrinks_the_weights_and_not_the_biases(blobs):
    still = {"learning_rate": 0.1, "n_epochs": 1, "batch_size": 120, "precision": "float64"}
    plain = train(blobs, SMALL.replace(**still)).model
    shrunk = train(blobs, SMALL.replace(**still, l2=0.5)).model
    before = fastmlp.init_model(SMALL.replace(**still), blobs.n_features, blobs.n_classes)
    for layer, W in enumerate(before.weights):
        np.testing.assert_allclose(shrunk.weights[layer], plain.weights[layer] - 0.1 * 0.5 * W, rtol=1e-12, atol=1e-15)
        np.testing.assert_array_equal(shrunk.biases[layer], plain.biases[layer])


def test_a_batch_larger_than_the_data_is_one_batch_and_a_warning(blobs):
    ref = train(blobs, SMALL.replace(batch_size=120))
    with pytest.warns(UserWarning, match="batch_size is 5000 and there are 120 training samples") as caught:
        got = train(blobs, SMALL.replace(batch_size=5000))
    assert bits(got.model) == bits(ref.model)
    assert caught[0].filename == __file__


# divergence


def test_divergence_keeps_what_the_last_finite_epoch_left(blobs):
    with pytest.raises(DivergedError, match=r"no longer finite in epoch \d+ at learning rate 0\.5") as caught:
        train(blobs, GROWING)
    error = caught.value
    assert error.epoch == len(error.history) + 1 > 2
    assert error.learning_rate == 0.5
    ref = train(blobs, GROWING.replace(n_epochs=error.epoch - 1))
    assert bits(error.model) == bits(ref.model)
    assert error.model.n_epochs == ref.model.n_epochs
    assert error.history["test_loss"] == ref.history["test_loss"]


def test_divergence_in_the_first_epoch_keeps_the_weights_it_began_with(blobs):
    config = SMALL.replace(activation="relu", learning_rate=1e30)
    with pytest.raises(DivergedError, match="in epoch 1") as caught:
        train(blobs, config)
    assert bits(caught.value.model) == bits(fastmlp.init_model(config, blobs.n_features, blobs.n_classes))
    assert len(caught.value.history) == 0


def test_arithmetic_of_the_process_keeps_its_subnormals(blobs):
    train(blobs, SMALL)
    assert np.float32(1e-40) * np.float32(1.0) > 0


# data as it lies


def relaid(data, X_train):
    return Dataset(X_train, data.y_train, data.X_test, data.y_test)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_rows_may_lie_anywhere(dtype, make_blobs, tmp_path):
    data = make_blobs(dtype=dtype)
    X, ref = data.X_train, bits(train(data, SMALL).model)
    wide = np.full((120, 9), 99, dtype)
    wide[:, 2:7] = X
    odd = np.zeros(X.nbytes + 1, np.uint8)[1:].view(dtype).reshape(X.shape)
    odd[...] = X
    X.tofile(tmp_path / "X.bin")
    mapped = np.memmap(tmp_path / "X.bin", dtype, "r", shape=X.shape)
    backwards = X[::-1].copy()[::-1]
    for relaid_X in (wide[:, 2:7], odd, mapped, backwards, X.astype(X.dtype.newbyteorder()), np.asfortranarray(X)):
        assert bits(train(relaid(data, relaid_X), SMALL).model) == ref


def test_a_row_repeated_by_a_stride_of_zero_is_read_as_often(make_blobs):
    data = make_blobs()
    same = np.broadcast_to(data.X_train[0], data.X_train.shape)
    assert bits(train(relaid(data, same), SMALL).model) == bits(train(relaid(data, same.copy()), SMALL).model)


def test_nobodys_array_is_written_to(make_blobs):
    data = make_blobs()
    mine = [data.X_train, data.y_train, data.X_test, data.y_test]
    before = [array.copy() for array in mine]
    train(data, SMALL)
    for got, ref in zip(mine, before, strict=True):
        np.testing.assert_array_equal(got, ref)


def test_read_only_arrays_train_the_same(make_blobs):
    data = make_blobs()
    locked = data.X_train.copy()
    locked.flags.writeable = False
    assert bits(train(relaid(data, locked), SMALL).model) == bits(train(data, SMALL).model)


# mistakes


def test_what_is_no_dataset_is_refused():
    with pytest.raises(DataTypeError, match="dataset is a list; a Dataset is expected"):
        train([[1.0]])


def test_what_is_no_config_is_refused(blobs):
    with pytest.raises(ConfigError, match="config is a dict"):
        train(blobs, {"n_epochs": 3})


def test_what_is_no_model_is_refused(blobs):
    with pytest.raises(DataTypeError, match="model is a str"):
        train(blobs, SMALL, model="model.npz")


@pytest.mark.parametrize("sizes", [(6, 3), (5, 4)])
def test_a_model_of_another_shape_than_the_data_is_refused(sizes, blobs):
    with pytest.raises(DataError, match=r"the model takes \d features .*; the data has 5 and asks for 3"):
        train(blobs, SMALL, model=fastmlp.init_model(SMALL, *sizes))


@pytest.mark.parametrize(("name", "other"), [("hidden", (7,)), ("activation", "tanh"), ("precision", "float64")])
def test_a_model_of_another_kind_than_the_config_is_refused(name, other, blobs):
    model = fastmlp.init_model(SMALL.replace(**{name: other}), blobs.n_features, blobs.n_classes)
    with pytest.raises(ConfigError, match=f"{name}: given .*; the model to go on from has"):
        train(blobs, SMALL, model=model)


sizes = st.integers(1, 40)


@pytest.mark.filterwarnings("ignore:precision bf16.*float32, since")
@settings(max_examples=100, deadline=None, derandomize=True)
@given(data=st.data())
@pytest.mark.filterwarnings("ignore:batch_size")
def test_any_shape_and_setting_trains_to_finite_numbers_or_says_why_not(data, make_blobs):
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


def test_a_feature_too_far_from_zero_for_float32_is_refused_there():
    random = np.random.default_rng(0)
    y = np.arange(200) % 2
    X = 1.7e9 + 30.0 * random.normal(size=(200, 1)) + 60.0 * y[:, None]
    dataset = Dataset(X, y, X, y)
    with pytest.raises(DataError, match="times its spread away from zero"):
        train(dataset, Config(hidden=(), n_epochs=1))
    run = train(dataset, Config(hidden=(), n_epochs=20, precision="float64"))
    assert run.history["test_accuracy"][-1] > 0.7


def test_going_on_from_a_model_of_other_classes_is_refused():
    X, y = np.eye(4), [0, 1, 0, 1]
    run = train(Dataset(X, y, X, y, class_names=("ant", "bee")), Config(hidden=(), n_epochs=1, batch_size=4))
    with pytest.raises(DataError, match="'ant', 'bee'"):
        train(Dataset(X, y, X, y, class_names=("cat", "dog")), run.config, run.model)
    assert train(Dataset(X, y, X, y), run.config, run.model).model.class_names == ("ant", "bee")


@pytest.mark.parametrize(("optimizer", "digest"), [("sgd", "68dd54df6901a09a"), ("adam", "d197ada15dea0b86")])
def test_trained_weights_are_the_same_bits_as_ever(optimizer, digest):
    numbers = uniform(stream(0, Purpose.WEIGHTS), 0, 300 * 21).reshape(300, 21)
    X, y = (numbers[:, :20] * 256).astype(np.uint8), (numbers[:, 20] * 3).astype(np.int64)
    config = Config(hidden=(17, 9), optimizer=optimizer, l2=0.001, decay_rate=0.1, n_epochs=3)
    model = train(Dataset(X, y, X, y), config).model
    got = hashlib.sha256(b"".join(array.tobytes() for array in [*model.weights, *model.biases])).hexdigest()
    assert got[:16] == digest, "a change of even one bit is announced in the changelog"
