"""Translation of the estimators' parameters to a `Config`, and the values that are refused."""

import pytest

from fastmlp.settings import OPTIMIZERS

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")


@pytest.mark.parametrize("solver", OPTIMIZERS)
@pytest.mark.parametrize("activation", ["gelu", "softplus"])
def test_every_solver_learns(make_classifier, X, y, solver, activation):
    assert make_classifier(solver=solver, activation=activation, max_iter=60).fit(X, y).score(X, y) > 0.9


@pytest.mark.parametrize("parameter", [{"dropout": 0.5}, {"label_smoothing": 0.3}, {"weight_decay": 1.0}])
def test_parameters_that_scikit_learn_lacks_change_the_weights(make_classifier, X, y, parameter):
    plain = make_classifier(max_iter=20).fit(X, y)
    changed = make_classifier(max_iter=20, **parameter).fit(X, y)
    assert abs(plain.coefs_[0] - changed.coefs_[0]).max() > 1e-3


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"activation": "swish"}, "'activation' parameter"),
        ({"hidden_layer_sizes": (4, 0)}, r"must be > 0: expected one integer >= 1 per hidden layer, got \[4, 0\]"),
        ({"schedule": {"schedule": "step", "every": 3}}, "'step_epochs'"),
        ({"schedule": {"step_epochs": 3}}, "expected a name"),
        ({"schedule": {"schedule": "step", "step_epochs": 0}}, "an integer >= 1"),
        ({"n_repeats": 0}, "'n_repeats' parameter"),
        ({"validation_fraction": 0.001, "early_stopping": True}, "validation"),
    ],
)
def test_invalid_parameters_are_refused(make_classifier, X, y, parameters, message):
    with pytest.raises(ValueError, match=message):
        make_classifier(**parameters).fit(X, y)
