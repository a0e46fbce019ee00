"""One training step: the table of contents."""

from fastmlp.jit import kernel
from fastmlp.kernels import layout as at
from fastmlp.kernels.activation import activation_forward
from fastmlp.kernels.dense import (
    bias_forward,
    bias_update,
    dense_backward,
    dense_forward,
    dense_update,
    input_sweep,
)
from fastmlp.kernels.loss import softmax_backward, softmax_forward
from fastmlp.kernels.sampling import gather_labels, prefetch_rows


@kernel(merge=True)
def layers_forward(params, layers, work, frame, m):
    """From the first layer's Z to the last one's logits; equations (3) and Z = A W + b."""
    stride = frame[at.STRIDE]
    for l in range(1, layers.shape[0]):  # noqa: E741 - the paper's letter
        below = layers[l - 1]
        activation_forward(work, below[at.A], stride, below[at.FAN_OUT], m, below[at.ACTIVATION])
        dense_forward(params, work, below, layers[l], stride, m)


@kernel(merge=True)
def losses_forward(y, rows, layers, work, frame, batch):
    """Probabilities (2), in place of the last layer's deltas, and each sample's loss (1)."""
    first, m = batch
    last = layers[layers.shape[0] - 1]
    gather_labels(y, rows, first, m, work, frame[at.LABELS], frame[at.WEIGHTS])
    labels, loss = frame[at.LABELS], frame[at.LOSS]
    softmax_forward(work, last[at.A], last[at.DZ], frame[at.STRIDE], last[at.FAN_OUT], labels, loss, m)


@kernel(merge=True)
def layers_backward(params, layers, work, frame, m, optimizer, c):
    """Deltas (5, 6, 7) from the last layer down; each layer but the first is updated once they have passed it."""
    last = layers[layers.shape[0] - 1]
    labels, weights = frame[at.LABELS], frame[at.WEIGHTS]
    softmax_backward(work, last[at.DZ], frame[at.STRIDE], last[at.FAN_OUT], labels, weights, m)
    for l in range(layers.shape[0] - 1, 0, -1):  # noqa: E741
        dense_backward(params, work, frame, layers[l - 1], layers[l], m)
        dense_update(params, work, frame, layers[l - 1], layers[l], m, optimizer, c)
        bias_update(params, work, frame, layers[l], m, optimizer, c)
    bias_update(params, work, frame, layers[0], m, optimizer, c)


@kernel(merge=True)
def train_step(data, y, rows, params, layers, work, frame, batch, coming, optimizer, c):
    """A step on `batch`, whose first layer's Z is there already; ends with the Z of the `coming` batch."""
    first_panel = min(frame[at.PANEL], layers[0][at.FAN_IN])
    prefetch_rows(data, rows, coming[0], coming[0] + coming[1], 0, first_panel)
    layers_forward(params, layers, work, frame, batch[1])
    losses_forward(y, rows, layers, work, frame, batch)
    layers_backward(params, layers, work, frame, batch[1], optimizer, c)
    bias_forward(params, work, layers[0], frame[at.STRIDE], coming[1])
    input_sweep(data, rows, params, work, frame, layers[0], batch, coming, optimizer, c)
