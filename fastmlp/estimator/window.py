"""What a network makes of checked samples, dense or sparse: those that are sparse are made dense a window at a time."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastmlp.model import Model
from fastmlp.trainer import WINDOW_BYTES


def forward(model: Model, X: Any, y: NDArray[Any] | None = None) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Outputs and losses.

    Parameters
    ----------
    model : Model
        The network.
    X : ndarray or CSR matrix (n_samples, n_features)
        Checked samples.
    y : ndarray, optional
        Checked targets; without them the losses mean nothing.

    Returns
    -------
    ndarray (n_samples, n_outputs), ndarray (n_samples,) of float64
        The outputs in the network's precision, and the loss of each sample.
    """
    if not hasattr(X, "indptr"):
        return model.forward_checked(X, y)
    n_rows = max(1, WINDOW_BYTES // (model.n_features * X.dtype.itemsize))
    parts = [
        model.forward_checked(X[start : start + n_rows].toarray(), None if y is None else y[start : start + n_rows])
        for start in range(0, X.shape[0], n_rows)
    ]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
