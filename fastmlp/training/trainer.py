"""Trainer: a network in training, and one epoch of it. Knows the kernels by one entry; no schedule, no evaluation."""

import math
import warnings
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastmlp.data.scaling import pixel_scale_of
from fastmlp.kernels.epoch import train_chunk
from fastmlp.kernels.layout import OptimizerState
from fastmlp.kernels.update import STEPS
from fastmlp.model.kernel_args import Targets, arrays_for_training, hyperparameters_of, initial_powers, integers_of
from fastmlp.model.model import Model
from fastmlp.model.workspace import Workspace
from fastmlp.seeding import Purpose, stream
from fastmlp.training.precision import require_precision

#: Seconds that one call into the kernels may take, so that Ctrl-C and the progress bar are answered.
CHUNK_S = 0.25
#: Speed that the first stretch is sized by, in FLOP/s: less than any CPU's, and the next ones go by what was measured.
INITIAL_FLOPS_PER_S = 2e9
#: Bytes of the window in which sparse samples are made dense, batches at a time.
WINDOW_BYTES = 1 << 24


class EpochLoss(NamedTuple):
    """What an epoch's samples cost on average, while the weights were moving.

    Attributes
    ----------
    loss : float
        Mean of the config's loss; with sample weights the mean over the batches, by their sizes, of weighted means.
    penalty : float
        Mean over the batches of the L2 penalty, where ``l2_scale`` is batch; else 0.
    """

    loss: float
    penalty: float


class Trainer:
    """Everything an epoch needs, made once: buffers, order of the samples, the optimizer's state.

    Parameters
    ----------
    model : Model
        Trained in place; its config says how.
    X : ndarray (n_samples, n_features) or sparse
        Checked samples, which stay where they lie; what has ``indptr``, a CSR matrix, is made dense a window at a time.
    y : ndarray
        Checked labels or targets.
    weights : ndarray (n_samples,) of float64, optional
        Sample weights.

    Raises
    ------
    ConfigError
        If the config's precision is none of this machine's: `fastmlp.training.precision.resolve` it first.

    Attributes
    ----------
    arrays : fastmlp.kernels.layout.ParamArrays
        The parameters, the optimizer's moment estimates, and the gradient where its norm is clipped.
    powers : ndarray of float64
        What the optimizer remembers besides; see `fastmlp.kernels.update`.
    n_steps : int
        Steps of an epoch.

    Examples
    --------
    >>> import fastmlp
    >>> config = fastmlp.Config(hidden=(8,), batch_size=2)
    >>> model = fastmlp.init_model(config, n_features=2, n_classes=2)
    >>> trainer = Trainer(model, np.eye(2, dtype=np.float32), np.array([0, 1]))
    >>> trainer.run_epoch(lr=0.5).loss > trainer.run_epoch(lr=0.5).loss
    True
    """

    def __init__(self, model: Model, X: Any, y: NDArray[Any], weights: NDArray[np.float64] | None = None) -> None:
        self.model, self.config, self.X = model, model.config, X
        require_precision(self.config.precision)
        self.targets = Targets.of(y, self.config, weights)
        n_samples = X.shape[0]
        if self.config.batch_size > n_samples:
            given = self.config.batch_size
            text = f"batch_size is {given} and there are {n_samples} training samples: they make one batch"
            warnings.warn(text, stacklevel=4)
        self.batch_size = min(self.config.batch_size, n_samples)
        scale = pixel_scale_of(model.scaling, X)
        self.workspace = Workspace(model.params, self.config, self.batch_size, pixel_scale=scale)
        self.order = np.arange(n_samples, dtype=np.int32)
        self.arrays = arrays_for_training(self.config, model.params.theta)
        self.net = self.workspace.network(self.arrays)
        self.powers = initial_powers()
        self.loss_sum = np.zeros(self.batch_size + 1)
        self.n_steps: int = -(-n_samples // self.batch_size)
        flops_of_step = 6 * self.batch_size * sum(W.size for W in model.weights)
        self.steps_per_s = INITIAL_FLOPS_PER_S / flops_of_step

    @property
    def n_taken(self) -> int:
        """Steps taken in all epochs. The kernels count them: no interruption comes between a step and its count."""
        return int(self.powers[STEPS])

    def state(self) -> dict[str, NDArray[Any]]:
        """All that steps change, by name: the arrays themselves, of which none is empty."""
        theta, m, v, _ = self.arrays
        arrays = {"theta": theta, "m": m, "v": v, "powers": self.powers, "loss_sum": self.loss_sum}
        return {name: array for name, array in arrays.items() if array.size}

    def run_epoch(self, lr: float, report: Callable[[int, float], None] | None = None, first: int = 0) -> EpochLoss:
        """Train on every sample once; which epoch it is, and so its order and its draws, `Model.n_epochs` says.

        Parameters
        ----------
        lr : float
            Learning rate of all its steps.
        report : callable, optional
            Called after each stretch but the last with the number of samples seen and their mean loss.
        first : int
            The step to go on from, where `state` is that of an epoch's middle; only of dense samples.

        Returns
        -------
        EpochLoss
            Infinite or NaN where training diverged. The model's `n_epochs` is one more.
        """
        if first == 0:
            self.loss_sum[:] = 0
        for n_seen in self._chunks(hyperparameters_of(self.config, lr), first):
            if report is not None and n_seen < self.order.size:
                report(n_seen, sum(self._mean_loss(n_seen)))
        self.model.n_epochs += 1
        return self._mean_loss(self.order.size)

    def _mean_loss(self, n_seen: int) -> EpochLoss:
        return EpochLoss(math.fsum(self.loss_sum[:-1]) / n_seen, float(self.loss_sum[-1]) / n_seen)

    def _chunks(self, hyper: NDArray[np.float64], first: int) -> Iterator[int]:
        """Take the steps of an epoch, a stretch at a time; yields how many samples have been seen."""
        if not hasattr(self.X, "indptr"):
            data = self.model.kernel_data(self.X)
            if first > 0:  # the order is drawn before an epoch's first step, or by itself
                self._train_chunk(hyper, data, self.targets, self.order, 0, 0, self.config.shuffle, 0)
            yield from self._steps(hyper, data, self.targets, self.order, self.config.shuffle, first=first)
            return
        empty = self.model.kernel_data(np.zeros((1, self.model.n_features), self.model.params.theta.dtype))
        self._train_chunk(hyper, empty, self.targets, self.order, 0, 0, self.config.shuffle, 0)
        row_bytes = self.model.n_features * self.model.params.theta.itemsize
        n_rows = self.batch_size * max(1, WINDOW_BYTES // (row_bytes * self.batch_size))
        for start in range(0, self.order.size, n_rows):
            rows = self.order[start : start + n_rows]
            window = self.X[rows].toarray().astype(self.model.params.theta.dtype, copy=False)
            places = np.arange(rows.size, dtype=np.int32)
            steps = self._steps(
                hyper, self.model.kernel_data(window), self.targets.part(rows), places, False, start // self.batch_size
            )
            yield from (start + n_seen for n_seen in steps)

    def _steps(
        self,
        hyper: Any,
        data: Any,
        targets: Targets,
        order: NDArray[np.int32],
        shuffle: bool,
        offset: int = 0,
        first: int = 0,
    ) -> Iterator[int]:
        n_steps, step = -(-order.size // self.batch_size), first
        while step < n_steps:
            stop = min(n_steps, step + max(1, int(self.steps_per_s * CHUNK_S)))
            start = perf_counter()
            self._train_chunk(hyper, data, targets, order, step, stop, shuffle, offset)
            self.steps_per_s = (stop - step) / (perf_counter() - start)
            step = stop
            yield min(stop * self.batch_size, order.size)

    def _train_chunk(
        self, hyper: Any, data: Any, targets: Targets, order: Any, first: int, stop: int, shuffle: bool, offset: int
    ) -> None:
        order_state, dropout_state = (
            stream(self.config.seed, purpose, self.model.n_epochs) for purpose in (Purpose.ORDER, Purpose.DROPOUT)
        )
        state = OptimizerState(hyper, self.powers, self.workspace.coefficients)
        integers = integers_of(self.config, first, stop, shuffle, order_state, dropout_state, offset)
        train_chunk(data, targets, order, self.net, state, self.loss_sum, integers, self.workspace.bf16)
