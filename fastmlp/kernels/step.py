"""One training step. The arguments are those of `fastmlp.kernels.dense`."""

import numpy as np

from fastmlp.codegen.jit import kernel
from fastmlp.kernels import layout as at
from fastmlp.kernels.activation import hidden_forward
from fastmlp.kernels.dense import bias_update, gradient_clip, stored_gradient_update
from fastmlp.kernels.dispatch import first_layer_gradient, layer_backward, layer_forward
from fastmlp.kernels.loss import loss_backward, loss_forward
from fastmlp.kernels.sampling import gather_targets, prefetch_rows


@kernel(inline=True)
def layers_forward(net, m, bf16):
    """From the pre-activations of the first layer to the logits; equations (3) and Z = A W + b."""
    for i in range(1, net.layers.shape[0]):
        below = net.layers[i - 1]
        hidden_forward(net.work, net.common, below, i, m)
        layer_forward(net, below, net.layers[i], m, bf16)


@kernel(inline=True)
def losses_forward(targets, order, net, batch, total):
    """Outputs, among them probabilities (2), in place of the last layer's deltas, and each sample's loss (1)."""
    last = net.layers[net.layers.shape[0] - 1]
    gather_targets(targets, order, batch, last[at.FAN_OUT], total, net.work, net.common)
    loss_forward(net.work, net.common, last, batch[1])


@kernel(inline=True)
def layers_backward(net, m, rule, bf16):
    """Deltas (5, 6, 7) from the last layer down; each layer but the first is updated after its deltas are used."""
    n_layers = net.layers.shape[0]
    loss_backward(net.work, net.common, net.layers[n_layers - 1], m)
    for i in range(n_layers - 1, 0, -1):
        layer_backward(net, net.layers[i - 1], net.layers[i], m, rule, bf16)
        bias_update(net, net.layers[i], m, rule)
    bias_update(net, net.layers[0], m, rule)


@kernel(inline=True)
def train_step(data, targets, order, net, batches, total, rule, bf16):
    """A step on the current batch, all but the update of the first layer's weights.

    batches: (current, next). The first layer's pre-activations of the current batch are computed already, and its
    weights are updated together with the forward pass of the next batch. total: sum of the current batch's sample
    weights.
    """
    batch, next_batch = batches
    first_panel = min(net.common[at.PANEL], net.layers[0][at.FAN_IN])
    prefetch_rows(data, order, next_batch[0], next_batch[0] + next_batch[1], np.int64(0), first_panel)
    layers_forward(net, batch[1], bf16)
    losses_forward(targets, order, net, batch, total)
    layers_backward(net, batch[1], rule, bf16)


@kernel
def clipped_update(data, order, net, batch, max_norm, rule, bf16):
    """Clip the gradient, of which the first layer's part is computed here, and update every layer.

    A function of its own: as a part of `train_chunk` it made a step of a small network 8 % slower.
    """
    first_layer_gradient(data, order, net, batch, rule, bf16)
    gradient_clip(net, max_norm)
    stored_gradient_update(net, rule)
