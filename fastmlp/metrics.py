"""Metrics of predictions: accuracy, R2, and the sum of the samples' losses."""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastmlp.settings import LOSSES, LossName

Floats = NDArray[np.float64]
Exponents = NDArray[np.int32]
#: Numbers from 2**-400 to 2**400 have squares, and sums of them, within float64's range.
MAX_SQUARED_EXPONENT = 400


def display_name(column: str) -> str:
    """Format the name of a history column for display.

    Examples
    --------
    >>> display_name("test_r2"), display_name("val_accuracy")
    ('test R2', 'val accuracy')
    """
    return column.replace("_", " ").replace("r2", "R2")


def format_metric(number: float) -> str:
    """Format a score or a loss with four decimals; from 10,000 on, which diverging runs reach, in scientific notation.

    Examples
    --------
    >>> format_metric(0.97214), format_metric(-20749187888509225202089984.0)
    ('0.9721', '-2.0749e+25')
    """
    return f"{number:.4f}" if abs(number) < 1e4 else f"{number:.4e}"


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
        if all predictions are exact and 0 otherwise, as in scikit-learn. Finite for finite values of any magnitude.

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
    values = (np.asarray(array, np.float64).reshape(len(array), -1) for array in (predicted, y))
    return r2(*values)


def sum_of_losses(losses: ArrayLike) -> float:
    """Sum of losses, rounded once (Shewchuk 1997), and so the same in any order.

    `math.fsum` raises ValueError if both infinities are among its terms, and OverflowError if a partial sum of finite
    ones is beyond float64's range. Losses of a diverged network may do either; their sum is infinity or NaN here.

    Parameters
    ----------
    losses : array_like (n,)
        The losses, converted to float64.

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


def r2(predicted: Floats, y: Floats, weights: Floats | None = None) -> float:
    """R2, the mean over the outputs, see `score_of`; NaN if a prediction is not finite.

    The formula squares, and a square of 1e155 is beyond float64. Residuals and deviations are therefore divided by
    powers of two if any are very large or small, which changes no bit of a result within the range. (To divide always
    takes about 4 times as long.) An R2 below the range of float64 becomes its lowest number, so that the score of
    finite predictions is finite.

    Parameters
    ----------
    predicted, y : ndarray (n_samples, n_outputs) of float64
        Predicted and true values; the latter are finite.
    weights : ndarray (n_samples,) of float64, optional
        Sample weights.

    Returns
    -------
    float
        At most 1.

    Examples
    --------
    >>> y = np.array([[1.0], [2.0], [6.0]])
    >>> r2(y + 1, y) == r2((y + 1) * 2.0**1000, y * 2.0**1000)
    True
    """
    if not np.isfinite(predicted).all():
        return math.nan
    # By the range: the deviations of a constant from its rounded mean are noise.
    is_constant = y.min(axis=0) == y.max(axis=0)
    with np.errstate(over="ignore", under="ignore"):
        w = np.ones((len(y), 1)) if weights is None else np.ldexp(weights, -exponents(weights))[:, None]
        of_y = exponents(y)
        of_both = _exponents_to_divide_by(np.maximum(of_y, exponents(predicted)))
        of_y = _exponents_to_divide_by(of_y)
        scaled = _divide(y, of_y)
        mean = (w * scaled).sum(axis=0) / w.sum(axis=0)
        residual, of_residual = _sum_of_squares(_divide(predicted, of_both) - _divide(y, of_both), of_both, w)
        total, of_total = _sum_of_squares(scaled - mean, of_y, w)
        ratio = np.ldexp(residual / np.where(is_constant, 1.0, total), of_residual - of_total)
        scores = np.where(is_constant, np.where(residual == 0, 1.0, 0.0), 1 - ratio)
        return max(float(scores.mean()), -float(np.finfo(np.float64).max))


def exponents(values: Floats) -> Exponents:
    """Exponent e of each column, with ``2**(e - 1) <= largest magnitude < 2**e``; 0 for zeros.

    Examples
    --------
    >>> exponents(np.array([[3.0, 0.0], [-4.0, 0.0]]))
    array([3, 0], dtype=int32)
    """
    return np.asarray(np.frexp(np.abs(values).max(axis=0))[1], np.int32)


def root_mean_square(values: Floats) -> Floats:
    """Root mean square of each column, without overflow in the squares.

    Examples
    --------
    >>> root_mean_square(np.array([[3e200], [3e200]]))
    array([3.e+200])
    """
    exponent = _exponents_to_divide_by(exponents(values))
    return np.asarray(np.ldexp(np.sqrt(np.square(_divide(values, exponent)).mean(axis=0)), exponent))


def _exponents_to_divide_by(exponent: Exponents) -> Exponents:
    """The exponents of the columns; all 0 if none of them is so large or small that a square may leave the range."""
    return exponent if (np.abs(exponent) > MAX_SQUARED_EXPONENT).any() else np.zeros_like(exponent)


def _divide(values: Floats, exponent: Exponents) -> Floats:
    """``values / 2**exponent``."""
    return np.ldexp(values, -exponent) if exponent.any() else values


def _sum_of_squares(values: Floats, exponent: Exponents, w: Floats) -> tuple[Floats, Exponents]:
    """Sum s and exponent e of each column: ``s * 2**e`` is the weighted sum of squares of ``values * 2**exponent``."""
    own = _exponents_to_divide_by(exponents(values))
    return (w * np.square(_divide(values, own))).sum(axis=0), 2 * (own + exponent)
