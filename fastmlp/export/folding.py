"""The layers of a network with the input scaling folded into the first one."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastmlp.errors import DataError
from fastmlp.model.model import Model
from fastmlp.settings import MAX_DISTANCE

#: Weights (fan_in, fan_out) and biases (fan_out,).
WeightsAndBiases = tuple[NDArray[Any], NDArray[Any]]


def folded_layers(model: Model) -> list[WeightsAndBiases]:
    """Weights and biases of each layer in float64; the first layer takes samples that are not scaled.

    ``(X * factor + offset) @ W + b`` is ``X @ (factor[:, None] * W) + (b + offset @ W)``.

    Raises
    ------
    DataError
        If an offset is so large that folding it into the bias would lose more than 1 % of the feature's standard
        deviation.

    Warns
    -----
    UserWarning
        If the features of a table are not the raw numbers of its columns: the layers do not encode raw rows.

    Examples
    --------
    >>> import fastmlp
    >>> model = fastmlp.init_model(fastmlp.Config(hidden=()), n_features=1, n_classes=2)
    >>> model.weights[0] = [[3.0, 4.0]]
    >>> model.scaling = np.array([2.0]), np.array([-1.0])
    >>> folded_layers(model)
    [(array([[6., 8.]]), array([-3., -4.]))]
    """
    table = model.table
    if table is not None and table.feature_names != tuple(column.name for column in table.columns):
        warnings.warn(
            "the exported network takes features, not raw rows of the table; encode them by "
            "fastmlp.table.encoder.TableEncoder(model.table).transform(rows), or use to_onnx",
            stacklevel=4,
        )
    pairs = zip(model.weights.read(), model.biases.read(), strict=True)
    layers = [(W.astype(np.float64), b.astype(np.float64)) for W, b in pairs]
    if model.scaling is not None:
        (factor, offset), (W, b) = model.scaling, layers[0]
        _check_distance(offset, model.config.dtype)
        layers[0] = factor[:, None] * W, b + offset @ W
    return layers


def _check_distance(offset: NDArray[np.float64], dtype: str) -> None:
    """Check that no offset is too large for a bias, not even that of a constant feature, whose mean a bias rounds."""
    limit, distance = MAX_DISTANCE * float(np.finfo(np.float32).eps / np.finfo(dtype).eps), abs(offset)
    if distance.max() > limit:
        where = f"the mean of feature {distance.argmax()} is {distance.max():.3g} standard deviations away from zero"
        raise DataError(
            f"{where}; expected at most {limit:.3g}, beyond which a bias in {dtype} is too inexact; use to_onnx, which "
            "does not fold the scaling"
        )


def as_dtype(array: NDArray[Any], dtype: str) -> NDArray[Any]:
    """Convert an array of folded weights or biases to a dtype, in C order.

    Raises
    ------
    DataError
        If a value is not finite in the dtype.
    """
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(array, dtype)
    if not np.isfinite(array).all():
        raise DataError(
            f"the first layer's weights, multiplied by the scaling, exceed the range of {dtype}: use float64"
        )
    return array
