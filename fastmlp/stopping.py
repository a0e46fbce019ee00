"""Stopping: whether a number that training watches has improved, and for how long it has not. Knows no network."""

import math


class Watch:
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
    >>> watch = Watch(larger_is_better=False, tol=0.1)
    >>> [watch.see(loss) for loss in (2.0, 1.0, 0.95)], watch.n_waited
    ([True, True, False], 1)
    """

    def __init__(self, larger_is_better: bool, tol: float) -> None:
        self.larger_is_better, self.tol = larger_is_better, tol
        self.best = -math.inf if larger_is_better else math.inf
        self.n_waited = 0

    def see(self, number: float) -> bool:
        """Take note of an epoch's number; gives whether it is an improvement."""
        gain = number - self.best if self.larger_is_better else self.best - number
        improved = gain > self.tol
        self.n_waited = 0 if improved else self.n_waited + 1
        if improved:
            self.best = number
        return improved
