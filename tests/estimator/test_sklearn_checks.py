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


#: With early stopping, these fail for scikit-learn's estimators too. Weights are not equivalent to repeated samples if
#: samples are held out: a repeated sample may be in both sets.
EARLY_STOPPING = {
    "check_sample_weight_equivalence_on_dense_data": "early stopping holds out samples",
    "check_sample_weight_equivalence_on_sparse_data": "early stopping holds out samples",
    "check_fit_score_takes_y": "it calls partial_fit, which refuses early stopping",
    "check_n_features_in_after_fitting": "it calls partial_fit, which refuses early stopping",
    "check_estimators_partial_fit_n_features": "it calls partial_fit, which refuses early stopping",
}


@parametrize_with_checks(
    ESTIMATORS, expected_failed_checks=lambda estimator: EARLY_STOPPING if estimator.early_stopping else {}
)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_checks_pass(estimator, check):
    check(estimator)
