"""Sample weights from the parameter `class_weight`, with the conventions of scikit-learn's classifiers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.class_weight import compute_sample_weight

from fastmlp.data.target import balanced_weights


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
        Unchecked: they may be negative, infinite or nan.

    Examples
    --------
    >>> class_weights({"ash": 2.0}, np.array([0, 1, 1]), np.array(["ash", "beech"]), np.ones(3))
    array([2., 1., 1.])
    """
    if isinstance(class_weight, str) and y.ndim == 1:
        return balanced_weights(y, weights)
    with np.errstate(over="ignore"):
        return np.asarray(_factors(class_weight, y, classes) * weights)


def _factors(class_weight: Any, y: NDArray[Any], classes: NDArray[Any]) -> NDArray[Any]:
    """Weight of each sample's class, or the product of those of its labels."""
    if y.ndim == 1:
        return np.asarray(compute_sample_weight(class_weight, classes)[y])
    if isinstance(class_weight, str):
        return np.asarray(compute_sample_weight(class_weight, y))
    # scikit-learn refuses a weight for a value that does not occur: add rows with both values of each label.
    both_values = np.repeat([[0], [1]], y.shape[1], axis=1)
    return np.asarray(compute_sample_weight(class_weight, np.vstack([y, both_values]))[: len(y)])
