"""The choice, layer by layer, between float products (`dense`), bf16 products (`bf16_dense`) and sparse samples.

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
from fastmlp.kernels.prototypes import call_bf16_layer, call_bf16_update, call_first_layer

#: No batch: (first place in the order, number of samples).
NO_BATCH = (np.int64(0), np.int64(0))


@kernel(forceinline=True)
def has_own_kernel(net, first_layer):
    """Whether the first layer has bf16 products or sparse samples, for which FIRST_LAYER is called."""
    return first_layer[at.BF16] > 0 or net.common[at.CONVERT] != 0


@kernel
def first_layer_update_forward(data, order, net, batches, c):
    """`fused_update_forward` of the batches (previous, next), or with bf16 products, or of sparse samples."""
    (previous, next_batch), layer = batches, layer_row(net, 0)
    if has_own_kernel(net, layer):
        call_first_layer(net.common[at.FIRST_LAYER], (data, order, net, layer, previous, next_batch, c))
        return
    fused_update_forward(data, order, net, layer, previous, next_batch, c)


@kernel
def first_layer_gradient(data, order, net, batch, c):
    """``dW = A^T dZ`` of the first layer, stored at the offset of W in theta."""
    layer = layer_row(net, 0)
    if has_own_kernel(net, layer):  # whose UPDATE stores the gradient
        call_first_layer(net.common[at.FIRST_LAYER], (data, order, net, layer, batch, NO_BATCH, c))
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
