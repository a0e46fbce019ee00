"""The arguments of the kernels' entry points, made from a config, its targets and its parameters."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastmlp.codegen.cpu import row_stride
from fastmlp.config import Config
from fastmlp.data.check import read_only
from fastmlp.errors import DataError, DataTypeError
from fastmlp.kernels import layout as at
from fastmlp.kernels import optimizer_state as entry
from fastmlp.kernels.layout import SAMPLE_DTYPES, DataArrays, ParamArrays
from fastmlp.model.csr import CsrArrays
from fastmlp.model.params import Params, aligned_zeros
from fastmlp.settings import OPTIMIZERS

#: Bytes of a feature by the number of its dtype, which takes 0.02 us to look up; the dtype takes 0.4, its name 3.
_ITEMSIZES = {np.dtype(name).num: np.dtype(name).itemsize for name in SAMPLE_DTYPES}
_UINT8 = np.dtype(np.uint8)
#: indptr and indices of dense samples.
_NO_INDICES = read_only(np.zeros(0, np.int64)), read_only(np.zeros(0, np.int32))


class Targets(NamedTuple):
    """Targets of the samples as the kernels take them: contiguous in C order, native and writeable.

    Numba compiles a kernel for each combination of dtype, order and read-only flag of its arguments. A copy of an array
    in another layout takes microseconds, the compilation seconds.

    Attributes
    ----------
    labels : ndarray (n_samples,) of int32
        Class labels for cross-entropy; empty for the other losses.
    values : ndarray (n_samples, n_outputs)
        Target values for the other losses, in the dtype of the parameters; empty for cross-entropy.
    weights : ndarray (n_samples,) of float64
        Sample weights; empty where all are equal.
    """

    labels: NDArray[np.int32]
    values: NDArray[Any]
    weights: NDArray[np.float64]

    def part(self, rows: NDArray[Any]) -> "Targets":
        """The targets of some samples."""
        return Targets(
            self.labels[rows] if len(self.labels) else self.labels,
            self.values[rows] if len(self.values) else self.values,
            self.weights[rows] if len(self.weights) else self.weights,
        )

    @classmethod
    def of(
        cls, y: NDArray[Any], config: Config, weights: NDArray[Any] | None = None, for_training: bool = True
    ) -> "Targets":
        """From checked labels or values; in training, those of sigmoid outputs are smoothed towards 1/2."""
        dtype, labels = np.dtype(config.dtype), np.zeros(0, np.int32)
        weights = np.zeros(0) if weights is None else _in_layout(weights, np.float64)
        if config.loss == "cross_entropy":
            return cls(_in_layout(y, np.int32), np.zeros((0, 1), dtype), weights)
        values = np.array(y, dtype, order="C").reshape(len(y), -1)
        if config.loss == "binary_cross_entropy" and for_training and config.label_smoothing > 0:
            values = (values * (1 - config.label_smoothing) + config.label_smoothing / 2).astype(dtype)
        return cls(labels, values, weights)

    def for_prediction(self) -> NDArray[Any]:
        """Labels as one column in the dtype of the parameters, or target values."""
        return self.labels.astype(self.values.dtype)[:, None] if len(self.labels) else self.values

    def checked(self, n_samples: int, n_outputs: int) -> "Targets":
        """These targets, if the kernels can read them for `n_samples` samples and a network with `n_outputs` outputs.

        Raises
        ------
        DataError
            If their shapes are others, or a label is not one of 0 .. n_outputs - 1.
        """
        labels, values, weights = self
        if values.shape != (n_samples, n_outputs) and labels.shape != (n_samples,):
            given = labels.shape if labels.size else values.shape
            raise DataError(f"y: expected targets of {n_samples} samples and {n_outputs} outputs, got shape {given}")
        if labels.size and labels.view(np.uint32).max() >= n_outputs:  # which a negative label is, too
            raise DataError(f"y: expected labels 0 to {n_outputs - 1}, got {labels.min()} to {labels.max()}")
        if weights.shape not in ((0,), (n_samples,)):
            raise DataError(f"weights: expected one per sample, shape ({n_samples},), got shape {weights.shape}")
        return self


def _in_layout(array: NDArray[Any], dtype: type[np.generic]) -> NDArray[Any]:
    """The array, if it is of a native dtype and contiguous in C order, aligned and writeable; otherwise a copy."""
    return array if array.dtype == dtype and array.flags.carray else np.array(array, dtype, order="C")


def samples_in_memory(X: NDArray[Any], n_features: int) -> tuple[NDArray[np.uint8], int, int]:
    """The first sample as bytes, which the others follow; the bytes from one to the next and of a feature.

    Raises
    ------
    DataError, DataTypeError
        If the kernels would read beyond the samples, or read other numbers: X has another shape, dtype or layout than
        `fastmlp.data.check.check_X` returns.
    """
    if X.ndim != 2 or len(X) == 0 or X.shape[1] != n_features:
        raise DataError(f"X: expected shape (n_samples, {n_features}), got {X.shape}")
    first, itemsize = X[0], _ITEMSIZES.get(X.dtype.num)
    if itemsize is None or not (X.dtype.isnative and X.flags.aligned and first.flags.c_contiguous):
        raise DataTypeError(
            f"X: expected {', '.join(SAMPLE_DTYPES)} in native byte order with contiguous rows, got {X.dtype} with "
            f"strides {X.strides}; see fastmlp.data.check.check_X"
        )
    first_sample: NDArray[np.uint8] = first.view(_UINT8)
    first_sample.setflags(write=False)
    return first_sample, X.strides[0], itemsize


def data_arrays(X: Any, scaling: tuple[NDArray[Any], NDArray[Any]] | None, params: Params) -> DataArrays:
    """Samples from `check_X`, which are not copied, and their scaling, which is rounded to the dtype of the parameters.

    Raises
    ------
    DataError, DataTypeError
        As `samples_in_memory` does.
    """
    n_features, dtype = params.sizes[0], params.dtype
    padded = aligned_zeros(2 * row_stride(n_features, dtype.itemsize), dtype).reshape(2, -1)
    padded[:, :n_features] = scaling or ([[1.0], [0.0]])
    if hasattr(X, "indptr"):
        values, indptr, indices = CsrArrays.of(X, n_features)
        return DataArrays(values, 0, X.dtype.itemsize, padded[0], padded[1], indptr, indices)
    return DataArrays(*samples_in_memory(X, n_features), padded[0], padded[1], *_NO_INDICES)


def hyperparameters_of(config: Config, lr: float) -> NDArray[np.float64]:
    """The hyperparameters that the coefficients of a step are computed from, at a learning rate."""
    hyper = np.zeros(entry.N_HYPERPARAMETERS)
    hyper[entry.HYPER_LR], hyper[entry.HYPER_L2], hyper[entry.HYPER_EPS] = lr, config.l2, config.eps
    hyper[entry.HYPER_BETA1], hyper[entry.HYPER_BETA2] = config.beta1, config.beta2
    hyper[entry.HYPER_MOMENTUM], hyper[entry.HYPER_DECAY] = config.momentum, config.weight_decay
    hyper[entry.HYPER_CLIP] = config.clip_norm
    hyper[entry.L2_PER_WEIGHT], hyper[entry.EPS_HAT] = config.l2_scale == "batch", config.eps_form == "eps_hat"
    return hyper


def integers_of(
    config: Config,
    first: int,
    stop: int,
    shuffle: bool = False,
    order_state: int = 0,
    dropout_state: int = 0,
    offset: int = 0,
) -> NDArray[np.int64]:
    """The integers of `fastmlp.kernels.epoch.train_chunk`: its steps, the optimizer, states of the generator."""
    integers = np.zeros(at.N_INTEGERS, np.int64)
    integers[at.FIRST], integers[at.STOP], integers[at.OFFSET] = first, stop, offset
    integers[at.OPTIMIZER], integers[at.SHUFFLE] = OPTIMIZERS[config.optimizer].code, shuffle
    states = np.array([order_state, dropout_state], np.uint64)
    integers[[at.ORDER_STATE, at.DROPOUT_STATE]] = states.view(np.int64)
    return integers


def arrays_for_training(config: Config, theta: NDArray[Any], updates: bool = True) -> ParamArrays:
    """The parameters, the optimizer's moment estimates, and the gradient where its norm is clipped.

    Where a step does not update the weights but stores the gradient: the parameters and the gradient.
    """
    wanted = [updates and moment in OPTIMIZERS[config.optimizer].moments for moment in "mv"]
    wanted.append(not updates or config.clip_norm > 0)
    return ParamArrays(theta, *(aligned_zeros(theta.size if needed else 0, theta.dtype) for needed in wanted))


def initial_powers() -> NDArray[np.float64]:
    """The powers of the optimizer before its first step, see `fastmlp.kernels.optimizer_state`."""
    powers = np.ones(entry.N_POWERS)
    powers[entry.STEPS] = 0
    return powers
