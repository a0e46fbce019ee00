"""The epochs of a fit as scikit-learn counts, watches and ends them. Knows coded targets only, and no checks."""

import math
import sys
import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from fastmlp.config import Config
from fastmlp.estimator.callbacks import Hooks
from fastmlp.model.model import Model
from fastmlp.settings import OPTIMIZERS
from fastmlp.training.early_stopping import Plateau
from fastmlp.training.schedule import learning_rate_at
from fastmlp.training.trainer import WINDOW_BYTES, Trainer

#: scikit-learn's words.
UNFINISHED = "Stochastic Optimizer: Maximum iterations ({}) reached and the optimization hasn't converged yet."


#: What ``learning_rate="adaptive"`` divides the rate by, and the rate at which it gives up: scikit-learn's.
ADAPTIVE_DIVISOR, ADAPTIVE_LEAST = 5.0, 1e-6
#: Schedules that end at ``max_iter``: its last epoch's rate is that of all that `partial_fit` adds, where their waves
#: would rise again.
ENDING = ("cosine", "one_cycle")


def _is_sgd(solver: str) -> bool:
    """Whether scikit-learn's `learning_rate` applies: only to what it calls sgd."""
    return solver in OPTIMIZERS and OPTIMIZERS[solver].sklearn == "sgd"


class LearningRate:
    """The rate of the epoch that comes next.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Whether it has a `schedule`, and its `learning_rate`, `learning_rate_init` and `power_t`.
    config : Config
        What the schedule is read from.

    Attributes
    ----------
    now : float
        The rate.
    """

    def __init__(self, estimator: Any, config: Config) -> None:
        self.config, self.is_scheduled = config, estimator.schedule is not None
        self.kind = "constant" if self.is_scheduled or not _is_sgd(estimator.solver) else estimator.learning_rate
        self.power_t = estimator.power_t
        self.last = config.n_epochs - 1 if config.schedule in ENDING else sys.maxsize
        self.plateau, self.n_epochs = Plateau(config), 0
        self.now = learning_rate_at(config, 0) if self.is_scheduled else config.learning_rate

    def end_epoch(self, n_seen: int, loss: float) -> None:
        """Take note of an epoch: the samples seen in all epochs, and the loss that ``"plateau"`` watches."""
        self.n_epochs += 1
        if self.kind == "invscaling":
            self.now = self.config.learning_rate / (n_seen + 1) ** self.power_t
        if self.config.schedule == "plateau":
            self.plateau.update(loss)
        if self.is_scheduled:
            self.now = self.plateau.factor * learning_rate_at(self.config, min(self.n_epochs, self.last))

    def end_stall(self) -> str:
        """What follows when nothing has got better for a while, in scikit-learn's words, "Stopping." last."""
        if self.kind != "adaptive":
            return "Stopping."
        if self.now <= ADAPTIVE_LEAST:
            return "Learning rate too small. Stopping."
        self.now /= ADAPTIVE_DIVISOR
        return f"Setting learning rate to {self.now:f}"


class Samples(NamedTuple):
    """Checked samples, dense or CSR, their coded targets, and their weights where they differ."""

    X: Any
    y: NDArray[Any]
    weights: NDArray[np.float64] | None

    def part(self, rows: NDArray[Any]) -> "Samples":
        """Some of them."""
        return Samples(self.X[rows], self.y[rows], None if self.weights is None else self.weights[rows])


class Memory(NamedTuple):
    """What an optimizer goes on from in the next `partial_fit`."""

    optimizer: str
    moments: tuple[NDArray[Any], ...]
    powers: NDArray[np.float64]
    rate: LearningRate


class Loop:
    """The epochs of one call of fit or partial_fit; what they measure is put on the estimator.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Its `model_` is trained.
    train : Samples
        What is trained on.
    held : Samples or None
        The validation set.
    hooks : Hooks
        Called after every epoch.
    memory : Memory or None
        The optimizer to go on with; another than the config's is forgotten.

    Attributes
    ----------
    is_interrupted : bool
        Whether Ctrl-C ended it.
    """

    def __init__(
        self, estimator: Any, train: Samples, held: Samples | None, hooks: Hooks, memory: Memory | None
    ) -> None:
        self.estimator, self.held, self.hooks = estimator, held, hooks
        self.model, self.n_samples = estimator.model_, train.X.shape[0]
        self.trainer = Trainer(self.model, *train)
        self.rate, self.is_interrupted = LearningRate(estimator, self.model.config), False
        # scikit-learn's squared error is the mean over the outputs, the engine's the sum; the gradients are the same.
        self.n_terms = self.model.n_outputs if self.model.config.loss in ("squared_error", "huber") else 1
        self.say = print if estimator.verbose else _say_nothing
        if memory is not None and memory.optimizer == self.model.config.optimizer:
            for mine, kept in zip(
                (self.trainer.arrays.m, self.trainer.arrays.v, self.trainer.powers),
                (*memory.moments, memory.powers),
                strict=True,
            ):
                mine[:] = kept
            self.rate = memory.rate

    @property
    def memory(self) -> Memory:
        """What the optimizer goes on from, which moves with it."""
        return Memory(self.model.config.optimizer, self.trainer.arrays[1:3], self.trainer.powers, self.rate)

    def run(self, incremental: bool) -> None:
        """Train for one epoch or up to ``max_iter``.

        An error out of a callback ends training; what was learnt until then is on the estimator.
        """
        estimator = self.estimator
        estimator.n_iter_ = 0
        try:
            while not self._run_epoch() and not incremental:
                if estimator.n_iter_ == estimator.max_iter:
                    warnings.warn(UNFINISHED.format(estimator.max_iter), ConvergenceWarning, stacklevel=5)
                    break
        except KeyboardInterrupt:
            self.is_interrupted = True
            warnings.warn("Training interrupted by user.", stacklevel=5)
        finally:
            if estimator.early_stopping:
                self.model.params.theta[:] = estimator._best_theta

    def _run_epoch(self) -> bool:
        """Train on every sample once; gives whether it was the last time."""
        estimator = self.estimator
        self.hooks.begin_epoch()
        mean = self.trainer.run_epoch(self.rate.now)
        estimator.n_iter_ += 1
        estimator.t_ += self.n_samples
        estimator.loss_ = mean.loss / self.n_terms + mean.penalty
        estimator.loss_curve_.append(estimator.loss_)
        self.say(f"Iteration {estimator.n_iter_}, loss = {estimator.loss_:.8f}")
        if self.held is not None:
            self._validate(self.held)
        self._count_stall()
        self.rate.end_epoch(estimator.t_, estimator.loss_ if self.held is None else estimator.validation_losses_[-1])
        is_last = estimator._no_improvement_count > estimator.n_iter_no_change and self._end_stall()
        if not math.isfinite(estimator.loss_):
            is_last |= not np.isfinite(self.model.params.theta).all()
        return self.hooks.end_epoch() or is_last

    def _validate(self, held: Samples) -> None:
        estimator = self.estimator
        outputs, losses = forward(self.model, held.X, held.y)
        estimator.validation_losses_.append(float(np.average(losses, weights=held.weights)) / self.n_terms)
        finite = np.isfinite(outputs).all()
        estimator.validation_scores_.append(estimator._score_outputs(outputs, held) if finite else math.nan)
        self.say(f"Validation score: {estimator.validation_scores_[-1]:f}")

    def _count_stall(self) -> None:
        """Count the epochs that brought too little: of the validation score, or of the training loss."""
        estimator = self.estimator
        if estimator.early_stopping:
            score = estimator.validation_scores_[-1]
            is_stalled = score < estimator.best_validation_score_ + estimator.tol
            if score > estimator.best_validation_score_:
                estimator.best_validation_score_ = score
                estimator._best_theta = self.model.params.theta.copy()
        else:
            is_stalled = estimator.loss_ > estimator.best_loss_ - estimator.tol
            estimator.best_loss_ = min(estimator.best_loss_, estimator.loss_)
        estimator._no_improvement_count = estimator._no_improvement_count + 1 if is_stalled else 0

    def _end_stall(self) -> bool:
        estimator = self.estimator
        watched = "Validation score" if estimator.early_stopping else "Training loss"
        next_ = self.rate.end_stall()
        self.say(
            f"{watched} did not improve more than tol={estimator.tol:f} for {estimator.n_iter_no_change} consecutive "
            f"epochs. {next_}"
        )
        if next_.endswith("Stopping."):
            return True
        estimator._no_improvement_count = 0
        return False


def _say_nothing(_: str) -> None:
    pass


def forward(model: Model, X: Any, y: NDArray[Any] | None = None) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Outputs and losses.

    Parameters
    ----------
    model : Model
        The network.
    X : ndarray or CSR matrix (n_samples, n_features)
        Checked samples.
    y : ndarray, optional
        Checked targets; without them the losses mean nothing.

    Returns
    -------
    ndarray (n_samples, n_outputs), ndarray (n_samples,) of float64
        The outputs in the network's precision, and the loss of each sample.
    """
    if not hasattr(X, "indptr"):
        return model.forward_checked(X, y)
    n_rows = max(1, WINDOW_BYTES // (model.n_features * X.dtype.itemsize))
    parts = [
        model.forward_checked(X[start : start + n_rows].toarray(), None if y is None else y[start : start + n_rows])
        for start in range(0, X.shape[0], n_rows)
    ]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
