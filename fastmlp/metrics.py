"""Score: how good predictions are, as one number that is better the larger it is. Knows arrays only."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastmlp.settings import LOSSES, LossName


def words_of(column: str) -> str:
    """A column's name as people read it.

    Examples
    --------
    >>> words_of("test_r2"), words_of("val_accuracy")
    ('test R2', 'val accuracy')
    """
    return column.replace("_", " ").replace("r2", "R2")


def score_of(loss: LossName, predicted: NDArray[Any], y: NDArray[Any]) -> float:
    """Score of predictions under a config's loss.

    Parameters
    ----------
    loss : str
        cross_entropy and binary_cross_entropy are scored by accuracy, the others by R2.
    predicted, y : ndarray (n_samples,) or (n_samples, n_outputs)
        Labels or numbers.

    Returns
    -------
    float
        The share of samples that are right in all their labels; or the mean over the outputs of ``1 - sum of squared
        errors / sum of squared deviations from the mean``. An output that never changes counts 1 where it is met
        exactly and 0 elsewhere, as in scikit-learn.

    Examples
    --------
    >>> score_of("cross_entropy", np.array([0, 1, 1]), np.array([0, 1, 0]))
    0.6666666666666666
    >>> score_of("squared_error", np.array([1.0, 2.0]), np.array([1.0, 3.0]))
    0.5
    """
    if LOSSES[loss].metric == "accuracy":
        right = predicted == y
        return float(right.mean() if right.ndim == 1 else right.all(axis=1).mean())
    predicted, y = (np.asarray(array, np.float64).reshape(len(array), -1) for array in (predicted, y))
    left = np.square(predicted - y).sum(axis=0)
    spread = np.square(y - y.mean(axis=0)).sum(axis=0)
    constant = np.where(left == 0, 1.0, 0.0)
    return float(np.where(spread > 0, 1 - left / np.where(spread > 0, spread, 1.0), constant).mean())
