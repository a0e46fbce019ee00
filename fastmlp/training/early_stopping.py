"""Stopping: whether a number that training watches has improved, and for how long it has not. Knows no network."""

import math
from collections.abc import Mapping, Sequence

from fastmlp.config import Config
from fastmlp.settings import LOSSES


class Monitor:
    """What has been best so far, and how many epochs ago.

    Parameters
    ----------
    larger_is_better : bool
        Of a score, not of a loss.
    tol : float
        An improvement is one by more than this.

    Attributes
    ----------
    best : float
        The best number seen.
    n_waited : int
        Epochs since the last improvement, or since it was set to 0.

    Examples
    --------
    >>> monitor = Monitor(larger_is_better=False, tol=0.1)
    >>> [monitor.update(loss) for loss in (2.0, 1.0, 0.95)], monitor.n_waited
    ([True, True, False], 1)
    """

    def __init__(self, larger_is_better: bool, tol: float) -> None:
        self.larger_is_better, self.tol = larger_is_better, tol
        self.best = -math.inf if larger_is_better else math.inf
        self.n_waited = 0

    def update(self, number: float) -> bool:
        """Take note of an epoch's number; gives whether it is an improvement."""
        gain = number - self.best if self.larger_is_better else self.best - number
        improved = gain > self.tol
        self.n_waited = 0 if improved else self.n_waited + 1
        if improved:
            self.best = number
        return improved


class Plateau:
    """What ``schedule="plateau"`` multiplies the learning rate by, as it has come to after each epoch.

    Parameters
    ----------
    config : Config
        Its step_epochs, step_factor and tol are what matters here.

    Attributes
    ----------
    factor : float
        1 until the loss has not improved for step_epochs epochs, then step_factor of what it was, and so on.

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
        """Take note of an epoch's loss."""
        self._monitor.update(loss)
        if self._monitor.n_waited >= self.config.step_epochs:
            self.factor *= self.config.step_factor
            self._monitor.n_waited = 0


def monitored_column(config: Config) -> str:
    """Name of the column that early stopping goes by.

    Examples
    --------
    >>> monitored_column(Config(early_stopping="score"))
    'val_accuracy'
    """
    return "val_loss" if config.early_stopping == "loss" else f"val_{LOSSES[config.loss].metric}"


def best_epoch(config: Config, history: Mapping[str, Sequence[float]]) -> int:
    """The epoch, from 1, whose weights a finished run ends with.

    Parameters
    ----------
    config : Config
        The run's.
    history : mapping of str to sequence of float
        Its columns, of at least one epoch.

    Returns
    -------
    int
        With early stopping the last epoch that was an improvement, else the last.

    Examples
    --------
    >>> best_epoch(Config(early_stopping="loss"), {"val_loss": [2.0, 1.0, 1.5]})
    2
    """
    if config.early_stopping == "none":
        return len(history["epoch"])
    monitor = Monitor(config.early_stopping == "score", config.tol)
    improved = [monitor.update(number) for number in history[monitored_column(config)]]
    return len(improved) - improved[::-1].index(True)
