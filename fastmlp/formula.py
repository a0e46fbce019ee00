"""The formulas of the kernels in plain NumPy, element by element: elementary functions, activations, losses, updates.

Each function equals its namesake in `fastmlp.kernels` bit for bit, in float32 and float64; `reference` makes networks
of them, and says what both hold to. Knows nothing of layers.
"""

import math
from collections import namedtuple
from collections.abc import Iterable

import numpy as np

from fastmlp.config import Config
from fastmlp.rounding import DOUBLE, SINGLE, Array, divide, flush, fma, multiply

#: Of a float format: where e**x is normal; what rounds to an integer if added; ln 2 in two parts; ends of series.
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


def log1p(x: Array) -> Array:
    """``log(1 + x)`` for x from 0 to 1, ``2 artanh(x / (2 + x))``."""
    t = divide(x, x + 2)
    degree = FORMATS[x.dtype].log1p_degree
    return multiply(t + t, polynomial(multiply(t, t), (1 / k for k in range(degree, 0, -2))))


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


def elu(z: Array) -> Array:
    """z, and below 0 ``e**z - 1`` (Clevert, Unterthiner and Hochreiter 2016)."""
    return np.where(z > 0, z, expm1(np.where(z > 0, z.dtype.type(0), z)))


def softplus(z: Array) -> Array:
    """``log(1 + e**z)`` (Dugas et al. 2001)."""
    return flush(np.where(z < 0, z.dtype.type(0), z) + log1p(exp(np.where(z < 0, z, 0 - z))))


def silu(z: Array) -> tuple[Array, Array]:
    """``z sigmoid(z)`` and its slope (Elfwing, Uchibe and Doya 2018)."""
    s = sigmoid(z)
    a = multiply(z, s)
    return a, fma(a, 1 - s, s)


def gelu(z: Array) -> tuple[Array, Array]:
    """Gelu by way of tanh, and its slope (Hendrycks and Gimpel 2016): z sigmoid(2 sqrt(2 / pi) (z + 0.044715 z**3))."""
    linear, cubic = 1.5957691216057308, 0.07135481627260025
    inner = np.clip(z, -20, 20)
    square = multiply(inner, inner)
    s = sigmoid(multiply(inner, fma(square, cubic, linear)))
    return multiply(z, s), fma(multiply(multiply(inner, s), 1 - s), fma(square, 3 * cubic, linear), s)


def activation_forward(Z: Array, activation: str) -> Array:
    """``A = f(Z)``; equation (3) for the sigmoid."""
    zero = Z.dtype.type(0)
    if activation == "relu":
        return np.where(Z < 0, zero, Z)
    if activation == "leaky_relu":
        return np.where(Z < 0, multiply(Z, Z.dtype.type(0.01)), Z)
    if activation in {"gelu", "silu"}:
        return (gelu if activation == "gelu" else silu)(Z)[0]
    functions = {"sigmoid": sigmoid, "tanh": tanh, "elu": elu, "softplus": softplus}
    return functions[activation](Z) if activation in functions else Z


def activation_backward(dA: Array, A: Array, activation: str) -> Array:
    """``dZ = dA * f'(Z)``, the slope from the output A; equation (7) for the sigmoid."""
    if activation == "sigmoid":
        return multiply(dA, multiply(A, 1 - A))
    if activation == "tanh":
        return multiply(dA, fma(0 - A, A, 1.0))
    if activation == "relu":
        return np.where(A > 0, dA, dA.dtype.type(0))
    if activation == "leaky_relu":
        return np.where(A < 0, multiply(dA, dA.dtype.type(0.01)), dA)
    if activation == "elu":
        return multiply(dA, np.where(A > 0, A.dtype.type(1), A + 1))
    return multiply(dA, 0 - expm1(0 - A)) if activation == "softplus" else dA


def slopes_fill(Z: Array, A: Array, activation: str) -> Array:
    """``f'(Z)``: that of gelu and silu from Z, the others' from the output A."""
    if activation in {"gelu", "silu"}:
        return (gelu if activation == "gelu" else silu)(Z)[1]
    return activation_backward(np.ones_like(A), A, activation)


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


def smoothing_forward(logits: Array, y: Array, loss: Array, share: float) -> Array:
    """Cross-entropy with smoothed labels (Szegedy et al. 2016): ``loss + share * (z[y] - mean of z)``."""
    total = np.zeros_like(loss)
    for z in logits.T:
        total = flush(total + z)
    mean = divide(total, np.full_like(total, logits.shape[1]))
    return fma(loss.dtype.type(share), flush(logits[np.arange(len(y)), y] - mean), loss)


def softmax_backward(probs: Array, y: Array, weights: Array, smoothing: float = 0.0) -> Array:
    """``dZ = (probs - target) * weights``: equation (5), with the 1/m of the mean in (1) among the weights."""
    kind, n_classes = probs.dtype.type, probs.shape[1]
    off = kind(smoothing / n_classes)
    targets = np.where(np.eye(n_classes, dtype=bool)[y], kind(1 - smoothing + smoothing / n_classes), off)
    return multiply(flush(probs - targets), weights[:, None])


def sigmoid_loss(z: Array, y: Array) -> Array:
    """``log(1 + e**z) - y z``: cross-entropy of a sigmoid output, y from 0 to 1."""
    return fma(0 - y, z, softplus(z))


def huber_loss(error: Array, delta: float) -> Array:
    """Half of the squared error, and a line beyond delta (Huber 1964)."""
    size, d = np.where(error < 0, 0 - error, error), error.dtype.type(delta)
    half = error.dtype.type(0.5)
    line = multiply(d, flush(size - multiply(half, d)))
    return np.where(size < d, multiply(multiply(half, error), error), line)


def poisson_loss(z: Array, mean: Array, y: Array) -> Array:
    """Half of the deviance, ``mean - y z + y log(y) - y``, of counts y whose mean is ``e**z``."""
    d = flush(z - log(np.where(y > 0, y, y.dtype.type(1))))
    return np.where(y > 0, multiply(y, flush(expm1(d) - d)), mean)


def values_forward(Z: Array, Y: Array, loss: str, delta: float) -> tuple[Array, Array]:
    """What the network says of each target, and each sample's loss, summed over the targets in their order."""
    out = sigmoid(Z) if loss == "binary_cross_entropy" else exp(Z) if loss == "poisson" else Z
    total = np.zeros_like(Z[:, 0])
    for z, o, y in zip(Z.T, out.T, Y.T, strict=True):
        if loss == "binary_cross_entropy":
            part = sigmoid_loss(z, y)
        elif loss == "poisson":
            part = poisson_loss(z, o, y)
        else:
            error = flush(z - y)
            half = error.dtype.type(0.5)
            part = huber_loss(error, delta) if loss == "huber" else multiply(multiply(half, error), error)
        total = flush(total + part)
    return out, total


def values_backward(out: Array, Y: Array, weights: Array, loss: str, delta: float) -> Array:
    """``dZ = (out - target) * weights``; Huber's error is cut off at delta."""
    error = flush(out - Y)
    if loss == "huber":
        error = np.clip(error, -out.dtype.type(delta), out.dtype.type(delta))
    return multiply(error, weights[:, None])


#: What the updates of a step share: lr and lr_g are negated, co_beta is 1 - beta, decay is - lr weight_decay.
Coefficients = namedtuple("Coefficients", "lr l2 beta1 beta2 eps co_beta1 co_beta2 mu decay lr_g")
#: 0.96**0.004 (Dozat 2016; PyTorch's numbers).
PSI = 0.9998367253526752784


def coefficients_of_step(config: Config, lr: float, powers: Array, total: float = 1.0) -> Coefficients:
    """Coefficients of the next step, in float64, then rounded; `powers` go on with Adam and Nadam, in place.

    total: the sum of the batch's sample weights. Adam's bias corrections (10) are moved out of the update:
    ``lr mhat / (sqrt(vhat) + eps) = lr c2 / c1 * m / (sqrt(v) + eps c2)``, c1 = 1 - beta1**t, c2 = sqrt(1 - beta2**t).
    powers: beta1**t, beta2**t, PSI**t, and the product of Nadam's momenta, each ``beta1 (1 - PSI**t / 2)``.
    """
    beta1, beta2, eps, lr_g, l2 = config.beta1, config.beta2, config.eps, 0.0, config.l2
    decay = lr * config.weight_decay
    if config.l2_scale == "batch":
        l2 = l2 / total if total > 0 else 0.0
    if config.optimizer == "sgd":
        l2, decay = l2 + config.weight_decay, 0.0
    if config.optimizer in {"adam", "adamw", "nadam"}:
        powers[:2] = multiply(powers[:2], np.array([beta1, beta2]))
        correction = np.sqrt(1 - powers[1])
        if config.eps_form == "eps":
            eps = eps * correction
        if config.optimizer == "nadam":
            powers[2] *= PSI
            mu, following = beta1 * (1 - 0.5 * powers[2]), beta1 * (1 - 0.5 * (powers[2] * PSI))
            powers[3:4] = multiply(powers[3:4], np.array([mu]))
            lr_g = lr * correction * (1 - mu) / (1 - powers[3])
            lr = lr * correction * following / (1 - powers[3] * following)
        else:
            lr = lr * correction / (1 - powers[0])
    momentum = config.momentum
    numbers = np.array([-lr, l2, beta1, beta2, eps, 1 - beta1, 1 - beta2, momentum, -decay, -lr_g])
    return Coefficients(*flush(numbers.astype(config.dtype)))


def sgd_update(w: Array, g: Array, c: Coefficients) -> Array:
    """``w - lr (g + l2 w)``: equations (8) and (9).

    g is the gradient of the mean loss, to which (8) adds ``l2 w``. The gradient of (1) has ``l2 / m w``: the paper's
    equations disagree by this factor of m, and the update follows (8).
    """
    return fma(c.lr, fma(c.l2, w, g), w)


def momentum_moment(m: Array, g: Array, c: Coefficients) -> Array:
    """``momentum m - lr g``: the step that is remembered (Sutskever et al. 2013, eq. 1)."""
    return fma(c.mu, m, multiply(c.lr, g))


def nesterov_update(w: Array, m: Array, g: Array, c: Coefficients) -> Array:
    """``w + momentum m - lr g``, m the step remembered (Bengio et al. 2013, eq. 7)."""
    return flush(w + fma(c.mu, m, multiply(c.lr, g)))


def second_moment(v: Array, g: Array, c: Coefficients) -> Array:
    """Equation (10), the second line: the running mean of the gradient's square."""
    return fma(c.beta2, v, multiply(multiply(c.co_beta2, g), g))


def adam_moments(m: Array, v: Array, g: Array, c: Coefficients) -> tuple[Array, Array]:
    """Equation (10), the first two lines: the running means of the gradient and of its square."""
    return fma(c.beta1, m, multiply(c.co_beta1, g)), second_moment(v, g, c)


def adam_update(w: Array, m: Array, v: Array, c: Coefficients) -> Array:
    """Equation (10), the last two lines, the bias corrections folded into the coefficients; with g for m RMSprop's."""
    return fma(c.lr, multiply(m, reciprocal(np.sqrt(v) + c.eps)), w)


def nadam_update(w: Array, m: Array, v: Array, g: Array, c: Coefficients) -> Array:
    """Adam with Nesterov's momentum (Dozat 2016): the mean of the gradients and the gradient, each at its own rate."""
    return fma(fma(c.lr, m, multiply(c.lr_g, g)), reciprocal(np.sqrt(v) + c.eps), w)


def weights_shrink(w: Array, c: Coefficients) -> Array:
    """``w - lr weight_decay w`` (Loshchilov and Hutter 2019), before the step's gradient is used."""
    return fma(c.decay, w, w) if c.decay != 0 else w
