"""Compatibility checks of a data set, a config and a model."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastmlp.config import Config
from fastmlp.data import Dataset
from fastmlp.data.label import have_same_labels, list_labels
from fastmlp.data.sparse import check_indices
from fastmlp.data.target import check_loss
from fastmlp.errors import ConfigError, DataError, DataTypeError
from fastmlp.metrics import root_mean_square
from fastmlp.model.model import Model
from fastmlp.settings import LOSSES

#: Above this number, more classes than samples are refused.
MAX_CLASSES = 1000
#: Above this number, labels that are other numbers than 0 .. n_classes - 1 are refused if there are fewer than two
#: samples per class.
MAX_NUMBERS = 100
#: Regression targets with a larger root mean square are learnt slowly, or make training diverge.
MAX_TARGET_RMS = 100.0


def n_outputs_of(dataset: Dataset, config: Config) -> int:
    """Number of outputs of a network for a data set and a config: 1 for two classes with binary cross-entropy.

    Raises
    ------
    ConfigError
        If the loss or the class weights are incompatible with the task of the data.
    DataError
        If there are more classes than plausible, or if targets are invalid for the loss.
    """
    if dataset.task not in LOSSES[config.loss].tasks:
        accepted = [name for name, loss in LOSSES.items() if dataset.task in loss.tasks]
        expected = accepted[0] if len(accepted) == 1 else f"one of {', '.join(accepted)}"
        raise ConfigError(f"loss: expected {expected} for the task {dataset.task}, got {config.loss!r}")
    if config.class_weight == "balanced" and dataset.task != "classification":
        raise ConfigError(f"class_weight: expected 'none' for the task {dataset.task}, got 'balanced'")
    if dataset.classes is not None and dataset.n_classes > _max_classes(dataset.classes, len(dataset.y_train)):
        raise DataError(
            f"y_train: expected class labels, got {dataset.n_classes} different ones for {len(dataset.y_train)} "
            "samples; to predict numbers, use the task regression and a loss such as squared_error"
        )
    for name in ("y_train", "y_test", "y_val"):
        if getattr(dataset, name) is not None:
            check_loss(getattr(dataset, name), config.loss, config.dtype, name)
    if config.loss == "binary_cross_entropy" and dataset.task == "classification":
        if dataset.n_classes != 2:
            raise ConfigError(
                f"loss: expected cross_entropy for {dataset.n_classes} classes, got 'binary_cross_entropy', which is "
                "for 2 classes and for the task multilabel"
            )
        return 1
    return dataset.n_classes


def _max_classes(classes: NDArray[Any], n_samples: int) -> float:
    """Number of classes above which the labels are probably target values, such as prices."""
    if classes.dtype.kind in "if" and not have_same_labels(classes, np.arange(len(classes))):
        return max(MAX_NUMBERS, n_samples / 2)
    return max(MAX_CLASSES, n_samples)


def _check_classes(dataset: Dataset, model: Model) -> None:
    """Refuse a trained network of other classes than those of the data; an untrained one takes the data's."""
    if model.class_names is not None and dataset.class_names is not None:
        if model.class_names != dataset.class_names:
            raise DataError(f"model: expected the classes of the data, {dataset.class_names}, got {model.class_names}")
        return  # older files have nothing but the names
    if model.n_epochs == 0 or model.classes is None or dataset.classes is None:
        return
    if not have_same_labels(model.classes, dataset.classes):
        expected, got = list_labels(dataset.classes), list_labels(model.classes)
        raise DataError(f"model: expected the classes of the data, {expected}, got a network of the classes {got}")


def _check_table(dataset: Dataset, model: Model) -> None:
    """Refuse a trained network of other features than those of the data's table."""
    if model.n_epochs == 0 or model.table is None or dataset.table is None:
        return
    expected, got = dataset.table.feature_names, model.table.feature_names
    if expected != got:
        raise DataError(
            f"model: expected the features of the data's table, {list_labels(expected)}, got a network of the features "
            f"{list_labels(got)}; encode the data by the network's table, or train a new network"
        )


def warn_about_target_scale(dataset: Dataset) -> None:
    """Warn if regression targets that are not standardised are so large that they are hard to learn."""
    if dataset.task != "regression":
        return
    rms = root_mean_square(dataset.y_train).max()
    if rms > MAX_TARGET_RMS:
        text = f"y_train: expected targets of a root mean square near 1, got {rms:.3g}; divide the targets by it"
        warnings.warn(text, stacklevel=4)


def check_compatibility(dataset: Dataset, config: Config, model: Model | None) -> None:
    """Check the types of the arguments of `fastmlp.train`, and that a given model fits the data and the config.

    The indices of sparse samples, whose memory may be shared with the user, are checked again: kernels trust them.

    Raises
    ------
    DataTypeError, ConfigError
        If an argument has the wrong type.
    DataError, ConfigError
        If the model does not fit the data or the config, or indices of sparse samples have become invalid.
    """
    if not isinstance(dataset, Dataset):
        raise DataTypeError(f"dataset: expected a fastmlp.Dataset, got a {type(dataset).__name__}; see load_data")
    if not isinstance(config, Config):
        raise ConfigError(f"config: expected a fastmlp.Config, got a {type(config).__name__}")
    for name in ("X_train", "X_test", "X_val"):
        if hasattr(X := getattr(dataset, name), "indptr"):
            check_indices(X.indptr, X.indices, X.data, X.shape, name)
    if model is None:
        return
    if not isinstance(model, Model):
        raise DataTypeError(f"model: expected a fastmlp.Model, got a {type(model).__name__}; see load_model")
    n_features, n_outputs = dataset.n_features, n_outputs_of(dataset, config)
    if (model.n_features, model.n_outputs) != (n_features, n_outputs):
        raise DataError(
            f"model: expected {n_features} features and {n_outputs} outputs for this data, "
            f"got {model.n_features} features and {model.n_outputs} outputs"
        )
    _check_classes(dataset, model)
    _check_table(dataset, model)
    for name in ("hidden", "activation", "loss"):
        given, of_model = getattr(config, name), getattr(model.config, name)
        if given != of_model:
            raise ConfigError(f"{name}: expected {of_model!r}, as in the given model, got {given!r}")
    if config.dtype != model.config.dtype:
        of_model = model.config.dtype
        raise ConfigError(
            f"precision: expected one with {of_model} weights for the given model, got {config.precision!r}"
        )
