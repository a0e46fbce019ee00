"""From the same random state, and without shuffling, the estimators are scikit-learn's to rounding, in float64."""

import numpy as np
import pytest
from sklearn.datasets import make_multilabel_classification
from sklearn.neural_network import MLPClassifier as SklearnClassifier
from sklearn.neural_network import MLPRegressor as SklearnRegressor

from fastmlp import MLPClassifier, MLPRegressor

# The first whose fit takes sample weights, and whose regressor has a loss.
pytest.importorskip("sklearn", minversion="1.7")

# 103 samples in batches of 20: the last is short.
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


def both(task, **parameters):
    """The estimator and its twin, not fitted, and the data."""
    mine, twin, data, target, more = TASKS[task]
    common = {
        "hidden_layer_sizes": (9, 5), "alpha": 0.05, "batch_size": BATCH, "max_iter": 10, "shuffle": False,
        "random_state": 3, **more, **parameters,
    }  # fmt: skip
    return mine(**common), twin(**common), data, target


def assert_same(mine, twin):
    for name in ("coefs_", "intercepts_"):
        for got, ref in zip(getattr(mine, name), getattr(twin, name), strict=True):
            np.testing.assert_allclose(got, ref, rtol=0, atol=1e-8)
    np.testing.assert_allclose(mine.loss_curve_, twin.loss_curve_, rtol=0, atol=1e-8)
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(mine, name) == getattr(twin, name)
    for name in ("loss_", "best_loss_", "best_validation_score_"):
        got, ref = getattr(mine, name), getattr(twin, name)
        assert (got is None) == (ref is None)
        assert ref is None or got == pytest.approx(ref, rel=0, abs=1e-8)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["alike", "weighted"])
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("solver", ["momentum", "nesterov", "adam"])
@pytest.mark.parametrize("task", TASKS)
def test_ten_epochs_equal_scikit_learns(task, solver, activation, weights):
    mine, twin, data, target = both(task, activation=activation, **SOLVERS[solver])
    mine.fit(data, target, weights)
    twin.fit(data, target, weights)
    assert_same(mine, twin)
    if task in ("binary", "multiclass", "multilabel"):
        np.testing.assert_array_equal(mine.predict(data), twin.predict(data))
        np.testing.assert_allclose(mine.predict_proba(data), twin.predict_proba(data), rtol=0, atol=1e-8)
    else:
        np.testing.assert_allclose(mine.predict(data), twin.predict(data), rtol=0, atol=1e-8)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("solver", ["sgd", "invscaling", "adaptive"])
def test_the_rate_moves_as_scikit_learns_does(solver):
    mine, twin, data, target = both("multiclass", **SOLVERS[solver])
    assert_same(mine.fit(data, target), twin.fit(data, target))


@pytest.mark.parametrize("tol", [1e-2, 0.3])
@pytest.mark.parametrize("learning_rate", ["constant", "adaptive"])
def test_training_ends_in_the_same_epoch(tol, learning_rate):
    options = {"solver": "sgd", "learning_rate_init": 0.02, "learning_rate": learning_rate, "n_iter_no_change": 3}
    mine, twin, data, target = both("multiclass", **{**options, "max_iter": 2000, "tol": tol})
    assert_same(mine.fit(data, target), twin.fit(data, target))
    assert mine.n_iter_ < 2000


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["alike", "weighted"])
@pytest.mark.parametrize("task", TASKS)
def test_early_stopping_holds_out_the_same_samples_and_keeps_the_same_epoch(task, weights):
    options = {"early_stopping": True, "max_iter": 60, "learning_rate_init": 0.02, "n_iter_no_change": 4}
    mine, twin, data, target = both(task, validation_fraction=0.2, **options)
    assert_same(mine.fit(data, target, weights), twin.fit(data, target, weights))
    np.testing.assert_allclose(mine.validation_scores_, twin.validation_scores_, atol=1e-8)
    assert len(mine.validation_losses_) == mine.n_iter_


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("solver", ["nesterov", "adam", "invscaling"])
@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "numbers"])
def test_partial_fit_goes_on_with_the_optimizer_as_it_was(task, solver):
    mine, twin, data, target = both(task, **SOLVERS[solver])
    classes = {} if task == "numbers" else {"classes": np.arange(4) if task == "multilabel" else np.unique(target)}
    for estimator in (mine, twin):
        estimator.partial_fit(data[:50], target[:50], **classes)
        estimator.partial_fit(data[50:], target[50:], WEIGHTS[50:])
        estimator.partial_fit(data, target)
    assert_same(mine, twin)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_warm_start_keeps_the_weights_and_begins_the_optimizer_anew():
    mine, twin, data, target = both("multiclass", warm_start=True)
    for estimator in (mine, twin):
        estimator.fit(data, target).fit(data, target)
    assert_same(mine, twin)
    assert len(mine.loss_curve_) == 20


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_fit_then_partial_fit_equals_scikit_learns():
    mine, twin, data, target = both("number")
    for estimator in (mine, twin):
        estimator.fit(data, target).partial_fit(data, target)
    assert_same(mine, twin)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_the_words_are_scikit_learns(capsys):
    said = []
    for estimator in both("binary", verbose=True, tol=0.5, n_iter_no_change=2, early_stopping=True)[:2]:
        estimator.fit(X, SUMS[:, 0] > 0)
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert "Stopping." in said[0]
