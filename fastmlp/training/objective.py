"""Objective: the loss over a whole training set and its gradient, for optimizers that take no minibatches."""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastmlp.kernels.optimizer_state import N_HYPERPARAMETERS
from fastmlp.metrics import sum_of_losses
from fastmlp.model.model import Model
from fastmlp.model.params import Params
from fastmlp.parallel import Threads
from fastmlp.training.trainer import EpochLoss, Trainer


class Objective(Trainer):
    """Loss and gradient over the whole training set, as functions of all weights and biases.

    The loss is the (weighted) mean of the config's loss, plus ``0.5 * l2 * (sum of squared weights) / n``, n being the
    number of samples or the sum of their weights. The kernels go through the samples in batches of ``batch_size``, in
    their order, and store each batch's gradient; those are added up in the order of the batches, in float64. So the
    bits depend on the batch size, but not on the number of threads.

    Parameters
    ----------
    model, X, y, weights, n_threads, evaluated
        See `fastmlp.training.trainer.Trainer`. The weights of `model` are overwritten by every evaluation. Its config
        has to be one without dropout.

    Raises
    ------
    ConfigError, DataError
        As `Trainer` does.

    Examples
    --------
    >>> import fastmlp
    >>> config = fastmlp.Config(hidden=(), batch_size=1, precision="float64")
    >>> model = fastmlp.init_model(config, n_features=1, n_classes=2)
    >>> objective = Objective(model, np.ones((1, 1)), np.array([0]))
    >>> objective.loss_and_gradient(np.zeros(4))
    (EpochLoss(loss=0.6931471805599453, penalty=0.0), array([-0.5,  0.5, -0.5,  0.5]))
    """

    _updates = False
    _steps_per_chunk = 1  # the next one overwrites the gradient

    def __init__(
        self,
        model: Model,
        X: Any,
        y: NDArray[Any],
        weights: NDArray[np.float64] | None = None,
        n_threads: Threads = "auto",
        evaluated: Any = (),
    ) -> None:
        super().__init__(model, X, y, weights, n_threads, evaluated)
        self.config = self.config.replace(shuffle=False)
        n_samples, batch_weights = self.order.size, self.targets.weights
        if not batch_weights.size:
            batch_weights = np.ones(n_samples)
        sums = np.add.reduceat(batch_weights, np.arange(0, n_samples, self.batch_size))
        #: Each batch's share of the sum of all weights.
        self._shares = sums / sums.sum()
        self._l2 = self.config.l2 * self.weight_scale / float(sums.sum())
        self._places, self._n_weights = _places(model.params), sum(W.size for W in model.weights)

    @property
    def point(self) -> NDArray[np.float64]:
        """The weights of all layers, each (fan_in, fan_out) in C order, then all biases, in one vector."""
        return self.model.params.theta[self._places].astype(np.float64)

    @point.setter
    def point(self, point: NDArray[np.float64]) -> None:
        self.model.params.theta[self._places] = point

    def loss_and_gradient(self, point: NDArray[np.float64]) -> tuple[EpochLoss, NDArray[np.float64]]:
        """Loss and its gradient at a point, which become the weights and biases of the network.

        Parameters
        ----------
        point : ndarray (n_params,)
            Weights and biases, as in `point`.

        Returns
        -------
        loss : EpochLoss
            The loss and the penalty; infinite or NaN where they overflow.
        gradient : ndarray (n_params,) of float64
            The derivative of their sum by each number of `point`.
        """
        self.point = point
        loss, gradient, n_before = 0.0, np.zeros(self.arrays.gradient.size), 0
        self.loss_sum[:] = 0
        chunks = self._train_in_chunks(np.zeros(N_HYPERPARAMETERS), 0)
        for n_seen, share in zip(chunks, self._shares, strict=True):
            loss += share * (sum_of_losses(self.loss_sum[:-1]) / (n_seen - n_before))
            gradient += share * self.arrays.gradient
            self.loss_sum[:] = 0
            n_before = n_seen
        weights, gradient = point[: self._n_weights], gradient[self._places]
        gradient[: self._n_weights] += self._l2 * weights
        return EpochLoss(float(loss), float(0.5 * self._l2 * np.square(weights).sum())), gradient


def _places(params: Params) -> NDArray[np.intp]:
    """The index in theta of each weight and bias, in the order of `Objective.point`."""
    weights: list[NDArray[np.intp]] = []
    biases: list[NDArray[np.intp]] = []
    for (first, stride, bias), (fan_in, fan_out) in zip(params.starts, pairwise(params.sizes), strict=True):
        by_input, by_output = (stride, 1) if params.row_per_feature and not weights else (1, stride)
        weights.append((first + by_input * np.arange(fan_in)[:, None] + by_output * np.arange(fan_out)).ravel())
        biases.append(bias + np.arange(fan_out))
    return np.concatenate([*weights, *biases])
