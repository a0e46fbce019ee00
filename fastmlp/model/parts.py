"""The parts of a network, and properties derived from them."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastmlp.config import Config
from fastmlp.data.label import check_classes
from fastmlp.errors import DataError
from fastmlp.model.params import Params
from fastmlp.settings import LOSSES, Output

#: Factor and offset of each input feature.
Scaling = tuple[NDArray[np.float64], NDArray[np.float64]]


class Parts(NamedTuple):
    """The parts of a network, in the order of `fastmlp.Model`'s arguments.

    Attributes
    ----------
    config : Config
        The settings that it was made or last trained with.
    params : Params
        Weights and biases.
    scaling : tuple of ndarray (n_features,) of float64, or None
        Factor and offset of each input feature.
    class_names : tuple of str or None
        Names of the classes.
    n_epochs : int
        Number of epochs trained so far.
    classes : ndarray (n_classes,), or None
        The labels of the classes in ascending order.
    """

    config: Config
    params: Params
    scaling: Scaling | None = None
    class_names: tuple[str, ...] | None = None
    n_epochs: int = 0
    classes: NDArray[Any] | None = None


def output_of(config: Config) -> Output:
    """Activation of the output layer.

    Examples
    --------
    >>> output_of(Config())
    'softmax'
    """
    return LOSSES[config.loss].output


def is_binary(config: Config, params: Params) -> bool:
    """Whether the network has one output, the probability of the second of two classes.

    Examples
    --------
    >>> is_binary(Config(), Params((3, 2), "float32"))
    False
    """
    return output_of(config) == "sigmoid" and params.sizes[-1] == 1


def classes_of(config: Config, params: Params, classes: ArrayLike | None = None) -> NDArray[Any] | None:
    """Validate the classes of a network; by default 0 .. n_classes - 1, and None for multilabel and regression.

    Raises
    ------
    DataError
        If there are classes for another task than classification, or their number, type or order is wrong.

    Examples
    --------
    >>> classes_of(Config(), Params((3, 2), "float32"), ["cat", "dog"])
    array(['cat', 'dog'], dtype='<U3')
    """
    binary = is_binary(config, params)
    if output_of(config) != "softmax" and not binary:
        if classes is not None:
            raise DataError(f"classes: expected None for a network of several labels or values, got {classes!r}")
        return None
    n_classes = 2 if binary else params.sizes[-1]
    array = np.arange(n_classes) if classes is None else np.asarray(classes)
    # An estimator that was fitted to a single class has the network of two.
    return check_classes(array, 1 if binary and array.shape == (1,) else n_classes)
