"""Metrics of predictions: accuracy, R2, and the sum of the samples' losses."""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastmlp.settings import LOSSES, LossName


def display_name(column: str) -> str:
    """Format the name of a history column for display.

    Examples
    --------
    >>> display_name("test_r2"), display_name("val_accuracy")
    ('test R2', 'val accuracy')
    """
    return column.replace("_", " ").replace("r2", "R2")


def score_of(loss: LossName, predicted: NDArray[Any], y: NDArray[Any]) -> float:
    """Accuracy or R2 of predictions, whichever belongs to the loss.

    Parameters
    ----------
    loss : str
        cross_entropy and binary_cross_entropy are scored by accuracy, the other losses by R2.
    predicted, y : ndarray (n_samples,) or (n_samples, n_outputs)
        Predicted and true labels, or predicted and true values.

    Returns
    -------
    float
        Accuracy: the fraction of samples whose labels are all correct. R2: the mean over the outputs of ``1 - sum of
        squared errors / sum of squared deviations from the mean``; for an output whose true values are constant it is 1
        if all predictions are exact and 0 otherwise, as in scikit-learn.

    Examples
    --------
    >>> score_of("cross_entropy", np.array([0, 1, 1]), np.array([0, 1, 0]))
    0.6666666666666666
    >>> score_of("squared_error", np.array([1.0, 2.0]), np.array([1.0, 3.0]))
    0.5
    """
    if LOSSES[loss].metric == "accuracy":
        correct = predicted == y
        return float(correct.mean() if correct.ndim == 1 else correct.all(axis=1).mean())
    predicted, y = (np.asarray(array, np.float64).reshape(len(array), -1) for array in (predicted, y))
    residual = np.square(predicted - y).sum(axis=0)
    total = np.square(y - y.mean(axis=0)).sum(axis=0)
    if_constant = np.where(residual == 0, 1.0, 0.0)
    return float(np.where(total > 0, 1 - residual / np.where(total > 0, total, 1.0), if_constant).mean())


def sum_of_losses(losses: ArrayLike) -> float:
    """Sum of losses, rounded once (Shewchuk 1997); of a diverged network's losses infinity or NaN, never an error.

    Parameters
    ----------
    losses : array_like (n,), converted to float64
        `math.fsum` adds them in any order with the same result, but raises ValueError where both infinities are among
        them, and OverflowError where finite ones add up to more than a float64 holds.

    Returns
    -------
    float
        NaN if a loss is NaN or both infinities are among them; infinity if one is, or if the sum is out of range.

    Examples
    --------
    >>> sum_of_losses([1e16, 1.0, 1.0]) - 1e16
    2.0
    >>> sum_of_losses([1e308, 1e308]), sum_of_losses([math.inf, -math.inf])
    (inf, nan)
    """
    losses = np.asarray(losses, np.float64)
    infinite_or_nan = losses[~np.isfinite(losses)]
    if infinite_or_nan.size:
        with np.errstate(invalid="ignore"):
            return float(infinite_or_nan.sum())
    try:
        return math.fsum(losses)
    except OverflowError:  # perhaps of a partial sum only
        return math.fsum(losses * 2.0**-64) * 2.0**64
