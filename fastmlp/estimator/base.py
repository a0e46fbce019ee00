"""What both estimators share: how a fit goes, the fitted network as scikit-learn shows it, and its outputs.

Knows neither labels nor numbers: the classifier and the regressor code them.
"""

import math
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from fastmlp.data.target import check_weights
from fastmlp.errors import ConfigError, DataError
from fastmlp.estimator.callbacks import CallbackSupport, Hooks, functions_of
from fastmlp.estimator.config_mapping import config_of, hidden_sizes
from fastmlp.estimator.loop import Loop, Memory, Samples, forward
from fastmlp.export.from_sklearn import AUTO_BATCH
from fastmlp.model.model import Model
from fastmlp.model.params import Params, Views

MAX_SEED = 2**31 - 1


class Layers(list[NDArray[Any]]):
    """A list of a network's arrays, one a layer; an array put into it is copied into the network."""

    def __init__(self, views: Views) -> None:
        super().__init__(views)
        self.views = views

    def __setitem__(self, index: Any, value: Any) -> None:
        self.views[index] = value

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (list(self),)


class BaseMLP(CallbackSupport, BaseEstimator):
    """A multi-layer perceptron behind scikit-learn's doors; `MLPClassifier` and `MLPRegressor` are made of it."""

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
    model_: Model
    repeats_: list["BaseMLP"]
    validation_scores_: list[float] | None
    validation_losses_: list[float] | None
    n_outputs_: int
    _memory: Memory
    _is_interrupted: bool

    @property
    def coefs_(self) -> Layers:
        """Weights of each layer, (fan_in, fan_out); assign to them, or to one, to change the network."""
        return Layers(self.model_.weights)

    @coefs_.setter
    def coefs_(self, arrays: Iterable[Any]) -> None:
        self.model_.weights.assign(arrays)

    @property
    def intercepts_(self) -> Layers:
        """Biases of each layer, (fan_out,); assign to them, or to one, to change the network."""
        return Layers(self.model_.biases)

    @intercepts_.setter
    def intercepts_(self, arrays: Iterable[Any]) -> None:
        self.model_.biases.assign(arrays)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def _keep(self, parameters: dict[str, Any]) -> None:
        """Store the parameters of __init__, as they are."""
        for name, value in parameters.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    def _objective(self) -> dict[str, Any]:
        """The Config's loss, and the settings that go with it."""
        raise NotImplementedError

    def _code(self, y: NDArray[Any], is_known: bool) -> NDArray[Any]:
        """Targets as the network takes them; sets `n_outputs_` and what decodes them, or goes by what is known."""
        raise NotImplementedError

    def _code_held(self, y: Any) -> NDArray[Any]:
        """Targets of a validation set as the network takes them."""
        raise NotImplementedError

    def _score_outputs(self, outputs: NDArray[Any], held: Samples) -> float:
        """Accuracy or R2 of outputs."""
        raise NotImplementedError

    def _weigh(self, samples: Samples) -> Samples:
        """The samples with what else decides their weights."""
        return samples

    def _has_partial_fit(self) -> bool:
        """Whether a batch is enough to go on with; an AttributeError that says why not."""
        if self.early_stopping:
            raise AttributeError("partial_fit does not support early_stopping=True")
        if self.solver == "lbfgs":
            raise AttributeError("partial_fit is only available for stochastic optimizers. lbfgs is not stochastic.")
        return True

    def _out_activation(self) -> str:
        raise NotImplementedError

    def _class_names(self) -> tuple[str, ...] | None:
        """Names of the classes, where they have some."""
        return None

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        held: tuple[Any, Any] = (None, None),
        incremental: bool = False,
        continues: bool = False,
    ) -> Any:
        sizes, functions = hidden_sizes(self.hidden_layer_sizes), functions_of(self.callbacks)
        samples = self._check_samples(X, y, sample_weight, continues, incremental)
        validation = self._check_held(*held)
        sizes = (samples.X.shape[1], *sizes, self.n_outputs_)
        self._random_state = check_random_state(self.random_state)
        params = self._continued(sizes) if continues else self._draw(sizes, samples.X.dtype)
        if self.early_stopping and validation is None:
            samples, validation = self._split(samples)
        seed = int(self._random_state.randint(MAX_SEED))
        batch_size = self._clip_batch_size(samples.X.shape[0])
        config = config_of(self, self._objective(), params.theta.dtype.name, batch_size, seed)
        n_epochs = self.model_.n_epochs if continues else 0
        self.model_ = Model(config, params, None, self._class_names(), n_epochs)
        self._begin(validation is not None, continues)
        hooks = Hooks(self, functions, X, y, sample_weight, with_protocol=not incremental)
        memory = self._memory if incremental and continues else None
        loop = Loop(self, samples, validation, hooks, memory)
        self._memory = loop.memory
        loop.run(incremental)
        self._is_interrupted = loop.is_interrupted
        if not np.isfinite(params.theta).all():
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
                "preprocessed."
            )
        hooks.end_fit()
        return self

    def _check_samples(self, X: Any, y: Any, sample_weight: Any, continues: bool, incremental: bool) -> Samples:
        y = y.toarray() if issparse(y) else y
        X, y = validate_data(self, X, y, multi_output=True, reset=not continues, y_numeric=self._is_numeric, **_LAYOUT)
        y = column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y
        weights = None
        if sample_weight is not None:
            given = _check_sample_weight(sample_weight, X, dtype=np.float64)
            weights = check_weights(given, X.shape[0], "sample_weight")
        return self._weigh(Samples(_aligned(X), self._code(y, continues or incremental), weights))

    _is_numeric = False

    def _check_held(self, X_val: Any, y_val: Any) -> Samples | None:
        if X_val is None and y_val is None:
            return None
        if X_val is None or y_val is None:
            raise DataError("X_val and y_val come together: one was given")
        X, y = validate_data(self, X_val, y_val, multi_output=True, reset=False, y_numeric=self._is_numeric, **_LAYOUT)
        y = column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y
        return Samples(_aligned(X), self._code_held(y), None)

    def _continued(self, sizes: tuple[int, ...]) -> Params:
        params = self.model_.params
        if params.sizes != sizes:
            raise ConfigError(
                f"the network to go on with has layers of {params.sizes}, and {sizes} are asked for: fit anew, with "
                "warm_start=False"
            )
        return params

    def _draw(self, sizes: tuple[int, ...], dtype: Any) -> Params:
        """Weights and biases as scikit-learn draws them: Glorot-uniform, of a third the variance for the sigmoid."""
        params, factor = Params(sizes, dtype), 2.0 if self.activation in ("logistic", "sigmoid") else 6.0
        for W, b in zip(params.weights, params.biases, strict=True):
            limit = math.sqrt(factor / sum(W.shape))
            W[...] = self._random_state.uniform(-limit, limit, W.shape)
            b[...] = self._random_state.uniform(-limit, limit, b.shape)
        return params

    def _split(self, samples: Samples) -> tuple[Samples, Samples]:
        """What to train on and what to validate on, drawn as scikit-learn draws them."""
        train, held = train_test_split(
            np.arange(samples.X.shape[0]),
            random_state=self._random_state,
            test_size=self.validation_fraction,
            stratify=samples.y.astype(bool) if self._is_stratified() else None,
        )
        if len(held) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        parts = samples.part(train), samples.part(held)
        if any(part.weights is not None and part.weights.max() == 0 for part in parts):
            raise DataError("sample_weight is 0 for all that are trained or validated on: give X_val and y_val")
        return parts

    def _is_stratified(self) -> bool:
        return False

    def _clip_batch_size(self, n_samples: int) -> int:
        if self.batch_size == "auto":
            return min(AUTO_BATCH, n_samples)
        if self.batch_size > n_samples:
            text = "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped"
            warnings.warn(text, stacklevel=5)
        return min(int(self.batch_size), n_samples)

    def _begin(self, is_validated: bool, continues: bool) -> None:
        """The attributes that epochs add to: begun anew, or gone on with."""
        if not continues:
            self.n_layers_, self.t_, self._no_improvement_count = len(self.model_.params.sizes), 0, 0
            self.loss_curve_: list[float] = []
            self.out_activation_ = self._out_activation()
            self.best_loss_, self.best_validation_score_ = (None, None)
            self.validation_scores_ = self.validation_losses_ = None
            self.repeats_ = []
        if is_validated and self.validation_scores_ is None:
            self.validation_scores_, self.validation_losses_ = [], []
        if self.early_stopping and self.best_validation_score_ is None:
            self.best_validation_score_, self._best_theta = -np.inf, self.model_.params.theta.copy()
        if not self.early_stopping and self.best_loss_ is None:
            self.best_loss_ = np.inf

    def _fit_repeats(self, method: str, *args: Any, **options: Any) -> None:
        """Do to the other repeats what was done to this one, unless Ctrl-C ended it; an error leaves them all there."""
        del self.repeats_[self.n_repeats - 1 :]
        last: BaseMLP = self
        for index in range(self.n_repeats - 1):
            if last._is_interrupted:
                break
            last = self._repeat(index, int(self._random_state.randint(MAX_SEED)))
            try:
                getattr(last, method)(*args, **options)
            finally:
                if index == len(self.repeats_) and hasattr(last, "model_"):
                    self.repeats_.append(last)

    def _repeat(self, index: int, seed: int) -> "BaseMLP":
        """One of the repeats to go on with, or a new one."""
        if index < len(self.repeats_):
            repeat = self.repeats_[index]
            repeat.set_params(**{**self.get_params(deep=False), "n_repeats": 1, "random_state": seed})
        else:
            repeat = clone(self).set_params(n_repeats=1, random_state=seed, callbacks=self.callbacks)
            getattr(repeat, "set_callbacks", lambda: None)()
        return repeat

    def _is_plain(self, X: Any) -> bool:
        """Whether scikit-learn would take samples as they are: its own check takes half the time of a single one."""
        if type(X) is not np.ndarray or X.dtype not in _LAYOUT["dtype"] or hasattr(self, "feature_names_in_"):
            return False
        if X.ndim != 2 or len(X) == 0 or X.shape[1] != self.n_features_in_ or not X.flags.c_contiguous:
            return False
        with np.errstate(all="ignore"):
            return bool(np.isfinite(X.sum()))

    def _outputs(self, X: Any) -> NDArray[Any]:
        """The network's outputs (n_samples, n_outputs), in its precision; of several repeats the mean."""
        if not hasattr(self, "model_"):
            check_is_fitted(self)
        if not self._is_plain(X):
            X = validate_data(self, X, reset=False, **_LAYOUT)
        X = _aligned(X)
        outputs = forward(self.model_, X)[0]
        if not self.repeats_:
            return outputs
        others = (forward(repeat.model_, X)[0] for repeat in self.repeats_)
        mean: NDArray[Any] = np.mean([outputs, *others], axis=0, dtype=outputs.dtype)
        return mean


#: How samples are asked of scikit-learn: float32 and float64 stay what they are, the rest becomes float64.
_LAYOUT: dict[str, Any] = {"accept_sparse": "csr", "dtype": (np.float64, np.float32), "order": "C"}


def _aligned(X: Any) -> Any:
    return X if issparse(X) else np.require(X, requirements="A")
