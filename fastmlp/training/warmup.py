"""Compilation of the kernels that configs, or all networks, need, ahead of their first use."""

from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from fastmlp.codegen.amx import unavailable_reason
from fastmlp.config import Config
from fastmlp.data import Dataset
from fastmlp.errors import ConfigError
from fastmlp.kernels.layout import SAMPLE_DTYPES
from fastmlp.model.csr import kernel_samples
from fastmlp.model.parts import Scaling
from fastmlp.settings import Precision
from fastmlp.training.compatibility import n_outputs_of
from fastmlp.training.precision import check_precision_available, resolve

if TYPE_CHECKING:
    from fastmlp.model.compilation import Kernel

#: What kernels can be compiled for.
What = Precision | Config | Literal["all"]
#: A dtype, or its name.
DTypeName = str | np.dtype[Any]


def warmup(what: What = "float32", sample_dtype: DTypeName | None = None) -> float:
    """Compile the kernels that trainings and predictions need, or load them from the cache on disk.

    Each kernel is compiled once per machine: those of an optimizer, an activation, a loss, or the dtype of the samples
    by themselves, and the others once for each dtype of the parameters. Without this function, those that are missing
    are compiled when a training or a prediction begins.

    Parameters
    ----------
    what : str or Config
        A config, whose training and predictions are to begin without compiling, whatever the numbers of features and
        outputs, but for the kernels for sparse samples. Or a precision, which stands for the default config with this
        precision. Or ``"all"``, for all configs, estimators and samples, in every precision that this machine has.
    sample_dtype : str or dtype, optional
        The dtype of the samples: uint8, float32 or float64; by default all three.

    Returns
    -------
    float
        Seconds that it took.

    Raises
    ------
    ConfigError
        If the precision is ``"auto"``, unless it is a config's, or not available on this machine; if `what` or
        `sample_dtype` is something else.

    Examples
    --------
    >>> import fastmlp
    >>> seconds = fastmlp.warmup()
    >>> seconds = fastmlp.warmup(fastmlp.Config(optimizer="adam", activation="relu"), sample_dtype="uint8")
    >>> is_warm(fastmlp.Config(optimizer="adam", activation="relu"), sample_dtype="uint8")
    True
    """
    from fastmlp.model.compilation import prepare  # imports Numba

    start = perf_counter()
    prepare(needed_kernels(what, sample_dtype))
    return perf_counter() - start


def is_warm(what: What = "float32", sample_dtype: DTypeName | None = None) -> bool:
    """Whether the kernels are compiled already, in this process or in the cache on disk.

    Parameters
    ----------
    what, sample_dtype
        As for `warmup`.

    Returns
    -------
    bool
        True if `warmup` would compile nothing.

    Raises
    ------
    ConfigError
        As `warmup` does.

    Examples
    --------
    >>> seconds = warmup("float64", sample_dtype="float64")
    >>> is_warm("float64", sample_dtype="float64")
    True
    """
    from fastmlp.model.compilation import missing  # imports Numba

    return not missing(needed_kernels(what, sample_dtype))


def needed_kernels(what: What = "float32", sample_dtype: DTypeName | None = None) -> "list[Kernel]":
    """The kernels that `warmup` compiles, given the same arguments."""
    from fastmlp.model.compilation import all_kernels, run_kernels  # imports Numba

    if isinstance(sample_dtype, np.dtype):
        sample_dtype = sample_dtype.name
    if sample_dtype not in (None, *SAMPLE_DTYPES):
        raise ConfigError(f"sample_dtype: expected one of {', '.join(map(repr, SAMPLE_DTYPES))}, got {sample_dtype!r}")
    if what == "all":
        if sample_dtype is not None:
            raise ConfigError(f"sample_dtype: expected none with 'all', which has all dtypes, got {sample_dtype!r}")
        return all_kernels(bf16=not unavailable_reason())
    if isinstance(what, Config):
        config = what
        if config.precision == "auto":  # for pixels, which may be computed in bf16; those kernels are more
            config, _ = resolve(config, np.zeros((1, 1), sample_dtype or "uint8"))
    elif what in get_args(Precision):
        check_precision_available(what)
        config = Config(precision=what)
    else:
        raise ConfigError(f"what: expected a precision, 'all' or a Config, got {what!r}")
    check_precision_available(config.precision)
    dtypes = SAMPLE_DTYPES if sample_dtype is None else (sample_dtype,)
    return run_kernels(config, None, config.batch_size, dtypes, dtypes)


def prepare_run(dataset: Dataset, *configs: Config, scaling: Scaling | None = None) -> None:
    """Load or compile the kernels of training with some configs, and of the evaluation after each epoch.

    Parameters
    ----------
    dataset : Dataset
        Whose dtypes and numbers of features and classes decide.
    *configs : Config
        With their precisions resolved.
    scaling : tuple of ndarray, optional
        Factor and offset of each feature, of a network that is trained further; by default those of the data set.
    """
    from fastmlp.model.compilation import prepare, run_kernels, unique  # imports Numba

    kernels = []
    for config in configs:
        held_out = dataset.X_train if config.early_stopping != "none" else None
        validation = held_out if dataset.X_val is None else dataset.X_val
        trained, is_sparse = kernel_samples(dataset.X_train, scaling, config.dtype)
        evaluated = {X.dtype.name for X in (dataset.X_test, validation) if X is not None}
        sizes = dataset.n_features, *config.hidden, n_outputs_of(dataset, config)
        batch_size = min(config.batch_size, len(dataset.y_train))
        kernels += run_kernels(config, sizes, batch_size, [trained], sorted(evaluated), is_sparse=is_sparse)
    prepare(unique(kernels))
