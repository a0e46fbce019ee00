"""Forward pass, backward pass and update of a fully connected layer, as float32 or float64 products.

The paper's equations have samples as rows. Here samples are columns (docs/kernels.md), so that Z = A W + b is computed
as Z = W A + b, with one row of W per output.

``net`` is a `fastmlp.kernels.layout.NetworkArrays` of pointers, ``layer`` and ``below`` point to rows of its table of
layers. ``m`` is
the number of samples in the batch; ``columns`` are those of its samples that this thread computes, (first, number); a
batch is (first place in the order, number of samples); ``c`` are the coefficients of the step.
"""

import numpy as np

from fastmlp.codegen.cpu import BLOCK_ROWS, PREFETCH_WEIGHTS
from fastmlp.codegen.integers import smaller
from fastmlp.codegen.jit import kernel
from fastmlp.codegen.simd import address, broadcast, n_lanes, prefetch, vload, vstore, zeros
from fastmlp.codegen.transpose import transpose_block
from fastmlp.kernels import layout as at
from fastmlp.kernels.activation import hidden_backward
from fastmlp.kernels.matmul import block, matrix, product, transposed
from fastmlp.kernels.optimizer_state import L2, LR, N_COEFFICIENTS
from fastmlp.kernels.prototypes import call_descent, call_gather_columns, call_gather_rows, call_product, call_update
from fastmlp.kernels.sampling import prefetch_rows, transpose
from fastmlp.kernels.team import VECTORS_PER_LINE, barrier_wait, share_of_columns, share_of_rows, whole_lines
from fastmlp.kernels.update import column_squares, row_squares

#: Row stride and number of rows of biases as a block of weights. Typed: Numba compiles a function again for a literal.
BIAS_STRIDE, BIAS_ROWS = np.int64(0), np.int64(1)


@kernel(forceinline=True)
def layer_row(net, i):
    """Row i of the table of layers."""
    return address(net.layers, i * at.N_LAYER_ENTRIES)


@kernel
def has_row_per_feature(net, i):
    """Whether layer i has its weights stored with one row per input: the first one, for sparse samples."""
    return i == 0 and net.common[at.CONVERT] != 0


@kernel
def share_of_weights(net, i):
    """The block of a layer's weights that a thread updates: (offset in theta, rows, columns)."""
    layer = layer_row(net, i)
    if has_row_per_feature(net, i):
        first, n_columns = share_of_columns(net, layer[at.FAN_OUT])
        return layer[at.W] + first, layer[at.FAN_IN], n_columns
    first, n_rows = share_of_rows(net.common, layer)
    return layer[at.W] + first * layer[at.W_STRIDE], n_rows, layer[at.FAN_IN]


@kernel
def bias_forward(net, layer, rows, columns):
    """``Z = b``, the start of the sums of the forward product, in some rows and columns, each (first, number)."""
    for j in range(rows[0], rows[0] + rows[1]):
        b = broadcast(net.params.theta, layer[at.B] + j)
        for i in range(columns[0], columns[0] + columns[1], n_lanes(net.work)):
            vstore(net.work, layer[at.A] + j * net.common[at.STRIDE] + i, b)


@kernel
def dense_forward(net, below, layer, columns):
    """``Z = A_below W + b``, for a layer whose input is the output of the layer below."""
    bias_forward(net, layer, (np.int64(0), layer[at.FAN_OUT]), columns)
    (column, m), stride = columns, net.common[at.STRIDE]
    Z, A_below = matrix(net.work, layer[at.A] + column, stride), matrix(net.work, below[at.A] + column, stride)
    W = matrix(net.params.theta, layer[at.W], layer[at.W_STRIDE])
    product(net.common[at.PRODUCT], Z, Z, W, A_below, layer[at.FAN_OUT], m, layer[at.FAN_IN])


@kernel
def dense_backward(net, below, layer, columns):
    """``dZ_below = (dZ W^T) * f'(Z_below)``: equations (6) and (7)."""
    (column, m), stride = columns, net.common[at.STRIDE]
    W = matrix(net.params.theta, layer[at.W], layer[at.W_STRIDE])
    dZ, dA_below = matrix(net.work, layer[at.DZ] + column, stride), matrix(net.work, below[at.DZ] + column, stride)
    zero_row = matrix(net.work, net.common[at.ZEROS], 0)
    sizes = layer[at.FAN_IN], m, layer[at.FAN_OUT]
    product(net.common[at.PRODUCT], dA_below, zero_row, transposed(W), dZ, *sizes)
    hidden_backward(net.work, net.common, below, columns)


@kernel
def samples_as_rows(net, below, columns):
    """The output of a layer for some samples, transposed, for the update of the layer above."""
    (column, m), common = columns, net.common
    target, stride = below[at.AT] + column * common[at.AT_STRIDE], common[at.AT_STRIDE]
    transpose(net.work, below[at.A] + column, common[at.STRIDE], below[at.FAN_OUT], m, net.work, target, stride)


@kernel
def weights_update(net, start, stride, dZ, At, sizes, c):
    """``dW = A^T dZ`` (4, 5) on a block of weights, and their update while dW is in registers (SGD) or in L1.

    start, stride: of the block in theta. sizes: (rows, columns, samples). The weights are prefetched from L2 while the
    product is computed, see `PREFETCH_WEIGHTS`. Prefetching Adam's moments, which come from L3, as well made it 6 %
    slower on Emerald Rapids, where a core has 16 cache lines in flight at most, and 1 % on Zen 5.
    """
    n_rows, n_columns, n_samples = sizes
    theta, common = net.params.theta, net.common
    if PREFETCH_WEIGHTS:
        for r in range(n_rows):
            for k in range(0, n_columns, n_lanes(theta) * VECTORS_PER_LINE):
                prefetch(theta, start + r * stride + k)
    if common[at.DESCENT] != 0:
        operands = matrix(theta, start, stride), dZ, At, c[LR], c[L2], n_rows, n_columns, n_samples
        call_descent(common[at.DESCENT], operands)
        return
    gradient = matrix(net.work, common[at.GRADIENT], common[at.PANEL])
    zero_row = matrix(net.work, common[at.ZEROS], 0)
    call_product(common[at.PRODUCT], (gradient, zero_row, dZ, At, n_rows, n_columns, n_samples))
    call_update(common[at.UPDATE], (net.params, start, stride, gradient, n_rows, n_columns, c))


@kernel
def dense_update(net, below, layer, m, c):
    """Update of a thread's rows of a layer whose input is the output of the layer below, block by block.

    `samples_as_rows` has transposed that output.
    """
    work, common, panel = net.work, net.common, net.common[at.PANEL]
    dZ, At = matrix(work, layer[at.DZ], common[at.STRIDE]), matrix(work, below[at.AT], common[at.AT_STRIDE])
    first, n_rows = share_of_rows(common, layer)
    for k in range(0, layer[at.FAN_IN], panel):
        width = smaller(panel, layer[at.FAN_IN] - k)
        for j in range(first, first + n_rows, BLOCK_ROWS):
            sizes = smaller(BLOCK_ROWS, first + n_rows - j), width, m
            start = layer[at.W] + j * layer[at.W_STRIDE] + k
            weights_update(net, start, layer[at.W_STRIDE], block(dZ, j, 0), block(At, 0, k), sizes, c)


@kernel
def bias_update(net, layer, m, c):
    """``db`` = sum of dZ over the samples, in their order, and the update of b, which has no L2 (8).

    A thread updates whole cache lines of biases, which are not those of its rows of W: a barrier must follow.
    """
    work, common, lanes, panel = net.work, net.common, n_lanes(net.work), net.common[at.PANEL]
    stride, gradient = common[at.STRIDE], common[at.GRADIENT]
    begin, number = share_of_columns(net, layer[at.FAN_OUT])
    for first in range(begin, begin + number, panel):
        n = smaller(panel, begin + number - first)
        for j in range(0, n, lanes):
            total = zeros(work)
            for i in range(0, m, lanes):
                deltas = layer[at.DZ] + (first + j) * stride + i
                transpose_block(work, deltas, stride, work, common[at.COLUMNS], lanes)
                for r in range(smaller(lanes, m - i)):
                    total = total + vload(work, common[at.COLUMNS] + r * lanes)
            vstore(work, gradient + j, total)
        G, without_l2 = matrix(work, gradient, 0), address(c, N_COEFFICIENTS)
        call_update(common[at.UPDATE], (net.params, layer[at.B] + first, 0, G, 1, n, without_l2))


@kernel
def prefetch_next_panel(data, order, batch, rows, n_rows, columns):
    """Prefetch a batch's next panel, in proportion to the rows (first, number), of n_rows, that are being worked on.

    A panel requested at once waits for the 16 cache lines that a core has in flight; requested between the row blocks
    of the panel before, it costs nothing.
    """
    (first, m), (j, n) = batch, rows
    begin, end = first + m * j // n_rows, first + m * (j + n) // n_rows
    prefetch_rows(data, order, begin, end, columns[0], columns[1])


@kernel
def fused_update_forward(data, order, net, layer, previous, next_batch, c):
    """Update the first layer with the previous batch and start the forward pass of the next, in one pass over W.

    Of both, a thread does the rows of W that are its share. It gathers the panels for itself. When each of two threads
    of a Zen 5 gathered half of the samples for both, with a barrier per panel, 784-128-10 was as fast on float32 and
    1.06 times slower on uint8: cores exchange 20 GB/s. Prefetching the other's half changed nothing.
    Exact, since each block of weights is updated before it is used. A batch of 0 samples stands for none. A panel of a
    batch is gathered and scaled when its weights' turn comes; it is never stored whole.
    """
    work, common, params = net.work, net.common, net.params
    stride, panel, fan_in = common[at.STRIDE], common[at.PANEL], layer[at.FAN_IN]
    first, n_rows = share_of_rows(common, layer)
    W, dZ = matrix(params.theta, layer[at.W], layer[at.W_STRIDE]), matrix(work, layer[at.DZ], stride)
    Z, A = matrix(work, layer[at.A], stride), matrix(work, common[at.COLUMNS], stride)
    At = matrix(work, common[at.ROWS], panel)
    for k in range(0, fan_in, panel):
        width = smaller(panel, fan_in - k)
        if next_batch[1] > 0:
            call_gather_columns(common[at.GATHER_COLUMNS], (data, order, next_batch, (k, width), work, common))
        if previous[1] > 0:
            rows = data, order, previous, (k, width), work, common[at.ROWS], panel
            call_gather_rows(common[at.GATHER_ROWS], rows)
        for j in range(first, first + n_rows, BLOCK_ROWS):
            n = smaller(BLOCK_ROWS, first + n_rows - j)
            if k + width < fan_in:
                following = k + width, smaller(width, fan_in - k - width)
                prefetch_next_panel(data, order, previous, (j - first, n), n_rows, following)
                prefetch_next_panel(data, order, next_batch, (j - first, n), n_rows, following)
            if previous[1] > 0:
                start, sizes = layer[at.W] + j * layer[at.W_STRIDE] + k, (n, width, previous[1])
                weights_update(net, start, layer[at.W_STRIDE], block(dZ, j, 0), At, sizes, c)
            if next_batch[1] > 0:
                operands = block(Z, j, 0), block(Z, j, 0), block(W, j, k), A, n, next_batch[1], width
                call_product(common[at.PRODUCT], operands)


@kernel
def sum_of_squares(array, net, with_biases):
    """Sum of the squares of all weights, layer after layer, then of all biases, in an array laid out as theta.

    Each thread sums some columns down; then, after a barrier, each adds up all of them, in float64 and in their order.
    """
    work, out, n_layers = net.work, net.common[at.COLUMN_SQUARES], net.common[at.N_LAYERS]
    for i in range(n_layers):
        layer = layer_row(net, i)
        width, W, stride = whole_lines(net, layer[at.FAN_IN]), layer[at.W], layer[at.W_STRIDE]
        inputs = share_of_columns(net, width)
        if has_row_per_feature(net, i):
            row_squares(array, W, stride, layer[at.FAN_OUT], inputs, work, net.common[at.COLUMNS], out)
        else:
            column_squares(array, W, stride, layer[at.FAN_OUT], inputs, work, out)
        out += width
    for i in range(n_layers if with_biases else 0):
        layer = layer_row(net, i)
        width = whole_lines(net, layer[at.FAN_OUT])
        column_squares(array, layer[at.B], BIAS_STRIDE, BIAS_ROWS, share_of_columns(net, width), work, out)
        out += width
    barrier_wait(net)
    total = 0.0
    for i in range(net.common[at.COLUMN_SQUARES], out):
        total += np.float64(work[i])
    return total


@kernel
def input_gradient(data, order, net, layer, batch):
    """``dW = A^T dZ`` of the first layer, a thread's rows, stored at the offset of W in theta."""
    work, common = net.work, net.common
    panel, fan_in = common[at.PANEL], layer[at.FAN_IN]
    first, n_rows = share_of_rows(common, layer)
    dZ = matrix(work, layer[at.DZ] + first * common[at.STRIDE], common[at.STRIDE])
    At, zero_row = matrix(work, common[at.ROWS], panel), matrix(work, common[at.ZEROS], 0)
    for k in range(0, fan_in, panel):
        width = smaller(panel, fan_in - k)
        call_gather_rows(common[at.GATHER_ROWS], (data, order, batch, (k, width), work, common[at.ROWS], panel))
        dW = matrix(net.params.gradient, layer[at.W] + first * layer[at.W_STRIDE] + k, layer[at.W_STRIDE])
        product(common[at.PRODUCT], dW, zero_row, dZ, At, n_rows, width, batch[1])


@kernel
def gradient_scale(net, scale, start, stride, n_rows, n_columns):
    """Multiply a block of the gradient, whole vectors wide, by ``work[scale]``."""
    gradient, factor = net.params.gradient, broadcast(net.work, scale)
    for r in range(n_rows):
        for i in range(start + r * stride, start + r * stride + n_columns, n_lanes(net.work)):
            vstore(gradient, i, vload(gradient, i) * factor)


@kernel
def gradient_clip(net, max_norm):
    """Scale the whole gradient by ``max_norm / norm`` where its norm is larger (Pascanu et al. 2013).

    A thread scales the part that it updates: its rows of weights and its biases.
    """
    norm, scale = np.sqrt(sum_of_squares(net.params.gradient, net, np.int64(1))), net.common[at.GRADIENT]
    if norm > max_norm:
        net.work[scale] = max_norm / norm
        for i in range(net.common[at.N_LAYERS]):
            layer, (W, n_rows, n_columns) = layer_row(net, i), share_of_weights(net, i)
            gradient_scale(net, scale, W, layer[at.W_STRIDE], n_rows, n_columns)
            bias, n_biases = share_of_columns(net, layer[at.FAN_OUT])
            gradient_scale(net, scale, layer[at.B] + bias, BIAS_STRIDE, BIAS_ROWS, n_biases)


@kernel
def stored_gradient_update(net, c):
    """Update of every layer by the stored gradient: of a thread's rows and biases."""
    params, common = net.params, net.common
    for i in range(common[at.N_LAYERS]):
        layer = layer_row(net, i)
        (W, n_rows, n_columns), (bias, n_biases) = share_of_weights(net, i), share_of_columns(net, layer[at.FAN_OUT])
        stride, b = layer[at.W_STRIDE], layer[at.B] + bias
        dW, db = matrix(params.gradient, W, stride), matrix(params.gradient, b, 0)
        call_update(common[at.STORED_UPDATE], (params, W, stride, dW, n_rows, n_columns, c))
        call_update(common[at.STORED_UPDATE], (params, b, 0, db, 1, n_biases, address(c, N_COEFFICIENTS)))
