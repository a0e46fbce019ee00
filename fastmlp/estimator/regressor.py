"""MLPRegressor: one number or several a sample. Knows how they are coded, not how they are learnt."""

from numbers import Real
from typing import Any, ClassVar

from numpy.typing import NDArray
from sklearn.base import RegressorMixin, _fit_context
from sklearn.metrics import r2_score
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if

from fastmlp.errors import DataError
from fastmlp.estimator.base import BaseMLP
from fastmlp.estimator.config_mapping import CONSTRAINTS
from fastmlp.estimator.loop import Samples


class MLPRegressor(RegressorMixin, BaseMLP):
    """A multi-layer perceptron that predicts numbers, as scikit-learn's of the same name does.

    Parameters, defaults, attributes and the stopping rule are scikit-learn's: see `sklearn.neural_network.MLPRegressor`
    and, for what is added or differs, `MLPClassifier`.

    Parameters
    ----------
    loss : {"squared_error", "poisson", "huber"}, default="squared_error"
        Half the squared error, half the Poisson deviance of exp(output), for y >= 0, or Huber's loss. `loss_` is the
        mean over the outputs but for "poisson", which is the sum: as in scikit-learn. The step follows the sum.
    hidden_layer_sizes, activation, solver, alpha, batch_size, learning_rate, learning_rate_init, power_t, max_iter,\
    shuffle, random_state, tol, verbose, warm_start, momentum, nesterovs_momentum, early_stopping, validation_fraction,\
    beta_1, beta_2, epsilon, n_iter_no_change, max_fun, dropout, weight_decay, schedule, callbacks, n_repeats
        As in `MLPClassifier`; the mean of the repeats is that of their predictions.
    huber_delta : float, default=1.0
        huber: the error from which on the loss grows as a line does.

    Attributes
    ----------
    coefs_, intercepts_, loss_, best_loss_, loss_curve_, validation_losses_, n_iter_, t_, n_layers_, n_outputs_,\
    n_features_in_, feature_names_in_, model_, repeats_
        As in `MLPClassifier`.
    validation_scores_, best_validation_score_
        As in `MLPClassifier`, of R2.
    out_activation_ : str
        "identity", or "exp" for "poisson".

    Examples
    --------
    >>> from fastmlp import MLPRegressor
    >>> from sklearn.datasets import make_regression
    >>> X, y = make_regression(n_samples=200, n_features=5, random_state=0)
    >>> regressor = MLPRegressor(random_state=0, learning_rate_init=0.1, tol=1.0).fit(X, y)
    >>> bool(regressor.score(X, y) > 0.9)
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "loss": [StrOptions({"squared_error", "poisson", "huber"})],
        **CONSTRAINTS,
        "huber_delta": [Interval(Real, 0, None, closed="neither")],
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
    ) -> None:
        self._keep(locals())

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, X_val: Any = None, y_val: Any = None) -> "MLPRegressor":
        """Train on samples and their numbers.

        Parameters
        ----------
        X : array_like or sparse (n_samples, n_features)
            Samples.
        y : array_like (n_samples,) or (n_samples, n_outputs)
            Numbers to be predicted.
        sample_weight : array_like (n_samples,), optional
            Numbers >= 0, not all 0.
        X_val, y_val : optional
            A validation set, whose score and loss are kept after every epoch. With `early_stopping` it decides, and
            nothing is held out.

        Returns
        -------
        MLPRegressor
            This one.

        Raises
        ------
        ValueError
            If parameters or data are not accepted, or the weights stop being finite.
        """
        continues = self.warm_start and hasattr(self, "model_")
        self._fit(X, y, sample_weight, (X_val, y_val), continues=continues)
        self._fit_repeats("fit", X, y, sample_weight, X_val, y_val)
        return self

    @available_if(lambda self: self._has_partial_fit())
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> "MLPRegressor":
        """Train on samples and their numbers for one more epoch, with the optimizer as the last call left it.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.

        Returns
        -------
        MLPRegressor
            This one.

        Raises
        ------
        ValueError
            If parameters or data are not accepted, or the weights stop being finite.
        """
        continues = hasattr(self, "model_")
        self._fit(X, y, sample_weight, incremental=True, continues=continues)
        self._fit_repeats("partial_fit", X, y, sample_weight)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """The numbers of samples.

        Parameters
        ----------
        X : array_like or sparse (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray (n_samples,) or (n_samples, n_outputs)
            float32 where the network was trained in it, else float64.
        """
        outputs = self._outputs(X)
        return outputs[:, 0] if self.n_outputs_ == 1 else outputs

    def _objective(self) -> dict[str, Any]:
        return {"loss": self.loss, "huber_delta": self.huber_delta}

    def _out_activation(self) -> str:
        return "exp" if self.loss == "poisson" else "identity"

    def _code(self, y: NDArray[Any], is_known: bool) -> NDArray[Any]:
        self._check_counts(y, "y")
        coded = y.reshape(len(y), -1)
        if is_known and hasattr(self, "model_") and coded.shape[1] != self.n_outputs_:
            raise DataError(
                f"y has {coded.shape[1]} columns; the network to go on with predicts {self.n_outputs_} numbers"
            )
        self.n_outputs_ = coded.shape[1]
        return coded

    def _code_held(self, y: NDArray[Any]) -> NDArray[Any]:
        self._check_counts(y, "y_val")
        coded = y.reshape(len(y), -1)
        if coded.shape[1] != self.n_outputs_:
            raise DataError(f"y_val has {coded.shape[1]} columns, y {self.n_outputs_}")
        return coded

    def _check_counts(self, y: NDArray[Any], name: str) -> None:
        if self.loss == "poisson" and y.min() < 0:
            raise DataError(f"{name} holds {y.min():g}; the loss 'poisson' is for counts, numbers >= 0")

    def _score_outputs(self, outputs: NDArray[Any], held: Samples) -> float:
        return float(r2_score(held.y, outputs, sample_weight=held.weights))
