"""Training on standardised targets equals training on targets that were standardised by hand, in every result."""

import numpy as np
import pytest
from sklearn.metrics import r2_score

import fastmlp
from fastmlp.cli.results import identify
from fastmlp.config import Config
from fastmlp.data import Dataset
from fastmlp.errors import CheckpointError, ConfigError, DataError, DivergedError
from fastmlp.training.early_stopping import best_epoch
from fastmlp.training.loop import train
from fastmlp.training.standardisation import target_scaling_of

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(300, 4))
SHAPES = np.stack([np.sin(X[:, 0]) + 0.5 * X[:, 1], X[:, 2] * X[:, 3]], axis=1)
CHARGES = 13000.0 + 12000.0 * SHAPES[:, :1]
DECIBELS = 125.0 + 7.0 * SHAPES
BASE = Config(hidden=(8,), activation="tanh", loss="squared_error", batch_size=16, n_epochs=4, learning_rate=0.05)
CHANGES = {
    "float32": {},
    "float64": {"precision": "float64"},
    "huber": {"loss": "huber", "huber_delta": 6000.0, "precision": "float64"},
    "huber, float32": {"loss": "huber", "huber_delta": 6000.0},
    "adam with l2": {"optimizer": "adam", "learning_rate": 0.01, "l2": 0.01, "l2_scale": "batch", "dropout": 0.1},
    "clipped": {"clip_norm": 0.1, "weight_decay": 0.01},
    "early stopping": {"early_stopping": "loss", "patience": 2, "n_epochs": 12, "learning_rate": 0.3},
    "by the score": {"early_stopping": "score", "patience": 2, "n_epochs": 12, "learning_rate": 0.3},
    "plateau": {"schedule": "plateau", "step_epochs": 1, "tol": 1e6, "n_epochs": 6},
}


RAW = pytest.mark.filterwarnings("ignore:y_train. expected targets of a root mean square")


def make(y, **options):
    return Dataset(X[:240], y[:240], X[240:], y[240:], task="regression", **options)


def standardised(y, config):
    """Data and config of the same training, with the targets standardised by hand; factor and offset."""
    factor, offset = make(y).target_scaling()
    scaled = config.replace(huber_delta=config.huber_delta / factor, tol=config.tol / factor**2)
    return make((y - offset) / factor, target_scale="none"), scaled, factor, offset


def bits(model):
    return b"".join(array.tobytes() for array in [*model.weights, *model.biases])


@pytest.mark.parametrize("y", [CHARGES, DECIBELS], ids=["charges", "decibels"])
@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_results_are_those_of_targets_standardised_by_hand(changes, y):
    config = BASE.replace(**changes)
    data, scaled, factor, offset = standardised(y, config)
    ref, got = train(data, scaled), train(make(y), config)
    for layer, (W, b) in enumerate(zip(ref.model.weights, ref.model.biases, strict=True)):
        is_last = layer == 1
        np.testing.assert_array_equal(got.model.weights[layer], W * W.dtype.type(factor) if is_last else W)
        folded = (b.astype(np.float64) * factor + offset).astype(b.dtype) if is_last else b
        np.testing.assert_array_equal(got.model.biases[layer], folded)
    assert got.history["epoch"] == ref.history["epoch"]
    for name in ref.history.columns:
        if name.endswith("_loss"):
            assert got.history[name] == [loss * factor**2 for loss in ref.history[name]]
        elif not name.endswith("_s"):
            assert got.history[name] == ref.history[name]
    expected = ref.model.predict(X).astype(np.float64).reshape(len(X), -1) * factor + offset
    eps = np.finfo(config.dtype).eps
    np.testing.assert_allclose(got.model.predict(X).reshape(expected.shape), expected, atol=20 * eps * abs(y).max())
    assert got.config == got.model.config == config
    assert best_epoch(config, got.history.to_dict()) == best_epoch(scaled, ref.history.to_dict())


@pytest.mark.parametrize("loss", ["squared_error", "huber"])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_the_history_has_the_evaluation_of_the_returned_model(precision, loss):
    config, y = BASE.replace(loss=loss, precision=precision, huber_delta=3000.0, n_epochs=20), CHARGES
    run = train(make(y, X_val=X[:50], y_val=y[:50]), config)
    rtol = 1e-5 if precision == "float32" else 1e-12
    for part, rows in (("val", slice(50)), ("test", slice(240, None))):
        evaluation = run.model.evaluate(X[rows], y[rows])
        assert evaluation.loss == pytest.approx(run.history[f"{part}_loss"][-1], rel=rtol)
        assert evaluation.score == pytest.approx(run.history[f"{part}_r2"][-1], rel=rtol)
    assert run.history["test_r2"][-1] == pytest.approx(r2_score(y[240:], run.model.predict(X[240:])), rel=rtol)
    assert run.history["test_r2"][-1] > 0.8


@RAW
@pytest.mark.parametrize("y", [CHARGES, DECIBELS[:, :1]], ids=["charges", "decibels"])
def test_targets_of_another_unit_are_learnt(y):
    config = BASE.replace(optimizer="adam", learning_rate=0.003, n_epochs=30)
    assert train(make(y), config).history["test_r2"][-1] > 0.7
    assert train(make(y, target_scale="none"), config).history["test_r2"][-1] < 0


def test_weighted_targets_are_standardised_by_weighted_statistics():
    weights = np.where(np.arange(240) % 5 == 0, 0.0, 2.0)
    masked = CHARGES.copy()
    masked[:240:5] = 1e9  # fill values of samples without weight
    got, ref = (train(make(y, weight_train=weights), BASE) for y in (masked, CHARGES))
    assert bits(got.model) == bits(ref.model)
    assert got.history["train_loss"] == ref.history["train_loss"]


def test_the_number_of_threads_changes_no_bit():
    ref, got = (train(make(DECIBELS), BASE.replace(hidden=(30, 20)), n_threads=n) for n in (1, 2))
    assert bits(got.model) == bits(ref.model)
    assert got.history["train_loss"] == ref.history["train_loss"]


def test_progress_is_in_the_unit_of_the_targets(monkeypatch):
    monkeypatch.setattr("fastmlp.training.thread_trials.CHUNK_S", 1e-12)
    data, config, factor, _ = standardised(CHARGES, BASE)
    got, ref = [], []
    train(make(CHARGES), BASE, progress=got.append)
    train(data, config, progress=ref.append)
    assert any(report.row is None for report in got)
    assert [report.train_loss for report in got] == [report.train_loss * factor**2 for report in ref]


# only where targets have a unit


@pytest.mark.parametrize("options", [{"loss": "poisson"}, {"target_scale": "none"}])
def test_counts_and_unscaled_targets_are_trained_on_as_they_are(options):
    counts = RANDOM.poisson(3.0, (300, 1)) + 0.0
    config = BASE.replace(loss=options.get("loss", "squared_error"), learning_rate=0.01)
    data = make(counts, target_scale=options.get("target_scale", "auto"))
    assert target_scaling_of(data, config).is_identity
    run = train(data, config)
    assert bits(run.model) == bits(train(make(counts, target_scale="none"), config).model)


def test_only_targets_that_are_not_standardised_give_a_warning(recwarn):
    train(make(CHARGES), BASE)
    assert not recwarn
    for data, config in ((make(CHARGES, target_scale="none"), BASE.replace(learning_rate=1e-9)),
                         (make(abs(CHARGES)), BASE.replace(loss="poisson", learning_rate=1e-9))):  # fmt: skip
        with pytest.warns(UserWarning, match="y_train: expected targets of a root mean square near 1"):
            train(data, config)


# models


def test_continued_training_starts_from_what_the_network_predicts():
    config = BASE.replace(precision="float64")
    first = train(make(CHARGES), config)
    data, _, factor, offset = standardised(CHARGES, config)
    ref = train(data, config, train(data, config).model)
    got = train(make(CHARGES), config, first.model)
    np.testing.assert_allclose(got.model.predict(X), ref.model.predict(X) * factor + offset[0], rtol=1e-10)
    assert got.model.n_epochs == 2 * config.n_epochs
    other = train(make(CHARGES * 100), config.replace(learning_rate=1e-12, n_epochs=1), first.model)
    np.testing.assert_allclose(other.model.predict(X), first.model.predict(X), rtol=1e-6)


def test_an_untrained_network_starts_as_it_is():
    model = fastmlp.init_model(BASE, 4, 1)
    assert bits(train(make(CHARGES), BASE, model).model) == bits(train(make(CHARGES), BASE).model)
    assert model.n_epochs == 0


def test_a_network_of_scikit_learn_continues_from_what_it_predicts():
    neural_network = pytest.importorskip("sklearn.neural_network")
    estimator = neural_network.MLPRegressor(hidden_layer_sizes=(8,), activation="tanh", random_state=0)
    for _ in range(5):
        estimator.partial_fit(X, CHARGES[:, 0])
    model = fastmlp.from_sklearn(estimator)
    data = make(CHARGES, scale="none")
    model.scaling = data.scaling()
    config = BASE.replace(precision="float64", learning_rate=1e-30, n_epochs=1)
    np.testing.assert_allclose(train(data, config, model).model.predict(X), estimator.predict(X), rtol=1e-8)


def test_a_diverged_run_returns_the_last_finite_network_in_the_unit_of_the_targets():
    config = BASE.replace(learning_rate=0.01, n_epochs=100, l2=250.0)
    data, scaled, factor, offset = standardised(CHARGES, config)
    with pytest.raises(DivergedError) as ref:
        train(data, scaled)
    with pytest.raises(DivergedError) as got:
        train(make(CHARGES), config)
    assert len(got.value.history) == len(ref.value.history) > 0
    assert got.value.model.config == config
    W, b = ref.value.model.weights[-1], ref.value.model.biases[-1].astype(np.float64)
    np.testing.assert_array_equal(got.value.model.weights[-1], W * np.float32(factor))
    np.testing.assert_array_equal(got.value.model.biases[-1], (b * factor + offset).astype(np.float32))


def test_a_run_that_diverges_at_once_returns_the_network_that_it_was_given():
    config = BASE.replace(learning_rate=1e30, activation="identity")
    model = fastmlp.init_model(config, 4, 1)
    with pytest.raises(DivergedError) as caught:
        train(make(CHARGES), config)
    assert bits(caught.value.model) == bits(model)
    trained = train(make(CHARGES), BASE.replace(activation="identity")).model
    with pytest.raises(DivergedError) as caught:
        train(make(CHARGES), config, trained)
    np.testing.assert_allclose(caught.value.model.predict(X), trained.predict(X), rtol=1e-5)


def test_files_and_exports_predict_in_the_unit_of_the_targets(tmp_path):
    model = train(make(DECIBELS), BASE.replace(precision="float64")).model
    model.save(tmp_path / "model.npz")
    np.testing.assert_array_equal(fastmlp.load_model(tmp_path / "model.npz").predict(X), model.predict(X))
    np.testing.assert_allclose(model.to_sklearn().predict(X), model.predict(X), rtol=1e-12)
    assert 100 < model.predict(X).mean() < 150


# checkpoints and records


@pytest.mark.parametrize("changes", [{}, {"early_stopping": "loss", "patience": 3, "learning_rate": 0.3},
    {"loss": "huber", "huber_delta": 3000.0, "optimizer": "adam", "schedule": "plateau"},
])  # fmt: skip
@pytest.mark.parametrize("is_continued", [False, True])
def test_an_interrupted_run_resumes_to_the_same_bits(is_continued, changes, tmp_path, monkeypatch):
    monkeypatch.setattr("fastmlp.training.thread_trials.CHUNK_S", 1e-12)
    config, data, n_left = BASE.replace(**changes), make(CHARGES), [0]
    model = train(data, config.replace(n_epochs=1)).model if is_continued else None

    def interrupt(_):
        n_left[0] -= 1
        if n_left[0] < 0:
            raise KeyboardInterrupt

    got, n_interruptions = None, 0
    while got is None:
        n_left[0] = 11
        try:
            got = train(data, config, model, interrupt, tmp_path)
        except KeyboardInterrupt:
            n_interruptions += 1
    ref = train(data, config, model)
    assert n_interruptions > 3
    assert bits(got.model) == bits(ref.model)
    assert got.history["test_loss"] == ref.history["test_loss"]
    again = train(data, config, model, checkpoint=tmp_path)
    assert bits(again.model) == bits(ref.model)


@RAW
def test_a_checkpoint_of_other_targets_is_refused(tmp_path):
    train(make(DECIBELS), BASE, checkpoint=tmp_path)
    with pytest.raises(CheckpointError, match=r"  target_scale: expected 'auto', got None"):
        train(make(DECIBELS, target_scale="none"), BASE, checkpoint=tmp_path)


def test_the_identity_of_a_run_has_target_scale_where_it_matters(blobs):
    assert "target_scale" not in identify(Config(), blobs)
    assert identify(BASE, make(CHARGES))["target_scale"] == "auto"
    assert "target_scale" not in identify(BASE, make(CHARGES, target_scale="none"))
    assert "target_scale" not in identify(BASE.replace(loss="poisson"), make(CHARGES))


# the range of the precision


@pytest.mark.parametrize(("y", "settings", "message"), [
    (1e9 + SHAPES, {}, r"^y_train: got targets [\d.]+e\+09 times their deviation away from zero, too far for float32 "),
    (1e25 * SHAPES, {}, r"^y_train: got targets that deviate by about .*e\+2\d from their mean, whose squares are "),
    (1e37 * SHAPES, {"loss": "huber"}, r"about .* from their mean, beyond float32's range; look for fill values, or"),
    (1e-38 * SHAPES, {}, r"about .*e-\d+ from their mean, beyond float32's range; .* train in float64, or scale them"),
    (1e160 * SHAPES, {"precision": "float64"}, r"whose squares are beyond float64's range; .*fill values, or scale th"),
    (1e-310 * SHAPES, {"precision": "float64"}, r"from their mean, beyond float64's range; "),
])  # fmt: skip
def test_targets_that_the_precision_cannot_represent_in_either_unit_are_refused(y, settings, message):
    with pytest.raises(DataError, match=message):
        train(make(y), BASE.replace(**settings))


def test_targets_beyond_the_range_once_they_are_standardised_are_refused():
    y = 1e-8 * SHAPES
    y[250] = 1e35
    with pytest.raises(
        DataError, match=r"^y_test: got 1e\+35, beyond float32's range once it is divided by .* y_train;"
    ):
        train(make(y), BASE)


def test_a_threshold_of_the_huber_loss_below_the_range_is_refused():
    config = BASE.replace(loss="huber", huber_delta=1e-30, precision="float32")
    with pytest.raises(
        ConfigError, match=r"^huber_delta: expected a number beside which float32 can represent .* 1e-30"
    ):
        train(make(1e10 * SHAPES), config)
    large = train(make(1e-10 * SHAPES), config.replace(huber_delta=1e300, precision="float64"))
    squared = train(make(1e-10 * SHAPES), config.replace(loss="squared_error", precision="float64"))
    assert bits(large.model) == bits(squared.model)


@pytest.mark.parametrize(("size", "precision"), [(1e-27, "float32"), (1e15, "float32"), (1e150, "float64")])
def test_targets_of_other_magnitudes_are_learnt(size, precision):
    run = train(make(size * SHAPES[:, :1]), BASE.replace(precision=precision, n_epochs=20))
    assert run.history["test_r2"][-1] > 0.8
    assert r2_score(SHAPES[:, 0], run.model.predict(X).astype(np.float64) / size) > 0.8


def test_weights_that_overflow_in_the_unit_of_the_targets_are_divergence():
    """Samples of 0 keep the losses of huge weights of the last layer finite."""
    zeros = np.zeros((20, 1))
    y = 1e18 * np.linspace(-1, 1, 20)
    config = Config(
        hidden=(1,), activation="relu", loss="squared_error", learning_rate=1e-30, n_epochs=2, batch_size=20
    )
    data = Dataset(zeros, y, zeros, y, task="regression", scale="none")
    model = fastmlp.init_model(config, 1, 1)
    model.weights[-1][:] = 3e30
    with pytest.raises(DivergedError, match=r"^train_loss: expected a finite number, got inf in epoch 1") as caught:
        train(data, config, model)
    assert bits(caught.value.model) == bits(model)
    model.weights[-1][:] = 3e15
    assert np.isfinite(train(data, config, model).model.weights[-1]).all()
