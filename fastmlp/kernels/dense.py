"""Forward pass, backward pass and update of a fully connected layer, as float32 or float64 products.

The paper's equations have samples as rows. Here samples are columns (docs/kernels.md), so that Z = A W + b is computed
as Z = W A + b, with one row of W per output.

``net`` is a `fastmlp.kernels.layout.NetworkArrays`, ``layer`` and ``below`` are rows of its table of layers. ``m`` is
the number of samples in the batch; a batch is (first place in the order, number of samples); ``rule`` is (code of the
optimizer, coefficients of the step).
"""

import numpy as np

from fastmlp.codegen.cpu import BLOCK_ROWS, LINE_BYTES, PREFETCH_WEIGHTS, vector_bits
from fastmlp.codegen.jit import kernel
from fastmlp.codegen.simd import address, broadcast, n_lanes, prefetch, vload, vstore, zeros
from fastmlp.codegen.transpose import transpose_block
from fastmlp.kernels import layout as at
from fastmlp.kernels.activation import hidden_backward
from fastmlp.kernels.matmul import block, matrix, product, product_block, product_descent, transposed
from fastmlp.kernels.sampling import gather_columns, gather_rows, prefetch_rows, transpose
from fastmlp.kernels.update import L2, LR, N_COEFFICIENTS, SGD, add_squares, sgd_block, update_block

VECTORS_PER_LINE = LINE_BYTES * 8 // vector_bits()
#: Row stride and number of rows of biases as a block of weights. Typed: Numba compiles a function again for a literal.
BIAS_STRIDE, BIAS_ROWS = np.int64(0), np.int64(1)


@kernel
def bias_forward(net, layer, m):
    """``Z = b`` in every column: the start of the sums of the forward product."""
    for j in range(layer[at.FAN_OUT]):
        b = broadcast(net.params.theta, layer[at.B] + j)
        for i in range(0, m, n_lanes(net.work)):
            vstore(net.work, layer[at.A] + j * net.common[at.STRIDE] + i, b)


@kernel(inline=True)
def dense_forward(net, below, layer, m):
    """``Z = A_below W + b``, for a layer whose input is the output of the layer below."""
    bias_forward(net, layer, m)
    stride = net.common[at.STRIDE]
    Z = matrix(net.work, layer[at.A], stride)
    W = matrix(net.params.theta, layer[at.W], layer[at.W_STRIDE])
    product(Z, Z, W, matrix(net.work, below[at.A], stride), layer[at.FAN_OUT], m, layer[at.FAN_IN])


@kernel(inline=True)
def dense_backward(net, below, layer, m):
    """``dZ_below = (dZ W^T) * f'(Z_below)``: equations (6) and (7)."""
    stride = net.common[at.STRIDE]
    W = matrix(net.params.theta, layer[at.W], layer[at.W_STRIDE])
    dZ, dA_below = matrix(net.work, layer[at.DZ], stride), matrix(net.work, below[at.DZ], stride)
    zero_row = matrix(net.work, net.common[at.ZEROS], 0)
    product(dA_below, zero_row, transposed(W), dZ, layer[at.FAN_IN], m, layer[at.FAN_OUT])
    hidden_backward(net.work, net.common, below, m)


@kernel(inline=True)
def weights_update(net, start, stride, dZ, At, sizes, rule):
    """``dW = A^T dZ`` (4, 5) on a block of weights, and their update while dW is in registers (SGD) or in L1.

    start, stride: of the block in theta. sizes: (rows, columns, samples). The weights are prefetched from L2 while the
    product is computed, see `PREFETCH_WEIGHTS`. Prefetching Adam's moments, which come from L3, as well made it 6 %
    slower on Emerald Rapids, where a core has 16 cache lines in flight at most, and 1 % on Zen 5.
    """
    n_rows, n_columns, n_samples = sizes
    optimizer, c = rule
    theta, common = net.params.theta, net.common
    if PREFETCH_WEIGHTS:
        for r in range(n_rows):
            for k in range(0, n_columns, n_lanes(theta) * VECTORS_PER_LINE):
                prefetch(theta, start + r * stride + k)
    if optimizer == SGD:
        product_descent(matrix(theta, start, stride), dZ, At, c[LR], c[L2], n_rows, n_columns, n_samples)
        return
    gradient = matrix(net.work, common[at.GRADIENT], common[at.PANEL])
    zero_row = matrix(net.work, common[at.ZEROS], 0)
    product_block(gradient, zero_row, dZ, At, n_rows, n_columns, n_samples)
    update_block(net.params, start, stride, gradient, n_rows, n_columns, optimizer, c)


@kernel(inline=True)
def dense_update(net, below, layer, m, rule):
    """Update of a layer whose input is the output of the layer below, block by block."""
    work, common = net.work, net.common
    stride, panel = common[at.STRIDE], common[at.PANEL]
    transpose(work, below[at.A], stride, layer[at.FAN_IN], m, work, common[at.AT], common[at.AT_STRIDE])
    dZ, At = matrix(work, layer[at.DZ], stride), matrix(work, common[at.AT], common[at.AT_STRIDE])
    for k in range(0, layer[at.FAN_IN], panel):
        width = min(panel, layer[at.FAN_IN] - k)
        for j in range(0, layer[at.FAN_OUT], BLOCK_ROWS):
            sizes = min(BLOCK_ROWS, layer[at.FAN_OUT] - j), width, m
            start = layer[at.W] + j * layer[at.W_STRIDE] + k
            weights_update(net, start, layer[at.W_STRIDE], block(dZ, j, 0), block(At, 0, k), sizes, rule)


@kernel
def bias_update(net, layer, m, rule):
    """``db`` = sum of dZ over the samples, in their order, and the update of b, which has no L2 (8).

    SGD's update is done here: what a call of `update_block` saves and restores for all optimizers was 4 % of a small
    network's step.
    """
    work, common, lanes = net.work, net.common, n_lanes(net.work)
    optimizer, c = rule
    stride, gradient, without_l2 = common[at.STRIDE], common[at.GRADIENT], address(c, N_COEFFICIENTS)
    for j in range(0, layer[at.FAN_OUT], lanes):
        total = zeros(work)
        for i in range(0, m, lanes):
            transpose_block(work, layer[at.DZ] + j * stride + i, stride, work, common[at.AT], lanes)
            for r in range(min(lanes, m - i)):
                total = total + vload(work, common[at.AT] + r * lanes)
        vstore(work, gradient, total)
        G, b = matrix(work, gradient, 0), layer[at.B] + j
        if optimizer == SGD:
            sgd_block(net.params, b, BIAS_STRIDE, G, BIAS_ROWS, lanes, without_l2)
        else:
            update_block(net.params, b, BIAS_STRIDE, G, BIAS_ROWS, lanes, optimizer, without_l2)


@kernel
def prefetch_next_panel(data, order, batch, rows, layer, columns):
    """Prefetch a batch's next panel, in proportion to the rows (first, number) of W that are being worked on.

    A panel requested at once waits for the 16 cache lines that a core has in flight; requested between the row blocks
    of the panel before, it costs nothing.
    """
    (first, m), (j, n), fan_out = batch, rows, layer[at.FAN_OUT]
    begin, end = first + m * j // fan_out, first + m * (j + n) // fan_out
    prefetch_rows(data, order, begin, end, columns[0], columns[1])


@kernel(inline=True)
def fused_update_forward(data, order, net, layer, previous, next_batch, rule):
    """Update the first layer with the previous batch and start the forward pass of the next, in one pass over W.

    Exact, since each block of weights is updated before it is used. A batch of 0 samples stands for none. A panel of a
    batch is gathered and scaled when its weights' turn comes; it is never stored whole.
    """
    work, common, params = net.work, net.common, net.params
    stride, panel, fan_in, fan_out = common[at.STRIDE], common[at.PANEL], layer[at.FAN_IN], layer[at.FAN_OUT]
    W, dZ = matrix(params.theta, layer[at.W], layer[at.W_STRIDE]), matrix(work, layer[at.DZ], stride)
    Z, A = matrix(work, layer[at.A], stride), matrix(work, common[at.COLUMNS], stride)
    At = matrix(work, common[at.ROWS], panel)
    for k in range(0, fan_in, panel):
        width = min(panel, fan_in - k)
        if next_batch[1] > 0:
            gather_columns(data, order, next_batch, (k, width), work, common)
        if previous[1] > 0:
            gather_rows(data, order, previous, (k, width), work, common[at.ROWS], panel)
        for j in range(0, fan_out, BLOCK_ROWS):
            n = min(BLOCK_ROWS, fan_out - j)
            if k + width < fan_in:
                following = k + width, min(width, fan_in - k - width)
                prefetch_next_panel(data, order, previous, (j, n), layer, following)
                prefetch_next_panel(data, order, next_batch, (j, n), layer, following)
            if previous[1] > 0:
                start, sizes = layer[at.W] + j * layer[at.W_STRIDE] + k, (n, width, previous[1])
                weights_update(net, start, layer[at.W_STRIDE], block(dZ, j, 0), At, sizes, rule)
            if next_batch[1] > 0:
                product_block(block(Z, j, 0), block(Z, j, 0), block(W, j, k), A, n, next_batch[1], width)


@kernel
def sum_of_squares(array, net):
    """Sum of the squares of all weights in an array laid out as theta: layer after layer, as `add_squares` sums."""
    total = 0.0
    for i in range(net.layers.shape[0]):
        layer = net.layers[i]
        start, stride, fan_out, fan_in = layer[at.W], layer[at.W_STRIDE], layer[at.FAN_OUT], layer[at.FAN_IN]
        total = add_squares(array, start, stride, fan_out, fan_in, net.work, net.common[at.GRADIENT], total)
    return total


@kernel(inline=True)
def input_gradient(data, order, net, layer, batch):
    """``dW = A^T dZ`` of the first layer, stored at the offset of W in theta."""
    work, common = net.work, net.common
    panel, fan_in = common[at.PANEL], layer[at.FAN_IN]
    dZ, At = matrix(work, layer[at.DZ], common[at.STRIDE]), matrix(work, common[at.ROWS], panel)
    zero_row = matrix(work, common[at.ZEROS], 0)
    for k in range(0, fan_in, panel):
        width = min(panel, fan_in - k)
        gather_rows(data, order, batch, (k, width), work, common[at.ROWS], panel)
        dW = matrix(net.params.gradient, layer[at.W] + k, layer[at.W_STRIDE])
        product(dW, zero_row, dZ, At, layer[at.FAN_OUT], width, batch[1])


@kernel(inline=True)
def gradient_clip(net, max_norm):
    """Scale the whole gradient by ``max_norm / norm`` where its norm is larger (Pascanu et al. 2013)."""
    gradient, layers, work, scratch = net.params.gradient, net.layers, net.work, net.common[at.GRADIENT]
    total = sum_of_squares(gradient, net)
    for i in range(layers.shape[0]):
        b, fan_out = layers[i][at.B], layers[i][at.FAN_OUT]
        total = add_squares(gradient, b, BIAS_STRIDE, BIAS_ROWS, fan_out, work, scratch, total)
    norm = np.sqrt(total)
    if norm > max_norm:
        work[scratch] = max_norm / norm
        scale = broadcast(work, scratch)
        for i in range(0, gradient.size, n_lanes(work)):
            vstore(gradient, i, vload(gradient, i) * scale)


@kernel(inline=True)
def stored_gradient_update(net, rule):
    """Update of every layer by the stored gradient."""
    params, (optimizer, c) = net.params, rule
    for i in range(net.layers.shape[0]):
        layer = net.layers[i]
        W, stride, b, fan_out = layer[at.W], layer[at.W_STRIDE], layer[at.B], layer[at.FAN_OUT]
        dW, db = matrix(params.gradient, W, stride), matrix(params.gradient, b, 0)
        update_block(params, W, stride, dW, fan_out, layer[at.FAN_IN], optimizer, c)
        update_block(params, b, BIAS_STRIDE, db, BIAS_ROWS, fan_out, optimizer, address(c, N_COEFFICIENTS))
