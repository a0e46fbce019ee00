"""What precedes the first step of a training: checks, the precision, the network and the scaling of the targets."""

import warnings

from fastmlp.config import Config
from fastmlp.data import Dataset
from fastmlp.data.scaling import check_representable
from fastmlp.data.target_scaling import TargetScaling
from fastmlp.model.model import Model, init_model
from fastmlp.parallel import Threads, check_threads
from fastmlp.training import standardisation
from fastmlp.training.compatibility import check_compatibility, n_outputs_of, warn_about_target_scale
from fastmlp.training.precision import resolve
from fastmlp.training.warmup import prepare_run


def prepare_training(
    dataset: Dataset, config: Config, model: Model | None, n_threads: Threads
) -> tuple[Config, Model, TargetScaling]:
    """Check what is to be trained, and load or compile the kernels; warnings name the line that calls the caller.

    Parameters
    ----------
    dataset, config, model, n_threads
        As given to `fastmlp.train`.

    Returns
    -------
    config : Config
        With the precision resolved.
    model : Model
        A copy of the given network, or a new one, with the classes, the table and the scaling of the data.
    scaling : TargetScaling
        The standardisation of the targets.

    Raises
    ------
    DataError, DataTypeError, ConfigError
        As `fastmlp.train` does for these arguments.
    """
    check_compatibility(dataset, config, model)
    check_threads(n_threads)
    config = _resolve_precision(config, dataset)
    n_outputs = n_outputs_of(dataset, config)
    model = init_model(config, dataset.n_features, n_outputs) if model is None else model.copy()
    model.config, model.class_names = config, dataset.class_names or model.class_names
    model.classes, model.table = dataset.classes, dataset.table or model.table
    model.scaling = model.scaling or dataset.scaling()
    for name in ("X_train", "X_test", "X_val"):
        if getattr(dataset, name) is not None:
            check_representable(getattr(dataset, name), model.scaling, config.dtype, name)
    scaling = standardisation.target_scaling_of(dataset, config)
    if scaling.is_identity:
        warn_about_target_scale(dataset)
    else:
        standardisation.check_target_scaling(scaling, dataset.targets(), config.loss, config.dtype)
    prepare_run(dataset, config, scaling=model.scaling)
    return config, model, scaling


def _resolve_precision(config: Config, dataset: Dataset) -> Config:
    """The config with the precision that is used; warn if that is not the one that the config names."""
    resolved, reason = resolve(config, dataset.X_train)
    if reason and config.precision != "auto":
        warnings.warn(reason, stacklevel=4)
    return resolved
