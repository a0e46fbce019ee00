"""The activations of the hidden layers, their derivatives, and dropout.

The kernel of an activation in `fastmlp.settings.ACTIVATIONS` is the function of its name. Where the derivative is
computed from the output, the function NAME_backward multiplies by it, and pre-activations need not be stored. Where it
is computed from the input (gelu and silu are not monotonic), the function returns output and derivative, and the
forward pass stores the derivative at DERIVATIVE. With dropout it stores the derivative of every activation.
"""

from typing import Any

from fastmlp.codegen.indirect import Implementation
from fastmlp.codegen.jit import kernel
from fastmlp.codegen.simd import fma, n_lanes, vload, vstore, where_less, zeros
from fastmlp.kernels import layout as at
from fastmlp.kernels.prototypes import ACTIVATION, DROPOUT, call_activation, call_dropout
from fastmlp.kernels.sampling import dropout_fill
from fastmlp.kernels.vector_math import exp, expm1, log1p
from fastmlp.settings import ACTIVATIONS, LEAKY_SLOPE

#: The tanh form of gelu (Hendrycks and Gimpel 2016) is ``z sigmoid(z (GELU_LINEAR + GELU_CUBIC z**2))``:
#: 2 sqrt(2 / pi), and 0.044715 times that.
GELU_LINEAR, GELU_CUBIC = 1.5957691216057308, 0.07135481627260025


@kernel(forceinline=True)
def sigmoid(z):
    """Equation (3)."""
    return 1.0 / (1.0 + exp(0.0 - z))


@kernel(forceinline=True)
def sigmoid_backward(d, a):
    """``d f'(z)`` from a = f(z): equation (7)."""
    return d * (a * (1.0 - a))


@kernel(forceinline=True)
def tanh(z):
    """``(e**2z - 1) / (e**2z + 1)``, accurate near 0 too; z is clamped to 20, beyond which it is 1 when rounded."""
    z = where_less(z, -20.0, -20.0, where_less(20.0, z, 20.0, z))
    e = expm1(z + z)
    return e / (e + 2.0)


@kernel(forceinline=True)
def tanh_backward(d, a):
    """``d (1 - a**2)``."""
    return d * fma(0.0 - a, a, 1.0)


@kernel(forceinline=True)
def relu(z):
    """``max(z, 0)``."""
    return where_less(z, 0.0, 0.0, z)


@kernel(forceinline=True)
def relu_backward(d, a):
    """``d`` where a > 0, else 0."""
    return where_less(0.0, a, d, 0.0)


@kernel(forceinline=True)
def identity(z):
    """``z``; LLVM removes its loop."""
    return z


@kernel(forceinline=True)
def identity_backward(d, a):
    """``d``."""
    return d


@kernel(forceinline=True)
def leaky_relu(z):
    """``z``, and below 0 ``LEAKY_SLOPE z``."""
    return where_less(z, 0.0, z * LEAKY_SLOPE, z)


@kernel(forceinline=True)
def leaky_relu_backward(d, a):
    """``d`` where a > 0, else ``LEAKY_SLOPE d``: also at 0, as in PyTorch and TensorFlow."""
    return where_less(0.0, a, d, d * LEAKY_SLOPE)


@kernel(forceinline=True)
def elu(z):
    """``z``, and below 0 ``e**z - 1`` (Clevert, Unterthiner and Hochreiter 2016, alpha 1)."""
    return where_less(0.0, z, z, expm1(where_less(0.0, z, 0.0, z)))


@kernel(forceinline=True)
def elu_backward(d, a):
    """``d``, and for a below 0 ``d (a + 1)``."""
    return d * where_less(0.0, a, 1.0, a + 1.0)


@kernel(forceinline=True)
def softplus(z):
    """``log(1 + e**z)``, as ``max(z, 0) + log(1 + e**-|z|)`` (Dugas et al. 2001)."""
    return where_less(z, 0.0, 0.0, z) + log1p(exp(where_less(z, 0.0, z, 0.0 - z)))


@kernel(forceinline=True)
def softplus_backward(d, a):
    """``d (1 - e**-a)``."""
    return d * (0.0 - expm1(0.0 - a))


@kernel(forceinline=True)
def silu(z):
    """``a = z sigmoid(z)`` and its derivative (Elfwing, Uchibe and Doya 2018)."""
    s = sigmoid(z)
    a = z * s
    return a, fma(a, 1.0 - s, s)


@kernel(forceinline=True)
def gelu(z):
    """The tanh form of gelu and its derivative, for which z is clamped to 20: beyond, it is 0 or 1 when rounded."""
    inner = where_less(z, -20.0, -20.0, where_less(20.0, z, 20.0, z))
    square = inner * inner
    s = sigmoid(inner * fma(square, GELU_CUBIC, GELU_LINEAR))
    return z * s, fma(inner * s * (1.0 - s), fma(square, 3.0 * GELU_CUBIC, GELU_LINEAR), s)


def _forward(name: str) -> Implementation:
    """``A = f(Z)`` in place of Z, n_rows of m columns from `work[A]` on; equation (3) for the sigmoid.

    D: offset of the derivatives, if the activation stores them. It may be A where they are not needed.
    """
    function: Any = globals().get(name)

    def forward(work, A, D, stride, n_rows, m):
        for row in range(A, A + n_rows * stride, stride):
            for i in range(row, row + m, n_lanes(work)):
                vstore(work, i, function(vload(work, i)))

    def forward_with_derivative(work, A, D, stride, n_rows, m):
        for row in range(0, n_rows * stride, stride):
            for i in range(row, row + m, n_lanes(work)):
                a, derivative = function(vload(work, A + i))
                vstore(work, D + i, derivative)
                vstore(work, A + i, a)

    stores = ACTIVATIONS[name].derivative_of == "input"
    return ACTIVATION.implementation(forward_with_derivative if stores else forward, f"activation_{name}")


def _backward(name: str) -> Implementation:
    """``dZ = dA * f'(Z)`` in place of dA, the derivative computed from the output A; equation (7) for the sigmoid."""
    function: Any = globals().get(f"{name}_backward")

    def backward(work, A, dA, stride, n_rows, m):
        for row in range(0, n_rows * stride, stride):
            for i in range(row, row + m, n_lanes(work)):
                vstore(work, dA + i, function(vload(work, dA + i), vload(work, A + i)))

    return ACTIVATION.implementation(backward, f"activation_backward_{name}")


#: Implementations by the name of the activation; none in `BACKWARD` where the forward pass stores the derivative.
FORWARD = {name: _forward(name) for name in ACTIVATIONS}
BACKWARD = {name: _backward(name) for name, record in ACTIVATIONS.items() if record.derivative_of == "output"}


@kernel
def derivatives_fill(work, A, D, stride, n_rows, m, backward):
    """``D = f'(Z)`` from the output A, by the kernel at the address `backward`."""
    lanes = n_lanes(work)
    for row in range(D, D + n_rows * stride, stride):
        for i in range(row, row + m, lanes):
            vstore(work, i, zeros(work) + 1.0)
    call_activation(backward, (work, A, D, stride, n_rows, m))


@DROPOUT.implementation
def dropout_forward(work, common, layer, layer_index, columns):
    """``A = A * mask`` and ``f'(Z) * mask``; a mask is 0 or 1 / (1 - dropout) (Srivastava et al. 2014, section 10).

    The derivatives are those that the forward pass has stored, or are computed here.
    """
    stride, lanes, mask = common[at.STRIDE], n_lanes(work), common[at.MASK]
    A, D = layer[at.A] + columns[0], layer[at.DERIVATIVE] + columns[0]
    if common[at.ACTIVATION_BACKWARD] != 0:
        derivatives_fill(work, A, D, stride, layer[at.FAN_OUT], columns[1], common[at.ACTIVATION_BACKWARD])
    for j in range(layer[at.FAN_OUT]):
        dropout_fill(work, common, layer_index, j, columns)
        for i in range(columns[0], columns[0] + columns[1], lanes):
            a, d, scale = layer[at.A] + j * stride + i, layer[at.DERIVATIVE] + j * stride + i, vload(work, mask + i)
            vstore(work, a, vload(work, a) * scale)
            vstore(work, d, vload(work, d) * scale)


@kernel
def hidden_forward(work, common, layer, layer_index, columns):
    """``A = f(Z)`` of a hidden layer, with dropout, and its derivatives where they are stored.

    columns: (first, number), the samples' places in the batch.
    """
    stride, A, D = common[at.STRIDE], layer[at.A] + columns[0], layer[at.DERIVATIVE] + columns[0]
    call_activation(common[at.ACTIVATION_FORWARD], (work, A, D, stride, layer[at.FAN_OUT], columns[1]))
    if common[at.DROPPED] > 0:
        call_dropout(common[at.DROPOUT], (work, common, layer, layer_index, columns))


@kernel
def derivatives_backward(work, D, dA, stride, n_rows, m):
    """``dZ = dA * f'(Z)`` in place of dA, by the stored derivatives."""
    for row in range(0, n_rows * stride, stride):
        for i in range(row, row + m, n_lanes(work)):
            vstore(work, dA + i, vload(work, dA + i) * vload(work, D + i))


@kernel
def hidden_backward(work, common, layer, columns):
    """``dZ = dA * f'(Z)`` in place of dA, the derivatives stored or computed from the output."""
    stride, A, dA = common[at.STRIDE], layer[at.A] + columns[0], layer[at.DZ] + columns[0]
    if layer[at.DERIVATIVE] == layer[at.A]:
        call_activation(common[at.ACTIVATION_BACKWARD], (work, A, dA, stride, layer[at.FAN_OUT], columns[1]))
    else:
        D = layer[at.DERIVATIVE] + columns[0]
        derivatives_backward(work, D, dA, stride, layer[at.FAN_OUT], columns[1])
