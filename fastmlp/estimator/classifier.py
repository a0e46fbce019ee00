"""`MLPClassifier`: encoding of class labels, and decoding of the network's outputs."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
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
    """Multi-layer perceptron classifier with the interface of scikit-learn.

    Parameters, defaults, attributes and the stopping rule are those of `sklearn.neural_network.MLPClassifier`. With
    ``shuffle=False`` and the same `random_state`, the weights are those of scikit-learn except for rounding; shuffled
    orders of the samples differ from scikit-learn's. Training uses float32 if the samples are float32, otherwise, and
    for the solver "lbfgs", float64. Sparse samples are not made dense, and give the same weights as dense ones.

    Parameters
    ----------
    hidden_layer_sizes : array_like or int, default=(100,)
        Number of neurons in each hidden layer; () for none.
    activation : str, default="relu"
        An activation of `fastmlp.Config`, or "logistic", which is the same as "sigmoid".
    solver : str, default="adam"
        An optimizer of `fastmlp.Config`. "sgd" is that of scikit-learn: with `momentum`, which is Nesterov's if
        `nesterovs_momentum`. "rmsprop" has no bias correction: its first step is 1 / sqrt(1 - beta_2) times the
        learning rate, 31.6 times for beta_2=0.999; 0.9 is the usual value. "lbfgs" is SciPy's L-BFGS-B on the loss over
        the whole training set, for small data; its iterations are scikit-learn's except for rounding, as long as at all
        weights that its line search tries no probability is below 2.2e-16, where scikit-learn clips it. Batches,
        learning rates and early stopping do not apply to it; `dropout`, `weight_decay` and `schedule` are refused.
    alpha : float, default=0.0001
        Strength of the L2 penalty, which is divided by the number of samples in the batch, or by the sum of their
        weights: ``Config(l2=alpha, l2_scale="batch")``. The paper's ``Config(l2=l2, l2_scale="step")`` is equivalent to
        ``alpha = l2 * batch_size``.
    batch_size : int or "auto", default="auto"
        Number of samples per step, at most all of them; "auto" is the smaller of 200 and the number of samples.
    shuffle : bool, default=True
        Whether the samples are shuffled before every epoch.
    random_state : int, RandomState or None, default=None
        Seed of the initial weights, the orders of the samples, the dropout masks and the held-out samples.
    learning_rate_init : float, default=0.001
        Learning rate of the first epoch.
    power_t : float, default=0.5
        Exponent of the schedule "invscaling".
    momentum : float, default=0.9
        Momentum of the solvers "sgd", "momentum" and "nesterov".
    nesterovs_momentum : bool, default=True
        Whether the momentum of "sgd" is Nesterov's.
    beta_1, beta_2 : float, default=0.9 and 0.999
        Decay rates of the estimates of the first and the second moment of the gradient, for the solvers that have them.
    early_stopping : bool, default=False
        Whether a validation set is held out, whose score decides when training stops, and whose best epoch the weights
        are taken from. Without it, the training loss decides.
    validation_fraction : float, default=0.1
        Fraction of the samples that early stopping holds out.
    n_iter_no_change : int, default=10
        Number of consecutive epochs without an improvement by more than `tol` after which training stops.
    verbose : bool, default=False
        Whether the loss of each epoch is printed.
    warm_start : bool, default=False
        Whether `fit` continues from the weights of the previous call.
    epsilon : float, default=1e-8
        Added to the square root before its bias correction, as in scikit-learn: ``Config(eps=epsilon,
        eps_form="eps_hat")``.
    learning_rate : {"constant", "invscaling", "adaptive"}, default="constant"
        Learning rate schedule of scikit-learn. Only used if `solver` is "sgd", "momentum" or "nesterov"; for the others
        the learning rate is constant.
    max_iter, tol : int, default=200 and float, default=1e-4
        See scikit-learn. With "lbfgs": the maximum number of iterations, and the magnitude below which all components
        of the gradient must fall for convergence.
    max_fun : int, default=15000
        With "lbfgs": the maximum number of evaluations of the loss.
    class_weight : dict, list of dict, "balanced" or None, default=None
        Weights of the classes, multiplied by `sample_weight`, in training and on held-out samples; as in other
        classifiers of scikit-learn.
    dropout : float, default=0.0
        Probability that a hidden neuron is dropped in a training step.
    label_smoothing : float, default=0.0
        Fraction of each target that is distributed evenly over the classes.
    weight_decay : float, default=0.0
        Decoupled weight decay: every step subtracts `weight_decay` times the learning rate times the weight.
    schedule : str, dict or None, default=None
        Learning rate schedule for all solvers, used instead of `learning_rate`: a schedule of `fastmlp.Config`, or a
        dict such as ``{"schedule": "step", "step_epochs": 5}``. Schedules with an end reach it at `max_iter`.
    callbacks : callable, list of callable or None, default=None
        Functions that are called with the estimator after each epoch, or iteration of "lbfgs". Training ends if one of
        them returns True. An exception in a callback also ends training and is raised by `fit`; the estimator keeps the
        weights reached so far. With "lbfgs", changes of `coefs_` by callbacks have no effect. Callbacks of scikit-learn
        are registered with `set_callbacks`.
    n_repeats : int, default=1
        Number of networks to train, with different initial weights and sample orders. Predicted probabilities are
        averaged over them. All fitted attributes except `repeats_` describe the first.
    n_threads : int or "auto", default="auto"
        Number of threads of training and of predictions. It changes no result. By default as many as make them faster,
        and at most one for each core that no other fit or prediction of this process uses. joblib's processes, as in
        ``GridSearchCV(n_jobs=-1)``, divide the cores by the environment variable OMP_NUM_THREADS.

    Attributes
    ----------
    classes_ : ndarray (n_classes,)
        Class labels.
    coefs_, intercepts_ : list of ndarray
        Weights (fan_in, fan_out) and biases (fan_out,) of each layer. They can be changed in place and assigned to.
    loss_, best_loss_ : float
        Loss of the last epoch, and the minimum loss; `best_loss_` is None with early stopping. "lbfgs" sets `loss_`
        alone, the loss of the weights that training ended with.
    loss_curve_ : list of float
        Loss of each epoch, including the penalty; missing with "lbfgs", as in scikit-learn.
    validation_scores_, validation_losses_ : list of float or None
        Accuracy and loss on the validation set after each epoch, if there is one.
    best_validation_score_ : float or None
        Maximum validation score, with early stopping.
    n_iter_, t_, n_layers_, n_outputs_, n_features_in_ : int
        Number of epochs or iterations of the last fit, samples seen in training (0 with "lbfgs"), layers, outputs, and
        features.
    feature_names_in_ : ndarray of str
        Names of the features, if X has feature names that are all strings.
    out_activation_ : str
        "softmax", or "logistic" for two classes and for multilabel targets.
    model_ : fastmlp.Model
        The network, which predicts the same class labels: its `classes` are `classes_`. After "lbfgs", which a
        `fastmlp.Config` does not have, its config names adam.
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
    >>> classifier = MLPClassifier(solver="lbfgs", random_state=0).fit(X[:150], y[:150])
    >>> bool(classifier.loss_ < 0.01), classifier.n_iter_ < 200
    (True, True)
    >>> [W.shape for W in classifier.coefs_], [b.shape for b in classifier.intercepts_]
    ([(64, 100), (100, 10)], [(100,), (10,)])
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
        n_threads: Any = "auto",
    ) -> None:
        self._store_parameters(locals())

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, X_val: Any = None, y_val: Any = None) -> "MLPClassifier":
        """Fit the network to labelled samples.

        Parameters
        ----------
        X : array_like or sparse (n_samples, n_features)
            Training samples.
        y : array_like (n_samples,), or array_like or sparse (n_samples, n_labels)
            Class labels of any type; or 0 or 1 for each label of a multilabel target.
        sample_weight : array_like (n_samples,), optional
            Sample weights >= 0, not all 0.
        X_val, y_val : array_like, optional
            Validation set, whose score and loss are computed after each epoch. With `early_stopping` it is used instead
            of held-out training samples.

        Returns
        -------
        MLPClassifier
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
        >>> from fastmlp import MLPClassifier
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], ["low", "low", "high", "high"]
        >>> classifier = MLPClassifier((4,), solver="lbfgs", random_state=0).fit(X, y)
        >>> classifier.classes_
        array(['high', 'low'], dtype='<U4')
        """
        is_continued = self.warm_start and hasattr(self, "model_")
        self._fit(X, y, sample_weight, (X_val, y_val), is_continued=is_continued)
        self._fit_repeats("fit", X, y, sample_weight, X_val, y_val)
        return self

    @available_if(lambda self: self._has_partial_fit())
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> "MLPClassifier":
        """Train for one epoch on the given samples, starting from the current weights and state of the optimizer.

        Parameters
        ----------
        X : array_like or sparse (n_samples, n_features)
            Training samples.
        y : array_like (n_samples,), or array_like or sparse (n_samples, n_labels)
            As in `fit`.
        sample_weight : array_like (n_samples,), optional
            As in `fit`.
        classes : array_like (n_classes,), optional
            All class labels of this and later calls; required in the first call.

        Returns
        -------
        MLPClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            If parameters or data are not accepted, or the weights are no longer finite.
        KeyboardInterrupt
            After Ctrl-C before the first step. Later, training ends with a warning, as in scikit-learn.

        Examples
        --------
        >>> from fastmlp import MLPClassifier
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], ["low", "low", "high", "high"]
        >>> classifier = MLPClassifier((4,), random_state=0)
        >>> for _ in range(3):
        ...     _ = classifier.partial_fit(X, y, classes=["high", "low"])
        >>> classifier.t_
        12
        """
        if not hasattr(self, "model_"):
            self.__dict__.pop("classes_", None)  # left by a first call that failed
            self._is_multilabel = type_of_target(y, input_name="y").startswith("multilabel")
        if _check_partial_fit_first_call(self, classes):
            self.n_outputs_ = self._count_outputs()
        is_continued = hasattr(self, "model_")
        self._fit(X, y, sample_weight, incremental=True, is_continued=is_continued)
        self._fit_repeats("partial_fit", X, y, sample_weight, self.classes_)
        return self

    def predict(self, X: Any) -> Any:
        """Predict the most probable class, or the set of labels, of each sample.

        Parameters
        ----------
        X : array_like or sparse (n_samples, n_features)
            Samples to predict.

        Returns
        -------
        ndarray (n_samples,) or (n_samples, n_labels), or csr_matrix (n_samples, n_labels)
            Predicted classes; or 0 or 1 for each label, sparse if y in training was, as in scikit-learn.

        Examples
        --------
        >>> from fastmlp import MLPClassifier
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], ["low", "low", "high", "high"]
        >>> classifier = MLPClassifier((4,), solver="lbfgs", random_state=0).fit(X, y)
        >>> classifier.predict([[-1.0], [4.0]])
        array(['low', 'high'], dtype='<U4')
        """
        indices = self._class_indices(self._outputs(X))
        if self._is_multilabel:
            return csr_matrix(indices) if self._is_y_sparse else indices
        return self.classes_[indices]

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Predict the probability of each class or label.

        Parameters
        ----------
        X : array_like or sparse (n_samples, n_features)
            Samples to predict.

        Returns
        -------
        ndarray (n_samples, n_classes)
            Probabilities, in the order of `classes_`; float32 if the network was trained in float32, else float64.

        Examples
        --------
        >>> from fastmlp import MLPClassifier
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], ["low", "low", "high", "high"]
        >>> classifier = MLPClassifier((4,), solver="lbfgs", random_state=0).fit(X, y)
        >>> classifier.predict_proba([[-1.0], [4.0]]).round(1)
        array([[0., 1.],
               [1., 0.]])
        """
        outputs = self._outputs(X)
        if len(self.classes_) == 1 and not self._is_multilabel:
            return np.ones_like(outputs)
        return np.hstack([1 - outputs, outputs]) if self.n_outputs_ == 1 else outputs

    def predict_log_proba(self, X: Any) -> NDArray[Any]:
        """Predict the logarithm of the probabilities, see `predict_proba`.

        Parameters
        ----------
        X : array_like or sparse (n_samples, n_features)
            Samples to predict.

        Returns
        -------
        ndarray (n_samples, n_classes)
            Logarithms of the probabilities, -inf for a probability of 0.

        Examples
        --------
        >>> from fastmlp import MLPClassifier
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], ["low", "low", "high", "high"]
        >>> classifier = MLPClassifier((4,), solver="lbfgs", random_state=0).fit(X, y)
        >>> classifier.predict_log_proba([[-1.0]]).shape
        (1, 2)
        """
        logs: NDArray[Any] = np.log(self.predict_proba(X))
        return logs

    def _loss_settings(self) -> dict[str, Any]:
        loss = "cross_entropy" if self._out_activation() == "softmax" else "binary_cross_entropy"
        return {"loss": loss, "label_smoothing": self.label_smoothing}

    def _out_activation(self) -> str:
        return "softmax" if self.n_outputs_ > 1 and not self._is_multilabel else "logistic"

    def _model_classes(self) -> NDArray[Any] | None:
        return None if self._is_multilabel else self.classes_

    def _count_outputs(self) -> int:
        """Number of outputs of the network: a single sigmoid for two classes."""
        n_classes = len(self.classes_)
        return n_classes if self._is_multilabel or n_classes > 2 else 1

    def _encode_targets(self, y: NDArray[Any], is_encoding_known: bool) -> NDArray[Any]:
        kind = type_of_target(y, input_name="y")  # called once: it takes a third of the time of a small partial_fit
        if kind not in ("binary", "multiclass", "multilabel-indicator"):
            check_classification_targets(y)
            raise ValueError(f"y: expected classes, or 0 or 1 for each label, got a {kind} target")
        if is_encoding_known:
            self._check_shape(y, "y")
            self._check_classes(np.arange(y.shape[1]) if y.ndim == 2 else np.unique(y))
        else:
            self._is_multilabel = y.ndim == 2
            self.classes_ = unique_labels(y)
            self.n_outputs_ = self._count_outputs()
        return self._encode_labels(y)

    def _check_shape(self, y: NDArray[Any], name: str) -> None:
        """Refuse single labels if the network was trained on multilabel targets, and vice versa."""
        if y.shape[1:] != ((self.n_outputs_,) if self._is_multilabel else ()):
            expected = f"(n_samples, {self.n_outputs_})" if self._is_multilabel else "(n_samples,)"
            raise DataError(f"{name}: expected shape {expected} as in training, got {y.shape}")

    def _check_classes(self, classes: NDArray[Any]) -> None:
        if self.warm_start and set(classes) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. Previously "
                f"got {self.classes_}, `y` has {classes}. Set warm_start=False to train a new network"
            )
        if len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {classes}. "
                "Give all classes to the first call of a new estimator: partial_fit(X, y, classes=all_classes)"
            )

    def _encode_labels(self, y: NDArray[Any]) -> NDArray[Any]:
        return y.astype(np.uint8) if self._is_multilabel else np.searchsorted(self.classes_, y).astype(np.int32)

    def _encode_validation_targets(self, y: NDArray[Any]) -> NDArray[Any]:
        self._check_shape(y, "y_val")
        unknown = np.setdiff1d(unique_labels(y), self.classes_)
        if len(unknown):
            raise DataError(f"y_val: expected labels that occur in y, {self.classes_}, got {unknown}")
        return self._encode_labels(y)

    def _is_stratified(self) -> bool:
        return self.n_outputs_ == 1

    def _apply_class_weight(self, samples: Samples) -> Samples:
        if self.class_weight is None:
            return samples
        weights = np.ones(len(samples.y)) if samples.weights is None else samples.weights
        product = class_weights(self.class_weight, samples.y, self.classes_, weights)
        return samples._replace(weights=check_weights(product, len(weights), "class_weight times sample_weight"))

    def _has_partial_fit(self) -> bool:
        if isinstance(self.class_weight, str):
            raise AttributeError(
                "partial_fit does not support class_weight='balanced', which requires all samples; use a dict of "
                "weights from sklearn.utils.class_weight.compute_class_weight"
            )
        return super()._has_partial_fit()

    def _class_indices(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Index of the predicted class; or 0 or 1 for each label."""
        if self.n_outputs_ > 1 and not self._is_multilabel:
            indices: NDArray[Any] = outputs.argmax(axis=1)
            return indices
        indices = (outputs > 0.5).astype(np.int64)
        return indices if self._is_multilabel else np.minimum(indices[:, 0], len(self.classes_) - 1)

    def _score_outputs(self, outputs: NDArray[Any], validation: Samples) -> float:
        is_correct = self._class_indices(outputs) == validation.y
        if self._is_multilabel:
            is_correct = is_correct.all(axis=1)
        return float(np.average(is_correct, weights=validation.weights))
