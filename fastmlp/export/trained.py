"""What every format asks of a trained network: its parts, its output, its layers with the scaling in them."""

from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from fastmlp.config import Config
from fastmlp.data.scaling import FAR_FROM_ZERO
from fastmlp.errors import DataError
from fastmlp.params import Params

Scaling = tuple[NDArray[np.float64], NDArray[np.float64]]
Layer = tuple[NDArray[Any], NDArray[Any]]
Output = Literal["softmax", "sigmoid", "identity", "exp"]

#: What follows the last layer, by the loss that was trained with.
OUTPUTS: dict[str, Output] = {
    "cross_entropy": "softmax",
    "binary_cross_entropy": "sigmoid",
    "squared_error": "identity",
    "huber": "identity",
    "poisson": "exp",
}


class Trained(Protocol):
    """The parts of a network; `fastmlp.Model` has them, and says what they are."""

    config: Config
    params: Params
    scaling: Scaling | None
    class_names: tuple[str, ...] | None
    n_epochs: int


def output_of(config: Config) -> Output:
    """What follows the last layer.

    Examples
    --------
    >>> output_of(Config())
    'softmax'
    """
    return OUTPUTS[config.loss]


def is_binary(config: Config, params: Params) -> bool:
    """Whether one output, the probability of the second class, tells two classes apart.

    Examples
    --------
    >>> is_binary(Config(), Params((3, 2), "float32"))
    False
    """
    return output_of(config) == "sigmoid" and params.sizes[-1] == 1


def folded(network: Trained) -> list[Layer]:
    """Weights and biases of each layer in float64; the first layer takes raw samples.

    ``(X * factor + offset) @ W + b`` is ``X @ (factor[:, None] * W) + (b + offset @ W)``.

    Raises
    ------
    DataError
        If an offset is so large that, taken away by the bias, it would leave less than a percent.

    Examples
    --------
    >>> import fastmlp
    >>> model = fastmlp.init_model(fastmlp.Config(hidden=()), n_features=1, n_classes=2)
    >>> model.weights[0] = [[3.0, 4.0]]
    >>> model.scaling = np.array([2.0]), np.array([-1.0])
    >>> folded(model)
    [(array([[6., 8.]]), array([-3., -4.]))]
    """
    parts = zip(network.params.weights, network.params.biases, strict=True)
    layers = [(W.astype(np.float64), b.astype(np.float64)) for W, b in parts]
    if network.scaling is not None:
        (factor, offset), (W, b) = network.scaling, layers[0]
        _check_distance(offset, network.config.dtype)
        layers[0] = factor[:, None] * W, b + offset @ W
    return layers


def _check_distance(offset: NDArray[np.float64], precision: str) -> None:
    """Constant features too: they are taken away exactly as long as it is done before the products."""
    limit, distance = FAR_FROM_ZERO * float(np.finfo(np.float32).eps / np.finfo(precision).eps), abs(offset)
    if distance.max() > limit:
        where = f"feature {distance.argmax()} lies {distance.max():.3g} times its spread away from zero"
        raise DataError(f"{where}, too far for the bias to take that away in {precision}; to_onnx keeps the scaling")


def held(array: NDArray[Any], precision: str) -> NDArray[Any]:
    """The array row by row in a precision.

    Raises
    ------
    DataError
        If the scaling made a weight too large for it.
    """
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(array, precision)
    if not np.isfinite(array).all():
        raise DataError(f"the first layer's weights, multiplied by the scaling, are beyond {precision}: use float64")
    return array
