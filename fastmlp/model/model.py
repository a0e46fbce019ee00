"""Model: a network that predicts, is evaluated, saved and loaded, and is trained by `fastmlp.train`."""

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastmlp.config import Config
from fastmlp.data.check import check_X, is_as_checked, read_only, refuse_non_finite
from fastmlp.data.label import encode_labels, have_same_labels, is_range, names_of
from fastmlp.data.scaling import check_representable, warn_if_not_finite
from fastmlp.data.target import check_loss, check_target
from fastmlp.errors import ConfigError, DataTypeError
from fastmlp.kernels.predict_layout import LARGE_SAMPLES, NON_FINITE_OUTPUTS
from fastmlp.metrics import score_of, sum_of_losses
from fastmlp.model.display import model_html
from fastmlp.model.file import read_model, write_model
from fastmlp.model.kernel_args import Targets
from fastmlp.model.params import Params, Views, init_params
from fastmlp.model.parts import (
    Parts,
    Scaling,
    check_class_names,
    check_config,
    check_n_epochs,
    check_scaling,
    classes_of,
    is_binary,
    n_classes_of,
    task_of_network,
)
from fastmlp.model.raw_row import RawRows, Samples
from fastmlp.parallel import Threads, check_threads
from fastmlp.settings import Task
from fastmlp.table.schema import TableSchema

if TYPE_CHECKING:
    from fastmlp.model.predictor import Predictor


class Evaluation(NamedTuple):
    """Loss and score of a network on labelled samples.

    Attributes
    ----------
    loss : float
        Mean of the config's loss; for cross-entropy, equation (1) without the penalty.
    score : float
        Accuracy, or R2 for regression. With several labels per sample, a sample counts as correct if all labels are.
    """

    loss: float
    score: float


class Model:
    """A multi-layer perceptron: its parameters, and the scaling of its input.

    Models are made by `init_model`, `train`, `load_model` and `from_sklearn`. A value that is assigned to an attribute
    is checked at once: `ConfigError`, `DataError` or `DataTypeError` if it does not fit the network.

    Attributes
    ----------
    config : Config
        The settings that it was made or last trained with.
    n_features, n_outputs : int
        Number of features and of outputs.
    n_classes : int
        2 if the one output is the probability of the second of two classes, otherwise equal to n_outputs.
    weights, biases : sequence of ndarray
        Arrays (fan_in, fan_out) and (fan_out,), one per layer, in the dtype of the config. They can be read, modified
        in place and assigned to: ``model.weights[0] = W`` copies W into the network, or raises `DataError` if W has
        another shape or values that are not finite.
    scaling : tuple of ndarray or None
        factor and offset, (n_features,) of float64: the network's input is ``X * factor + offset``. None for X itself.
        They are copied, and read-only.
    classes : ndarray (n_classes,), or None
        The labels of the classes in ascending order, as `predict` returns them: integers, floats, booleans, strings or
        dates (datetime64), read-only. By default 0 .. n_classes - 1; None for multilabel and regression. An array that
        is assigned to it is checked and copied; class_names become the strings, or None for other new classes than
        0 .. n_classes - 1.
    class_names : tuple of str or None
        Names of the classes to be displayed: the classes themselves if they are strings.
    params : Params
        Weights and biases in one vector, ``params.theta``; cannot be assigned to.
    n_epochs : int
        Number of epochs trained so far.
    table : TableSchema or None
        The columns of the table whose encoded rows the network was trained on.

    Notes
    -----
    A model with a `table` takes raw rows of it in place of features, where samples are named X. A DataFrame of pandas
    or polars, a table of PyArrow, a dict or a structured array is matched by the names of its columns: missing ones are
    refused by name, others are ignored. An array of numbers with ``n_features`` columns holds features, which
    ``fastmlp.table.encoder.TableEncoder(model.table).transform(rows)`` makes of raw rows; if all features are the
    numbers of the columns, missing numbers are filled as in raw rows. An array of another width, or of strings or
    objects, holds raw rows by position, with the columns of the table but its target, or the inputs among them. What
    differs from the training rows, such as levels that are unknown, is told by one warning. Raw rows need pandas;
    features do not. Without a `table`, the columns of a DataFrame are features by position, and samples may be sparse:
    a matrix or array of SciPy in any format. It is made dense, some rows at a time, only if `scaling` has offsets.

    The first prediction lays out the weights for the kernels, and later ones use that until the network changes.
    Changes in place are noticed too: while something refers to an array of `weights`, `biases` or `params.theta`, each
    prediction compares all weights with a copy, which takes 1 us for 64-100-100-10, and reads twice as much memory as
    the prediction of one sample. A write through a bare address, after the array is gone, is not noticed. A sample has
    the same outputs, bit for bit, whatever the number of samples in a call and of threads. Several threads may predict
    at once.

    Examples
    --------
    >>> import fastmlp
    >>> model = fastmlp.init_model(fastmlp.Config(hidden=(4,)), n_features=3, n_classes=2)
    >>> [W.shape for W in model.weights], [b.shape for b in model.biases], model.params.sizes
    ([(3, 4), (4, 2)], [(4,), (2,)], (3, 4, 2))
    >>> model.predict_proba([[0.0, 1.0, 2.0]]).shape
    (1, 2)
    >>> model.task, model.n_features, model.n_outputs, model.n_classes, model.n_epochs, model.config.hidden
    ('classification', 3, 2, 2, 0, (4,))
    >>> model.classes, model.scaling, model.table
    (array([0, 1]), None, None)
    >>> model.class_names = ["cat", "dog"]
    >>> model.class_names
    ('cat', 'dog')
    """

    #: Made in the first prediction, and again in the first one after a change; in no copy and no file.
    _predictor: Any = None
    _raw_rows: RawRows | None = None
    _repr_html_ = model_html

    def __init__(
        self,
        config: Config,
        params: Params,
        scaling: Scaling | None = None,
        class_names: tuple[str, ...] | None = None,
        n_epochs: int = 0,
        classes: ArrayLike | None = None,
        table: TableSchema | None = None,
    ) -> None:
        if not isinstance(params, Params):
            raise DataTypeError(f"params: expected a Params, got {params!r:.200}")
        self._params = params
        self.config = config
        self.scaling = scaling
        self.class_names = class_names
        self.n_epochs = n_epochs
        self.classes = classes
        self.table = table

    @property
    def params(self) -> Params:
        """Weights and biases in one vector."""
        return self._params

    @params.setter
    def params(self, value: object) -> NoReturn:
        raise AttributeError("params: expected no assignment; assign to weights and biases, or make a new network")

    @property
    def config(self) -> Config:
        """The settings that the network was made or last trained with."""
        return self._config

    @config.setter
    def config(self, config: Config) -> None:
        check_config(config, self.params)
        if hasattr(self, "_config") and task_of_network(config, self.params) != self.task:
            raise ConfigError(
                f"loss: expected one for {self.task}, the task of the network, got {config.loss!r}; make a new network"
            )
        self._config = config

    @property
    def scaling(self) -> Scaling | None:
        """Factor and offset of each feature, (n_features,) of float64, read-only, or None."""
        return self._scaling and (read_only(self._scaling[0]), read_only(self._scaling[1]))

    @scaling.setter
    def scaling(self, scaling: Sequence[object] | None) -> None:
        self._scaling = check_scaling(scaling, self.params)

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Names of the classes, or None."""
        return self._class_names

    @class_names.setter
    def class_names(self, class_names: Sequence[str] | None) -> None:
        self._class_names = check_class_names(class_names, self.n_classes)

    @property
    def n_epochs(self) -> int:
        """Number of epochs trained so far."""
        return self._n_epochs

    @n_epochs.setter
    def n_epochs(self, n_epochs: int) -> None:
        self._n_epochs = check_n_epochs(n_epochs)

    @property
    def n_features(self) -> int:
        """Number of features."""
        return self.params.sizes[0]

    @property
    def n_outputs(self) -> int:
        """Number of outputs."""
        return self.params.sizes[-1]

    @property
    def n_classes(self) -> int:
        """Number of classes, of labels per sample, or of values to predict per sample."""
        return n_classes_of(self.config, self.params)

    @property
    def task(self) -> Task:
        """Task of the network: classification, multilabel or regression, see `Dataset`."""
        return task_of_network(self.config, self.params)

    @property
    def classes(self) -> NDArray[Any] | None:
        """Labels of the classes (n_classes,) in ascending order; None for multilabel and regression."""
        return None if self._classes is None else read_only(self._classes)

    @classes.setter
    def classes(self, classes: ArrayLike | None) -> None:
        before, after = getattr(self, "_classes", None), classes_of(self.config, self.params, classes)
        self._classes = after
        if after is None:
            return
        if (names := names_of(after)) is not None:
            self.class_names = names
        elif before is not None and not (is_range(after) or have_same_labels(before, after)):
            self.class_names = None  # the names of other classes

    @property
    def table(self) -> TableSchema | None:
        """The columns of the table whose encoded rows the network was trained on, or None."""
        return None if self._raw_rows is None else self._raw_rows.schema

    @table.setter
    def table(self, table: TableSchema | None) -> None:
        self._raw_rows = RawRows.of(table, self.n_features, self.task)

    @property
    def weights(self) -> Views:
        """Weights (fan_in, fan_out) of each layer."""
        return self.params.weights

    @weights.setter
    def weights(self, arrays: Iterable[object]) -> None:
        self.params.weights.assign(arrays)

    @property
    def biases(self) -> Views:
        """Biases (fan_out,) of each layer."""
        return self.params.biases

    @biases.setter
    def biases(self, arrays: Iterable[object]) -> None:
        self.params.biases.assign(arrays)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_predictor"}

    def __repr__(self) -> str:
        shape = "-".join(map(str, self.params.sizes))
        return f"<Model {shape}, {self.config.activation}, {self.config.precision}, {self.n_epochs} epochs trained>"

    def predict_proba(self, X: Samples, *, n_threads: Threads = "auto") -> NDArray[Any]:
        """Predict the probability of each class, equation (2), or of each label.

        Parameters
        ----------
        X : array_like or sparse (n_samples, n_features), or DataFrame
            Raw samples: the scaling is applied to them. For a model with a `table`, raw rows, see `Model`.
        n_threads : int or "auto"
            Number of threads; "auto" takes as many as pay and find a free core. It changes no result.

        Returns
        -------
        ndarray (n_samples, n_classes)
            Probabilities, in the dtype of the config.

        Raises
        ------
        DataError, DataTypeError
            If X is not an array of finite numbers of that shape.
        ConfigError
            If the network is for regression, or n_threads is neither "auto" nor a positive integer.

        Examples
        --------
        >>> import fastmlp
        >>> model = fastmlp.init_model(fastmlp.Config(hidden=(4,)), n_features=3, n_classes=2)
        >>> model.weights[1] = [[0.0, 0.0]] * 4
        >>> model.predict_proba([[0.0, 1.0, 2.0]])
        array([[0.5, 0.5]], dtype=float32)
        """
        if self.task == "regression":
            raise ConfigError(f"a network trained with the loss {self.config.loss!r} has no probabilities; use predict")
        outputs = self._outputs(X, n_threads)
        return np.hstack([1 - outputs, outputs]) if is_binary(self.config, self.params) else outputs

    def predict(self, X: Samples, *, n_threads: Threads = "auto") -> NDArray[Any]:
        """Predict classes, labels or values, depending on the task.

        Parameters
        ----------
        X : array_like or sparse (n_samples, n_features), or DataFrame
            Raw samples: the scaling is applied to them. For a model with a `table`, raw rows, see `Model`.
        n_threads : int or "auto"
            Number of threads; "auto" takes as many as pay and find a free core. It changes no result.

        Returns
        -------
        ndarray
            Classification: label of the most probable class, (n_samples,) in the dtype of `classes`. Multilabel: 0 or 1
            for each label, (n_samples, n_labels) of int64. Regression: values in the dtype of the config, (n_samples,
            n_outputs), or (n_samples,) for one output.

        Raises
        ------
        DataError, DataTypeError
            If X is not an array of finite numbers of that shape.
        ConfigError
            If n_threads is neither "auto" nor a positive integer.

        Examples
        --------
        >>> import fastmlp
        >>> data = fastmlp.Dataset([[0.0], [1.0]], ["cat", "dog"], [[0.5]], ["dog"])
        >>> model = fastmlp.train(data, fastmlp.Config(hidden=(), learning_rate=1.0, batch_size=2, n_epochs=9)).model
        >>> model.predict([[-1.0], [2.0]])
        array(['cat', 'dog'], dtype='<U3')
        """
        predictions = self._predictions(self._outputs(X, n_threads))
        if self._classes is None:
            return predictions
        if len(self._classes) == 1:  # of two: the estimator was fitted to one
            predictions = np.zeros_like(predictions)
        labels: NDArray[Any] = self._classes[predictions]
        return labels

    def evaluate(self, X: Samples, y: ArrayLike, *, n_threads: Threads = "auto") -> Evaluation:
        """Evaluate the network on labelled samples: mean loss, and accuracy or R2.

        Parameters
        ----------
        X : array_like or sparse (n_samples, n_features), or DataFrame
            Raw samples: the scaling is applied to them. For a model with a `table`, raw rows, see `Model`.
        y : array_like (n_samples,) or (n_samples, n_outputs)
            Classification: labels, each of them one of `classes`; for those of a Dataset, whose y_test holds codes,
            ``dataset.classes[dataset.y_test]``. Multilabel: 0 or 1 for each label. Regression: target values.
        n_threads : int or "auto"
            Number of threads; "auto" takes as many as pay and find a free core. It changes no result.

        Returns
        -------
        Evaluation
            Loss and score.

        Raises
        ------
        DataError, DataTypeError
            If X or y has another shape or other values.
        ConfigError
            If n_threads is neither "auto" nor a positive integer.

        Examples
        --------
        >>> import fastmlp
        >>> model = fastmlp.init_model(fastmlp.Config(hidden=(4,)), n_features=3, n_classes=2)
        >>> model.weights[1] = [[0.0, 0.0]] * 4
        >>> loss, accuracy = model.evaluate([[0.0, 1.0, 2.0], [1.0, 1.0, 0.0]], [0, 1])
        >>> round(loss, 4), accuracy
        (0.6931, 0.5)
        """
        check_threads(n_threads)
        X = check_representable(self._samples(X), self.scaling, self.config.dtype)
        if self.classes is not None:
            y = encode_labels(y, X.shape[0], self.classes)
        else:
            y = check_target(y, X.shape[0], self.task, self.n_classes)
        check_loss(y, self.config.loss, self.config.dtype)
        return self.evaluate_validated(X, y, n_threads)

    def evaluate_validated(self, X: NDArray[Any], y: NDArray[Any], n_threads: Threads = "auto") -> Evaluation:
        """`evaluate` without its validation, for the arrays of a Dataset: y are codes of the classes.

        Parameters
        ----------
        X : ndarray or CSR matrix (n_samples, n_features)
            Raw samples: the scaling is applied to them.
        y : ndarray (n_samples,) of int32, or (n_samples, n_outputs)
            Codes of the classes; for other tasks the targets.
        n_threads : int or "auto"
            Number of threads; it changes no result.

        Returns
        -------
        Evaluation
            Loss and score.

        Examples
        --------
        >>> import fastmlp
        >>> data = fastmlp.Dataset([[0.0], [1.0]], ["cat", "dog"], [[0.5]], ["dog"])
        >>> model = fastmlp.init_model(fastmlp.Config(hidden=()), n_features=1, n_classes=2)
        >>> model.weights[0] = [[0.0, 1.0]]
        >>> model.evaluate_validated(data.X_test, data.y_test).score
        1.0
        """
        outputs, losses, _ = self.forward_validated(X, y, n_threads)
        predicted = self._predictions(outputs)
        score = score_of(self.config.loss, predicted, y if predicted.ndim == y.ndim else y[:, 0])
        return Evaluation(sum_of_losses(losses) / len(y), score)

    def _outputs(self, X: Any, n_threads: Threads) -> NDArray[Any]:
        if n_threads != "auto":
            check_threads(n_threads)
        X = X if self._raw_rows is None else self._raw_rows.features(X)
        samples = X if is_as_checked(X, self.n_features) else check_X(X, self.n_features, ensure_finite=False)
        predictor = self._current_predictor()
        if predictor.checks_samples:
            self._check_values(samples)
        outputs, _, findings = predictor.forward(samples, None, n_threads)
        if findings & LARGE_SAMPLES:
            self._check_values(samples)
        return warn_if_not_finite(outputs, samples) if findings & NON_FINITE_OUTPUTS else outputs

    def _samples(self, X: Any) -> NDArray[Any]:
        return check_X(X if self._raw_rows is None else self._raw_rows.features(X), self.n_features)

    def _check_values(self, X: NDArray[Any]) -> None:
        refuse_non_finite(X, "X")
        check_representable(X, self._scaling, self._config.dtype)

    def _current_predictor(self) -> "Predictor":
        """The predictor of the network as it is now."""
        predictor: Predictor | None = self._predictor
        if predictor is None or not predictor.is_current(self._params, self._config, self._scaling):
            from fastmlp.model import predictor as module  # imports Numba

            predictor = self._predictor = module.Predictor(self._params, self._config, self._scaling)
        return predictor

    def _predictions(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Codes of the classes, labels or values for the outputs of the network."""
        if self._config.loss == "cross_entropy":
            codes: NDArray[Any] = outputs.argmax(axis=1)
            return codes
        values = outputs if self.task == "regression" else (outputs > 0.5).astype(np.int64)
        return values[:, 0] if self.n_outputs == 1 else values

    def objective(self, X: Samples, y: ArrayLike, *, n_threads: Threads = "auto") -> float:
        """Objective of equation (1): mean cross-entropy plus ``l2 / (2 m) * ||W||**2`` for m samples.

        The gradient of equation (8), which training uses, contains ``l2 * W``; the gradient of (1) contains ``l2 / m *
        W``. The paper's two equations differ by this factor of m.

        Parameters
        ----------
        X : array_like or sparse (n_samples, n_features), or DataFrame
            Raw samples: the scaling is applied to them. For a model with a `table`, raw rows, see `Model`.
        y : array_like (n_samples,) or (n_samples, n_outputs)
            Labels or target values, see `evaluate`.
        n_threads : int or "auto"
            Number of threads; "auto" takes as many as pay and find a free core. It changes no result.

        Returns
        -------
        float
            Mean of the config's loss, plus the penalty.

        Raises
        ------
        DataError, DataTypeError
            If X or y has another shape or other values.
        ConfigError
            If n_threads is neither "auto" nor a positive integer.

        Examples
        --------
        >>> import fastmlp
        >>> model = fastmlp.init_model(fastmlp.Config(hidden=(), l2=0.1), n_features=1, n_classes=2)
        >>> model.weights[0] = [[2.0, 2.0]]
        >>> X, y = [[0.0], [1.0]], [0, 1]
        >>> round(model.evaluate(X, y).loss, 4), round(model.objective(X, y), 4)  # the penalty is 0.1 / (2 * 2) * 8
        (0.6931, 0.8931)
        """
        X = self._samples(X)
        with np.errstate(over="ignore"):
            squares = sum_of_losses([np.sum(np.square(W, dtype=np.float64)) for W in self.weights.read()])
        return self.evaluate(X, y, n_threads=n_threads).loss + self.config.l2 / (2 * int(X.shape[0])) * squares

    def forward_validated(
        self, X: NDArray[Any], y: NDArray[Any] | None = None, n_threads: Threads = "auto"
    ) -> tuple[NDArray[Any], NDArray[np.float64], int]:
        """Outputs, losses and findings of `Predictor.forward` for validated samples, targets and n_threads.

        Parameters
        ----------
        X : ndarray or CSR matrix (n_samples, n_features)
            Raw samples, as a Dataset has them.
        y : ndarray, optional
            Targets, as a Dataset has them; without them no loss is computed.
        n_threads : int or "auto"
            Number of threads; it changes no result.

        Returns
        -------
        outputs : ndarray (n_samples, n_outputs)
            Outputs of the last activation.
        losses : ndarray (n_samples,) of float64
            Loss of each sample; empty without targets.
        findings : int
            Bits of ``fastmlp.kernels.predict_layout``: samples out of range, and outputs that are not finite.

        Examples
        --------
        >>> import fastmlp
        >>> data = fastmlp.Dataset([[0.0], [1.0]], ["cat", "dog"], [[0.5]], ["dog"])
        >>> model = fastmlp.init_model(fastmlp.Config(hidden=()), n_features=1, n_classes=2)
        >>> outputs, losses, findings = model.forward_validated(data.X_test)
        >>> outputs.shape, findings
        ((1, 2), 0)
        """
        targets = None if y is None else Targets.of(y, self.config, for_training=False)
        given = targets and targets.checked(X.shape[0], self.n_outputs).for_prediction()
        return self._current_predictor().forward(X, given, n_threads)

    def store_first_layer(self, row_per_feature: bool) -> None:
        """Store the weights of the first layer as the training on sparse samples, or on dense ones, takes them.

        Parameters
        ----------
        row_per_feature : bool
            True for sparse samples, False for dense ones. No value of the weights changes.

        Examples
        --------
        >>> import fastmlp
        >>> model = fastmlp.init_model(fastmlp.Config(hidden=(4,)), n_features=3, n_classes=2)
        >>> before = model.weights[0].copy()
        >>> model.store_first_layer(row_per_feature=True)
        >>> model.params.row_per_feature, bool((model.weights[0] == before).all())
        (True, True)
        """
        if self._params.row_per_feature != row_per_feature:
            self._params = self._params.copy(row_per_feature)

    def copy(self) -> "Model":
        """Return a copy that shares no memory.

        Returns
        -------
        Model
            A network with equal parameters and attributes.

        Examples
        --------
        >>> import fastmlp
        >>> model = fastmlp.init_model(fastmlp.Config(hidden=(4,)), n_features=3, n_classes=2)
        >>> other = model.copy()
        >>> other.biases[0] = [1.0, 1.0, 1.0, 1.0]
        >>> model.biases[0]
        array([0., 0., 0., 0.], dtype=float32)
        """
        return Model(*self._parts()._replace(params=self.params.copy()))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to a file. An existing file is replaced atomically.

        Parameters
        ----------
        path : path-like
            The file. The format is safetensors if its name ends in ``.safetensors``, otherwise ``.npz``.

        Raises
        ------
        OutputError
            If the file cannot be written.
        MissingExtraError
            If the format is safetensors, and safetensors is not installed.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> import fastmlp
        >>> model = fastmlp.init_model(fastmlp.Config(hidden=(4,)), n_features=3, n_classes=2)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "model.npz")
        ...     model.save(path)
        ...     fastmlp.load_model(path)
        <Model 3-4-2, sigmoid, float32, 0 epochs trained>
        """
        write_model(path, self._parts())

    def _parts(self) -> Parts:
        return Parts(self.config, self.params, self.scaling, self.class_names, self.n_epochs, self.classes, self.table)

    def to_sklearn(self) -> Any:
        """Convert the network to a fitted scikit-learn estimator with the same predictions for the same raw samples.

        The scaling is folded into the first layer, in float64, and rounded once to the config's dtype. The products are
        then sums of other numbers, in another order, so that the outputs differ in their last bits. They differ in more
        bits where the mean of a feature is many standard deviations away from zero, since the bias then subtracts what
        the offset subtracted before.

        Two classes become one logistic output, as in scikit-learn: its weights are the differences of the two columns.
        ``classes_`` are the `classes`, which `predict` returns, not their `class_names`. Settings that both libraries
        have are copied. ``partial_fit`` and ``warm_start`` continue from the weights, on raw samples without scaling.

        The encoding of a `table` is no part of the estimator, which takes features:
        ``fastmlp.table.encoder.TableEncoder(model.table).transform(rows)``.

        Returns
        -------
        sklearn.neural_network.MLPClassifier or MLPRegressor
            The regressor for regression, otherwise the classifier.

        Raises
        ------
        MissingExtraError
            If scikit-learn is not installed.
        ConfigError
            If scikit-learn lacks the activation or the loss.
        DataError
            If the dtype cannot represent the weights with the scaling folded in.

        Examples
        --------
        >>> import fastmlp
        >>> model = fastmlp.init_model(fastmlp.Config(hidden=(4,)), n_features=3, n_classes=2)
        >>> model.to_sklearn().predict([[0.0, 1.0, 2.0]]) == model.predict([[0.0, 1.0, 2.0]])
        array([ True])
        """
        from fastmlp.export.to_sklearn import make_estimator

        return make_estimator(self)

    def to_torch(self) -> Any:
        """Convert the network to a ``torch.nn.Sequential`` of ``Linear`` layers and activations, in the config's dtype.

        The module returns logits, as PyTorch's losses expect: `predict_proba` is ``softmax(module(X), dim=1)``. For the
        other losses the output is the sigmoid, the identity or the exponential of ``module(X)``.

        Its input is raw samples: the scaling is folded into the first layer, in float64, and rounded once. The
        ``state_dict`` is therefore that of ordinary ``Linear`` layers, which PyTorch loads without fastmlp. The outputs
        differ in their last bits (see `to_sklearn`), and training continued in PyTorch uses samples that are not
        scaled. The encoding of a `table` is no part of the module, which takes features (see `to_sklearn`).

        Returns
        -------
        torch.nn.Sequential
            The module. It shares no memory with the network, and PyTorch's random number generator is not advanced.

        Raises
        ------
        MissingExtraError
            If PyTorch is not installed.
        DataError
            If the dtype cannot represent the weights with the scaling folded in.

        Examples
        --------
        >>> import fastmlp
        >>> model = fastmlp.init_model(fastmlp.Config(hidden=(4,)), n_features=3, n_classes=2)
        >>> model.to_torch()  # doctest: +SKIP
        Sequential(
          (0): Linear(in_features=3, out_features=4, bias=True)
          (1): Sigmoid()
          (2): Linear(in_features=4, out_features=2, bias=True)
        )
        """
        from fastmlp.export.torch import make_module

        return make_module(self)

    def to_onnx(self, path: str | os.PathLike[str], *, input_type: str | None = None) -> None:
        """Write the network to an ONNX file. An existing file is replaced atomically.

        The input of the graph is ``X`` (n_samples, n_features), raw samples; the scaling is a multiplication and an
        addition. The outputs are ``probabilities`` (n_samples, n_classes) and ``label`` (n_samples,), as returned by
        `predict_proba` and `predict`; for the task multilabel, ``label`` has one column per label. For regression the
        only output is ``values``. Class names are stored in the file's metadata as JSON.

        ``label`` holds the classes: integers as int64, booleans as bool, floats as float or double, strings as strings,
        and dates as strings in ISO format, since ONNX has no dates.

        With a `table`, the graph takes raw rows: one input (n_samples, 1) per column that becomes features, of the
        column's name; columns that are ids or left out are no inputs. Numbers have the dtype input_type, and NaN stands
        for a missing one. Categories are strings, without blanks around them; a missing one is "" or another of
        `fastmlp.table.schema.MISSING_CELLS`, and unknown levels mean the same as in `predict`. A level that is a whole
        number is known with and without ".0", as Python writes floats and integers, but not with more zeros, which
        `predict` accepts too: "1" and "1.0", not "1.00". True and false are known as "true", "True" and "TRUE".

        Dates are int64, seconds since 1970-01-01, and -2**63 for a missing one:
        ``array.astype("datetime64[s]").astype("int64")``. A column that has the name of an output, or none, has an
        input of that name and " (column)". A table of bytes, such as pixels, has one input ``X`` (n_samples,
        n_features) as without a table. The file's metadata has the schema and the columns' inputs by name as JSON,
        ``table`` and ``inputs``.

        The operators are those of opset 13, in the config's dtype, and for categories LabelEncoder of ai.onnx.ml, opset
        2, which onnxruntime has. Activations that ONNX or onnxruntime lack, or
        support in one dtype only, are composed of other operators.

        Parameters
        ----------
        path : path-like
            The file.
        input_type : {"uint8", "float32", "float64"}, optional
            Dtype of X, or of the columns of numbers. The default is the config's dtype.

        Raises
        ------
        MissingExtraError
            If onnx is not installed.
        ConfigError
            If input_type is invalid.
        OutputError
            If the file cannot be written, or would exceed the 2 GB that the format allows.

        Examples
        --------
        >>> import fastmlp, os, tempfile
        >>> model = fastmlp.init_model(fastmlp.Config(hidden=(4,)), n_features=3, n_classes=2)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.to_onnx(f"{folder}/model.onnx")
        ...     os.listdir(folder)
        ['model.onnx']
        """
        from fastmlp.export.onnx import write_onnx

        write_onnx(path, self, input_type)


def init_model(config: Config, n_features: int, n_classes: int) -> Model:
    """Make an untrained network with initial weights.

    Parameters
    ----------
    config : Config
        Its hidden, activation, init, loss, seed and precision are used.
    n_features, n_classes : int
        Number of features and of outputs.

    Returns
    -------
    Model
        The network, without scaling. Its classes are 0 .. n_classes - 1; training gives it those of the data.

    Raises
    ------
    ConfigError
        If n_features or n_classes is less than 1, or if n_classes is less than 2 for cross-entropy.

    Examples
    --------
    >>> import fastmlp
    >>> fastmlp.init_model(fastmlp.Config(), n_features=3072, n_classes=10)
    <Model 3072-100-100-10, sigmoid, float32, 0 epochs trained>
    """
    min_classes = 2 if config.loss == "cross_entropy" else 1
    for name, given, minimum in (("n_features", n_features, 1), ("n_classes", n_classes, min_classes)):
        if not isinstance(given, (int, np.integer)) or given < minimum:
            raise ConfigError(f"{name}: expected an integer >= {minimum}, got {given!r}")
    sizes = (int(n_features), *config.hidden, int(n_classes))
    return Model(config, init_params(sizes, np.dtype(config.dtype), config.init, config.activation, config.seed))


def load_model(path: str | os.PathLike[str]) -> Model:
    """Load a network from a file that `Model.save` wrote.

    Parameters
    ----------
    path : path-like
        The file. The format is safetensors if its name ends in ``.safetensors``, otherwise ``.npz``.

    Returns
    -------
    Model
        The network, with bit-identical predictions.

    Raises
    ------
    DataNotFoundError
        If the file does not exist or cannot be read.
    FileFormatError
        If the file is damaged, not a model, or of another version.
    MissingExtraError
        If the format is safetensors, and safetensors is not installed.

    Examples
    --------
    >>> import fastmlp, tempfile
    >>> model = fastmlp.init_model(fastmlp.Config(), n_features=5, n_classes=3)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(f"{folder}/model.npz")
    ...     loaded = fastmlp.load_model(f"{folder}/model.npz")
    >>> bool((loaded.weights[0] == model.weights[0]).all())
    True
    """
    return Model(*read_model(path))
