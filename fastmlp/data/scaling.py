"""Scaling of features by a factor and an offset, fitted to the training samples, and checks of its result.

Samples are dense, or CSR matrices, which are never made dense.
"""

import math
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt

from fastmlp.data.check import Array, row_blocks
from fastmlp.errors import DataError
from fastmlp.settings import MAX_DISTANCE

SCALES = ("auto", "none", "unit", "standard", "robust")

#: Features with a smaller spread are treated as constant: 1 / spread would overflow float32.
SMALLEST_SPREAD = 1e-37

#: Entries of a sparse matrix that are reduced at once: their temporaries, of 8 bytes each, stay in L2.
BLOCK_ENTRIES = 1 << 16

#: What an error about values beyond the range of a precision advises; also true of an estimator, whose precision is the
#: dtype of its samples.
REMEDY = "train in float64, or scale the data"

Floats = npt.NDArray[np.float64]


class Moments(NamedTuple):
    """Statistics of each feature, float64 arrays of shape (n_features,)."""

    mean: Floats
    std: Floats
    low: Floats
    high: Floats


def check_scale(scale: str, X: Any) -> str:
    """Refuse an unknown scale, and one that sparse samples do not have.

    Parameters
    ----------
    scale : str
        One of `SCALES`.
    X : numpy.ndarray or CSR matrix
        Validated samples.

    Returns
    -------
    str
        The scale.

    Raises
    ------
    DataError
        If it is not accepted.

    Examples
    --------
    >>> check_scale("robust", np.ones((2, 1)))
    'robust'
    """
    if scale not in SCALES:
        raise DataError(f"scale: expected one of {', '.join(SCALES)}, got {scale!r}")
    if scale == "robust" and hasattr(X, "indptr"):
        raise DataError(
            "scale: expected one that keeps zeros, for sparse samples, got 'robust', which subtracts the median; "
            "choose 'unit' or 'standard', which only divide, or 'none'; or make the samples dense by .toarray()"
        )
    return scale


def fit_scaling(X: Any, scale: str) -> tuple[Floats, Floats]:
    """Fit the map ``x * factor + offset`` from a raw sample to the network's input.

    Parameters
    ----------
    X : numpy.ndarray or CSR matrix of shape (n_samples, n_features), uint8, float32 or float64
        Training samples.
    scale : {"auto", "none", "unit", "standard", "robust"}
        ``none`` leaves values unchanged. ``unit`` maps 0..255 of uint8, or the range of each float feature, to [0, 1].
        ``standard`` gives each feature mean 0 and standard deviation 1. ``robust`` gives it median 0, and
        interquartile range 1, or standard deviation 1 if that is larger, so that outliers stay within about the root
        of the number of samples; where the quartiles are equal, as of an indicator that is rarely 1, half the range is
        1. ``auto`` is ``unit`` for uint8 and ``standard`` for floats. A constant feature of floats becomes 0.

        Of sparse samples of any dtype, zeros remain zeros: ``unit`` gives each feature the largest magnitude 1, as
        scikit-learn's MaxAbsScaler, so that indicators stay as they are; ``standard`` gives it standard deviation 1, as
        StandardScaler(with_mean=False), and leaves constant features as they are; ``auto`` is ``unit``; ``robust`` is
        refused.

    Returns
    -------
    factor, offset : numpy.ndarray of shape (n_features,), float64
        Bitwise the same on every machine. Every offset is 0 for sparse samples.

    Raises
    ------
    DataError
        If values beyond 1e150 make the statistics overflow, or the scale is unknown, or robust for sparse samples.

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
    is_uint8 = X.dtype == np.uint8
    if check_scale(scale, X) == "none":
        return np.ones(X.shape[1]), np.zeros(X.shape[1])
    if hasattr(X, "indptr"):
        return _fit_divisors(X, scale), np.zeros(X.shape[1])
    if scale == "auto":
        scale = "unit" if is_uint8 else "standard"
    if scale == "unit" and is_uint8:
        return np.full(X.shape[1], 1 / 255), np.zeros(X.shape[1])
    moments = fit_moments(X)
    if scale == "unit":
        return _centre_and_divide(moments.low, moments.high - moments.low, moments)
    if scale == "robust":
        first, median, third = _fit_quartiles(X)
        spread = np.where(third > first, np.maximum(third - first, moments.std), (moments.high - moments.low) / 2)
        return _centre_and_divide(median, spread, moments)
    return _centre_and_divide(moments.mean, moments.std, moments)


def fit_moments(X: Array) -> Moments:
    """Mean, standard deviation and range of each feature, in one pass over X.

    Each block is reduced in float64 about its own mean. Blocks are merged by the formula of Chan, Golub and LeVeque
    (1979), "Updating formulae and a pairwise algorithm for computing sample variances", which avoids cancellation
    between large squares.

    Parameters
    ----------
    X : numpy.ndarray of shape (n_samples, n_features)
        Samples; a memory-mapped file is read block by block.

    Returns
    -------
    Moments
        ``std`` is the population standard deviation (divided by n_samples).

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
        _refuse_large(max(float(high.max()), -float(low.min())))
    return Moments(mean, std, low, high)


def _refuse_large(largest: float) -> NoReturn:
    if math.isnan(largest):
        raise DataError("X_train: expected finite numbers, got nan; the samples have been changed, drop or fill it")
    raise DataError(f"X_train: got values up to {largest:g}, whose sums overflow; scale them down")


def _fit_quartiles(X: Array) -> Floats:
    """The three quartiles of each feature, float64 of shape (3, n_features), in blocks of columns of about 16 MiB."""
    quartiles = np.empty((3, X.shape[1]))
    for columns in row_blocks(X.shape[1], len(X) // 2):
        quartiles[:, columns] = np.quantile(X[:, columns].astype(np.float64), (0.25, 0.5, 0.75), axis=0)
    return quartiles


def _centre_and_divide(centre: Floats, spread: Floats, moments: Moments) -> tuple[Floats, Floats]:
    # Constant features are detected by their range: their std may be rounding noise, which 1 / std would amplify.
    is_constant = (moments.low == moments.high) | (spread < SMALLEST_SPREAD)
    factor = 1 / np.where(is_constant, 1.0, spread)
    return factor, -np.where(is_constant, moments.low, centre) * factor


def _fit_divisors(X: Any, scale: str) -> Floats:
    """Factors of the features of a CSR matrix, which make the largest magnitude or the standard deviation 1."""
    largest = _largest_magnitudes(X)
    spread = _standard_deviations(X) if scale == "standard" else largest
    if not np.isfinite(spread).all():
        _refuse_large(float(largest.max()))
    return 1 / np.where(spread < SMALLEST_SPREAD, 1.0, spread)


def _largest_magnitudes(X: Any) -> Floats:
    """Largest magnitude of each feature, float64 of shape (n_features,)."""
    if not hasattr(X, "indptr"):
        return np.asarray(np.maximum(abs(X.max(axis=0)), abs(X.min(axis=0))), np.float64)
    largest = np.zeros(X.shape[1], X.dtype)
    for entries in _entry_blocks(X):
        np.maximum.at(largest, X.indices[entries], abs(X.data[entries]))
    return np.asarray(largest, np.float64)


def _standard_deviations(X: Any) -> Floats:
    """Population standard deviation of each feature of a CSR matrix; 0 for a constant feature."""
    n, n_features = X.shape
    count, total, squares = np.zeros(n_features, np.int64), np.zeros(n_features), np.zeros(n_features)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for entries in _entry_blocks(X):
            columns = X.indices[entries]
            count += np.bincount(columns, minlength=n_features)
            total += np.bincount(columns, X.data[entries], n_features)
        mean = total / n
        for entries in _entry_blocks(X):
            columns = X.indices[entries]
            squares += np.bincount(columns, np.square(X.data[entries] - mean[columns]), n_features)
        squares += (n - count) * np.square(mean)  # of the zeros that are not stored
        std = np.sqrt(squares / n)
    # A constant without a zero is detected by its range, see `_centre_and_divide`.
    full = np.flatnonzero(count == n)
    if full.size:
        low, high = np.full(n_features, np.inf), np.full(n_features, -np.inf)
        for entries in _entry_blocks(X):
            np.minimum.at(low, X.indices[entries], X.data[entries])
            np.maximum.at(high, X.indices[entries], X.data[entries])
        std[full[low[full] == high[full]]] = 0.0
    return np.asarray(std, np.float64)


def _entry_blocks(X: Any) -> Iterator[slice]:
    """Blocks of the entries of a CSR matrix, with at least as many entries as there are features, if it has them."""
    step = max(BLOCK_ENTRIES, X.shape[1])
    for start in range(0, X.data.size, step):
        yield slice(start, start + step)


def check_representable(X: Array, scaling: tuple[Floats, Floats] | None, precision: str, name: str = "X") -> Array:
    """Refuse samples that a precision cannot represent, before or after scaling.

    Parameters
    ----------
    X : numpy.ndarray or CSR matrix of shape (n_samples, n_features)
        Validated samples.
    scaling : tuple of numpy.ndarray, optional
        Factor and offset of each feature.
    precision : {"float32", "float64"}
        Dtype of the network.
    name : str
        Name of the array in error messages.

    Returns
    -------
    numpy.ndarray or CSR matrix
        X.

    Raises
    ------
    DataError
        If a value is beyond the range of the precision, as it is or scaled; in float32 also if a feature is so far from
        zero, compared with its spread, that rounding loses more than 1 % of the spread.

    Examples
    --------
    >>> import numpy as np
    >>> check_representable(np.array([[1.5]]), None, "float32")
    array([[1.5]])
    """
    factor, offset = scaling or (np.ones(1), np.zeros(1))
    limit = float(np.finfo(precision).max)
    _check_range(X, factor, offset, limit, precision, name)
    if precision == "float64":
        return X
    distance = _distances(factor, offset)
    if distance.max() > MAX_DISTANCE:
        raise DataError(
            f"{name}: got a feature, number {distance.argmax()} (counted from 0), that is {distance.max():.3g} times "
            f"its spread away from zero, too far for float32 to distinguish its values; {REMEDY}"
        )
    return X


def _distances(factor: Floats, offset: Floats) -> Floats:
    """Distance of each feature from zero in units of its spread."""
    return np.where(factor == 1.0, 0.0, abs(offset))  # a constant feature is subtracted exactly


def accepts_small_samples(scaling: tuple[Floats, Floats] | None, precision: str) -> bool:
    """Whether `check_representable` accepts all samples that are, as they are and scaled, far below the range.

    Far below is less than half of the range of the precision.

    Examples
    --------
    >>> accepts_small_samples(None, "float32"), accepts_small_samples((np.ones(1), np.full(1, 1e38)), "float32")
    (True, False)
    """
    if scaling is None:
        return True
    is_near = precision == "float64" or _distances(*scaling).max() <= MAX_DISTANCE
    return bool(is_near and abs(scaling[1]).max() <= float(np.finfo(precision).max) / 4)


def _check_range(X: Any, factor: Floats, offset: Floats, limit: float, precision: str, name: str) -> None:
    """Refuse values that are beyond the limit of a precision as they are, or times factor plus offset."""
    largest_factor = float(abs(factor).max())
    if X.dtype == np.uint8 or (X.dtype == precision and largest_factor <= 1.0 and not offset.any()):
        return
    largest = largest_magnitude(X)
    if largest > limit:
        raise DataError(f"{name}: got values up to {largest:.3g}, beyond {precision}'s range; {REMEDY}")
    # Half of each term, since the sum of two numbers below the limit may overflow.
    if largest / 2 * largest_factor + float(abs(offset).max()) / 2 <= limit / 2:
        return
    with np.errstate(over="ignore"):
        scaled = _largest_magnitudes(X) / 2 * abs(factor) + abs(offset) / 2
    if scaled.max() > limit / 2:
        column = int(scaled.argmax())
        raise DataError(
            f"{name}: got values of feature {column} (counted from 0) that are beyond {precision}'s range once they "
            f"are scaled as in training, multiplied by {factor[column]:.3g}; {REMEDY}"
        )


def warn_if_not_finite(outputs: Array, X: Any) -> Array:
    """Warn about outputs of a network that overflowed on samples within the range of its precision; return them.

    Parameters
    ----------
    outputs : numpy.ndarray of shape (n_samples, n_outputs)
        The outputs.
    X : numpy.ndarray or CSR matrix of shape (n_samples, n_features)
        The samples.

    Returns
    -------
    numpy.ndarray
        The outputs.

    Examples
    --------
    >>> warn_if_not_finite(np.array([[0.5]]), np.array([[1.0]]))
    array([[0.5]])
    """
    is_finite = np.isfinite(outputs)
    if not is_finite.all():
        row = int(is_finite.all(axis=1).argmin())
        largest = largest_magnitude(X[[row]])
        warnings.warn(
            f"X: the outputs for row {row} (counted from 0) are not finite: its values, up to {largest:.3g}, are too "
            f"large for the network's weights and {outputs.dtype}, or a weight is not finite; {REMEDY}",
            stacklevel=4,
        )
    return outputs


def largest_magnitude(values: Any) -> float:
    """Largest absolute value of an array or CSR matrix; a memory-mapped file is read once, block by block.

    Examples
    --------
    >>> largest_magnitude(np.array([[1.0], [-3.0]]))
    3.0
    """
    numbers = values.data if hasattr(values, "indptr") else values
    blocks = row_blocks(len(numbers), numbers.nbytes // max(1, len(numbers)))
    return max((max(float(numbers[rows].max()), -float(numbers[rows].min())) for rows in blocks), default=0.0)


def pixel_scale_of(scaling: tuple[Floats, Floats] | None, X: Any) -> float | None:
    """The common factor of all features of uint8 samples, if scaling is a multiplication by it; otherwise None."""
    if X.dtype != np.uint8 or hasattr(X, "indptr"):
        return None
    factor, offset = scaling or (np.ones(1), np.zeros(1))
    return None if offset.any() or (factor != factor[0]).any() else float(factor[0])
