"""The optimizers, each on a vector of weights, with the gradient that a tile has just left in L1.

A gradient is never stored beyond its block. SGD's is used while it is in the tile's registers (`matmul.add_product`):
1.5 to 2 % of the paper's epoch. The others' goes through L1, since each would want its code once a tile shape.
"""

import numpy as np

from fastmlp.jit import kernel
from fastmlp.kernels.elementary import reciprocal
from fastmlp.simd import broadcast, fma, n_lanes, sqrt, vload, vstore

SGD, ADAM = range(2)
CODES = {"sgd": SGD, "adam": ADAM}

#: Places in a step's array of coefficients.
LR, L2, BETA1, BETA2, EPS, ONE_MINUS_BETA1, ONE_MINUS_BETA2 = range(7)
N_COEFFICIENTS = 7
#: Places in the optimizer's state, which goes on from stretch to stretch: beta1**t, beta2**t.
BETA1_POWER, BETA2_POWER = range(2)
#: Places in the array of hyperparameters that Python hands over, in float64.
HYPER_LR, HYPER_L2, HYPER_BETA1, HYPER_BETA2, HYPER_EPS = range(5)


@kernel
def coefficients_of_step(hyper, powers, optimizer, out):
    """What a step's updates share, computed in float64: a part for weights, then one for biases, which have no L2.

    Adam's bias corrections (10) are moved out of the vectors:
    ``lr mhat / (sqrt(vhat) + eps)  =  lr c2 / c1 * m / (sqrt(v) + eps c2)``, with ``c1 = 1 - beta1**t``
    and ``c2 = sqrt(1 - beta2**t)``.
    """
    lr, eps = hyper[HYPER_LR], hyper[HYPER_EPS]
    if optimizer == ADAM:
        powers[BETA1_POWER] *= hyper[HYPER_BETA1]
        powers[BETA2_POWER] *= hyper[HYPER_BETA2]
        correction = np.sqrt(1.0 - powers[BETA2_POWER])
        lr = lr * correction / (1.0 - powers[BETA1_POWER])
        eps = eps * correction
    for part in (0, N_COEFFICIENTS):
        out[part + LR] = -lr
        out[part + BETA1] = hyper[HYPER_BETA1]
        out[part + BETA2] = hyper[HYPER_BETA2]
        out[part + EPS] = eps
        out[part + ONE_MINUS_BETA1] = 1.0 - hyper[HYPER_BETA1]
        out[part + ONE_MINUS_BETA2] = 1.0 - hyper[HYPER_BETA2]
    out[L2] = hyper[HYPER_L2]
    out[N_COEFFICIENTS + L2] = 0.0


@kernel(inline=True)
def coefficients_broadcast(c):
    """A step's coefficients, a vector each; read once a block: for all LLVM knows, a stored weight changes them."""
    return (
        broadcast(c, LR), broadcast(c, L2), broadcast(c, BETA1), broadcast(c, BETA2), broadcast(c, EPS),
        broadcast(c, ONE_MINUS_BETA1), broadcast(c, ONE_MINUS_BETA2),
    )  # fmt: skip


@kernel(inline=True)
def sgd_update(w, g, lr, l2):
    """``w - lr (g + l2 w)``: equations (8) and (9); lr is given negated."""
    return fma(lr, fma(l2, w, g), w)


@kernel(inline=True)
def adam_moments(m, v, g, c):
    """Equation (10), the first two lines: the running means of the gradient and of its square."""
    m = fma(c[BETA1], m, c[ONE_MINUS_BETA1] * g)
    return m, fma(c[BETA2], v, c[ONE_MINUS_BETA2] * g * g)


@kernel(inline=True)
def adam_update(w, m, v, c):
    """Equation (10), the last two lines, the bias corrections folded into the coefficients.

    The CPU's square root beside a reciprocal by Newton's steps, since they run on different units: 5.3 ns a vector of
    16, against 7.4 with the CPU's division and 9.0 with both by Newton's steps.
    """
    return fma(c[LR], m * reciprocal(sqrt(v) + c[EPS]), w)


@kernel
def update_block(params, start, stride, G, n_rows, n_columns, optimizer, c):
    """One step on the block of weights that begins at ``theta[start]``, whole vectors wide, given its gradient G."""
    theta, m, v = params
    lanes, c = n_lanes(theta), coefficients_broadcast(c)
    for r in range(n_rows):
        row, g_row = start + r * stride, r * G[1]
        if optimizer == SGD:
            for i in range(0, n_columns, lanes):
                w = vload(theta, row + i)
                vstore(theta, row + i, sgd_update(w, vload(G[0], g_row + i), c[LR], c[L2]))
        else:
            for i in range(0, n_columns, lanes):
                w = vload(theta, row + i)
                g = fma(c[L2], w, vload(G[0], g_row + i))
                m_now, v_now = adam_moments(vload(m, row + i), vload(v, row + i), g, c)
                vstore(m, row + i, m_now)
                vstore(v, row + i, v_now)
                vstore(theta, row + i, adam_update(w, m_now, v_now, c))
