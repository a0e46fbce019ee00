"""Checks that samples and targets are within the range of a network's precision, as `fastmlp.train` does them."""

from typing import Any

import numpy as np
from scipy.sparse import issparse

from fastmlp.data.check import is_as_checked
from fastmlp.data.scaling import check_representable
from fastmlp.data.sparse import check_sparse
from fastmlp.data.target import check_loss
from fastmlp.data.target_scaling import TargetScaling
from fastmlp.estimator.loop import Samples
from fastmlp.training.standardisation import check_target_scaling


def check_training_range(
    samples: Samples, validation: Samples | None, loss: str, dtype: np.dtype[Any], scaling: TargetScaling
) -> None:
    """Refuse samples and targets beyond the range of a network's precision, and targets that are invalid for its loss.

    Parameters
    ----------
    samples, validation : Samples
        Checked samples and encoded targets of the training set and, optionally, of the validation set.
    loss : str
        Name of the loss.
    dtype : numpy.dtype
        Dtype of the network.
    scaling : TargetScaling
        The standardisation of the targets.

    Raises
    ------
    DataError
        If a number is beyond the range, also once it is standardised, or a target is negative with the loss poisson.
    """
    targets = {}
    for part, X_name, y_name in ((samples, "X", "y"), (validation, "X_val", "y_val")):
        if part is not None:
            check_range(part.X, dtype, X_name)
            check_loss(part.y, loss, dtype.name, y_name)
            targets[y_name] = part.y
    check_target_scaling(scaling, targets, loss, dtype.name)


def check_range(X: Any, dtype: np.dtype[Any], name: str = "X") -> Any:
    """Refuse checked samples, dense or CSR, that are beyond the range of a network's precision.

    Parameters
    ----------
    X : ndarray or CSR matrix (n_samples, n_features)
        The samples.
    dtype : numpy.dtype
        Dtype of the network.
    name : str
        Name in error messages.

    Returns
    -------
    ndarray or CSR matrix
        X.

    Raises
    ------
    DataError
        If a number is beyond the range.

    Examples
    --------
    >>> check_range(np.array([[1e39]]), np.dtype("float32"))
    Traceback (most recent call last):
    fastmlp.errors.DataError: X: got values up to 1e+39, beyond float32's range; train in float64, or scale the data
    """
    if X.dtype != dtype:
        check_representable(X, None, dtype.name, name)
    return X


def aligned(X: Any) -> Any:
    """Samples that the kernels can read: aligned to their dtype; CSR samples in canonical format.

    Examples
    --------
    >>> X = np.zeros(17, np.uint8)[1:].view(np.float64)[None]
    >>> aligned(X).flags.aligned
    True
    """
    return check_sparse(X, ensure_finite=False) if issparse(X) else np.require(X, requirements="A")


def readable_in_place(X: Any, n_features: int) -> Any:
    """Samples that scikit-learn's checks would return as they are, apart from their values; otherwise None.

    Examples
    --------
    >>> X = np.zeros((1, 2))
    >>> readable_in_place(X, 2) is X, readable_in_place([[0.0, 0.0]], 2)
    (True, None)
    """
    if not issparse(X):
        return X if is_as_checked(X, n_features) and X.dtype.kind == "f" else None
    is_plain = X.format == "csr" and X.ndim == 2 and X.shape[0] > 0 and X.shape[1] == n_features
    return aligned(X) if is_plain and X.dtype.kind in "biuf" else None
