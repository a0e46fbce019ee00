"""Weights and biases as the estimators show them, draw them, and convert them."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastmlp.data.check import row_blocks
from fastmlp.model.params import Params, Views


class LayerArrays(list[NDArray[Any]]):
    """List of a network's weights or biases, one array per layer. Assigning to an item copies into the network."""

    def __init__(self, views: Views) -> None:
        super().__init__(views)
        self.views = views

    def __setitem__(self, index: Any, value: Any) -> None:
        self.views[index] = value

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (list(self),)


def initial_params(
    sizes: tuple[int, ...],
    dtype: Any,
    activation: str,
    random_state: np.random.RandomState,
    row_per_feature: bool = False,
) -> Params:
    """Random weights and biases as in scikit-learn: Glorot-uniform, with a third of the variance for sigmoids.

    row_per_feature : see `fastmlp.model.params.Params`. The numbers are drawn block by block, which needs less memory
    than all of a layer's at once, and gives the same.

    Examples
    --------
    >>> params = initial_params((2, 1), "float64", "relu", np.random.RandomState(0))
    >>> params.weights[0].ravel().round(3).tolist(), params.biases[0].round(3).tolist()
    ([0.138, 0.609], [0.291])
    """
    params, factor = Params(sizes, dtype, row_per_feature), 2.0 if activation in ("logistic", "sigmoid") else 6.0
    for W, b in zip(params.weights, params.biases, strict=True):
        limit = math.sqrt(factor / sum(W.shape))
        for rows in row_blocks(len(W), 8 * W.shape[1]):
            W[rows] = random_state.uniform(-limit, limit, W[rows].shape)
        b[...] = random_state.uniform(-limit, limit, b.shape)
    return params


def in_float64(params: Params) -> Params:
    """The parameters in float64: in float32, a line search would end at the rounding errors of the loss.

    Examples
    --------
    >>> in_float64(Params((2, 1), "float32")).dtype
    dtype('float64')
    """
    if params.dtype == np.float64:
        return params
    converted = Params(params.sizes, np.float64, params.row_per_feature)
    converted.weights.assign(params.weights)
    converted.biases.assign(params.biases)
    return converted
