"""Split: which samples are held out for testing. Knows labels only."""

import numpy as np
import numpy.typing as npt

from fastmlp.data.check import Array
from fastmlp.errors import DataError

Indices = npt.NDArray[np.intp]


def holdout(y: Array) -> tuple[Indices, Indices]:
    """Divide samples into a training set and a test set of one fifth, the same on every machine and every day.

    The samples are shuffled, ordered by class (keeping the shuffle within a class), and every fifth is held out, so
    each class is divided in proportion to within one sample.

    Parameters
    ----------
    y : numpy.ndarray of shape (n_samples,)
        Labels, numbers or strings.

    Returns
    -------
    train, test : numpy.ndarray of shape (n_samples - n_samples // 5,) and (n_samples // 5,)
        Indices, in shuffled order.

    Raises
    ------
    DataError
        If there are fewer than five samples.

    Examples
    --------
    >>> import numpy as np
    >>> from fastmlp.data.split import holdout
    >>> y = np.repeat([0, 1], 50)
    >>> train, test = holdout(y)
    >>> np.bincount(y[train]), np.bincount(y[test])
    (array([40, 40]), array([10, 10]))
    """
    if len(y) < 5:
        raise DataError(f"{len(y)} samples cannot be divided; at least 5 are expected, or a test set of their own")
    # RandomState's stream is frozen (NEP 19); a Generator's may change with NumPy's version, and with it every result.
    shuffled = np.random.RandomState(0).permutation(len(y))
    by_class = shuffled[np.argsort(y[shuffled], kind="stable")]
    held_out = np.zeros(len(y), dtype=bool)
    held_out[by_class[4::5]] = True
    return shuffled[~held_out[shuffled]], shuffled[held_out[shuffled]]
