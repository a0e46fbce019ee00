"""The two doors through which Python meets the kernels: train a stretch of an epoch, predict a batch after another."""

import numpy as np

from fastmlp.fpu import flush_subnormals, restore_control
from fastmlp.jit import kernel
from fastmlp.kernels import layout as at
from fastmlp.kernels.dense import bias_forward, input_sweep
from fastmlp.kernels.sampling import permutation_fill
from fastmlp.kernels.step import layers_forward, losses_forward, train_step
from fastmlp.kernels.update import coefficients_of_step

NO_BATCH = (np.int64(0), np.int64(0))


@kernel(inline=True)
def batch_at(step, batch_size, n_samples):
    """(first place, number of samples) of a step's batch; an epoch's last may be short, one past it is empty."""
    first = step * batch_size
    return first, max(0, min(batch_size, n_samples - first))


@kernel(keep=True)
def train_stretch(data, y, order, params, tables, hyper, powers, c, loss_sum, integers):
    """Steps `first` to `stop` of an epoch, in place on params; where an epoch is cut changes no bit.

    Parameters
    ----------
    data : tuple
        The octets of X as it lies; how many there are from one sample to the next; the type of its numbers (see
        `sampling`); factor and offset (n_features padded to whole vectors), such that the network's input is
        ``X * factor + offset``.
    y, order : int32 (n_samples,)
        Labels; the epoch's order, overwritten by a permutation before the first step when shuffling.
    params : tuple
        theta, and Adam's m and v (empty for SGD).
    tables : tuple
        The table of layers, the workspace and its frame; see `layout`.
    hyper, powers : float64
        See `update`; powers go on from stretch to stretch.
    c : (2 N_COEFFICIENTS,)
        Scratch for a step's coefficients: those of weights, then those of biases.
    loss_sum : float64 (batch_size,)
        Sums of losses, one a place in the batch, added to.
    integers : int64
        first, stop, optimizer, shuffle, state of the generator.
    """
    first, stop, optimizer, shuffle = integers[0], integers[1], integers[2], integers[3]
    layers, work, frame = tables
    control = flush_subnormals()
    if shuffle and first == 0:
        permutation_fill(order, np.uint64(integers[4]))
    coming = batch_at(first, frame[at.BATCH], order.size)
    bias_forward(params, work, layers[0], frame[at.STRIDE], coming[1])
    input_sweep(data, order, params, work, frame, layers[0], NO_BATCH, coming, optimizer, c)
    for step in range(first, stop):
        batch, coming = coming, batch_at(step + 1, frame[at.BATCH], order.size if step + 1 < stop else 0)
        coefficients_of_step(hyper, powers, optimizer, c)
        train_step(data, y, order, params, layers, work, frame, batch, coming, optimizer, c)
        for i in range(batch[1]):
            loss_sum[i] += work[frame[at.LOSS] + i]
    restore_control(control)


@kernel(keep=True)
def predict_stretch(data, y, rows, params, tables, c, probs, losses, first, stop):
    """Probabilities (2) and losses (1) of samples first to stop, a batch at a time; rows (batch_size,) is scratch."""
    layers, work, frame = tables
    control = flush_subnormals()
    last = layers[layers.shape[0] - 1]
    for start in range(first, stop, rows.size):
        m = min(rows.size, stop - start)
        batch = (np.int64(0), m)
        for i in range(m):
            rows[i] = start + i
        bias_forward(params, work, layers[0], frame[at.STRIDE], m)
        input_sweep(data, rows, params, work, frame, layers[0], NO_BATCH, batch, 0, c)
        layers_forward(params, layers, work, frame, m)
        losses_forward(y, rows, layers, work, frame, batch)
        for i in range(m):
            losses[start + i] = work[frame[at.LOSS] + i]
            for j in range(last[at.FAN_OUT]):
                probs[start + i, j] = work[last[at.DZ] + j * frame[at.STRIDE] + i]
    restore_control(control)
