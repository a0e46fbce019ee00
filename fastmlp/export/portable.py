"""Portable: the ways out of a trained network, as methods of `fastmlp.Model`."""

import os
from typing import Any

from fastmlp.config import Config
from fastmlp.export import onnx_file, to_sklearn, torch_module
from fastmlp.export.trained import Scaling
from fastmlp.params import Params


class Portable:
    """A network that other libraries can have; what it is made of stands in `fastmlp.Model`."""

    config: Config
    params: Params
    scaling: Scaling | None
    class_names: tuple[str, ...] | None
    n_epochs: int

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
        return to_sklearn.make_estimator(self)

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
        return torch_module.make_module(self)

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
        onnx_file.write_onnx(path, self, input_type)
