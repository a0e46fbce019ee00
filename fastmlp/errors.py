"""Every error that fastmlp raises on purpose. Knows nothing of the rest of the house.

Each class is also the built-in that a caller would expect, so ``except ValueError`` works as it does elsewhere. A
message names the thing, what was given, what is accepted and what to do.
"""

from typing import Any


class FastMLPError(Exception):
    """Base class of every error that fastmlp raises on purpose."""


class ConfigError(FastMLPError, ValueError):
    """A hyperparameter, or several, outside what is accepted; the message lists every one."""


class DataError(FastMLPError, ValueError):
    """Data whose shape or values cannot be trained on or predicted from."""


class DataTypeError(FastMLPError, TypeError):
    """Data of a type that cannot be read as numbers."""


class DataNotFoundError(FastMLPError, FileNotFoundError):
    """A data set, file or folder that is not where it was looked for."""


class FileFormatError(FastMLPError, ValueError):
    """A file that is truncated, oversized, damaged, of another version, or not what it claims to be."""


class OutputError(FastMLPError, OSError):
    """A result that could not be written where it was asked for."""


class CheckpointError(FastMLPError, ValueError):
    """A folder that holds another run than the one to go on with, or in which another process trains."""


class StudyError(FastMLPError, ValueError):
    """A folder that holds another study than the one asked for, or two results of one run that differ."""


class SchedulerError(FastMLPError, ConnectionError):
    """A cluster's scheduler that does not answer."""


class WorkerError(FastMLPError, RuntimeError):
    """A worker that could not do a run: it has another version of fastmlp or other data, or it died."""


class MissingExtraError(FastMLPError, ImportError):
    """An optional package is absent; the message gives the one pip command that mends it."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f'{purpose} needs {package}, which is not installed. Run: pip install "fastmlp[{extra}]"')
        self._arguments = package, extra, purpose

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._arguments


class DivergedError(FastMLPError, ArithmeticError):
    """The training loss stopped being finite.

    Attributes
    ----------
    epoch : int
        The epoch, counted from 1, whose loss is not finite.
    learning_rate : float
        The learning rate of that epoch.
    model : fastmlp.Model
        The network as it was after the last epoch whose loss was finite.
    history : fastmlp.History
        The rows of the epochs whose loss was finite.
    """

    def __init__(self, epoch: int, learning_rate: float, model: Any, history: Any) -> None:
        super().__init__(
            f"the loss is no longer finite in epoch {epoch} at learning rate {learning_rate:g}; what was learnt until "
            "then is kept (on this error: model, history). Try a smaller learning rate."
        )
        self.epoch = epoch
        self.learning_rate = learning_rate
        self.model = model
        self.history = history

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.epoch, self.learning_rate, self.model, self.history)
