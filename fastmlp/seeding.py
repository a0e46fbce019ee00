"""Random numbers that depend on a seed and a purpose alone, whatever library's version is installed.

The generator is splitmix64 (Steele, Lea and Flood 2014): counted, not stepped, so a whole array comes at once. Knows
nothing of what the numbers are for, but for the list of purposes.
"""

from enum import IntEnum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Uint64s = NDArray[np.uint64]
Bits = TypeVar("Bits", int, Uint64s)

_GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1


class Purpose(IntEnum):
    """What a stream of random numbers is drawn for."""

    WEIGHTS = 1
    ORDER = 2
    REPEAT = 3
    DROPOUT = 4
    VALIDATION = 5


def splitmix64(state: Bits) -> Bits:
    """Mix states into random 64-bit numbers.

    Parameters
    ----------
    state : ndarray of uint64, or int
        A single number is Python's: `stream`, of which an epoch needs two, takes 3 µs so, and 20 with arrays of one.

    Returns
    -------
    ndarray of uint64, or int

    Examples
    --------
    The first number of the generator whose seed is 0, as Vigna's reference code prints it:

    >>> hex(splitmix64(np.array([0x9E3779B97F4A7C15], dtype=np.uint64))[0])
    '0xe220a8397b1dcdaf'
    """
    z = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & _MASK
    return z ^ (z >> 31)  # type: ignore[return-value]


def stream(seed: int, purpose: Purpose, index: int = 0) -> int:
    """State (64 bits) of the stream keyed by a seed, a purpose, and an epoch or a layer.

    Examples
    --------
    >>> stream(0, Purpose.ORDER, 1) == stream(0, Purpose.ORDER, 2)
    False
    """
    state = 0
    for key in (seed, int(purpose), index):
        state = splitmix64((state + int(key) + 1) * _GOLDEN & _MASK)
    return state


def uniform(state: int, start: int, stop: int) -> NDArray[np.float64]:
    """Numbers start to stop of a stream, float64, evenly spread over [0, 1).

    Examples
    --------
    >>> bool(abs(uniform(7, 0, 10_000).mean() - 0.5) < 0.01)
    True
    """
    counted = np.arange(start + 1, stop + 1, dtype=np.uint64) * np.uint64(_GOLDEN) + np.uint64(state)
    return (splitmix64(counted) >> np.uint64(11)).astype(np.float64) * 2.0**-53
