"""The training loop: learning rate schedule, epochs, evaluation, early stopping and checkpoints."""

import math
import os
import warnings
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from fastmlp.config import Config
from fastmlp.data import Dataset
from fastmlp.data.scaling import largest_magnitude
from fastmlp.data.target import balanced_weights, check_weights
from fastmlp.data.target_scaling import TargetScaling
from fastmlp.errors import DataError, DivergedError
from fastmlp.model.model import Model
from fastmlp.notebook.progress import progress_shown
from fastmlp.notebook.shell import keeps_results, no_interrupt_lost
from fastmlp.parallel import Threads, core_in_use
from fastmlp.settings import LOSSES
from fastmlp.training import standardisation
from fastmlp.training.checkpoint import Checkpoint, State, check_consistency, holds_checkpoint, run_identity
from fastmlp.training.display import describe_progress, run_html
from fastmlp.training.early_stopping import Monitor, Plateau, best_epoch, hold_out_validation, monitored_column
from fastmlp.training.history import History, Progress, Row, columns_of
from fastmlp.training.preparation import prepare_training
from fastmlp.training.schedule import learning_rate_at

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Run(NamedTuple):
    """Result of `train`.

    Attributes
    ----------
    model : Model
        The trained network.
    history : History
        Metrics, one row per epoch.
    config : Config
        The settings that were used, with the precision resolved.

    Examples
    --------
    >>> import fastmlp
    >>> data = fastmlp.Dataset([[0.0], [1.0]], ["cat", "dog"], [[0.5]], ["dog"])
    >>> run = fastmlp.train(data, fastmlp.Config(hidden=(4,), batch_size=2, n_epochs=2, precision="auto"))
    >>> run.model.n_epochs, len(run.history), run.config.precision
    (2, 2, 'float32')
    >>> model, history, config = run
    """

    model: Model
    history: History
    config: Config

    def plot(self, axes: "Sequence[Axes] | None" = None) -> "tuple[Axes, Axes]":
        """Plot loss and score against the epoch, see `fastmlp.plot.plot_history`.

        Parameters
        ----------
        axes : sequence of two matplotlib Axes, optional
            Axes to draw on; by default those of a new figure of pyplot.

        Returns
        -------
        tuple of two matplotlib Axes
            Axes of the loss and of the score; their figure is ``axes[0].figure``.

        Raises
        ------
        MissingExtraError
            If matplotlib is not installed.

        Examples
        --------
        >>> import fastmlp
        >>> run = fastmlp.train(fastmlp.load_data("digits"), fastmlp.Config(hidden=(32,), n_epochs=3))
        >>> loss, accuracy = run.plot()
        >>> loss.figure.savefig("curves.png")  # doctest: +SKIP
        """
        from fastmlp.plot import plot_history  # which imports a module of training

        return plot_history(self.history, axes)

    def _repr_html_(self) -> str:
        return run_html(self)


def train(
    dataset: Dataset,
    config: Config = Config(),
    model: Model | None = None,
    progress: Callable[[Progress], None] | Literal["auto"] | None = "auto",
    checkpoint: str | os.PathLike[str] | None = None,
    n_threads: Threads = "auto",
) -> Run:
    """Train a network on the training set of a data set, and evaluate it on the test set after every epoch.

    With the losses squared_error and huber, the network is trained on standardised targets, see
    `Dataset.target_scaling`; the learning rate, ``l2``, ``weight_decay`` and ``clip_norm`` apply to that network. At
    the end the last layer is multiplied by the factor and shifted by the offset: the returned model predicts the
    targets themselves. Losses, also those that ``tol`` is compared with, scores and ``huber_delta`` are in the targets'
    own unit.

    Early stopping monitors the validation set: that of the data set or, without one, the fraction
    ``validation_fraction`` of the training set, which is held out and drawn with the seed. ``schedule="plateau"``
    monitors the loss on the validation set, or the training loss where there is no validation set.

    Ctrl-C, or a notebook's interrupt, ends training. In an interactive shell (a notebook, IPython, Python's prompt),
    the run so far is returned, with a warning, as if it had ended after its last finished epoch. KeyboardInterrupt is
    raised if no epoch is finished, within two seconds after another interrupt, so that a loop of trainings ends too,
    and in a script.

    Parameters
    ----------
    dataset : Dataset
        The training set, the test set and, optionally, the validation set.
    config : Config
        The settings; the defaults are the paper's.
    model : Model, optional
        The network to continue training from. It is not modified; a copy of it is trained. It must have the hidden
        layers, activation, loss and dtype of the config. The moment estimates of the optimizer and the schedule start
        from scratch; the random order of the samples continues where the previous training stopped. Where targets are
        standardised, those of this data set are, whatever the network was trained on. A network that was never trained
        and has output biases of 0, as `init_model` makes it, starts with its weights as they are, and so predicts
        standardised targets; any other predicts the targets themselves, and continues from what it predicts.
    progress : callable, "auto" or None
        Called with a `Progress` after every chunk of an epoch, of about a quarter of a second, and at the end of each
        epoch. By default a bar of tqdm in the output of a notebook's cell (extra notebook), once the training has taken
        two seconds, and nothing elsewhere; None shows nothing.
    checkpoint : path-like, optional
        Folder for checkpoints, created if necessary. A checkpoint is written every half minute, after Ctrl-C, and at
        the end. The same call then resumes the run, also within an epoch, and gives the same bits; for a finished run
        it returns the result. Another config, network or data set is refused. `fastmlp.discard_checkpoint` removes the
        checkpoints.
    n_threads : int or "auto"
        Number of threads. It changes no result, and a resumed run may have another. By default as many as make the run
        faster, one for small networks, and at most one for each core that no other training or prediction of this
        process uses, see `fastmlp.parallel.thread_limits`.

    Returns
    -------
    Run
        The trained model, the history, and the config with the precision that was used. The same dataset, config and
        model give the same bits. With early stopping, the model has the weights of the best epoch, see
        `fastmlp.training.early_stopping.best_epoch`.

    Raises
    ------
    DivergedError
        If a loss or a score of an epoch is not finite, on the training, validation or test set. The exception holds the
        model and the history of the last finite epoch.
    DataError, DataTypeError, ConfigError
        If dataset, config or model has the wrong type or they are incompatible, or n_threads is neither "auto" nor a
        positive integer, or more than the system can start.
    CheckpointError, FileFormatError, OutputError
        If the folder holds the checkpoint of another run or is in use; if none of its checkpoints is intact; if the
        first checkpoint, after half a minute, cannot be written. Later ones that cannot be written, such as the one at
        the end, only cause a warning.

    Examples
    --------
    >>> import fastmlp
    >>> run = fastmlp.train(fastmlp.load_data("digits"), fastmlp.Config(hidden=(32,), n_epochs=5))
    >>> run.history["test_accuracy"][-1] > 0.85
    True
    """
    config, model, scaling = prepare_training(dataset, config, model, n_threads)
    with progress_shown(progress, describe_progress) as show, no_interrupt_lost(show) as report, core_in_use():
        loop = TrainingLoop(dataset, config, model, report, n_threads, scaling)
        try:
            if checkpoint is None:
                diverged = loop.run()
            else:
                identity = run_identity(
                    config, dataset.checksum(), model.n_epochs, model.params.theta, *(model.scaling or ())
                )
                identity |= standardisation.scaling_identity(scaling)
                with Checkpoint(checkpoint, identity) as checkpoints:
                    diverged = loop.run_with_checkpoints(checkpoints)
        except KeyboardInterrupt:
            if not len(loop.history) or not keeps_results():
                raise
            loop.end_at_last_epoch()
            diverged = None
    if diverged is not None:
        error = loop.divergence(diverged)
        loop.restore_epoch_start()
        loop.fold_target_scaling()
        raise error
    loop.restore_best()
    loop.fold_target_scaling()
    return Run(model.copy(), loop.history, config)  # without views of its weights, see Predictor.is_current


class TrainingLoop:
    """State of a run that is carried from epoch to epoch: trainer, history, validation set and best weights.

    Ctrl-C may interrupt it between any two instructions, and the state is consistent at each of them. The kernels count
    the steps in the arrays that they update. These arrays and the history determine everything else, except for what is
    set before the first step of an epoch.
    """

    def __init__(
        self,
        dataset: Dataset,
        config: Config,
        model: Model,
        progress: Callable[[Progress], None],
        n_threads: Threads,
        scaling: TargetScaling,
    ) -> None:
        from fastmlp.training.trainer import Trainer  # imports Numba

        self.dataset, self.config, self.model, self.progress = dataset, config, model, progress
        self.scaling, self.predicts_targets = scaling, not standardisation.is_untrained(model)
        if self.predicts_targets:
            standardisation.unfold_from_output(model.params, scaling)
        model.config = standardisation.config_for(scaling, config)
        X, y, weights = dataset.X_train, dataset.y_train, dataset.weight_train
        self.X_val, self.y_val = dataset.X_val, dataset.y_val
        if config.early_stopping != "none" and self.X_val is None:
            train, val = hold_out_validation(len(y), config)
            self.X_val, self.y_val = X[val], y[val]
            X, y, weights = X[train], y[train], weights if weights is None else weights[train]
        if weights is not None and not weights.any():
            raise DataError(
                "weight_train: expected a weight > 0 among the samples that are not held out, got only zeros"
            )
        if config.class_weight == "balanced":
            weights = check_weights(balanced_weights(y, weights), len(y), "weight_train")
        self.n_samples = len(y)
        self.trainer = Trainer(model, X, scaling.apply(y), weights, n_threads)
        self.targets_val = None if self.y_val is None else scaling.apply(self.y_val)
        self.targets_test = scaling.apply(dataset.y_test)
        columns = columns_of(LOSSES[config.loss].metric, self.X_val is not None)
        self.history, self.n_epochs_before, self.train_s = History(columns=columns), model.n_epochs, 0.0
        self.epoch_start = model.params.theta
        self.monitor = Monitor(config.early_stopping == "score", config.tol)
        self.plateau = Plateau(config)
        self.best: NDArray[Any] | None = None

    @property
    def n_steps_done(self) -> int:
        """Number of finished steps of the current epoch."""
        return self.trainer.n_steps_done - len(self.history) * self.trainer.steps_per_epoch

    @property
    def is_finished(self) -> bool:
        """Whether all epochs are done or training has stopped early."""
        patience = self.config.patience
        stops_early = self.config.early_stopping != "none" and self.monitor.n_without_improvement >= patience
        return stops_early or len(self.history) >= self.config.n_epochs

    def run(self, after_chunk: Callable[[], None] = lambda: None) -> Row | None:
        """Train to the end, calling `after_chunk` after each chunk of an epoch; return the row of a diverged epoch."""
        while not self.is_finished:
            row = self.run_epoch(len(self.history), after_chunk)
            if _non_finite_columns(row):
                return row
            self.history.append(row)
            self.update_monitors(row)
            self.report_progress(row["epoch"] - 1, self.n_samples, row["train_loss"], row)
            after_chunk()
        return None

    def run_with_checkpoints(self, checkpoint: Checkpoint) -> Row | None:
        """`run`, resumed from a checkpoint if there is one, and writing checkpoints."""
        self.resume(checkpoint)
        if self.is_finished:
            return None

        def save_if_due() -> None:
            if not checkpoint.is_due:
                return
            if holds_checkpoint(checkpoint.folder):
                checkpoint.save_or_warn(self.state())
            else:  # better now than after hours of training whose result may not be writable either
                checkpoint.save(self.state())

        try:
            diverged = self.run(save_if_due)
            if diverged is None:
                checkpoint.save_or_warn(self.state())
        except KeyboardInterrupt:
            checkpoint.save_or_warn(self.state())
            raise
        return diverged

    def state(self) -> State:
        """The state to write to a checkpoint."""
        arrays = self.trainer.state()
        if self.n_steps_done > 0:
            arrays["epoch_start"] = self.epoch_start
        if self.best is not None:
            arrays["best"] = self.best
        return State(self.history, self.train_s, arrays)

    def resume(self, checkpoint: Checkpoint) -> None:
        """Restore the state from the newest checkpoint, if there is one."""
        arrays, theta = self.trainer.state(), self.model.params.theta
        state = checkpoint.load({**arrays, "epoch_start": theta, "best": theta})
        if state is None:
            return
        check_consistency(state, arrays, self.trainer.steps_per_epoch, self.config.n_epochs)
        for name, array in arrays.items():
            array[:] = state.arrays[name]
        self.train_s, n_finished = state.train_s, len(state.history)
        for row in state.history:
            # This sets `best` to the current weights on every improvement, which is right for the last row only.
            self.update_monitors(row)
        self.model.n_epochs = self.n_epochs_before + n_finished
        is_within_epoch = self.trainer.n_steps_done > n_finished * self.trainer.steps_per_epoch
        if is_within_epoch:
            self.epoch_start = state.arrays["epoch_start"]
        if self.monitor.n_without_improvement > 0 or is_within_epoch:
            self.best = state.arrays.get("best")
        if n_finished:  # at last, since Ctrl-C may end training as soon as there is a finished epoch
            self.history = state.history

    def run_epoch(self, epoch: int, after_chunk: Callable[[], None]) -> Row:
        """Train for one epoch, or for the rest of an interrupted one, and evaluate the network."""
        lr = learning_rate_at(self.config, epoch) * self.plateau.factor
        if self.n_steps_done == 0:
            self.epoch_start, self.train_s = self.model.params.theta.copy(), 0.0
        start, before = perf_counter(), self.train_s

        def report(n_seen: int, loss: float) -> None:
            self.train_s = before + perf_counter() - start
            self.report_progress(epoch, n_seen, self.scaling.loss_of_targets(loss))
            after_chunk()

        train_loss = sum(self.trainer.run_epoch(lr, report, self.n_steps_done))
        end = perf_counter()
        self.train_s = before + end - start
        row: dict[str, Any] = {"epoch": epoch + 1, "learning_rate": lr}
        row["train_loss"] = self.scaling.loss_of_targets(train_loss)
        if not standardisation.is_foldable(self.model.params, self.scaling):  # the returned network would be infinite
            row["train_loss"] = math.inf
        if self.X_val is not None and self.targets_val is not None:
            row |= self.evaluate("val", self.X_val, self.targets_val)
        row |= self.evaluate("test", self.dataset.X_test, self.targets_test)
        row |= {"train_s": self.train_s, "eval_s": perf_counter() - end}
        return cast(Row, row)

    def evaluate(self, part: str, X: Any, y: NDArray[Any]) -> dict[str, float]:
        """Loss and score on the validation or the test set, whose targets are standardised as those of training.

        They are those of the returned model on the targets themselves, but for rounding.
        """
        loss, score = self.model.evaluate_validated(X, y, self.trainer.n_threads)
        metric = LOSSES[self.config.loss].metric
        return {f"{part}_loss": self.scaling.loss_of_targets(loss), f"{part}_{metric}": score}

    def update_monitors(self, row: Row) -> None:
        """Update the plateau schedule, early stopping and the best weights with the metrics of an epoch."""
        if self.config.schedule == "plateau":
            self.plateau.update(row.get("val_loss", row["train_loss"]))
        if self.config.early_stopping == "none":
            return
        monitored: Any = row.get(monitored_column(self.config))
        if self.monitor.update(monitored):
            self.best = self.model.params.theta.copy()

    def divergence(self, row: Row) -> DivergedError:
        """The exception for the row of a diverged epoch, naming the first metric that is not finite.

        It points to the validation or test set only if the weights at the end of the epoch are finite. Otherwise
        training itself diverged, though the training loss may be finite: each batch's is computed before its step.
        """
        column, value = next(iter(_non_finite_columns(row).items()))
        part = column.partition("_")[0] if np.isfinite(self.model.params.theta).all() else "train"
        arrays: dict[str, Any] = {}
        if part == "val":
            arrays = {"y_val": self.y_val, "X_val": self.X_val}
        elif part == "test":
            arrays = {"y_test": self.dataset.y_test, "X_test": self.dataset.X_test}
        largest = {name: largest_magnitude(array) for name, array in arrays.items() if array.dtype.kind == "f"}
        return DivergedError(row["epoch"], row["learning_rate"], self.model, self.history, column, value, largest)

    def restore_epoch_start(self) -> None:
        """Restore the weights from before the current epoch."""
        self.model.params.theta[:] = self.epoch_start
        self.model.n_epochs = self.n_epochs_before + len(self.history)

    def end_at_last_epoch(self) -> None:
        """After Ctrl-C, make the last finished epoch the end of training, and warn."""
        n_finished, n_epochs = len(self.history), self.config.n_epochs
        if self.n_steps_done > 0:
            self.restore_epoch_start()
        if best_epoch(self.config, self.history.to_dict()) == n_finished:
            self.best = None  # the interrupt may have come before the monitor saw this epoch
        text = f"{n_finished} of {n_epochs} epochs are finished, and what they have learnt is returned"
        warnings.warn(f"Training interrupted by user: {text}.", stacklevel=3)

    def restore_best(self) -> None:
        """Restore the best weights, if early stopping has stored any."""
        if self.best is not None:
            self.model.params.theta[:] = self.best

    def fold_target_scaling(self) -> None:
        """Make the network predict the targets themselves; an untrained one remains as it was given."""
        if self.predicts_targets or self.model.n_epochs > 0:
            standardisation.fold_into_output(self.model.params, self.scaling)
        self.model.config = self.config

    def report_progress(self, epoch: int, n_seen: int, train_loss: float, row: Row | None = None) -> None:
        """Call the progress callback."""
        self.progress(Progress(epoch + 1, self.config.n_epochs, n_seen, self.n_samples, train_loss, row))


def _non_finite_columns(row: Row) -> dict[str, float]:
    """The losses and scores of an epoch that are not finite, those of the training set first, of the test set last."""
    return {
        name: value
        for name, value in cast(dict[str, float], row).items()
        if name.endswith(("_loss", "_accuracy", "_r2")) and not math.isfinite(value)
    }
