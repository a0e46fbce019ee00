"""The exception classes of fastmlp, and its warnings that a user may want to filter.

Each exception class derives from `FastMLPError` and from the built-in exception that a caller would expect, so that
``except ValueError`` works as usual. A message states what was wrong, what was given, what is accepted and what to do.
"""

import math
from collections.abc import Mapping
from typing import Any


class FastMLPError(Exception):
    """Base class of all exceptions that fastmlp raises deliberately.

    Examples
    --------
    >>> import fastmlp
    >>> try:
    ...     fastmlp.Config(n_epochs=0)
    ... except fastmlp.FastMLPError as error:
    ...     print(type(error).__name__, "and ValueError:", isinstance(error, ValueError))
    ConfigError and ValueError: True
    """


class ConfigError(FastMLPError, ValueError):
    """One or more invalid hyperparameters; the message lists all of them."""


class LeftOutWarning(UserWarning):
    """Rows or columns of a table that are left out; the command line prints them in its description of the table."""


class DataError(FastMLPError, ValueError):
    """Data whose shape or values cannot be used for training or prediction."""


class DataTypeError(FastMLPError, TypeError):
    """Data of a type that cannot be converted to numbers, or an argument of the wrong type."""


class DataNotFoundError(FastMLPError, FileNotFoundError):
    """A data set, file or folder that does not exist or cannot be read."""


class FileFormatError(FastMLPError, ValueError):
    """A file that is truncated, oversized, damaged, of another version or of another format."""


class OutputError(FastMLPError, OSError):
    """A result that could not be written.

    Attributes
    ----------
    study : fastmlp.study.Study or None
        The study whose run could not be saved, with all finished runs, including that one. None for other results.
    """

    study: Any = None


class CheckpointError(FastMLPError, ValueError):
    """A checkpoint folder that belongs to a different run, or that another process is using."""


class StudyError(FastMLPError, ValueError):
    """A folder that holds another study than the given one, or two different results of one run."""


class SchedulerError(FastMLPError, ConnectionError):
    """A cluster scheduler that does not respond."""


class WorkerError(FastMLPError, RuntimeError):
    """A worker process that failed to execute a run: another version of fastmlp, other data, or a crash."""


class MissingExtraError(FastMLPError, ImportError):
    """An optional package is not installed; the message gives the pip command that installs it."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f'{purpose} needs {package}, which is not installed. Run: pip install "fastmlp[{extra}]"')
        self._arguments = package, extra, purpose

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._arguments


class DivergedError(FastMLPError, ArithmeticError):
    """Training diverged: a loss or a score of an epoch is not finite.

    Attributes
    ----------
    epoch : int
        Epoch whose metrics are not finite, counted from 1.
    learning_rate : float
        Learning rate of that epoch.
    model : fastmlp.Model
        The network after the last epoch with finite metrics.
    history : fastmlp.History
        The rows of the epochs with finite metrics.
    column : str
        Name of the metric, such as train_loss, val_loss or test_r2; train_loss if that and others are not finite.
    value : float
        Its value: infinite or NaN.
    largest : dict of str to float
        Largest magnitude in the targets and the samples that the metric was computed on, such as ``{"y_val": 9.97e36,
        "X_val": 3.2}``; empty if the training loss or a weight is not finite.

    Examples
    --------
    >>> import fastmlp
    >>> data = fastmlp.Dataset([[0.0], [1.0]], [0.0, 1.0], [[0.5]], [0.5], task="regression")
    >>> config = fastmlp.Config(hidden=(), loss="squared_error", learning_rate=1e9, batch_size=2)
    >>> try:
    ...     fastmlp.train(data, config)
    ... except fastmlp.DivergedError as error:
    ...     print(error.column, error.model.n_epochs == len(error.history) == error.epoch - 1)
    train_loss True
    """

    #: Last sentence of the message, which the command line omits.
    KEPT = "The model and the history of the last finite epoch are kept as attributes of this exception."

    def __init__(
        self,
        epoch: int,
        learning_rate: float,
        model: Any,
        history: Any,
        column: str = "train_loss",
        value: float = math.nan,
        largest: Mapping[str, float] | None = None,
    ) -> None:
        advice = "try a smaller learning rate"
        if largest:
            found = " and ".join(f"{name} ({magnitude:.3g})" for name, magnitude in largest.items())
            advice += (
                ". The training loss is finite: look also for fill values and other extreme values in "
                f"{found}; the numbers are the largest magnitudes"
            )
        super().__init__(
            f"{column}: expected a finite number, got {value:g} in epoch {epoch} at learning rate {learning_rate:g}; "
            f"{advice}. {self.KEPT}"
        )
        self.epoch = epoch
        self.learning_rate = learning_rate
        self.model = model
        self.history = history
        self.column = column
        self.value = value
        self.largest = dict(largest or {})

    def __reduce__(self) -> tuple[Any, ...]:
        arguments = self.epoch, self.learning_rate, self.model, self.history, self.column, self.value, self.largest
        return type(self), arguments
