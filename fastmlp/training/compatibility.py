"""Agreement: whether a data set, a config and a network go together. Knows nothing of how one is trained."""

import warnings

import numpy as np

from fastmlp.config import Config
from fastmlp.data import Dataset
from fastmlp.data.target import check_loss
from fastmlp.errors import ConfigError, DataError, DataTypeError
from fastmlp.model.model import Model
from fastmlp.settings import LOSSES

#: More classes than samples are a mistake beyond so many: a price was taken for a class.
MAX_CLASSES = 1000
#: Numbers to be predicted whose size is not within this of 1 are learnt slowly, or make training diverge.
MAX_TARGET_RMS = 100.0


def n_outputs_of(dataset: Dataset, config: Config) -> int:
    """Width of the output of a network for some data: one sigmoid tells two classes apart.

    Raises
    ------
    ConfigError
        If the loss does not go with what the data holds.
    """
    if dataset.task not in LOSSES[config.loss].tasks:
        accepted = ", ".join(name for name, loss in LOSSES.items() if dataset.task in loss.tasks)
        raise ConfigError(f"loss: expected one of {accepted} for the task {dataset.task}, got {config.loss!r}")
    if config.class_weight == "balanced" and dataset.task != "classification":
        raise ConfigError(f"class_weight: given 'balanced', for classes; the data is for {dataset.task}")
    if dataset.task == "classification" and dataset.n_classes > max(MAX_CLASSES, len(dataset.X_train)):
        raise DataError(
            f"y_train holds labels up to {dataset.n_classes - 1} for {len(dataset.X_train)} samples: number the "
            "classes from 0; to predict numbers, ask for the task regression and a loss such as squared_error"
        )
    for name in ("y_train", "y_test", "y_val"):
        if getattr(dataset, name) is not None:
            check_loss(getattr(dataset, name), config.loss, config.dtype, name)
    if config.loss == "binary_cross_entropy" and dataset.task == "classification":
        if dataset.n_classes != 2:
            raise ConfigError(
                f"loss: given 'binary_cross_entropy', for 2 classes or for labels of which several may apply (task "
                f"multilabel); the data has {dataset.n_classes} classes: use cross_entropy"
            )
        return 1
    return dataset.n_classes


def warn_of_target_scale(dataset: Dataset) -> None:
    """Say so where numbers to be predicted are of a size that is hard to learn."""
    if dataset.task != "regression":
        return
    sizes = np.sqrt(np.square(dataset.y_train).mean(axis=0))
    if sizes.max() > MAX_TARGET_RMS:
        text = f"y_train is of the size {sizes.max():.3g}; a network learns numbers of about 1 best: divide them by it"
        warnings.warn(text, stacklevel=3)


def check_arguments(dataset: Dataset, config: Config, model: Model | None) -> None:
    """Refuse what is no data set, config or network, and a network that is of another form than the others ask for."""
    if not isinstance(dataset, Dataset):
        raise DataTypeError(f"dataset is a {type(dataset).__name__}; a Dataset is expected: see fastmlp.load_data")
    if not isinstance(config, Config):
        raise ConfigError(f"config is a {type(config).__name__}; a fastmlp.Config is expected")
    if model is None:
        return
    if not isinstance(model, Model):
        raise DataTypeError(f"model is a {type(model).__name__}; a fastmlp.Model is expected")
    if (model.n_features, model.n_outputs) != (dataset.n_features, n_outputs_of(dataset, config)):
        raise DataError(
            f"the model takes {model.n_features} features and has {model.n_outputs} outputs; "
            f"the data has {dataset.n_features} and asks for {n_outputs_of(dataset, config)}"
        )
    if None not in (model.class_names, dataset.class_names) and model.class_names != dataset.class_names:
        raise DataError(f"the model tells {model.class_names} apart; the data holds {dataset.class_names}")
    for name in ("hidden", "activation", "loss"):
        ours, theirs = getattr(config, name), getattr(model.config, name)
        if ours != theirs:
            raise ConfigError(f"{name}: given {ours!r}; the model to go on from has {theirs!r}")
    if config.dtype != model.config.dtype:
        given, there = config.precision, model.config.dtype
        raise ConfigError(f"precision: given {given!r}; the model to go on from has weights of {there}")
