"""The dtypes of samples that kernels read, and the choice of one of them for numbers of other dtypes."""

from typing import Any

import numpy as np
import numpy.typing as npt

#: Dtypes of samples that kernels read.
DTYPES = tuple(np.dtype(name) for name in ("float32", "float64", "uint8"))
#: Largest magnitude up to which float32 represents every integer.
EXACT_IN_FLOAT32 = 1 << 24


def sample_dtype(numbers: npt.NDArray[Any]) -> np.dtype[Any]:
    """The dtype in which the kernels read some numbers.

    Parameters
    ----------
    numbers : numpy.ndarray
        Booleans, integers or floats, of any shape.

    Returns
    -------
    numpy.dtype
        That of the numbers if it is one of `DTYPES`, in native byte order. Otherwise float32, or float64 where float32
        cannot represent them.

    Examples
    --------
    >>> sample_dtype(np.array([True])), sample_dtype(np.array([2**24 + 1]))
    (dtype('float32'), dtype('float64'))
    """
    native = numbers.dtype.newbyteorder("=")
    if native in DTYPES:
        return native
    if numbers.dtype.kind in "iu" and numbers.dtype.itemsize >= 4:
        largest = max(-int(numbers.min(initial=0)), int(numbers.max(initial=0)))
        return np.dtype(np.float64 if largest > EXACT_IN_FLOAT32 else np.float32)
    return np.dtype(np.float64 if numbers.dtype.itemsize > 4 else np.float32)
