"""L-BFGS: the iterations of a fit with ``solver="lbfgs"``, by SciPy's optimizer on the whole training set."""

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, minimize
from sklearn.utils.optimize import _check_optimize_result

from fastmlp.estimator.loop import Loop, Samples
from fastmlp.parallel import core_in_use
from fastmlp.training.objective import Objective

#: SciPy prints nothing since this version, and warns about the option.
HAS_PRINTING = tuple(map(int, scipy.__version__.split(".")[:2])) < (1, 15)


class LbfgsLoop(Loop):
    """The iterations of L-BFGS in one call of `fit`; sets the estimator's attributes with the results.

    As scikit-learn's, but for Ctrl-C, which ends training with a warning as with the other solvers. Parameters and
    attributes are those of `Loop`.
    """

    def run(self, incremental: bool = False) -> None:
        """Minimise the loss for up to ``max_iter`` iterations.

        An exception in a callback ends training. After it, and after Ctrl-C, the estimator keeps the weights of the
        last iteration; Ctrl-C before the end of the first raises KeyboardInterrupt.
        """
        estimator = self.estimator
        estimator.n_iter_ = 0
        self._point = self.trainer.point
        try:
            with core_in_use():
                result = self._minimise()
            estimator.n_iter_ = _check_optimize_result("lbfgs", result, estimator.max_iter)
            self._set_loss(result.fun)
            self._point = result.x
        except _StopFit as stop:
            if stop.__cause__ is not None:
                raise stop.__cause__ from None
        except KeyboardInterrupt:
            if estimator.n_iter_ == 0:
                raise
            self._warn_of_interrupt()
        finally:
            self._write_point()

    @property
    def state(self) -> None:
        """No state of L-BFGS outlives a call of `fit`."""
        return None

    def check_finite(self) -> None:
        """Raise scikit-learn's ValueError if a weight is not finite; of a loss that is not, the optimizer warns."""
        self._check_weights()

    def _make_trainer(self, samples: Samples, evaluated: tuple[str, ...]) -> Objective:
        return Objective(self.model, *samples, self.estimator.n_threads, evaluated)

    def _minimise(self) -> OptimizeResult:
        estimator = self.estimator
        options = {"maxfun": estimator.max_fun, "maxiter": estimator.max_iter, "gtol": estimator.tol}
        if HAS_PRINTING:
            options["iprint"] = 1 if estimator.verbose else -1
        return minimize(
            self._loss_and_gradient,
            self._point,
            method="L-BFGS-B",
            jac=True,
            options=options,
            callback=self._end_iteration,
        )

    def _loss_and_gradient(self, point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """The loss as scikit-learn passes it to SciPy: the squared error is the mean over the outputs.

        The gradient is that of their sum. With several outputs the two differ by a factor, which does little harm:
        scikit-learn's error on nine regressions with 2 to 20 outputs was 0.89 to 1.13 times that with the sum in both
        after 50 iterations, and at convergence, where it is at most 1e-6 of the variance, 1.4 to 26 times.
        """
        mean, gradient = self.trainer.loss_and_gradient(point)
        self._loss = mean.loss / self.loss_divisor + mean.penalty
        return self._loss, gradient

    def _end_iteration(self, point: NDArray[np.float64]) -> None:
        """Set the attributes after an iteration and call the callbacks; the last evaluation was at `point`."""
        self.callbacks.begin_epoch()
        self._point = point.copy()
        self.model.n_epochs += 1
        self.estimator.n_iter_ += 1
        self._set_loss(self._loss)
        self._write_back()
        if self.validation is not None:
            self._validate(self.validation)
        try:
            is_last = self.callbacks.end_epoch()
        except StopIteration as error:  # with which SciPy would end without an error
            raise _StopFit from error
        if is_last:
            raise _StopFit

    def _set_loss(self, loss: float) -> None:
        self.estimator.loss_ = self.scaling.loss_of_targets(float(loss))

    def _write_point(self) -> None:
        """Write the weights of the last iteration to the estimator's network."""
        self.trainer.point = self._point
        self._write_back()


class _StopFit(Exception):  # noqa: N818 -- no error
    """A callback requests the end of training, or raised the StopIteration that is the cause."""
