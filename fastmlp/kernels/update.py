"""The optimizers, each on a vector of weights, given the gradient that a tile has just left in L1.

A gradient is not stored beyond its block. SGD's is applied while it is in the registers of the tile
(`matmul.product_descent`): 1.5 to 2 % of the paper's epoch. Those of the other optimizers go through L1, since each
would need its own code for every tile shape. Where the norm of the gradient is needed first, for clipping,
`gradient_store` stores it: an update like the others, without a second path through the layers.
"""

from typing import Any

import numpy as np

from fastmlp.codegen.indirect import Implementation
from fastmlp.codegen.integers import smaller
from fastmlp.codegen.jit import kernel
from fastmlp.codegen.simd import broadcast, fma, n_lanes, sqrt, vload, vstore, zeros
from fastmlp.codegen.transpose import transpose_block
from fastmlp.kernels.optimizer_state import (
    ADAM,
    BETA1,
    BETA1_POWER,
    BETA2,
    BETA2_POWER,
    DECAY,
    EPS,
    EPS_HAT,
    HYPER_BETA1,
    HYPER_BETA2,
    HYPER_DECAY,
    HYPER_EPS,
    HYPER_L2,
    HYPER_LR,
    HYPER_MOMENTUM,
    L2,
    L2_PER_WEIGHT,
    LR,
    LR_G,
    MU,
    MU_PRODUCT,
    N_COEFFICIENTS,
    NADAM,
    ONE_MINUS_BETA1,
    ONE_MINUS_BETA2,
    PSI,
    PSI_POWER,
    SGD,
)
from fastmlp.kernels.prototypes import UPDATE
from fastmlp.kernels.vector_math import reciprocal
from fastmlp.settings import OPTIMIZERS


@kernel
def coefficients_of_step(hyper, powers, optimizer, total, out):
    """The coefficients of a step, computed in float64: those of weights, then those of biases, which have no L2.

    total: the sum of the batch's sample weights. Adam's bias corrections (10) are moved out of the vectors:
    ``lr mhat / (sqrt(vhat) + eps)  =  lr c2 / c1 * m / (sqrt(v) + eps c2)``, with ``c1 = 1 - beta1**t``
    and ``c2 = sqrt(1 - beta2**t)``; with eps_hat, eps stands for ``eps c2``. Nadam's (Dozat 2016) likewise, its mean
    being ``mu' m / (1 - product of mu to mu') + (1 - mu) g / (1 - product of mu)``.
    """
    lr, eps, lr_g, l2 = hyper[HYPER_LR], hyper[HYPER_EPS], 0.0, hyper[HYPER_L2]
    decay = hyper[HYPER_LR] * hyper[HYPER_DECAY]
    if hyper[L2_PER_WEIGHT] > 0.0:
        l2 = l2 / total if total > 0.0 else 0.0
    if optimizer == SGD:
        l2, decay = l2 + hyper[HYPER_DECAY], 0.0
    if optimizer == ADAM or optimizer == NADAM:  # noqa: SIM109 -- Numba compiles `in` as a function
        powers[BETA1_POWER] *= hyper[HYPER_BETA1]
        powers[BETA2_POWER] *= hyper[HYPER_BETA2]
        correction = np.sqrt(1.0 - powers[BETA2_POWER])
        if hyper[EPS_HAT] == 0.0:
            eps = eps * correction
        if optimizer == ADAM:
            lr = lr * correction / (1.0 - powers[BETA1_POWER])
        else:
            powers[PSI_POWER] *= PSI
            mu = hyper[HYPER_BETA1] * (1.0 - 0.5 * powers[PSI_POWER])
            next_mu = hyper[HYPER_BETA1] * (1.0 - 0.5 * (powers[PSI_POWER] * PSI))
            powers[MU_PRODUCT] *= mu
            lr_g = lr * correction * (1.0 - mu) / (1.0 - powers[MU_PRODUCT])
            lr = lr * correction * next_mu / (1.0 - powers[MU_PRODUCT] * next_mu)
    for part in (0, N_COEFFICIENTS):
        out[part + LR] = -lr
        out[part + BETA1] = hyper[HYPER_BETA1]
        out[part + BETA2] = hyper[HYPER_BETA2]
        out[part + EPS] = eps
        out[part + ONE_MINUS_BETA1] = 1.0 - hyper[HYPER_BETA1]
        out[part + ONE_MINUS_BETA2] = 1.0 - hyper[HYPER_BETA2]
        out[part + MU] = hyper[HYPER_MOMENTUM]
        out[part + LR_G] = -lr_g
        out[part + L2] = 0.0
        out[part + DECAY] = 0.0
    out[L2] = l2
    out[DECAY] = -decay


@kernel(forceinline=True)
def coefficients_broadcast(c):
    """The coefficients as vectors, loaded once per block: LLVM must assume that a stored weight may change them."""
    return (
        broadcast(c, LR), broadcast(c, L2), broadcast(c, BETA1), broadcast(c, BETA2), broadcast(c, EPS),
        broadcast(c, ONE_MINUS_BETA1), broadcast(c, ONE_MINUS_BETA2), broadcast(c, MU), broadcast(c, DECAY),
        broadcast(c, LR_G),
    )  # fmt: skip


@kernel(forceinline=True)
def sgd_update(w, g, c):
    """``w - lr g``, with the L2 term in g: equations (8) and (9)."""
    return fma(c[LR], g, w)


@kernel(forceinline=True)
def momentum_moment(m, g, c):
    """``momentum m - lr g``: the velocity (Sutskever et al. 2013, eq. 1)."""
    return fma(c[MU], m, c[LR] * g)


@kernel(forceinline=True)
def nesterov_update(w, m, g, c):
    """``w + momentum m - lr g``, m the new velocity: Nesterov momentum as in Bengio et al. (2013, eq. 7)."""
    return w + fma(c[MU], m, c[LR] * g)


@kernel(forceinline=True)
def second_moment(v, g, c):
    """Equation (10), second line: the estimate of the gradient's second moment."""
    return fma(c[BETA2], v, c[ONE_MINUS_BETA2] * g * g)


@kernel(forceinline=True)
def adam_moments(m, v, g, c):
    """Equation (10), first two lines: the estimates of the gradient's first and second moments."""
    return fma(c[BETA1], m, c[ONE_MINUS_BETA1] * g), second_moment(v, g, c)


@kernel(forceinline=True)
def adam_update(w, m, v, c):
    """Equation (10), last two lines, with the bias corrections in the coefficients; RMSprop's with g for m.

    The CPU's square root beside a reciprocal by Newton's method, since they run on different execution ports: 5.3 ns
    per vector of 16, against 7.4 with the CPU's division and 9.0 with both by Newton's method.
    """
    return fma(c[LR], m * reciprocal(sqrt(v) + c[EPS]), w)


@kernel(forceinline=True)
def nadam_update(w, m, v, g, c):
    """Adam with Nesterov momentum (Dozat 2016): first moment and gradient, each with its own learning rate."""
    return fma(fma(c[LR], m, c[LR_G] * g), reciprocal(sqrt(v) + c[EPS]), w)


# The kernel of an optimizer in `fastmlp.settings.OPTIMIZERS` is the function NAME_step: the step on the vector of
# weights w at theta[i], given its gradient g with the L2 term.


@kernel(forceinline=True)
def sgd_step(params, i, w, g, c):
    """`sgd_update`."""
    vstore(params.theta, i, sgd_update(w, g, c))


@kernel(forceinline=True)
def momentum_step(params, i, w, g, c):
    """``w + m``, m the new velocity."""
    m = momentum_moment(vload(params.m, i), g, c)
    vstore(params.m, i, m)
    vstore(params.theta, i, w + m)


@kernel(forceinline=True)
def nesterov_step(params, i, w, g, c):
    """`nesterov_update`."""
    m = momentum_moment(vload(params.m, i), g, c)
    vstore(params.m, i, m)
    vstore(params.theta, i, nesterov_update(w, m, g, c))


@kernel(forceinline=True)
def rmsprop_step(params, i, w, g, c):
    """`adam_update` with the gradient in place of its mean (Tieleman and Hinton 2012)."""
    v = second_moment(vload(params.v, i), g, c)
    vstore(params.v, i, v)
    vstore(params.theta, i, adam_update(w, g, v, c))


@kernel(forceinline=True)
def adam_step(params, i, w, g, c):
    """`adam_update`."""
    m, v = adam_moments(vload(params.m, i), vload(params.v, i), g, c)
    vstore(params.m, i, m)
    vstore(params.v, i, v)
    vstore(params.theta, i, adam_update(w, m, v, c))


@kernel(forceinline=True)
def nadam_step(params, i, w, g, c):
    """`nadam_update`."""
    m, v = adam_moments(vload(params.m, i), vload(params.v, i), g, c)
    vstore(params.m, i, m)
    vstore(params.v, i, v)
    vstore(params.theta, i, nadam_update(w, m, v, g, c))


@kernel
def weights_shrink(theta, start, stride, n_rows, n_columns, c):
    """``w - lr weight_decay w`` (Loshchilov and Hutter 2019), before the gradient is applied."""
    decay, lanes = broadcast(c, DECAY), n_lanes(theta)
    for r in range(n_rows):
        for i in range(start + r * stride, start + r * stride + n_columns, lanes):
            w = vload(theta, i)
            vstore(theta, i, fma(decay, w, w))


def _update(name: str) -> Implementation:
    """An optimizer's update of the block of weights at ``theta[start]``, whole vectors wide, given its gradient G."""
    step: Any = globals().get(f"{name}_step")

    def update_block(params, start, stride, G, n_rows, n_columns, coefficients):
        if coefficients[DECAY] != 0.0:
            weights_shrink(params.theta, start, stride, n_rows, n_columns, coefficients)
        c = coefficients_broadcast(coefficients)
        for r in range(n_rows):
            for k in range(0, n_columns, n_lanes(params.theta)):
                i = start + r * stride + k
                w = vload(params.theta, i)
                step(params, i, w, fma(c[L2], w, vload(G[0], r * G[1] + k)), c)

    return UPDATE.implementation(update_block, f"update_{name}")


@UPDATE.implementation
def gradient_store(params, start, stride, G, n_rows, n_columns, coefficients):
    """Store the gradient, without the L2 term, at the offset of its weights in theta."""
    for r in range(n_rows):
        for k in range(0, n_columns, n_lanes(params.theta)):
            vstore(params.gradient, start + r * stride + k, vload(G[0], r * G[1] + k))


# adamw has the code of adam, and its step.
_STEPS = {optimizer.code: name for name, optimizer in reversed(OPTIMIZERS.items())}
#: Updates by the code of the optimizer.
UPDATES = {code: _update(name) for code, name in _STEPS.items()}


@kernel
def row_squares(array, start, stride, n_columns, rows, work, scratch, out):
    """`column_squares` of a block that is stored transposed: ``work[out + row]`` = sum of the squares along each row.

    rows: (first, number), whole vectors. Blocks of lanes x lanes are transposed to `scratch`.
    """
    lanes = n_lanes(array)
    for i in range(rows[0], rows[0] + rows[1], lanes):
        squares = zeros(array)
        for j in range(0, n_columns, lanes):
            transpose_block(array, start + i * stride + j, stride, work, scratch, lanes)
            for r in range(smaller(lanes, n_columns - j)):
                x = vload(work, scratch + r * lanes)
                squares = fma(x, x, squares)
        vstore(work, out + i, squares)


@kernel
def column_squares(array, start, stride, n_rows, columns, work, out):
    """``work[out + column]`` = sum of the squares of each column of a block, down the rows, in the array's dtype.

    columns: (first, number), whole vectors; columns are padded with zeros. Their sum, in float64 over the columns in
    their order, depends neither on the width of a vector nor on the number of threads.
    """
    for i in range(columns[0], columns[0] + columns[1], n_lanes(array)):
        squares = zeros(array)
        for r in range(n_rows):
            x = vload(array, start + r * stride + i)
            squares = fma(x, x, squares)
        vstore(work, out + i, squares)
