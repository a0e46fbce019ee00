"""The epochs of a fit as scikit-learn counts, watches and ends them. Knows coded targets only, and no checks."""

import math
import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from fastmlp.estimator.hook import Hooks
from fastmlp.estimator.rate import LearningRate
from fastmlp.estimator.window import forward
from fastmlp.trainer import Trainer

#: scikit-learn's words.
UNFINISHED = "Stochastic Optimizer: Maximum iterations ({}) reached and the optimization hasn't converged yet."


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
                (*self.trainer.moments, self.trainer.powers), (*memory.moments, memory.powers), strict=True
            ):
                mine[:] = kept
            self.rate = memory.rate

    @property
    def memory(self) -> Memory:
        """What the optimizer goes on from, which moves with it."""
        return Memory(self.model.config.optimizer, self.trainer.moments, self.trainer.powers, self.rate)

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
