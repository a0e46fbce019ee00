"""Networks of every activation and loss, and their equations in NumPy."""

import numpy as np
import pytest

from fastmlp.config import Config
from fastmlp.model.model import Model
from fastmlp.model.params import Params

EQUATIONS = {
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "identity": lambda z: z,
    "leaky_relu": lambda z: np.where(z < 0, 0.01 * z, z),
    "elu": lambda z: np.where(z < 0, np.expm1(np.minimum(z, 0)), z),
    "gelu": lambda z: 0.5 * z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3))),
    "silu": lambda z: z / (1 + np.exp(-z)),
    "softplus": lambda z: np.logaddexp(0, z),
}
OUTPUTS = {
    "cross_entropy": lambda z: np.exp(z) / np.exp(z).sum(axis=1, keepdims=True),
    "binary_cross_entropy": EQUATIONS["sigmoid"],
    "squared_error": lambda z: z,
    "huber": lambda z: z,
    "poisson": np.exp,
}


def logits(network, X):
    """The last layer's sums, in float64."""
    factor, offset = network.scaling or (1.0, 0.0)
    A = np.asarray(X, float) * factor + offset
    *hidden, (W, b) = zip(network.params.weights, network.params.biases, strict=True)
    for V, c in hidden:
        A = EQUATIONS[network.config.activation](A @ V.astype(float) + c)
    return A @ W.astype(float) + b


class Networks:
    """What the tests of several formats ask of them."""

    activations, losses = tuple(EQUATIONS), tuple(OUTPUTS)

    @staticmethod
    def make(activation="tanh", loss="cross_entropy", precision="float32", sizes=(6, 9, 8, 3), scaled=True):
        """Weights of a size that keeps a unit's sum near 1, where every activation bends."""
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

    logits = staticmethod(logits)

    @staticmethod
    def outputs(network, X):
        return OUTPUTS[network.config.loss](logits(network, X))

    @staticmethod
    def tolerance(precision):
        """A layer's sum has ten terms of size 1 and loses a unit or two in the last place, of which three layers are in
        line, and as many again where the scaling is folded; a probability loses relatively what its logit loses
        absolutely. The networks made here lose 1.3 at most, trained ones, whose sums are larger, more. The nearest
        wrong formula, gelu without its tanh, is off by 1e-4.
        """
        eps = float(np.finfo(precision).eps)
        return {"rtol": 16 * eps, "atol": 16 * eps}


@pytest.fixture(scope="session")
def networks():
    return Networks
