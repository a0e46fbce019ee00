"""The choice, layer by layer, between float products (`dense`) and bf16 products (`bf16_dense`).

The arguments are those of `fastmlp.kernels.dense`.
"""

import numpy as np

from fastmlp.codegen.jit import kernel
from fastmlp.kernels import layout as at
from fastmlp.kernels.dense import (
    dense_backward,
    dense_forward,
    dense_update,
    fused_update_forward,
    input_gradient,
    layer_row,
    samples_as_rows,
)
from fastmlp.kernels.prototypes import call_bf16_first_layer, call_bf16_layer, call_bf16_update

#: No batch: (first place in the order, number of samples).
NO_BATCH = (np.int64(0), np.int64(0))


@kernel
def first_layer_update_forward(data, order, net, batches, c):
    """`fused_update_forward` of the batches (previous, next), with bf16 products where the layer has them."""
    (previous, next_batch), layer = batches, layer_row(net, 0)
    if layer[at.BF16] > 0:
        arguments = data, order, net, layer, previous, next_batch, c
        call_bf16_first_layer(net.common[at.BF16_FIRST_LAYER], arguments)
        return
    fused_update_forward(data, order, net, layer, previous, next_batch, c)


@kernel
def first_layer_gradient(data, order, net, batch, c):
    """``dW = A^T dZ`` of the first layer, stored at the offset of W in theta."""
    layer = layer_row(net, 0)
    if layer[at.BF16] > 0:  # whose UPDATE stores the gradient
        arguments = data, order, net, layer, batch, NO_BATCH, c
        call_bf16_first_layer(net.common[at.BF16_FIRST_LAYER], arguments)
        return
    input_gradient(data, order, net, layer, batch)


@kernel
def layer_forward(net, below, layer, columns):
    """``Z = A_below W + b``."""
    if layer[at.BF16] > 0:
        call_bf16_layer(net.common[at.BF16_FORWARD], (net, below, layer, columns))
        return
    dense_forward(net, below, layer, columns)


@kernel
def layer_backward(net, below, layer, columns):
    """The deltas of the layer below, and its output as this layer's update needs it."""
    if layer[at.BF16] > 0:
        call_bf16_layer(net.common[at.BF16_BACKWARD], (net, below, layer, columns))
        return
    dense_backward(net, below, layer, columns)
    samples_as_rows(net, below, columns)


@kernel
def layer_update(net, below, layer, m, c):
    """The update of a layer's weights."""
    if layer[at.BF16] > 0:
        call_bf16_update(net.common[at.BF16_UPDATE], (net, below, layer, m, c))
        return
    dense_update(net, below, layer, m, c)
