"""Training on standardised targets: what is checked before, and the output layer in either unit.

A network in training predicts ``(y - offset) / factor``. Its last layer is then multiplied by the factor and shifted by
the offset, so that it predicts y itself, and nothing else needs to know of the standardisation.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastmlp.config import Config
from fastmlp.data import Dataset
from fastmlp.data.target_scaling import TargetScaling
from fastmlp.errors import ConfigError, DataError
from fastmlp.model.model import Model
from fastmlp.model.params import Params
from fastmlp.settings import MAX_DISTANCE

#: Weights of the last layer from 1 / MARGIN to MARGIN are within the range of the dtype when multiplied by the factor.
MARGIN = 2.0**16


#: Losses of which the standardised targets have the same minimum: ``loss(factor * error) = factor**2 * loss(error)``,
#: for huber with the delta in the same unit. Counts, the targets of poisson, have no other unit.
QUADRATIC_LOSSES = ("squared_error", "huber")


def has_standardised_targets(loss: str) -> bool:
    """Whether targets are standardised for a loss.

    Examples
    --------
    >>> has_standardised_targets("huber"), has_standardised_targets("poisson")
    (True, False)
    """
    return loss in QUADRATIC_LOSSES


def target_scaling_of(dataset: Dataset, config: Config) -> TargetScaling:
    """The standardisation of a data set's targets for the loss of a config.

    Examples
    --------
    >>> data = Dataset([[0.0], [1.0]], [1000.0, 1006.0], [[0.5]], [1003.0], task="regression")
    >>> target_scaling_of(data, Config(loss="huber")).factor, target_scaling_of(data, Config(loss="poisson")).factor
    (4.0, 1.0)
    """
    if has_standardised_targets(config.loss):
        return dataset.target_scaling()
    return TargetScaling.identity(dataset.n_classes)


def config_for(scaling: TargetScaling, config: Config) -> Config:
    """The config with `huber_delta` in units of the standardised targets.

    Raises
    ------
    ConfigError
        If the precision cannot distinguish it from 0.

    Examples
    --------
    >>> config_for(TargetScaling(4.0, np.zeros(1)), Config(loss="huber", huber_delta=10.0)).huber_delta
    2.5
    """
    if config.loss != "huber" or scaling.factor == 1.0:
        return config
    delta, limits = config.huber_delta / scaling.factor, np.finfo(config.dtype)
    if delta < limits.tiny:
        raise ConfigError(
            f"huber_delta: expected a number beside which {config.dtype} can represent deviations of the targets of "
            f"about {scaling.factor:.3g}, got {config.huber_delta:g}; scale the targets, or use a larger one"
        )
    return config.replace(huber_delta=min(delta, float(limits.max)))  # beyond it, no error is linear


def check_target_scaling(scaling: TargetScaling, targets: Mapping[str, NDArray[Any]], loss: str, dtype: str) -> None:
    """Refuse targets that cannot be standardised in the precision of the network, or predicted in it.

    Parameters
    ----------
    scaling : TargetScaling
        The standardisation.
    targets : mapping of str to ndarray (n_samples, n_outputs)
        Targets by their names in error messages; those that the standardisation was fitted to come first.
    loss : str
        Name of the loss.
    dtype : {"float32", "float64"}
        Dtype of the network.

    Raises
    ------
    DataError
        If the factor, or for the squared error its square, is beyond the range of the precision; if a standardised
        target is; or if the targets are so far from zero that rounding a prediction to float32 loses more than 1 % of
        their deviation.

    Examples
    --------
    >>> y = np.array([[1e9], [1e9 + 2]])
    >>> check_target_scaling(TargetScaling(1.0, np.array([1e9 + 1])), {"y": y}, "huber", "float32")
    Traceback (most recent call last):
    fastmlp.errors.DataError: y: got targets 1e+09 times their deviation away from zero, too far for float32 to \
distinguish them; train in float64, or subtract a constant from them
    """
    if scaling.is_identity:
        return
    limits, fitted = np.finfo(dtype), next(iter(targets))
    largest = float(limits.max) / MARGIN
    if loss == "squared_error":
        largest = min(largest, math.sqrt(limits.max))
    if not MARGIN * float(limits.tiny) <= scaling.factor <= largest:
        remedy = "scale them" if dtype == "float64" else "train in float64, or scale them"
        beyond = "whose squares are beyond" if largest < scaling.factor <= limits.max / MARGIN else "beyond"
        raise DataError(
            f"{fitted}: got targets that deviate by about {scaling.factor:.3g} from their mean, {beyond} "
            f"{dtype}'s range; look for fill values, or {remedy}"
        )
    distance = float(abs(scaling.offset).max()) / scaling.factor
    if dtype == "float32" and distance > MAX_DISTANCE:
        raise DataError(
            f"{fitted}: got targets {distance:.3g} times their deviation away from zero, too far for float32 to "
            "distinguish them; train in float64, or subtract a constant from them"
        )
    for name, y in targets.items():
        if abs(scaling.apply(y)).max() > limits.max:
            raise DataError(
                f"{name}: got {abs(y).max():.3g}, beyond {dtype}'s range once it is divided by "
                f"{scaling.factor:.3g}, the deviation of {fitted}; look for fill values, or scale the targets"
            )


def fold_into_output(params: Params, scaling: TargetScaling) -> None:
    """Make a network that predicts standardised targets predict the targets themselves, in place.

    Weights of the last layer are multiplied by the factor, which changes no bit of their fractions; biases are rounded
    once. Those beyond the range of the dtype become infinite.

    Examples
    --------
    >>> params = Params((1, 1), "float32")
    >>> params.weights[0] = [[1.5]]
    >>> fold_into_output(params, TargetScaling(4.0, np.array([10.0])))
    >>> params.weights[0].item(), params.biases[0].item()
    (6.0, 10.0)
    """
    if not scaling.is_identity:
        W, b = params.weights[-1], params.biases[-1]
        with np.errstate(over="ignore", invalid="ignore"):
            W[...] = W.astype(np.float64) * scaling.factor
            b[...] = b.astype(np.float64) * scaling.factor + scaling.offset


def is_foldable(params: Params, scaling: TargetScaling) -> bool:
    """Whether `fold_into_output` leaves finite parameters finite; True if they are not.

    Examples
    --------
    >>> params = Params((1, 1), "float32")
    >>> params.biases[0] = [1e30]
    >>> is_foldable(params, TargetScaling(4.0, np.zeros(1))), is_foldable(params, TargetScaling(2.0**40, np.zeros(1)))
    (True, False)
    """
    if scaling.is_identity or not np.isfinite(params.read()).all():
        return True
    W, b, largest = params.weights[-1], params.biases[-1], float(np.finfo(params.dtype).max)
    with np.errstate(over="ignore"):
        biases = np.abs(b.astype(np.float64) * scaling.factor + scaling.offset)
    return float(np.abs(W).max()) * scaling.factor <= largest and bool((biases <= largest).all())


def unfold_from_output(params: Params, scaling: TargetScaling) -> None:
    """Make a network that predicts the targets predict standardised ones, in place: `fold_into_output` undone.

    Raises
    ------
    DataError
        If the weights in the other unit are beyond the range of the dtype.

    Examples
    --------
    >>> params = Params((1, 1), "float32")
    >>> unfold_from_output(params, TargetScaling(4.0, np.array([10.0])))
    >>> params.biases[0].item()
    -2.5
    """
    if not scaling.is_identity:
        params.weights[-1] = params.weights[-1].astype(np.float64) / scaling.factor
        params.biases[-1] = (params.biases[-1].astype(np.float64) - scaling.offset) / scaling.factor


def is_untrained(model: Model) -> bool:
    """Whether a network is as `fastmlp.init_model` makes it: never trained, and with output biases of 0.

    A network from scikit-learn has been trained for no epoch of fastmlp's, but has other biases.

    Examples
    --------
    >>> from fastmlp.model.model import init_model
    >>> is_untrained(init_model(Config(), n_features=3, n_classes=2))
    True
    """
    return model.n_epochs == 0 and not model.biases[-1].any()


def scaling_identity(scaling: TargetScaling) -> dict[str, str]:
    """What the standardisation adds to the identity of a run: nothing where targets are not scaled.

    The factor and the offset follow from the data.

    Examples
    --------
    >>> scaling_identity(TargetScaling(4.0, np.zeros(1))), scaling_identity(TargetScaling.identity(1))
    ({'target_scale': 'auto'}, {})
    """
    return {} if scaling.is_identity else {"target_scale": "auto"}
