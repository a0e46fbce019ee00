"""The estimators in scikit-learn's pipelines, searches and ensembles; clones, pickles, data frames, sparse samples."""

import copy
import io
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, VotingClassifier
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
def test_sparse_samples_give_the_same_bits_as_dense_ones(convert, monkeypatch):
    for module in ("training.trainer", "estimator.loop"):
        monkeypatch.setattr(f"fastmlp.{module}.WINDOW_BYTES", 30 * 3 * 8)  # at most 30 samples are dense at a time
    options = {"max_iter": 5, "batch_size": 10, "dropout": 0.2}
    X_dense = np.where(X > 0.5, X, 0.0)
    X_sparse = convert(X_dense)
    ref, got = make(**options).fit(X_dense, NAMES), make(**options).fit(X_sparse, NAMES)
    np.testing.assert_array_equal(got.coefs_[0], ref.coefs_[0])
    np.testing.assert_array_equal(got.predict_proba(X_sparse), ref.predict_proba(X_dense))
    assert make(max_iter=30, early_stopping=True).fit(X_sparse, NAMES).score(X_sparse, NAMES) > 0.8
