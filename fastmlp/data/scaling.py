"""Scaling: the factor and offset of each feature, fitted to the training samples. Knows no labels and no network."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastmlp.data.check import Array, row_blocks
from fastmlp.errors import DataError

SCALES = ("auto", "none", "unit", "standard")

# A feature spread less than this is constant for a float32 kernel: 1 / spread would not fit in float32.
SMALLEST_SPREAD = 1e-37

Floats = npt.NDArray[np.float64]


class Moments(NamedTuple):
    """Statistics of each feature, float64 arrays of shape (n_features,)."""

    mean: Floats
    std: Floats
    low: Floats
    high: Floats


# Spreads from zero at which float32, of 24 bits, loses more than 1 % of the spread.
MAX_DISTANCE = 2.0**18


def fit_scaling(X: Array, scale: str) -> tuple[Floats, Floats]:
    """Fit the map ``x * factor + offset`` from a raw sample to the network's input.

    Parameters
    ----------
    X : numpy.ndarray of shape (n_samples, n_features), uint8, float32 or float64
        Training samples.
    scale : {"auto", "none", "unit", "standard"}
        ``none`` leaves values as they are. ``unit`` maps uint8's 0..255, or the range of each float feature, to [0, 1].
        ``standard`` gives each feature mean 0 and standard deviation 1. ``auto`` is ``unit`` for uint8, ``standard``
        for floats. A constant feature of floats becomes 0.

    Returns
    -------
    factor, offset : numpy.ndarray of shape (n_features,), float64
        The same on every machine, bit for bit.

    Raises
    ------
    DataError
        If values beyond 1e150 make the statistics overflow.

    Examples
    --------
    >>> import numpy as np
    >>> from fastmlp.data.scaling import fit_scaling
    >>> X = np.array([[0.0, 7.0], [4.0, 7.0]])
    >>> factor, offset = fit_scaling(X, "standard")
    >>> X * factor + offset
    array([[-1.,  0.],
           [ 1.,  0.]])
    """
    pixels = X.dtype == np.uint8
    if scale == "auto":
        scale = "unit" if pixels else "standard"
    if scale == "none":
        return np.ones(X.shape[1]), np.zeros(X.shape[1])
    if scale == "unit" and pixels:
        return np.full(X.shape[1], 1 / 255), np.zeros(X.shape[1])
    moments = fit_moments(X)
    if scale == "unit":
        return _centre_and_divide(moments.low, moments.high - moments.low, moments)
    return _centre_and_divide(moments.mean, moments.std, moments)


def fit_moments(X: Array) -> Moments:
    """Mean, standard deviation and range of each feature, in one pass over X.

    Blocks are reduced in float64 about their own mean and merged by the update of Chan, Golub and LeVeque (1979),
    "Updating formulae and a pairwise algorithm for computing sample variances": no large squares are subtracted.

    Parameters
    ----------
    X : numpy.ndarray of shape (n_samples, n_features)
        Samples; a memory-mapped file is read a block at a time.

    Returns
    -------
    Moments
        ``std`` is the population's (divided by n_samples).

    Raises
    ------
    DataError
        If a statistic overflows float64.

    Examples
    --------
    >>> import numpy as np
    >>> from fastmlp.data.scaling import fit_moments
    >>> fit_moments(np.array([[1e30], [3e30]])).mean
    array([2.e+30])
    """
    n, mean, squares = 0, np.zeros(X.shape[1]), np.zeros(X.shape[1])
    low, high = np.full(X.shape[1], np.inf), np.full(X.shape[1], -np.inf)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for rows in row_blocks(len(X), X.shape[1] * 8):
            block = X[rows].astype(np.float64)
            np.minimum(low, block.min(axis=0), out=low)
            np.maximum(high, block.max(axis=0), out=high)
            block_mean = block.sum(axis=0) / len(block)
            block -= block_mean
            block *= block
            shift = block_mean - mean
            n += len(block)
            mean += shift * (len(block) / n)
            squares += block.sum(axis=0) + shift * shift * ((n - len(block)) * (len(block) / n))
        std = np.sqrt(squares / n)
    if not (np.isfinite(std).all() and np.isfinite(high - low).all()):
        largest = max(float(high.max()), -float(low.min()))
        raise DataError(f"X_train holds values as large as {largest:g}, whose sums overflow; divide them first")
    return Moments(mean, std, low, high)


def _centre_and_divide(centre: Floats, spread: Floats, moments: Moments) -> tuple[Floats, Floats]:
    # Equal ends tell a constant feature; its std may come out as rounding noise, which 1 / std would amplify.
    constant = (moments.low == moments.high) | (spread < SMALLEST_SPREAD)
    factor = 1 / np.where(constant, 1.0, spread)
    return factor, -np.where(constant, moments.low, centre) * factor


def check_representable(X: Array, scaling: tuple[Floats, Floats] | None, precision: str) -> Array:
    """Refuse samples that a precision cannot hold, before or after scaling.

    Parameters
    ----------
    X : numpy.ndarray of shape (n_samples, n_features)
        Checked samples.
    scaling : tuple of numpy.ndarray, optional
        factor and offset.
    precision : str
        float32 or float64.

    Returns
    -------
    numpy.ndarray
        X.

    Raises
    ------
    DataError
        In float32, if a value is beyond its range, or a feature so far from zero, for its spread, that more than 1 % of
        the spread would be lost.

    Examples
    --------
    >>> import numpy as np
    >>> check_representable(np.array([[1.5]]), None, "float32")
    array([[1.5]])
    """
    if precision == "float64":
        return X
    remedy = "use precision float64, or scale the data"
    if X.dtype == np.float64 and (largest := max(X.max(), -X.min())) > np.finfo(np.float32).max:
        raise DataError(f"X holds values up to {largest:.3g}, beyond float32's range: {remedy}")
    factor, offset = scaling or (np.ones(1), np.zeros(1))
    distance = np.where(factor == 1.0, 0.0, abs(offset))  # a constant feature is taken away exactly
    if distance.max() > MAX_DISTANCE:
        where = f"feature {distance.argmax()} lies {distance.max():.3g} times its spread away from zero"
        raise DataError(f"{where}, too far for float32 to tell its values apart: {remedy}")
    return X


def pixel_scale_of(scaling: tuple[Floats, Floats] | None, X: Any) -> float | None:
    """What uint8 samples are all multiplied by, where that is all that is done to them on the way in; else None."""
    if X.dtype != np.uint8 or hasattr(X, "indptr"):
        return None
    factor, offset = scaling or (np.ones(1), np.zeros(1))
    return None if offset.any() or (factor != factor[0]).any() else float(factor[0])
