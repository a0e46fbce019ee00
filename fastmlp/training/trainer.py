"""Trainer: the buffers and the optimizer state of a network in training, and the training of one epoch."""

import math
import warnings
from collections.abc import Callable, Iterable, Iterator
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastmlp.config import Config
from fastmlp.data.scaling import pixel_scale_of
from fastmlp.data.target import weight_scale
from fastmlp.errors import DataError
from fastmlp.kernels.epoch import train_chunk
from fastmlp.kernels.layout import DataArrays, OptimizerState
from fastmlp.kernels.optimizer_state import HYPER_L2, HYPER_LR, STEPS
from fastmlp.metrics import sum_of_losses
from fastmlp.model.compilation import announce, run_kernels
from fastmlp.model.csr import CsrArrays, is_scaled, kernel_samples, largest_batch, windows
from fastmlp.model.kernel_args import (
    Targets,
    arrays_for_training,
    data_arrays,
    hyperparameters_of,
    initial_powers,
    integers_of,
)
from fastmlp.model.model import Model
from fastmlp.model.workspace import Workspace
from fastmlp.parallel import Threads, run_team, thread_limit, threads_for
from fastmlp.seeding import Purpose, stream
from fastmlp.training.precision import check_precision_available
from fastmlp.training.thread_trials import ThreadTrials

#: Assumed speed for sizing the first chunk, in FLOP/s, below that of any CPU; later chunks are sized by measured speed.
INITIAL_FLOPS_PER_S = 2e9
#: Assumed time of the update of a weight, in FLOP at that speed. It counts where samples are sparse: Adam's of 2**20 x
#: 100 weights took 0.22 s on a Zen 5, at 4 FLOP each, and the products of the step a few per cent of that.
UPDATE_FLOPS = 8


def threads_that_pay(flops_per_step: float) -> int:
    """The largest number of threads that may make training faster, by the work of a step.

    A formula near the numbers that the cost model of docs/performance.md gives for the networks of the benchmarks: of
    64-32-10 1 (2), 64-100-100-10 3 (4), 784-128-10 13 (16), the paper's 16 (20), 3072-1024-1024-10 123 (45). Measured
    with two threads only.

    Examples
    --------
    >>> threads_that_pay(0.45e6), threads_that_pay(6.7e6)
    (1, 3)
    """
    return max(1, int(1.5 * math.sqrt(flops_per_step / 1e6)))


class EpochLoss(NamedTuple):
    """Mean training loss over an epoch, each batch with the weights before its step.

    Attributes
    ----------
    loss : float
        Mean of the config's loss. With sample weights, the mean over the batches, in proportion to their sizes, of the
        weighted mean of each batch.
    penalty : float
        Mean L2 penalty over the batches if ``l2_scale`` is batch, otherwise 0.
    """

    loss: float
    penalty: float


class Trainer:
    """Train a network epoch by epoch; all buffers are allocated once, by the constructor.

    Parameters
    ----------
    model : Model
        The network, trained in place with the settings of its config.
    X : ndarray (n_samples, n_features) or CSR matrix
        Validated samples, which are not copied. If the network's scaling has an offset, which makes other numbers of
        zeros, a CSR matrix is converted to dense samples one window at a time.
    y : ndarray
        Validated labels or targets.
    weights : ndarray (n_samples,) of float64, optional
        Sample weights.
    n_threads : int or "auto"
        Threads of each chunk; "auto" takes as many as pay and find a free core. No result depends on it.
    evaluated : iterable of str
        Dtypes of the samples on which the caller evaluates the network: if kernels have to be compiled, one line
        announces those of training and evaluation.

    Raises
    ------
    ConfigError
        If the config's precision is not available on this machine: apply `fastmlp.training.precision.resolve` first.
    DataError
        If the L2 coefficient is divided by sample weights so small that it overflows float32.

    Attributes
    ----------
    arrays : fastmlp.kernels.layout.ParamArrays
        The parameters, the moment estimates of the optimizer and, if its norm is clipped, the gradient.
    powers : ndarray of float64
        Powers of the decay rates, and the number of steps, see `fastmlp.kernels.optimizer_state`.
    weight_scale : float
        Factor by which the weights are multiplied, and with them an L2 coefficient that is divided by their sum.
    order : ndarray (n_samples,) of int32
        Order of the samples in the current epoch.
    steps_per_epoch : int
        Number of steps per epoch.
    n_threads : int or "auto"
        As given.
    workspace : fastmlp.model.workspace.Workspace
        The memory that the threads share, and that of each.
    nets : list of fastmlp.kernels.layout.NetworkArrays
        The network as the kernels of each thread take it.
    trials : fastmlp.training.thread_trials.ThreadTrials
        The choice of the number of threads.

    Examples
    --------
    >>> import fastmlp
    >>> config = fastmlp.Config(hidden=(8,), batch_size=2)
    >>> model = fastmlp.init_model(config, n_features=2, n_classes=2)
    >>> trainer = Trainer(model, np.eye(2, dtype=np.float32), np.array([0, 1]))
    >>> trainer.run_epoch(lr=0.5).loss > trainer.run_epoch(lr=0.5).loss
    True
    """

    #: Whether a step updates the weights; if not, it stores the gradient.
    _updates = True
    #: Steps of each chunk; 0 for as many as take about CHUNK_S seconds.
    _steps_per_chunk = 0

    def __init__(
        self,
        model: Model,
        X: Any,
        y: NDArray[Any],
        weights: NDArray[np.float64] | None = None,
        n_threads: Threads = "auto",
        evaluated: Iterable[str] = (),
    ) -> None:
        self.model, self.config, self.X = model, model.config, X
        check_precision_available(self.config.precision)
        n_samples, self.weight_scale = X.shape[0], 1.0
        if weights is not None:
            _check_l2(self.config, float(weights.mean()) * min(self.config.batch_size, n_samples))
            self.weight_scale = weight_scale(weights)
            weights = weights * self.weight_scale
        self.targets = Targets.of(y, self.config, weights).checked(n_samples, model.n_outputs)
        if self.config.batch_size > n_samples:
            given = self.config.batch_size
            text = f"batch_size: expected at most {n_samples}, the number of training samples, got {given}"
            warnings.warn(f"{text}; each epoch is one batch", stacklevel=4)
        self.batch_size = min(self.config.batch_size, n_samples)
        dtype, self._takes_csr = kernel_samples(X, model.scaling, self.config.dtype)
        model.store_first_layer(row_per_feature=self._takes_csr)
        sizes = model.params.sizes
        announce(run_kernels(self.config, sizes, self.batch_size, [dtype], evaluated, self._updates, self._takes_csr))
        scale = pixel_scale_of(model.scaling, X)
        n_weights = n_products = sum(W.size for W in model.weights.read())
        self._n_non_zeros = 0
        if self._takes_csr:
            csr = CsrArrays.of(X, model.n_features)
            self._n_non_zeros = largest_batch(csr.indptr, self.batch_size)
            n_products += (len(csr.indices) // n_samples - sizes[0]) * sizes[1]
        flops_per_step = 6 * self.batch_size * n_products
        most_threads = min(threads_that_pay(flops_per_step), thread_limit()) if n_threads == "auto" else n_threads
        self.n_threads, self.trials = n_threads, ThreadTrials(most_threads if n_threads == "auto" else 1)
        self.workspace = Workspace(
            model.params,
            self.config,
            self.batch_size,
            pixel_scale=scale,
            n_threads=most_threads,
            updates=self._updates,
            n_non_zeros=self._n_non_zeros,
        )
        self.order = np.arange(n_samples, dtype=np.int32)
        self.arrays = arrays_for_training(self.config, model.params.theta, self._updates)
        self.nets = self.workspace.networks(self.arrays)
        self.powers = initial_powers()
        self.loss_sum = np.zeros(self.batch_size + 1)
        self.steps_per_epoch: int = -(-n_samples // self.batch_size)
        self.steps_per_s = INITIAL_FLOPS_PER_S / (flops_per_step + UPDATE_FLOPS * n_weights)

    @property
    def n_steps_done(self) -> int:
        """Number of steps over all epochs. The kernels count them, so that no interruption separates step and count."""
        return int(self.powers[STEPS])

    def state(self) -> dict[str, NDArray[Any]]:
        """The non-empty arrays that a step modifies, by name; not copies."""
        theta, m, v, _ = self.arrays
        arrays = {"theta": theta, "m": m, "v": v, "powers": self.powers, "loss_sum": self.loss_sum}
        return {name: array for name, array in arrays.items() if array.size}

    def run_epoch(self, lr: float, report: Callable[[int, float], None] | None = None, first: int = 0) -> EpochLoss:
        """Train for one epoch. The model's `n_epochs`, the key of the epoch's random numbers, is then incremented.

        Parameters
        ----------
        lr : float
            Learning rate of all steps.
        report : callable, optional
            Called after each chunk but the last with the number of samples seen and their mean loss.
        first : int
            The step to start with: greater than 0 to resume an epoch whose `state` has been restored.

        Returns
        -------
        EpochLoss
            Infinite or NaN if training diverged.
        """
        if first == 0:
            self.loss_sum[:] = 0
        hyper = self._hyperparameters(lr)
        for n_seen in self._train_in_chunks(hyper, first):
            if report is not None and n_seen < self.order.size:
                report(n_seen, sum(self._mean_loss(n_seen)))
        self.model.n_epochs += 1
        return self._mean_loss(self.order.size)

    def run_steps(self, rates: Iterable[float]) -> Iterator[float]:
        """Train for one step per learning rate, over as many epochs as they take.

        Parameters
        ----------
        rates : iterable of float
            The learning rates, one per step; each is read after the step before it.

        Yields
        ------
        float
            After each step: the mean loss of its batch with the weights before the step, and the penalty where
            `EpochLoss` has one. Infinite or NaN if training diverged.

        Examples
        --------
        >>> import fastmlp
        >>> config = fastmlp.Config(hidden=(8,), batch_size=2)
        >>> model = fastmlp.init_model(config, n_features=2, n_classes=2)
        >>> trainer = Trainer(model, np.eye(2, dtype=np.float32), np.array([0, 1]))
        >>> first, second, third = trainer.run_steps([0.0, 0.5, 0.5])
        >>> first == second > third
        True
        """
        hyper = self._hyperparameters(0.0)
        batches, self._steps_per_chunk = self._batches(hyper), 1
        try:
            for rate in rates:
                hyper[HYPER_LR], self.loss_sum[:] = rate, 0
                yield sum(self._mean_loss(next(batches)))
        finally:
            self._steps_per_chunk = 0

    def _batches(self, hyper: NDArray[np.float64]) -> Iterator[int]:
        """Train step by step and epoch by epoch, without an end; yield the size of each batch after its step."""
        while True:
            n_before = 0
            for n_seen in self._train_in_chunks(hyper, 0):
                yield n_seen - n_before
                n_before = n_seen
            self.model.n_epochs += 1

    def _hyperparameters(self, lr: float) -> NDArray[np.float64]:
        hyper = hyperparameters_of(self.config, lr)
        if self.config.l2_scale == "batch":
            hyper[HYPER_L2] *= self.weight_scale
        return hyper

    def _mean_loss(self, n_seen: int) -> EpochLoss:
        return EpochLoss(sum_of_losses(self.loss_sum[:-1]) / n_seen, float(self.loss_sum[-1]) / n_seen)

    def _train_in_chunks(self, hyper: NDArray[np.float64], first: int) -> Iterator[int]:
        """Train for an epoch, chunk by chunk; yield the number of samples seen after each chunk."""
        if self._takes_csr or not hasattr(self.X, "indptr"):
            data = self._kernel_data(self.X)
            if first > 0:  # draw the order, which otherwise the chunk with step 0 does
                self._train_chunk(hyper, data, self.targets, self.order, 0, 0, self.config.shuffle, 0)
            yield from self._train_steps(hyper, data, self.targets, self.order, self.config.shuffle, first=first)
            return
        empty = self._kernel_data(np.zeros((1, self.model.n_features), self.model.params.dtype))
        self._train_chunk(hyper, empty, self.targets, self.order, 0, 0, self.config.shuffle, 0)
        row_bytes = self.model.n_features * self.model.params.dtype.itemsize
        for part in windows(self.order.size, row_bytes, self.batch_size):
            rows, offset = self.order[part], part.start // self.batch_size
            if part.stop <= first * self.batch_size:
                continue
            window = self.X[rows].toarray().astype(self.model.params.dtype, copy=False)
            order, data = np.arange(rows.size, dtype=np.int32), self._kernel_data(window)
            targets = self.targets.part(rows)
            chunks = self._train_steps(hyper, data, targets, order, False, offset, max(0, first - offset))
            yield from (part.start + n_seen for n_seen in chunks)

    def _kernel_data(self, X: Any) -> DataArrays:
        """Samples as the kernels take them, after the kernels that gather samples of this dtype have been chosen."""
        data = data_arrays(X, self.model.scaling, self.model.params)  # refuses other dtypes
        if self._takes_csr:
            self._check_size(data.indptr)
        self.workspace.set_samples(X.dtype.name, self._takes_csr, is_scaled(self.model.scaling))
        return data

    def _check_size(self, indptr: NDArray[np.int64]) -> None:
        """Refuse sparse samples that have been changed since the training began, and exceed its scratch memory."""
        given = None
        if len(indptr) != self.order.size + 1:
            given = f"{len(indptr) - 1} in place of {self.order.size}"
        elif largest_batch(indptr, self.batch_size) > self._n_non_zeros:
            given = "more non-zeros per batch"
        if given is not None:
            raise DataError(f"X_train: expected the samples that the training began with, got {given}")

    def _train_steps(
        self,
        hyper: Any,
        data: Any,
        targets: Targets,
        order: NDArray[np.int32],
        shuffle: bool,
        offset: int = 0,
        first: int = 0,
    ) -> Iterator[int]:
        """Train on some data from step `first` on, in chunks of about CHUNK_S seconds; yield as `_train_in_chunks`."""
        n_steps, step = -(-order.size // self.batch_size), first
        while step < n_steps:
            stop = min(n_steps, step + self._steps_of_chunk())
            start = perf_counter()
            n_threads = self._train_chunk(hyper, data, targets, order, step, stop, shuffle, offset)
            seconds = perf_counter() - start
            self.steps_per_s = (stop - step) / seconds
            self.trials.record(n_threads, stop - step, seconds)
            step = stop
            yield min(stop * self.batch_size, order.size)

    def _steps_of_chunk(self) -> int:
        return self._steps_per_chunk or max(1, int(self.steps_per_s * self.trials.seconds))

    def _train_chunk(
        self, hyper: Any, data: Any, targets: Targets, order: Any, first: int, stop: int, shuffle: bool, offset: int
    ) -> int:
        """Train for some steps; return the number of threads."""
        order_state, dropout_state = (
            stream(self.config.seed, purpose, self.model.n_epochs) for purpose in (Purpose.ORDER, Purpose.DROPOUT)
        )
        integers = integers_of(self.config, first, stop, shuffle, order_state, dropout_state, offset)

        def train(rank: int, powers: NDArray[np.float64]) -> None:
            state = OptimizerState(hyper, powers, self.workspace.coefficients[rank])
            arrays = data, targets, order, self.nets[rank], state, self.loss_sum
            train_chunk(*arrays, integers)

        if len(self.nets) == 1:  # 20 us less, of the 110 us of an epoch of 64-32-10 on 1,000 samples
            train(0, self.powers)
            return 1
        with threads_for(self.n_threads, self.trials.n_threads) as n_threads:
            self.workspace.make_ready(n_threads)
            # Each thread computes the same powers; those of the first are kept.
            powers = [self.powers, *(self.powers.copy() for _ in range(1, n_threads))]
            run_team(lambda rank: train(rank, powers[rank]), n_threads, self.workspace.abort)
        return n_threads


def _check_l2(config: Config, batch_weight: float) -> None:
    """Refuse sample weights whose sum over a batch is so small that the L2 coefficient divided by it overflows.

    The limit is float32's range, for both dtypes: a penalty of that size would outweigh any loss in float64 too.
    """
    if config.l2_scale == "batch" and config.l2 / float(np.finfo(np.float32).max) > batch_weight:
        raise DataError(
            f"weight_train (sample_weight): expected a sum per batch by which the L2 coefficient {config.l2:g} (alpha) "
            f"can be divided, got {batch_weight:.3g} on average; multiply all weights by a constant, or set it to 0"
        )
