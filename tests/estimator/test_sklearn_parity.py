"""Without shuffling, the same random state gives scikit-learn's results, up to rounding in float64."""

import numpy as np
import pytest
from sklearn.datasets import make_multilabel_classification
from sklearn.neural_network import MLPClassifier as SklearnClassifier
from sklearn.neural_network import MLPRegressor as SklearnRegressor

from fastmlp import MLPClassifier, MLPRegressor

# Since version 1.7, fit has sample weights and the regressor has a choice of losses.
pytest.importorskip("sklearn", minversion="1.7")

# 103 samples in batches of 20: the last batch is smaller.
N, BATCH = 103, 20
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N, 6))
SUMS = X @ RNG.standard_normal((6, 3))
WEIGHTS = RNG.uniform(0.1, 3.0, N)
X_LABELS, LABELS = make_multilabel_classification(N, 6, n_classes=4, random_state=0)
TASKS = {
    "binary": (MLPClassifier, SklearnClassifier, X, SUMS[:, 0] > 0, {}),
    "multiclass": (MLPClassifier, SklearnClassifier, X, np.array(["a", "b", "c"])[SUMS.argmax(axis=1)], {}),
    "multilabel": (MLPClassifier, SklearnClassifier, X_LABELS / 10, LABELS, {}),
    "number": (MLPRegressor, SklearnRegressor, X, SUMS[:, 0], {}),
    "numbers": (MLPRegressor, SklearnRegressor, X, SUMS, {}),
    "count": (MLPRegressor, SklearnRegressor, X, np.floor(np.exp(SUMS[:, 0] / 4)), {"loss": "poisson"}),
    "counts": (MLPRegressor, SklearnRegressor, X, np.floor(np.exp(SUMS / 4)), {"loss": "poisson"}),
}
SOLVERS = {
    "sgd": {"solver": "sgd", "learning_rate_init": 0.01, "momentum": 0.0},
    "momentum": {"solver": "sgd", "learning_rate_init": 0.01, "nesterovs_momentum": False},
    "nesterov": {"solver": "sgd", "learning_rate_init": 0.01},
    "invscaling": {"solver": "sgd", "learning_rate_init": 0.05, "learning_rate": "invscaling"},
    "adaptive": {
        "solver": "sgd", "learning_rate_init": 0.01, "learning_rate": "adaptive", "tol": 1.0, "n_iter_no_change": 2,
    },
    "adam": {"solver": "adam", "learning_rate_init": 0.01},
}  # fmt: skip


def make_both(task, **parameters):
    """Our estimator and scikit-learn's, not fitted, and the data."""
    ours, theirs, data, target, more = TASKS[task]
    common = {
        "hidden_layer_sizes": (9, 5), "alpha": 0.05, "batch_size": BATCH, "max_iter": 10, "shuffle": False,
        "random_state": 3, **more, **parameters,
    }  # fmt: skip
    return ours(**common), theirs(**common), data, target


def assert_same(ours, theirs):
    """Compare weights, losses and fitted attributes."""
    for name in ("coefs_", "intercepts_"):
        for got, ref in zip(getattr(ours, name), getattr(theirs, name), strict=True):
            np.testing.assert_allclose(got, ref, rtol=0, atol=1e-8)
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=0, atol=1e-8)
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(ours, name) == getattr(theirs, name)
    for name in ("loss_", "best_loss_", "best_validation_score_"):
        got, ref = getattr(ours, name), getattr(theirs, name)
        assert (got is None) == (ref is None)
        assert ref is None or got == pytest.approx(ref, rel=0, abs=1e-8)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("solver", ["momentum", "nesterov", "adam"])
@pytest.mark.parametrize("task", TASKS)
def test_ten_epochs_give_scikit_learns_results(task, solver, activation, weights):
    ours, theirs, data, target = make_both(task, activation=activation, **SOLVERS[solver])
    ours.fit(data, target, weights)
    theirs.fit(data, target, weights)
    assert_same(ours, theirs)
    if task in ("binary", "multiclass", "multilabel"):
        np.testing.assert_array_equal(ours.predict(data), theirs.predict(data))
        np.testing.assert_allclose(ours.predict_proba(data), theirs.predict_proba(data), rtol=0, atol=1e-8)
    else:
        np.testing.assert_allclose(ours.predict(data), theirs.predict(data), rtol=0, atol=1e-8)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("solver", ["sgd", "invscaling", "adaptive"])
def test_learning_rate_schedules_are_scikit_learns(solver):
    ours, theirs, data, target = make_both("multiclass", **SOLVERS[solver])
    assert_same(ours.fit(data, target), theirs.fit(data, target))


@pytest.mark.parametrize("tol", [1e-2, 0.3])
@pytest.mark.parametrize("learning_rate", ["constant", "adaptive"])
def test_training_stops_in_the_same_epoch(tol, learning_rate):
    options = {"solver": "sgd", "learning_rate_init": 0.02, "learning_rate": learning_rate, "n_iter_no_change": 3}
    ours, theirs, data, target = make_both("multiclass", **{**options, "max_iter": 2000, "tol": tol})
    assert_same(ours.fit(data, target), theirs.fit(data, target))
    assert ours.n_iter_ < 2000


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("task", TASKS)
def test_early_stopping_holds_out_the_same_samples_and_keeps_the_weights_of_the_same_epoch(task, weights):
    options = {"early_stopping": True, "max_iter": 60, "learning_rate_init": 0.02, "n_iter_no_change": 4}
    ours, theirs, data, target = make_both(task, validation_fraction=0.2, **options)
    assert_same(ours.fit(data, target, weights), theirs.fit(data, target, weights))
    np.testing.assert_allclose(ours.validation_scores_, theirs.validation_scores_, atol=1e-8)
    assert len(ours.validation_losses_) == ours.n_iter_


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("solver", ["nesterov", "adam", "invscaling"])
@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "numbers"])
def test_partial_fit_continues_with_the_state_of_the_optimizer(task, solver):
    ours, theirs, data, target = make_both(task, **SOLVERS[solver])
    classes = {} if task == "numbers" else {"classes": np.arange(4) if task == "multilabel" else np.unique(target)}
    for estimator in (ours, theirs):
        estimator.partial_fit(data[:50], target[:50], **classes)
        estimator.partial_fit(data[50:], target[50:], WEIGHTS[50:])
        estimator.partial_fit(data, target)
    assert_same(ours, theirs)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_warm_start_keeps_the_weights_and_resets_the_optimizer():
    ours, theirs, data, target = make_both("multiclass", warm_start=True)
    for estimator in (ours, theirs):
        estimator.fit(data, target).fit(data, target)
    assert_same(ours, theirs)
    assert len(ours.loss_curve_) == 20


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_partial_fit_after_fit_gives_scikit_learns_results():
    ours, theirs, data, target = make_both("number")
    for estimator in (ours, theirs):
        estimator.fit(data, target).partial_fit(data, target)
    assert_same(ours, theirs)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_verbose_prints_the_same_as_scikit_learn(capsys):
    printed = []
    for estimator in make_both("binary", verbose=True, tol=0.5, n_iter_no_change=2, early_stopping=True)[:2]:
        estimator.fit(X, SUMS[:, 0] > 0)
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    assert "Stopping." in printed[0]
