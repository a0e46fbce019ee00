"""The loop: schedule, epoch, evaluation, stop. Knows the kernels by one door, and none of the mathematics."""

import math
import warnings
from collections.abc import Callable
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastmlp.config import Config
from fastmlp.data import Dataset
from fastmlp.data.scaling import check_held
from fastmlp.errors import ConfigError, DataError, DataTypeError, DivergedError
from fastmlp.history import History, Progress, Row
from fastmlp.kernels.epoch import train_stretch
from fastmlp.kernels.update import CODES
from fastmlp.model import Model, init_model
from fastmlp.params import aligned_zeros
from fastmlp.schedule import learning_rate_at
from fastmlp.seeding import Purpose, stream
from fastmlp.warmup import warmup
from fastmlp.workspace import Workspace

#: Seconds that one call into the kernels may take, so that Ctrl-C and the progress bar are answered.
STRETCH_S = 0.25
#: Speed that the first stretch is sized by, in FLOP/s: less than any CPU's, and the next ones go by what was measured.
FIRST_GUESS = 2e9


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
) -> Run:
    """Train a network on a data set's training set, and evaluate it on the test set after every epoch.

    Parameters
    ----------
    dataset : Dataset
        What to train and test on.
    config : Config
        The settings; the defaults are the paper's.
    model : Model, optional
        A network to go on from; it stays as it is, a copy is trained. Its layers, activation and precision must be the
        config's. Adam's moments and the schedule begin anew; the order of the samples goes on where it was.
    progress : callable, optional
        Called with a `Progress` after every stretch of about a quarter of a second, and at the end of each epoch.

    Returns
    -------
    Run
        The trained model, the history and the config. The same dataset, config and model give the same bits.

    Raises
    ------
    DivergedError
        If the loss stops being finite; the last finite epoch's model and history are kept on the error.
    DataError, DataTypeError, ConfigError
        If dataset, config or model is not one, or they do not fit each other.

    Examples
    --------
    >>> import fastmlp
    >>> run = fastmlp.train(fastmlp.load_data("digits"), fastmlp.Config(hidden=(32,), n_epochs=5))
    >>> run.history["test_accuracy"][-1] > 0.85
    True
    """
    _check_arguments(dataset, config, model)
    model = init_model(config, dataset.n_features, dataset.n_classes) if model is None else model.copy()
    model.config, model.class_names = config, dataset.class_names or model.class_names
    model.scaling = model.scaling or dataset.scaling()
    for X in (dataset.X_train, dataset.X_test):
        check_held(X, model.scaling, config.precision)
    warmup(config.precision)
    loop = _Loop(dataset, config, model, progress or (lambda _: None))
    history = History()
    for epoch in range(config.n_epochs):
        kept = model.params.theta.copy()
        row = loop.run_epoch(epoch)
        if not (math.isfinite(row["train_loss"]) and math.isfinite(row["test_loss"])):
            model.params.theta[:] = kept
            raise DivergedError(epoch + 1, row["learning_rate"], model, history)
        model.n_epochs += 1
        history.append(row)
        loop.report(epoch, dataset.y_train.size, row["train_loss"], row)
    return Run(model, history, config)


def _check_arguments(dataset: Dataset, config: Config, model: Model | None) -> None:
    if not isinstance(dataset, Dataset):
        raise DataTypeError(f"dataset is a {type(dataset).__name__}; a Dataset is expected: see fastmlp.load_data")
    if not isinstance(config, Config):
        raise ConfigError(f"config is a {type(config).__name__}; a fastmlp.Config is expected")
    if model is None:
        return
    if not isinstance(model, Model):
        raise DataTypeError(f"model is a {type(model).__name__}; a fastmlp.Model is expected")
    if (model.n_features, model.n_classes) != (dataset.n_features, dataset.n_classes):
        raise DataError(
            f"the model takes {model.n_features} features and tells {model.n_classes} classes apart; "
            f"the data has {dataset.n_features} and {dataset.n_classes}"
        )
    if None not in (model.class_names, dataset.class_names) and model.class_names != dataset.class_names:
        raise DataError(f"the model tells {model.class_names} apart; the data holds {dataset.class_names}")
    for name in ("hidden", "activation", "precision"):
        ours, theirs = getattr(config, name), getattr(model.config, name)
        if ours != theirs:
            raise ConfigError(f"{name}: given {ours!r}; the model to go on from has {theirs!r}")


class _Loop:
    """Everything an epoch needs, made once: the buffers, the order of the samples, the optimizer's state."""

    def __init__(self, dataset: Dataset, config: Config, model: Model, progress: Callable[[Progress], None]) -> None:
        n_samples, dtype = len(dataset.X_train), model.params.theta.dtype
        if config.batch_size > n_samples:
            text = f"batch_size is {config.batch_size} and there are {n_samples} training samples: they make one batch"
            warnings.warn(text, stacklevel=3)
        self.dataset, self.config, self.model, self.progress = dataset, config, model, progress
        self.batch_size = min(config.batch_size, n_samples)
        self.workspace = Workspace(model.params, config.activation, self.batch_size)
        self.data = model.kernel_data(dataset.X_train)
        self.order = np.arange(n_samples, dtype=np.int32)
        n_moments = model.params.theta.size if config.optimizer == "adam" else 0
        self.moments = aligned_zeros(n_moments, dtype), aligned_zeros(n_moments, dtype)
        self.powers = np.ones(2)
        self.loss_sum = np.zeros(self.batch_size)
        flops_of_step = 6 * self.batch_size * sum(W.size for W in model.weights)
        self.steps_per_s = FIRST_GUESS / flops_of_step

    def run_epoch(self, epoch: int) -> Row:
        lr = learning_rate_at(self.config, epoch)
        start = perf_counter()
        train_loss = self._train_epoch(epoch, lr)
        trained = perf_counter()
        result = self.model.evaluate_checked(self.dataset.X_test, self.dataset.y_test)
        return Row(
            epoch=epoch + 1,
            learning_rate=lr,
            train_loss=train_loss,
            test_loss=result.loss,
            test_accuracy=result.accuracy,
            train_s=trained - start,
            eval_s=perf_counter() - trained,
        )

    def _train_epoch(self, epoch: int, lr: float) -> float:
        c, n_samples = self.config, self.order.size
        hyper = np.array([lr, c.l2, c.beta1, c.beta2, c.eps])
        state = stream(c.seed, Purpose.ORDER, self.model.n_epochs)
        self.loss_sum[:] = 0
        n_steps, step = -(-n_samples // self.batch_size), 0
        while step < n_steps:
            stop = min(n_steps, step + max(1, int(self.steps_per_s * STRETCH_S)))
            start = perf_counter()
            self._train_stretch(hyper, step, stop, state)
            self.steps_per_s = (stop - step) / (perf_counter() - start)
            step, n_seen = stop, min(stop * self.batch_size, n_samples)
            mean_loss = math.fsum(self.loss_sum) / n_seen
            if step < n_steps:
                self.report(epoch, n_seen, mean_loss)
        return mean_loss

    def _train_stretch(self, hyper: NDArray[Any], first: int, stop: int, state: int) -> None:
        choices = first, stop, CODES[self.config.optimizer], self.config.shuffle
        train_stretch(
            self.data, self.dataset.y_train, self.order, (self.model.params.theta, *self.moments),
            self.workspace.tables, hyper, self.powers, self.workspace.coefficients, self.loss_sum,
            np.array([*choices, np.uint64(state).astype(np.int64)], dtype=np.int64),
        )  # fmt: skip

    def report(self, epoch: int, n_seen: int, train_loss: float, row: Row | None = None) -> None:
        self.progress(Progress(epoch + 1, self.config.n_epochs, n_seen, self.order.size, train_loss, row))
