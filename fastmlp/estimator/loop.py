"""The epochs of a fit: learning rate, validation, and scikit-learn's stopping rule; and the forward pass.

Samples and targets are already checked and encoded.
"""

import math
import sys
import warnings
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from fastmlp.config import Config
from fastmlp.data.scaling import largest_magnitude
from fastmlp.data.target_scaling import TargetScaling
from fastmlp.estimator.callbacks import CallbackRunner
from fastmlp.metrics import exponents
from fastmlp.model.model import Model
from fastmlp.model.params import laid_out_as
from fastmlp.parallel import Threads, check_threads, core_in_use
from fastmlp.settings import LOSSES, OPTIMIZERS
from fastmlp.training.early_stopping import Plateau
from fastmlp.training.schedule import learning_rate_at
from fastmlp.training.standardisation import config_for, fold_into_output, unfold_from_output

#: The first three are scikit-learn's.
NOT_CONVERGED = "Stochastic Optimizer: Maximum iterations ({}) reached and the optimization hasn't converged yet."
INTERRUPTED = "Training interrupted by user."
NON_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be preprocessed."
)
NON_FINITE_LOSS = (
    "{}: expected a finite number in the last epoch, got {:g}; try a smaller learning_rate_init, and look for extreme "
    "values in {}; the numbers are the largest magnitudes"
)
#: With ``learning_rate="adaptive"``: the divisor of the learning rate after epochs without improvement, and the rate
#: at or below which training stops instead. Both are scikit-learn's.
ADAPTIVE_DIVISOR, ADAPTIVE_MIN_RATE = 5.0, 1e-6
#: Schedules that end at ``max_iter``. Epochs that `partial_fit` adds after the end use the learning rate of the last
#: epoch: the formulas of these schedules are periodic and would let it rise again.
FINITE_SCHEDULES = ("cosine", "one_cycle")


class Samples(NamedTuple):
    """Checked samples (dense or CSR), their encoded targets, and their weights, or None if all are equal."""

    X: Any
    y: NDArray[Any]
    weights: NDArray[np.float64] | None

    def part(self, rows: NDArray[Any]) -> "Samples":
        """The samples of some rows."""
        return Samples(self.X[rows], self.y[rows], None if self.weights is None else self.weights[rows])


def forward(
    model: Model, X: Any, n_threads: Threads, y: NDArray[Any] | None = None
) -> tuple[NDArray[Any], NDArray[np.float64], int]:
    """Outputs of the network, losses of the samples, and what the kernels found.

    Parameters
    ----------
    model : Model
        The network.
    X : ndarray or CSR matrix (n_samples, n_features)
        Checked samples.
    n_threads : int or "auto"
        See `MLPClassifier`. It may have been set since `fit`; an integer of NumPy, as in a parameter grid, is accepted.
    y : ndarray, optional
        Encoded targets.

    Returns
    -------
    outputs, losses, findings
        As `fastmlp.model.predictor.Predictor.forward` returns them.

    Raises
    ------
    ConfigError
        If n_threads is neither "auto" nor a positive integer.
    """
    n_threads = int(n_threads) if isinstance(n_threads, Integral) else n_threads
    check_threads(n_threads)
    return model.forward_validated(X, y, n_threads)


class LearningRate:
    """Learning rate of the next epoch.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Its `schedule` is used if it has one, otherwise its `learning_rate` and `power_t`.
    config : Config
        Has the initial rate and the settings of the schedule.

    Attributes
    ----------
    current : float
        The learning rate of the next epoch.
    """

    def __init__(self, estimator: Any, config: Config) -> None:
        self.config, self.is_scheduled = config, estimator.schedule is not None
        self.kind = "constant" if self.is_scheduled or not _is_sgd(estimator.solver) else estimator.learning_rate
        self.power_t = estimator.power_t
        self.last_epoch = config.n_epochs - 1 if config.schedule in FINITE_SCHEDULES else sys.maxsize
        self.plateau, self.n_epochs = Plateau(config), 0
        self.current = learning_rate_at(config, 0) if self.is_scheduled else config.learning_rate

    def end_epoch(self, n_seen: int, loss: float) -> None:
        """Update the rate, given the number of samples seen in all epochs and the loss that ``"plateau"`` monitors."""
        self.n_epochs += 1
        if self.config.schedule == "plateau":
            self.plateau.update(loss)
        if self.kind == "invscaling":
            self.current = self.config.learning_rate / (n_seen + 1) ** self.power_t
        if self.is_scheduled:
            rate = learning_rate_at(self.config, min(self.n_epochs, self.last_epoch))
            self.current = self.plateau.factor * rate

    def handle_no_improvement(self) -> str:
        """Lower an adaptive rate, or stop; return scikit-learn's text, which ends in "Stopping." if training stops."""
        if self.kind != "adaptive":
            return "Stopping."
        if self.current <= ADAPTIVE_MIN_RATE:
            return "Learning rate too small. Stopping."
        self.current /= ADAPTIVE_DIVISOR
        return f"Setting learning rate to {self.current:f}"


def _is_sgd(solver: str) -> bool:
    """Whether the parameter `learning_rate` applies: scikit-learn uses it with the solver sgd only."""
    return solver in OPTIMIZERS and OPTIMIZERS[solver].sklearn == "sgd"


class PartialFitState(NamedTuple):
    """State of the optimizer, which the next call of `partial_fit` starts from.

    Attributes
    ----------
    optimizer : str
        Name of the optimizer.
    moments : tuple of ndarray
        Its moment estimates.
    powers : ndarray
        Powers of its decay rates, see `fastmlp.kernels.optimizer_state`.
    rate : LearningRate
        The learning rate.
    row_per_feature : bool
        The layout of the moment estimates, see `fastmlp.model.params.Params`.
    """

    optimizer: str
    moments: tuple[NDArray[Any], ...]
    powers: NDArray[np.float64]
    rate: LearningRate
    row_per_feature: bool


def network_in_training(model: Model, scaling: TargetScaling, is_continued: bool) -> Model:
    """The network that predicts standardised targets, for an estimator's network, which predicts the targets.

    Parameters
    ----------
    model : Model
        The estimator's network. Unless the fit is continued, its random weights become those of the network in
        training, and it is changed to predict the targets.
    scaling : TargetScaling
        The standardisation of the targets.
    is_continued : bool
        Whether the fit starts from the current weights.

    Returns
    -------
    Model
        A copy with other weights in the last layer; `model` itself if targets are not standardised.
    """
    if scaling.is_identity:
        return model
    network = model.copy()
    if is_continued:
        unfold_from_output(network.params, scaling)
    else:
        fold_into_output(model.params, scaling)
    network.config = config_for(scaling, model.config)
    return network


class Loop:
    """The epochs of one call of `fit` or `partial_fit`; sets the estimator's attributes with the results.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Its `model_` is trained.
    network : Model
        The result of `network_in_training`: `model_` itself, or a network that is written back to it after each epoch.
    train : Samples
        The training set.
    validation : Samples or None
        The validation set.
    callbacks : CallbackRunner
        Called at the beginning and end of each epoch.
    state : PartialFitState or None
        State of the optimizer to continue with; ignored if it belongs to another optimizer than that of the config.
    scaling : TargetScaling
        The standardisation of the targets.

    Attributes
    ----------
    is_interrupted : bool
        Whether Ctrl-C ended training.
    """

    def __init__(
        self,
        estimator: Any,
        network: Model,
        train: Samples,
        validation: Samples | None,
        callbacks: CallbackRunner,
        state: PartialFitState | None,
        scaling: TargetScaling,
    ) -> None:
        self.estimator, self.validation, self.callbacks = estimator, validation, callbacks
        self.scaling, self.model = scaling, network
        self.train, self.n_samples = train, train.X.shape[0]
        standardised = train._replace(y=scaling.apply(train.y))
        evaluated = () if validation is None else (self.model.params.dtype.name,)
        self.trainer = self._make_trainer(standardised, evaluated)
        self.rate, self.is_interrupted = LearningRate(estimator, self.model.config), False
        # scikit-learn's squared error is the mean over the outputs, ours the sum; the gradients are the same.
        self.loss_divisor = self.model.n_outputs if LOSSES[self.model.config.loss].output == "identity" else 1
        self.print = print if estimator.verbose else _print_nothing
        if state is not None and state.optimizer == self.model.config.optimizer:
            for array, moment in zip(self.trainer.arrays[1:3], state.moments, strict=True):
                if array.size:
                    array[:] = laid_out_as(self.model.params, moment, state.row_per_feature)
            self.trainer.powers[:], self.rate = state.powers, state.rate
        self.n_steps_before = self.trainer.n_steps_done

    @property
    def state(self) -> PartialFitState | None:
        """State of the optimizer; its arrays are those that training updates, not copies."""
        moments, row_per_feature = self.trainer.arrays[1:3], self.model.params.row_per_feature
        return PartialFitState(self.model.config.optimizer, moments, self.trainer.powers, self.rate, row_per_feature)

    def run(self, incremental: bool) -> None:
        """Train for one epoch if `incremental`, otherwise for up to ``max_iter`` epochs.

        An exception in a callback ends training; the estimator keeps the weights reached so far. Ctrl-C ends training
        with a warning, as in scikit-learn, once a step has been taken; before that it raises KeyboardInterrupt.
        """
        estimator = self.estimator
        estimator.n_iter_ = 0
        try:
            with core_in_use():
                while not self._run_epoch() and not incremental:
                    if estimator.n_iter_ == estimator.max_iter:
                        warnings.warn(NOT_CONVERGED.format(estimator.max_iter), ConvergenceWarning, stacklevel=5)
                        break
        except KeyboardInterrupt:
            if self.trainer.n_steps_done == self.n_steps_before:
                raise
            self._warn_of_interrupt()
        finally:
            self._write_back()
            if estimator.early_stopping:
                best, params = estimator._best_params, estimator.model_.params
                params.theta[:] = laid_out_as(params, best.theta, best.row_per_feature)

    def _make_trainer(self, samples: Samples, evaluated: tuple[str, ...]) -> Any:
        from fastmlp.training.trainer import Trainer  # imports Numba

        return Trainer(self.model, *samples, self.estimator.n_threads, evaluated)

    def _warn_of_interrupt(self) -> None:
        self.is_interrupted = True
        warnings.warn(INTERRUPTED, stacklevel=6)

    def check_finite(self) -> None:
        """Raise scikit-learn's ValueError if a weight is not finite; warn if a loss of the last epoch is not."""
        self._check_weights()
        names = {"loss_": ("loss_curve_", "y", "X", self.train)}
        if self.validation is not None:
            names["validation_losses_"] = ("validation_losses_", "y_val", "X_val", self.validation)
        for name, (attribute, y_name, X_name, samples) in names.items():
            losses = getattr(self.estimator, attribute)
            if losses and not math.isfinite(losses[-1]):
                arrays = {y_name: samples.y, X_name: samples.X}
                found = " and ".join(
                    f"{label} ({largest_magnitude(array):.3g})"
                    for label, array in arrays.items()
                    if array.dtype.kind == "f"
                )
                warnings.warn(NON_FINITE_LOSS.format(name, losses[-1], found), ConvergenceWarning, stacklevel=5)
                return

    def _check_weights(self) -> None:
        if not np.isfinite(self.estimator.model_.params.theta).all():
            raise ValueError(NON_FINITE + self._advice_on_alpha())

    def _advice_on_alpha(self) -> str:
        """Sentence for an error where small sample weights, by whose sum alpha is divided, make the L2 term large."""
        if self.train.weights is None:
            return ""
        batch_weight = float(self.train.weights.mean()) * self.model.config.batch_size
        strength = self.model.config.l2 / batch_weight
        text = f" alpha divided by the sum of a batch's sample weights is {strength:.3g}: multiply them by a constant."
        return text if strength > 1 else ""

    def _run_epoch(self) -> bool:
        """Train for one epoch; return whether training ends after it."""
        estimator = self.estimator
        self.callbacks.begin_epoch()
        mean = self.trainer.run_epoch(self.rate.current)
        self._write_back()
        estimator.n_iter_ += 1
        estimator.t_ += self.n_samples
        estimator.loss_ = self.scaling.loss_of_targets(mean.loss / self.loss_divisor + mean.penalty)
        estimator.loss_curve_.append(estimator.loss_)
        self.print(f"Iteration {estimator.n_iter_}, loss = {estimator.loss_:.8f}")
        if self.validation is not None:
            self._validate(self.validation)
        self._update_no_improvement_count()
        monitored = estimator.loss_ if self.validation is None else estimator.validation_losses_[-1]
        self.rate.end_epoch(estimator.t_, monitored / self.scaling.factor / self.scaling.factor)
        is_last = estimator._no_improvement_count > estimator.n_iter_no_change and self._handle_no_improvement()
        if not math.isfinite(estimator.loss_):
            is_last |= not np.isfinite(estimator.model_.params.theta).all()
        return self.callbacks.end_epoch() or is_last

    def _write_back(self) -> None:
        """Write the weights reached to the estimator's network, which predicts the targets themselves."""
        network = self.estimator.model_
        if network is not self.model:
            network.params.theta[:] = self.model.params.theta
            fold_into_output(network.params, self.scaling)
            network.n_epochs = self.model.n_epochs

    def _validate(self, validation: Samples) -> None:
        """Append the loss and the score on the validation set to the estimator's lists."""
        estimator = self.estimator
        outputs, losses, _ = forward(estimator.model_, validation.X, estimator.n_threads, validation.y)
        weights = validation.weights
        if weights is not None:
            weights = np.ldexp(weights, -exponents(weights))  # a loss times 1e300 might overflow
        with np.errstate(over="ignore", invalid="ignore"):
            loss = float(np.average(losses, weights=weights))
        estimator.validation_losses_.append(loss / self.loss_divisor)
        is_finite = np.isfinite(outputs).all()
        estimator.validation_scores_.append(estimator._score_outputs(outputs, validation) if is_finite else math.nan)
        self.print(f"Validation score: {estimator.validation_scores_[-1]:f}")

    def _update_no_improvement_count(self) -> None:
        """Count consecutive epochs without enough improvement of the validation score, or else of the training loss."""
        estimator = self.estimator
        if estimator.early_stopping:
            score = estimator.validation_scores_[-1]
            is_stalled = not score >= estimator.best_validation_score_ + estimator.tol  # NaN is no improvement
            if score > estimator.best_validation_score_:
                estimator.best_validation_score_ = score
                estimator._best_params = estimator.model_.params.copy()
        else:
            tol = self.scaling.loss_of_targets(estimator.tol)
            is_stalled = not estimator.loss_ <= estimator.best_loss_ - tol
            estimator.best_loss_ = min(estimator.best_loss_, estimator.loss_)
        estimator._no_improvement_count = estimator._no_improvement_count + 1 if is_stalled else 0

    def _handle_no_improvement(self) -> bool:
        """Lower an adaptive learning rate, or stop; return whether training stops."""
        estimator = self.estimator
        monitored = "Validation score" if estimator.early_stopping else "Training loss"
        consequence = self.rate.handle_no_improvement()
        self.print(
            f"{monitored} did not improve more than tol={estimator.tol:f} for {estimator.n_iter_no_change} consecutive "
            f"epochs. {consequence}"
        )
        if consequence.endswith("Stopping."):
            return True
        estimator._no_improvement_count = 0
        return False


def _print_nothing(_: str) -> None:
    pass
