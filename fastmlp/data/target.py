"""Target: what is asked of labels and of numbers to be predicted, by the task. Knows no samples and no network."""

from typing import Any, cast, get_args

import numpy as np
import numpy.typing as npt

from fastmlp.data.check import as_array, check_y, refuse_non_finite
from fastmlp.errors import DataError
from fastmlp.settings import Task


def check_target(
    y: npt.ArrayLike, n_samples: int, task: Task, n_outputs: int | None = None, name: str = "y"
) -> npt.NDArray[Any]:
    """Check what samples are to become.

    Parameters
    ----------
    y : array_like of shape (n_samples,) or (n_samples, n_outputs)
        classification: labels, see `check_y`; multilabel: 0 or 1 for each label; regression: finite numbers.
    n_samples : int
        How many there must be.
    task : {"classification", "multilabel", "regression"}
        What they are.
    n_outputs : int, optional
        How many classes, labels or numbers there must be.
    name : str
        What messages call the array.

    Returns
    -------
    numpy.ndarray
        A copy: int32 (n_samples,) of classes, uint8 (n_samples, n_labels), or float64 (n_samples, n_numbers).

    Raises
    ------
    DataTypeError
        If they are not numbers.
    DataError
        If their shape, length or values do not fit.

    Examples
    --------
    >>> check_target([1.5, 2.0], 2, "regression").tolist()
    [[1.5], [2.0]]
    >>> check_target([[0, 1], [1, 1]], 2, "multilabel").dtype
    dtype('uint8')
    """
    if task == "classification":
        return check_y(y, n_samples, n_outputs, name)
    values = as_array(y, name)
    if values.ndim == 1 and task == "regression":
        values = values[:, None]
    if values.ndim != 2 or values.shape[1] < 1:
        raise DataError(f"{name} has shape {values.shape}; (n_samples, n_outputs) is expected")
    if len(values) != n_samples:
        raise DataError(f"{name} has {len(values)} rows for {n_samples} samples")
    if n_outputs is not None and values.shape[1] != n_outputs:
        raise DataError(f"{name} has {values.shape[1]} columns; {n_outputs} are expected")
    if task == "regression":
        values = values.astype(np.float64)
        refuse_non_finite(values, name)
        return values
    if not np.isin(values, (0, 1)).all():
        raise DataError(f"{name} holds other numbers than 0 and 1, which say whether a label applies")
    return values.astype(np.uint8)


def check_loss(y: npt.NDArray[Any], loss: str, precision: str, name: str = "y") -> None:
    """Refuse checked numbers that a loss is not for, or that a precision cannot hold.

    Examples
    --------
    >>> check_loss(np.array([[-1.0]]), "poisson", "float64")
    Traceback (most recent call last):
    fastmlp.errors.DataError: y holds -1; the loss 'poisson' is for counts, numbers >= 0
    """
    if loss == "poisson" and y.min() < 0:
        raise DataError(f"{name} holds {y.min():g}; the loss 'poisson' is for counts, numbers >= 0")
    if y.dtype == np.float64 and precision == "float32" and abs(y).max() > np.finfo(np.float32).max:
        raise DataError(f"{name} holds {abs(y).max():.3g}, beyond float32's range: use precision float64, or scale it")


def check_weights(weights: npt.ArrayLike | None, n_samples: int, name: str) -> npt.NDArray[np.float64] | None:
    """Check sample weights: finite, none negative, not all zero; a copy in float64, or None.

    Examples
    --------
    >>> check_weights([1, 2], 2, "weight_train")
    array([1., 2.])
    """
    if weights is None:
        return None
    numbers = as_array(weights, name)
    if numbers.shape != (n_samples,):
        raise DataError(f"{name} has shape {numbers.shape}; a weight a sample, ({n_samples},), is expected")
    numbers = numbers.astype(np.float64)
    refuse_non_finite(numbers[:, None], name)
    if numbers.min() < 0 or numbers.max() == 0:
        raise DataError(f"{name} holds {numbers.min():g} to {numbers.max():g}; weights >= 0, not all 0, are expected")
    with np.errstate(over="ignore"):
        total = float(numbers.sum())
    if not np.finfo(np.float64).tiny <= total < np.inf:
        raise DataError(f"{name} sums up to {total:g}, which float64 does not hold: multiply all weights by a number")
    return numbers


def balanced_weights(
    y: npt.NDArray[np.int32], weights: npt.NDArray[np.float64] | None = None
) -> npt.NDArray[np.float64]:
    """Weights that give every class that is there the same sum; those given are multiplied.

    Examples
    --------
    >>> balanced_weights(np.array([0, 0, 0, 1]))
    array([0.66666667, 0.66666667, 0.66666667, 2.        ])
    """
    weights = np.ones(len(y)) if weights is None else weights
    sums = np.bincount(y, weights)
    by_class = weights.sum() / (np.count_nonzero(sums) * np.where(sums > 0, sums, 1.0))
    return np.asarray(by_class[y] * weights)


def check_task(task: str) -> Task:
    """Refuse what is not a task."""
    if task not in get_args(Task):
        raise DataError(f"task is {task!r}; one of {', '.join(get_args(Task))} is expected")
    return cast(Task, task)


def task_of(y: npt.ArrayLike) -> Task:
    """What labels are for, where nobody says: several columns are labels of which several may apply."""
    shape = as_array(y, "y").shape
    return "multilabel" if len(shape) == 2 and shape[1] > 1 else "classification"
