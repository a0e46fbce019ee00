"""What scikit-learn calls our settings, for both ways and for the estimators. Knows no network."""

from typing import Any, Literal

#: scikit-learn's names for our activations.
ACTIVATIONS = {"sigmoid": "logistic", "tanh": "tanh", "relu": "relu", "identity": "identity"}
#: Those of our optimizers that scikit-learn calls sgd; only their rate does its `learning_rate` move.
DESCENTS = ("sgd", "momentum", "nesterov")
#: Samples a batch where `batch_size` is "auto".
AUTO_BATCH = 200


def descent_of(estimator: Any) -> Literal["sgd", "momentum", "nesterov"]:
    """What we call the sgd of an estimator.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> descent_of(SimpleNamespace(momentum=0.9, nesterovs_momentum=False))
    'momentum'
    """
    if estimator.momentum == 0:
        return "sgd"
    return "nesterov" if estimator.nesterovs_momentum else "momentum"
