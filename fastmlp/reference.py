"""The whole mathematics in plain NumPy, equations numbered as in the paper: the drawings that the kernels are built from.

Every function equals its namesake in `fastmlp.kernels` bit for bit, in float32 and float64, so the kernels are tested without
a tolerance. Shapes are the paper's: samples are rows, ``W (fan_in, fan_out)``. Knows nothing of tiles, panels, padding, or speed.

Three rules make the bits the same everywhere:

- A sum is one chain of fused multiply-adds in index order: see `product`, and where each chain starts.
- Exponential and logarithm are written out in the same operations, not taken from a library.
- Numbers below the smallest normal one are zero, as operands and as results, and keep their sign: the kernels run with
  the CPU's switches for it on, and NumPy does not, so `fma`, `multiply`, `divide` and `flush` say so here. Whether a result
  is below it is judged after rounding, as on x86. (Arm judges before: a product less than half a unit below 2**-126 is
  2**-126 on x86 and 0 there.)

All operands are finite; after an overflow the kernels and these functions may differ.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastmlp.config import Config
from fastmlp.seeding import splitmix64

Array: TypeAlias = NDArray[Any]

GOLDEN: Final = 0x9E3779B97F4A7C15
#: A power of two: a result times LIFT shows how it rounds where the format is too narrow for the result itself.
LIFT: Final = 2.0**64


class Format(NamedTuple):
    """What the exponential and the logarithm of a float format need.

    Beyond `lowest` and `highest` e**x leaves the normal numbers. Adding `rounder` rounds to an integer. ln 2 is in two
    parts, the first so short that its multiples are exact. The series end where the next term is lost in rounding.
    """

    lowest: float
    highest: float
    rounder: float
    ln2_high: float
    ln2_low: float
    exp_degree: int
    artanh_degree: int


FORMATS: Final = {
    np.dtype(np.float32): Format(-87.0, 88.0, 1.5 * 2**23, 0.693145751953125, 1.42860682030941723212e-6, 7, 11),
    np.dtype(np.float64): Format(
        -708.0, 709.0, 1.5 * 2**52, 0.693147180369123816490, 1.90821492927058770002e-10, 13, 23
    ),
}


# Arithmetic: one rounding, and no subnormal numbers.


def flush(x: Array) -> Array:
    """Zero, of x's sign, where x is subnormal; a sum that small is exact, so this is all that sums need.

    Examples
    --------
    >>> flush(np.array([1e-40, -1e-40, 1e-30], np.float32))
    array([ 0.e+00, -0.e+00,  1.e-30], dtype=float32)
    """
    return np.where(abs(x) < np.finfo(x.dtype).tiny, np.copysign(x.dtype.type(0), x), x)


def _flush_lifted(x: Array, lifted: Array) -> Array:
    """Zero where x, rounded as if exponents had no end, is subnormal; lifted is LIFT times x, rounded."""
    return np.where(abs(lifted) < np.finfo(x.dtype).tiny * LIFT, np.copysign(x.dtype.type(0), x), x)


@np.errstate(over="ignore")
def multiply(a: Array, b: Array | float) -> Array:
    """``a * b``."""
    return _flush_lifted(a * b, a * LIFT * b)


@np.errstate(over="ignore")
def divide(a: Array | float, b: Array) -> Array:
    """``a / b``."""
    return _flush_lifted(a / b, a * b.dtype.type(LIFT) / b)


def _two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """``a + b`` as its rounded value and the exact rest (Knuth 1969)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _split(a: Array) -> tuple[Array, Array]:
    """Float64 as a sum of two that have 26 bits each (Veltkamp 1968)."""
    high = a * (2.0**27 + 1)
    high = high - (high - a)
    return high, a - high


def _two_product(a: Array, b: Array) -> tuple[Array, Array]:
    """``a * b`` in float64 as its rounded value and the exact rest (Dekker 1971)."""
    total = a * b
    (a_high, a_low), (b_high, b_low) = _split(a), _split(b)
    return total, a_low * b_low - (((total - a_high * b_high) - a_low * b_high) - a_high * b_low)


def _add_to_odd(a: Array, b: Array) -> Array:
    """``a + b`` in float64, if inexact rounded to whichever neighbour's last bit is odd: a later rounding is then right."""
    total, rest = _two_sum(a, b)
    even = total.view(np.int64) & 1 == 0
    return np.where((rest != 0) & even, np.nextafter(total, np.copysign(np.inf, rest)), total)


@np.errstate(over="ignore")
def fma(a: Array | float, b: Array | float, c: Array | float) -> Array:
    """Fused multiply-add: ``a * b + c`` rounded once, for finite operands of one format; Python numbers take it on.

    float32: the product is exact in float64; its sum with c is rounded to odd, then to float32. float64: Boldo and
    Melquiond (2008, "Emulation of FMA and correctly rounded sums: proved algorithms using rounding to odd"), on operands
    scaled up where no term would survive otherwise; right as long as |a| and |b| are below 2**995 and nothing overflows.

    Examples
    --------
    The product of 1 + 2**-12 by itself has one bit more than a float32:

    >>> a = np.float32(1 + 2**-12)
    >>> float(a * a - 1), float(fma(a, a, -1.0))
    (0.00048828125, 0.00048834085464477539)
    """
    dtype = np.result_type(a, b, c)
    a, b, c = (flush(x) for x in np.broadcast_arrays(*(np.asarray(x, dtype) for x in (a, b, c))))
    if dtype == np.float32:
        wide = _add_to_odd(a.astype(np.float64) * b, c.astype(np.float64))
        return _flush_lifted(wide.astype(dtype), (wide * LIFT).astype(dtype))
    scale = np.where(np.maximum(abs(a * b), abs(c)) < 2.0**-500, 2.0**500, 1.0)
    high, low = _two_product(a * scale, b)
    middle, rest = _two_sum(c * scale, low)
    top, second = _two_sum(high, middle)
    total = top + _add_to_odd(second, rest)
    total = np.where(total == 0, high + c * scale, total)
    return _flush_lifted(total / scale, total * (LIFT / scale))


# Activations.


def polynomial(x: Array, coefficients: Iterator[float]) -> Array:
    """Horner's scheme, the coefficient of the highest power first."""
    value = np.full_like(x, next(coefficients))
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
    """``e**x``.

    Examples
    --------
    >>> exp(np.array([0.0, 1.0, -1000.0], np.float32))
    array([1.0000000e+00, 2.7182817e+00, 1.6458115e-38], dtype=float32)
    """
    scale, q = exp_split(x)
    return fma(scale, q, scale)


def expm1(x: Array) -> Array:
    """``e**x - 1`` without cancellation near 0."""
    scale, q = exp_split(x)
    return fma(scale, q, scale - 1)


def log(x: Array) -> Array:
    """Natural logarithm of positive normal x: ``n ln 2 + 2 artanh((m - 1) / (m + 1))``, m in [sqrt(1/2), sqrt(2)).

    Examples
    --------
    >>> log(np.array([1.0, 10.0]))
    array([0.        , 2.30258509])
    """
    f = FORMATS[x.dtype]
    m, n = np.frexp(x)
    low = m * 2 <= x.dtype.type(math.sqrt(2))
    m, n = np.where(low, m * 2, m), (n - low).astype(x.dtype)
    t = divide(m - 1, m + 1)
    artanh = multiply(t + t, polynomial(t * t, (1 / k for k in range(f.artanh_degree, 0, -2))))
    return fma(n, f.ln2_high, fma(n, f.ln2_low, artanh))


def sigmoid(Z: Array) -> Array:
    """Equation (3).

    Examples
    --------
    >>> sigmoid(np.array([-100, 0, 100], np.float32))
    array([0. , 0.5, 1. ], dtype=float32)
    """
    return divide(1.0, 1 + exp(0 - Z))


def tanh(Z: Array) -> Array:
    """``(e**2z - 1) / (e**2z + 1)``.

    Examples
    --------
    >>> tanh(np.array([0.0, 0.5]))
    array([0.        , 0.46211716])
    """
    Z = np.clip(Z, -20, 20)
    e = expm1(Z + Z)
    return divide(e, e + 2)


def relu(Z: Array) -> Array:
    """``max(Z, 0)``."""
    return np.where(Z < 0, Z.dtype.type(0), Z)


def identity(Z: Array) -> Array:
    """``Z``."""
    return Z


ACTIVATIONS: Final[dict[str, Callable[[Array], Array]]] = {
    "sigmoid": sigmoid,
    "tanh": tanh,
    "relu": relu,
    "identity": identity,
}


def activation_forward(Z: Array, activation: str) -> Array:
    """``A = f(Z)``."""
    return ACTIVATIONS[activation](Z)


def activation_backward(dA: Array, A: Array, activation: str) -> Array:
    """``dZ = dA * f'(Z)``, the slope from the output A; equation (7) for the sigmoid."""
    if activation == "sigmoid":
        return multiply(dA, multiply(A, 1 - A))
    if activation == "tanh":
        return multiply(dA, fma(0 - A, A, 1.0))
    return np.where(A > 0, dA, dA.dtype.type(0)) if activation == "relu" else dA


# Softmax and cross-entropy.


def softmax_forward(logits: Array, y: Array) -> tuple[Array, Array]:
    """Probabilities, equation (2), and each sample's loss ``-log probs[y]``: the sum in equation (1), without its penalty.

    Parameters
    ----------
    logits : ndarray (m, n_classes)
    y : ndarray (m,) of int

    Returns
    -------
    probs : ndarray (m, n_classes)
    loss : ndarray (m,)

    Examples
    --------
    >>> softmax_forward(np.array([[0.0, math.log(3)]]), np.array([0]))
    (array([[0.25, 0.75]]), array([1.38629436]))
    """
    z = flush(logits - logits.max(axis=1, keepdims=True))
    e = exp(z)
    total = np.zeros_like(e[:, 0])
    for j in range(e.shape[1]):
        total = total + e[:, j]
    return divide(e, total[:, None]), log(total) - z[np.arange(len(y)), y]


def softmax_backward(probs: Array, y: Array) -> Array:
    """``dZ = (probs - onehot(y)) / m``: equation (5), and the 1/m of the mean in (1)."""
    onehot = np.eye(probs.shape[1], dtype=probs.dtype)[y]
    return multiply(probs - onehot, float(probs.dtype.type(1 / len(y))))


# A fully connected layer.


def product(start: Array | float, P: Array, Q: Array) -> Array:
    """``start + P Q``: each element one chain of fused multiply-adds over the steps, in their order.

    Examples
    --------
    >>> product(10.0, np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    array([[21.]])
    """
    total = np.zeros((len(P), Q.shape[1]), P.dtype) + start
    for k in range(len(Q)):
        total = fma(P[:, k, None], Q[k], total)
    return total


def dense_forward(A_below: Array, W: Array, b: Array) -> Array:
    """``Z = A_below W + b``: every sum starts from the bias."""
    return product(b, A_below, W)


def dense_backward(dZ: Array, W: Array, A_below: Array, activation: str) -> Array:
    """``dZ_below = (dZ W^T) * f'(Z_below)``: equations (6) and (7)."""
    return activation_backward(product(0.0, dZ, W.T), A_below, activation)


def weights_gradient(A_below: Array, dZ: Array) -> Array:
    """``dW = A_below^T dZ``: equations (4) and (5)."""
    return product(0.0, A_below.T, dZ)


def bias_gradient(dZ: Array) -> Array:
    """``db``: the sum of dZ over the samples, in their order."""
    total = np.zeros_like(dZ[0])
    for row in dZ:
        total = flush(total + row)
    return total


# Optimizers.


@dataclass
class Parameter:
    """Weights or biases of a layer, and Adam's moments of them."""

    w: Array
    m: Array
    v: Array

    @classmethod
    def begin(cls, w: Array) -> "Parameter":
        """A copy of w, with moments of zero."""
        return cls(w.copy(), np.zeros_like(w), np.zeros_like(w))


class Coefficients(NamedTuple):
    """What the updates of a step share, in the format of the parameters; lr is negated."""

    lr: float
    l2: float
    beta1: float
    beta2: float
    eps: float
    one_minus_beta1: float
    one_minus_beta2: float


def coefficients_of_step(config: Config, lr: float, powers: Array) -> Coefficients:
    """Coefficients of the next step, from float64; Adam's ``powers`` (beta1**t, beta2**t) go one step on, in place.

    Adam's bias corrections (10) are moved out of the update:
    ``lr mhat / (sqrt(vhat) + eps)  =  lr c2 / c1 * m / (sqrt(v) + eps c2)``, c1 = 1 - beta1**t, c2 = sqrt(1 - beta2**t).
    """
    eps = config.eps
    if config.optimizer == "adam":
        powers[:] = multiply(powers, np.array([config.beta1, config.beta2]))
        correction = np.sqrt(1 - powers[1])
        lr, eps = lr * correction / (1 - powers[0]), eps * correction
    numbers = -lr, config.l2, config.beta1, config.beta2, eps, 1 - config.beta1, 1 - config.beta2
    return Coefficients(*flush(np.array(numbers).astype(config.precision)).tolist())


def sgd_update(w: Array, g: Array, c: Coefficients) -> Array:
    """``w - lr (g + l2 w)``: equations (8) and (9).

    g is the gradient of the mean loss, and (8) adds ``l2 w`` to it. Differentiating (1) would give ``l2 / m w``: the
    paper's equations disagree by a factor of m, and the update follows (8).
    """
    return fma(c.lr, fma(c.l2, w, g), w)


def adam_moments(m: Array, v: Array, g: Array, c: Coefficients) -> tuple[Array, Array]:
    """Equation (10), the first two lines: the running means of the gradient and of its square."""
    m = fma(c.beta1, m, multiply(g, c.one_minus_beta1))
    return m, fma(c.beta2, v, multiply(multiply(g, c.one_minus_beta2), g))


def adam_update(w: Array, m: Array, v: Array, c: Coefficients) -> Array:
    """Equation (10), the last two lines, the bias corrections folded into the coefficients."""
    return fma(c.lr, divide(m, np.sqrt(v) + w.dtype.type(c.eps)), w)


def update(parameter: Parameter, g: Array, optimizer: str, c: Coefficients) -> None:
    """One step on a parameter, in place; L2 enters Adam as it enters SGD, in the gradient (8)."""
    if optimizer == "sgd":
        parameter.w = sgd_update(parameter.w, g, c)
        return
    parameter.m, parameter.v = adam_moments(parameter.m, parameter.v, fma(c.l2, parameter.w, g), c)
    parameter.w = adam_update(parameter.w, parameter.m, parameter.v, c)


# Batches, steps, epochs.


def permutation_fill(order: Array, state: int) -> None:
    """``order`` = a permutation of 0 .. n - 1: Fisher and Yates's shuffle, each draw by Lemire's multiplication (2019).

    Examples
    --------
    >>> order = np.empty(5, np.int32)
    >>> permutation_fill(order, state=1)
    >>> sorted(order.tolist())
    [0, 1, 2, 3, 4]
    """
    order[:] = np.arange(len(order))
    for i in range(len(order) - 1, 0, -1):
        low = -1
        while low < (2**32 - (i + 1)) % (i + 1):
            state = (state + GOLDEN) % 2**64
            j, low = divmod((int(splitmix64(np.array([state], np.uint64))[0]) >> 32) * (i + 1), 2**32)
        order[[i, j]] = order[[j, i]]


def gather_rows(X: Array, rows: Array, scaling: tuple[Array, Array], dtype: Any) -> Array:
    """``X[rows] * factor + offset``, all three in the network's format first."""
    factor, offset = (np.asarray(part).astype(dtype) for part in scaling)
    return fma(flush(X[rows].astype(np.result_type(X, np.float32))).astype(dtype), factor, offset)


@dataclass
class Network:
    """Layers, each its weights ``(fan_in, fan_out)`` and its biases ``(fan_out,)``, and the settings.

    Examples
    --------
    One step of the smallest network that has anything to learn:

    >>> config = Config(hidden=(), batch_size=1, learning_rate=1.0, shuffle=False, precision="float64")
    >>> network = Network.begin(config, [np.zeros((1, 2))], [np.zeros(2)])
    >>> data = np.ones((1, 1)), np.array([0]), (np.ones(1), np.zeros(1))
    >>> loss = train_epoch(*data, network, lr=1.0, powers=np.ones(2), state=0)
    >>> bool(loss == np.log(2)), network.layers[0][0].w
    (True, array([[ 0.5, -0.5]]))
    """

    config: Config
    layers: list[tuple[Parameter, Parameter]]

    @classmethod
    def begin(cls, config: Config, weights: Sequence[Array], biases: Sequence[Array]) -> "Network":
        """A network of copies of these arrays, with moments of zero."""
        return cls(config, [(Parameter.begin(W), Parameter.begin(b)) for W, b in zip(weights, biases, strict=True)])


def layers_forward(network: Network, A: Array) -> list[Array]:
    """What goes into each layer, from the batch on, and what comes out of the last: the logits."""
    inputs = [A]
    for i, (W, b) in enumerate(network.layers):
        A = inputs[-1] if i == 0 else activation_forward(inputs.pop(), network.config.activation)
        inputs += [A] if i else []
        inputs.append(dense_forward(A, W.w, b.w))
    return inputs


def layers_backward(network: Network, inputs: list[Array], dZ: Array, c: Coefficients) -> None:
    """Deltas (5, 6, 7) from the last layer to the first, each layer updated when its deltas have been passed on."""
    activation, optimizer = network.config.activation, network.config.optimizer
    for i in reversed(range(len(network.layers))):
        W, b = network.layers[i]
        dW, db = weights_gradient(inputs[i], dZ), bias_gradient(dZ)
        if i > 0:
            dZ = dense_backward(dZ, W.w, inputs[i], activation)
        update(W, dW, optimizer, c)
        update(b, db, optimizer, c._replace(l2=0.0))


def train_step(network: Network, X: Array, y: Array, c: Coefficients) -> Array:
    """One step on a batch of scaled samples; gives each sample's loss before it."""
    *inputs, logits = layers_forward(network, X)
    probs, loss = softmax_forward(logits, y)
    layers_backward(network, inputs, softmax_backward(probs, y), c)
    return loss


def train_epoch(
    X: Array, y: Array, scaling: tuple[Array, Array], network: Network, lr: float, powers: Array, state: int
) -> float:
    """An epoch over samples as they lie; gives the mean loss, each batch's as it was before its step."""
    config, n = network.config, len(X)
    order, batch = np.arange(n), min(config.batch_size, n)
    loss_sum = np.zeros(batch)
    if config.shuffle:
        permutation_fill(order, state)
    for rows in np.split(order, range(batch, n, batch)):
        c = coefficients_of_step(config, lr, powers)
        A = gather_rows(X, rows, scaling, config.precision)
        loss_sum[: len(rows)] += train_step(network, A, y[rows], c)
    return math.fsum(loss_sum) / n


def predict(X: Array, y: Array, scaling: tuple[Array, Array], network: Network) -> tuple[Array, Array]:
    """Probabilities (2) and losses (1) of all samples."""
    A = gather_rows(X, np.arange(len(X)), scaling, network.config.precision)
    return softmax_forward(layers_forward(network, A)[-1], y)
