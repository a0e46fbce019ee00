"""Target: what is asked of labels and of numbers to be predicted, by the task. Knows no samples and no network."""

from typing import Any, Literal, cast, get_args

import numpy as np
import numpy.typing as npt

from fastmlp.data.check import as_array, check_y, refuse_non_finite
from fastmlp.errors import DataError

Task = Literal["classification", "multilabel", "regression"]


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
    return numbers


def check_task(task: str) -> Task:
    """Refuse what is not a task."""
    if task not in get_args(Task):
        raise DataError(f"task is {task!r}; one of {', '.join(get_args(Task))} is expected")
    return cast(Task, task)


def task_of(y: npt.ArrayLike) -> Task:
    """What labels are for, where nobody says: several columns are labels of which several may apply."""
    shape = as_array(y, "y").shape
    return "multilabel" if len(shape) == 2 and shape[1] > 1 else "classification"
