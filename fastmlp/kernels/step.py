"""One training step of a team of threads. The arguments are those of `fastmlp.kernels.dense`.

From the pre-activations of the first layer to its deltas, each thread computes some samples (columns) through all
layers, so that no thread waits for another. The updates, and the forward pass of the first layer, need all samples;
there, each thread has some rows of every layer's weights, which stay in its core's cache.
"""

import numpy as np

from fastmlp.codegen.integers import smaller
from fastmlp.codegen.jit import kernel
from fastmlp.kernels import layout as at
from fastmlp.kernels.activation import hidden_forward
from fastmlp.kernels.dense import bias_update, gradient_clip, layer_row, stored_gradient_update
from fastmlp.kernels.dispatch import first_layer_gradient, layer_backward, layer_forward, layer_update
from fastmlp.kernels.loss import loss_backward, loss_forward
from fastmlp.kernels.prototypes import CLIPPED_UPDATE
from fastmlp.kernels.sampling import gather_targets, prefetch_rows
from fastmlp.kernels.team import barrier_wait


@kernel
def layers_forward(net, columns):
    """From the pre-activations of the first layer to the logits; equations (3) and Z = A W + b."""
    for i in range(1, net.common[at.N_LAYERS]):
        below = layer_row(net, i - 1)
        hidden_forward(net.work, net.common, below, i, columns)
        layer_forward(net, below, layer_row(net, i), columns)


@kernel
def losses_forward(targets, order, net, batch, columns, total):
    """Outputs, among them probabilities (2), in place of the last layer's deltas, and each sample's loss (1)."""
    last, samples = layer_row(net, net.common[at.N_LAYERS] - 1), (batch[0] + columns[0], columns[1])
    gather_targets(targets, order, samples, columns[0], last[at.FAN_OUT], total, net.work, net.common)
    loss_forward(net.work, net.common, last, columns)


@kernel
def layers_backward(net, columns):
    """Deltas (5, 6, 7) from the last layer down."""
    n_layers = net.common[at.N_LAYERS]
    loss_backward(net.work, net.common, layer_row(net, n_layers - 1), columns)
    for i in range(n_layers - 1, 0, -1):
        layer_backward(net, layer_row(net, i - 1), layer_row(net, i), columns)


@kernel
def layers_update(net, m, c):
    """Updates (4, 5, 8, 9, 10) of all weights and biases but the weights of the first layer."""
    for i in range(net.common[at.N_LAYERS] - 1, 0, -1):
        layer_update(net, layer_row(net, i - 1), layer_row(net, i), m, c)
        bias_update(net, layer_row(net, i), m, c)
    bias_update(net, layer_row(net, 0), m, c)


@kernel
def train_step(data, targets, order, net, batches, columns_and_weight, c):
    """A step on the current batch, all but the update of the first layer's weights.

    A function of its own, as `fused_update_forward` is: as parts of `train_chunk`, in which the shares of a thread are
    variables, they made a step of 64-32-10 by one thread 14 % slower on Zen 5.

    batches: (current, next). The first layer's pre-activations of the current batch are computed already, and its
    weights are updated together with the forward pass of the next batch. columns_and_weight: the columns
    of this thread, and the sum of the current batch's sample weights.
    """
    (batch, next_batch), (columns, total) = batches, columns_and_weight
    if net.common[at.CONVERT] == 0:
        first_panel = smaller(net.common[at.PANEL], layer_row(net, 0)[at.FAN_IN])
        prefetch_rows(data, order, next_batch[0], next_batch[0] + next_batch[1], np.int64(0), first_panel)
    if columns[1] > 0:
        layers_forward(net, columns)
        losses_forward(targets, order, net, batch, columns, total)
        layers_backward(net, columns)
    barrier_wait(net)
    layers_update(net, batch[1], c)
    barrier_wait(net)


@CLIPPED_UPDATE.implementation
def clipped_update(data, order, net, batch, max_norm, c):
    """Clip the gradient, of which the first layer's part is computed here, and update every layer."""
    first_layer_gradient(data, order, net, batch, c)
    barrier_wait(net)
    gradient_clip(net, max_norm)
    stored_gradient_update(net, c)
    barrier_wait(net)
