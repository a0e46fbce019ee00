"""The parts of a network, and properties derived from them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastmlp.config import Config
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
    """

    config: Config
    params: Params
    scaling: Scaling | None = None
    class_names: tuple[str, ...] | None = None
    n_epochs: int = 0


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
