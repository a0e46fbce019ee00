"""Early stopping and the plateau schedule: hold out samples, track a metric, count epochs without improvement."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fastmlp.config import Config
from fastmlp.errors import DataError
from fastmlp.seeding import Purpose, stream, uniform
from fastmlp.settings import LOSSES


class Monitor:
    """The best value of a metric so far, and the number of epochs since it improved.

    Parameters
    ----------
    larger_is_better : bool
        True for a score, False for a loss.
    tol : float
        A change by at most tol does not count as an improvement.

    Attributes
    ----------
    best : float
        Best value so far.
    n_without_improvement : int
        Number of epochs since the last improvement, or since it was reset to 0.

    Examples
    --------
    >>> monitor = Monitor(larger_is_better=False, tol=0.1)
    >>> [monitor.update(loss) for loss in (2.0, 1.0, 0.95)], monitor.n_without_improvement
    ([True, True, False], 1)
    """

    def __init__(self, larger_is_better: bool, tol: float) -> None:
        self.larger_is_better, self.tol = larger_is_better, tol
        self.best = -math.inf if larger_is_better else math.inf
        self.n_without_improvement = 0

    def update(self, value: float) -> bool:
        """Record the value of an epoch; return whether it is an improvement, which infinity and NaN never are."""
        gain = value - self.best if self.larger_is_better else self.best - value
        improved = math.isfinite(value) and gain > self.tol
        self.n_without_improvement = 0 if improved else self.n_without_improvement + 1
        if improved:
            self.best = value
        return improved


class Plateau:
    """Factor on the learning rate for ``schedule="plateau"``, reduced whenever the loss stops improving.

    Parameters
    ----------
    config : Config
        Its step_epochs, step_factor and tol are used.

    Attributes
    ----------
    factor : float
        1 at first; multiplied by step_factor after every step_epochs epochs without improvement.

    Examples
    --------
    >>> plateau = Plateau(Config(step_epochs=1, step_factor=0.5))
    >>> for loss in (2.0, 2.0, 1.0):
    ...     plateau.update(loss)
    >>> plateau.factor
    0.5
    """

    def __init__(self, config: Config) -> None:
        self.config, self.factor, self._monitor = config, 1.0, Monitor(False, config.tol)

    def update(self, loss: float) -> None:
        """Record the loss of an epoch."""
        self._monitor.update(loss)
        if self._monitor.n_without_improvement >= self.config.step_epochs:
            self.factor *= self.config.step_factor
            self._monitor.n_without_improvement = 0


def monitored_column(config: Config) -> str:
    """Name of the history column that early stopping monitors.

    Examples
    --------
    >>> monitored_column(Config(early_stopping="score"))
    'val_accuracy'
    """
    return "val_loss" if config.early_stopping == "loss" else f"val_{LOSSES[config.loss].metric}"


def best_epoch(config: Config, history: Mapping[str, Sequence[float]]) -> int:
    """The epoch whose weights the model of a finished run has, counted from 1.

    Parameters
    ----------
    config : Config
        Config of the run.
    history : mapping of str to sequence of float
        Columns of its history, with at least one epoch.

    Returns
    -------
    int
        With early stopping, the last epoch that improved the monitored metric. Without early stopping, or if the metric
        is never finite, as it may be in a history of an earlier version, the last epoch.

    Examples
    --------
    >>> best_epoch(Config(early_stopping="loss"), {"val_loss": [2.0, 1.0, 1.5]})
    2
    """
    if config.early_stopping == "none":
        return len(history["epoch"])
    monitor = Monitor(config.early_stopping == "score", config.tol)
    improved = [monitor.update(value) for value in history[monitored_column(config)]]
    return len(improved) - (improved[::-1].index(True) if any(improved) else 0)


def hold_out_validation(n_samples: int, config: Config) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of the training samples and of the held-out validation samples, both in ascending order."""
    n_held_out = round(n_samples * config.validation_fraction)
    if not 0 < n_held_out < n_samples:
        raise DataError(
            f"validation_fraction: expected at least one held-out and one training sample of {n_samples}, got "
            f"{n_held_out} held-out samples at {config.validation_fraction}; use more samples or another fraction"
        )
    permutation = np.argsort(uniform(stream(config.seed, Purpose.VALIDATION), 0, n_samples), kind="stable")
    return np.sort(permutation[n_held_out:]), np.sort(permutation[:n_held_out])
