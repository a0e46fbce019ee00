"""What the samples of a class weigh, as scikit-learn's classifiers have it. Knows codes and classes only."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.class_weight import compute_sample_weight


def class_weights(
    class_weight: Any, y: NDArray[Any], classes: NDArray[Any], weights: NDArray[np.float64]
) -> NDArray[Any]:
    """The weight of each sample by its class.

    Parameters
    ----------
    class_weight : dict, list of dict or "balanced"
        The parameter. A class or label that it names may be missing in y.
    y : ndarray (n_samples,) or (n_samples, n_labels)
        Codes of classes, or 0 or 1 for each label.
    classes : ndarray (n_classes,)
        The labels, by code.
    weights : ndarray (n_samples,)
        Sample weights, which "balanced" counts one label a sample by.

    Returns
    -------
    ndarray (n_samples,) of float64
        Not checked.

    Examples
    --------
    >>> class_weights({"ash": 2.0}, np.array([0, 1, 1]), np.array(["ash", "beech"]), np.ones(3))
    array([2., 1., 1.])
    """
    if y.ndim == 2:
        if isinstance(class_weight, str):
            return np.asarray(compute_sample_weight(class_weight, y))
        each = np.repeat([[0], [1]], y.shape[1], axis=1)
        return np.asarray(compute_sample_weight(class_weight, np.vstack([y, each]))[: len(y)])
    if isinstance(class_weight, str):
        sums = np.bincount(y, weights)
        by_class = weights.sum() / (np.count_nonzero(sums) * np.where(sums > 0, sums, 1.0))
    else:
        by_class = compute_sample_weight(class_weight, classes)
    return np.asarray(by_class[y])
