"""The learning rate from epoch to epoch as scikit-learn moves it, or by a schedule of ours. Knows no network."""

import sys
from typing import Any

from fastmlp.config import Config
from fastmlp.export.dialect import DESCENTS
from fastmlp.schedule import learning_rate_at
from fastmlp.stopping import Plateau

#: What ``learning_rate="adaptive"`` divides the rate by, and the rate at which it gives up: scikit-learn's.
ADAPTIVE_DIVISOR, ADAPTIVE_LEAST = 5.0, 1e-6
#: Schedules that end at ``max_iter``: its last epoch's rate is that of all that `partial_fit` adds, where their waves
#: would rise again.
ENDING = ("cosine", "one_cycle")


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
        self.kind = "constant" if self.is_scheduled or estimator.solver not in DESCENTS else estimator.learning_rate
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
            self.plateau.see(loss)
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
