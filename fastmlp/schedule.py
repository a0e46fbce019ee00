"""The learning rate as a pure function of the epoch. Knows numbers only: no configuration, no optimizer, no state."""

from decimal import Decimal


def exponential(learning_rate: float, decay_rate: float, epoch: int) -> float:
    """Learning rate of an epoch under exponential decay: ``learning_rate * exp(-decay_rate * epoch)``.

    The paper's eq. (11), with its iteration t counted in epochs, as the paper does.

    Parameters
    ----------
    learning_rate : float
        The rate at the start, the paper's gamma_0.
    decay_rate : float
        The paper's k, per epoch; 0 keeps the rate exactly constant.
    epoch : int
        How many epochs have gone by: 0 in the first.

    Returns
    -------
    float
        The rate that every step of this epoch uses.

    Notes
    -----
    The exponential is that of `decimal`, to 28 digits: the last bit of the C library's depends on the library and on
    the CPU.

    Examples
    --------
    >>> [round(exponential(0.3, 0.1, epoch), 4) for epoch in range(4)]
    [0.3, 0.2715, 0.2456, 0.2222]
    """
    return learning_rate * float((Decimal(-decay_rate) * epoch).exp())
