"""The choice, layer by layer, between float products (`dense`) and bf16 products (`bf16_dense`).

``bf16`` is None where no layer is computed in bf16, and that branch is then not compiled. The other arguments are those
of `fastmlp.kernels.dense`.
"""

import numpy as np

from fastmlp.codegen.jit import kernel
from fastmlp.kernels import layout as at
from fastmlp.kernels.bf16_dense import bf16_backward, bf16_forward, bf16_fused_update_forward, bf16_update
from fastmlp.kernels.dense import (
    dense_backward,
    dense_forward,
    dense_update,
    fused_update_forward,
    input_gradient,
    samples_as_rows,
)
from fastmlp.kernels.update import STORE_GRADIENT

#: No batch: (first place in the order, number of samples).
NO_BATCH = (np.int64(0), np.int64(0))


@kernel(inline=True)
def first_layer_update_forward(data, order, net, layer, batches, rule, bf16):
    """`fused_update_forward` of the batches (previous, next), with bf16 products where the layer has them."""
    previous, next_batch = batches
    if bf16 is not None and layer[at.BF16] > 0:
        bf16_fused_update_forward(data, order, net, layer, previous, next_batch, rule)
        return
    fused_update_forward(data, order, net, layer, previous, next_batch, rule)


@kernel(inline=True)
def first_layer_gradient(data, order, net, batch, rule, bf16):
    """``dW = A^T dZ`` of the first layer, stored at the offset of W in theta."""
    layer = net.layers[0]
    if bf16 is not None and layer[at.BF16] > 0:
        store = np.int64(STORE_GRADIENT), rule[1]
        bf16_fused_update_forward(data, order, net, layer, batch, NO_BATCH, store)
        return
    input_gradient(data, order, net, layer, batch)


@kernel(inline=True)
def layer_forward(net, below, layer, columns, bf16):
    """``Z = A_below W + b``."""
    if bf16 is not None and layer[at.BF16] > 0:
        bf16_forward(net, below, layer, columns)
        return
    dense_forward(net, below, layer, columns)


@kernel(inline=True)
def layer_backward(net, below, layer, columns, bf16):
    """The deltas of the layer below, and its output as this layer's update needs it."""
    if bf16 is not None and layer[at.BF16] > 0:
        bf16_backward(net, below, layer, columns)
        return
    dense_backward(net, below, layer, columns)
    samples_as_rows(net, below, columns)


@kernel(inline=True)
def layer_update(net, below, layer, m, rule, bf16):
    """The update of a layer's weights."""
    if bf16 is not None and layer[at.BF16] > 0:
        bf16_update(net, below, layer, m, rule)
        return
    dense_update(net, below, layer, m, rule)
