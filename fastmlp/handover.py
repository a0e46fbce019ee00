"""What the two doors of the kernels are handed besides arrays of data: a config's numbers, in their places.

Knows the places and the settings; nothing of training.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastmlp.config import Config
from fastmlp.kernels import epoch, update
from fastmlp.params import aligned_zeros

#: Which of the moments m and v an optimizer has; the others need none.
MOMENTS = {
    "sgd": "", "momentum": "m", "nesterov": "m", "rmsprop": "v", "adam": "mv", "adamw": "mv", "nadam": "mv",
}  # fmt: skip


class Targets(NamedTuple):
    """What samples are to become, as the kernels take it.

    Attributes
    ----------
    labels : ndarray (n_samples,) of int32
        Of cross-entropy; else empty.
    values : ndarray (n_samples, n_outputs)
        Of the other losses, in the network's precision; else empty.
    weights : ndarray (n_samples,) of float64
        Sample weights; empty where all weigh the same.
    """

    labels: NDArray[np.int32]
    values: NDArray[Any]
    weights: NDArray[np.float64]

    def part(self, rows: NDArray[Any]) -> "Targets":
        """Those of some samples alone."""
        return Targets(
            self.labels[rows] if len(self.labels) else self.labels,
            self.values[rows] if len(self.values) else self.values,
            self.weights[rows] if len(self.weights) else self.weights,
        )

    @classmethod
    def of(
        cls, y: NDArray[Any], config: Config, weights: NDArray[Any] | None = None, for_training: bool = True
    ) -> "Targets":
        """Checked labels or targets; of sigmoid outputs smoothed, towards a half, for training."""
        dtype, labels = np.dtype(config.dtype), np.zeros(0, np.int32)
        weights = np.zeros(0) if weights is None else np.ascontiguousarray(weights, np.float64)
        if config.loss == "cross_entropy":
            return cls(np.ascontiguousarray(y, np.int32), np.zeros((0, 1), dtype), weights)
        values = np.array(y, dtype).reshape(len(y), -1)
        if config.loss == "binary_cross_entropy" and for_training and config.label_smoothing > 0:
            values = (values * (1 - config.label_smoothing) + config.label_smoothing / 2).astype(dtype)
        return cls(labels, values, weights)


def hyper_of(config: Config, lr: float) -> NDArray[np.float64]:
    """The numbers that a step's coefficients are made of, at a learning rate."""
    hyper = np.zeros(update.N_HYPER)
    hyper[update.HYPER_LR], hyper[update.HYPER_L2], hyper[update.HYPER_EPS] = lr, config.l2, config.eps
    hyper[update.HYPER_BETA1], hyper[update.HYPER_BETA2] = config.beta1, config.beta2
    hyper[update.HYPER_MOMENTUM], hyper[update.HYPER_DECAY] = config.momentum, config.weight_decay
    hyper[update.HYPER_CLIP] = config.clip_norm
    hyper[update.L2_BY_WEIGHT], hyper[update.EPS_HAT] = config.l2_scale == "batch", config.eps_form == "eps_hat"
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
    """Which steps to take, by which rule, and the states of the generator."""
    integers = np.zeros(epoch.N_INTEGERS, np.int64)
    integers[epoch.FIRST], integers[epoch.STOP], integers[epoch.OFFSET] = first, stop, offset
    integers[epoch.OPTIMIZER], integers[epoch.SHUFFLE] = update.CODES[config.optimizer], shuffle
    integers[[epoch.ORDER_STATE, epoch.DROPOUT_STATE]] = np.array([order_state, dropout_state], np.uint64).view(
        np.int64
    )
    return integers


def moments_of(config: Config, theta: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The optimizer's m and v, and the gradient where its norm is clipped; empty where they are not needed."""
    needed = "m" in MOMENTS[config.optimizer], "v" in MOMENTS[config.optimizer], config.clip_norm > 0
    m, v, gradient = (aligned_zeros(theta.size if wanted else 0, theta.dtype) for wanted in needed)
    return m, v, gradient


def first_powers() -> NDArray[np.float64]:
    """The optimizer's powers before its first step."""
    powers = np.ones(update.N_POWERS)
    powers[update.STEPS] = 0
    return powers


def pixel_scale_of(scaling: tuple[NDArray[Any], NDArray[Any]] | None, X: Any) -> float | None:
    """What uint8 samples are all multiplied by, where that is all that is done to them on the way in; else None."""
    if X.dtype != np.uint8 or hasattr(X, "indptr"):
        return None
    factor, offset = scaling or (np.ones(1), np.zeros(1))
    return None if offset.any() or (factor != factor[0]).any() else float(factor[0])
