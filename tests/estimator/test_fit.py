"""What the estimators do beyond scikit-learn's, and what they refuse."""

import pickle

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning, NotFittedError

import fastmlp
from fastmlp import FastMLPError, MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
RNG = np.random.default_rng(2)
Y = np.arange(120) % 3
X = (Y[:, None] == np.arange(3)) * 2.0 + RNG.standard_normal((120, 3)) * 0.4
NUMBERS = X @ [1.0, -2.0, 0.5]


def make(**parameters):
    return MLPClassifier(**{"hidden_layer_sizes": (8,), "learning_rate_init": 0.03, "random_state": 0, **parameters})


def regressor(**parameters):
    return MLPRegressor(**{"hidden_layer_sizes": (8,), "learning_rate_init": 0.03, "random_state": 0, **parameters})


# what comes in and out


@pytest.mark.parametrize("labels", [["ash", "beech", "cedar"], [-1, 5, 7], [0.0, 1.0, 4.0]], ids=lambda it: str(it[0]))
@pytest.mark.parametrize("n_classes", [2, 3])
def test_labels_of_any_kind_come_back(labels, n_classes):
    y = np.array(labels)[Y % n_classes]
    fitted = make(max_iter=60).fit(X, y)
    predicted = fitted.predict(X)
    assert predicted.dtype == y.dtype
    assert set(predicted) <= set(labels)
    assert fitted.predict_proba(X).shape == (120, n_classes)
    np.testing.assert_allclose(np.exp(fitted.predict_log_proba(X)), fitted.predict_proba(X))


def test_objects_are_labels():
    y = np.array(["ash", "beech", "cedar"], dtype=object)[Y]
    assert make(max_iter=40).fit(X, y).score(X, y) > 0.9


@pytest.mark.parametrize("labels", [["ash", "beech", "cedar"], np.array(["ash", "beech", "cedar"], dtype=object)])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_network_knows_the_names_of_its_classes(labels, n_classes, tmp_path):
    y = np.array(labels)[Y % n_classes]
    network = make(max_iter=2).fit(X, y).model_
    assert network.class_names == ("ash", "beech", "cedar")[:n_classes]
    assert all(type(name) is str for name in network.class_names)
    network.save(tmp_path / "model.npz")
    assert fastmlp.load_model(tmp_path / "model.npz").class_names == network.class_names
    assert set(network.to_sklearn().predict(X)) <= set(y)


def test_classes_that_are_numbers_have_no_names():
    assert make(max_iter=2).fit(X, Y + 5).model_.class_names is None
    assert make(max_iter=2).fit(X, np.eye(3, dtype=int)[Y]).model_.class_names is None
    assert make(max_iter=2).fit(X, np.full(120, "ash")).model_.class_names is None


def test_several_labels_a_sample_are_told_apart():
    labels = np.column_stack([Y == 0, Y != 1, Y == 2]).astype(int)
    fitted = make(max_iter=80).fit(X, labels)
    assert fitted.out_activation_ == "logistic"
    assert fitted.predict(X).shape == (120, 3)
    assert fitted.score(X, labels) > 0.9


def test_a_single_class_is_certain():
    fitted = make(max_iter=2).fit(X, np.full(120, "ash"))
    assert set(fitted.predict(X)) == {"ash"}
    np.testing.assert_array_equal(fitted.predict_proba(X), np.ones((120, 1)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_samples_precision_is_that_of_all_arithmetic(dtype):
    fitted = make(max_iter=3).fit(X.astype(dtype), Y)
    assert {array.dtype for array in (*fitted.coefs_, *fitted.intercepts_)} == {np.dtype(dtype)}
    assert fitted.predict_proba(X).dtype == dtype
    assert regressor(max_iter=3).fit(X.astype(dtype), NUMBERS).predict(X).dtype == dtype


def test_a_network_in_float32_stays_so_when_it_goes_on():
    fitted = make().partial_fit(X.astype(np.float32), Y, classes=[0, 1, 2]).partial_fit(X, Y)
    assert fitted.coefs_[0].dtype == np.float32


def test_the_same_random_state_gives_the_same_bits():
    first, second, other = (make(max_iter=5, random_state=seed).fit(X, Y) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.coefs_[0], second.coefs_[0])
    assert (first.coefs_[0] != other.coefs_[0]).any()


def test_weights_can_be_assigned_and_are_what_predicts():
    fitted, other = make(max_iter=5).fit(X, Y), make(max_iter=5, random_state=9).fit(X, Y)
    fitted.coefs_ = [W.copy() for W in other.coefs_]
    for layer, b in enumerate(other.intercepts_):
        fitted.intercepts_[layer] = b
    np.testing.assert_array_equal(fitted.predict_proba(X), other.predict_proba(X))
    fitted.coefs_[0][:] = 0
    assert (fitted.coefs_[0] == 0).all()
    assert isinstance(pickle.loads(pickle.dumps(fitted.coefs_)), list)
    with pytest.raises(FastMLPError, match=r"weights\[0\] has shape \(3, 8\)"):
        fitted.coefs_[0] = np.zeros((2, 2))


# settings


@pytest.mark.parametrize("solver", ["sgd", "momentum", "nesterov", "rmsprop", "adam", "adamw", "nadam"])
@pytest.mark.parametrize("activation", ["gelu", "softplus"])
def test_every_solver_learns(solver, activation):
    assert make(solver=solver, activation=activation, max_iter=60).fit(X, Y).score(X, Y) > 0.9


@pytest.mark.parametrize(
    ("schedule", "ratio"), [("constant", 1.0), ({"schedule": "step", "step_epochs": 1, "step_factor": 0.5}, 1 / 8)]
)
def test_a_schedule_takes_the_place_of_learning_rate(schedule, ratio):
    fitted = make(solver="adam", schedule=schedule, max_iter=3, learning_rate="adaptive").fit(X, Y)
    assert fitted._memory.rate.now == pytest.approx(0.03 * ratio)


def test_plateau_falls_when_the_loss_does():
    schedule = {"schedule": "plateau", "step_epochs": 2, "step_factor": 0.5}
    fitted = make(schedule=schedule, max_iter=5, tol=100.0, n_iter_no_change=50).fit(X, Y)
    assert fitted._memory.rate.now == pytest.approx(0.03 / 4)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("schedule", ["one_cycle", "cosine"])
def test_a_schedule_with_an_end_stays_there(schedule, solver):
    make(solver=solver, schedule=schedule, max_iter=1).fit(X, Y)
    network = make(solver=solver, schedule=schedule, max_iter=8)
    rates = [network.partial_fit(X, Y, classes=[0, 1, 2])._memory.rate.now for _ in range(12)]
    assert len(set(rates[6:])) == 1
    assert 0 < rates[-1] == min(rates)


def test_a_schedule_without_an_end_goes_on():
    network = make(schedule={"schedule": "step", "step_epochs": 1, "step_factor": 0.5}, max_iter=2)
    for _ in range(5):
        network.partial_fit(X, Y, classes=[0, 1, 2])
    assert network._memory.rate.now == pytest.approx(0.03 / 32)


@pytest.mark.parametrize("momenta", [(0.9, 0.0), (0.0, 0.9)])
def test_partial_fit_begins_another_optimizer_anew(momenta):
    network = make(solver="sgd", momentum=momenta[0]).partial_fit(X, Y, classes=[0, 1, 2])
    network.set_params(momentum=momenta[1], learning_rate_init=0.01).partial_fit(X, Y)
    assert network.t_ == 240
    assert network._memory.rate.now == 0.01


def test_class_weight_moves_the_border():
    few = np.where(RNG.random(120) < 0.1, 1, 0)
    noise = RNG.standard_normal((120, 2)) + few[:, None]
    shares = [
        make(max_iter=60, class_weight=given).fit(noise, few).predict(noise).mean() for given in (None, "balanced")
    ]
    assert shares[1] > shares[0] + 0.1
    by_hand = {0: 120 / 2 / (few == 0).sum(), 1: 120 / 2 / few.sum()}
    fits = [make(max_iter=5, class_weight=given).fit(noise, few) for given in ("balanced", by_hand)]
    np.testing.assert_allclose(fits[0].coefs_[0], fits[1].coefs_[0], rtol=1e-10)


@pytest.mark.parametrize("extra", [{"dropout": 0.5}, {"label_smoothing": 0.3}, {"weight_decay": 1.0}])
def test_each_extra_setting_changes_what_is_learnt(extra):
    plain, changed = make(max_iter=20).fit(X, Y), make(max_iter=20, **extra).fit(X, Y)
    assert abs(plain.coefs_[0] - changed.coefs_[0]).max() > 1e-3


@pytest.mark.parametrize(
    ("class_weight", "weights"),
    [
        ({0: 0.0, 1: 0.0, 2: 0.0}, None),
        ({0: np.nan, 1: 1.0, 2: 1.0}, None),
        ({0: np.inf, 1: 1.0, 2: 1.0}, None),
        ({0: -1.0, 1: 1.0, 2: 1.0}, None),
        ({0: 0.0}, (Y == 0).astype(float)),
    ],
)
def test_class_weights_that_cannot_be_used_are_refused(class_weight, weights):
    with pytest.raises(FastMLPError, match="class_weight times sample_weight"):
        make(class_weight=class_weight, max_iter=2).fit(X, Y, weights)


@pytest.mark.parametrize("class_weight", [{0: 1.0, 1: 2.0, 2: 5.0}, {1: 3.0}])
def test_a_batch_may_lack_a_class_that_has_a_weight(class_weight):
    few = Y > 0
    weighted = make(class_weight=class_weight).partial_fit(X[few], Y[few], classes=[0, 1, 2])
    by_hand = make().partial_fit(X[few], Y[few], [class_weight.get(label, 1.0) for label in Y[few]], classes=[0, 1, 2])
    np.testing.assert_array_equal(weighted.coefs_[0], by_hand.coefs_[0])


def test_a_batch_may_lack_a_label_that_has_a_weight():
    labels = np.column_stack([np.ones(120), Y == 1]).astype(int)
    weighted = make(class_weight=[{0: 2.0, 1: 3.0}, {1: 5.0}]).partial_fit(X, labels, classes=[0, 1])
    by_hand = make().partial_fit(X, labels, 3.0 * np.where(labels[:, 1], 5.0, 1.0), classes=[0, 1])
    np.testing.assert_array_equal(weighted.coefs_[0], by_hand.coefs_[0])


def test_smoothed_labels_make_it_less_certain():
    sure, smoothed = (make(max_iter=200, tol=0, label_smoothing=share).fit(X, Y) for share in (0.0, 0.3))
    assert smoothed.predict_proba(X).max() < sure.predict_proba(X).max() - 0.05


def test_repeats_are_averaged():
    fitted = make(max_iter=5, n_repeats=3).fit(X, Y)
    alone = [fitted.model_.predict_proba(X), *(repeat.predict_proba(X) for repeat in fitted.repeats_)]
    assert len(alone) == 3
    np.testing.assert_allclose(fitted.predict_proba(X), np.mean(alone, axis=0), rtol=1e-12)
    assert (alone[0] != alone[1]).any()
    np.testing.assert_array_equal(fitted.coefs_[0], make(max_iter=5).fit(X, Y).coefs_[0])
    assert fitted.partial_fit(X, Y).repeats_[1].t_ == 6 * 120
    assert make(n_repeats=2).partial_fit(X, Y, classes=[0, 1, 2]).partial_fit(X, Y).repeats_[0].t_ == 240


@pytest.mark.parametrize(("use", "moment"), [("fit", 2), ("fit", 8), ("partial_fit", 3)])
def test_repeats_are_kept_when_one_of_them_raises(use, moment):
    calls = []

    def fail(net):
        calls.append(net)
        if len(calls) == moment:
            raise OSError("the disk is full")

    network = make(max_iter=3, n_repeats=4, warm_start=True).fit(X, Y)
    repeats = list(network.repeats_)
    with pytest.raises(OSError, match="the disk is full"):
        getattr(network.set_params(callbacks=fail), use)(X, Y)
    assert network.repeats_ == repeats
    assert sum(repeat.model_.n_epochs for repeat in (network, *repeats)) == 4 * 3 + moment


def test_a_first_repeat_that_raises_is_kept_with_what_it_learnt():
    calls = []

    def fail(net):
        calls.append(net)
        if len(calls) == 8:
            raise OSError("the disk is full")

    network = make(max_iter=3, n_repeats=4, callbacks=fail)
    with pytest.raises(OSError, match="the disk is full"):
        network.fit(X, Y)
    assert [repeat.n_iter_ for repeat in network.repeats_] == [3, 2]
    assert network.predict_proba(X).shape == (120, 3)


@pytest.mark.parametrize(("moment", "expected"), [(2, 0), (5, 1)])
def test_an_interrupt_ends_the_repeats_that_come_after(moment, expected):
    calls = []

    def interrupt(net):
        calls.append(net)
        if len(calls) == moment:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="Training interrupted by user."):
        network = make(max_iter=3, n_repeats=4, callbacks=interrupt).fit(X, Y)
    assert len(calls) == moment
    assert len(network.repeats_) == expected
    assert len(network.set_params(callbacks=None).fit(X, Y).repeats_) == 3


def test_fewer_repeats_are_gone_on_with():
    network = make(max_iter=2, n_repeats=4, warm_start=True).fit(X, Y)
    kept = network.repeats_[0]
    assert network.set_params(n_repeats=2).fit(X, Y).repeats_ == [kept]


@pytest.mark.parametrize("loss", ["squared_error", "huber", "poisson"])
def test_every_loss_of_the_regressor_learns(loss):
    y = np.exp(NUMBERS / 4)
    assert regressor(loss=loss, max_iter=200).fit(X, y).score(X, y) > 0.9


# validation


def test_a_validation_set_is_watched_without_stopping_by_it():
    fitted = make(max_iter=8).fit(X[:90], Y[:90], X_val=X[90:], y_val=Y[90:])
    assert len(fitted.validation_scores_) == len(fitted.validation_losses_) == 8
    assert fitted.validation_scores_[-1] == fitted.score(X[90:], Y[90:])
    ref = -np.log(fitted.predict_proba(X[90:])[np.arange(30), Y[90:]]).mean()
    assert fitted.validation_losses_[-1] == pytest.approx(ref)
    assert fitted.best_validation_score_ is None
    assert make(max_iter=2).fit(X, Y).validation_scores_ is None


def test_early_stopping_goes_by_the_given_set_and_holds_nothing_out():
    fitted = make(early_stopping=True).fit(X[:90], Y[:90], X_val=X[90:], y_val=Y[90:])
    assert fitted.t_ == 90 * fitted.n_iter_
    assert fitted.n_iter_ < 200
    assert fitted.score(X[90:], Y[90:]) == fitted.best_validation_score_ == max(fitted.validation_scores_)


def test_the_regressor_takes_a_validation_set():
    numbers = np.column_stack([NUMBERS, -NUMBERS])
    fitted = regressor(max_iter=8).fit(X[:90], numbers[:90], X_val=X[90:], y_val=numbers[90:])
    assert fitted.validation_scores_[-1] == pytest.approx(fitted.score(X[90:], numbers[90:]))
    ref = 0.5 * np.mean((fitted.predict(X[90:]) - numbers[90:]) ** 2)
    assert fitted.validation_losses_[-1] == pytest.approx(ref)


# how it ends


def test_a_callback_sees_every_epoch_and_can_end_training():
    seen = []
    fitted = make(callbacks=[lambda net: seen.append(net.loss_), lambda net: net.n_iter_ == 4]).fit(X, Y)
    assert seen == fitted.loss_curve_
    assert fitted.n_iter_ == 4


@pytest.mark.parametrize("callbacks", [[3], [print, "print"]])
def test_what_cannot_be_called_is_refused_before_training(callbacks):
    network = make(callbacks=callbacks)
    with pytest.raises(FastMLPError, match=f"callbacks: expected functions.*, got {callbacks[-1]!r}"):
        network.fit(X, Y)
    assert not hasattr(network, "model_")


def test_a_callback_that_raises_ends_training_and_what_was_learnt_is_kept():
    def fail(net):
        if net.n_iter_ == 30:
            raise OSError("the disk is full")

    network = make(callbacks=fail)
    with pytest.raises(OSError, match="the disk is full"):
        network.fit(X, Y)
    assert network.score(X, Y) > 0.9
    assert len(network.loss_curve_) == 30
    assert network.set_params(callbacks=None).partial_fit(X, Y).t_ == 31 * 120


def test_a_callback_that_raises_leaves_the_best_weights_with_early_stopping():
    def fail(net):
        if net.n_iter_ == 5:
            net.coefs_[0][:] = 0
            raise KeyError("no")

    network = make(callbacks=fail, early_stopping=True)
    with pytest.raises(KeyError):
        network.fit(X, Y)
    assert (network.coefs_[0] != 0).any()


def test_an_interrupt_warns_and_keeps_what_was_learnt():
    def interrupt(net):
        if net.n_iter_ == 30:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="Training interrupted by user."):
        network = make(callbacks=interrupt).fit(X, Y)
    assert network.score(X, Y) > 0.9


def test_the_warnings_point_at_the_call():
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(2\)") as caught:
        make(max_iter=2).fit(X, Y)
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="It is going to be clipped") as caught:
        regressor(max_iter=100, tol=1.0, batch_size=500).fit(X, NUMBERS)
    assert caught[0].filename == __file__


def test_weights_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="non-finite parameter weights"):
        regressor(solver="sgd", learning_rate_init=1e20).fit(X, NUMBERS)


# what is refused


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"solver": "lbfgs"}, "whole training set at every step"),
        ({"activation": "swish"}, "'activation' parameter"),
        ({"hidden_layer_sizes": (4, 0)}, "must be > 0"),
        ({"schedule": {"schedule": "step", "every": 3}}, "'step_epochs'"),
        ({"schedule": {"step_epochs": 3}}, "expected a name"),
        ({"schedule": {"schedule": "step", "step_epochs": 0}}, "an integer >= 1"),
        ({"n_repeats": 0}, "'n_repeats' parameter"),
        ({"validation_fraction": 0.001, "early_stopping": True}, "validation"),
    ],
)
def test_parameters_that_cannot_be_used_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        make(**parameters).fit(X, Y)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.full(120, -1.0), "weights >= 0"),
        (np.zeros(120), "not all 0|at least one non-zero"),
        (np.ones(119), "inconsistent|119"),
        (np.ones((120, 2)), "1D|shape"),
        (np.full(120, np.nan), "NaN"),
    ],
)
def test_weights_that_cannot_be_used_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        make().fit(X, Y, weights)


def test_a_validation_set_that_does_not_fit_is_refused():
    with pytest.raises(FastMLPError, match=r"labels that training has not: \[7\]"):
        make().fit(X, Y, X_val=X, y_val=np.full(120, 7))
    with pytest.raises(FastMLPError, match="come together"):
        make().fit(X, Y, X_val=X)
    with pytest.raises(ValueError, match="2 features"):
        make().fit(X, Y, X_val=X[:, :2], y_val=Y)
    with pytest.raises(FastMLPError, match="y_val has 2 columns, y 1"):
        regressor().fit(X, NUMBERS, X_val=X, y_val=np.column_stack([NUMBERS, NUMBERS]))
    with pytest.raises(FastMLPError, match="y_val has shape"):
        make().fit(X, Y, X_val=X, y_val=np.column_stack([Y == 0, Y == 1]).astype(int))


def test_negative_counts_are_refused():
    with pytest.raises(FastMLPError, match=r"y holds -.* numbers >= 0"):
        regressor(loss="poisson").fit(X, NUMBERS)
    with pytest.raises(FastMLPError, match=r"y_val holds -.* numbers >= 0"):
        regressor(loss="poisson").fit(X, abs(NUMBERS), X_val=X, y_val=NUMBERS)


def test_a_network_of_another_shape_cannot_be_gone_on_with():
    network = make(max_iter=2, warm_start=True).fit(X, Y)
    with pytest.raises(FastMLPError, match=r"\(3, 8, 3\), and \(3, 4, 3\)"):
        network.set_params(hidden_layer_sizes=4).fit(X, Y)
    with pytest.raises(ValueError, match="same classes"):
        network.set_params(hidden_layer_sizes=8).fit(X, Y + 1)
    with pytest.raises(FastMLPError, match=r"y has shape \(120, 3\); \(n_samples,\) is expected"):
        network.fit(X, np.eye(3, dtype=int)[Y])
    numbers = regressor().partial_fit(X, NUMBERS)
    with pytest.raises(FastMLPError, match="y has 2 columns"):
        numbers.partial_fit(X, np.column_stack([NUMBERS, NUMBERS]))
    assert numbers.predict(X).shape == (120,)


@pytest.mark.parametrize("parameters", [{"early_stopping": True}, {"solver": "lbfgs"}, {"class_weight": "balanced"}])
def test_partial_fit_is_not_there_where_a_batch_is_not_enough(parameters):
    assert not hasattr(make(**parameters), "partial_fit")
    assert hasattr(make(), "partial_fit")


def test_partial_fit_refuses_labels_that_it_was_not_told_of():
    with pytest.raises(ValueError, match="classes not in"):
        make().partial_fit(X, Y, classes=[0, 1])
    with pytest.raises(ValueError, match="classes must be passed"):
        make().partial_fit(X, Y)


@pytest.mark.parametrize("mistake", [(X, None, [0, 1, 2]), (X, Y, [0, 1]), (X[:50], Y, [0, 1, 2])])
def test_a_first_partial_fit_that_failed_leaves_nothing_behind(mistake):
    network, (data, target, classes) = make(), mistake
    with pytest.raises(ValueError, match=r"."):
        network.partial_fit(data, target, classes=classes)
    network.partial_fit(X, Y, classes=[0, 1, 2])
    np.testing.assert_array_equal(network.coefs_[0], make().partial_fit(X, Y, classes=[0, 1, 2]).coefs_[0])


def test_after_a_first_partial_fit_that_failed_it_is_not_fitted():
    network = make()
    with pytest.raises(ValueError, match="classes not in"):
        network.partial_fit(X, Y, classes=[0, 1])
    with pytest.raises(NotFittedError):
        network.predict(X)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.where(np.arange(3) == 1, np.nan, X), "contains NaN"),
        (np.where(np.arange(3) == 1, -np.inf, X), "contains infinity"),
        (X[:, :2], "expecting 3 features"),
        (X[:0], "0 sample"),
        (X[0], "Expected 2D array"),
    ],
)
def test_samples_that_cannot_be_predicted_for_are_refused(samples, message):
    fitted = make(max_iter=2).fit(X, Y)
    with pytest.raises(ValueError, match=message):
        fitted.predict(samples)


@pytest.mark.parametrize(
    "form",
    [
        np.asfortranarray,
        lambda X: X[::-1][::-1],
        lambda X: X.astype(">f8"),
        lambda X: X.tolist(),
        lambda X: X[None, :][0],
    ],
    ids=["columns", "strided", "big-endian", "list", "view"],
)
def test_samples_of_every_form_are_predicted_alike(form):
    fitted = make(max_iter=2).fit(X, Y)
    np.testing.assert_array_equal(fitted.predict_proba(form(X)), fitted.predict_proba(X))


def test_finite_samples_whose_sum_is_not_are_predicted_for():
    assert regressor(max_iter=2).fit(X, NUMBERS).predict(np.full((3, 3), 1e308)).shape == (3,)
