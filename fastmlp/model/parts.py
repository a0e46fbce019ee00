"""The parts of a network, properties derived from them, and checks that they fit each other."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastmlp.config import Config
from fastmlp.data.check import as_array, as_dense, is_sequence, read_only
from fastmlp.data.label import as_names, check_classes
from fastmlp.errors import ConfigError, DataError, DataTypeError
from fastmlp.model.params import Params
from fastmlp.settings import LOSSES, Output, Task
from fastmlp.table.schema import TableSchema

#: Factor and offset of each input feature.
Scaling = tuple[NDArray[np.float64], NDArray[np.float64]]


class Parts(NamedTuple):
    """The parts of a network, in the order of `fastmlp.Model`'s arguments.

    Attributes
    ----------
    config : Config
        The settings that it was made or last trained with.
    params : Params
        Weights and biases.
    scaling : tuple of ndarray (n_features,) of float64, or None
        Factor and offset of each input feature.
    class_names : tuple of str or None
        Names of the classes.
    n_epochs : int
        Number of epochs trained so far.
    classes : ndarray (n_classes,), or None
        The labels of the classes in ascending order.
    table : TableSchema or None
        The columns of the table whose encoded rows it was trained on.
    """

    config: Config
    params: Params
    scaling: Scaling | None = None
    class_names: tuple[str, ...] | None = None
    n_epochs: int = 0
    classes: NDArray[Any] | None = None
    table: TableSchema | None = None


def output_of(config: Config) -> Output:
    """Activation of the output layer.

    Examples
    --------
    >>> output_of(Config())
    'softmax'
    """
    return LOSSES[config.loss].output


def is_binary(config: Config, params: Params) -> bool:
    """Whether the network has one output, the probability of the second of two classes.

    Examples
    --------
    >>> is_binary(Config(), Params((3, 2), "float32"))
    False
    """
    return output_of(config) == "sigmoid" and params.sizes[-1] == 1


def n_classes_of(config: Config, params: Params) -> int:
    """Number of classes, of labels per sample, or of values to predict per sample.

    Examples
    --------
    >>> n_classes_of(Config(loss="binary_cross_entropy"), Params((3, 1), "float32"))
    2
    """
    return 2 if is_binary(config, params) else params.sizes[-1]


def task_of_network(config: Config, params: Params) -> Task:
    """Task of a network, see `fastmlp.Dataset`.

    Examples
    --------
    >>> task_of_network(Config(loss="binary_cross_entropy"), Params((3, 4), "float32"))
    'multilabel'
    """
    if output_of(config) == "softmax" or is_binary(config, params):
        return "classification"
    return "multilabel" if output_of(config) == "sigmoid" else "regression"


def check_config(config: Config, params: Params) -> None:
    """Refuse a config that describes another network.

    Raises
    ------
    ConfigError
        If it is no Config, or has other hidden layers or another dtype than the parameters.

    Examples
    --------
    >>> check_config(Config(hidden=(5,)), Params((3, 4, 2), "float32"))
    Traceback (most recent call last):
    fastmlp.errors.ConfigError: hidden: expected (4,), the layers of the network, got (5,); make a new network
    """
    if not isinstance(config, Config):
        raise ConfigError(f"config: expected a fastmlp.Config, got {config!r:.200}")
    sizes, dtype = params.sizes, params.dtype.name
    if config.hidden != sizes[1:-1]:
        raise ConfigError(
            f"hidden: expected {sizes[1:-1]}, the layers of the network, got {config.hidden}; make a new network"
        )
    if config.dtype != dtype:
        raise ConfigError(
            f"precision: expected one with {dtype} weights, as the network has, got {config.precision!r}; make a new "
            "network, and assign the weights to it"
        )


def check_scaling(scaling: Sequence[object] | None, params: Params) -> Scaling | None:
    """Copies of factor and offset of each input feature, read-only.

    Raises
    ------
    DataError, DataTypeError
        If they are not two arrays of finite numbers, one per feature, or a factor is beyond the range of the dtype.

    Examples
    --------
    >>> check_scaling(([1], [0]), Params((1, 2), "float32"))
    (array([1.]), array([0.]))
    """
    if scaling is None:
        return None
    if not is_sequence(scaling) or len(scaling) != 2:
        raise DataTypeError(f"scaling: expected None or two arrays, factor and offset, got {scaling!r:.200}")
    factor, offset = (_check_per_feature(part, params.sizes[0], f"scaling[{i}]") for i, part in enumerate(scaling))
    if abs(factor).max() > np.finfo(params.dtype).max:
        raise DataError(f"scaling[0]: got {abs(factor).max():.3g}, beyond the range of {params.dtype}")
    return factor, offset


def _check_per_feature(values: object, n_features: int, name: str) -> NDArray[np.float64]:
    array = as_array(values, name)  # type: ignore[arg-type]
    if array.shape != (n_features,):
        raise DataError(f"{name}: expected one number per feature, shape ({n_features},), got shape {array.shape}")
    with np.errstate(over="ignore"):  # a long double beyond float64 becomes infinity, which is refused
        array = array.astype(np.float64)
    if not np.isfinite(array).all():
        index = int(np.argmin(np.isfinite(array)))
        raise DataError(f"{name}: expected finite numbers, got {array[index]} for feature {index} (counted from 0)")
    return read_only(array)


def check_class_names(class_names: Sequence[str] | None, n_classes: int) -> tuple[str, ...] | None:
    """Class names as a tuple.

    Raises
    ------
    DataError, DataTypeError
        If they are not n_classes strings.

    Examples
    --------
    >>> check_class_names(["cat", "dog"], 2)
    ('cat', 'dog')
    """
    if class_names is None:
        return None
    names = as_names(class_names)
    if len(names) != n_classes:
        raise DataError(f"class_names: expected {n_classes} names, one per class, got {len(names)}")
    return names


def check_n_epochs(n_epochs: int) -> int:
    """Number of epochs as an int; `ConfigError` unless it is an integer >= 0.

    Examples
    --------
    >>> check_n_epochs(np.int64(3))
    3
    """
    if not isinstance(n_epochs, int | np.integer) or isinstance(n_epochs, bool) or n_epochs < 0:
        raise ConfigError(f"n_epochs: expected an integer >= 0, got {n_epochs!r:.200}")
    return int(n_epochs)


def classes_of(config: Config, params: Params, classes: ArrayLike | None = None) -> NDArray[Any] | None:
    """Validate the classes of a network; by default 0 .. n_classes - 1, and None for multilabel and regression.

    Raises
    ------
    DataError
        If there are classes for another task than classification, or their number, type or order is wrong.

    Examples
    --------
    >>> classes_of(Config(), Params((3, 2), "float32"), ["cat", "dog"])
    array(['cat', 'dog'], dtype='<U3')
    """
    if task_of_network(config, params) != "classification":
        if classes is not None:
            raise DataError(f"classes: expected None for a network of several labels or values, got {classes!r:.200}")
        return None
    n_classes = n_classes_of(config, params)
    array = np.arange(n_classes) if classes is None else as_dense(classes, "classes")
    # An estimator that was fitted to a single class has the network of two.
    return check_classes(array, 1 if is_binary(config, params) and array.shape == (1,) else n_classes)
