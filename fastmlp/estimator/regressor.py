"""`MLPRegressor`: targets and predictions of regression."""

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin, _fit_context
from sklearn.metrics import r2_score
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_sample_weight

from fastmlp.data.target_scaling import TARGET_SCALES, TargetScaling, fit_target_scaling
from fastmlp.errors import DataError
from fastmlp.estimator.base import BaseMLP
from fastmlp.estimator.config_mapping import CONSTRAINTS
from fastmlp.estimator.loop import Samples
from fastmlp.metrics import exponents, r2
from fastmlp.settings import LOSSES
from fastmlp.training.standardisation import has_standardised_targets

#: Exponents of the largest magnitude of a column whose squares, and the sum of a billion of them, are within float32's
#: range: scikit-learn squares in the dtype of the values.
MIN_EXPONENT, MAX_EXPONENT = -39, 46


class MLPRegressor(RegressorMixin, BaseMLP):
    """Multi-layer perceptron regressor with the interface of scikit-learn.

    Parameters, defaults, attributes and the stopping rule are those of `sklearn.neural_network.MLPRegressor`. For
    additional parameters and differences see `MLPClassifier`.

    Parameters
    ----------
    loss : {"squared_error", "poisson", "huber"}, default="squared_error"
        Half the squared error, half the Poisson deviance of exp(output), which requires y >= 0, or the Huber loss. As
        in scikit-learn, `loss_` is the mean over the outputs, or for "poisson" the sum. Gradients are those of the sum:
        with "lbfgs" and more than some 1,000 outputs, the line search fails for this reason, as in scikit-learn.
    hidden_layer_sizes : array_like or int, default=(100,)
        See `MLPClassifier`, as for all that follow up to `n_threads`; defaults are the same.
    activation, solver, learning_rate : str
        See `MLPClassifier`.
    batch_size : int or "auto", default="auto"
        See `MLPClassifier`.
    alpha, learning_rate_init, power_t, tol, momentum, validation_fraction, beta_1, beta_2, epsilon : float
        See `MLPClassifier`.
    dropout, weight_decay : float, default=0.0
        See `MLPClassifier`.
    max_iter, n_iter_no_change, max_fun : int
        See `MLPClassifier`.
    shuffle, verbose, warm_start, nesterovs_momentum, early_stopping : bool
        See `MLPClassifier`; the validation score is R2.
    random_state : int, RandomState or None, default=None
        See `MLPClassifier`.
    schedule : str, dict or None, default=None
        See `MLPClassifier`.
    callbacks : callable, list of callable or None, default=None
        See `MLPClassifier`.
    n_repeats : int, default=1
        See `MLPClassifier`. Predictions are averaged over the repeats.
    n_threads : int or "auto", default="auto"
        See `MLPClassifier`.
    huber_delta : float, default=1.0
        For "huber": the absolute error above which the loss is linear.
    target_scale : {"none", "auto"}, default="none"
        "auto": with the losses "squared_error" and "huber", train on standardised targets, as
        `sklearn.compose.TransformedTargetRegressor` with a `StandardScaler` does, but divided by one power of two for
        all outputs, see `fastmlp.Dataset.target_scaling`. Predictions, `coefs_`, losses and `huber_delta` are in the
        targets' own unit; `alpha`, `tol` and the learning rate apply to the standardised ones. The first call of
        `fit` or `partial_fit` determines mean and deviation, also for the calls that continue it. Changes of
        `coefs_` by callbacks have no effect.

    Attributes
    ----------
    coefs_, intercepts_, loss_, best_loss_, loss_curve_, validation_losses_, n_iter_, t_, n_layers_, n_outputs_,\
    n_features_in_, feature_names_in_, model_, repeats_
        See `MLPClassifier`.
    validation_scores_, best_validation_score_
        See `MLPClassifier`; the score is R2.
    out_activation_ : str
        "identity", or "exp" for the loss "poisson".

    Examples
    --------
    >>> from fastmlp import MLPRegressor
    >>> from sklearn.datasets import make_regression
    >>> X, y = make_regression(n_samples=200, n_features=5, random_state=0)
    >>> regressor = MLPRegressor(random_state=0, learning_rate_init=0.1, tol=1.0).fit(X, y)
    >>> bool(regressor.score(X, y) > 0.9)
    True
    >>> [W.shape for W in regressor.coefs_], [b.shape for b in regressor.intercepts_]
    ([(5, 100), (100, 1)], [(100,), (1,)])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "loss": [StrOptions({name for name, loss in LOSSES.items() if "regression" in loss.tasks})],
        **CONSTRAINTS,
        "huber_delta": [Interval(Real, 0, None, closed="neither")],
        "target_scale": [StrOptions({*TARGET_SCALES})],
    }
    _is_numeric = True

    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        huber_delta: float = 1.0,
        dropout: float = 0.0,
        weight_decay: float = 0.0,
        schedule: Any = None,
        callbacks: Any = None,
        n_repeats: int = 1,
        n_threads: Any = "auto",
        target_scale: str = "none",
    ) -> None:
        self._store_parameters(locals())

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, X_val: Any = None, y_val: Any = None) -> "MLPRegressor":
        """Fit the network to samples and target values.

        Parameters
        ----------
        X : array_like or sparse (n_samples, n_features)
            Training samples.
        y : array_like (n_samples,) or (n_samples, n_outputs)
            Target values.
        sample_weight : array_like (n_samples,), optional
            Sample weights >= 0, not all 0.
        X_val, y_val : array_like, optional
            Validation set, whose score and loss are computed after each epoch. With `early_stopping` it is used instead
            of held-out training samples.

        Returns
        -------
        MLPRegressor
            The fitted estimator.

        Raises
        ------
        ValueError
            If parameters or data are not accepted, or the weights are no longer finite.
        KeyboardInterrupt
            After Ctrl-C before the first step, or in the first iteration of "lbfgs". Later, training ends with a
            warning, as in scikit-learn, whose "lbfgs" always raises it.

        Examples
        --------
        >>> from fastmlp import MLPRegressor
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0.0, 2.0, 4.0, 6.0]
        >>> regressor = MLPRegressor(hidden_layer_sizes=(), solver="lbfgs", alpha=0.0).fit(X, y)
        >>> bool(regressor.loss_ < 1e-6)
        True
        """
        is_continued = self.warm_start and hasattr(self, "model_")
        self._fit(X, y, sample_weight, (X_val, y_val), is_continued=is_continued)
        self._fit_repeats("fit", X, y, sample_weight, X_val, y_val)
        return self

    @available_if(lambda self: self._has_partial_fit())
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> "MLPRegressor":
        """Train for one epoch on the given samples, starting from the current weights and state of the optimizer.

        Missing with the solver "lbfgs", as in `MLPClassifier`; scikit-learn's regressor then has one, equivalent to
        `fit` with ``warm_start=True``.

        Parameters
        ----------
        X : array_like or sparse (n_samples, n_features)
            Training samples.
        y : array_like (n_samples,) or (n_samples, n_outputs)
            As in `fit`.
        sample_weight : array_like (n_samples,), optional
            As in `fit`.

        Returns
        -------
        MLPRegressor
            The fitted estimator.

        Raises
        ------
        ValueError
            If parameters or data are not accepted, or the weights are no longer finite.
        KeyboardInterrupt
            After Ctrl-C before the first step. Later, training ends with a warning, as in scikit-learn.

        Examples
        --------
        >>> from fastmlp import MLPRegressor
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0.0, 2.0, 4.0, 6.0]
        >>> regressor = MLPRegressor(hidden_layer_sizes=(4,), random_state=0)
        >>> for _ in range(3):
        ...     _ = regressor.partial_fit(X, y)
        >>> regressor.t_
        12
        """
        is_continued = hasattr(self, "model_")
        self._fit(X, y, sample_weight, incremental=True, is_continued=is_continued)
        self._fit_repeats("partial_fit", X, y, sample_weight)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the target values of samples.

        Parameters
        ----------
        X : array_like or sparse (n_samples, n_features)
            Samples to predict.

        Returns
        -------
        ndarray (n_samples,) or (n_samples, n_outputs)
            Predicted values; float32 if the network was trained in float32, else float64.

        Examples
        --------
        >>> from fastmlp import MLPRegressor
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0.0, 2.0, 4.0, 6.0]
        >>> regressor = MLPRegressor(hidden_layer_sizes=(), solver="lbfgs", alpha=0.0, random_state=0).fit(X, y)
        >>> regressor.predict([[4.0]]).round(3)
        array([8.])
        """
        outputs = self._outputs(X)
        return outputs[:, 0] if self.n_outputs_ == 1 else outputs

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R2 of the predictions, the mean over the outputs, see `sklearn.metrics.r2_score`.

        Parameters
        ----------
        X : array_like or sparse (n_samples, n_features)
            Samples to predict.
        y : array_like (n_samples,) or (n_samples, n_outputs)
            True values, of any magnitude.
        sample_weight : array_like (n_samples,), optional
            Sample weights.

        Returns
        -------
        float
            At most 1.

        Raises
        ------
        ValueError
            If the samples, the values or the weights are not accepted.

        Examples
        --------
        >>> from fastmlp import MLPRegressor
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0.0, 2.0, 4.0, 6.0]
        >>> regressor = MLPRegressor(hidden_layer_sizes=(), solver="lbfgs", alpha=0.0, random_state=0).fit(X, y)
        >>> round(regressor.score(X, y), 6)
        1.0
        """
        return _r2(y, self.predict(X), sample_weight)

    def _loss_settings(self) -> dict[str, Any]:
        return {"loss": self.loss, "huber_delta": self.huber_delta}

    def _fit_target_scaling(self, samples: Samples, is_continued: bool) -> TargetScaling:
        if self.target_scale == "none" or not has_standardised_targets(self.loss):
            return super()._fit_target_scaling(samples, is_continued)
        if not (is_continued and hasattr(self, "_target_scaling")):
            self._target_scaling = fit_target_scaling(samples.y, samples.weights)
        return self._target_scaling

    def _out_activation(self) -> str:
        return LOSSES[self.loss].sklearn_output

    def _encode_targets(self, y: NDArray[Any], is_encoding_known: bool) -> NDArray[Any]:
        values = y.reshape(len(y), -1)
        if is_encoding_known and hasattr(self, "model_") and values.shape[1] != self.n_outputs_:
            raise DataError(
                f"y: expected {self.n_outputs_} columns, the outputs of the fitted network, got {values.shape[1]}"
            )
        self.n_outputs_ = values.shape[1]
        return values

    def _encode_validation_targets(self, y: NDArray[Any]) -> NDArray[Any]:
        values = y.reshape(len(y), -1)
        if values.shape[1] != self.n_outputs_:
            raise DataError(f"y_val: expected {self.n_outputs_} columns, as many as y has, got {values.shape[1]}")
        return values

    def _score_outputs(self, outputs: NDArray[Any], validation: Samples) -> float:
        return _r2(validation.y, outputs, validation.weights)


def _r2(y: NDArray[Any], predicted: NDArray[Any], sample_weight: Any) -> float:
    """scikit-learn's R2; computed by `fastmlp.metrics.r2` where its squares would overflow or underflow."""
    y = check_array(y, ensure_2d=False, dtype="numeric", input_name="y")
    check_consistent_length(y, predicted)
    weights = None
    if sample_weight is not None:
        weights = _check_sample_weight(sample_weight, predicted, dtype=np.float64)
        weights = np.ldexp(weights, -exponents(weights))
    predicted, y = (values.reshape(len(values), -1) for values in (predicted, y))
    if y.shape != predicted.shape:
        raise DataError(f"y: expected {predicted.shape[1]} columns, as many as there are outputs, got {y.shape[1]}")
    sizes = np.concatenate([exponents(predicted), exponents(y)])
    if ((sizes > MIN_EXPONENT) & (sizes < MAX_EXPONENT)).all() or len(predicted) < 2:
        return float(r2_score(y, predicted, sample_weight=weights))
    return r2(predicted.astype(np.float64), y.astype(np.float64), weights)
