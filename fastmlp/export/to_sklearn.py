"""Export to scikit-learn: an estimator with the attributes that its `fit` would have set."""

from typing import Any

import numpy as np

from fastmlp.config import Config
from fastmlp.errors import ConfigError, MissingExtraError
from fastmlp.export.folding import WeightsAndBiases, as_dtype, folded_layers
from fastmlp.model.model import Model
from fastmlp.model.parts import output_of
from fastmlp.settings import ACTIVATIONS, LOSSES, OPTIMIZERS


def make_estimator(model: Model) -> Any:
    """Make an MLPClassifier or MLPRegressor with the predictions of a network; see `fastmlp.Model.to_sklearn`."""
    try:
        from sklearn.neural_network import MLPClassifier, MLPRegressor
    except ImportError:
        raise MissingExtraError("scikit-learn", "sklearn", "to_sklearn") from None
    output, layers = output_of(model.config), folded_layers(model)
    if output in ("softmax", "sigmoid"):
        estimator = MLPClassifier(**_settings(model.config))
        layers[-1] = _set_classes(estimator, model, layers[-1])
    elif output == "exp" and "loss" not in MLPRegressor().get_params():
        raise ConfigError(
            "loss: expected scikit-learn 1.7 or newer for 'poisson', got an older one; use to_onnx or to_torch"
        )
    else:
        loss = {"loss": "poisson"} if output == "exp" else {}
        estimator = MLPRegressor(**_settings(model.config), **loss)
    two_classes = output == "softmax" and layers[-1][0].shape[1] == 1  # scikit-learn has one output for two classes
    estimator.out_activation_ = LOSSES["binary_cross_entropy" if two_classes else model.config.loss].sklearn_output
    _set_fitted(estimator, [(as_dtype(W, model.config.dtype), as_dtype(b, model.config.dtype)) for W, b in layers])
    estimator.n_iter_ = model.n_epochs
    return estimator


def _settings(config: Config) -> dict[str, Any]:
    """The settings that both libraries have. scikit-learn divides alpha by the batch size, as ``l2_scale="batch"``."""
    activation = ACTIVATIONS[config.activation].sklearn
    if activation is None:
        accepted = ", ".join(repr(name) for name, record in ACTIVATIONS.items() if record.sklearn)
        raise ConfigError(
            f"activation: scikit-learn has {accepted}, got {config.activation!r}; use to_onnx or to_torch instead"
        )
    settings = {
        "hidden_layer_sizes": config.hidden,
        "activation": activation,
        "solver": OPTIMIZERS[config.optimizer].sklearn or "adam",
        "alpha": config.l2 if config.l2_scale == "batch" else config.l2 * config.batch_size,
        "batch_size": config.batch_size,
        "learning_rate_init": config.learning_rate,
        "max_iter": config.n_epochs,
        "shuffle": config.shuffle,
        "random_state": config.seed % 2**32,
        "beta_1": config.beta1,
        "beta_2": config.beta2,
        "epsilon": config.eps,
    }
    momentum = 0.0 if config.optimizer == "sgd" else config.momentum
    return settings | {"momentum": momentum, "nesterovs_momentum": config.optimizer != "momentum"}


def _set_classes(estimator: Any, model: Model, layer: WeightsAndBiases) -> WeightsAndBiases:
    """Set the classes; return the output layer, with one column for two classes."""
    from sklearn.preprocessing import LabelBinarizer

    W, b = layer
    labels = np.eye(len(b), dtype=np.int64) if model.classes is None else model.classes
    estimator._label_binarizer = LabelBinarizer().fit(labels)
    estimator.classes_ = estimator._label_binarizer.classes_
    if model.classes is not None and len(b) == 2:
        return W[:, 1:] - W[:, :1], b[1:] - b[:1]
    return W, b


def _set_fitted(estimator: Any, layers: list[WeightsAndBiases]) -> None:
    """Set the weights, and the state before a first epoch, from which `partial_fit` and `warm_start` continue."""
    estimator.coefs_ = [W for W, _ in layers]
    estimator.intercepts_ = [b for _, b in layers]
    estimator.n_features_in_ = len(layers[0][0])
    estimator.n_outputs_ = len(layers[-1][1])
    estimator.n_layers_ = len(layers) + 1
    estimator.t_ = 0
    estimator.loss_curve_ = []
    estimator.best_loss_ = np.inf
    estimator.validation_scores_ = estimator.best_validation_score_ = None
    estimator._no_improvement_count = 0
    estimator._best_coefs = [W.copy() for W, _ in layers]
    estimator._best_intercepts = [b.copy() for _, b in layers]
