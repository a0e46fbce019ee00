"""One training step: the table of contents."""

from fastmlp.jit import kernel
from fastmlp.kernels import layout as at
from fastmlp.kernels.activation import neurons_forward
from fastmlp.kernels.dense import (
    bias_update,
    gradient_clip,
    kept_update,
)
from fastmlp.kernels.loss import loss_backward, loss_forward
from fastmlp.kernels.sampling import gather_targets, prefetch_rows
from fastmlp.kernels.sweep import first_keep, layer_backward, layer_forward


@kernel(merge=True)
def layers_forward(params, layers, work, frame, m, unit):
    """From the first layer's Z to the last one's logits; equations (3) and Z = A W + b."""
    for l in range(1, layers.shape[0]):  # noqa: E741 - the paper's letter
        below = layers[l - 1]
        neurons_forward(work, frame, below, l, m)
        layer_forward(params, work, frame, below, layers[l], m, unit)


@kernel(merge=True)
def losses_forward(targets, rows, layers, work, frame, batch, total):
    """Outputs, probabilities (2) among them, in place of the last layer's deltas, and each sample's loss (1)."""
    last = layers[layers.shape[0] - 1]
    gather_targets(targets, rows, batch, last[at.FAN_OUT], total, work, frame)
    loss_forward(work, frame, last, batch[1])


@kernel(merge=True)
def layers_backward(params, layers, work, frame, m, optimizer, c, unit):
    """Deltas (5, 6, 7) from the last layer down; each layer but the first is updated once they have passed it."""
    loss_backward(work, frame, layers[layers.shape[0] - 1], m)
    for l in range(layers.shape[0] - 1, 0, -1):  # noqa: E741
        layer_backward(params, work, frame, layers[l - 1], layers[l], m, optimizer, c, unit)
        bias_update(params, work, frame, layers[l], m, optimizer, c)
    bias_update(params, work, frame, layers[0], m, optimizer, c)


@kernel(merge=True)
def train_step(data, targets, rows, params, layers, work, frame, batch, coming, total, optimizer, c, unit):
    """A step on `batch`, whose first layer's Z is there already, but for the first layer's update."""
    first_panel = min(frame[at.PANEL], layers[0][at.FAN_IN])
    prefetch_rows(data, rows, coming[0], coming[0] + coming[1], 0, first_panel)
    layers_forward(params, layers, work, frame, batch[1], unit)
    losses_forward(targets, rows, layers, work, frame, batch, total)
    layers_backward(params, layers, work, frame, batch[1], optimizer, c, unit)


@kernel
def clipped_update(data, rows, params, layers, work, frame, batch, longest, optimizer, c, unit):
    """Update of every layer, once the norm of all gradients is known: but for the first layer's they are kept.

    A function of its own, since as a part of `train_stretch` it made a step of a small network 8 % slower.
    """
    first_keep(data, rows, params, work, frame, layers[0], batch, c, unit)
    gradient_clip(params, work, frame, layers, longest)
    kept_update(params, layers, optimizer, c)
