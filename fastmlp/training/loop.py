"""The loop: schedule, epoch, evaluation, stop. Knows the trainer, and none of the mathematics."""

import math
import os
import warnings
from collections.abc import Callable
from time import perf_counter
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from fastmlp.config import Config
from fastmlp.data import Dataset
from fastmlp.data.scaling import check_representable
from fastmlp.data.target import balanced_weights
from fastmlp.errors import DataError, DivergedError, FileFormatError
from fastmlp.kernels.update import STEPS
from fastmlp.model.model import Model, init_model
from fastmlp.seeding import Purpose, stream, uniform
from fastmlp.settings import LOSSES
from fastmlp.training.checkpoint import START_OVER, Checkpoint, State, run_identity
from fastmlp.training.compatibility import check_arguments, n_outputs_of, warn_of_target_scale
from fastmlp.training.early_stopping import Monitor, Plateau, monitored_column
from fastmlp.training.history import History, Progress, Row
from fastmlp.training.precision import resolve
from fastmlp.training.schedule import learning_rate_at
from fastmlp.training.trainer import Trainer
from fastmlp.training.warmup import warmup


class Run(NamedTuple):
    """What `train` returns.

    Attributes
    ----------
    model : Model
        The trained network.
    history : History
        A row an epoch.
    config : Config
        The settings.
    """

    model: Model
    history: History
    config: Config


def train(
    dataset: Dataset,
    config: Config = Config(),
    model: Model | None = None,
    progress: Callable[[Progress], None] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Run:
    """Train a network on a data set's training set, and evaluate it on the test set after every epoch.

    With ``early_stopping``, and with ``schedule="plateau"`` where there is one, the validation set decides: the data
    set's own, or the share ``validation_fraction`` of the training set, drawn by the seed.

    Parameters
    ----------
    dataset : Dataset
        What to train and test on.
    config : Config
        The settings; the defaults are the paper's.
    model : Model, optional
        A network to go on from; it stays as it is, a copy is trained. Its layers, activation, loss and precision must
        be the config's. Adam's moments and the schedule begin anew; the order of the samples goes on where it was.
    progress : callable, optional
        Called with a `Progress` after every stretch of about a quarter of a second, and at the end of each epoch.
    checkpoint : path-like, optional
        A folder, made if need be, which keeps where training is: every half minute, after Ctrl-C, and at the end. The
        same call again goes on from there, within an epoch too, to the same bits; of a run that is at its end it gives
        the result. Another config, network or data set is refused; `fastmlp.discard_checkpoint` empties the folder.

    Returns
    -------
    Run
        The trained model, the history, and the config with the precision that was taken. The same dataset, config and
        model give the same bits. Where training stopped early, the model is that of the best epoch, see
        `fastmlp.training.early_stopping.best_epoch`, not the last.

    Raises
    ------
    DivergedError
        If the loss stops being finite; the last finite epoch's model and history are kept on the error.
    DataError, DataTypeError, ConfigError
        If dataset, config or model is not one, or they do not fit each other.
    CheckpointError, FileFormatError, OutputError
        If the folder is another run's or in use, if no checkpoint in it is whole, or if one cannot be written.

    Examples
    --------
    >>> import fastmlp
    >>> run = fastmlp.train(fastmlp.load_data("digits"), fastmlp.Config(hidden=(32,), n_epochs=5))
    >>> run.history["test_accuracy"][-1] > 0.85
    True
    """
    check_arguments(dataset, config, model)
    config = _resolved(config, dataset)
    n_outputs = n_outputs_of(dataset, config)
    model = init_model(config, dataset.n_features, n_outputs) if model is None else model.copy()
    model.config, model.class_names = config, dataset.class_names or model.class_names
    model.scaling = model.scaling or dataset.scaling()
    for X in (dataset.X_train, dataset.X_test, dataset.X_val):
        if X is not None:
            check_representable(X, model.scaling, config.dtype)
    warn_of_target_scale(dataset)
    warmup(config.precision)
    loop = _TrainingLoop(dataset, config, model, progress or (lambda _: None))
    if checkpoint is None:
        diverged = loop.run()
    else:
        identity = run_identity(config, dataset.checksum(), model.n_epochs, model.params.theta, *model.scaling)
        with Checkpoint(checkpoint, identity) as kept:
            diverged = loop.run_with_checkpoint(kept)
    if diverged is not None:
        loop.undo_epoch()
        raise DivergedError(diverged["epoch"], diverged["learning_rate"], model, loop.history)
    loop.restore_best()
    return Run(model, loop.history, config)


def _resolved(config: Config, dataset: Dataset) -> Config:
    """The config with the precision that is taken here; where it is not the one asked for by name, with a warning."""
    settled, reason = resolve(config, dataset.X_train)
    if reason and config.precision != "auto":
        warnings.warn(reason, stacklevel=3)
    return settled


class _TrainingLoop:
    """What goes on from epoch to epoch: the trainer, the validation set, what was best.

    Ctrl-C comes between any two instructions. What is kept is sound at every one: the kernels' arrays, which count
    their own steps, and the history; all else follows from these, or is there before an epoch's first step.
    """

    def __init__(self, dataset: Dataset, config: Config, model: Model, progress: Callable[[Progress], None]) -> None:
        self.dataset, self.config, self.model, self.progress = dataset, config, model, progress
        X, y, weights = dataset.X_train, dataset.y_train, dataset.weight_train
        self.X_val, self.y_val = dataset.X_val, dataset.y_val
        if config.early_stopping != "none" and self.X_val is None:
            train, val = _hold_out(len(X), config)
            self.X_val, self.y_val = X[val], y[val]
            X, y, weights = X[train], y[train], weights if weights is None else weights[train]
        if weights is not None and not weights.any():
            raise DataError("of the samples that are not held out all have the weight 0: nothing is left to train on")
        weights = balanced_weights(y, weights) if config.class_weight == "balanced" else weights
        self.n_samples = len(X)
        self.trainer = Trainer(model, X, y, weights)
        self.history, self.n_before, self.train_s = History(), model.n_epochs, 0.0
        self.epoch_start = model.params.theta
        self.monitor = Monitor(config.early_stopping == "score", config.tol)
        self.plateau = Plateau(config)
        self.best: NDArray[Any] | None = None

    @property
    def n_taken(self) -> int:
        """Steps of the epoch under way that are taken."""
        return self.trainer.n_taken - len(self.history) * self.trainer.n_steps

    @property
    def is_over(self) -> bool:
        """Whether all epochs are done, or nothing has got better for a while."""
        stalled = self.config.early_stopping != "none" and self.monitor.n_waited >= self.config.patience
        return stalled or len(self.history) >= self.config.n_epochs

    def run(self, pause: Callable[[], None] = lambda: None) -> Row | None:
        """Train to the end, with a pause after each stretch; gives the row of an epoch that diverged."""
        while not self.is_over:
            row = self.run_epoch(len(self.history), pause)
            if not (math.isfinite(row["train_loss"]) and math.isfinite(row["test_loss"])):
                return row
            self.history.append(row)
            self.update_monitors(row)
            self.report(row["epoch"] - 1, self.n_samples, row["train_loss"], row)
            pause()
        return None

    def run_with_checkpoint(self, checkpoint: Checkpoint) -> Row | None:
        """Go on from a checkpoint, if there is one, and keep where training is."""
        self.resume(checkpoint)
        if self.is_over:
            return None

        def pause() -> None:
            if checkpoint.is_due:
                checkpoint.save(self.state())

        try:
            diverged = self.run(pause)
            if diverged is None:
                checkpoint.save(self.state())
        except KeyboardInterrupt:
            checkpoint.save(self.state())
            raise
        return diverged

    def state(self) -> State:
        arrays = self.trainer.state()
        if self.n_taken > 0:
            arrays["epoch_start"] = self.epoch_start
        if self.best is not None:
            arrays["best"] = self.best
        return State(self.history, self.train_s, arrays)

    def resume(self, checkpoint: Checkpoint) -> None:
        ours, theta = self.trainer.state(), self.model.params.theta
        state = checkpoint.load({**ours, "epoch_start": theta, "best": theta})
        if state is None:
            return
        _check_sound(state, ours, self.trainer.n_steps, self.config.n_epochs)
        for name, array in ours.items():
            array[:] = state.arrays[name]
        self.train_s = state.train_s
        for row in state.history:
            self.history.append(row)
            self.update_monitors(
                row
            )  # which takes the weights that are there for the best: right after the last row alone
        self.model.n_epochs = self.n_before + len(self.history)
        if self.n_taken > 0:
            self.epoch_start = state.arrays["epoch_start"]
        if self.monitor.n_waited > 0 or self.n_taken > 0:
            self.best = state.arrays.get("best")

    def run_epoch(self, epoch: int, pause: Callable[[], None]) -> Row:
        lr = learning_rate_at(self.config, epoch) * self.plateau.factor
        if self.n_taken == 0:
            self.epoch_start, self.train_s = self.model.params.theta.copy(), 0.0
        start, before = perf_counter(), self.train_s

        def report(n_seen: int, loss: float) -> None:
            self.train_s = before + perf_counter() - start
            self.report(epoch, n_seen, loss)
            pause()

        train_loss = sum(self.trainer.run_epoch(lr, report, self.n_taken))
        trained = perf_counter()
        self.train_s = before + trained - start
        score = LOSSES[self.config.loss].metric
        result = self.model.evaluate_checked(self.dataset.X_test, self.dataset.y_test)
        row: dict[str, Any] = {"epoch": epoch + 1, "learning_rate": lr, "train_loss": train_loss}
        if self.X_val is not None and self.y_val is not None:
            val = self.model.evaluate_checked(self.X_val, self.y_val)
            row |= {"val_loss": val.loss, f"val_{score}": val.score}
        row |= {"test_loss": result.loss, f"test_{score}": result.score, "train_s": self.train_s}
        row["eval_s"] = perf_counter() - trained
        return cast(Row, row)

    def update_monitors(self, row: Row) -> None:
        """Take note of an epoch."""
        if self.config.schedule == "plateau":
            self.plateau.update(row.get("val_loss", row["train_loss"]))
        if self.config.early_stopping == "none":
            return
        watched: Any = row.get(monitored_column(self.config))
        if self.monitor.update(watched):
            self.best = self.model.params.theta.copy()

    def undo_epoch(self) -> None:
        self.model.params.theta[:] = self.epoch_start
        self.model.n_epochs = self.n_before + len(self.history)

    def restore_best(self) -> None:
        if self.best is not None:
            self.model.params.theta[:] = self.best

    def report(self, epoch: int, n_seen: int, train_loss: float, row: Row | None = None) -> None:
        self.progress(Progress(epoch + 1, self.config.n_epochs, n_seen, self.n_samples, train_loss, row))


def _check_sound(state: State, needed: dict[str, NDArray[Any]], n_steps: int, n_epochs: int) -> None:
    """Refuse what no run can have left."""
    n_done, complete = len(state.history), needed.keys() <= state.arrays.keys()
    n_taken = state.arrays["powers"][STEPS] - n_done * n_steps if complete else -1
    is_sound = 0 <= n_taken <= n_steps and ("epoch_start" in state.arrays or n_taken == 0) and n_done <= n_epochs
    if not is_sound or state.history["epoch"] != [*range(1, n_done + 1)]:
        raise FileFormatError(f"the checkpoint is of no run: {START_OVER}")


def _hold_out(n_samples: int, config: Config) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows to train on and rows to validate on, both in the order of the data."""
    n_held = round(n_samples * config.validation_fraction)
    if not 0 < n_held < n_samples:
        given = config.validation_fraction
        raise DataError(f"validation_fraction {given} of {n_samples} samples is {n_held}: more samples are expected")
    drawn = np.argsort(uniform(stream(config.seed, Purpose.VALIDATION), 0, n_samples), kind="stable")
    return np.sort(drawn[n_held:]), np.sort(drawn[:n_held])
