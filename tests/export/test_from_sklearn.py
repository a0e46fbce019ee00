import numpy as np
import pytest

import fastmlp
from fastmlp.errors import DataError, DataTypeError
from fastmlp.export.from_sklearn import LOSS_OF_OUTPUT
from fastmlp.settings import ACTIVATIONS, LOSSES

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SKLEARN_ACTIVATIONS = [record.sklearn for record in ACTIVATIONS.values() if record.sklearn]


def classifier(X, y, hidden=(7, 6), **settings):
    return MLPClassifier(hidden, max_iter=5, learning_rate_init=0.01, random_state=0, **settings).fit(X, y)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", SKLEARN_ACTIVATIONS)
def test_the_model_predicts_what_the_estimator_predicts(activation, dtype, n_classes, make_blobs, networks):
    blobs = make_blobs(n_classes=n_classes, dtype=np.dtype(dtype))
    estimator = classifier(blobs.X_train, blobs.y_train, activation=activation)
    model = fastmlp.from_sklearn(estimator)
    assert (model.config.precision, model.n_classes, model.n_epochs) == (dtype, n_classes, 5)
    got = model.predict_proba(blobs.X_test)
    np.testing.assert_allclose(got, estimator.predict_proba(blobs.X_test), **networks.tolerance(dtype))
    np.testing.assert_array_equal(model.predict(blobs.X_test), estimator.predict(blobs.X_test))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_converting_back_gives_the_same_weights_and_parameters(n_classes, make_blobs):
    blobs = make_blobs(n_classes=n_classes)
    estimator = classifier(blobs.X_train, blobs.y_train, alpha=0.003, beta_1=0.8, shuffle=False, batch_size=30)
    converted = fastmlp.from_sklearn(estimator).to_sklearn()
    for name in ("coefs_", "intercepts_"):
        for got, ref in zip(getattr(converted, name), getattr(estimator, name), strict=True):
            np.testing.assert_array_equal(got, ref)
    assert converted.out_activation_ == estimator.out_activation_
    got, ref = converted.get_params(), estimator.get_params()
    assert got.pop("alpha") == pytest.approx(ref.pop("alpha"), rel=1e-15)
    assert got == ref


@pytest.mark.parametrize("labels", [["käse", "brot", "apfel"], [10, 20, 30], [0, 1, 2]])
def test_classes_are_kept_with_their_type(labels, blobs):
    estimator = classifier(blobs.X_train, np.array(labels)[blobs.y_train])
    model = fastmlp.from_sklearn(estimator)
    np.testing.assert_array_equal(model.classes, estimator.classes_, strict=True)
    np.testing.assert_array_equal(model.predict(blobs.X_test), estimator.predict(blobs.X_test), strict=True)
    assert model.class_names == (tuple(sorted(labels)) if "brot" in labels else None)


def test_training_continues_from_the_estimator(blobs):
    estimator = classifier(blobs.X_train, blobs.y_train)
    model = fastmlp.from_sklearn(estimator)
    run = fastmlp.train(blobs, model.config.replace(n_epochs=2, batch_size=30), model)
    assert run.model.n_epochs == 7


def test_an_estimator_without_hidden_layers_is_converted(blobs):
    assert fastmlp.from_sklearn(classifier(blobs.X_train, blobs.y_train, hidden=())).config.hidden == ()


def test_every_output_activation_has_a_loss_with_that_activation():
    names = {"softmax": "softmax", "logistic": "sigmoid", "identity": "identity", "exp": "exp"}
    assert {output: LOSSES[loss].output for output, loss in LOSS_OF_OUTPUT.items()} == names


def test_a_multilabel_classifier_is_converted(blobs, networks):
    Y = np.eye(3, dtype=int)[blobs.y_train] | (blobs.X_train[:, :3] > 0)
    estimator = classifier(blobs.X_train, Y)
    model = fastmlp.from_sklearn(estimator)
    got, ref = model.predict_proba(blobs.X_test), estimator.predict_proba(blobs.X_test)
    np.testing.assert_allclose(got, ref, **networks.tolerance("float64"))
    assert model.classes is None


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_a_regressor_is_converted(n_outputs, blobs, networks):
    y = blobs.X_train[:, :n_outputs].squeeze()
    estimator = MLPRegressor(hidden_layer_sizes=(7,), max_iter=5, random_state=0).fit(blobs.X_train, y)
    got, ref = fastmlp.from_sklearn(estimator).predict(blobs.X_test), estimator.predict(blobs.X_test)
    np.testing.assert_allclose(got.reshape(ref.shape), ref, **networks.tolerance("float64"))


def test_anything_but_a_fitted_mlp_is_refused(blobs):
    with pytest.raises(
        DataTypeError, match="expected a fitted MLPClassifier or MLPRegressor of scikit-learn, got LogisticRegression"
    ):
        fastmlp.from_sklearn(LogisticRegression())
    for kind in (MLPClassifier, MLPRegressor):
        with pytest.raises(DataError, match=f"expected a fitted one, got {kind.__name__} that is not fitted; call fit"):
            fastmlp.from_sklearn(kind())
    estimator = classifier(blobs.X_train, blobs.y_train)
    estimator.coefs_[0][0, 0] = np.nan
    with pytest.raises(DataError, match=r"weights\[0\]: expected numbers that are finite in float64, got others"):
        fastmlp.from_sklearn(estimator)


def test_from_sklearn_is_part_of_the_public_api():
    from fastmlp.export import from_sklearn

    assert fastmlp.from_sklearn is from_sklearn.from_sklearn


def test_an_estimator_of_one_class_is_refused(blobs):
    estimator = classifier(blobs.X_train, np.full(len(blobs.X_train), "ash"))
    with pytest.raises(
        DataError, match="estimator: expected at least two classes, got MLPClassifier fitted to one class, 'ash'"
    ):
        fastmlp.from_sklearn(estimator)


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_for_fastmlp_estimators_the_error_names_the_attribute_with_the_network(name):
    with pytest.raises(DataTypeError, match=f"got fastmlp's {name}; fit it, and use its attribute model_"):
        fastmlp.from_sklearn(getattr(fastmlp, name)())


def test_one_logistic_output_remains_one_output(make_blobs):
    blobs = make_blobs(n_classes=2)
    model = fastmlp.from_sklearn(classifier(blobs.X_train, blobs.y_train))
    assert (model.n_outputs, model.n_classes, model.config.loss) == (1, 2, "binary_cross_entropy")
