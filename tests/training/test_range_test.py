"""The learning rate range test: the same steps as training's, and the rules of its end and its suggestion."""

import math
from fractions import Fraction

import numpy as np
import pytest

import fastmlp
from fastmlp.config import Config
from fastmlp.data import Dataset
from fastmlp.errors import ConfigError, DataError, DataTypeError
from fastmlp.settings import LOSSES, OPTIMIZERS
from fastmlp.training import range_test
from fastmlp.training.range_test import RangeTest, find_learning_rate
from fastmlp.training.trainer import Trainer

SMALL = Config(hidden=(7, 6), activation="relu", batch_size=16, optimizer="adam")


@pytest.fixture
def stated_losses(monkeypatch):
    """Function that makes the trainer return the given losses in place of training."""

    def replace(losses):
        monkeypatch.setattr(Trainer, "run_steps", lambda self, rates: (loss for loss, _ in zip(losses, rates)))  # noqa: B905

    return replace


def test_the_rates_grow_exponentially_from_start_to_end(blobs):
    rates = find_learning_rate(blobs, SMALL, start=1e-6, end=1e-2, n_steps=41).rates
    np.testing.assert_allclose(rates, np.geomspace(1e-6, 1e-2, 41), rtol=1e-12)


def test_steps_of_any_epoch_are_those_of_training_bit_for_bit(blobs):
    """With dropout, a last batch of another size, and a penalty: two epochs at two rates."""
    config = SMALL.replace(batch_size=50, dropout=0.25, l2=0.1, l2_scale="batch")
    trainers = [
        Trainer(fastmlp.init_model(config, blobs.n_features, blobs.n_classes), blobs.X_train, blobs.y_train)
        for _ in range(2)
    ]
    losses = list(trainers[0].run_steps([0.01] * 3 + [0.03] * 3))
    for lr, of_epoch in ((0.01, losses[:3]), (0.03, losses[3:])):
        assert sum(trainers[1].run_epoch(lr)) == pytest.approx(np.average(of_epoch, weights=[50, 50, 20]), rel=1e-12)
    assert trainers[0].model.params.theta.tobytes() == trainers[1].model.params.theta.tobytes()
    trainers[0].model.n_epochs = trainers[1].model.n_epochs  # the end of an epoch is noticed at the next step
    assert trainers[0].run_epoch(0.01) == trainers[1].run_epoch(0.01)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_has_a_suggestion_at_which_training_learns(optimizer):
    config = Config(hidden=(32,), activation="tanh", batch_size=32, optimizer=optimizer, beta2=0.99, n_epochs=5)
    data = fastmlp.load_data("digits")
    test = find_learning_rate(data, config)
    run = fastmlp.train(data, config.replace(learning_rate=test.suggestion))
    assert run.history["test_accuracy"][-1] > 0.93


def test_in_float64_it_differs_by_rounding_only(blobs):
    single, double = (
        find_learning_rate(blobs, SMALL.replace(precision=name), n_steps=50) for name in ("float32", "float64")
    )
    np.testing.assert_allclose(single.losses, double.losses, rtol=1e-3)
    assert single.losses != double.losses


def data_for(loss):
    X = np.random.default_rng(0).normal(size=(200, 4))
    y = {
        "cross_entropy": np.argmax(X[:, :3], axis=1),
        "binary_cross_entropy": (X[:, :2] > 0).astype(int),
        "poisson": np.round(np.exp(X[:, 0])),
    }.get(loss, 1000 + 50 * X[:, 0])
    return Dataset(X[:160], y[:160], X[160:], y[160:], task=LOSSES[loss].tasks[0])


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_starts_at_that_of_training_and_has_a_suggestion(loss):
    """In the targets' own unit. Up to a rate of 10, the cross-entropy becomes 0 and does not rise."""
    data, config = data_for(loss), SMALL.replace(loss=loss, batch_size=160, n_epochs=1, huber_delta=20.0)
    test = find_learning_rate(data, config, end=100.0)
    assert test.losses[0] == fastmlp.train(data, config).history["train_loss"][0]
    assert min(test.smoothed_losses) < test.smoothed_losses[0]
    assert 1e-5 <= test.suggestion <= 1


@pytest.mark.parametrize("scale", ["unit", "none"])
def test_sparse_samples_have_the_same_result_as_dense_ones(scale, make_sparse_and_dense):
    sparse, dense = (find_learning_rate(data, SMALL) for data in make_sparse_and_dense(scale))
    assert sparse == dense


def test_sparse_samples_whose_scaling_has_an_offset_take_the_same_steps(make_sparse_and_dense):
    """They are converted to dense ones one window at a time."""
    losses = []
    for data in make_sparse_and_dense("none"):
        model = fastmlp.init_model(SMALL, data.n_features, data.n_classes)
        model.scaling = np.ones(data.n_features), np.full(data.n_features, 0.5)
        losses.append(find_learning_rate(data, SMALL, model).losses)
    assert losses[0] == losses[1]


def test_the_seed_determines_the_result_and_the_number_of_threads_does_not(blobs):
    first, other, threaded, seeded = (
        find_learning_rate(blobs, SMALL.replace(seed=seed), n_threads=n) for seed, n in ((0, 1), (0, 1), (0, 2), (1, 1))
    )
    assert first == other == threaded
    assert first.losses != seeded.losses


def test_weights_held_out_samples_and_a_given_model_are_those_of_training(blobs):
    weighted = Dataset(
        blobs.X_train, blobs.y_train, blobs.X_test, blobs.y_test, weight_train=np.linspace(0.1, 2.0, 120)
    )
    config = SMALL.replace(early_stopping="loss", batch_size=108, validation_fraction=0.1, n_epochs=1, patience=1)
    model = fastmlp.train(weighted, config.replace(learning_rate=0.01)).model
    test = find_learning_rate(weighted, config, model, n_steps=10)
    assert test.losses[0] == pytest.approx(fastmlp.train(weighted, config, model).history["train_loss"][0], rel=1e-12)


def test_model_and_data_stay_as_they_are(blobs):
    model = fastmlp.train(blobs, SMALL.replace(n_epochs=2)).model
    before = model.params.theta.tobytes(), model.n_epochs, model.config, blobs.checksum()
    find_learning_rate(blobs, SMALL, model, n_threads=1)
    assert (model.params.theta.tobytes(), model.n_epochs, model.config, blobs.checksum()) == before


def test_the_loss_is_averaged_with_a_decay_rate_of_098(blobs):
    test = find_learning_rate(blobs, SMALL, n_steps=20)
    weights = 0.98 ** np.arange(20)[::-1]
    for step in (1, 2, 20):
        ref = np.average(test.losses[:step], weights=weights[-step:])
        assert test.smoothed_losses[step - 1] == pytest.approx(ref, rel=1e-12)


def test_it_stops_when_the_average_exceeds_four_times_its_minimum(blobs, stated_losses):
    stated_losses([1.0] * 50 + [1e3] * 50)
    test = find_learning_rate(blobs, SMALL, n_steps=100)
    assert len(test.rates) == len(test.losses) == len(test.smoothed_losses) == 51
    assert test.smoothed_losses[-1] > 4 >= 4 * test.smoothed_losses[-2]


@pytest.mark.parametrize("loss", [math.inf, math.nan])
def test_it_stops_at_a_loss_that_is_not_finite(loss, blobs, stated_losses):
    stated_losses([1.0] * 30 + [loss] * 70)
    assert len(find_learning_rate(blobs, SMALL, n_steps=100).rates) == 30


def test_the_first_tenth_neither_stops_it_nor_counts(blobs, stated_losses):
    """A batch of one sample may have a loss near 0 before the network has learnt anything."""
    stated_losses([0.001] + [2.0] * 69 + [1.0] * 10 + [3.0] * 20)
    test = find_learning_rate(blobs, SMALL, n_steps=100)
    assert len(test.rates) == 100
    assert test.suggestion == test.rates[10 + np.argmin(test.smoothed_losses[10:])] / 10
    assert test.suggestion is not None


def test_the_suggestion_is_a_tenth_of_the_rate_of_the_smallest_average():
    test = find_learning_rate(fastmlp.load_data("digits"), SMALL)
    assert test.suggestion == test.rates[np.argmin(test.smoothed_losses)] / 10


DIVERGES = "the loss diverged at once; try a smaller start"
RISES = "a tenth of the rate where the loss is smallest is below 1e-05; try a smaller start"
FALLS = "the loss does not rise up to the rate 10; choose by the figure, or try a larger end"


@pytest.mark.parametrize(
    ("losses", "reason"),
    [
        pytest.param([1.0] + [math.inf] * 99, DIVERGES, id="diverges at once"),
        pytest.param([*range(1, 101)], RISES, id="rises"),
        pytest.param([*range(100, 0, -1)], FALLS, id="falls"),
        pytest.param([2.0] * 40 + [0.0] * 60, FALLS, id="becomes 0"),
        pytest.param([2.0] * 40 + [0.0] * 58 + [1e-6, 1e-6], FALLS, id="hardly rises"),
        pytest.param([0.0] * 100, FALLS, id="is 0"),
        pytest.param([0.7] * 100, FALLS, id="constant"),
        pytest.param([0.7, 0.7000001] * 50, FALLS, id="rounding errors"),
    ],
)
def test_without_a_descent_and_a_rise_nothing_is_suggested_and_the_reason_is_told(losses, reason, blobs, stated_losses):
    stated_losses(losses)
    test = find_learning_rate(blobs, SMALL, n_steps=100)
    assert (test.suggestion, test.reason) == (None, reason)
    assert repr(test).endswith(f"no suggestion: {reason}>")


@pytest.mark.parametrize("n_steps", [10, 20, 100, 1000])
def test_the_suggestion_is_at_most_the_rate_at_which_the_losses_stop_falling(n_steps, blobs, stated_losses):
    """The average falls on as long as the losses are 0, here by three more orders of magnitude of the rate."""
    n_falling = n_steps * 3 // 10
    stated_losses([1.0] * n_falling + [0.0] * (n_steps * 6 // 10) + [1e3] * n_steps)
    test = find_learning_rate(blobs, SMALL, n_steps=n_steps)
    assert test.reason is None
    assert test.rates[n_falling] <= test.suggestion <= test.rates[n_falling + n_steps // 30]


def test_a_loss_that_is_not_finite_is_a_rise(blobs, stated_losses):
    stated_losses([*range(100, 20, -1)] + [math.nan] * 20)
    test = find_learning_rate(blobs, SMALL, n_steps=100)
    assert (test.suggestion, test.reason) == (test.rates[79] / 10, None)


def test_the_largest_losses_do_not_overflow(blobs, stated_losses):
    stated_losses([1.7e308] * 50 + [1e308] * 20 + [1.7e308] * 30)
    test = find_learning_rate(blobs, SMALL, n_steps=100)
    assert test.suggestion == test.rates[69] / 10


def test_a_separable_set_on_which_adam_reaches_a_loss_of_0_has_no_suggestion():
    """Sentences of 29 words, as counts, of two classes without a word in common."""
    sparse = pytest.importorskip("scipy.sparse")
    rng = np.random.default_rng(0)
    y = np.arange(500) % 2
    words = rng.integers(0, 1000, (500, 29)) + 1000 * y[:, None]
    X = sparse.csr_array((np.ones(500 * 29), (np.repeat(np.arange(500), 29), words.ravel())), shape=(500, 2000))
    data = Dataset(X[:400], y[:400], X[400:], y[400:])
    test = find_learning_rate(data, Config(optimizer="adam", activation="relu"))
    assert max(test.losses[-100:]) < 1e-5
    assert (test.suggestion, test.reason) == (None, FALLS)


def test_no_finite_loss_at_all_is_said(blobs, stated_losses):
    stated_losses([math.nan] * 10)
    test = find_learning_rate(blobs, SMALL, n_steps=10)
    assert repr(test) == f"<RangeTest: 0 steps, no finite loss, no suggestion: {DIVERGES}>"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start": 0.0}, "start: expected a finite learning rate > 0, got 0.0"),
        ({"end": math.inf}, "end: expected a finite learning rate > 0, got inf"),
        ({"end": 10**400}, "end: expected a finite learning rate > 0, got 1000"),
        ({"start": Fraction(1, 10**400)}, "start: expected a learning rate below end, 10, got 0"),
        ({"start": "1"}, "start: expected a finite learning rate > 0, got '1'"),
        ({"start": 1.0, "end": 1.0}, "start: expected a learning rate below end, 1, got 1"),
        ({"n_steps": 9}, "n_steps: expected an integer from 10 to 100,000, got 9"),
        ({"n_steps": 20.0}, "n_steps: expected an integer from 10 to 100,000, got 20.0"),
        ({"n_threads": 0}, "n_threads: expected"),
    ],
)
def test_invalid_arguments_are_refused(arguments, message, blobs):
    with pytest.raises(ConfigError, match=message):
        find_learning_rate(blobs, SMALL, **arguments)


def test_data_config_and_model_are_checked_as_by_train(blobs):
    with pytest.raises(DataTypeError, match=r"dataset: expected a fastmlp\.Dataset"):
        find_learning_rate([1, 2])
    with pytest.raises(ConfigError, match="loss: expected one of cross_entropy"):
        find_learning_rate(blobs, SMALL.replace(loss="huber"))
    with pytest.raises(DataError, match="model: expected 5 features and 3 outputs"):
        find_learning_rate(blobs, SMALL, fastmlp.init_model(SMALL, 4, 3))


def test_a_warning_names_the_line_of_the_caller(blobs):
    with pytest.warns(UserWarning, match="batch_size: expected at most 120") as caught:
        find_learning_rate(blobs, SMALL.replace(batch_size=5000), n_steps=10)
    assert caught[0].filename == __file__


def test_it_plots_itself_on_given_axes():
    figure = pytest.importorskip("matplotlib.figure").Figure()
    axes = figure.subplots()
    assert RangeTest([0.1, 1.0], [2.0, 1.0], [2.0, 1.5], 0.1).plot(axes) is axes


def test_the_numbers_are_those_of_fastai():
    assert (range_test.SMOOTHING, range_test.DIVERGED, range_test.SAFETY, range_test.LEFT_OUT) == (0.98, 4.0, 10.0, 10)
