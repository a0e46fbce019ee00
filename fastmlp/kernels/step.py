"""One training step: the table of contents."""

import numpy as np

from fastmlp.jit import kernel
from fastmlp.kernels import layout as at
from fastmlp.kernels.activation import neurons_forward
from fastmlp.kernels.dense import (
    bias_forward,
    bias_update,
    dense_backward,
    dense_forward,
    dense_update,
    gradient_clip,
    input_sweep,
    kept_update,
)
from fastmlp.kernels.loss import loss_backward, loss_forward
from fastmlp.kernels.sampling import gather_targets, prefetch_rows
from fastmlp.kernels.update import KEEP

#: No batch: (first place, number of samples).
NO_BATCH = (np.int64(0), np.int64(0))


@kernel(merge=True)
def layers_forward(params, layers, work, frame, m):
    """From the first layer's Z to the last one's logits; equations (3) and Z = A W + b."""
    stride = frame[at.STRIDE]
    for l in range(1, layers.shape[0]):  # noqa: E741 - the paper's letter
        below = layers[l - 1]
        neurons_forward(work, frame, below, l, m)
        dense_forward(params, work, below, layers[l], stride, m)


@kernel(merge=True)
def losses_forward(targets, rows, layers, work, frame, batch, total):
    """Outputs, probabilities (2) among them, in place of the last layer's deltas, and each sample's loss (1)."""
    last = layers[layers.shape[0] - 1]
    gather_targets(targets, rows, batch, last[at.FAN_OUT], total, work, frame)
    loss_forward(work, frame, last, batch[1])


@kernel(merge=True)
def layers_backward(params, layers, work, frame, m, optimizer, c):
    """Deltas (5, 6, 7) from the last layer down; each layer but the first is updated once they have passed it."""
    loss_backward(work, frame, layers[layers.shape[0] - 1], m)
    for l in range(layers.shape[0] - 1, 0, -1):  # noqa: E741
        dense_backward(params, work, frame, layers[l - 1], layers[l], m)
        dense_update(params, work, frame, layers[l - 1], layers[l], m, optimizer, c)
        bias_update(params, work, frame, layers[l], m, optimizer, c)
    bias_update(params, work, frame, layers[0], m, optimizer, c)


@kernel(merge=True)
def train_step(data, targets, rows, params, layers, work, frame, batch, coming, total, optimizer, c):
    """A step on `batch`, whose first layer's Z is there already, but for the first layer's update."""
    first_panel = min(frame[at.PANEL], layers[0][at.FAN_IN])
    prefetch_rows(data, rows, coming[0], coming[0] + coming[1], 0, first_panel)
    layers_forward(params, layers, work, frame, batch[1])
    losses_forward(targets, rows, layers, work, frame, batch, total)
    layers_backward(params, layers, work, frame, batch[1], optimizer, c)


@kernel(merge=True)
def sweeps(data, rows, params, layers, work, frame, past, coming, longest, optimizer, c):
    """The first layer's update with the `past` batch, and its Z of the `coming` one.

    One sweep does both. Where gradients are clipped, a first one keeps the last of them, every layer is updated, and a
    second goes on: the same code run twice, for twice in the program it made the first compilation a third longer.
    """
    is_clipped = longest > 0.0 and past[1] > 0
    for sweep in range(2 if is_clipped else 1):
        if sweep == 1:
            gradient_clip(params, work, frame, layers, longest)
            kept_update(params, layers, optimizer, c)
            past = NO_BATCH
        now = NO_BATCH if is_clipped and sweep == 0 else coming
        bias_forward(params, work, layers[0], frame[at.STRIDE], now[1])
        input_sweep(data, rows, params, work, frame, layers[0], past, now, KEEP if is_clipped else optimizer, c)
