"""The whole mathematics in plain NumPy, equations numbered as in the paper: the drawings that the kernels follow.

Each function equals its namesake in `fastmlp.kernels` bit for bit, in float32 and float64, so kernels are tested
without a tolerance. Samples are rows, W is (fan_in, fan_out). Knows nothing of tiles, panels, padding or speed.

- A sum is one chain of fused multiply-adds in index order (`product`).
- Exponential, logarithm and reciprocal are made of the same operations, not taken from a library.
- Subnormal numbers are zero, operands and results, and keep their sign. The kernels switch their CPU to that; here
  `fma`, `multiply`, `divide` and `flush` do it. Whether a result is subnormal is judged after rounding, as on x86;
  Arm judges before, so that less than half a unit below the least normal number is zero there.
- Operands are finite: after an overflow, kernels and drawings may differ.
"""

import math
from collections import namedtuple
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from fastmlp.config import Config
from fastmlp.rounding import DOUBLE, SINGLE, Array, divide, flush, fma, multiply
from fastmlp.seeding import splitmix64

#: Of a float format: where e**x is normal; what rounds to an integer if added; ln 2 in two parts; ends of series.
Format = namedtuple("Format", "lowest highest rounder ln2_high ln2_low exp_degree artanh_degree")
FORMATS = {
    SINGLE: Format(-87.0, 88.0, 1.5 * 2**23, 0.693145751953125, 1.42860682030941723212e-6, 7, 11),
    DOUBLE: Format(-708.0, 709.0, 1.5 * 2**52, 0.693147180369123816490, 1.90821492927058770002e-10, 13, 23),
}


def polynomial(x: Array, coefficients: Iterable[float]) -> Array:
    """Horner's scheme, the coefficient of the highest power first."""
    value = np.zeros_like(x)
    for coefficient in coefficients:
        value = fma(value, x, coefficient)
    return value


def exp_split(x: Array) -> tuple[Array, Array]:
    """``exp(x) = scale * (1 + q)``, scale a power of two: x = n ln 2 + r, and Taylor's series of exp(r)."""
    f = FORMATS[x.dtype]
    x = np.clip(x, f.lowest, f.highest)
    n = fma(x, math.log2(math.e), f.rounder) - x.dtype.type(f.rounder)
    r = fma(n, -f.ln2_low, fma(n, -f.ln2_high, x))
    tail = polynomial(r, (1 / math.factorial(k) for k in range(f.exp_degree, 1, -1)))
    return np.ldexp(x.dtype.type(1), n.astype(np.int32)), fma(multiply(r, r), tail, r)


def exp(x: Array) -> Array:
    """``e**x``, and beyond the range of normal numbers their least and greatest."""
    scale, q = exp_split(x)
    return multiply(scale, 1 + q)


def expm1(x: Array) -> Array:
    """``e**x - 1`` without cancellation near 0."""
    scale, q = exp_split(x)
    return fma(scale, q, scale - 1)


def log(x: Array) -> Array:
    """Logarithm of positive normal x: ``n ln 2 + 2 artanh((m - 1) / (m + 1))``, m from sqrt(1/2) to sqrt(2)."""
    f = FORMATS[x.dtype]
    m, n = np.frexp(x)
    low = m + m <= x.dtype.type(math.sqrt(2))
    m, n = np.where(low, m + m, m), (n - low).astype(x.dtype)
    t = divide(m - 1, m + 1)
    artanh = multiply(t + t, polynomial(multiply(t, t), (1 / k for k in range(f.artanh_degree, 0, -2))))
    return fma(n, f.ln2_high, fma(n, f.ln2_low, artanh))


def reciprocal(x: Array) -> Array:
    """``1 / x`` by Newton's steps from a guess, whose bits are a number less x's."""
    integer, whole, n_steps = (np.int32, 0x7EF311C7, 3) if x.dtype == SINGLE else (np.int64, 0x7FDE623822FC16E6, 5)
    y: Array = np.subtract(integer(whole), x.view(integer)).view(x.dtype)
    for _ in range(n_steps):
        y = fma(y, fma(-x, y, 1.0), y)
    return y


def sigmoid(z: Array) -> Array:
    """Equation (3)."""
    return divide(np.ones_like(z), 1 + exp(0 - z))


def tanh(z: Array) -> Array:
    """``(e**2z - 1) / (e**2z + 1)``."""
    z = np.clip(z, -20, 20)
    e = expm1(z + z)
    return divide(e, e + 2)


def activation_forward(Z: Array, activation: str) -> Array:
    """``A = f(Z)``; equation (3) for the sigmoid."""
    if activation == "sigmoid":
        return sigmoid(Z)
    if activation == "tanh":
        return tanh(Z)
    return np.where(Z < 0, Z.dtype.type(0), Z) if activation == "relu" else Z


def activation_backward(dA: Array, A: Array, activation: str) -> Array:
    """``dZ = dA * f'(Z)``, the slope from the output A; equation (7) for the sigmoid."""
    if activation == "sigmoid":
        return multiply(dA, multiply(A, 1 - A))
    if activation == "tanh":
        return multiply(dA, fma(0 - A, A, 1.0))
    return np.where(A > 0, dA, dA.dtype.type(0)) if activation == "relu" else dA


def softmax_forward(logits: Array, y: Array) -> tuple[Array, Array]:
    """Probabilities, equation (2), and each sample's ``-log probs[y]``: the sum in equation (1), without its penalty.

    Examples
    --------
    >>> softmax_forward(np.array([[0.0, math.log(3)]]), np.array([0]))
    (array([[0.25, 0.75]]), array([1.38629436]))
    """
    z = flush(logits - logits.max(axis=1, keepdims=True))
    e, total = exp(z), np.zeros_like(z[:, :1])
    for j in range(e.shape[1]):
        total = total + e[:, j : j + 1]
    return divide(e, total), log(total[:, 0]) - z[np.arange(len(y)), y]


def softmax_backward(probs: Array, y: Array) -> Array:
    """``dZ = (probs - onehot(y)) / m``: equation (5), with the 1/m of the mean in (1)."""
    onehot = np.eye(probs.shape[1], dtype=probs.dtype)[y]
    return multiply(probs - onehot, probs.dtype.type(1 / len(y)))


def product(start: Array, P: Array, Q: Array) -> Array:
    """``start + P Q``: each element one chain of fused multiply-adds in the order of the steps."""
    total = start
    for k in range(len(Q)):
        total = fma(P[:, k, None], Q[k], total)
    return total


def dense_forward(A_below: Array, W: Array, b: Array) -> Array:
    """``Z = A_below W + b``; a sum starts from the bias."""
    return product(b, A_below, W)


def dense_backward(dZ: Array, W: Array, A_below: Array, activation: str) -> Array:
    """``dZ_below = (dZ W^T) * f'(Z_below)``: equations (6) and (7); a sum over the outputs starts from zero."""
    return activation_backward(product(np.zeros_like(A_below), dZ, W.T), A_below, activation)


def dense_gradient(A_below: Array, dZ: Array) -> tuple[Array, Array]:
    """``dW = A_below^T dZ``, (4) and (5), and db, the sum of dZ: both over the samples in their order, from zero."""
    dW, db = np.zeros((A_below.shape[1], dZ.shape[1]), dZ.dtype), np.zeros_like(dZ[0])
    for row in dZ:
        db = flush(db + row)
    return product(dW, A_below.T, dZ), db


#: What the updates of a step share; lr is negated, co_beta is 1 - beta.
Coefficients = namedtuple("Coefficients", "lr l2 beta1 beta2 eps co_beta1 co_beta2")


def coefficients_of_step(config: Config, lr: float, powers: Array) -> Coefficients:
    """Coefficients of the next step, computed in float64; `powers` (beta1**t, beta2**t) go on with Adam, in place.

    Adam's bias corrections (10) are moved out of the update:
    ``lr mhat / (sqrt(vhat) + eps) = lr c2 / c1 * m / (sqrt(v) + eps c2)``, c1 = 1 - beta1**t, c2 = sqrt(1 - beta2**t).
    """
    beta1, beta2, eps = config.beta1, config.beta2, config.eps
    if config.optimizer == "adam":
        powers[:] = multiply(powers, np.array([beta1, beta2]))
        correction = np.sqrt(1 - powers[1])
        lr, eps = lr * correction / (1 - powers[0]), eps * correction
    numbers = np.array([-lr, config.l2, beta1, beta2, eps, 1 - beta1, 1 - beta2])
    return Coefficients(*flush(numbers.astype(config.precision)))


def sgd_update(w: Array, g: Array, c: Coefficients) -> Array:
    """``w - lr (g + l2 w)``: equations (8) and (9).

    g is the gradient of the mean loss, to which (8) adds ``l2 w``. The gradient of (1) has ``l2 / m w``: the paper's
    equations disagree by this factor of m, and the update follows (8).
    """
    return fma(c.lr, fma(c.l2, w, g), w)


def adam_moments(m: Array, v: Array, g: Array, c: Coefficients) -> tuple[Array, Array]:
    """Equation (10), the first two lines: the running means of the gradient and of its square."""
    m = fma(c.beta1, m, multiply(c.co_beta1, g))
    return m, fma(c.beta2, v, multiply(multiply(c.co_beta2, g), g))


def adam_update(w: Array, m: Array, v: Array, c: Coefficients) -> Array:
    """Equation (10), the last two lines, the bias corrections folded into the coefficients."""
    return fma(c.lr, multiply(m, reciprocal(np.sqrt(v) + c.eps)), w)


def permutation_fill(order: Array, state: int) -> None:
    """``order`` = a permutation of 0 .. n - 1: Fisher and Yates's shuffle, each draw by Lemire's multiplication."""
    order[:] = np.arange(len(order))
    for i in range(len(order) - 1, 0, -1):
        bound, low = i + 1, -1
        while low < (2**32 - bound) % bound:
            state = (state + 0x9E3779B97F4A7C15) % 2**64
            j, low = divmod((int(splitmix64(np.array([state], np.uint64))[0]) >> 32) * bound, 2**32)
        order[[i, j]] = order[[j, i]]


def gather_rows(X: Array, rows: Array, scaling: tuple[Array, Array], dtype: Any) -> Array:
    """``X[rows] * factor + offset``, all of them rounded to the network's format first."""
    factor, offset = (part.astype(dtype) for part in scaling)
    return fma(X[rows].astype(dtype), factor, offset)


class Network:
    """The parameters of a network in training, and what a step does to them.

    ``theta = [W1, b1, W2, b2, ...]``; m and v, Adam's moments, likewise; powers, beta1**t and beta2**t.

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
        self.powers = np.ones(2)

    def layers_forward(self, A: Array) -> list[Array]:
        """The input of each layer, the batch first, and the logits last."""
        inputs, *hidden = [A], *self.theta[:-2]
        for W, b in zip(hidden[::2], hidden[1::2], strict=True):
            inputs.append(activation_forward(dense_forward(inputs[-1], W, b), self.config.activation))
        return [*inputs, dense_forward(inputs[-1], *self.theta[-2:])]

    def update(self, i: int, g: Array, c: Coefficients) -> None:
        """Equation (9) or (10) on ``theta[i]``; L2 (8) acts on weights, in Adam's gradient too, and not on biases."""
        if i % 2 == 1:
            c = c._replace(l2=c.l2 * 0)
        if self.config.optimizer == "sgd":
            self.theta[i] = sgd_update(self.theta[i], g, c)
        else:
            self.m[i], self.v[i] = adam_moments(self.m[i], self.v[i], fma(c.l2, self.theta[i], g), c)
            self.theta[i] = adam_update(self.theta[i], self.m[i], self.v[i], c)

    def train_step(self, A: Array, y: Array, lr: float) -> Array:
        """One step on a batch, equations (2) to (10); gives each sample's loss as it was before."""
        c = coefficients_of_step(self.config, lr, self.powers)
        *inputs, logits = self.layers_forward(A)
        probs, loss = softmax_forward(logits, y)
        dZ = softmax_backward(probs, y)
        for layer in reversed(range(len(inputs))):
            dW, db = dense_gradient(inputs[layer], dZ)
            if layer > 0:
                dZ = dense_backward(dZ, self.theta[2 * layer], inputs[layer], self.config.activation)
            self.update(2 * layer, dW, c)
            self.update(2 * layer + 1, db, c)
        return loss

    def train_epoch(self, X: Array, y: Array, scaling: tuple[Array, Array], lr: float, state: int) -> float:
        """An epoch over samples as they lie; gives the mean loss, each batch's as it was before its step."""
        n, batch = len(X), min(self.config.batch_size, len(X))
        order, loss_sum = np.arange(n), np.zeros(batch)
        if self.config.shuffle:
            permutation_fill(order, state)
        for rows in np.split(order, range(batch, n, batch)):
            A = gather_rows(X, rows, scaling, self.config.precision)
            loss_sum[: len(rows)] += self.train_step(A, y[rows], lr)
        return math.fsum(loss_sum) / n

    def predict(self, X: Array, y: Array, scaling: tuple[Array, Array]) -> tuple[Array, Array]:
        """Probabilities (2) and losses (1) of samples as they lie."""
        A = gather_rows(X, np.arange(len(X)), scaling, self.config.precision)
        return softmax_forward(self.layers_forward(A)[-1], y)
