"""The estimators among scikit-learn's own: pipelines, searches, ensembles, clones, pickles, data frames, callbacks."""

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


def program(text):
    return subprocess.run([sys.executable, "-c", text], check=True, capture_output=True, text=True).stdout


def test_importing_fastmlp_does_not_import_scikit_learn():
    assert program("import fastmlp, sys; print({'sklearn', 'joblib'} & set(sys.modules))") == "set()\n"


def test_without_scikit_learn_the_extra_is_named():
    text = (
        "import sys; sys.modules['sklearn'] = None\ntry: from fastmlp import MLPClassifier\nexcept ImportError as e: "
    )
    assert 'pip install "fastmlp[sklearn]"' in program(text + "print(e)")


def test_a_name_that_is_not_there_is_missing_as_in_any_module():
    import fastmlp

    with pytest.raises(AttributeError, match="has no attribute 'MLPCluster'"):
        fastmlp.MLPCluster  # noqa: B018


def test_in_a_pipeline_and_a_search_on_two_processes():
    search = GridSearchCV(
        make_pipeline(StandardScaler(), make(max_iter=20)), {"mlpclassifier__alpha": [1e-4, 1e-2]}, n_jobs=2, cv=3
    )
    search.fit(X, NAMES)
    assert search.best_score_ > 0.9
    assert search.predict(X[:3]).tolist() == ["ash", "beech", "cedar"]


def test_cross_validated():
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
def test_in_an_ensemble(ensemble):
    fitted = ensemble.fit(X, NAMES)
    assert fitted.score(X, NAMES) > 0.9
    np.testing.assert_allclose(fitted.predict_proba(X).sum(axis=1), 1, rtol=1e-6)


def test_a_clone_has_the_parameters_and_nothing_learnt():
    fitted = make(max_iter=5, schedule={"schedule": "step", "step_epochs": 2}).fit(X, Y)
    twin = clone(fitted)
    assert twin.get_params() == fitted.get_params()
    assert not hasattr(twin, "coefs_")


def joblib_dump(estimator):
    file = io.BytesIO()
    joblib.dump(estimator, file)
    file.seek(0)
    return joblib.load(file)


@pytest.mark.parametrize("keep", [lambda it: pickle.loads(pickle.dumps(it)), joblib_dump, copy.deepcopy])
@pytest.mark.parametrize("n_repeats", [1, 2])
def test_kept_and_read_back_it_predicts_and_learns_the_same(keep, n_repeats):
    fitted = make(max_iter=5, n_repeats=n_repeats).fit(X, NAMES)
    twin = keep(fitted)
    np.testing.assert_array_equal(twin.predict_proba(X), fitted.predict_proba(X))
    for estimator in (twin, fitted):
        estimator.partial_fit(X, NAMES)
    np.testing.assert_array_equal(twin.predict_proba(X), fitted.predict_proba(X))


@pytest.mark.parametrize("frames", ["pandas", "polars"])
def test_a_data_frame_gives_its_names(frames):
    library = pytest.importorskip(frames)
    frame = library.DataFrame({name: X[:, index] for index, name in enumerate("abc")})
    fitted = make(max_iter=40).fit(frame, library.Series(NAMES))
    assert fitted.feature_names_in_.tolist() == ["a", "b", "c"]
    assert fitted.score(frame, library.Series(NAMES)) > 0.9
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict(frame[["b", "a", "c"]])


@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array])
def test_sparse_samples_train_to_the_same_bits_and_stay_sparse(form, monkeypatch):
    for module in ("training.trainer", "estimator.loop"):
        monkeypatch.setattr(f"fastmlp.{module}.WINDOW_BYTES", 30 * 3 * 8)  # 30 samples are dense at a time
    options = {"max_iter": 5, "batch_size": 10, "dropout": 0.2}
    few = np.where(X > 0.5, X, 0.0)
    dense, thin = make(**options).fit(few, NAMES), make(**options).fit(form(few), NAMES)
    np.testing.assert_array_equal(thin.coefs_[0], dense.coefs_[0])
    np.testing.assert_array_equal(thin.predict_proba(form(few)), dense.predict_proba(few))
    assert make(max_iter=30, early_stopping=True).fit(form(few), NAMES).score(form(few), NAMES) > 0.8


def test_scikit_learns_callbacks_are_told_of_every_epoch():
    callback = pytest.importorskip("sklearn.callback")
    monitor = callback.ScoringMonitor(scoring="accuracy")
    fitted = make(max_iter=6).set_callbacks(monitor).fit(X, NAMES)
    scores = [row["accuracy"] for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(scores) == 6
    assert scores[-1] == fitted.score(X, NAMES)
    assert scores[0] < scores[-1]


def test_scikit_learns_callbacks_pass_through_a_pipeline():
    callback = pytest.importorskip("sklearn.callback")

    class Counter:
        max_propagation_depth = None

        def __init__(self):
            self.names = []

        def setup(self, estimator, context):
            pass

        def teardown(self, estimator, context):
            self.names.append("teardown")

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context):
            self.names.append(context.task_name)
            return self.names.count("epoch") == 3

    counter = Counter()
    assert isinstance(counter, callback.AutoPropagatedCallback)
    pipeline = make_pipeline(StandardScaler(), make()).set_callbacks(counter).fit(X, NAMES)
    assert counter.names.count("epoch") == 3
    assert counter.names[-1] == "teardown"
    assert pipeline[-1].n_iter_ == 3
