"""Networks of every activation and loss, and their outputs computed in NumPy."""

import numpy as np
import pytest

from fastmlp.config import Config
from fastmlp.model.model import Model
from fastmlp.model.params import Params
from fastmlp.settings import LOSSES

#: Activations of the output layer.
OUTPUTS = {
    "softmax": lambda z: np.exp(z) / np.exp(z).sum(axis=1, keepdims=True),
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "identity": lambda z: z,
    "exp": np.exp,
}


class Networks:
    """Make networks, and compute their outputs with a table of activations in NumPy."""

    def __init__(self, plain_activations):
        self.plain_activations = plain_activations
        self.activations, self.losses = tuple(plain_activations), tuple(LOSSES)

    @staticmethod
    def make(activation="tanh", loss="cross_entropy", precision="float32", sizes=(6, 9, 8, 3), scaled=True):
        """Make a network whose pre-activations are near 1 in size, where every activation is non-linear."""
        rng = np.random.default_rng(1)
        params = Params(sizes, precision)
        params.weights = [rng.standard_normal(W.shape) / np.sqrt(len(W)) for W in params.weights]
        params.biases = [rng.standard_normal(b.shape) / 2 for b in params.biases]
        scaling = (rng.uniform(0.5, 2, sizes[0]) / 255, rng.standard_normal(sizes[0])) if scaled else None
        config = Config(hidden=sizes[1:-1], precision=precision, activation=activation, loss=loss)
        return Model(config, params, scaling)

    @staticmethod
    def samples(n_features=6):
        return np.random.default_rng(2).integers(0, 256, (50, n_features)).astype(np.uint8)

    def logits(self, network, X):
        """Logits, computed in float64."""
        factor, offset = network.scaling or (1.0, 0.0)
        A = np.asarray(X, float) * factor + offset
        *hidden, (W, b) = zip(network.params.weights, network.params.biases, strict=True)
        for V, c in hidden:
            A = self.plain_activations[network.config.activation](A @ V.astype(float) + c)
        return A @ W.astype(float) + b

    def outputs(self, network, X):
        return OUTPUTS[LOSSES[network.config.loss].output](self.logits(network, X))

    @staticmethod
    def tolerance(precision):
        """Relative and absolute tolerance of comparisons, 16 units in the last place.

        A pre-activation is a sum of ten terms of size 1, with an error of one or two units in the last place. These add
        up over three layers, and double where the scaling is folded. The relative error of a probability is the
        absolute error of its logit. Networks made by `make` have errors of at most 1.3 units; trained networks have
        larger pre-activations and errors. The nearest wrong formula, gelu without its tanh, differs by 1e-4.
        """
        eps = float(np.finfo(precision).eps)
        return {"rtol": 16 * eps, "atol": 16 * eps}


@pytest.fixture(scope="session")
def networks(plain_activations):
    return Networks(plain_activations)
