"""The two doors through which Python meets the kernels: train a stretch of an epoch, predict a batch after another."""

import numpy as np

from fastmlp.fpu import flush_subnormals, restore_control
from fastmlp.jit import kernel
from fastmlp.kernels import layout as at
from fastmlp.kernels.dense import bias_forward, input_sweep, squares_of
from fastmlp.kernels.sampling import GOLDEN, batch_weight, permutation_fill, share_of, splitmix64
from fastmlp.kernels.step import clipped_update, layers_forward, losses_forward, train_step
from fastmlp.kernels.sweep import NO_BATCH, first_sweep
from fastmlp.kernels.unit import unit_begin, unit_end
from fastmlp.kernels.update import HYPER_CLIP, HYPER_L2, KEEP, L2_BY_WEIGHT, STEPS, coefficients_of_step
from fastmlp.simd import address

#: Places in the array of integers that Python hands over.
FIRST, STOP, OPTIMIZER, SHUFFLE, ORDER_STATE, DROPOUT_STATE, OFFSET = range(7)
N_INTEGERS = 7


@kernel(inline=True)
def batch_at(step, batch_size, n_samples):
    """(first place, number of samples) of a step's batch; an epoch's last may be short, one past it is empty."""
    first = step * batch_size
    return first, max(0, min(batch_size, n_samples - first))


@kernel
def add_losses(loss_sum, weights, order, batch, total, work, frame):
    """Each sample's loss onto its place's sum; with weights times its share of the batch, and the batch's samples."""
    first, m = batch
    if weights.size == 0:
        for i in range(m):
            loss_sum[i] += work[frame[at.LOSS] + i]
    else:
        for i in range(m):
            share = share_of(weights, order[first + i], total)
            loss_sum[i] += np.float64(work[frame[at.LOSS] + i]) * (share * m)


@kernel
def add_penalty(loss_sum, hyper, theta, work, frame, layers, batch, total):
    """The penalty of (1) on a batch whose weights sum up to total, times its samples, where l2 goes by the batch."""
    if hyper[L2_BY_WEIGHT] > 0.0 and total > 0.0:
        penalty = 0.5 * hyper[HYPER_L2] / total * squares_of(theta, work, frame, layers)
        loss_sum[loss_sum.size - 1] += penalty * batch[1]


@kernel(keep=True)
def train_stretch(data, targets, order, params, tables, hyper, powers, c, loss_sum, integers, unit):
    """Steps `first` to `stop` of an epoch, in place on params; where an epoch is cut changes no bit.

    Parameters
    ----------
    data : tuple
        The octets of X as it lies; how many there are from one sample to the next; the type of its numbers (see
        `sampling`); factor and offset (n_features padded to whole vectors), such that the network's input is
        ``X * factor + offset``.
    targets : tuple
        Labels or values, and weights: see `sampling.gather_targets`.
    order : int32 (n_samples,)
        The epoch's order, overwritten by a permutation before the first step when shuffling.
    params : tuple
        theta; the optimizer's m and v, each empty where it has none; the gradient, empty unless its norm is clipped.
    tables : tuple
        The table of layers, the workspace and its frame; see `layout`.
    hyper, powers : float64
        See `update`; powers go on from stretch to stretch.
    c : (2 N_COEFFICIENTS,)
        Scratch for a step's coefficients: those of weights, then those of biases.
    loss_sum : float64 (batch_size + 1,)
        Sums of losses, one a place in the batch, added to; the last is that of penalties, where l2 goes by the batch.
    integers : int64 (N_INTEGERS,)
        first, stop, optimizer, shuffle, the states of the generator for the order and for dropout; how many steps of
        the epoch were taken on other data, which came before. Without a step to take, only the order is drawn.
    unit : bool or None
        True where layers may be on a bf16 unit. None where none is, and nothing of it is compiled.
    """
    first, stop, optimizer = integers[FIRST], integers[STOP], integers[OPTIMIZER]
    layers, work, frame = tables
    control = flush_subnormals()
    if integers[SHUFFLE] and first == 0:
        permutation_fill(order, np.uint64(integers[ORDER_STATE]))
    if unit is not None:
        unit_begin(frame[at.HEIGHT])
    coming, vectors = NO_BATCH, address(c, 0)
    for step in range(first - 1, stop):
        batch, coming = coming, batch_at(step + 1, frame[at.BATCH], order.size if step + 1 < stop else 0)
        past, total = batch, batch_weight(targets, order, batch)
        if step >= first:
            add_penalty(loss_sum, hyper, params[0], work, frame, layers, batch, total)
            coefficients_of_step(hyper, powers, optimizer, total, c)
            if frame[at.DROPPED] > 0:
                draw = np.uint64(integers[DROPOUT_STATE]) + GOLDEN * np.uint64(integers[OFFSET] + step + 1)
                frame[at.DRAW] = np.int64(splitmix64(draw))
            rule = KEEP if hyper[HYPER_CLIP] > 0.0 else optimizer
            train_step(data, targets, order, params, layers, work, frame, batch, coming, total, rule, vectors, unit)
            add_losses(loss_sum, targets[2], order, batch, total, work, frame)
            powers[STEPS] += 1.0
            if rule == KEEP:
                clipped_update(
                    data, order, params, layers, work, frame, batch, hyper[HYPER_CLIP], optimizer, vectors, unit
                )
                past = NO_BATCH
        bias_forward(params, work, layers[0], frame[at.STRIDE], coming[1])
        first_sweep(data, order, params, work, frame, layers[0], past, coming, optimizer, vectors, unit)
    if unit is not None:
        unit_end()
    restore_control(control)


@kernel(keep=True)
def predict_stretch(data, targets, rows, params, tables, c, outputs, losses, first, stop):
    """Outputs, probabilities (2) among them, and losses (1) of samples first to stop; rows (batch_size,) is scratch."""
    layers, work, frame = tables
    control = flush_subnormals()
    last = layers[layers.shape[0] - 1]
    for start in range(first, stop, rows.size):
        m = min(rows.size, stop - start)
        batch = (np.int64(0), m)
        for i in range(m):
            rows[i] = start + i
        bias_forward(params, work, layers[0], frame[at.STRIDE], m)
        input_sweep(data, rows, params, work, frame, layers[0], NO_BATCH, batch, 0, address(c, 0))
        layers_forward(params, layers, work, frame, m, None)
        losses_forward(targets, rows, layers, work, frame, batch, 1.0)
        for i in range(m):
            losses[start + i] = work[frame[at.LOSS] + i]
            for j in range(last[at.FAN_OUT]):
                outputs[start + i, j] = work[last[at.DZ] + j * frame[at.STRIDE] + i]
    restore_control(control)
