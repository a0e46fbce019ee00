"""The learning rate as a pure function of the epoch. Knows settings and numbers only: no optimizer, no state.

Epochs count from 0. Exponentials, powers and cosines are those of `decimal`, to 28 digits: the last bit of the C
library's depends on the library and on the CPU.
"""

from decimal import Decimal
from fractions import Fraction

from fastmlp.config import Config

PI = Decimal("3.14159265358979323846264338328")
#: The one cycle of PyTorch's OneCycleLR at its defaults: share of the epochs that rise, where the rate begins and where
#: it ends, as parts of the highest. fastai's begins there too; Smith (2018) leaves them to the user.
RISING_SHARE, FIRST_PART, LAST_PART = Fraction(3, 10), Fraction(1, 25), Fraction(1, 250_000)


def learning_rate_at(config: Config, epoch: int) -> float:
    """Learning rate of an epoch under a config's schedule.

    Parameters
    ----------
    config : Config
        Its schedule, learning_rate, n_epochs and the schedule's own settings are what matters here.
    epoch : int
        How many epochs have gone by: 0 in the first.

    Returns
    -------
    float
        The rate that every step of this epoch uses.

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
    """``learning_rate * exp(-decay_rate * epoch)``: the paper's eq. (11), its iteration t counted in epochs.

    Examples
    --------
    >>> [round(exponential(0.3, 0.1, epoch), 4) for epoch in range(4)]
    [0.3, 0.2715, 0.2456, 0.2222]
    """
    return learning_rate * float((Decimal(-decay_rate) * epoch).exp())


def step_decay(learning_rate: float, step_epochs: int, step_factor: float, epoch: int) -> float:
    """``learning_rate * step_factor ** (epoch // step_epochs)``: PyTorch's StepLR.

    Examples
    --------
    >>> [step_decay(1.0, 2, 0.5, epoch) for epoch in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    return learning_rate * float(Decimal(step_factor) ** (epoch // step_epochs))


def inverse_scaling(learning_rate: float, power: float, epoch: int) -> float:
    """``learning_rate / (epoch + 1) ** power``: scikit-learn's invscaling, whose t counts samples, not epochs.

    Examples
    --------
    >>> [round(inverse_scaling(1.0, 0.5, epoch), 4) for epoch in range(4)]
    [1.0, 0.7071, 0.5774, 0.5]
    """
    return learning_rate * float(Decimal(epoch + 1) ** -Decimal(power))


def cosine(learning_rate: float, warmup_epochs: int, n_epochs: int, epoch: int) -> float:
    """Half a cosine wave from learning_rate to 0 (Loshchilov and Hutter 2017, eq. 5, without restarts).

    The first `warmup_epochs` rise to it evenly, ``learning_rate * (epoch + 1) / (warmup_epochs + 1)``, so that none has
    a rate of 0 and none but the next has the whole. Others begin the rise at 0, or end it an epoch earlier.

    Examples
    --------
    >>> [round(cosine(1.0, 1, 5, epoch), 4) for epoch in range(5)]
    [0.5, 1.0, 0.8536, 0.5, 0.1464]
    """
    if epoch < warmup_epochs:
        return learning_rate * (epoch + 1) / (warmup_epochs + 1)
    return learning_rate * float(_falling(Fraction(epoch - warmup_epochs, n_epochs - warmup_epochs)))


def one_cycle(learning_rate: float, n_epochs: int, epoch: int) -> float:
    """Up to learning_rate, then down to next to nothing, on half a cosine wave each (Smith 2018).

    The numbers are those of PyTorch's OneCycleLR with an epoch for a step: a 25th of the rate to begin with, the top
    after three tenths of the epochs, a 10,000th of the beginning at the last. Fewer than four epochs begin at the top.
    Smith's own cycle is made of straight lines, and moves the momentum against the rate; this one leaves it alone.

    Examples
    --------
    >>> [round(one_cycle(1.0, 10, epoch), 4) for epoch in range(0, 10, 3)]
    [0.04, 0.9505, 0.3887, 0.0]
    """
    top = max(RISING_SHARE * n_epochs - 1, Fraction(0))
    if epoch < top:
        part = _between(FIRST_PART, _falling(Fraction(epoch) / top))
    elif epoch == top:
        return learning_rate
    else:
        part = _between(LAST_PART, _falling(1 - (epoch - top) / (n_epochs - 1 - top)))
    return learning_rate * float(part)


def _between(low: Fraction, share_below: Decimal) -> Decimal:
    """From 1 to `low`, as the share of the way down that is still to go up falls from 1 to 0."""
    lowest = _decimal(low)
    return 1 - (1 - lowest) * share_below


def _falling(x: Fraction) -> Decimal:
    """``(1 + cos(pi x)) / 2`` for x from 0 to 1, by Taylor's series."""
    square, term, total, k = (PI * _decimal(x)) ** 2, Decimal(1), Decimal(1), 0
    while abs(term) > Decimal("1e-30"):
        k += 2
        term = -term * square / (k * (k - 1))
        total += term
    return (1 + total) / 2


def _decimal(x: Fraction) -> Decimal:
    return Decimal(x.numerator) / Decimal(x.denominator)
