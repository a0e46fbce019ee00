"""Sample weights from the parameter `class_weight`, with the conventions of scikit-learn's classifiers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.class_weight import compute_sample_weight

from fastmlp.data.target import balanced_weights
from fastmlp.errors import DataError


def class_weights(
    class_weight: Any, y: NDArray[Any], classes: NDArray[Any], weights: NDArray[np.float64]
) -> NDArray[Any]:
    """Weight of each sample, multiplied by that of its class.

    Parameters
    ----------
    class_weight : dict, list of dict or "balanced"
        The parameter. It may name classes or labels that do not occur in y.
    y : ndarray (n_samples,) or (n_samples, n_labels)
        Class indices, or 0 or 1 for each label.
    classes : ndarray (n_classes,)
        The class labels, by index.
    weights : ndarray (n_samples,)
        Sample weights. With a single label per sample, "balanced" uses their sum for each class instead of its count.

    Returns
    -------
    ndarray (n_samples,) of float64
        Negative, infinite or nan where a class weight is: `fastmlp.data.target.check_weights` refuses these.

    Raises
    ------
    DataError
        If a product is beyond float64's range.

    Examples
    --------
    >>> class_weights({"ash": 2.0}, np.array([0, 1, 1]), np.array(["ash", "beech"]), np.ones(3))
    array([2., 1., 1.])
    """
    if isinstance(class_weight, str) and y.ndim == 1:
        return balanced_weights(y, weights)
    factors = _factors(class_weight, y, classes)
    with np.errstate(over="ignore"):
        product = np.asarray(factors * weights)
    if np.isfinite(factors).all() and not np.isfinite(product).all():
        raise DataError(
            "class_weight times sample_weight: expected products that float64 can represent, got weights of up to "
            f"{factors.max():g} and {weights.max():g}; divide all of one kind by a constant"
        )
    return product


def _factors(class_weight: Any, y: NDArray[Any], classes: NDArray[Any]) -> NDArray[Any]:
    """Weight of each sample's class, or the product of those of its labels."""
    if y.ndim == 1:
        return np.asarray(compute_sample_weight(class_weight, classes)[y])
    if isinstance(class_weight, str):
        return np.asarray(compute_sample_weight(class_weight, y))
    # scikit-learn refuses a weight for a value that does not occur: add rows with both values of each label.
    both_values = np.repeat([[0], [1]], y.shape[1], axis=1)
    return np.asarray(compute_sample_weight(class_weight, np.vstack([y, both_values]))[: len(y)])
