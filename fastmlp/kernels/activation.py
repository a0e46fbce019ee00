"""Each activation of a hidden layer, and its slope from its output."""

from fastmlp.jit import kernel
from fastmlp.kernels.elementary import exp, expm1
from fastmlp.simd import fma, n_lanes, vload, vstore, where_less

IDENTITY, SIGMOID, TANH, RELU = range(4)
CODES = {"identity": IDENTITY, "sigmoid": SIGMOID, "tanh": TANH, "relu": RELU}


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


@kernel
def activation_forward(work, A, stride, n_rows, m, code):
    """``A = f(Z)`` in place of Z, n_rows of m columns from `work[A]` on; equation (3) for the sigmoid."""
    lanes = n_lanes(work)
    for row in range(A, A + n_rows * stride, stride):
        if code == SIGMOID:
            for i in range(row, row + m, lanes):
                vstore(work, i, sigmoid(vload(work, i)))
        elif code == TANH:
            for i in range(row, row + m, lanes):
                vstore(work, i, tanh(vload(work, i)))
        elif code == RELU:
            for i in range(row, row + m, lanes):
                z = vload(work, i)
                vstore(work, i, where_less(z, 0.0, 0.0, z))


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
