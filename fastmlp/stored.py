"""Stored: a network's numbers as its file has them, checked before memory is taken. Knows nothing of the header."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fastmlp.config import Config
from fastmlp.data.npy import Npz
from fastmlp.params import Params


def read_params(arrays: Npz, config: Config) -> Params:
    """Weights and biases, of the shapes that the config asks for.

    Shapes come first, for which the file is known to have room: only then is memory taken.

    Parameters
    ----------
    arrays : Npz
        The file.
    config : Config
        What its header says.

    Returns
    -------
    Params

    Raises
    ------
    KeyError, ValueError
        If an array is missing, or they do not fit together.
    """
    layers = range(len(config.hidden) + 1)
    shapes, dtypes = zip(*(arrays.header(f"weights_{i}")[:2] for i in layers), strict=True)
    sizes = (shapes[0][0], *(shape[-1] for shape in shapes))
    if sizes[1:-1] != config.hidden:
        raise ValueError(f"its hidden layers are {sizes[1:-1]}, those of its config {config.hidden}")
    if shapes != (*pairwise(sizes),) or any(dtype.kind != "f" for dtype in dtypes):
        raise ValueError(f"its weights, of the shapes {shapes}, are no layers of floats that follow each other")
    params = Params(sizes, config.precision)
    with np.errstate(over="ignore"):
        for i in layers:
            params.weights[i][...] = arrays[f"weights_{i}"]
            if not np.isfinite(params.weights[i]).all():
                raise ValueError(f"weights[{i}] takes numbers that are finite in {config.precision}")
    params.biases.assign(arrays[f"biases_{i}"] for i in layers)
    return params


def read_scaling(arrays: Npz, n_features: int) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Factor and offset of each feature, or None where the network takes samples as they are.

    Parameters
    ----------
    arrays : Npz
        The file.
    n_features : int
        Width of the network's input.

    Returns
    -------
    tuple of ndarray or None

    Raises
    ------
    KeyError, ValueError
        If there is one without the other, or they are not finite numbers of that width.
    """
    if "factor" not in arrays:
        return None
    scaling = arrays["factor"], arrays["offset"]
    if any(part.shape != (n_features,) or part.dtype != np.float64 or not np.isfinite(part).all() for part in scaling):
        raise ValueError(f"its scaling is not two arrays of {n_features} finite float64 numbers")
    return scaling
