"""The stratified split into training and test samples."""

import numpy as np
import numpy.typing as npt

from fastmlp.data.check import Array
from fastmlp.errors import DataError

Indices = npt.NDArray[np.intp]


def holdout(y: Array) -> tuple[Indices, Indices]:
    """Split samples into a training set and a held-out test set of one fifth, stratified by class and reproducible.

    The samples are shuffled and stably sorted by class, and every fifth is held out, so that each class is split in
    proportion to within one sample. The split is the same on every machine and for every version of NumPy.

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
        raise DataError(
            f"expected at least 5 samples to hold a fifth out, got {len(y)}; add samples or give a test set"
        )
    # RandomState's stream is frozen (NEP 19); a Generator's may change with NumPy's version, and all results with it.
    shuffled = np.random.RandomState(0).permutation(len(y))
    by_class = shuffled[np.argsort(y[shuffled], kind="stable")]
    held_out = np.zeros(len(y), dtype=bool)
    held_out[by_class[4::5]] = True
    return shuffled[~held_out[shuffled]], shuffled[held_out[shuffled]]
