"""Training of a chunk of an epoch: the entry point that Python calls."""

import numpy as np

from fastmlp.codegen.denormals import flush_subnormals, restore_control
from fastmlp.codegen.integers import larger, smaller
from fastmlp.codegen.jit import kernel
from fastmlp.codegen.simd import address
from fastmlp.kernels import layout as at
from fastmlp.kernels.bf16_matmul import tiles_configure, tiles_release
from fastmlp.kernels.dense import bias_forward, layer_row, sum_of_squares
from fastmlp.kernels.dispatch import NO_BATCH, first_layer_update_forward
from fastmlp.kernels.layout import (
    DROPOUT_STATE,
    FIRST,
    OFFSET,
    OPTIMIZER,
    ORDER_STATE,
    SHUFFLE,
    STOP,
    DataArrays,
    NetworkArrays,
    ParamArrays,
    TargetPointers,
)
from fastmlp.kernels.optimizer_state import HYPER_CLIP, HYPER_L2, L2_PER_WEIGHT, STEPS
from fastmlp.kernels.prototypes import call_clipped_update
from fastmlp.kernels.sampling import GOLDEN, batch_weight, permutation_fill, splitmix64, weight_fraction
from fastmlp.kernels.step import train_step
from fastmlp.kernels.team import barrier_wait, share_of_columns, share_of_rows
from fastmlp.kernels.update import coefficients_of_step


@kernel(forceinline=True)
def batch_at(step, batch_size, n_samples):
    """(first place in the order, number of samples) of a step's batch; beyond the last step it is empty."""
    first = step * batch_size
    return first, larger(0, smaller(batch_size, n_samples - first))


@kernel
def add_losses(loss_sum, targets, order, batch, columns_and_weight, net):
    """Add each sample's loss to the sum of its place; with sample weights, times its fraction and the batch's size.

    columns_and_weight: the columns of this thread, and the sum of the batch's sample weights.
    """
    (first, m), (columns, total) = batch, columns_and_weight
    losses, begin, end = net.common[at.LOSS], columns[0], columns[0] + columns[1]
    if targets.has_weights == 0:
        for i in range(begin, end):
            loss_sum[i] += net.work[losses + i]
    else:
        for i in range(begin, end):
            fraction = weight_fraction(targets.weights, order[first + i], total)
            if fraction > 0.0:  # infinity times 0 would be NaN
                loss_sum[i] += np.float64(net.work[losses + i]) * (fraction * m)


@kernel
def add_penalty(loss_sum, hyper, net, batch, total):
    """Add the penalty of (1) for a batch of weight `total`, times its size, where l2 is divided by that weight."""
    if hyper[L2_PER_WEIGHT] > 0.0 and hyper[HYPER_L2] > 0.0 and total > 0.0:
        penalty = 0.5 * hyper[HYPER_L2] / total * sum_of_squares(net.params.theta, net, np.int64(0))
        if net.common[at.RANK] == 0:
            loss_sum[net.common[at.BATCH]] += penalty * batch[1]


@kernel(forceinline=True)
def pointers(data, targets, net):
    """The arguments of `train_chunk` with pointers for arrays: passed on by value, an array is seven numbers."""
    params = ParamArrays(
        address(net.params.theta, 0),
        address(net.params.m, 0),
        address(net.params.v, 0),
        address(net.params.gradient, 0),
    )
    return (
        DataArrays(
            address(data.X, 0),
            data.sample_bytes,
            data.itemsize,
            address(data.factor, 0),
            address(data.offset, 0),
            address(data.indptr, 0),
            address(data.indices, 0),
        ),
        TargetPointers(
            address(targets.labels, 0),
            address(targets.values, 0),
            address(targets.weights, 0),
            np.int64(targets.labels.size > 0),
            np.int64(targets.weights.size > 0),
        ),
        NetworkArrays(
            params,
            address(net.layers, 0),
            address(net.work, 0),
            address(net.common, 0),
            address(net.barrier, 0),
            address(net.entries, 0),
        ),
    )


@kernel(cache=True)
def train_chunk(data, targets, order, net, state, loss_sum, integers):
    """Steps `first` to `stop` of an epoch, in place on the parameters; where an epoch is cut changes no bit.

    Each thread of a team calls it, with `common`, `powers` and `coefficients` of its own and all else in common. They
    meet at three barriers per step, at one more for an L2 penalty that is divided by weights, and at three more where
    the gradient is clipped.

    Step t's update of the first layer and step t + 1's forward pass through it are one pass over its weights, so the
    loop begins one step early, with the forward pass alone, and ends with the update alone; docs/kernels.md has the
    timeline.

    Parameters
    ----------
    data : layout.DataArrays
        The samples.
    targets : fastmlp.model.kernel_args.Targets
        Labels or target values, and sample weights.
    order : int32 (n_samples,)
        Order of the samples; overwritten by a permutation before the first step when shuffling.
    net : layout.NetworkArrays
        Parameters and workspace, with the addresses of the kernels for its settings.
    state : layout.OptimizerState
        Hyperparameters, powers and coefficients; the powers are carried from chunk to chunk.
    loss_sum : float64 (batch_size + 1,)
        Sums of losses, one per place in the batch, added to; the last is that of the L2 penalty.
    integers : int64 (N_INTEGERS,)
        first, stop, code of the optimizer, whether to shuffle, states of the generator for the order and for dropout,
        and the number of steps of this epoch that were taken on other data before. Without a step to take, only the
        order is drawn.
    """
    data, targets, net = pointers(data, targets, net)
    if not barrier_wait(net):  # A thread has failed before anything was changed.
        return
    n_samples, order, loss_sum = order.size, address(order, 0), address(loss_sum, 0)
    hyper, powers, c = address(state[0], 0), address(state[1], 0), address(state[2], 0)
    first, stop, optimizer = integers[FIRST], integers[STOP], integers[OPTIMIZER]
    common, first_layer = net.common, layer_row(net, 0)
    control = flush_subnormals()
    if integers[SHUFFLE] and first == 0:
        if common[at.RANK] == 0:
            permutation_fill(order, n_samples, np.uint64(integers[ORDER_STATE]))
        barrier_wait(net)
    if common[at.TERMS] > 0:
        tiles_configure(common[at.TILE_HEIGHT])
    next_batch = NO_BATCH
    for step in range(first - 1, stop):
        batch, next_batch = next_batch, batch_at(step + 1, common[at.BATCH], n_samples if step + 1 < stop else 0)
        previous, total = batch, batch_weight(targets, order, batch)
        if step >= first:
            add_penalty(loss_sum, hyper, net, batch, total)
            coefficients_of_step(hyper, powers, optimizer, total, c)
            if common[at.DROPPED] > 0:
                draw = np.uint64(integers[DROPOUT_STATE]) + GOLDEN * np.uint64(integers[OFFSET] + step + 1)
                common[at.DRAW] = np.int64(splitmix64(draw))
            columns_and_weight = share_of_columns(net, batch[1]), total
            train_step(data, targets, order, net, (batch, next_batch), columns_and_weight, c)
            add_losses(loss_sum, targets, order, batch, columns_and_weight, net)
            powers[STEPS] += 1.0
            if common[at.CLIPPED_UPDATE] != 0:
                arguments = data, order, net, batch, hyper[HYPER_CLIP], c
                call_clipped_update(common[at.CLIPPED_UPDATE], arguments)
                previous = NO_BATCH
        if common[at.CONVERT] == 0:
            bias_forward(net, first_layer, share_of_rows(common, first_layer), (np.int64(0), next_batch[1]))
        first_layer_update_forward(data, order, net, (previous, next_batch), c)
        if not barrier_wait(net):
            break
    if common[at.TERMS] > 0:
        tiles_release()
    restore_control(control)
