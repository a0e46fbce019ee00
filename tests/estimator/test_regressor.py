"""`MLPRegressor`: losses, several outputs, and the checks of target values."""

import numpy as np
import pytest
from sklearn.metrics import r2_score

from fastmlp import FastMLPError
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
