"""Each activation of a hidden layer, and its slope.

A slope comes from the output where the output tells it, so that the sums need not be kept. gelu and silu go down and
up again: theirs are left in SLOPE by the forward pass, and so is that of every activation where units are dropped.
"""

from fastmlp.jit import kernel
from fastmlp.kernels import layout as at
from fastmlp.kernels.elementary import exp, expm1, log1p
from fastmlp.kernels.sampling import dropout_fill
from fastmlp.simd import fma, n_lanes, vload, vstore, where_less, zeros

IDENTITY, SIGMOID, TANH, RELU, LEAKY_RELU, ELU, GELU, SILU, SOFTPLUS = range(9)
CODES = {
    "identity": IDENTITY, "sigmoid": SIGMOID, "tanh": TANH, "relu": RELU, "leaky_relu": LEAKY_RELU, "elu": ELU,
    "gelu": GELU, "silu": SILU, "softplus": SOFTPLUS,
}  # fmt: skip
#: Those whose slope their output does not tell.
TWO_SIDED = {"gelu", "silu"}

#: Slope of the leaky rectifier below 0 (Maas, Hannun and Ng 2013).
LEAK = 0.01
#: Hendrycks and Gimpel's gelu with tanh (2016) is ``z sigmoid(z (GELU_LINEAR + GELU_CUBIC z**2))``: 2 sqrt(2 / pi), and
#: 0.044715 of it.
GELU_LINEAR, GELU_CUBIC = 1.5957691216057308, 0.07135481627260025


@kernel(inline=True)
def sigmoid(z):
    """Equation (3)."""
    return 1.0 / (1.0 + exp(0.0 - z))


@kernel(inline=True)
def tanh(z):
    """``(e**2z - 1) / (e**2z + 1)``, accurate near 0 too; beyond 20 it is 1 long since."""
    z = where_less(z, -20.0, -20.0, where_less(20.0, z, 20.0, z))
    e = expm1(z + z)
    return e / (e + 2.0)


@kernel(inline=True)
def elu(z):
    """z, and below 0 ``e**z - 1`` (Clevert, Unterthiner and Hochreiter 2016, alpha 1)."""
    return where_less(0.0, z, z, expm1(where_less(0.0, z, 0.0, z)))


@kernel(inline=True)
def softplus(z):
    """``log(1 + e**z)``, as ``max(z, 0) + log(1 + e**-|z|)`` (Dugas et al. 2001)."""
    return where_less(z, 0.0, 0.0, z) + log1p(exp(where_less(z, 0.0, z, 0.0 - z)))


@kernel(inline=True)
def silu(z):
    """``a = z sigmoid(z)`` and its slope (Elfwing, Uchibe and Doya 2018)."""
    s = sigmoid(z)
    a = z * s
    return a, fma(a, 1.0 - s, s)


@kernel(inline=True)
def gelu(z):
    """Gelu by way of tanh, and its slope, for which z is clamped: beyond 20 it is 0 or 1 long since."""
    inner = where_less(z, -20.0, -20.0, where_less(20.0, z, 20.0, z))
    square = inner * inner
    s = sigmoid(inner * fma(square, GELU_CUBIC, GELU_LINEAR))
    return z * s, fma(inner * s * (1.0 - s), fma(square, 3.0 * GELU_CUBIC, GELU_LINEAR), s)


@kernel
def activation_forward(work, A, S, stride, n_rows, m, code):
    """``A = f(Z)`` in place of Z, n_rows of m columns from `work[A]` on; equation (3) for the sigmoid.

    S: where the slopes of gelu and silu go; the others leave it alone. It may be A, if nobody asks for them.
    """
    lanes = n_lanes(work)
    for row in range(0, n_rows * stride, stride):
        if code == SIGMOID:
            for i in range(A + row, A + row + m, lanes):
                vstore(work, i, sigmoid(vload(work, i)))
        elif code == TANH:
            for i in range(A + row, A + row + m, lanes):
                vstore(work, i, tanh(vload(work, i)))
        elif code == RELU:
            for i in range(A + row, A + row + m, lanes):
                z = vload(work, i)
                vstore(work, i, where_less(z, 0.0, 0.0, z))
        elif code == LEAKY_RELU:
            for i in range(A + row, A + row + m, lanes):
                z = vload(work, i)
                vstore(work, i, where_less(z, 0.0, z * LEAK, z))
        elif code == ELU:
            for i in range(A + row, A + row + m, lanes):
                vstore(work, i, elu(vload(work, i)))
        elif code == SOFTPLUS:
            for i in range(A + row, A + row + m, lanes):
                vstore(work, i, softplus(vload(work, i)))
        elif code == GELU:
            for i in range(row, row + m, lanes):
                a, slope = gelu(vload(work, A + i))
                vstore(work, S + i, slope)
                vstore(work, A + i, a)
        elif code == SILU:
            for i in range(row, row + m, lanes):
                a, slope = silu(vload(work, A + i))
                vstore(work, S + i, slope)
                vstore(work, A + i, a)


@kernel
def activation_backward(work, A, dA, stride, n_rows, m, code):
    """``dZ = dA * f'(Z)`` in place of dA, the slope from the output A; equation (7) for the sigmoid."""
    lanes = n_lanes(work)
    for row in range(0, n_rows * stride, stride):
        if code == SIGMOID:
            for i in range(row, row + m, lanes):
                a = vload(work, A + i)
                vstore(work, dA + i, vload(work, dA + i) * (a * (1.0 - a)))
        elif code == TANH:
            for i in range(row, row + m, lanes):
                a = vload(work, A + i)
                vstore(work, dA + i, vload(work, dA + i) * fma(0.0 - a, a, 1.0))
        elif code == RELU:
            for i in range(row, row + m, lanes):
                vstore(work, dA + i, where_less(0.0, vload(work, A + i), vload(work, dA + i), 0.0))
        elif code == LEAKY_RELU:
            for i in range(row, row + m, lanes):
                d = vload(work, dA + i)
                vstore(work, dA + i, where_less(vload(work, A + i), 0.0, d * LEAK, d))
        elif code == ELU:
            for i in range(row, row + m, lanes):
                a = vload(work, A + i)
                vstore(work, dA + i, vload(work, dA + i) * where_less(0.0, a, 1.0, a + 1.0))
        elif code == SOFTPLUS:
            for i in range(row, row + m, lanes):
                vstore(work, dA + i, vload(work, dA + i) * (0.0 - expm1(0.0 - vload(work, A + i))))


@kernel
def slopes_fill(work, A, S, stride, n_rows, m, code):
    """``S = f'(Z)`` from the output A, but for gelu and silu, whose slopes are in S already."""
    if code != GELU and code != SILU:
        lanes = n_lanes(work)
        for row in range(S, S + n_rows * stride, stride):
            for i in range(row, row + m, lanes):
                vstore(work, i, zeros(work) + 1.0)
        activation_backward(work, A, S, stride, n_rows, m, code)


@kernel
def dropout_forward(work, frame, layer, number, m):
    """``A = A * mask``, and the slopes alike; a mask is 0 or 1 / (1 - dropout) (Srivastava et al. 2014, section 10)."""
    stride, lanes, mask = frame[at.STRIDE], n_lanes(work), frame[at.MASK]
    for j in range(layer[at.FAN_OUT]):
        dropout_fill(work, frame, number, j)
        for i in range(0, m, lanes):
            a, s, kept = layer[at.A] + j * stride + i, layer[at.SLOPE] + j * stride + i, vload(work, mask + i)
            vstore(work, a, vload(work, a) * kept)
            vstore(work, s, vload(work, s) * kept)


@kernel(merge=True)
def neurons_forward(work, frame, layer, number, m):
    """``A = f(Z)`` of the layer of that number, and its slopes where they are kept."""
    stride, A, S = frame[at.STRIDE], layer[at.A], layer[at.SLOPE]
    activation_forward(work, A, S, stride, layer[at.FAN_OUT], m, layer[at.ACTIVATION])
    if frame[at.DROPPED] > 0:
        slopes_fill(work, A, S, stride, layer[at.FAN_OUT], m, layer[at.ACTIVATION])
        dropout_forward(work, frame, layer, number, m)


@kernel
def slopes_backward(work, S, dA, stride, n_rows, m):
    """``dZ = dA * f'(Z)`` in place of dA, the slopes as they were kept."""
    for row in range(0, n_rows * stride, stride):
        for i in range(row, row + m, n_lanes(work)):
            vstore(work, dA + i, vload(work, dA + i) * vload(work, S + i))


@kernel(merge=True)
def neurons_backward(work, frame, layer, m):
    """``dZ = dA * f'(Z)`` in place of dA: the slope kept, or told by the output."""
    stride, A, S, dA = frame[at.STRIDE], layer[at.A], layer[at.SLOPE], layer[at.DZ]
    if S == A:
        activation_backward(work, A, dA, stride, layer[at.FAN_OUT], m, layer[at.ACTIVATION])
    else:
        slopes_backward(work, S, dA, stride, layer[at.FAN_OUT], m)
