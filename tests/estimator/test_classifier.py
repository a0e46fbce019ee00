"""`MLPClassifier`: encoding of labels, probabilities, and the checks of labels and samples."""

import numpy as np
import pytest
from scipy.sparse import csr_array, csr_matrix, issparse
from sklearn.exceptions import NotFittedError

import fastmlp
from fastmlp import FastMLPError

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")


# labels


@pytest.mark.parametrize("labels", [["ash", "beech", "cedar"], [-1, 5, 7], [0.0, 1.0, 4.0]], ids=lambda it: str(it[0]))
@pytest.mark.parametrize("n_classes", [2, 3])
def test_labels_of_any_type_are_predicted(make_classifier, X, y, labels, n_classes):
    y = np.array(labels)[y % n_classes]
    fitted = make_classifier(max_iter=60).fit(X, y)
    predicted = fitted.predict(X)
    assert predicted.dtype == y.dtype
    assert set(predicted) <= set(labels)
    assert fitted.predict_proba(X).shape == (120, n_classes)
    np.testing.assert_allclose(np.exp(fitted.predict_log_proba(X)), fitted.predict_proba(X))


def test_strings_of_dtype_object_are_labels(make_classifier, X, y):
    y = np.array(["ash", "beech", "cedar"], dtype=object)[y]
    assert make_classifier(max_iter=40).fit(X, y).score(X, y) > 0.9


@pytest.mark.parametrize("labels", [["ash", "beech", "cedar"], np.array(["ash", "beech", "cedar"], dtype=object)])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_string_labels_are_the_class_names_of_the_network(make_classifier, X, y, labels, n_classes, tmp_path):
    y = np.array(labels)[y % n_classes]
    network = make_classifier(max_iter=2).fit(X, y).model_
    assert network.class_names == ("ash", "beech", "cedar")[:n_classes]
    assert all(type(name) is str for name in network.class_names)
    network.save(tmp_path / "model.npz")
    assert fastmlp.load_model(tmp_path / "model.npz").class_names == network.class_names
    assert set(network.to_sklearn().predict(X)) <= set(y)


def test_other_labels_give_no_class_names(make_classifier, X, y):
    assert make_classifier(max_iter=2).fit(X, y + 5).model_.class_names is None
    assert make_classifier(max_iter=2).fit(X, np.eye(3, dtype=int)[y]).model_.class_names is None
    assert make_classifier(max_iter=2).fit(X, np.full(120, "ash")).model_.class_names is None


def test_multilabel_targets_are_learnt(make_classifier, X, y):
    labels = np.column_stack([y == 0, y != 1, y == 2]).astype(int)
    fitted = make_classifier(max_iter=80).fit(X, labels)
    assert fitted.out_activation_ == "logistic"
    assert fitted.predict(X).shape == (120, 3)
    assert fitted.score(X, labels) > 0.9


def test_sparse_multilabel_targets_give_sparse_predictions(make_classifier, X, y):
    Y = np.column_stack([y == 0, y != 1]).astype(int)
    network = make_classifier(max_iter=5, early_stopping=True)
    ref = network.fit(X, Y, X_val=X, y_val=Y).predict(X)
    got = network.fit(X, csr_array(Y), X_val=X, y_val=csr_array(Y)).predict(X)
    assert type(got) is csr_matrix  # as scikit-learn's
    np.testing.assert_array_equal(got.toarray(), ref)
    assert network.score(X, csr_array(Y)) == network.score(X, Y)
    assert isinstance(network.fit(X, Y).predict(X), np.ndarray)


def test_the_first_partial_fit_decides_whether_predictions_are_sparse(make_classifier, X, y):
    Y = np.column_stack([y == 0, y != 1]).astype(int)
    network = make_classifier().partial_fit(X, csr_array(Y), classes=[0, 1]).partial_fit(X, Y)
    assert issparse(network.predict(X))


def test_a_single_class_has_probability_one(make_classifier, X):
    fitted = make_classifier(max_iter=2).fit(X, np.full(120, "ash"))
    assert set(fitted.predict(X)) == {"ash"}
    np.testing.assert_array_equal(fitted.predict_proba(X), np.ones((120, 1)))


def test_label_smoothing_lowers_the_largest_probability(make_classifier, X, y):
    plain, smoothed = (make_classifier(max_iter=200, tol=0, label_smoothing=share).fit(X, y) for share in (0.0, 0.3))
    assert smoothed.predict_proba(X).max() < plain.predict_proba(X).max() - 0.05


def test_labels_of_another_shape_than_in_training_are_refused(make_classifier, X, y):
    network = make_classifier(max_iter=2, warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="same classes"):
        network.fit(X, y + 1)
    with pytest.raises(FastMLPError, match=r"^y: expected shape \(n_samples,\) as in training, got \(120, 3\)"):
        network.fit(X, np.eye(3, dtype=int)[y])


def test_labels_of_a_validation_set_must_occur_in_training(make_classifier, X, y):
    with pytest.raises(FastMLPError, match=r"^y_val: expected labels that occur in y, \[0 1 2\], got \[7\]"):
        make_classifier().fit(X, y, X_val=X, y_val=np.full(120, 7))
    with pytest.raises(FastMLPError, match=r"^y_val: expected shape"):
        make_classifier().fit(X, y, X_val=X, y_val=np.column_stack([y == 0, y == 1]).astype(int))


# partial_fit


def test_partial_fit_refuses_unknown_labels(make_classifier, X, y):
    with pytest.raises(ValueError, match="classes not in"):
        make_classifier().partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match="classes must be passed"):
        make_classifier().partial_fit(X, y)
    network = make_classifier().partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match=r"'y' has \[3 4 5\]\. Give .* first call of a new estimator: partial_fit\("):
        network.partial_fit(X, y + 3)


def test_a_warm_start_with_other_classes_is_refused(make_classifier, X, y):
    network = make_classifier(max_iter=1, warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match=r"got \[0 1 2\], `y` has \[3 4 5\]\. Set warm_start=False"):
        network.fit(X, y + 3)


@pytest.mark.parametrize(
    ("n_samples", "has_targets", "classes"), [(120, False, [0, 1, 2]), (120, True, [0, 1]), (50, True, [0, 1, 2])]
)
def test_a_first_partial_fit_that_fails_has_no_effect(make_classifier, X, y, n_samples, has_targets, classes):
    network = make_classifier()
    with pytest.raises(ValueError, match=r"."):
        network.partial_fit(X[:n_samples], y if has_targets else None, classes=classes)
    network.partial_fit(X, y, classes=[0, 1, 2])
    ref = make_classifier().partial_fit(X, y, classes=[0, 1, 2])
    np.testing.assert_array_equal(network.coefs_[0], ref.coefs_[0])


def test_an_estimator_is_not_fitted_after_a_first_partial_fit_that_failed(make_classifier, X, y):
    network = make_classifier()
    with pytest.raises(ValueError, match="classes not in"):
        network.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(NotFittedError):
        network.predict(X)


# samples to predict


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X: np.where(np.arange(3) == 1, np.nan, X), "contains NaN"),
        (lambda X: np.where(np.arange(3) == 1, -np.inf, X), "contains infinity"),
        (lambda X: X[:, :2], "expecting 3 features"),
        (lambda X: X[:0], "0 sample"),
        (lambda X: X[0], "Expected 2D array"),
    ],
)
def test_invalid_samples_are_refused(make_classifier, X, y, change, message):
    fitted = make_classifier(max_iter=2).fit(X, y)
    with pytest.raises(ValueError, match=message):
        fitted.predict(change(X))


@pytest.mark.parametrize(
    "convert",
    [
        np.asfortranarray,
        lambda X: X[::-1][::-1],
        lambda X: X.astype(">f8"),
        lambda X: X.tolist(),
        lambda X: X[None, :][0],
    ],
    ids=["columns", "strided", "big-endian", "list", "view"],
)
def test_the_memory_layout_of_samples_does_not_matter(make_classifier, X, y, convert):
    fitted = make_classifier(max_iter=2).fit(X, y)
    np.testing.assert_array_equal(fitted.predict_proba(convert(X)), fitted.predict_proba(X))
