"""The learning rate range test: training while the learning rate grows, to find a rate to train with."""

import math
import sys
from dataclasses import dataclass
from decimal import Decimal
from numbers import Integral, Real
from typing import TYPE_CHECKING

from fastmlp.config import Config
from fastmlp.data import Dataset
from fastmlp.errors import ConfigError
from fastmlp.model.model import Model
from fastmlp.parallel import Threads, core_in_use
from fastmlp.training.loop import TrainingLoop
from fastmlp.training.preparation import prepare_training
from fastmlp.training.schedule import exponential

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: fastai's: decay rate of the moving average of the losses, and the multiple of its minimum at which the test stops.
SMOOTHING, DIVERGED = 0.98, 4.0
#: fastai's rule "minimum": the suggestion is the rate of the smallest loss divided by this.
SAFETY = 10.0
#: The first steps, one in so many, are left out of the suggestion, as in fastai: few losses have been averaged by then.
LEFT_OUT = 10
#: Share of the descent: a loss that rises behind its minimum by less does not rise, and one above it by less falls no
#: more. With 0.01, the latter limits suggestions for regression, whose loss falls by orders of magnitude, to rates that
#: are up to three times too low; with 0.001, it is too high a limit for sgd on two separable sets of three.
TOLERANCE = 0.003
#: The same for a constant loss: a relative rounding error.
ROUNDING = 1e-6
MAX_STEPS = 100_000


@dataclass(frozen=True, repr=False)
class RangeTest:
    """Result of `find_learning_rate`.

    Attributes
    ----------
    rates : list of float
        Learning rate of each step, up to the one at which the loss diverged.
    losses : list of float
        Mean loss of the batch of each step, with the weights before the step.
    smoothed_losses : list of float
        Their exponential moving average, corrected for its bias.
    suggestion : float or None
        Learning rate to train with; None if that is below the first rate tried, if the loss diverged at once, or if it
        does not rise up to the last rate.
    reason : str or None
        Why there is no suggestion, and what to do; None if there is one.

    Examples
    --------
    >>> RangeTest([0.01, 0.1, 1.0], [2.0, 1.0, 3.0], [2.0, 1.5, 2.0], 0.01)
    <RangeTest: 3 steps, learning rates 0.01 to 1, suggestion 0.01>
    """

    rates: list[float]
    losses: list[float]
    smoothed_losses: list[float]
    suggestion: float | None
    reason: str | None = None

    def __repr__(self) -> str:
        rates = f"learning rates {self.rates[0]:.3g} to {self.rates[-1]:.3g}" if self.rates else "no finite loss"
        suggestion = f"no suggestion: {self.reason}" if self.suggestion is None else f"suggestion {self.suggestion:.3g}"
        return f"<RangeTest: {len(self.rates)} steps, {rates}, {suggestion}>"

    def plot(self, axes: "Axes | None" = None) -> "Axes":
        """Plot the loss against the learning rate, and mark the suggestion.

        Parameters
        ----------
        axes : matplotlib Axes, optional
            Axes to draw on; by default those of a new figure of pyplot.

        Returns
        -------
        matplotlib Axes
            Their figure is ``axes.figure``.

        Raises
        ------
        MissingExtraError
            If matplotlib is not installed.

        Examples
        --------
        >>> RangeTest([0.01, 0.1, 1.0], [2.0, 1.0, 3.0], [2.0, 1.5, 2.0], 0.01).plot().get_xlabel()
        'learning rate, logarithmic'
        """
        from fastmlp.plot import plot_range_test  # which imports this module

        return plot_range_test(self, axes)


def find_learning_rate(
    dataset: Dataset,
    config: Config = Config(),
    model: Model | None = None,
    *,
    start: float = 1e-5,
    end: float = 10.0,
    n_steps: int = 300,
    n_threads: Threads = "auto",
) -> RangeTest:
    """Find a learning rate by a range test (Smith 2017, section 3.3): train while the rate grows from step to step.

    The rate grows exponentially, as in fastai; Smith's grows linearly. The losses of the batches are averaged by an
    exponential moving average with the decay rate 0.98. The test stops when that exceeds four times its minimum, or a
    loss is not finite. The suggestion is the rate at the minimum divided by ten, fastai's rule "minimum"; the first
    tenth of the steps does not count. All these numbers are fastai's, except that it takes 100 steps from 1e-7.

    Unlike fastai's, the suggestion is at most the rate at which the losses of the batches stopped falling, and there is
    none if the average does not rise behind its minimum. The average lags behind the losses: where these reach 0, it
    falls on at any rate, and its minimum tells nothing.

    Parameters
    ----------
    dataset : Dataset
        Its training set is used, as by `fastmlp.train`: with the weights of samples and classes, standardised targets,
        and without the samples that early stopping would hold out.
    config : Config
        The settings of the run that needs a rate. Its learning_rate, schedule and n_epochs are not used.
    model : Model, optional
        The network to start from, as for `fastmlp.train`; by default a new one. It is not modified.
    start, end : float
        The first and the last learning rate.
    n_steps : int
        Number of steps, at least 10. They pass through the training set as often as necessary.
    n_threads : int or "auto"
        Number of threads; it changes no result.

    Returns
    -------
    RangeTest
        The same for the same dataset, config and model. The losses are in the targets' own unit.

    Raises
    ------
    ConfigError
        If start, end or n_steps is invalid.
    DataError, DataTypeError, ConfigError
        As `fastmlp.train` does.

    Notes
    -----
    On ten pairs of data set and settings (the digits, breast cancer, 16,000 synthetic samples of five classes, 1,600 of
    regression; sgd, momentum, rmsprop, adam and adamw; batches of 1 to 128), rates of a grid counted as good if the
    training loss after 4 to 20 epochs was at most 1.5 times the best, or above it by a tenth of the loss before
    training. The suggestion was among the good rates seven times, and else at most 2.1 times too low. The rate of the
    steepest descent ("steep") was so five times, and up to 130 times too low; fastai's default ("valley") six times,
    and up to 11 times too low.

    All that was without the limit to rates at which the losses still fall. On 18 similar pairs with two seeds each, it
    lowers 7 of 36 suggestions, at most to half. It is meant for separable sets: on Gaussian clusters, where adam
    reaches a loss of 0, it lowers a suggestion of 24 to 0.006.

    References
    ----------
    Smith 2017, Cyclical learning rates for training neural networks, https://arxiv.org/abs/1506.01186. fastai,
    ``Learner.lr_find``, https://docs.fast.ai/callback.schedule.html.

    Examples
    --------
    >>> import fastmlp
    >>> digits, config = fastmlp.load_data("digits"), fastmlp.Config(optimizer="adam", activation="relu")
    >>> test = fastmlp.find_learning_rate(digits, config)
    >>> 0.0003 < test.suggestion < 0.03
    True
    >>> run = fastmlp.train(digits, config.replace(learning_rate=test.suggestion))
    """
    rates = _rates(start, end, n_steps)
    config, model, scaling = prepare_training(dataset, config, model, n_threads)
    loop = TrainingLoop(dataset, config, model, lambda _: None, n_threads, scaling)
    losses: list[float] = []
    smoothed: list[float] = []
    n_left_out, average, weight, lowest = n_steps // LEFT_OUT, 0.0, 0.0, math.inf
    with core_in_use():
        for batch_loss in loop.trainer.run_steps(rates):
            loss = scaling.loss_of_targets(batch_loss)
            average, weight = (SMOOTHING * old + (1 - SMOOTHING) * new for old, new in ((average, loss), (weight, 1.0)))
            if not math.isfinite(average):
                break
            losses.append(loss)
            smoothed.append(average / weight)
            if len(smoothed) > n_left_out:
                lowest = min(lowest, smoothed[-1])
            if smoothed[-1] > DIVERGED * lowest:
                break
    return RangeTest(rates[: len(losses)], losses, smoothed, *_suggestion(rates, losses, smoothed, n_left_out))


def _rates(start: float, end: float, n_steps: int) -> list[float]:
    """Learning rates that grow exponentially, one per step."""
    for name, value in (("start", start), ("end", end)):
        if not isinstance(value, Real) or isinstance(value, bool) or not 0 < value <= sys.float_info.max:
            raise ConfigError(f"{name}: expected a finite learning rate > 0, got {value!r:.200}")
    start, end = float(start), float(end)
    if not 0 < start < end:
        raise ConfigError(f"start: expected a learning rate below end, {end:g}, got {start:g}")
    if not isinstance(n_steps, Integral) or isinstance(n_steps, bool) or not LEFT_OUT <= n_steps <= MAX_STEPS:
        raise ConfigError(f"n_steps: expected an integer from {LEFT_OUT} to {MAX_STEPS:,}, got {n_steps!r:.200}")
    growth = float((Decimal(end) / Decimal(start)).ln() / (int(n_steps) - 1))
    return [exponential(start, -growth, step) for step in range(n_steps)]


def _suggestion(
    rates: list[float], losses: list[float], smoothed: list[float], n_left_out: int
) -> tuple[float | None, str | None]:
    """The rate to train with, or None and the reason."""
    if len(smoothed) <= n_left_out:
        return None, "the loss diverged at once; try a smaller start"
    lowest_step = min(range(n_left_out, len(smoothed)), key=smoothed.__getitem__)
    lowest = smoothed[lowest_step]
    tolerance = TOLERANCE * (smoothed[n_left_out] - lowest) + ROUNDING * abs(lowest)
    if len(smoothed) == len(rates) and smoothed[-1] <= lowest + tolerance:
        return None, f"the loss does not rise up to the rate {rates[-1]:.3g}; choose by the figure, or try a larger end"
    suggestion = min(rates[lowest_step] / SAFETY, rates[_end_of_descent(losses, n_left_out)])
    if suggestion < rates[0]:
        return None, f"a tenth of the rate where the loss is smallest is below {rates[0]:.3g}; try a smaller start"
    return suggestion, None


def _end_of_descent(losses: list[float], n_left_out: int) -> int:
    """The first step whose loss is hardly above the smallest one.

    The moving average lags behind the losses: where they are 0 from some step on, it falls until they rise again, be
    that at a rate a thousand times as large.
    """
    n_beside = n_left_out // 3  # on either side of a step, whose loss without its noise is the mean over them
    windows = (losses[step - n_beside : step + n_beside + 1] for step in range(n_left_out, len(losses)))
    means = [sum(loss / len(window) for loss in window) for window in windows]
    limit = min(means) + TOLERANCE * (means[0] - min(means))
    return n_left_out + next(i for i, mean in enumerate(means) if mean <= limit)
