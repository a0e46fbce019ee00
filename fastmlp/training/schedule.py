"""Learning rate schedules: the learning rate as a pure function of the epoch, which is counted from 0.

Exponentials, powers and cosines are computed by `decimal` to 28 digits, since the last bit of the C library's results
depends on the library and on the CPU.
"""

from decimal import Decimal
from fractions import Fraction

from fastmlp.config import Config

PI = Decimal("3.14159265358979323846264338328")
#: Defaults of PyTorch's OneCycleLR: fraction of the epochs in which the learning rate rises, and the first and the last
#: learning rate as fractions of the highest. fastai starts at the same fraction; Smith (2018) leaves them to the user.
RISING_FRACTION, FIRST_FRACTION, LAST_FRACTION = Fraction(3, 10), Fraction(1, 25), Fraction(1, 250_000)


def learning_rate_at(config: Config, epoch: int) -> float:
    """Learning rate of an epoch under a config's schedule.

    Parameters
    ----------
    config : Config
        Its schedule, learning_rate, n_epochs and the settings of the schedule are used.
    epoch : int
        The epoch, counted from 0.

    Returns
    -------
    float
        Learning rate of all steps of this epoch. For ``schedule="plateau"``, before its factor
        (`fastmlp.training.early_stopping.Plateau`) is applied.

    Examples
    --------
    >>> config = Config(schedule="step", step_epochs=2, step_factor=0.5, learning_rate=0.4)
    >>> [learning_rate_at(config, epoch) for epoch in range(5)]
    [0.4, 0.4, 0.2, 0.2, 0.1]
    """
    rate, n_epochs = config.learning_rate, config.n_epochs
    if config.schedule == "exponential":
        return exponential(rate, config.decay_rate, epoch)
    if config.schedule == "step":
        return step_decay(rate, config.step_epochs, config.step_factor, epoch)
    if config.schedule == "cosine":
        return cosine(rate, config.warmup_epochs, n_epochs, epoch)
    if config.schedule == "inverse":
        return inverse_scaling(rate, config.power, epoch)
    return one_cycle(rate, n_epochs, epoch) if config.schedule == "one_cycle" else rate


def exponential(learning_rate: float, decay_rate: float, epoch: int) -> float:
    """Exponential decay, ``learning_rate * exp(-decay_rate * epoch)``: the paper's eq. (11) with t in epochs.

    Examples
    --------
    >>> [round(exponential(0.3, 0.1, epoch), 4) for epoch in range(4)]
    [0.3, 0.2715, 0.2456, 0.2222]
    """
    return learning_rate * float((Decimal(-decay_rate) * epoch).exp())


def step_decay(learning_rate: float, step_epochs: int, step_factor: float, epoch: int) -> float:
    """Step decay, ``learning_rate * step_factor ** (epoch // step_epochs)``, as PyTorch's StepLR.

    Examples
    --------
    >>> [step_decay(1.0, 2, 0.5, epoch) for epoch in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    return learning_rate * float(Decimal(step_factor) ** (epoch // step_epochs))


def inverse_scaling(learning_rate: float, power: float, epoch: int) -> float:
    """Inverse scaling, ``learning_rate / (epoch + 1) ** power``; scikit-learn's invscaling counts samples, not epochs.

    Examples
    --------
    >>> [round(inverse_scaling(1.0, 0.5, epoch), 4) for epoch in range(4)]
    [1.0, 0.7071, 0.5774, 0.5]
    """
    return learning_rate * float(Decimal(epoch + 1) ** -Decimal(power))


def cosine(learning_rate: float, warmup_epochs: int, n_epochs: int, epoch: int) -> float:
    """Cosine annealing from learning_rate to 0 (Loshchilov and Hutter 2017, eq. 5, without restarts).

    In the first `warmup_epochs` epochs it is ``learning_rate * (epoch + 1) / (warmup_epochs + 1)``, a linear warm-up:
    none of them has a rate of 0, and the epoch after them is the first with the full rate. Other libraries start the
    warm-up at 0, or end it one epoch earlier.

    Examples
    --------
    >>> [round(cosine(1.0, 1, 5, epoch), 4) for epoch in range(5)]
    [0.5, 1.0, 0.8536, 0.5, 0.1464]
    """
    if epoch < warmup_epochs:
        return learning_rate * (epoch + 1) / (warmup_epochs + 1)
    return learning_rate * float(_half_cosine(Fraction(epoch - warmup_epochs, n_epochs - warmup_epochs)))


def one_cycle(learning_rate: float, n_epochs: int, epoch: int) -> float:
    """One-cycle policy: a rise to learning_rate and a decay to nearly 0, along half a cosine wave each (Smith 2018).

    The values are those of PyTorch's OneCycleLR with epochs in place of steps: 1/25 of the maximum in the first epoch,
    the maximum after 3/10 of the epochs, and 1/10,000 of the first value in the last. With fewer than four epochs, the
    first has the maximum. Smith's cycle is piecewise linear and also varies the momentum; here it is constant.

    Examples
    --------
    >>> [round(one_cycle(1.0, 10, epoch), 4) for epoch in range(0, 10, 3)]
    [0.04, 0.9505, 0.3887, 0.0]
    """
    peak = max(RISING_FRACTION * n_epochs - 1, Fraction(0))
    if epoch < peak:
        factor = _interpolate(FIRST_FRACTION, _half_cosine(Fraction(epoch) / peak))
    elif epoch == peak:
        return learning_rate
    else:
        factor = _interpolate(LAST_FRACTION, _half_cosine(1 - (epoch - peak) / (n_epochs - 1 - peak)))
    return learning_rate * float(factor)


def _interpolate(low: Fraction, weight: Decimal) -> Decimal:
    """Linear interpolation between 1, at a weight of 0, and `low`, at a weight of 1."""
    return 1 - (1 - _decimal(low)) * weight


def _half_cosine(x: Fraction) -> Decimal:
    """``(1 + cos(pi x)) / 2``, from 1 at x = 0 to 0 at x = 1, by Taylor series."""
    square, term, total, k = (PI * _decimal(x)) ** 2, Decimal(1), Decimal(1), 0
    while abs(term) > Decimal("1e-30"):
        k += 2
        term = -term * square / (k * (k - 1))
        total += term
    return (1 + total) / 2


def _decimal(x: Fraction) -> Decimal:
    return Decimal(x.numerator) / Decimal(x.denominator)
