"""Base class of the estimators: validation, the course of a fit, repeats, fitted attributes, and the outputs.

Encoding and decoding the targets is left to the classifier and the regressor.
"""

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from fastmlp.data.scaling import warn_if_not_finite
from fastmlp.data.target import check_weights
from fastmlp.data.target_scaling import TargetScaling
from fastmlp.errors import ConfigError, DataError
from fastmlp.estimator.callbacks import CallbackRunner, CallbackSupport, check_callbacks
from fastmlp.estimator.config_mapping import LBFGS_BATCH, config_of, hidden_sizes
from fastmlp.estimator.holdout import hold_out
from fastmlp.estimator.loop import INTERRUPTED, Loop, PartialFitState, Samples, forward, network_in_training
from fastmlp.estimator.parameter import LayerArrays, in_float64, initial_params
from fastmlp.estimator.value_range import aligned, check_range, check_training_range, readable_in_place
from fastmlp.export.from_sklearn import AUTO_BATCH
from fastmlp.kernels.predict_layout import LARGE_SAMPLES, NON_FINITE_OUTPUTS
from fastmlp.model.model import Model
from fastmlp.model.params import Params

MAX_SEED = 2**31 - 1
#: Options of scikit-learn's `validate_data`: float32 and float64 are kept, all other dtypes are converted to float64.
_X_OPTIONS: dict[str, Any] = {"accept_sparse": "csr", "dtype": (np.float64, np.float32), "order": "C"}


class BaseMLP(CallbackSupport, BaseEstimator):
    """Base class of `MLPClassifier` and `MLPRegressor`."""

    hidden_layer_sizes: Any
    activation: str
    solver: str
    early_stopping: bool
    validation_fraction: float
    batch_size: Any
    random_state: Any
    callbacks: Any
    warm_start: bool
    n_repeats: int
    n_threads: Any
    model_: Model
    repeats_: list["BaseMLP"]
    validation_scores_: list[float] | None
    validation_losses_: list[float] | None
    n_outputs_: int
    _partial_fit_state: PartialFitState | None
    _is_interrupted: bool
    _is_numeric = False
    _is_y_sparse = False

    @property
    def coefs_(self) -> LayerArrays:
        """Weights of each layer, (fan_in, fan_out). Assigning to the attribute or to an item changes the network."""
        return LayerArrays(self.model_.weights)

    @coefs_.setter
    def coefs_(self, arrays: Iterable[Any]) -> None:
        self.model_.weights.assign(arrays)

    @property
    def intercepts_(self) -> LayerArrays:
        """Biases of each layer, (fan_out,). Assigning to the attribute or to an item changes the network."""
        return LayerArrays(self.model_.biases)

    @intercepts_.setter
    def intercepts_(self, arrays: Iterable[Any]) -> None:
        self.model_.biases.assign(arrays)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def _store_parameters(self, parameters: dict[str, Any]) -> None:
        """Store the parameters of `__init__`, unchanged."""
        for name, value in parameters.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    def _loss_settings(self) -> dict[str, Any]:
        """The loss, and the settings of the `Config` that belong to it."""
        raise NotImplementedError

    def _encode_targets(self, y: NDArray[Any], is_encoding_known: bool) -> NDArray[Any]:
        """Targets as the network takes them; sets `n_outputs_` and the classes, or checks y against the known ones."""
        raise NotImplementedError

    def _encode_validation_targets(self, y: Any) -> NDArray[Any]:
        """Targets of the validation set as the network takes them."""
        raise NotImplementedError

    def _score_outputs(self, outputs: NDArray[Any], validation: Samples) -> float:
        """Accuracy or R2 of the outputs on the validation set."""
        raise NotImplementedError

    def _fit_target_scaling(self, samples: Samples, is_continued: bool) -> TargetScaling:
        """The standardisation of the targets in training."""
        return TargetScaling.identity(self.n_outputs_)

    def _apply_class_weight(self, samples: Samples) -> Samples:
        """The samples, with weights multiplied by the class weights."""
        return samples

    def _has_partial_fit(self) -> bool:
        """True if `partial_fit` is available; otherwise an AttributeError states the reason, as in scikit-learn."""
        if self.solver == "lbfgs":
            raise AttributeError("partial_fit is only available for stochastic optimizers. lbfgs is not stochastic.")
        return True

    def _out_activation(self) -> str:
        raise NotImplementedError

    def _model_classes(self) -> NDArray[Any] | None:
        """The classes of the network; None for multilabel and regression."""
        return None

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        validation_set: tuple[Any, Any] = (None, None),
        incremental: bool = False,
        is_continued: bool = False,
    ) -> Any:
        """Train the network and set the fitted attributes.

        With `incremental` it trains for a single epoch, with `is_continued` it starts from the current weights.
        """
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        sizes, functions = hidden_sizes(self.hidden_layer_sizes), check_callbacks(self.callbacks)
        samples = self._training_samples(X, y, sample_weight, is_continued, incremental)
        validation = self._validation_samples(*validation_set)
        sizes = (samples.X.shape[1], *sizes, self.n_outputs_)
        self._random_state = check_random_state(self.random_state)
        params = self._starting_params(sizes, samples.X, is_continued)
        scaling = self._fit_target_scaling(samples, is_continued)
        check_training_range(samples, validation, self._loss_settings()["loss"], params.dtype, scaling)
        if self.early_stopping and validation is None and self.solver != "lbfgs":
            fraction, is_stratified = self.validation_fraction, self._is_stratified()
            samples, validation = hold_out(samples, fraction, is_stratified, self._random_state)
        seed = int(self._random_state.randint(MAX_SEED))
        batch_size = self._clip_batch_size(samples.X.shape[0])
        config = config_of(self, self._loss_settings(), params.dtype.name, batch_size, seed)
        n_epochs = self.model_.n_epochs if is_continued else 0
        state = self._partial_fit_state if incremental and is_continued else None
        try:
            self.model_ = Model(config, params, None, None, n_epochs, self._model_classes())
            network = network_in_training(self.model_, scaling, is_continued)
            self._init_fit_attributes(validation is not None, is_continued)
            callbacks = CallbackRunner(self, functions, X, y, sample_weight, with_protocol=not incremental)
            loop = self._loop_class()(self, network, samples, validation, callbacks, state, scaling)
            self._partial_fit_state = loop.state
            loop.run(incremental)
        except KeyboardInterrupt:  # no step was taken: the weights are random
            if not is_continued:
                self.__dict__.pop("model_", None)
            raise
        self._is_interrupted = loop.is_interrupted
        loop.check_finite()
        # Of a copy's weights there never was a view, so that predictions need not compare them, nor keep another copy.
        self.model_ = self.model_ if incremental else self.model_.copy()
        callbacks.end_fit()
        return self

    def _training_samples(self, X: Any, y: Any, sample_weight: Any, is_continued: bool, incremental: bool) -> Samples:
        """Check X, y and sample_weight, and encode the targets."""
        is_y_sparse = self._is_y_sparse if is_continued else issparse(y)
        X, y = self._validated_pair(X, y, reset=not is_continued)
        self._is_y_sparse = is_y_sparse
        weights = None
        if sample_weight is not None:
            weights = check_weights(_check_sample_weight(sample_weight, X, dtype=np.float64), len(y), "sample_weight")
        targets = self._encode_targets(y, is_continued or incremental)
        return self._apply_class_weight(Samples(aligned(X), targets, weights))

    def _validation_samples(self, X_val: Any, y_val: Any) -> Samples | None:
        """Check X_val and y_val, and encode the targets; None if neither is given."""
        if X_val is None and y_val is None:
            return None
        if X_val is None or y_val is None:
            given, missing = ("y_val", "X_val") if X_val is None else ("X_val", "y_val")
            raise DataError(f"expected both X_val and y_val, got only {given}; give {missing} too")
        X, y = self._validated_pair(X_val, y_val, reset=False)
        return Samples(aligned(X), self._encode_validation_targets(y), None)

    def _validated_pair(self, X: Any, y: Any, reset: bool) -> tuple[Any, NDArray[Any]]:
        """Samples and targets, checked as scikit-learn does, which refuses a sparse column; other targets dense."""
        options = {**_X_OPTIONS, "multi_output": True, "y_numeric": self._is_numeric}
        X, y = validate_data(self, X, y.toarray() if issparse(y) and y.shape[-1] > 1 else y, reset=reset, **options)
        return X, column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y

    def _starting_params(self, sizes: tuple[int, ...], X: Any, is_continued: bool) -> Params:
        """The parameters of the fitted network, which must have the given layer sizes, or random ones.

        They are stored as the kernels take them for samples like X.
        """
        if not is_continued:
            params = initial_params(sizes, X.dtype, self.activation, self._random_state, row_per_feature=issparse(X))
        else:
            self.model_.store_first_layer(row_per_feature=issparse(X))
            params = self.model_.params
        if params.sizes != sizes:
            raise ConfigError(
                f"layer sizes: expected those of the fitted network, {params.sizes}, got {sizes}; set warm_start=False "
                "and call fit to train a new network"
            )
        return in_float64(params) if self.solver == "lbfgs" else params

    def _is_stratified(self) -> bool:
        return False

    def _loop_class(self) -> type[Loop]:
        if self.solver != "lbfgs":
            return Loop
        from fastmlp.estimator.lbfgs import LbfgsLoop

        return LbfgsLoop

    def _clip_batch_size(self, n_samples: int) -> int:
        if self.solver == "lbfgs":
            return min(LBFGS_BATCH, n_samples)
        if self.batch_size == "auto":
            return min(AUTO_BATCH, n_samples)
        if self.batch_size > n_samples:
            message = "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped"
            warnings.warn(message, stacklevel=5)
        return min(int(self.batch_size), n_samples)

    def _init_fit_attributes(self, is_validated: bool, is_continued: bool) -> None:
        """Initialise the attributes that epochs update, unless the fit is continued and they exist."""
        if not is_continued:
            self.n_layers_, self.t_, self.out_activation_ = len(self.model_.params.sizes), 0, self._out_activation()
            self.validation_scores_, self.validation_losses_, self.repeats_ = None, None, []
            for name in ("loss_curve_", "best_loss_", "best_validation_score_"):  # of an earlier fit
                self.__dict__.pop(name, None)
        if is_validated and self.validation_scores_ is None:
            self.validation_scores_, self.validation_losses_ = [], []
        if self.solver != "lbfgs":
            self._init_stopping_rule()

    def _init_stopping_rule(self) -> None:
        """Initialise the attributes that L-BFGS does not have, unless they exist."""
        if not hasattr(self, "loss_curve_"):
            self.loss_curve_: list[float] = []
            self._no_improvement_count, self.best_loss_, self.best_validation_score_ = 0, None, None
        if self.early_stopping and self.best_validation_score_ is None:
            self.best_validation_score_, self._best_params = -np.inf, self.model_.params.copy()
        if not self.early_stopping and self.best_loss_ is None:
            self.best_loss_ = np.inf

    def _fit_repeats(self, method: str, *args: Any, **options: Any) -> None:
        """Call `fit` or `partial_fit` of the other repeats, unless Ctrl-C ended the one before.

        After an exception, `repeats_` contains all repeats that have been trained. Ctrl-C before the first step of a
        repeat gives a warning, not KeyboardInterrupt: the network itself has been trained by then.
        """
        del self.repeats_[self.n_repeats - 1 :]
        previous: BaseMLP = self
        for index in range(self.n_repeats - 1):
            if previous._is_interrupted:
                break
            repeat = None
            try:
                repeat = self._repeat(index, int(self._random_state.randint(MAX_SEED)))
                getattr(repeat, method)(*args, **options)
            except KeyboardInterrupt:
                warnings.warn(INTERRUPTED, stacklevel=4)
                break
            finally:
                if repeat is not None and hasattr(repeat, "model_") and index == len(self.repeats_):
                    self.repeats_.append(repeat)
            previous = repeat

    def _repeat(self, index: int, seed: int) -> "BaseMLP":
        """The existing repeat of this index with the current parameters, or a new one."""
        if index < len(self.repeats_):
            repeat = self.repeats_[index]
            repeat.set_params(**{**self.get_params(deep=False), "n_repeats": 1, "random_state": seed})
        else:
            repeat = clone(self).set_params(n_repeats=1, random_state=seed, callbacks=self.callbacks)
            getattr(repeat, "set_callbacks", lambda: None)()
        return repeat

    def _validated(self, X: Any) -> Any:
        """Samples to predict, checked as scikit-learn does, and that the network's precision has their range."""
        return check_range(aligned(validate_data(self, X, reset=False, **_X_OPTIONS)), self.model_.params.dtype)

    def _outputs(self, X: Any) -> NDArray[Any]:
        """Outputs of the network, of shape (n_samples, n_outputs) and in its precision; their mean over the repeats."""
        if not hasattr(self, "model_"):
            check_is_fitted(self)
        # scikit-learn would at most refuse NaN and infinity, which the kernels look for: 50 us less for one sample.
        samples = None if hasattr(self, "feature_names_in_") else readable_in_place(X, self.n_features_in_)
        X = self._validated(X) if samples is None else samples
        outputs, _, findings = forward(self.model_, X, self.n_threads)
        if samples is not None and findings & LARGE_SAMPLES:
            self._validated(X)
        outputs = warn_if_not_finite(outputs, X) if findings & NON_FINITE_OUTPUTS else outputs
        if not self.repeats_:
            return outputs
        others = (forward(repeat.model_, X, self.n_threads)[0] for repeat in self.repeats_)
        mean: NDArray[Any] = np.mean([outputs, *others], axis=0, dtype=outputs.dtype)
        return mean
