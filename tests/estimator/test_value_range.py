"""Numbers beyond the range of float32: the errors of `fastmlp.train`, in every method of the estimators."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from fastmlp import FastMLPError

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")

BEYOND_FLOAT32 = r"^X: got values up to 1e\+39, beyond float32's range; train in float64, or scale the data$"


def huge_samples(X):
    return np.r_[X[:5], np.full((1, 3), -1e39)]


@pytest.mark.parametrize("make", [np.asarray, csr_array])
@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba"])
def test_predicting_samples_beyond_float32_is_refused(make_classifier, X, y, method, make):
    single = make_classifier(max_iter=2).fit(X.astype(np.float32), y)
    with pytest.raises(FastMLPError, match=BEYOND_FLOAT32):
        getattr(single, method)(make(huge_samples(X)))
    double = make_classifier(max_iter=2).fit(X, y)
    assert np.isfinite(getattr(double, method)(make(huge_samples(X / 1e3)))[:5]).all()


def test_scoring_samples_beyond_float32_is_refused(make_classifier, make_regressor, X, y, values):
    for network, target in ((make_classifier(max_iter=2), y), (make_regressor(max_iter=2), values)):
        network.fit(X.astype(np.float32), target)
        with pytest.raises(FastMLPError, match=BEYOND_FLOAT32):
            network.score(huge_samples(X), target[:6])
        with pytest.raises(FastMLPError, match=BEYOND_FLOAT32):
            network.partial_fit(huge_samples(X), target[:6])
        with pytest.raises(FastMLPError, match=BEYOND_FLOAT32.replace("X:", "X_val:")):
            network.fit(X.astype(np.float32), target, X_val=huge_samples(X), y_val=target[:6])


def test_training_targets_beyond_float32_are_refused(make_regressor, X, values):
    single, huge = X.astype(np.float32), 1e39 * values
    message = r"got \d\.?\d*e\+39, beyond float32's range; train in float64, or scale"
    with pytest.raises(FastMLPError, match=rf"^y: {message} y$"):
        make_regressor().fit(single, huge)
    with pytest.raises(FastMLPError, match=rf"^y: {message} y$"):
        make_regressor(max_iter=2).fit(single, values).partial_fit(single, huge)
    with pytest.raises(FastMLPError, match=rf"^y_val: {message} y_val$"):
        make_regressor().fit(single, values, X_val=single, y_val=huge)
    assert not hasattr(make_regressor(), "model_")
    assert np.isfinite(make_regressor(loss="huber", max_iter=2).fit(X, huge).loss_)


def test_a_refused_fit_leaves_the_estimator_as_it_was(make_regressor, X, values):
    network = make_regressor(max_iter=2).fit(X.astype(np.float32), values)
    ref = network.predict(X)
    with pytest.raises(FastMLPError, match="beyond float32"):
        network.fit(X.astype(np.float32), 1e39 * values)
    np.testing.assert_array_equal(network.predict(X), ref)


@pytest.mark.parametrize("make", [np.asarray, csr_array])
def test_outputs_that_overflow_on_samples_within_float32_give_a_warning(make_classifier, X, y, make):
    network = make_classifier(max_iter=2).fit(X.astype(np.float32), y)
    samples = make(np.r_[X[:5], np.full((1, 3), 3e38)].astype(np.float32))
    message = r"^X: the outputs for row 5 \(counted from 0\) are not finite: its values, up to 3e\+38, are too large"
    for predict in (network.predict, network.predict_proba):
        with pytest.warns(UserWarning, match=message) as caught:
            predict(samples)
        assert caught[0].filename == __file__
    if make is np.asarray:
        with pytest.warns(UserWarning, match=message) as caught:
            network.model_.predict(samples)
        assert caught[0].filename == __file__
