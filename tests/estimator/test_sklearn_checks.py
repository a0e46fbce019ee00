"""scikit-learn's `parametrize_with_checks` on both estimators, with parameters that cover different branches."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from fastmlp import MLPClassifier, MLPRegressor

SHORT = {"max_iter": 60, "hidden_layer_sizes": (20,), "learning_rate_init": 0.02}
SLOW = {"max_iter": 60, "hidden_layer_sizes": (20,), "learning_rate_init": 1e-3}
ESTIMATORS = [
    MLPClassifier(**SHORT),
    MLPClassifier(**SHORT, early_stopping=True, validation_fraction=0.3, solver="nesterov"),
    MLPClassifier(**SHORT, solver="sgd", activation="tanh"),
    MLPClassifier(hidden_layer_sizes=(), max_iter=60, learning_rate_init=0.1, solver="nadam", schedule="cosine"),
    MLPClassifier(**SHORT, solver="rmsprop", n_repeats=2, class_weight="balanced", label_smoothing=0.1),
    MLPRegressor(**SHORT),
    MLPRegressor(**SHORT, loss="huber", early_stopping=True, validation_fraction=0.3),
    MLPRegressor(**SHORT, activation="silu", solver="adamw", weight_decay=0.01),
    MLPRegressor(**SHORT, target_scale="auto"),
    MLPRegressor(**SLOW, n_repeats=2, solver="momentum", activation="tanh", learning_rate="adaptive"),
]


def expected_failures(estimator):
    """Weights are not equivalent to repeated samples with a held-out set: a repeated sample may be in both sets."""
    kinds = ("dense", "sparse") if estimator.early_stopping else ()
    return {f"check_sample_weight_equivalence_on_{kind}_data": "early stopping holds out samples" for kind in kinds}


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected_failures)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_checks_pass(estimator, check):
    check(estimator)
