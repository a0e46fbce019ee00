"""The common part of the estimators: precision, weights, repeats, validation sets, and checks."""

import pickle
import threading

import numpy as np
import pytest

from fastmlp import FastMLPError, parallel
from fastmlp.errors import ConfigError
from fastmlp.model.model import Model
from fastmlp.training import trainer

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")


# precision and weights


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_of_the_samples_is_the_precision_of_the_network(make_classifier, make_regressor, X, y, values, dtype):
    fitted = make_classifier(max_iter=3).fit(X.astype(dtype), y)
    assert {array.dtype for array in (*fitted.coefs_, *fitted.intercepts_)} == {np.dtype(dtype)}
    assert fitted.predict_proba(X).dtype == dtype
    assert make_regressor(max_iter=3).fit(X.astype(dtype), values).predict(X).dtype == dtype


def test_a_network_in_float32_stays_in_float32(make_classifier, X, y):
    fitted = make_classifier().partial_fit(X.astype(np.float32), y, classes=[0, 1, 2]).partial_fit(X, y)
    assert fitted.coefs_[0].dtype == np.float32


def test_the_same_random_state_gives_the_same_bits(make_classifier, X, y):
    first, second, other = (make_classifier(max_iter=5, random_state=seed).fit(X, y) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.coefs_[0], second.coefs_[0])
    assert (first.coefs_[0] != other.coefs_[0]).any()


def test_assigned_weights_change_the_predictions(make_classifier, X, y):
    fitted = make_classifier(max_iter=5).fit(X, y)
    other = make_classifier(max_iter=5, random_state=9).fit(X, y)
    fitted.coefs_ = [W.copy() for W in other.coefs_]
    for layer, b in enumerate(other.intercepts_):
        fitted.intercepts_[layer] = b
    np.testing.assert_array_equal(fitted.predict_proba(X), other.predict_proba(X))
    fitted.coefs_[0][:] = 0
    assert (fitted.coefs_[0] == 0).all()
    assert isinstance(pickle.loads(pickle.dumps(fitted.coefs_)), list)
    with pytest.raises(FastMLPError, match=r"weights\[0\]: expected an array of shape \(3, 8\)"):
        fitted.coefs_[0] = np.zeros((2, 2))


def test_predictions_after_fit_need_no_comparison_of_the_weights(make_classifier, X, y):
    fitted = make_classifier(max_iter=2, warm_start=True)
    for _ in range(2):
        writes = fitted.fit(X, y).model_.params.writes
        assert not writes.has_views
        assert writes.latest_end is None
        before = fitted.predict_proba(X)
        fitted.coefs_[0][:] = 0
        assert (fitted.predict_proba(X) != before).any()


# repeats


def test_repeats_are_averaged(make_classifier, X, y):
    fitted = make_classifier(max_iter=5, n_repeats=3).fit(X, y)
    single = [fitted.model_.predict_proba(X), *(repeat.predict_proba(X) for repeat in fitted.repeats_)]
    assert len(single) == 3
    np.testing.assert_allclose(fitted.predict_proba(X), np.mean(single, axis=0), rtol=1e-12)
    assert (single[0] != single[1]).any()
    np.testing.assert_array_equal(fitted.coefs_[0], make_classifier(max_iter=5).fit(X, y).coefs_[0])
    assert fitted.partial_fit(X, y).repeats_[1].t_ == 6 * 120
    two = make_classifier(n_repeats=2).partial_fit(X, y, classes=[0, 1, 2]).partial_fit(X, y)
    assert two.repeats_[0].t_ == 240


@pytest.mark.parametrize(("method", "failing_call"), [("fit", 2), ("fit", 8), ("partial_fit", 3)])
def test_existing_repeats_are_kept_if_one_of_them_raises(make_classifier, X, y, method, failing_call):
    calls = []

    def fail(net):
        calls.append(net)
        if len(calls) == failing_call:
            raise OSError("the disk is full")

    network = make_classifier(max_iter=3, n_repeats=4, warm_start=True).fit(X, y)
    repeats = list(network.repeats_)
    with pytest.raises(OSError, match="the disk is full"):
        getattr(network.set_params(callbacks=fail), method)(X, y)
    assert network.repeats_ == repeats
    assert sum(repeat.model_.n_epochs for repeat in (network, *repeats)) == 4 * 3 + failing_call


def test_a_new_repeat_that_raises_keeps_its_weights(make_classifier, X, y):
    calls = []

    def fail(net):
        calls.append(net)
        if len(calls) == 8:
            raise OSError("the disk is full")

    network = make_classifier(max_iter=3, n_repeats=4, callbacks=fail)
    with pytest.raises(OSError, match="the disk is full"):
        network.fit(X, y)
    assert [repeat.n_iter_ for repeat in network.repeats_] == [3, 2]
    assert network.predict_proba(X).shape == (120, 3)


@pytest.mark.parametrize(("interrupted_call", "n_repeats"), [(2, 0), (5, 1)])
def test_after_an_interrupt_no_further_repeat_is_trained(make_classifier, X, y, interrupted_call, n_repeats):
    calls = []

    def interrupt(net):
        calls.append(net)
        if len(calls) == interrupted_call:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="Training interrupted by user."):
        network = make_classifier(max_iter=3, n_repeats=4, callbacks=interrupt).fit(X, y)
    assert len(calls) == interrupted_call
    assert len(network.repeats_) == n_repeats
    assert len(network.set_params(callbacks=None).fit(X, y).repeats_) == 3


def test_a_smaller_n_repeats_drops_the_last_repeats(make_classifier, X, y):
    network = make_classifier(max_iter=2, n_repeats=4, warm_start=True).fit(X, y)
    first = network.repeats_[0]
    assert network.set_params(n_repeats=2).fit(X, y).repeats_ == [first]


# validation sets


def test_a_validation_set_is_evaluated_without_stopping_training(make_classifier, X, y):
    fitted = make_classifier(max_iter=8).fit(X[:90], y[:90], X_val=X[90:], y_val=y[90:])
    assert len(fitted.validation_scores_) == len(fitted.validation_losses_) == 8
    assert fitted.validation_scores_[-1] == fitted.score(X[90:], y[90:])
    ref = -np.log(fitted.predict_proba(X[90:])[np.arange(30), y[90:]]).mean()
    assert fitted.validation_losses_[-1] == pytest.approx(ref)
    assert fitted.best_validation_score_ is None
    assert make_classifier(max_iter=2).fit(X, y).validation_scores_ is None


def test_early_stopping_with_a_validation_set_holds_out_no_samples(make_classifier, X, y):
    fitted = make_classifier(early_stopping=True).fit(X[:90], y[:90], X_val=X[90:], y_val=y[90:])
    assert fitted.t_ == 90 * fitted.n_iter_
    assert fitted.n_iter_ < 200
    assert fitted.score(X[90:], y[90:]) == fitted.best_validation_score_ == max(fitted.validation_scores_)


def test_an_incomplete_or_incompatible_validation_set_is_refused(make_classifier, X, y):
    with pytest.raises(FastMLPError, match="expected both X_val and y_val, got only X_val"):
        make_classifier().fit(X, y, X_val=X)
    with pytest.raises(ValueError, match="2 features"):
        make_classifier().fit(X, y, X_val=X[:, :2], y_val=y)


# checks


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
def test_invalid_sample_weights_are_refused(make_classifier, X, y, weights, message):
    with pytest.raises(ValueError, match=message):
        make_classifier().fit(X, y, weights)


@pytest.mark.parametrize("size", [5e-324, 1e-308, 1e-300, 1e300])
def test_only_the_ratios_of_the_sample_weights_count(make_classifier, X, y, size):
    weights = 1.0 + np.arange(120) % 3
    got, ref = (make_classifier(max_iter=3, alpha=0.0).fit(X, y, given) for given in (size * weights, weights))
    np.testing.assert_allclose(got.loss_curve_, ref.loss_curve_, rtol=1e-12)


@pytest.mark.parametrize("size", [5e-324, 1e-300, 1e305])
def test_only_the_ratios_of_the_weights_of_held_out_samples_count(make_regressor, X, values, size):
    weights = 1.0 + np.arange(120) % 3
    got, ref = (
        make_regressor(max_iter=3, alpha=0.0, early_stopping=True).fit(X, 1e5 * values, given)
        for given in (size * weights, weights)
    )
    np.testing.assert_allclose(got.validation_losses_, ref.validation_losses_, rtol=1e-12)
    np.testing.assert_allclose(got.validation_scores_, ref.validation_scores_, rtol=1e-12)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (5e-324, r"weight_train \(sample_weight\): expected a sum per batch .* 0\.0001 \(alpha\) can be divided"),
        (
            1e-300,
            r"weight_train \(sample_weight\): expected a sum per batch .*, got 1\.2e-298 on average; multiply all",
        ),
        (1e-30, r"alpha divided by the sum of a batch's sample weights is 8\.33e\+23: multiply them by a constant"),
    ],
)
def test_weights_that_make_alpha_too_large_are_named(make_classifier, X, y, size, message):
    with pytest.raises(ValueError, match=message):
        make_classifier(max_iter=50, solver="sgd").fit(X, y, np.full(120, size))


def test_other_layer_sizes_than_those_of_the_fitted_network_are_refused(make_classifier, X, y):
    network = make_classifier(max_iter=2, warm_start=True).fit(X, y)
    message = r"expected those of the fitted network, \(3, 8, 3\), got \(3, 4, 3\); set warm_start=False"
    with pytest.raises(FastMLPError, match=message):
        network.set_params(hidden_layer_sizes=4).fit(X, y)


@pytest.mark.parametrize("parameters", [{"solver": "lbfgs"}, {"class_weight": "balanced"}])
def test_partial_fit_is_missing_if_it_cannot_work_on_batches(make_classifier, parameters):
    assert not hasattr(make_classifier(**parameters), "partial_fit")
    assert hasattr(make_classifier(), "partial_fit")


def test_partial_fit_refuses_early_stopping_as_scikit_learn_does(make_classifier, make_regressor, X, y):
    for make in (make_classifier, make_regressor):
        network = make(early_stopping=True, max_iter=2).fit(X, y)
        with pytest.raises(ValueError, match=r"^partial_fit does not support early_stopping=True$"):
            network.partial_fit(X, y)


def test_weights_that_are_not_finite_are_refused(make_regressor, X, values):
    with pytest.raises(ValueError, match="non-finite parameter weights"):
        make_regressor(solver="sgd", learning_rate_init=1e20).fit(X, values)


def test_a_batch_size_larger_than_the_training_set_warns_at_the_line_of_the_call(make_regressor, X, values):
    with pytest.warns(UserWarning, match="It is going to be clipped") as caught:
        make_regressor(max_iter=100, tol=1.0, batch_size=500).fit(X, values)
    assert caught[0].filename == __file__


# threads


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_the_number_of_threads_changes_no_bit(n_threads, make_classifier, make_regressor, X, y, values):
    for make, targets in ((make_classifier, y), (make_regressor, values)):
        ref, got = (make(max_iter=5, n_threads=n, n_repeats=2).fit(X, targets) for n in ("auto", n_threads))
        np.testing.assert_array_equal(got.coefs_[0], ref.coefs_[0])
        np.testing.assert_array_equal(got.predict(X), ref.predict(X))


@pytest.mark.parametrize("n_threads", [0, 1.5, "2", None])
def test_an_invalid_number_of_threads_is_refused(n_threads, make_classifier, X, y):
    with pytest.raises(ValueError, match="n_threads"):
        make_classifier(n_threads=n_threads).fit(X, y)


@pytest.mark.parametrize("n_threads", [0, 1.5, "2", None])
def test_an_invalid_number_of_threads_that_is_set_after_the_fit_is_refused(n_threads, make_classifier, X, y):
    classifier = make_classifier(max_iter=1).fit(X, y).set_params(n_threads=n_threads)
    with pytest.raises(ConfigError, match=r"^n_threads: expected"):
        classifier.predict(X)


@pytest.mark.parametrize("n_threads", [np.int64(2), True])
def test_the_integers_of_a_fit_are_those_of_a_prediction(n_threads, make_classifier, X, y):
    ref = make_classifier(max_iter=1).fit(X, y)
    np.testing.assert_array_equal(make_classifier(max_iter=1, n_threads=n_threads).fit(X, y).predict(X), ref.predict(X))


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_training_validation_and_predictions_have_the_number_of_threads(method, make_regressor, X, values, monkeypatch):
    given, make, forward = [], trainer.Trainer, Model.forward_validated

    def make_trainer(model, X, y, weights, n_threads, evaluated):
        given.append(("trainer", n_threads))
        return make(model, X, y, weights, n_threads, evaluated)

    def forward_validated(model, X, y=None, n_threads="auto"):
        given.append(("forward", n_threads))
        return forward(model, X, y, n_threads)

    monkeypatch.setattr(trainer, "Trainer", make_trainer)
    monkeypatch.setattr(Model, "forward_validated", forward_validated)
    options = {"X_val": X, "y_val": values} if method == "fit" else {}
    regressor = make_regressor(max_iter=1, n_threads=2, n_repeats=2)
    regressor = getattr(regressor, method)(X, values, **options)
    regressor.predict(X)
    assert {n for _, n in given} == {2}
    assert [name for name, _ in given].count("trainer") == 2
    assert [name for name, _ in given].count("forward") == (4 if method == "fit" else 2)


def test_a_fit_uses_one_core_at_least(make_classifier, X, y):
    in_use = []
    make_classifier(max_iter=1, callbacks=lambda _: in_use.append(parallel._cores.in_use.copy())).fit(X, y)
    assert in_use == [{threading.get_ident(): 1}]
    assert parallel._cores.in_use == {}
