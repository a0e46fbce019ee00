"""The optimizers, each on a vector of weights, with the gradient that a tile has just left in L1.

A gradient is never stored beyond its block. SGD's is used while it is in the tile's registers (`matmul.add_product`):
1.5 to 2 % of the paper's epoch. The others' goes through L1, since each would want its code once a tile shape. Where
the norm of all gradients is to be known first, KEEP stores them: a rule like the others, since a second path through
the layers made the first compilation half as long again.
"""

import numpy as np

from fastmlp.jit import kernel
from fastmlp.kernels.elementary import reciprocal
from fastmlp.simd import broadcast, fma, n_lanes, sqrt, vload, vstore, zeros

SGD, ADAM, MOMENTUM, NESTEROV, RMSPROP, NADAM, KEEP = range(7)
CODES = {
    "sgd": SGD, "momentum": MOMENTUM, "nesterov": NESTEROV, "rmsprop": RMSPROP, "adam": ADAM, "adamw": ADAM,
    "nadam": NADAM,
}  # fmt: skip

#: Places in a step's array of coefficients. DECAY: what the weights are multiplied by, less 1; LR_G: Nadam's rate for
#: the gradient, where LR is that of its mean.
LR, L2, BETA1, BETA2, EPS, ONE_MINUS_BETA1, ONE_MINUS_BETA2, MU, DECAY, LR_G = range(10)
N_COEFFICIENTS = 10
#: Places in the optimizer's state, which goes on from stretch to stretch: beta1**t, beta2**t; Nadam's PSI**t, and the
#: product of its momenta; how many steps were taken, which is true whenever no kernel runs.
BETA1_POWER, BETA2_POWER, PSI_POWER, MU_PRODUCT, STEPS = range(5)
N_POWERS = 5
#: Places in the array of hyperparameters that Python hands over, in float64; L2_BY_WEIGHT and EPS_HAT are 0 or 1.
HYPER_LR, HYPER_L2, HYPER_BETA1, HYPER_BETA2, HYPER_EPS, HYPER_MOMENTUM, HYPER_DECAY, HYPER_CLIP = range(8)
L2_BY_WEIGHT, EPS_HAT = range(8, 10)
N_HYPER = 10
#: 0.96**0.004, by whose powers Nadam's momentum rises (Dozat 2016, section 4; PyTorch's numbers).
PSI = 0.9998367253526752784


@kernel
def coefficients_of_step(hyper, powers, optimizer, total, out):
    """What a step's updates share, computed in float64: a part for weights, then one for biases, which have no L2.

    total: the sum of the batch's sample weights. Adam's bias corrections (10) are moved out of the vectors:
    ``lr mhat / (sqrt(vhat) + eps)  =  lr c2 / c1 * m / (sqrt(v) + eps c2)``, with ``c1 = 1 - beta1**t``
    and ``c2 = sqrt(1 - beta2**t)``; where eps_hat is given, it is ``eps c2``. Nadam's (Dozat 2016) likewise, its m
    being ``mu' m / (1 - product of mu to mu') + (1 - mu) g / (1 - product of mu)``.
    """
    lr, eps, lr_g, l2 = hyper[HYPER_LR], hyper[HYPER_EPS], 0.0, hyper[HYPER_L2]
    decay = hyper[HYPER_LR] * hyper[HYPER_DECAY]
    if hyper[L2_BY_WEIGHT] > 0.0:
        l2 = l2 / total if total > 0.0 else 0.0
    if optimizer == SGD:
        l2, decay = l2 + hyper[HYPER_DECAY], 0.0
    if optimizer in (ADAM, NADAM):
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
            following = hyper[HYPER_BETA1] * (1.0 - 0.5 * (powers[PSI_POWER] * PSI))
            powers[MU_PRODUCT] *= mu
            lr_g = lr * correction * (1.0 - mu) / (1.0 - powers[MU_PRODUCT])
            lr = lr * correction * following / (1.0 - powers[MU_PRODUCT] * following)
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


@kernel(inline=True)
def coefficients_broadcast(c):
    """A step's coefficients, a vector each; read once a block: for all LLVM knows, a stored weight changes them."""
    return (
        broadcast(c, LR), broadcast(c, L2), broadcast(c, BETA1), broadcast(c, BETA2), broadcast(c, EPS),
        broadcast(c, ONE_MINUS_BETA1), broadcast(c, ONE_MINUS_BETA2), broadcast(c, MU), broadcast(c, DECAY),
        broadcast(c, LR_G),
    )  # fmt: skip


@kernel(inline=True)
def sgd_update(w, g, c):
    """``w - lr g``, g with L2's part: equations (8) and (9)."""
    return fma(c[LR], g, w)


@kernel(inline=True)
def momentum_moment(m, g, c):
    """``momentum m - lr g``: the step that is remembered (Sutskever et al. 2013, eq. 1)."""
    return fma(c[MU], m, c[LR] * g)


@kernel(inline=True)
def nesterov_update(w, m, g, c):
    """``w + momentum m - lr g``, m the step remembered: Nesterov's as Bengio et al. (2013, eq. 7) write it."""
    return w + fma(c[MU], m, c[LR] * g)


@kernel(inline=True)
def second_moment(v, g, c):
    """Equation (10), the second line: the running mean of the gradient's square."""
    return fma(c[BETA2], v, c[ONE_MINUS_BETA2] * g * g)


@kernel(inline=True)
def adam_moments(m, v, g, c):
    """Equation (10), the first two lines: the running means of the gradient and of its square."""
    return fma(c[BETA1], m, c[ONE_MINUS_BETA1] * g), second_moment(v, g, c)


@kernel(inline=True)
def adam_update(w, m, v, c):
    """Equation (10), the last two lines, the bias corrections folded into the coefficients; with g for m RMSprop's.

    The CPU's square root beside a reciprocal by Newton's steps, since they run on different units: 5.3 ns a vector of
    16, against 7.4 with the CPU's division and 9.0 with both by Newton's steps.
    """
    return fma(c[LR], m * reciprocal(sqrt(v) + c[EPS]), w)


@kernel(inline=True)
def nadam_update(w, m, v, g, c):
    """Adam with Nesterov's momentum (Dozat 2016): the mean of the gradients and the gradient, each at its own rate."""
    return fma(fma(c[LR], m, c[LR_G] * g), reciprocal(sqrt(v) + c[EPS]), w)


# What each rule does to the vector of weights w that begins at theta[i], given its gradient g with L2's part.


@kernel(inline=True)
def sgd_step(params, i, w, g, c):
    """`sgd_update`."""
    vstore(params[0], i, sgd_update(w, g, c))


@kernel(inline=True)
def momentum_step(params, i, w, g, c):
    """``w + m``, m the step remembered."""
    m = momentum_moment(vload(params[1], i), g, c)
    vstore(params[1], i, m)
    vstore(params[0], i, w + m)


@kernel(inline=True)
def nesterov_step(params, i, w, g, c):
    """`nesterov_update`."""
    m = momentum_moment(vload(params[1], i), g, c)
    vstore(params[1], i, m)
    vstore(params[0], i, nesterov_update(w, m, g, c))


@kernel(inline=True)
def rmsprop_step(params, i, w, g, c):
    """`adam_update`, the gradient in place of its mean (Tieleman and Hinton 2012)."""
    v = second_moment(vload(params[2], i), g, c)
    vstore(params[2], i, v)
    vstore(params[0], i, adam_update(w, g, v, c))


@kernel(inline=True)
def adam_step(params, i, w, g, c):
    """`adam_update`."""
    m, v = adam_moments(vload(params[1], i), vload(params[2], i), g, c)
    vstore(params[1], i, m)
    vstore(params[2], i, v)
    vstore(params[0], i, adam_update(w, m, v, c))


@kernel(inline=True)
def nadam_step(params, i, w, g, c):
    """`nadam_update`."""
    m, v = adam_moments(vload(params[1], i), vload(params[2], i), g, c)
    vstore(params[1], i, m)
    vstore(params[2], i, v)
    vstore(params[0], i, nadam_update(w, m, v, g, c))


def _over_block(step):
    """The loop over a block of weights round a rule's step: a copy a rule, so that none looks for its rule inside."""

    @kernel(inline=True)
    def block_update(params, start, stride, G, n_rows, n_columns, c):
        c = coefficients_broadcast(c)
        for r in range(n_rows):
            for k in range(0, n_columns, n_lanes(params[0])):
                i = start + r * stride + k
                w = vload(params[0], i)
                step(params, i, w, fma(c[L2], w, vload(G[0], r * G[1] + k)), c)

    return block_update


sgd_block, momentum_block, nesterov_block = map(_over_block, (sgd_step, momentum_step, nesterov_step))
rmsprop_block, adam_block, nadam_block = map(_over_block, (rmsprop_step, adam_step, nadam_step))


@kernel(inline=True)
def keep_block(params, start, stride, G, n_rows, n_columns):
    """The gradient itself, without L2's part, where its weights lie in theta."""
    for r in range(n_rows):
        for k in range(0, n_columns, n_lanes(params[0])):
            vstore(params[3], start + r * stride + k, vload(G[0], r * G[1] + k))


@kernel
def weights_shrink(theta, start, stride, n_rows, n_columns, c):
    """``w - lr weight_decay w`` (Loshchilov and Hutter 2019), before the step's gradient is used."""
    decay, lanes = broadcast(c, DECAY), n_lanes(theta)
    for r in range(n_rows):
        for i in range(start + r * stride, start + r * stride + n_columns, lanes):
            w = vload(theta, i)
            vstore(theta, i, fma(decay, w, w))


@kernel
def update_block(params, start, stride, G, n_rows, n_columns, optimizer, c):
    """One step on the block of weights that begins at ``theta[start]``, whole vectors wide, given its gradient G."""
    block = start, stride, G, n_rows, n_columns
    if c[DECAY] != 0.0 and optimizer != KEEP:
        weights_shrink(params[0], start, stride, n_rows, n_columns, c)
    if optimizer == SGD:
        sgd_block(params, *block, c)
    elif optimizer == ADAM:
        adam_block(params, *block, c)
    elif optimizer == MOMENTUM:
        momentum_block(params, *block, c)
    elif optimizer == NESTEROV:
        nesterov_block(params, *block, c)
    elif optimizer == RMSPROP:
        rmsprop_block(params, *block, c)
    elif optimizer == NADAM:
        nadam_block(params, *block, c)
    else:
        keep_block(params, *block)


@kernel
def add_squares(array, start, stride, n_rows, n_columns, work, scratch, total):
    """``total + sum of squares`` of a block: down each column in array's type, then over the columns in float64.

    So that no vector's width is seen in the sum. Columns are padded with zeros.
    """
    lanes = n_lanes(array)
    for i in range(0, n_columns, lanes):
        squares = zeros(array)
        for r in range(n_rows):
            x = vload(array, start + r * stride + i)
            squares = fma(x, x, squares)
        vstore(work, scratch, squares)
        for k in range(lanes):
            total += np.float64(work[scratch + k])
    return total
