"""A trained network, or one about to be: predict, evaluate, save, load. Knows nothing of how it is trained."""

import math
import os
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastmlp.codegen.cpu import row_stride
from fastmlp.config import Config
from fastmlp.data.check import check_X
from fastmlp.data.scaling import check_representable
from fastmlp.data.target import check_loss, check_target
from fastmlp.errors import ConfigError
from fastmlp.kernels.epoch import predict_chunk
from fastmlp.kernels.layout import DataArrays
from fastmlp.kernels.sampling import DTYPE_CODES
from fastmlp.metrics import score_of
from fastmlp.model.file import read_model, write_model
from fastmlp.model.kernel_args import Targets, arrays_for_prediction
from fastmlp.model.params import Params, Views, aligned_zeros, init_params
from fastmlp.model.parts import Parts, Scaling, is_binary
from fastmlp.model.workspace import Workspace
from fastmlp.settings import Task

#: Samples a batch when predicting: larger than a training batch, since the weights are read from L2 once a batch; no
#: result depends on it.
PREDICT_BATCH = 128
#: Work of one call into a kernel when predicting, so that Ctrl-C is answered: a quarter of a second at 20 GFLOP/s.
PREDICT_FLOPS = 5e9

Losses = NDArray[np.float64]


class Evaluation(NamedTuple):
    """How a network does on labelled samples.

    Attributes
    ----------
    loss : float
        Mean of the config's loss: for cross-entropy equation (1) without its penalty.
    score : float
        Accuracy, the share of the samples that are classified rightly, in all their labels; or R2, where numbers are
        predicted.
    """

    loss: float
    score: float


class Model:
    """A multi-layer perceptron: its parameters, and how raw samples are scaled on the way in.

    Made by `init_model`, `train`, `load_model` and `from_sklearn`.

    Attributes
    ----------
    config : Config
        The settings it was made or last trained with.
    n_features, n_outputs : int
        Width of its input and of its output.
    n_classes : int
        2 where one sigmoid output tells two classes apart, else as n_outputs.
    weights, biases : sequence of ndarray
        Of each layer, (fan_in, fan_out) and (fan_out,), in the precision of the config. To read, to change in place, or
        to assign: ``model.weights[0] = W`` copies W into the network, and raises `DataError` if W does not fit.
    scaling : tuple of ndarray or None
        factor and offset, (n_features,), float64: the network's input is ``X * factor + offset``. None: X itself.
    class_names : tuple of str or None
        A name for each class.
    n_epochs : int
        Epochs trained so far.

    Examples
    --------
    >>> import fastmlp
    >>> model = fastmlp.init_model(fastmlp.Config(hidden=(4,)), n_features=3, n_classes=2)
    >>> [W.shape for W in model.weights], model.predict_proba([[0.0, 1.0, 2.0]]).shape
    ([(3, 4), (4, 2)], (1, 2))
    """

    def __init__(
        self,
        config: Config,
        params: Params,
        scaling: Scaling | None = None,
        class_names: tuple[str, ...] | None = None,
        n_epochs: int = 0,
    ) -> None:
        self.config, self.params, self.scaling = config, params, scaling
        self.class_names, self.n_epochs = class_names, n_epochs

    @property
    def n_features(self) -> int:
        """Width of the input."""
        return self.params.sizes[0]

    @property
    def n_outputs(self) -> int:
        """Width of the output."""
        return self.params.sizes[-1]

    @property
    def n_classes(self) -> int:
        """Classes, labels or numbers of a sample."""
        return 2 if is_binary(self.config, self.params) else self.n_outputs

    @property
    def task(self) -> Task:
        """What it does, as `Dataset` calls it."""
        if self.config.loss == "cross_entropy" or is_binary(self.config, self.params):
            return "classification"
        return "multilabel" if self.config.loss == "binary_cross_entropy" else "regression"

    @property
    def weights(self) -> Views:
        """Each layer's weights, (fan_in, fan_out)."""
        return self.params.weights

    @weights.setter
    def weights(self, arrays: Iterable[object]) -> None:
        self.params.weights.assign(arrays)

    @property
    def biases(self) -> Views:
        """Each layer's biases, (fan_out,)."""
        return self.params.biases

    @biases.setter
    def biases(self, arrays: Iterable[object]) -> None:
        self.params.biases.assign(arrays)

    def __repr__(self) -> str:
        shape = "-".join(map(str, self.params.sizes))
        return f"<Model {shape}, {self.config.activation}, {self.config.precision}, {self.n_epochs} epochs trained>"

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Probability of each class, equation (2), or of each label.

        Parameters
        ----------
        X : array_like (n_samples, n_features)
            Samples as in training, not scaled.

        Returns
        -------
        ndarray (n_samples, n_classes)
            In the precision of the config.

        Raises
        ------
        DataError, DataTypeError
            If X is not finite numbers of that shape.
        ConfigError
            If the network predicts numbers.
        """
        if self.task == "regression":
            raise ConfigError(f"a network trained with loss {self.config.loss!r} has no probabilities; use predict")
        outputs = self._outputs(X)
        return np.hstack([1 - outputs, outputs]) if is_binary(self.config, self.params) else outputs

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Number of the most probable class; or which labels apply; or the numbers.

        Parameters
        ----------
        X : array_like (n_samples, n_features)
            Samples as in training, not scaled.

        Returns
        -------
        ndarray (n_samples,) of int64
            Of several labels a sample (n_samples, n_labels), each 0 or 1. Numbers come in the precision of the config,
            (n_samples,) or, of several a sample, (n_samples, n_outputs).

        Raises
        ------
        DataError, DataTypeError
            If X is not finite numbers of that shape.
        """
        return self._decide(self._outputs(X))

    def evaluate(self, X: ArrayLike, y: ArrayLike) -> Evaluation:
        """Mean loss, and accuracy or R2.

        Parameters
        ----------
        X : array_like (n_samples, n_features)
            Samples as in training, not scaled.
        y : array_like (n_samples,) or (n_samples, n_outputs)
            Labels 0 .. n_classes - 1; or 0 or 1 for each label; or numbers.

        Returns
        -------
        Evaluation

        Raises
        ------
        DataError, DataTypeError
            If X or y is not what is described.
        """
        X = check_representable(check_X(X, self.n_features), self.scaling, self.config.dtype)
        y = check_target(y, len(X), self.task, self.n_classes)
        check_loss(y, self.config.loss, self.config.dtype)
        return self.evaluate_checked(X, y)

    def evaluate_checked(self, X: NDArray[Any], y: NDArray[Any]) -> Evaluation:
        """`evaluate` for arrays that a Dataset has checked already."""
        outputs, losses = self.forward_checked(X, y)
        predicted = self._decide(outputs)
        score = score_of(self.config.loss, predicted, y if predicted.ndim == y.ndim else y[:, 0])
        return Evaluation(math.fsum(losses) / len(y), score)

    def _outputs(self, X: ArrayLike) -> NDArray[Any]:
        return self.forward_checked(check_representable(check_X(X, self.n_features), self.scaling, self.config.dtype))[
            0
        ]

    def _decide(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Predictions of outputs."""
        if self.config.loss == "cross_entropy":
            return np.asarray(outputs.argmax(axis=1))
        values = outputs if self.task == "regression" else (outputs > 0.5).astype(np.int64)
        return values[:, 0] if self.n_outputs == 1 else values

    def objective(self, X: ArrayLike, y: ArrayLike) -> float:
        """Equation (1): mean cross-entropy plus ``l2 / (2 m) * ||W||**2`` over the m samples, l2 from the config.

        The gradient that training follows, equation (8), has ``l2 * W``; that of (1) has ``l2 / m * W``. The paper's
        equations disagree by this factor of m: the update follows (8), and this is (1) as it stands.
        """
        n_samples = len(check_X(X, self.n_features))
        squares = math.fsum(float(np.sum(np.square(W, dtype=np.float64))) for W in self.weights)
        return self.evaluate(X, y).loss + self.config.l2 / (2 * n_samples) * squares

    def forward_checked(self, X: NDArray[Any], y: NDArray[Any] | None = None) -> tuple[NDArray[Any], Losses]:
        """Outputs (n_samples, n_outputs) and the loss of each checked sample, which is meaningless without y."""
        n, dtype, batch = len(X), self.params.theta.dtype, min(PREDICT_BATCH, len(X))
        y = np.zeros(n if self.config.loss == "cross_entropy" else (n, self.n_outputs)) if y is None else y
        targets = Targets.of(y, self.config, for_training=False)
        workspace = Workspace(self.params, self.config, batch, for_training=False)
        net = workspace.network(arrays_for_prediction(self.params.theta))
        outputs, losses, batch_order = np.empty((n, self.n_outputs), dtype), np.empty(n), np.empty(batch, np.int32)
        flops = 2 * sum(W.size for W in self.weights)
        chunk = max(1, int(PREDICT_FLOPS / flops) // batch) * batch
        data = self.kernel_data(X)
        for first in range(0, n, chunk):
            bounds = first, min(first + chunk, n)
            predict_chunk(data, targets, batch_order, net, workspace.coefficients, outputs, losses, bounds)
        return outputs, losses

    def kernel_data(self, X: NDArray[Any]) -> DataArrays:
        """Checked samples, which stay where they lie, and the scaling, as the kernels take them."""
        factor, offset = self.scaling or (np.ones(self.n_features), np.zeros(self.n_features))
        dtype, n = self.params.theta.dtype, self.n_features
        scaling = aligned_zeros(2 * row_stride(n, dtype.itemsize), dtype).reshape(2, -1)
        scaling[:, :n] = factor, offset
        first_sample = X[:1].view(np.uint8)[0]
        first_sample.flags.writeable = False
        return DataArrays(first_sample, X.strides[0], DTYPE_CODES[X.dtype.name], scaling[0], scaling[1])

    def copy(self) -> "Model":
        """The same in memory of its own."""
        return Model(self.config, self.params.copy(), self.scaling, self.class_names, self.n_epochs)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to a file, a new one first, which then takes the old one's place.

        Parameters
        ----------
        path : path-like
            The file: safetensors if its name ends in ``.safetensors``, otherwise ``.npz``.

        Raises
        ------
        OutputError
            If the file cannot be written.
        MissingExtraError
            If it is to be a ``.safetensors`` and safetensors is not installed.
        """
        write_model(path, Parts(self.config, self.params, self.scaling, self.class_names, self.n_epochs))

    def to_sklearn(self) -> Any:
        """A fitted scikit-learn estimator that predicts the same from the same raw samples.

        The scaling is folded into the first layer, in float64, and rounded to the config's precision once. Sums are
        then of other numbers, in another order: outputs agree to the last bits, fewer of them where a feature lies many
        of its spreads from zero, since what the offset took away is then taken away by the bias.

        Two classes become one logistic output, as scikit-learn has it: its weights are the differences of the two
        columns. Class names become ``classes_``, which are sorted, and so are the columns of its ``predict_proba``.
        Settings that both libraries have are set; ``partial_fit`` and ``warm_start`` go on from the weights, on samples
        as they are, without the scaling.

        Returns
        -------
        sklearn.neural_network.MLPClassifier or MLPRegressor
            The regressor where the network's outputs are no probabilities.

        Raises
        ------
        MissingExtraError
            If scikit-learn is not installed.
        ConfigError
            If scikit-learn does not have the activation.
        DataError
            If two classes have one name, or the precision cannot hold what the scaling is folded into.

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
        """A ``torch.nn.Sequential`` of plain ``Linear`` layers and activations, in the config's precision.

        It ends in the sums of the last layer, the logits: `predict_proba` is ``softmax(module(X), dim=1)``, or for the
        other losses the sigmoid, the identity or the exponential of ``module(X)``. That is what PyTorch's losses ask
        for.

        It takes raw samples: the scaling is folded into the first layer, in float64, and rounded once. So its
        ``state_dict`` holds what every stack of ``Linear`` layers holds, and no class of ours is needed to read it.
        This costs the last bits (see `to_sklearn`); and who trains on in PyTorch does so on samples that are not
        scaled.

        Returns
        -------
        torch.nn.Sequential
            In memory of its own; PyTorch's random numbers are not drawn from.

        Raises
        ------
        MissingExtraError
            If PyTorch is not installed.
        DataError
            If the precision cannot hold what the scaling is folded into.

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
        """Write an ONNX file, a new one first, which then takes the old one's place.

        Its input is ``X`` (n_samples, n_features), raw: the scaling is a multiplication and an addition. Its outputs
        are ``probabilities`` (n_samples, n_classes) and ``label`` (n_samples,), as `predict_proba` and `predict` give
        them; ``label`` has a column for each label where several may hold; and of a network for numbers there is only
        ``values``. Class names stand in the file's metadata as JSON.

        Operators are of opset 13 and in the config's precision. Activations that ONNX or onnxruntime lack, or have in
        one precision only, are composed of those they have.

        Parameters
        ----------
        path : path-like
            The file.
        input_type : {"uint8", "float32", "float64"}, optional
            Type of X; the config's precision if not given.

        Raises
        ------
        MissingExtraError
            If onnx is not installed.
        ConfigError
            If input_type is another.
        OutputError
            If the file cannot be written, or would have more than 2 GB, which the format does not allow.

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
    """An untrained network.

    Parameters
    ----------
    config : Config
        Hidden layers, activation, init, seed and precision are what matters here.
    n_features, n_classes : int
        Width of its input and of its output.

    Returns
    -------
    Model

    Raises
    ------
    ConfigError
        If n_features or n_classes is less than 1, or of classes for cross-entropy less than 2.

    Examples
    --------
    >>> import fastmlp
    >>> fastmlp.init_model(fastmlp.Config(), n_features=3072, n_classes=10)
    <Model 3072-100-100-10, sigmoid, float32, 0 epochs trained>
    """
    fewest = 2 if config.loss == "cross_entropy" else 1
    for name, given, least in (("n_features", n_features, 1), ("n_classes", n_classes, fewest)):
        if not isinstance(given, (int, np.integer)) or given < least:
            raise ConfigError(f"{name}: expected an integer >= {least}, got {given!r}")
    sizes = (int(n_features), *config.hidden, int(n_classes))
    return Model(config, init_params(sizes, np.dtype(config.dtype), config.init, config.activation, config.seed))


def load_model(path: str | os.PathLike[str]) -> Model:
    """Read a network that `Model.save` wrote.

    Parameters
    ----------
    path : path-like
        The file: safetensors if its name ends in ``.safetensors``, otherwise ``.npz``.

    Returns
    -------
    Model
        Predicts the same, bit for bit.

    Raises
    ------
    DataNotFoundError
        If there is no such file.
    FileFormatError
        If it is damaged, not a model, or of another version.
    MissingExtraError
        If it is a ``.safetensors`` and safetensors is not installed.

    Examples
    --------
    >>> import fastmlp, tempfile
    >>> model = fastmlp.init_model(fastmlp.Config(), n_features=5, n_classes=3)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(f"{folder}/model.npz")
    ...     twin = fastmlp.load_model(f"{folder}/model.npz")
    >>> bool((twin.weights[0] == model.weights[0]).all())
    True
    """
    return Model(*read_model(path))
