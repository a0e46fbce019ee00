"""Reference implementation of a network: forward pass, training step and epoch, equations (1) to (11)."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastmlp import settings
from fastmlp.config import Config
from fastmlp.data.scaling import pixel_scale_of
from fastmlp.metrics import sum_of_losses
from fastmlp.reference.arithmetic import SINGLE, Array, fma, multiply
from fastmlp.reference.elementwise import (
    activation_backward,
    activation_forward,
    derivatives_fill,
    smoothing_forward,
    softmax_backward,
    softmax_forward,
    values_backward,
    values_forward,
)
from fastmlp.reference.products import Bf16Layer, Layer, bias_gradient, product
from fastmlp.reference.update import Coefficients, coefficients_of_step, optimizer_step, weights_shrink
from fastmlp.seeding import GOLDEN, splitmix64
from fastmlp.settings import ACTIVATIONS, BF16_TERMS


def hidden_forward(Z: Array, activation: str, masks: Array | None = None) -> tuple[Array, Array | None]:
    """``A = f(Z)`` and f'(Z), both times the dropout masks; None for f'(Z) where it is computed from A later."""
    A = activation_forward(Z, activation)
    if masks is not None:
        return multiply(A, masks), multiply(derivatives_fill(Z, A, activation), masks)
    return A, derivatives_fill(Z, A, activation) if ACTIVATIONS[activation].derivative_of == "input" else None


def hidden_backward(dA: Array, A: Array, derivatives: Array | None, activation: str) -> Array:
    """``dZ = dA * f'(Z)``: equation (7)."""
    return activation_backward(dA, A, activation) if derivatives is None else multiply(dA, derivatives)


def dense_backward(dZ: Array, W: Array, A_below: Array, derivatives: Array | None, activation: str) -> Array:
    """``dZ_below = (dZ W^T) * f'(Z_below)``: equations (6) and (7); a sum over the outputs starts from zero."""
    return hidden_backward(product(np.zeros_like(A_below), dZ, W.T), A_below, derivatives, activation)


def add_squares(array: Array, total: float) -> float:
    """``total + sum of squares``: down each column in array's type, then over the columns in float64."""
    squares = np.zeros_like(array[0])
    for row in array:
        squares = fma(row, row, squares)
    for square in squares.tolist():
        total += square
    return total


def gradient_clip(gradients: list[Array], max_norm: float) -> list[Array]:
    """Every gradient times ``max_norm / norm`` where the norm of all together is larger (Pascanu et al. 2013).

    Of the squares, those of weights are summed first, layer after layer, then those of biases.
    """
    total = 0.0
    for g in (*gradients[::2], *gradients[1::2]):
        # a layer's W is stored with its inputs as columns
        total = add_squares(g.T if g.ndim == 2 else g[None], total)
    norm = math.sqrt(total)
    return [multiply(g, g.dtype.type(max_norm / norm)) for g in gradients] if norm > max_norm else gradients


def permutation_fill(order: Array, state: int) -> None:
    """``order`` = a permutation of 0 .. n - 1: Fisher and Yates's shuffle, each draw by Lemire's multiplication."""
    order[:] = np.arange(len(order))
    for i in range(len(order) - 1, 0, -1):
        bound, low = i + 1, -1
        while low < (2**32 - bound) % bound:
            state = (state + GOLDEN) % 2**64
            j, low = divmod((int(splitmix64(np.array([state], np.uint64))[0]) >> 32) * bound, 2**32)
        order[[i, j]] = order[[j, i]]


def weights_of(weights: Array | None, n_samples: int) -> tuple[Array, float]:
    """Each sample's fraction of a batch's weight, and the sum of the weights in the samples' order; 0 where it is 0."""
    if weights is None:
        return np.full(n_samples, 1 / n_samples), float(n_samples)
    total = 0.0
    for weight in weights.tolist():
        total += weight
    return weights / total if total > 0 else np.zeros(n_samples), total


def dropout_masks(dropped: int, draw: int, number: int, n_units: int, batch_size: int) -> Array:
    """Masks (batch_size, n_units) of a layer: 0 for `dropped` of 65,536 draws, 1 / (1 - dropout) for the others.

    A draw is keyed by the state of the step, the layer's number, the unit and the sample's place in the batch; four
    draws share 64 random bits, the lowest first.
    """
    n_groups, key = -(-batch_size // 4), np.array([(draw + GOLDEN * (number + 1)) % 2**64], np.uint64)
    counts = np.arange(1, n_units * n_groups + 1, dtype=np.uint64) * np.uint64(GOLDEN)
    bits = splitmix64(splitmix64(key) + counts).reshape(n_units, n_groups, 1)
    draws = bits >> np.arange(0, 64, 16, dtype=np.uint64) & np.uint64(0xFFFF)
    kept = np.where(draws.astype(np.int64) < dropped, 0.0, 65536 / (65536 - dropped))
    return kept.reshape(n_units, -1)[:, :batch_size].T


def gather_rows(X: Array, rows: Array, scaling: tuple[Array, Array], dtype: Any) -> Array:
    """``X[rows] * factor + offset``, all of them rounded to the network's dtype first."""
    factor, offset = (part.astype(dtype) for part in scaling)
    return fma(X[rows].astype(dtype), factor, offset)


class Network:
    """A network in training: its parameters, the state of its optimizer, and a training step.

    ``theta = [W1, b1, W2, b2, ...]``; m and v, the optimizer's moments, likewise; powers: see `coefficients_of_step`.

    Examples
    --------
    >>> config = Config(hidden=(), learning_rate=1.0, precision="float64")
    >>> network = Network(config, [np.zeros((1, 2))], [np.zeros(2)])
    >>> network.train_step(np.ones((1, 1)), np.array([0]), lr=1.0), network.theta[0]
    (array([0.69314718]), array([[ 0.5, -0.5]]))
    """

    def __init__(self, config: Config, weights: Sequence[Array], biases: Sequence[Array]) -> None:
        self.config = config
        self.theta = [array.copy() for pair in zip(weights, biases, strict=True) for array in pair]
        self.m, self.v = ([np.zeros_like(array) for array in self.theta] for _ in "mv")
        self.powers, self.n_samples = np.ones(4), config.batch_size
        self.terms = BF16_TERMS.get(config.precision, 0)
        self.dropped = round(config.dropout * 65536)

    def is_bf16(self, place: int) -> bool:
        """Whether training computes a layer's products in bf16."""
        batch_size = min(self.config.batch_size, self.n_samples)
        fan_in, fan_out = self.theta[2 * place].shape
        return self.terms > 0 and settings.uses_bf16(fan_in, fan_out, batch_size)

    def layers_forward(
        self, A: Array, draw: int | None = None, pixel_scale: np.float32 | None = None
    ) -> tuple[list[Layer], Array, list[Array | None]]:
        """Every layer with its input, the first of which is the batch; the logits; the stored derivatives.

        draw: state of the generator of a step's dropout masks; None when predicting. pixel_scale: see `train_step`.
        """
        layers: list[Layer] = []
        derivatives: list[Array | None] = [None]
        Z, masks = A, None
        for place, (W, b) in enumerate(zip(self.theta[::2], self.theta[1::2], strict=True)):
            if place > 0:
                if draw is not None and self.dropped:
                    batch = min(self.config.batch_size, self.n_samples)
                    masks = dropout_masks(self.dropped, draw, place, Z.shape[1], batch)[: len(A)].astype(A.dtype)
                A, derivative = hidden_forward(Z, self.config.activation, masks)
                derivatives.append(derivative)
            if draw is not None and self.is_bf16(place):
                layers.append(Bf16Layer(self.terms, A, pixel_scale if place == 0 else None))
            else:
                layers.append(Layer(A))
            Z = layers[-1].forward(W, b)
        return layers, Z, derivatives

    def update(self, i: int, g: Array, c: Coefficients) -> None:
        """The config's optimizer on ``theta[i]``; L2 (8) and weight decay act on weights, not on biases."""
        if i % 2 == 1:
            c = c._replace(l2=c.l2 * 0, decay=c.decay * 0)
        w = weights_shrink(self.theta[i], c)
        step = optimizer_step(self.config.optimizer, w, self.m[i], self.v[i], fma(c.l2, w, g), c)
        self.theta[i], self.m[i], self.v[i] = step

    def loss_forward(self, Z: Array, y: Array, smoothing: float) -> tuple[Array, Array]:
        """Outputs and each sample's loss: y (m,) are labels, or (m, n_outputs) targets."""
        if self.config.loss != "cross_entropy":
            return values_forward(Z, y, self.config.loss, self.config.huber_delta)
        probs, loss = softmax_forward(Z, y)
        return probs, smoothing_forward(Z, y, loss, smoothing) if smoothing > 0 else loss

    def loss_backward(self, out: Array, y: Array, weights: Array) -> Array:
        """The last layer's deltas."""
        if self.config.loss == "cross_entropy":
            return softmax_backward(out, y, weights, self.config.label_smoothing)
        return values_backward(out, y, weights, self.config.loss, self.config.huber_delta)

    def penalty(self, total: float) -> float:
        """Of equation (1), over a batch whose weights sum up to total: ``l2 / (2 total) ||W||**2``."""
        squares = 0.0
        for W in self.theta[::2]:
            squares = add_squares(W.T, squares)
        return 0.5 * self.config.l2 / total * squares

    def train_step(
        self,
        A: Array,
        y: Array,
        lr: float,
        weights: Array | None = None,
        draw: int = 0,
        pixel_scale: np.float32 | None = None,
    ) -> Array:
        """One step on a batch, equations (2) to (10); returns each sample's loss before the update.

        pixel_scale: scale of the pixels in A, which enter bf16 products unscaled; None where A is the network's input.
        """
        parts, total = weights_of(weights, len(A))
        c = coefficients_of_step(self.config, lr, self.powers, total)
        layers, Z, derivatives = self.layers_forward(A, draw, pixel_scale)
        out, loss = self.loss_forward(Z, y, self.config.label_smoothing)
        dZ = self.loss_backward(out, y, parts.astype(A.dtype))
        gradients: list[Array] = []
        for place in reversed(range(len(layers))):
            layer = layers[place]
            gradients = [layer.gradient(dZ), bias_gradient(dZ), *gradients]
            if place > 0:
                dA = layer.backward(dZ, self.theta[2 * place])
                dZ = hidden_backward(dA, layer.A_below, derivatives[place], self.config.activation)
        if self.config.clip_norm > 0:
            gradients = gradient_clip(gradients, self.config.clip_norm)
        for i, g in enumerate(gradients):
            self.update(i, g, c)
        return loss if weights is None else np.where(parts > 0, loss * (parts * len(A)), 0.0)

    @np.errstate(over="ignore", invalid="ignore")
    def train_epoch(
        self,
        X: Array,
        y: Array,
        scaling: tuple[Array, Array],
        lr: float,
        state: int,
        weights: Array | None = None,
        dropout_state: int = 0,
    ) -> tuple[float, float]:
        """An epoch over unscaled samples; returns the means of loss and penalty, each batch's before its step."""
        n, batch = len(X), min(self.config.batch_size, len(X))
        order, loss_sum, penalty = np.arange(n), np.zeros(batch), 0.0
        self.n_samples = n
        if self.config.shuffle:
            permutation_fill(order, state)
        for step, rows in enumerate(np.split(order, range(batch, n, batch))):
            scale = pixel_scale_of(scaling, X) if self.is_bf16(0) else None
            pixel_scale = None if scale is None else np.float32(scale)
            A = gather_rows(X, rows, scaling, self.config.dtype) if pixel_scale is None else X[rows].astype(SINGLE)
            chosen = None if weights is None else weights[rows]
            total = weights_of(chosen, len(rows))[1]
            if self.config.l2_scale == "batch" and total > 0:
                penalty += self.penalty(total) * len(rows)
            draw = splitmix64(np.array([(dropout_state + GOLDEN * (step + 1)) % 2**64], np.uint64))[0]
            loss_sum[: len(rows)] += self.train_step(A, y[rows], lr, chosen, int(draw), pixel_scale)
        return sum_of_losses(loss_sum) / n, penalty / n

    @np.errstate(over="ignore", invalid="ignore")
    def predict(self, X: Array, y: Array, scaling: tuple[Array, Array]) -> tuple[Array, Array]:
        """Outputs, among them probabilities (2), and losses (1) of unscaled samples."""
        A = gather_rows(X, np.arange(len(X)), scaling, self.config.dtype)
        return self.loss_forward(self.layers_forward(A)[1], y, 0.0)
