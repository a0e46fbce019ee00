"""Import of fitted scikit-learn estimators."""

from typing import Any, Literal

import numpy as np

from fastmlp.config import Config
from fastmlp.errors import DataError, DataTypeError, MissingExtraError
from fastmlp.model.model import Model
from fastmlp.model.params import Params
from fastmlp.settings import ACTIVATIONS, LOSSES

#: Maximum batch size of scikit-learn for ``batch_size="auto"``.
AUTO_BATCH = 200
#: The loss for each ``out_activation_`` of an estimator: of several the first, which is scikit-learn's.
LOSS_OF_OUTPUT = {loss.sklearn_output: name for name, loss in reversed(LOSSES.items())}


def from_sklearn(estimator: Any) -> Model:
    """Convert a fitted scikit-learn MLP to a network with the same predictions.

    The weights are copied unchanged: one logistic output for two classes remains one sigmoid output. The classes are
    the ``classes_``, in their dtype. Settings that both libraries have are copied, so that training can be continued.

    Parameters
    ----------
    estimator : sklearn.neural_network.MLPClassifier or MLPRegressor
        Fitted estimator for at least two classes, for several labels per sample, or for regression.

    Returns
    -------
    Model
        The network, in float32 if the estimator's weights are, otherwise in float64.

    Raises
    ------
    MissingExtraError
        If scikit-learn is not installed.
    DataTypeError
        If it is not an MLPClassifier or MLPRegressor of scikit-learn. The network of fastmlp's estimators is their
        attribute ``model_``.
    DataError
        If it is not fitted, or was fitted to one class only, or has weights that are not finite.
    ConfigError
        If one of its settings is not accepted by `Config`.

    Examples
    --------
    >>> import fastmlp
    >>> from sklearn.neural_network import MLPClassifier
    >>> estimator = MLPClassifier((4,), random_state=0).partial_fit([[0.0], [1.0], [2.0]], [0, 1, 2], classes=[0, 1, 2])
    >>> fastmlp.from_sklearn(estimator)
    <Model 1-4-3, relu, float64, 1 epochs trained>
    """
    try:
        from sklearn.neural_network import MLPClassifier, MLPRegressor
    except ImportError:
        raise MissingExtraError("scikit-learn", "sklearn", "from_sklearn") from None
    name = type(estimator).__name__
    if any(kind.__module__.startswith("fastmlp.estimator.") for kind in type(estimator).__mro__):
        raise DataTypeError(
            f"estimator: expected a scikit-learn estimator, got fastmlp's {name}; fit it, and use its attribute model_"
        )
    if not isinstance(estimator, (MLPClassifier, MLPRegressor)):
        raise DataTypeError(f"estimator: expected a fitted MLPClassifier or MLPRegressor of scikit-learn, got {name}")
    if not hasattr(estimator, "coefs_"):
        raise DataError(f"estimator: expected a fitted one, got {name} that is not fitted; call fit first")
    if len(getattr(estimator, "classes_", ())) == 1:
        only = estimator.classes_.tolist()[0]
        raise DataError(f"estimator: expected at least two classes, got {name} fitted to one class, {only!r}")
    weights, biases, loss = [*estimator.coefs_], [*estimator.intercepts_], LOSS_OF_OUTPUT[estimator.out_activation_]
    config = _config(estimator, weights, loss)
    params = Params((len(weights[0]), *map(len, biases)), config.dtype)
    params.weights.assign(weights)
    params.biases.assign(biases)
    model = Model(config, params, None, None, int(estimator.n_iter_))
    if model.task == "classification":
        model.classes = estimator.classes_
    return model


def sgd_variant(estimator: Any) -> Literal["sgd", "momentum", "nesterov"]:
    """The optimizer of fastmlp that corresponds to an estimator with ``solver="sgd"``.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> sgd_variant(SimpleNamespace(momentum=0.9, nesterovs_momentum=False))
    'momentum'
    """
    if estimator.momentum == 0:
        return "sgd"
    return "nesterov" if estimator.nesterovs_momentum else "momentum"


def _config(estimator: Any, weights: list[Any], loss: str) -> Config:
    seed = estimator.random_state
    settings = {
        "hidden": tuple(W.shape[1] for W in weights[:-1]),
        "activation": next(name for name, record in ACTIVATIONS.items() if record.sklearn == estimator.activation),
        "loss": loss,
        "optimizer": sgd_variant(estimator) if estimator.solver == "sgd" else "adam",
        "learning_rate": estimator.learning_rate_init,
        "l2": estimator.alpha,
        "l2_scale": "batch",
        "momentum": estimator.momentum,
        "beta1": estimator.beta_1,
        "beta2": estimator.beta_2,
        "eps": estimator.epsilon,
        "eps_form": "eps_hat",
        "batch_size": AUTO_BATCH if estimator.batch_size == "auto" else estimator.batch_size,
        "n_epochs": estimator.max_iter,
        "shuffle": estimator.shuffle,
        "seed": seed if isinstance(seed, (int, np.integer)) else 0,
        "precision": "float32" if weights[0].dtype == np.float32 else "float64",
    }
    return Config.from_dict(settings)
