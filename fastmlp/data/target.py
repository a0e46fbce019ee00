"""Validation of targets and sample weights, by task, loss and precision."""

from collections.abc import Mapping
from typing import Any, cast, get_args

import numpy as np
import numpy.typing as npt

from fastmlp.data.check import Array, as_array, as_dense, refuse_non_finite
from fastmlp.data.frame import check_same_names, column_names
from fastmlp.data.label import TYPES, check_labels, codes_of, distinct_labels
from fastmlp.errors import DataError
from fastmlp.settings import Task


def check_targets(
    given: Mapping[str, tuple[npt.ArrayLike, int]], task: Task, class_names: tuple[str, ...] | None = None
) -> tuple[dict[str, Array], Array | None]:
    """Validate the targets of all parts of a data set, and convert them to the dtype of their task.

    Parameters
    ----------
    given : mapping of str to (array_like, int)
        Targets and expected number of samples of each part by the name of its targets in error messages; the training
        set comes first.
    task : {"classification", "multilabel", "regression"}
        The kind of target.
    class_names : tuple of str, optional
        Names of the classes, whose labels are then 0 .. n_classes - 1, or of the labels of a sample.

    Returns
    -------
    targets : dict of str to numpy.ndarray
        The targets by name: int32 codes (n_samples,) for classification, otherwise as `check_target` returns them.
    classes : numpy.ndarray of shape (n_classes,), or None
        The labels of the codes 0 .. n_classes - 1; None for other tasks than classification.

    Raises
    ------
    DataTypeError, DataError
        As `fastmlp.data.label.check_labels` and `check_target` do, and if there is no training sample of a second
        class.

    Examples
    --------
    >>> targets, classes = check_targets({"y_train": ([30, 10], 2), "y_test": ([20], 1)}, "classification")
    >>> targets["y_train"].tolist(), targets["y_test"].tolist(), classes.tolist()
    ([2, 0], [1], [10, 20, 30])
    """
    if task != "classification":
        n_outputs, targets = None if class_names is None else len(class_names), {}
        first, (y_first, _) = next(iter(given.items()))
        for name, (y, n_samples) in given.items():
            targets[name] = check_target(y, n_samples, task, n_outputs, name)
            n_outputs = int(targets[name].shape[1])
            if n_outputs > 1:  # a single column may have any name
                check_same_names(column_names(y, name), column_names(y_first, first), name, first)
        return targets, None
    labels = {name: check_labels(y, n_samples, name) for name, (y, n_samples) in given.items()}
    if class_names is None:
        classes = distinct_labels(labels)
    else:
        _refuse_names(labels, class_names)
        classes = np.arange(len(class_names))
    codes = {name: codes_of(array, classes, name) for name, array in labels.items()}
    name, train = next(iter(codes.items()))
    if train.min() == train.max():
        raise DataError(f"{name}: expected at least two classes, got only class {classes[train[0]]}")
    return codes, classes


def _refuse_names(labels: Mapping[str, Array], class_names: tuple[str, ...]) -> None:
    """Refuse class names for labels that are strings or dates: names are for the labels 0 .. n_classes - 1."""
    for name, array in labels.items():
        if array.dtype.kind in "UOM":
            raise DataError(
                f"class_names: expected None, since {name} holds {TYPES[array.dtype.kind]}, which need no names, got "
                f"{list(class_names)}"
            )


def check_target(
    y: npt.ArrayLike, n_samples: int, task: Task, n_outputs: int | None = None, name: str = "y"
) -> npt.NDArray[Any]:
    """Validate targets that are not classes, and convert them to the dtype of their task.

    Parameters
    ----------
    y : array_like of shape (n_samples,) or (n_samples, n_outputs)
        multilabel: 0 or 1 for each label; regression: finite numbers.
    n_samples : int
        Expected number of samples.
    task : {"multilabel", "regression"}
        The kind of target.
    n_outputs : int, optional
        Expected number of labels or target values.
    name : str
        Name of the array in error messages.

    Returns
    -------
    numpy.ndarray of shape (n_samples, n_outputs)
        A copy: uint8 for multilabel, float64 for regression.

    Raises
    ------
    DataTypeError
        If the targets are not numbers.
    DataError
        If their shape, length or values are invalid.

    Examples
    --------
    >>> check_target([1.5, 2.0], 2, "regression").tolist()
    [[1.5], [2.0]]
    >>> check_target([[0, 1], [1, 1]], 2, "multilabel").dtype
    dtype('uint8')
    """
    values = as_array(y, name)
    if values.ndim == 1 and task == "regression":
        values = values[:, None]
    if values.ndim != 2 or values.shape[1] < 1:
        raise DataError(f"{name}: expected shape (n_samples, n_outputs), got {values.shape}")
    if len(values) != n_samples:
        raise DataError(f"{name}: expected {n_samples} rows, one per sample, got {len(values)}")
    if n_outputs is not None and values.shape[1] != n_outputs:
        raise DataError(f"{name}: expected shape (n_samples, {n_outputs}), got {values.shape}")
    if task == "regression":
        values = values.astype(np.float64, order="C")
    refuse_non_finite(values, name, column_names(y, name))
    if task == "regression":
        return values
    if not np.isin(values, (0, 1)).all():
        raise DataError(f"{name}: expected 0 or 1 for each label of a sample, got other numbers")
    return values.astype(np.uint8, order="C")


def check_loss(y: npt.NDArray[Any], loss: str, precision: str, name: str = "y") -> None:
    """Refuse targets that are invalid for a loss, or that a precision cannot represent.

    Parameters
    ----------
    y : numpy.ndarray of shape (n_samples, n_outputs)
        Targets that `check_target` returned.
    loss : str
        Name of the loss.
    precision : {"float32", "float64"}
        Dtype of the network.
    name : str
        Name of the array in error messages.

    Raises
    ------
    DataError
        If a target is negative with the loss poisson, or beyond the range of float32.

    Examples
    --------
    >>> check_loss(np.array([[-1.0]]), "poisson", "float64")
    Traceback (most recent call last):
    fastmlp.errors.DataError: y: expected counts, numbers >= 0, for the loss 'poisson', got -1
    """
    if loss == "poisson" and y.min() < 0:
        raise DataError(f"{name}: expected counts, numbers >= 0, for the loss 'poisson', got {y.min():g}")
    if y.dtype == np.float64 and precision == "float32" and abs(y).max() > np.finfo(np.float32).max:
        raise DataError(f"{name}: got {abs(y).max():.3g}, beyond float32's range; train in float64, or scale {name}")


def check_weights(weights: npt.ArrayLike | None, n_samples: int, name: str) -> npt.NDArray[np.float64] | None:
    """Validate sample weights.

    Parameters
    ----------
    weights : array_like of shape (n_samples,), or None
        Finite numbers >= 0, not all 0. A batch's loss is its weighted mean: only the ratios of its weights count. A
        ratio to the batch's sum below the range of the precision, 1e-38 in float32, counts as 0.
    n_samples : int
        Expected number of weights.
    name : str
        Name of the array in error messages.

    Returns
    -------
    numpy.ndarray of shape (n_samples,), float64, or None
        A copy; None for no weights.

    Raises
    ------
    DataTypeError
        If the weights are not numbers.
    DataError
        If their shape or values are invalid, their sum overflows, or float64 cannot represent their ratios.

    Examples
    --------
    >>> check_weights([1, 2], 2, "weight_train")
    array([1., 2.])
    """
    if weights is None:
        return None
    numbers = as_array(weights, name)
    if numbers.shape != (n_samples,):
        raise DataError(f"{name}: expected one weight per sample, shape ({n_samples},), got shape {numbers.shape}")
    numbers = numbers.astype(np.float64)
    refuse_non_finite(numbers[:, None], name, column_names(weights, name))
    if numbers.min() < 0 or numbers.max() == 0:
        raise DataError(f"{name}: expected weights >= 0, not all 0, got {numbers.min():g} to {numbers.max():g}")
    with np.errstate(over="ignore"):
        total = float((numbers * weight_scale(numbers)).sum())
    if total == np.inf:
        raise DataError(
            f"{name}: expected weights whose sum and ratios float64 can represent, got "
            f"{numbers[numbers > 0].min():g} to {numbers.max():g}; multiply all weights by a constant, or set the "
            "smallest to 0"
        )
    return numbers


def weight_scale(weights: npt.NDArray[np.float64]) -> float:
    """Factor by which weights are multiplied for the kernels, which count subnormal numbers as 0.

    Examples
    --------
    >>> weight_scale(np.array([0.0, 1.0])), weight_scale(np.array([5e-324, 1.0])) == 2.0**52
    (1.0, True)
    """
    return 2.0**52 if weights[weights > 0].min() < np.finfo(np.float64).tiny else 1.0


def balanced_weights(
    y: npt.NDArray[np.int32], weights: npt.NDArray[np.float64] | None = None
) -> npt.NDArray[np.float64]:
    """Sample weights by which every class has the same total weight.

    Parameters
    ----------
    y : numpy.ndarray of shape (n_samples,), int32
        Codes of the classes; classes without samples are ignored.
    weights : numpy.ndarray of shape (n_samples,), optional
        Sample weights, which are multiplied by those of the classes.

    Returns
    -------
    numpy.ndarray of shape (n_samples,), float64
        The weights; their sum is unchanged, unless it is next to the least float64. A weight below 1e-308 of its
        class's sum becomes 0.

    Examples
    --------
    >>> balanced_weights(np.array([0, 0, 0, 1]))
    array([0.66666667, 0.66666667, 0.66666667, 2.        ])
    """
    weights = np.ones(len(y)) if weights is None else weights
    sums, total = np.bincount(y, weights), weights.sum()
    # Powers of two are divided out, which keeps every bit: 1e300 over 1e-300 would overflow.
    (mantissa, exponent), (mantissa_of_total, exponent_of_total) = (
        np.frexp(np.where(sums > 0, sums, 1.0)),
        np.frexp(total),
    )
    by_class = mantissa_of_total / (np.count_nonzero(sums) * mantissa)
    # Subnormal weights would be rounded to few bits.
    exponent_of_total = max(exponent_of_total, -960)
    return np.asarray(np.ldexp(by_class[y] * np.ldexp(weights, -exponent[y]), exponent_of_total))


def check_task(task: str) -> Task:
    """Refuse an unknown task."""
    if task not in get_args(Task):
        raise DataError(f"task: expected one of {', '.join(get_args(Task))}, got {task!r}")
    return cast(Task, task)


def task_of(y: npt.ArrayLike) -> Task:
    """Infer the task from the targets: multilabel if they have several columns, otherwise classification."""
    shape = as_dense(y, "y").shape
    return "multilabel" if len(shape) == 2 and shape[1] > 1 else "classification"
