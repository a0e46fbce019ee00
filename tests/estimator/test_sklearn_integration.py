"""The estimators in scikit-learn's pipelines, searches and ensembles; clones, pickles, data frames, sparse samples."""

import copy
import io
import pickle
import subprocess
import sys
import warnings
from itertools import product

import joblib
import numpy as np
import pytest
from scipy import sparse
from sklearn import neural_network
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastmlp import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
RNG = np.random.default_rng(1)
Y = np.arange(150) % 3
X = (Y[:, None] == np.arange(3)) * 2.0 + RNG.standard_normal((150, 3)) * 0.4
NAMES = np.array(["ash", "beech", "cedar"])[Y]

#: Samples with zeros, dense and sparse.
DENSE = np.where(X > 0.5, X, 0.0)
SPARSE = sparse.csr_matrix(DENSE)


def make(**parameters):
    return MLPClassifier(**{"hidden_layer_sizes": (8,), "learning_rate_init": 0.03, "random_state": 0, **parameters})


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_importing_fastmlp_does_not_import_scikit_learn():
    assert run_python("import fastmlp, sys; print({'sklearn', 'joblib'} & set(sys.modules))") == "set()\n"


def test_without_scikit_learn_the_error_names_the_extra():
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "try: from fastmlp import MLPClassifier\n"
        "except ImportError as e: print(e)"
    )
    assert 'pip install "fastmlp[sklearn]"' in run_python(code)


def test_an_unknown_name_is_an_attribute_error():
    import fastmlp

    with pytest.raises(AttributeError, match="has no attribute 'MLPCluster'"):
        fastmlp.MLPCluster  # noqa: B018


def test_a_pipeline_in_a_grid_search_with_two_processes():
    search = GridSearchCV(
        make_pipeline(StandardScaler(), make(max_iter=20)), {"mlpclassifier__alpha": [1e-4, 1e-2]}, n_jobs=2, cv=3
    )
    search.fit(X, NAMES)
    assert search.best_score_ > 0.9
    assert search.predict(X[:3]).tolist() == ["ash", "beech", "cedar"]


def test_cross_validation():
    assert cross_val_score(make(max_iter=40), X, NAMES, cv=3).mean() > 0.9
    regressor = MLPRegressor(hidden_layer_sizes=(8,), learning_rate_init=0.03, max_iter=60, random_state=0)
    assert cross_val_score(regressor, X, X @ [1.0, 2.0, 3.0], cv=3).mean() > 0.9


@pytest.mark.parametrize(
    "ensemble",
    [
        CalibratedClassifierCV(make(max_iter=30), cv=3),
        VotingClassifier([("net", make(max_iter=30)), ("bayes", GaussianNB())], voting="soft"),
        BaggingClassifier(make(max_iter=30), n_estimators=3, random_state=0),
    ],
    ids=lambda ensemble: type(ensemble).__name__,
)
def test_ensembles(ensemble):
    fitted = ensemble.fit(X, NAMES)
    assert fitted.score(X, NAMES) > 0.9
    np.testing.assert_allclose(fitted.predict_proba(X).sum(axis=1), 1, rtol=1e-6)


def test_a_clone_has_the_parameters_and_is_not_fitted():
    fitted = make(max_iter=5, schedule={"schedule": "step", "step_epochs": 2}).fit(X, Y)
    copied = clone(fitted)
    assert copied.get_params() == fitted.get_params()
    assert not hasattr(copied, "coefs_")


def joblib_copy(estimator):
    file = io.BytesIO()
    joblib.dump(estimator, file)
    file.seek(0)
    return joblib.load(file)


@pytest.mark.parametrize("make_copy", [lambda it: pickle.loads(pickle.dumps(it)), joblib_copy, copy.deepcopy])
@pytest.mark.parametrize("n_repeats", [1, 2])
def test_a_saved_and_loaded_estimator_predicts_and_learns_the_same(make_copy, n_repeats):
    fitted = make(max_iter=5, n_repeats=n_repeats).fit(X, NAMES)
    copied = make_copy(fitted)
    np.testing.assert_array_equal(copied.predict_proba(X), fitted.predict_proba(X))
    for estimator in (copied, fitted):
        estimator.partial_fit(X, NAMES)
    np.testing.assert_array_equal(copied.predict_proba(X), fitted.predict_proba(X))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_data_frame_gives_the_feature_names(library):
    library = pytest.importorskip(library)
    frame = library.DataFrame({name: X[:, index] for index, name in enumerate("abc")})
    fitted = make(max_iter=40).fit(frame, library.Series(NAMES))
    assert fitted.feature_names_in_.tolist() == ["a", "b", "c"]
    assert fitted.score(frame, library.Series(NAMES)) > 0.9
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict(frame[["b", "a", "c"]])


@pytest.mark.parametrize("convert", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array])
def test_sparse_samples_give_the_same_bits_as_dense_ones(convert):
    options = {"max_iter": 5, "batch_size": 10, "dropout": 0.2}
    X_dense = np.where(X > 0.5, X, 0.0)
    X_sparse = convert(X_dense)
    ref, got = make(**options).fit(X_dense, NAMES), make(**options).fit(X_sparse, NAMES)
    np.testing.assert_array_equal(got.coefs_[0], ref.coefs_[0])
    np.testing.assert_array_equal(got.predict_proba(X_sparse), ref.predict_proba(X_dense))
    assert make(max_iter=30, early_stopping=True).fit(X_sparse, NAMES).score(X_sparse, NAMES) > 0.8


OPTIONS = [{}, {"n_repeats": 2}, {"hidden_layer_sizes": (20, 9)}, {"early_stopping": True}]


@pytest.mark.parametrize(
    ("solver", "options"),
    [*product(["sgd", "adam"], OPTIONS), *product(["lbfgs"], OPTIONS[:3])],  # which has no early stopping
)
def test_the_solvers_give_the_same_bits_on_sparse_samples(solver, options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        ref, got = (make(solver=solver, max_iter=4, **options).fit(samples, NAMES) for samples in (DENSE, SPARSE))
    for one, other in zip((*got.coefs_, *got.intercepts_), (*ref.coefs_, *ref.intercepts_), strict=True):
        np.testing.assert_array_equal(one, other)
    assert got.loss_ == ref.loss_


@pytest.mark.parametrize("first", [DENSE, SPARSE])
@pytest.mark.parametrize("then", [DENSE, SPARSE])
def test_partial_fit_takes_dense_and_sparse_samples_in_turn(first, then):
    ref = make(shuffle=False).partial_fit(DENSE, NAMES, classes=np.unique(NAMES)).partial_fit(DENSE, NAMES)
    got = make(shuffle=False).partial_fit(first, NAMES, classes=np.unique(NAMES)).partial_fit(then, NAMES)
    np.testing.assert_array_equal(got.coefs_[0], ref.coefs_[0])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(got)).predict_proba(SPARSE), ref.predict_proba(DENSE))


def test_a_warm_start_on_sparse_samples_keeps_the_best_weights_of_dense_ones():
    def fit_twice(*samples):
        network = make(warm_start=True, early_stopping=True, max_iter=6, n_iter_no_change=50)
        for part in samples:
            network.fit(part, NAMES)
        return network

    ref, got = fit_twice(DENSE, DENSE), fit_twice(DENSE, SPARSE)
    np.testing.assert_array_equal(got.coefs_[0], ref.coefs_[0])
    assert got.best_validation_score_ == ref.best_validation_score_


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "lil", "dok", "bsr", "dia"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_sparse_samples_of_any_format_are_predicted_as_dense_ones(kind, dtype):
    fitted, samples = make(max_iter=3).fit(SPARSE, NAMES), (4 * SPARSE).astype(dtype)
    ref = fitted.predict_proba(samples.toarray())
    np.testing.assert_array_equal(fitted.predict_proba(samples.asformat(kind)), ref)
    np.testing.assert_array_equal(fitted.predict_proba(samples[7]), ref[7:8])


def test_unsorted_indices_and_duplicates_are_no_other_samples():
    fitted, indices = make(max_iter=3).fit(SPARSE, NAMES), np.array([2, 0, 2])
    given = sparse.csr_matrix((np.array([1.0, 2.0, 0.5]), indices, np.array([0, 3])), (1, 3))
    np.testing.assert_array_equal(fitted.predict_proba(given), fitted.predict_proba([[2.0, 0.0, 1.5]]))
    assert given.indices.tolist() == [2, 0, 2]
    trained = [
        make(max_iter=2).fit(samples, NAMES) for samples in (SPARSE, sparse.csr_matrix(SPARSE[:, ::-1])[:, ::-1])
    ]
    np.testing.assert_array_equal(trained[0].coefs_[0], trained[1].coefs_[0])


@pytest.mark.parametrize(("name", "value"), [("indices", 7), ("indices", -1), ("indptr", 9)])
def test_a_sparse_matrix_whose_indices_were_edited_is_refused(name, value):
    fitted, sample = make(max_iter=2).fit(SPARSE, NAMES), sparse.csr_matrix([[1.0, 0.0, 2.0]])
    getattr(sample, name)[-1] = value
    with pytest.raises(ValueError, match="X: expected"):
        fitted.predict(sample)


@pytest.mark.parametrize("library", [MLPClassifier, neural_network.MLPClassifier])
def test_targets_in_a_sparse_column_are_refused_as_scikit_learn_does(library):
    with pytest.raises(TypeError, match="Sparse data was passed for y, but dense data is required"):
        library(max_iter=2).fit(SPARSE, sparse.csr_matrix(Y).T)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_sparse_sample_that_is_not_finite_is_refused_as_scikit_learn_does(value):
    with pytest.raises(ValueError, match="Input X contains"):
        make(max_iter=2).fit(SPARSE, NAMES).predict(sparse.csr_matrix([[0.0, value, 1.0]]))


def test_sparse_samples_of_another_width_are_refused_as_scikit_learn_does():
    with pytest.raises(ValueError, match="X has 2 features, but MLPClassifier is expecting 3"):
        make(max_iter=2).fit(SPARSE, NAMES).predict(sparse.csr_matrix([[1.0, 0.0]]))
