"""Standardisation of regression targets by one power of two and the mean of each output."""

import math
from typing import NamedTuple

import numpy as np

from fastmlp.data.check import Array
from fastmlp.data.scaling import Floats
from fastmlp.data.target import weight_scale
from fastmlp.errors import DataError
from fastmlp.metrics import exponents, root_mean_square

TARGET_SCALES = ("auto", "none")


class TargetScaling(NamedTuple):
    """The map ``(y - offset) / factor`` from targets to what a network is trained on.

    Attributes
    ----------
    factor : float
        A power of two, so that no division or multiplication by it changes a bit. One for all outputs: the squared
        error is then that of the targets over factor squared, and each output keeps its weight in the loss.
    offset : numpy.ndarray of shape (n_outputs,), float64
        Offset of each output.

    Examples
    --------
    >>> scaling = TargetScaling(4.0, np.array([10.0]))
    >>> scaling.apply(np.array([[6.0], [18.0]])).tolist(), scaling.loss_of_targets(2.0)
    ([[-1.0], [2.0]], 32.0)
    """

    factor: float
    offset: Floats

    @classmethod
    def identity(cls, n_outputs: int) -> "TargetScaling":
        """The map that leaves targets as they are."""
        return cls(1.0, np.zeros(n_outputs))

    @property
    def is_identity(self) -> bool:
        """Whether the map leaves targets as they are."""
        return self.factor == 1.0 and not self.offset.any()

    def apply(self, y: Array) -> Array:
        """The targets (n_samples, n_outputs) as the network is trained on them; y itself for the identity."""
        if self.is_identity:
            return y
        with np.errstate(over="ignore"):
            scaled: Array = (y - self.offset) / self.factor
        return scaled

    def loss_of_targets(self, loss: float) -> float:
        """The loss in the square of the targets' unit, for the loss on what the network is trained on."""
        return loss * self.factor * self.factor  # the square alone may be beyond the range


def check_target_scale(target_scale: str) -> str:
    """Refuse an unknown value of target_scale.

    Examples
    --------
    >>> check_target_scale("auto")
    'auto'
    """
    if target_scale not in TARGET_SCALES:
        raise DataError(f"target_scale: expected one of {', '.join(TARGET_SCALES)}, got {target_scale!r}")
    return target_scale


def fit_target_scaling(y: Array, weights: Floats | None = None) -> TargetScaling:
    """Fit the standardisation of regression targets.

    Parameters
    ----------
    y : numpy.ndarray of shape (n_samples, n_outputs)
        Training targets: finite numbers of any magnitude.
    weights : numpy.ndarray of shape (n_samples,), float64, optional
        Sample weights >= 0, not all 0. Mean and deviation are weighted by them: a sample without weight, such as a
        masked outlier, has no influence.

    Returns
    -------
    TargetScaling
        offset: the mean of each output. factor: the power of two nearest, as a ratio, to the root mean square of the
        deviations of all outputs from their means; 1 if all outputs are constant. Bitwise the same on every machine.

    Examples
    --------
    >>> fit_target_scaling(np.array([[1000.0], [1006.0]]))
    TargetScaling(factor=4.0, offset=array([1003.]))
    """
    y = np.asarray(y, np.float64)
    if weights is not None:
        y, weights = y[weights > 0], weights[weights > 0] * weight_scale(weights)
    exponent = exponents(y)
    scaled = np.ldexp(y, -exponent)  # so that no sum overflows
    low, high = scaled.min(axis=0), scaled.max(axis=0)
    # A constant is its own mean: the rounding error of a computed one would be taken for a deviation.
    mean = np.clip(np.average(scaled, axis=0, weights=weights), low, high)
    deviation = scaled - mean
    if weights is not None:
        deviation *= np.sqrt(weights / weights.mean())[:, None]
    top = int(exponent.max())
    rms_of_outputs = np.ldexp(root_mean_square(deviation), exponent - top)
    mantissa, power = math.frexp(float(root_mean_square(rms_of_outputs[:, None])[0]))
    if mantissa == 0:
        return TargetScaling(1.0, np.ldexp(mean, exponent))
    power += top - (mantissa < math.sqrt(0.5))
    return TargetScaling(math.ldexp(1.0, min(max(power, -1022), 1023)), np.ldexp(mean, exponent))
