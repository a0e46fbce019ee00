"""MLPClassifier: labels of any kind, one a sample or several. Knows how they are coded, not how they are learnt."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call,
    check_classification_targets,
    type_of_target,
    unique_labels,
)

from fastmlp.data.target import check_weights
from fastmlp.errors import DataError
from fastmlp.estimator.base import BaseMLP
from fastmlp.estimator.class_weight import class_weights
from fastmlp.estimator.config_mapping import CONSTRAINTS
from fastmlp.estimator.loop import Samples


class MLPClassifier(ClassifierMixin, BaseMLP):
    """A multi-layer perceptron that tells classes apart, as scikit-learn's of the same name does.

    Parameters, defaults, attributes and the stopping rule are scikit-learn's: see
    `sklearn.neural_network.MLPClassifier` for those that are not described here. With ``shuffle=False`` and the same
    `random_state` the weights are scikit-learn's too, but for rounding; the order in which samples are shuffled is our
    own. float32 samples are trained on in float32, all others in float64; sparse ones are made dense a few batches at a
    time.

    Parameters
    ----------
    hidden_layer_sizes : array_like or int, default=(100,)
        Sizes of the hidden layers; (): none.
    activation : str, default="relu"
        One of `fastmlp.Config`'s, or "logistic", which is its sigmoid.
    solver : str, default="adam"
        One of `fastmlp.Config`'s optimizers, where "sgd" is scikit-learn's: with `momentum`, and Nesterov's if
        `nesterovs_momentum`. "lbfgs" is refused: it takes the whole training set at every step. "rmsprop" corrects no
        bias: its first step is 1 / sqrt(1 - beta_2) times the rate, 31.6 with beta_2=0.999; 0.9 is usual for it.
    alpha : float, default=0.0001
        L2 penalty, divided by the batch's samples, or by the sum of their weights: ``Config(l2=alpha,
        l2_scale="batch")``. What is `l2` with ``l2_scale="step"``, the paper's, is ``alpha = l2 * batch_size`` here.
    epsilon : float, default=1e-8
        As in scikit-learn added to the root before its bias correction: ``Config(eps=epsilon, eps_form="eps_hat")``.
    learning_rate : {"constant", "invscaling", "adaptive"}, default="constant"
        As in scikit-learn: of "sgd", and of "momentum" and "nesterov", only; the other solvers' is constant.
    max_fun : int, default=15000
        Not used: it belongs to "lbfgs".
    class_weight : dict, list of dict, "balanced" or None, default=None
        What the samples of a class weigh, times `sample_weight`, in training and where they are held out; as in
        scikit-learn's other classifiers.
    dropout : float, default=0.0
        Share of the hidden units that a training step leaves out.
    label_smoothing : float, default=0.0
        Share of a target that is spread evenly over the classes.
    weight_decay : float, default=0.0
        Share of a weight, times the rate, that every step takes away.
    schedule : str, dict or None, default=None
        In place of `learning_rate`, for every solver: one of `fastmlp.Config`'s, or a dict such as ``{"schedule":
        "step", "step_epochs": 5}``. A schedule that has an end has it at `max_iter`.
    callbacks : callable, list of callable or None, default=None
        Called with the estimator after every epoch; training ends where one gives True. One that raises ends it too:
        the error comes out of fit, and what was learnt is kept. `set_callbacks` takes scikit-learn's own.
    n_repeats : int, default=1
        Networks that are trained, each from weights and an order of its own; probabilities are their mean. What the
        attributes tell is of the first.

    Attributes
    ----------
    classes_ : ndarray (n_classes,)
        The labels.
    coefs_, intercepts_ : list of ndarray
        Weights (fan_in, fan_out) and biases (fan_out,) of each layer: to read, to change in place, or to assign.
    loss_, best_loss_ : float
        Loss of the last epoch, and the least; best_loss_ is None with early stopping.
    loss_curve_ : list of float
        Loss of every epoch, penalty included.
    validation_scores_, validation_losses_ : list of float or None
        Accuracy and loss of the validation set after every epoch, where there is one.
    best_validation_score_ : float or None
        The best of them, with early stopping.
    n_iter_, t_, n_layers_, n_outputs_, n_features_in_ : int
        Epochs of the last fit, samples seen, layers, outputs and features.
    feature_names_in_ : ndarray of str
        Where X has names.
    out_activation_ : str
        "softmax", or "logistic" for two classes and for labels of which several may apply.
    model_ : fastmlp.Model
        The network; classes that are texts are its `class_names`.
    repeats_ : list of MLPClassifier
        The other repeats.

    Examples
    --------
    >>> from fastmlp import MLPClassifier
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> classifier = MLPClassifier(random_state=0, tol=0.01).fit(X[:1500], y[:1500])
    >>> bool(classifier.score(X[1500:], y[1500:]) > 0.85)
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **CONSTRAINTS,
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
        "label_smoothing": CONSTRAINTS["dropout"],
    }

    def __init__(
        self,
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
        class_weight: Any = None,
        dropout: float = 0.0,
        label_smoothing: float = 0.0,
        weight_decay: float = 0.0,
        schedule: Any = None,
        callbacks: Any = None,
        n_repeats: int = 1,
    ) -> None:
        self._keep(locals())

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, X_val: Any = None, y_val: Any = None) -> "MLPClassifier":
        """Train on labelled samples.

        Parameters
        ----------
        X : array_like or sparse (n_samples, n_features)
            Samples.
        y : array_like (n_samples,) or (n_samples, n_labels)
            A label a sample, of any kind; or 0 or 1 for each label.
        sample_weight : array_like (n_samples,), optional
            Numbers >= 0, not all 0.
        X_val, y_val : optional
            A validation set, whose score and loss are kept after every epoch. With `early_stopping` it decides, and
            nothing is held out.

        Returns
        -------
        MLPClassifier
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
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> "MLPClassifier":
        """Train on labelled samples for one more epoch, with the optimizer as the last call left it.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.
        classes : array_like (n_classes,), optional
            All the labels that there will be; the first call needs them.

        Returns
        -------
        MLPClassifier
            This one.

        Raises
        ------
        ValueError
            If parameters or data are not accepted, or the weights stop being finite.
        """
        if not hasattr(self, "model_"):
            self.__dict__.pop("classes_", None)  # of a first call that failed
            self._is_multilabel = type_of_target(y, input_name="y").startswith("multilabel")
        if _check_partial_fit_first_call(self, classes):
            self.n_outputs_ = self._count_outputs()
        continues = hasattr(self, "model_")
        self._fit(X, y, sample_weight, incremental=True, continues=continues)
        self._fit_repeats("partial_fit", X, y, sample_weight, self.classes_)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable label; or which labels apply.

        Parameters
        ----------
        X : array_like or sparse (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray (n_samples,) or (n_samples, n_labels)
            Labels out of `classes_`; or 0 or 1 for each label.
        """
        codes = self._decide(self._outputs(X))
        labels: NDArray[Any] = codes if self._is_multilabel else self.classes_[codes]
        return labels

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Probability of each label.

        Parameters
        ----------
        X : array_like or sparse (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray (n_samples, n_classes)
            float32 where the network was trained in it, else float64.
        """
        outputs = self._outputs(X)
        if len(self.classes_) == 1 and not self._is_multilabel:
            return np.ones_like(outputs)
        return np.hstack([1 - outputs, outputs]) if self.n_outputs_ == 1 else outputs

    def predict_log_proba(self, X: Any) -> NDArray[Any]:
        """The logarithm of `predict_proba`."""
        logs: NDArray[Any] = np.log(self.predict_proba(X))
        return logs

    def _objective(self) -> dict[str, Any]:
        loss = "cross_entropy" if self._out_activation() == "softmax" else "binary_cross_entropy"
        return {"loss": loss, "label_smoothing": self.label_smoothing}

    def _out_activation(self) -> str:
        return "softmax" if self.n_outputs_ > 1 and not self._is_multilabel else "logistic"

    def _class_names(self) -> tuple[str, ...] | None:
        are_names = len(self.classes_) > 1 and all(isinstance(label, str) for label in self.classes_)
        return tuple(map(str, self.classes_)) if are_names else None

    def _count_outputs(self) -> int:
        """One sigmoid tells two classes apart."""
        n_classes = len(self.classes_)
        return n_classes if self._is_multilabel or n_classes > 2 else 1

    def _code(self, y: NDArray[Any], is_known: bool) -> NDArray[Any]:
        kind = type_of_target(y, input_name="y")  # once: it is a third of a small partial_fit
        if kind not in ("binary", "multiclass", "multilabel-indicator"):
            check_classification_targets(y)
            raise ValueError(f"y is {kind}, which is not supported: give 0 or 1 for each label")
        if is_known:
            self._check_form(y, "y")
            self._check_classes(np.arange(y.shape[1]) if y.ndim == 2 else np.unique(y))
        else:
            self._is_multilabel = y.ndim == 2
            self.classes_ = unique_labels(y)
            self.n_outputs_ = self._count_outputs()
        return self._code_labels(y)

    def _check_form(self, y: NDArray[Any], name: str) -> None:
        """Refuse one label a sample where there are several, and the other way round."""
        if y.shape[1:] != ((self.n_outputs_,) if self._is_multilabel else ()):
            wanted = f"(n_samples, {self.n_outputs_})" if self._is_multilabel else "(n_samples,)"
            raise DataError(f"{name} has shape {y.shape}; {wanted} is expected, as in training")

    def _check_classes(self, classes: NDArray[Any]) -> None:
        if self.warm_start and set(classes) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. Previously "
                f"got {self.classes_}, `y` has {classes}"
            )
        if len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {classes}."
            )

    def _code_labels(self, y: NDArray[Any]) -> NDArray[Any]:
        return y.astype(np.uint8) if self._is_multilabel else np.searchsorted(self.classes_, y).astype(np.int32)

    def _code_held(self, y: NDArray[Any]) -> NDArray[Any]:
        self._check_form(y, "y_val")
        foreign = np.setdiff1d(unique_labels(y), self.classes_)
        if len(foreign):
            raise DataError(f"y_val has labels that training has not: {foreign}; y has {self.classes_}")
        return self._code_labels(y)

    def _is_stratified(self) -> bool:
        return self.n_outputs_ == 1

    def _weigh(self, samples: Samples) -> Samples:
        if self.class_weight is None:
            return samples
        weights = np.ones(len(samples.y)) if samples.weights is None else samples.weights
        product = weights * class_weights(self.class_weight, samples.y, self.classes_, weights)
        return samples._replace(weights=check_weights(product, len(weights), "class_weight times sample_weight"))

    def _has_partial_fit(self) -> bool:
        if isinstance(self.class_weight, str):
            raise AttributeError(
                "partial_fit does not know all samples, as class_weight='balanced' must: give it a dict, which "
                "sklearn.utils.class_weight.compute_class_weight makes"
            )
        return super()._has_partial_fit()

    def _decide(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Codes of outputs."""
        if self.n_outputs_ > 1 and not self._is_multilabel:
            codes: NDArray[Any] = outputs.argmax(axis=1)
            return codes
        codes = (outputs > 0.5).astype(np.int64)
        return codes if self._is_multilabel else np.minimum(codes[:, 0], len(self.classes_) - 1)

    def _score_outputs(self, outputs: NDArray[Any], held: Samples) -> float:
        right = self._decide(outputs) == held.y
        return float(np.average(right.all(axis=1) if self._is_multilabel else right, weights=held.weights))
