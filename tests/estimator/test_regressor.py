"""`MLPRegressor`: losses, several outputs, and the checks of target values."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.metrics import r2_score
from sklearn.preprocessing import FunctionTransformer

import fastmlp
from fastmlp import FastMLPError
from fastmlp.data.target_scaling import fit_target_scaling
from fastmlp.settings import LOSSES

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")


@pytest.mark.parametrize("loss", [name for name, loss in LOSSES.items() if "regression" in loss.tasks])
def test_every_loss_learns(make_regressor, X, values, loss):
    y = np.exp(values / 4)
    assert make_regressor(loss=loss, max_iter=200).fit(X, y).score(X, y) > 0.9


def test_loss_and_score_of_a_validation_set_with_two_outputs(make_regressor, X, values):
    y = np.column_stack([values, -values])
    fitted = make_regressor(max_iter=8).fit(X[:90], y[:90], X_val=X[90:], y_val=y[90:])
    assert fitted.validation_scores_[-1] == pytest.approx(fitted.score(X[90:], y[90:]))
    ref = 0.5 * np.mean((fitted.predict(X[90:]) - y[90:]) ** 2)
    assert fitted.validation_losses_[-1] == pytest.approx(ref)


def test_negative_targets_are_refused_for_the_poisson_loss(make_regressor, X, values):
    with pytest.raises(FastMLPError, match=r"^y: expected counts, numbers >= 0, for the loss 'poisson', got -"):
        make_regressor(loss="poisson").fit(X, values)
    with pytest.raises(FastMLPError, match=r"^y_val: expected counts, numbers >= 0, for the loss 'poisson', got -"):
        make_regressor(loss="poisson").fit(X, abs(values), X_val=X, y_val=values)


def test_another_number_of_outputs_is_refused(make_regressor, X, values):
    two = np.column_stack([values, values])
    with pytest.raises(FastMLPError, match=r"^y_val: expected 1 columns, as many as y has, got 2"):
        make_regressor().fit(X, values, X_val=X, y_val=two)
    fitted = make_regressor().partial_fit(X, values)
    with pytest.raises(FastMLPError, match=r"^y: expected 1 columns, the outputs of the fitted network, got 2"):
        fitted.partial_fit(X, two)
    assert fitted.predict(X).shape == (120,)


def test_finite_samples_with_an_infinite_sum_are_accepted(make_regressor, X, values):
    assert make_regressor(max_iter=2).fit(X, values).predict(np.full((3, 3), 1e308)).shape == (3,)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weights", [None, np.linspace(0.1, 1, 120)])
def test_the_score_is_scikit_learns_and_finite_for_values_of_any_magnitude(make_regressor, X, values, weights, dtype):
    X, y = X.astype(dtype), values.astype(dtype)
    network = make_regressor(max_iter=5).fit(X, y)
    ref = r2_score(y, network.predict(X), sample_weight=weights)
    assert network.score(X, y, weights) == ref
    network.coefs_[1][:] *= 2.0**60
    network.intercepts_[1][:] *= 2.0**60
    huge = y * dtype(2.0**60)
    assert network.score(X, huge, weights) == pytest.approx(ref, rel=1e-4 if dtype == np.float32 else 1e-12)
    assert np.isfinite(network.score(X, values * 1e300, weights))


@pytest.mark.parametrize("size", [1e-200, 1e-30, 1.0, 1e30, 1e300])
def test_the_score_does_not_depend_on_the_magnitude(make_regressor, X, values, size):
    network = make_regressor(max_iter=5).fit(X, values)
    ref = network.score(X, values)
    network.coefs_[1][:] *= size
    network.intercepts_[1][:] *= size
    assert network.score(X, size * values) == pytest.approx(ref, rel=1e-12)


@pytest.mark.parametrize("early_stopping", [True, False])
def test_targets_of_1e154_have_finite_validation_scores(make_regressor, X, values, early_stopping):
    network = make_regressor(loss="huber", early_stopping=early_stopping, max_iter=5)
    network.fit(X, 1e154 * values, X_val=X, y_val=1e154 * values)
    assert np.isfinite(network.validation_scores_).all()


@pytest.mark.parametrize("size", [1.0, 1e200])
def test_values_and_weights_of_another_shape_have_no_score(make_regressor, X, values, size):
    network = make_regressor(max_iter=2).fit(X, values)
    y = size * values
    with pytest.raises(FastMLPError, match=r"^y: expected 1 columns, as many as there are outputs, got 3"):
        network.score(X, np.stack([y] * 3, axis=1))
    for weights in (np.ones((120, 1)), np.ones(119)):
        with pytest.raises(ValueError, match=r"[Ss]ample.weight"):
            network.score(X, y, weights)
    assert network.score(X, y[:, None], np.ones(120)) == pytest.approx(network.score(X, y), rel=1e-12)


def test_a_column_of_small_values_beside_one_of_ordinary_values_has_its_own_score(make_regressor, X, values):
    """Squares of 1e-30 are 0 in float32."""
    X, y = X.astype(np.float32), values.astype(np.float32)
    network = make_regressor(max_iter=2).fit(X, np.stack([y, y], axis=1))
    ref = network.score(X, np.stack([y, y], axis=1))
    network.coefs_[-1][:, 0] *= 1e-30
    network.intercepts_[-1][0] *= 1e-30
    assert network.score(X, np.stack([np.float32(1e-30) * y, y], axis=1)) == pytest.approx(ref, rel=1e-4)


# standardised targets

FITS = {
    "": {},
    "huber": {"loss": "huber", "huber_delta": 4000.0},
    "early stopping": {"early_stopping": True, "n_iter_no_change": 3},
    "alpha and adaptive": {"alpha": 0.1, "solver": "sgd", "learning_rate": "adaptive", "n_iter_no_change": 1},
    "plateau": {"schedule": "plateau", "tol": 0.1},
    "repeats": {"n_repeats": 2},
}


@pytest.fixture(scope="module")
def charges(values):
    return 13000.0 + 5000.0 * values


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("options", FITS.values(), ids=FITS)
def test_standardised_targets_give_the_network_of_a_transformed_target(make_regressor, X, charges, options, dtype):
    factor, offset = fit_target_scaling(charges[:, None])
    got = make_regressor(target_scale="auto", max_iter=30, **options).fit(X.astype(dtype), charges)
    if "huber_delta" in options:
        options = options | {"huber_delta": options["huber_delta"] / factor}
    transformer = FunctionTransformer(lambda y: (y - offset) / factor, lambda y: y * factor + offset)
    ref = TransformedTargetRegressor(
        make_regressor(max_iter=30, **options), transformer=transformer, check_inverse=False
    ).fit(X.astype(dtype), charges)
    network = ref.regressor_
    assert got.n_iter_ == network.n_iter_
    np.testing.assert_array_equal(got.coefs_[0], network.coefs_[0])
    np.testing.assert_array_equal(got.coefs_[1], network.coefs_[1] * dtype(factor))
    folded = network.intercepts_[1].astype(np.float64) * factor + offset
    np.testing.assert_array_equal(got.intercepts_[1], folded.astype(dtype))
    assert got.loss_curve_ == [loss * factor**2 for loss in network.loss_curve_]
    rtol = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(got.predict(X.astype(dtype)), ref.predict(X.astype(dtype)), rtol=rtol)
    if got.early_stopping:
        np.testing.assert_allclose(got.validation_scores_, network.validation_scores_, rtol=rtol)
        losses = np.multiply(network.validation_losses_, factor**2)
        np.testing.assert_allclose(got.validation_losses_, losses, rtol=10 * rtol)


def test_targets_far_from_zero_are_learnt_where_they_are_standardised(make_regressor, X, charges):
    scores = {
        scale: make_regressor(target_scale=scale, max_iter=100).fit(X, charges).score(X, charges)
        for scale in ("auto", "none")
    }
    assert scores["auto"] > 0.95
    assert scores["none"] < 0
    assert fastmlp.MLPRegressor().target_scale == "none"
    assert clone(make_regressor(target_scale="auto")).get_params()["target_scale"] == "auto"


def test_tiny_targets_do_not_stop_at_once(make_regressor, X, values):
    """`tol` is compared with the loss of standardised targets."""
    network = make_regressor(target_scale="auto", max_iter=100).fit(X, 1e-6 * values)
    assert network.score(X, 1e-6 * values) > 0.95


def test_the_first_partial_fit_determines_the_scaling(make_regressor, X, charges):
    network = make_regressor(target_scale="auto")
    factor, offset = fit_target_scaling(charges[:40, None])
    ref = make_regressor()
    for rows in (slice(40), slice(40, 80), slice(80, None)) * 5:
        network.partial_fit(X[rows], charges[rows])
        ref.partial_fit(X[rows], (charges[rows] - offset) / factor)
        assert network.loss_ == pytest.approx(ref.loss_ * factor**2, rel=1e-9)
    np.testing.assert_allclose(network.predict(X), ref.predict(X) * factor + offset, rtol=1e-9)
    network.intercepts_[1][:] += 1024.0
    ref.intercepts_[1][:] += 1024.0 / factor
    network.partial_fit(X, charges)
    ref.partial_fit(X, (charges - offset) / factor)
    np.testing.assert_allclose(network.predict(X), ref.predict(X) * factor + offset, rtol=1e-9)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_warm_start_continues_from_what_the_network_predicts(make_regressor, X, charges, early_stopping):
    options = {"target_scale": "auto", "warm_start": True, "early_stopping": early_stopping, "max_iter": 20}
    network = make_regressor(**options).fit(X, charges)
    factor, offset = network._target_scaling
    before, score = network.predict(X), network.score(X, charges)
    network.set_params(learning_rate_init=1e-30, max_iter=1).fit(X, 2.0 * charges)
    assert network._target_scaling == (factor, offset)
    np.testing.assert_allclose(network.predict(X), before, rtol=1e-9)
    network.set_params(learning_rate_init=0.03, max_iter=30).fit(X, charges)
    assert network.score(X, charges) >= score > 0.9
    if early_stopping:
        assert network.best_validation_score_ == max(network.validation_scores_)
    network.set_params(target_scale="none", learning_rate_init=1e-30, max_iter=1)
    before = network.predict(X)
    np.testing.assert_allclose(network.fit(X, charges).predict(X), before, rtol=1e-9)


def test_callbacks_see_the_network_in_the_unit_of_the_targets(make_regressor, X, charges):
    losses = []

    def measure(network):
        losses.append(0.5 * np.mean((network.predict(X) - charges) ** 2))

    fitted = make_regressor(target_scale="auto", max_iter=5, callbacks=measure).fit(X, charges, X_val=X, y_val=charges)
    np.testing.assert_allclose(fitted.validation_losses_, losses, rtol=1e-12)
    assert fitted.model_.evaluate(X, charges).loss == pytest.approx(losses[-1])


def test_an_interrupted_fit_is_in_the_unit_of_the_targets(make_regressor, X, charges):
    def interrupt(network):
        if network.n_iter_ == 20:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="interrupted"):
        network = make_regressor(target_scale="auto", callbacks=interrupt).fit(X, charges)
    np.testing.assert_array_equal(
        network.predict(X), make_regressor(target_scale="auto", max_iter=20).fit(X, charges).predict(X)
    )


def test_counts_are_not_standardised(make_regressor, X, values):
    y = np.round(np.exp(values / 4))
    got, ref = (make_regressor(loss="poisson", target_scale=scale, max_iter=5).fit(X, y) for scale in ("auto", "none"))
    np.testing.assert_array_equal(got.predict(X), ref.predict(X))


def test_targets_without_weight_have_no_influence_on_the_scaling(make_regressor, X, charges):
    weights = np.arange(120) % 3.0
    masked = np.where(weights == 0, 1e9, charges)
    got, ref = (make_regressor(target_scale="auto", max_iter=5).fit(X, y, weights) for y in (masked, charges))
    np.testing.assert_array_equal(got.predict(X), ref.predict(X))


def test_targets_that_cannot_be_standardised_are_refused(make_regressor, X, values):
    network = make_regressor(target_scale="auto")
    with pytest.raises(FastMLPError, match=r"^y: got targets .* too far for float32 to distinguish them"):
        network.fit(X.astype(np.float32), 1e9 + values)
    assert not hasattr(network, "model_")
    with pytest.raises(
        FastMLPError, match=r"^y_val: got 1e\+35, beyond float32's range once it is divided by .* of y;"
    ):
        network.fit(X.astype(np.float32), 1e-8 * values, X_val=X[:5].astype(np.float32), y_val=np.full(5, 1e35))
    with pytest.raises(ValueError, match="'target_scale' parameter of MLPRegressor must be a str among"):
        make_regressor(target_scale="standard").fit(X, values)
