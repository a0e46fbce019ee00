import pickle
from typing import get_args

import numpy as np
import pytest

import fastmlp
from fastmlp.config import Config
from fastmlp.errors import ConfigError
from fastmlp.export.to_sklearn import make_estimator
from fastmlp.settings import ACTIVATIONS, Dtype

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils.validation import check_is_fitted

SKLEARN_ACTIVATIONS = [name for name, record in ACTIVATIONS.items() if record.sklearn]


@pytest.fixture(scope="module")
def trained(blobs):
    return fastmlp.train(blobs, Config(hidden=(7, 6), n_epochs=2, batch_size=8)).model


@pytest.mark.parametrize("n_classes", [2, 3, 5])
@pytest.mark.parametrize("precision", get_args(Dtype))
@pytest.mark.parametrize("activation", SKLEARN_ACTIVATIONS)
def test_the_estimator_predicts_what_the_model_predicts(activation, precision, n_classes, make_blobs, networks):
    blobs = make_blobs(n_classes=n_classes)
    config = Config(hidden=(7, 6), activation=activation, precision=precision, n_epochs=2, learning_rate=0.01)
    model = fastmlp.train(blobs, config).model
    estimator, X = model.to_sklearn(), blobs.X_test
    probs = model.predict_proba(X)
    np.testing.assert_allclose(estimator.predict_proba(X), probs, **networks.tolerance(precision))
    np.testing.assert_array_equal(estimator.predict(X), model.predict(X))
    assert estimator.score(X, blobs.y_test) == model.evaluate(X, blobs.y_test)[1]
    assert all(array.dtype == precision for array in estimator.coefs_ + estimator.intercepts_)


@pytest.mark.parametrize("n_outputs", [1, 2, 3])
@pytest.mark.parametrize("precision", get_args(Dtype))
def test_every_loss_has_an_estimator(precision, n_outputs, networks):
    X = networks.samples()
    for loss in networks.losses[1:]:
        network = networks.make(loss=loss, precision=precision, sizes=(6, 9, 8, n_outputs))
        estimator, ref = make_estimator(network), networks.outputs(network, X)
        if loss == "binary_cross_entropy":
            assert isinstance(estimator, MLPClassifier)
            got = estimator.predict_proba(X)
            got = got[:, 1:] if n_outputs == 1 else got
            np.testing.assert_array_equal(
                estimator.predict(X), np.squeeze(ref > 0.5, 1) if n_outputs == 1 else ref > 0.5
            )
        else:
            assert isinstance(estimator, MLPRegressor)
            got = estimator.predict(X).reshape(ref.shape)
        np.testing.assert_allclose(got, ref, err_msg=loss, **networks.tolerance(precision))


def test_an_activation_that_scikit_learn_lacks_is_refused_with_an_alternative(networks):
    for activation in set(networks.activations) - set(SKLEARN_ACTIVATIONS):
        with pytest.raises(
            ConfigError, match=f"activation: scikit-learn has .*, got '{activation}'; use to_onnx or to_torch"
        ):
            make_estimator(networks.make(activation))


def test_display_names_do_not_become_classes(networks):
    """`predict` of both returns the classes."""
    model, X = networks.make(), networks.samples()
    model.class_names = ("b", "c", "a")
    estimator = model.to_sklearn()
    np.testing.assert_array_equal(estimator.classes_, [0, 1, 2], strict=True)
    np.testing.assert_array_equal(estimator.predict(X), model.predict(X), strict=True)


def test_the_one_output_for_two_classes_is_the_probability_of_the_second(networks):
    network, X = networks.make(loss="binary_cross_entropy", sizes=(6, 4, 1)), networks.samples()
    network.classes = ["a", "b"]
    estimator = make_estimator(network)
    assert estimator.classes_.tolist() == ["a", "b"]
    got, ref = estimator.predict_proba(X)[:, 1], networks.outputs(network, X)[:, 0]
    np.testing.assert_allclose(got, ref, **networks.tolerance("float32"))


def test_the_estimator_has_the_attributes_of_a_fitted_one(trained, blobs):
    estimator = trained.to_sklearn()
    check_is_fitted(estimator)
    estimator.__sklearn_tags__()
    assert (estimator.n_iter_, estimator.n_features_in_, estimator.n_outputs_, estimator.n_layers_) == (2, 5, 3, 4)
    assert repr(estimator).startswith("MLPClassifier(activation='logistic'")
    assert clone(estimator).get_params() == estimator.get_params()
    restored = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(restored.predict(blobs.X_test), estimator.predict(blobs.X_test))


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("precision", get_args(Dtype))
def test_partial_fit_continues_from_the_weights(optimizer, precision, make_blobs):
    blobs = make_blobs(dtype=np.dtype(precision))
    config = Config(hidden=(7,), optimizer=optimizer, learning_rate=0.01, n_epochs=3, precision=precision)
    model = fastmlp.train(blobs, config).model
    estimator = model.to_sklearn()
    before = estimator.loss_curve_, model.evaluate(blobs.X_train, blobs.y_train).loss
    for _ in range(20):
        estimator.partial_fit(blobs.X_train, blobs.y_train)
    assert before[0] is estimator.loss_curve_
    assert before[1] == pytest.approx(estimator.loss_curve_[0], rel=0.2)
    assert estimator.loss_curve_[-1] < before[1]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_warm_start_continues_from_the_weights(trained, blobs):
    estimator = trained.to_sklearn().set_params(warm_start=True, max_iter=1, learning_rate_init=1e-12)
    ref = [W.copy() for W in estimator.coefs_]
    estimator.fit(blobs.X_train.astype(np.float32), blobs.y_train)
    for got, W in zip(estimator.coefs_, ref, strict=True):
        np.testing.assert_allclose(got, W, atol=1e-6)


def test_a_new_fit_discards_the_weights(trained, blobs):
    estimator = trained.to_sklearn().set_params(max_iter=2)
    with pytest.warns(ConvergenceWarning):
        estimator.fit(blobs.X_train, blobs.y_train)
    assert estimator.n_iter_ == 2


def test_a_step_has_the_same_gradient_in_both_libraries(make_blobs):
    """One step of gradient descent with L2, on samples that are not scaled, in one batch."""
    blobs = make_blobs()
    blobs = fastmlp.Dataset(blobs.X_train, blobs.y_train, blobs.X_test, blobs.y_test, scale="none")
    n = len(blobs.X_train)
    config = Config(hidden=(7,), n_epochs=1, batch_size=n, l2=0.01, learning_rate=0.1, precision="float64")
    model = fastmlp.train(blobs, config).model
    estimator = model.to_sklearn().partial_fit(blobs.X_train, blobs.y_train)
    continued = fastmlp.train(blobs, config, model).model
    for got, ref in zip(estimator.coefs_, continued.weights, strict=True):
        np.testing.assert_allclose(got, ref, rtol=1e-11, atol=1e-13)


def test_partial_fit_continues_for_a_regressor(networks):
    network = networks.make(loss="squared_error", precision="float64", sizes=(6, 9, 1), scaled=False)
    estimator, X = make_estimator(network), networks.samples() / 255
    y = estimator.predict(X)
    assert estimator.score(X, y) == 1
    assert estimator.set_params(batch_size=50).partial_fit(X, y).loss_ < 1e-20


def test_the_estimator_shares_no_memory_with_the_model():
    model = fastmlp.init_model(Config(hidden=(4,), precision="float64"), 5, 3)
    before = model.params.theta.copy()
    for array in model.to_sklearn().coefs_:
        array[:] = 0
    np.testing.assert_array_equal(model.params.theta, before)
