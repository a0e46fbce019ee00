"""Reference implementations of elementary functions, activations and losses.

`fastmlp.reference` states what holds for all of them.
"""

import math
from collections import namedtuple
from collections.abc import Iterable

import numpy as np

from fastmlp.reference.arithmetic import DOUBLE, SINGLE, Array, divide, flush, fma, multiply
from fastmlp.settings import ACTIVATIONS, LEAKY_SLOPE, LOSSES

#: Constants of a float format: range of x in which e**x is normal; the number whose addition rounds to an integer; ln 2
#: as a sum of two numbers; degrees of the series.
Format = namedtuple("Format", "lowest highest rounder ln2_high ln2_low exp_degree artanh_degree log1p_degree")
FORMATS = {
    SINGLE: Format(-87.0, 88.0, 1.5 * 2**23, 0.693145751953125, 1.42860682030941723212e-6, 7, 11, 13),
    DOUBLE: Format(-708.0, 709.0, 1.5 * 2**52, 0.693147180369123816490, 1.90821492927058770002e-10, 13, 23, 31),
}


def polynomial(x: Array, coefficients: Iterable[float]) -> Array:
    """Horner's scheme, the coefficient of the highest power first."""
    value = np.zeros_like(x)
    for coefficient in coefficients:
        value = fma(value, x, coefficient)
    return value


def clamp_finite(x: Array) -> Array:
    """``x``, infinities replaced by the largest finite numbers."""
    largest = np.finfo(x.dtype).max
    return np.clip(x, -largest, largest)


@np.errstate(invalid="ignore")
def exp_split(x: Array) -> tuple[Array, Array]:
    """``exp(x) = scale * (1 + q)``, scale a power of two: x = n ln 2 + r, and Taylor series of exp(r)."""
    f = FORMATS[x.dtype]
    x = np.clip(x, f.lowest, f.highest)
    n = fma(x, math.log2(math.e), f.rounder) - x.dtype.type(f.rounder)
    r = fma(n, -f.ln2_low, fma(n, -f.ln2_high, x))
    tail = polynomial(r, (1 / math.factorial(k) for k in range(f.exp_degree, 1, -1)))
    return np.ldexp(x.dtype.type(1), n.astype(np.int32)), fma(multiply(r, r), tail, r)


def exp(x: Array) -> Array:
    """``e**x``, clamped to the range of normal numbers."""
    scale, q = exp_split(x)
    return multiply(scale, 1 + q)


def expm1(x: Array) -> Array:
    """``e**x - 1`` without cancellation near 0."""
    scale, q = exp_split(x)
    return fma(scale, q, scale - 1)


def log(x: Array) -> Array:
    """Logarithm of positive normal x: ``n ln 2 + 2 artanh((m - 1) / (m + 1))``, m from sqrt(1/2) to sqrt(2)."""
    f = FORMATS[x.dtype]
    m, n = np.frexp(x)  # of infinity and NaN themselves
    low = m + m <= x.dtype.type(math.sqrt(2))
    m, n = np.where(low, m + m, m), (n - low).astype(x.dtype)
    t = divide(m - 1, m + 1)
    artanh = multiply(t + t, polynomial(multiply(t, t), (1 / k for k in range(f.artanh_degree, 0, -2))))
    return np.where(x < np.inf, fma(n, f.ln2_high, fma(n, f.ln2_low, artanh)), x)


def log1p(x: Array) -> Array:
    """``log(1 + x)`` for x from 0 to 1, ``2 artanh(x / (2 + x))``."""
    t = divide(x, x + 2)
    degree = FORMATS[x.dtype].log1p_degree
    return multiply(t + t, polynomial(multiply(t, t), (1 / k for k in range(degree, 0, -2))))


def reciprocal(x: Array) -> Array:
    """``1 / x`` by Newton's method from an estimate whose bits are a constant minus x's; 0 where that is subnormal."""
    integer, constant, n_steps = (np.int32, 0x7EF311C7, 3) if x.dtype == SINGLE else (np.int64, 0x7FDE623822FC16E6, 5)
    x = np.minimum(x, 1 / np.finfo(x.dtype).tiny)
    y: Array = np.subtract(integer(constant), x.view(integer)).view(x.dtype)
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


def elu(z: Array) -> Array:
    """z, and below 0 ``e**z - 1`` (Clevert, Unterthiner and Hochreiter 2016)."""
    return np.where(z > 0, z, expm1(np.where(z > 0, z.dtype.type(0), z)))


def softplus(z: Array) -> Array:
    """``log(1 + e**z)`` (Dugas et al. 2001)."""
    return flush(np.where(z < 0, z.dtype.type(0), z) + log1p(exp(np.where(z < 0, z, 0 - z))))


def silu(z: Array) -> tuple[Array, Array]:
    """``z sigmoid(z)`` and its derivative (Elfwing, Uchibe and Doya 2018)."""
    s = sigmoid(z)
    a = multiply(z, s)
    return a, fma(a, 1 - s, s)


def gelu(z: Array) -> tuple[Array, Array]:
    """The tanh form of gelu, ``z sigmoid(2 sqrt(2 / pi) (z + 0.044715 z**3))``, and its derivative."""
    linear, cubic = 1.5957691216057308, 0.07135481627260025
    inner = np.clip(z, -20, 20)
    square = multiply(inner, inner)
    s = sigmoid(multiply(inner, fma(square, cubic, linear)))
    return multiply(z, s), fma(multiply(multiply(inner, s), 1 - s), fma(square, 3 * cubic, linear), s)


def sigmoid_backward(d: Array, a: Array) -> Array:
    """``d f'(z)`` from a = f(z): equation (7)."""
    return multiply(d, multiply(a, 1 - a))


def tanh_backward(d: Array, a: Array) -> Array:
    """``d (1 - a**2)``."""
    return multiply(d, fma(0 - a, a, 1.0))


def relu(z: Array) -> Array:
    """``max(z, 0)``."""
    return np.where(z < 0, z.dtype.type(0), z)


def relu_backward(d: Array, a: Array) -> Array:
    """``d`` where a > 0, else 0."""
    return np.where(a > 0, d, d.dtype.type(0))


def leaky_relu(z: Array) -> Array:
    """``z``, and below 0 ``LEAKY_SLOPE z`` (Maas, Hannun and Ng 2013)."""
    return np.where(z < 0, multiply(z, z.dtype.type(LEAKY_SLOPE)), z)


def leaky_relu_backward(d: Array, a: Array) -> Array:
    """``d`` where a > 0, else ``LEAKY_SLOPE d``."""
    return np.where(a > 0, d, multiply(d, d.dtype.type(LEAKY_SLOPE)))


def elu_backward(d: Array, a: Array) -> Array:
    """``d``, and for a below 0 ``d (a + 1)``."""
    return multiply(d, np.where(a > 0, a.dtype.type(1), a + 1))


def softplus_backward(d: Array, a: Array) -> Array:
    """``d (1 - e**-a)``."""
    return multiply(d, 0 - expm1(0 - a))


def identity(z: Array) -> Array:
    """``f(z) = z``."""
    return z


def identity_backward(d: Array, a: Array) -> Array:
    """``d f'(z) = d``."""
    return d


#: Activations of the output layer other than softmax.
OUTPUTS = {"sigmoid": sigmoid, "identity": identity, "exp": exp}


def activation_forward(Z: Array, activation: str) -> Array:
    """``A = f(Z)``, f being the function of the activation's name; equation (3) for the sigmoid."""
    result = globals()[activation](Z)
    A: Array = result[0] if ACTIVATIONS[activation].derivative_of == "input" else result
    return A


def activation_backward(dA: Array, A: Array, activation: str) -> Array:
    """``dZ = dA * f'(Z)``, the derivative computed from the output A; equation (7) for the sigmoid."""
    dZ: Array = globals()[f"{activation}_backward"](dA, A)
    return dZ


def derivatives_fill(Z: Array, A: Array, activation: str) -> Array:
    """``f'(Z)``, computed from Z or from the output A."""
    if ACTIVATIONS[activation].derivative_of == "input":
        derivative: Array = globals()[activation](Z)[1]
        return derivative
    return activation_backward(np.ones_like(A), A, activation)


def softmax_forward(logits: Array, y: Array) -> tuple[Array, Array]:
    """Probabilities, equation (2), and each sample's ``-log probs[y]``: the sum in equation (1), without its penalty.

    Examples
    --------
    >>> softmax_forward(np.array([[0.0, math.log(3)]]), np.array([0]))
    (array([[0.25, 0.75]]), array([1.38629436]))
    """
    top = logits.max(axis=1, keepdims=True)
    z = np.where(logits == top, logits.dtype.type(0), flush(logits - top))
    e, total = exp(z), np.zeros_like(z[:, :1])
    for j in range(e.shape[1]):
        total = total + e[:, j : j + 1]
    total = np.where((total > 1.5) & np.isinf(top), logits.dtype.type(np.nan), total)
    return divide(e, total), log(total[:, 0]) - z[np.arange(len(y)), y]


def smoothing_forward(logits: Array, y: Array, loss: Array, share: float) -> Array:
    """Cross-entropy with smoothed labels (Szegedy et al. 2016): ``loss + share * (z[y] - mean of z)``.

    The logits are scaled by a power of two, so that neither their sum nor the difference overflows; the difference is
    at least -loss.
    """
    kind, n_classes = loss.dtype.type, logits.shape[1]
    scale, total = kind(0.5 ** max(1, (n_classes - 1).bit_length())), np.zeros_like(loss)
    logits = multiply(logits, scale)
    for z in logits.T:
        total = flush(total + z)
    mean = divide(total, np.full_like(total, n_classes))
    difference = np.maximum(flush(logits[np.arange(len(y)), y] - mean), multiply(loss, -scale))
    return np.where(np.isfinite(total), fma(kind(share) / scale, difference, loss), loss + kind(np.inf))


def softmax_backward(probs: Array, y: Array, weights: Array, smoothing: float = 0.0) -> Array:
    """``dZ = (probs - target) * weights``: equation (5), with the 1/m of the mean in (1) among the weights."""
    kind, n_classes = probs.dtype.type, probs.shape[1]
    off = kind(smoothing / n_classes)
    targets = np.where(np.eye(n_classes, dtype=bool)[y], kind(1 - smoothing + smoothing / n_classes), off)
    return multiply(flush(probs - targets), weights[:, None])


def binary_cross_entropy_loss(z: Array, out: Array, y: Array, delta: float) -> Array:
    """``log(1 + e**z) - y z``: cross-entropy of a sigmoid output, y from 0 to 1; its limit where z is infinite."""
    limited, excluded = clamp_finite(z), np.where(z < 0, y, flush(1 - y))
    value = fma(0 - y, limited, softplus(limited))
    return np.where(np.isinf(z) & (excluded > 0), z.dtype.type(np.inf), value)


def error_backward(out: Array, y: Array, delta: float) -> Array:
    """``out - y``, the derivative of a loss whose output activation is canonical."""
    return flush(out - y)


def squared_error_loss(z: Array, out: Array, y: Array, delta: float) -> Array:
    """Half the squared error."""
    error = flush(z - y)
    return multiply(multiply(error.dtype.type(0.5), error), error)


def huber_loss(z: Array, out: Array, y: Array, delta: float) -> Array:
    """Half the squared error, linear beyond delta (Huber 1964)."""
    error = flush(z - y)
    size, d, half = np.where(error < 0, 0 - error, error), error.dtype.type(delta), error.dtype.type(0.5)
    line = multiply(d, flush(size - multiply(half, d)))
    return np.where(size < d, squared_error_loss(z, out, y, delta), line)


def huber_backward(out: Array, y: Array, delta: float) -> Array:
    """``out - y``, clamped to delta."""
    limit = out.dtype.type(delta)
    return np.clip(flush(out - y), -limit, limit)


def poisson_loss(z: Array, out: Array, y: Array, delta: float) -> Array:
    """Half the deviance, ``out - y z + y log(y) - y``, of counts y whose mean is ``out = e**z``.

    ``e**d - d`` is ``e**d + d`` when rounded, d beyond 88; so the loss of an infinite d is infinity.
    """
    d = flush(z - log(np.where(y > 0, y, y.dtype.type(1))))
    large = np.where(d > 88, d, d.dtype.type(0))
    value = multiply(y, np.where(d > 88, expm1(d) + d, flush(expm1(d) - d)))
    return np.where(y > 0, value, out + large)


def values_forward(Z: Array, Y: Array, loss: str, delta: float) -> tuple[Array, Array]:
    """Outputs for target values, and each sample's loss, summed over the outputs in their order."""
    out, Y = OUTPUTS[LOSSES[loss].output](Z), flush(Y)
    total = np.zeros_like(Z[:, 0])
    for z, a, y in zip(Z.T, out.T, Y.T, strict=True):
        total = flush(total + globals()[f"{loss}_loss"](z, a, y, delta))
    return out, total


def values_backward(out: Array, Y: Array, weights: Array, loss: str, delta: float) -> Array:
    """``dZ``: the loss's derivative by the pre-activation, times the sample's weight."""
    derivative = globals().get(f"{loss}_backward", error_backward)
    return multiply(derivative(out, flush(Y), delta), weights[:, None])
