"""Forward and backward of a fully connected layer: the one translator between the products' words and the network's.

The paper's equations have samples as rows; here they are columns (see the contract), so Z = A W + b reads Z = W A +
b, with one row of W an output.
"""

import numpy as np

from fastmlp import cpu
from fastmlp.jit import kernel
from fastmlp.kernels import layout as at
from fastmlp.kernels.activation import neurons_backward
from fastmlp.kernels.matmul import add_product, block, matrix, product, transposed
from fastmlp.kernels.sampling import gather_columns, gather_rows, prefetch_rows, transpose
from fastmlp.kernels.update import L2, LR, N_COEFFICIENTS, SGD, add_squares, sgd_block, update_block
from fastmlp.shuffle import transpose_block
from fastmlp.simd import address, broadcast, n_lanes, prefetch, vload, vstore, zeros

#: Rows of W that the sweep updates, then uses: their panel (12 KB) is in L1 when the forward product comes to it.
BLOCK_ROWS = cpu.tile_heights()[0][0]


@kernel
def bias_forward(params, work, layer, stride, m):
    """``Z = b`` in every column: where the sums of the forward product start."""
    for j in range(layer[at.FAN_OUT]):
        b = broadcast(params[0], layer[at.B] + j)
        for i in range(0, m, n_lanes(work)):
            vstore(work, layer[at.A] + j * stride + i, b)


@kernel(merge=True)
def dense_forward(params, work, below, layer, stride, m):
    """``Z = A_below W + b``, for a layer whose input is another layer's output."""
    bias_forward(params, work, layer, stride, m)
    Z = matrix(work, layer[at.A], stride)
    W = matrix(params[0], layer[at.W], layer[at.W_STRIDE])
    product(Z, Z, W, matrix(work, below[at.A], stride), layer[at.FAN_OUT], m, layer[at.FAN_IN])


@kernel(merge=True)
def dense_backward(params, work, frame, below, layer, m):
    """``dZ_below = (dZ W^T) * f'(Z_below)``: equations (6) and (7)."""
    stride = frame[at.STRIDE]
    W = matrix(params[0], layer[at.W], layer[at.W_STRIDE])
    dZ, dA_below = matrix(work, layer[at.DZ], stride), matrix(work, below[at.DZ], stride)
    nothing = matrix(work, frame[at.ZEROS], 0)
    product(dA_below, nothing, transposed(W), dZ, layer[at.FAN_IN], m, layer[at.FAN_OUT])
    neurons_backward(work, frame, below, m)


@kernel(merge=True)
def weights_update(params, work, frame, start, stride, dZ, At, n_rows, n_columns, n_samples, optimizer, c):
    """``dW = A^T dZ`` (4, 5) on a block of weights, and their update while it lies in registers (SGD) or in L1.

    The weights come from L2 while the product is under way: asked for first, 2 % of an epoch. Adam's moments come from
    L3, and asking for them as well made it 6 % slower: a core has 16 lines under way at most.
    """
    for r in range(n_rows):
        for k in range(0, n_columns, n_lanes(work)):
            prefetch(params[0], start + r * stride + k)
    if optimizer == SGD:
        add_product(matrix(params[0], start, stride), dZ, At, c[LR], c[L2], n_rows, n_columns, n_samples)
        return
    gradient = matrix(work, frame[at.GRADIENT], frame[at.PANEL])
    nothing = matrix(work, frame[at.ZEROS], 0)
    product(gradient, nothing, dZ, At, n_rows, n_columns, n_samples)
    update_block(params, start, stride, gradient, n_rows, n_columns, optimizer, c)


@kernel(merge=True)
def dense_update(params, work, frame, below, layer, m, optimizer, c):
    """Update of a layer whose input is another layer's output, block by block."""
    stride, panel = frame[at.STRIDE], frame[at.PANEL]
    transpose(work, below[at.A], stride, layer[at.FAN_IN], m, work, frame[at.AT], frame[at.AT_STRIDE])
    dZ, At = matrix(work, layer[at.DZ], stride), matrix(work, frame[at.AT], frame[at.AT_STRIDE])
    for k in range(0, layer[at.FAN_IN], panel):
        width = min(panel, layer[at.FAN_IN] - k)
        for j in range(0, layer[at.FAN_OUT], BLOCK_ROWS):
            rows, start = min(BLOCK_ROWS, layer[at.FAN_OUT] - j), layer[at.W] + j * layer[at.W_STRIDE] + k
            weights_update(
                params, work, frame, start, layer[at.W_STRIDE],
                block(dZ, j, 0), block(At, 0, k), rows, width, m, optimizer, c,
            )  # fmt: skip


@kernel
def bias_update(params, work, frame, layer, m, optimizer, c):
    """``db`` = sum of dZ over the samples, in their order, and the update of b, which has no L2 (8).

    SGD's is done here: what a call of `update_block` saves and puts back, for all rules, was 4 % of a small network's
    step.
    """
    stride, gradient, lanes, no_l2 = frame[at.STRIDE], frame[at.GRADIENT], n_lanes(work), address(c, N_COEFFICIENTS)
    for j in range(0, layer[at.FAN_OUT], lanes):
        total = zeros(work)
        for i in range(0, m, lanes):
            transpose_block(work, layer[at.DZ] + j * stride + i, stride, work, frame[at.AT], lanes)
            for r in range(min(lanes, m - i)):
                total = total + vload(work, frame[at.AT] + r * lanes)
        vstore(work, gradient, total)
        G, b = matrix(work, gradient, 0), layer[at.B] + j
        if optimizer == SGD:
            sgd_block(params, b, 0, G, 1, lanes, no_l2)
        else:
            update_block(params, b, 0, G, 1, lanes, optimizer, no_l2)


@kernel
def prefetch_share(data, rows, batch, j, n, fan_out, column, width):
    """Rows j to j + n of fan_out's share of a batch's next panel.

    A panel asked for at once waits for the 16 lines that a core can have under way; asked for between the row blocks
    of the panel before, it comes for nothing.
    """
    first, m = batch
    prefetch_rows(data, rows, first + m * j // fan_out, first + m * (j + n) // fan_out, column, width)


@kernel(merge=True)
def input_sweep(data, rows, params, work, frame, layer, past, coming, optimizer, c):
    """Update of the first layer with the `past` batch and its forward product for the `coming` one, in one pass over W.

    Exact: each block of weights is updated, then used. past and coming are (first place in rows, number of samples),
    the number 0 for none. A panel of a batch is gathered and scaled when its weights' turn comes and never stored
    whole.
    """
    stride, panel, fan_in, fan_out = frame[at.STRIDE], frame[at.PANEL], layer[at.FAN_IN], layer[at.FAN_OUT]
    W, dZ = matrix(params[0], layer[at.W], layer[at.W_STRIDE]), matrix(work, layer[at.DZ], stride)
    Z, At, A = (
        matrix(work, layer[at.A], stride),
        matrix(work, frame[at.ROWS], panel),
        matrix(work, frame[at.COLUMNS], stride),
    )
    for k in range(0, fan_in, panel):
        width = min(panel, fan_in - k)
        if coming[1] > 0:
            gather_columns(data, rows, coming[0], coming[1], k, width, work, frame)
        if past[1] > 0:
            gather_rows(data, rows, past[0], past[1], k, width, work, frame[at.ROWS], panel)
        for j in range(0, fan_out, BLOCK_ROWS):
            n = min(BLOCK_ROWS, fan_out - j)
            if k + width < fan_in:
                prefetch_share(data, rows, past, j, n, fan_out, k + width, min(width, fan_in - k - width))
                prefetch_share(data, rows, coming, j, n, fan_out, k + width, min(width, fan_in - k - width))
            if past[1] > 0:
                start = layer[at.W] + j * layer[at.W_STRIDE] + k
                weights_update(
                    params, work, frame, start, layer[at.W_STRIDE], block(dZ, j, 0), At, n, width, past[1], optimizer, c
                )
            if coming[1] > 0:
                product(block(Z, j, 0), block(Z, j, 0), block(W, j, k), A, n, coming[1], width)


@kernel
def squares_of(array, work, frame, layers):
    """Sum of the squares of all weights in ``array``, laid out as theta: layer after layer, as `add_squares` sums."""
    total = 0.0
    for l in range(layers.shape[0]):  # noqa: E741 - the paper's letter
        layer = layers[l]
        block = layer[at.W], layer[at.W_STRIDE], layer[at.FAN_OUT], layer[at.FAN_IN]
        total = add_squares(array, block[0], block[1], block[2], block[3], work, frame[at.GRADIENT], total)
    return total


@kernel(merge=True)
def input_keep(data, rows, params, work, frame, layer, batch):
    """``dW = A^T dZ`` of the first layer, kept where W lies in theta."""
    panel, fan_in = frame[at.PANEL], layer[at.FAN_IN]
    dZ, At = matrix(work, layer[at.DZ], frame[at.STRIDE]), matrix(work, frame[at.ROWS], panel)
    nothing = matrix(work, frame[at.ZEROS], 0)
    for k in range(0, fan_in, panel):
        width = min(panel, fan_in - k)
        gather_rows(data, rows, batch[0], batch[1], k, width, work, frame[at.ROWS], panel)
        dW = matrix(params[3], layer[at.W] + k, layer[at.W_STRIDE])
        product(dW, nothing, dZ, At, layer[at.FAN_OUT], width, batch[1])


@kernel(merge=True)
def gradient_clip(params, work, frame, layers, longest):
    """Every gradient times ``longest / norm`` where the norm of all together is longer (Pascanu et al. 2013)."""
    gradient = params[3]
    total = squares_of(gradient, work, frame, layers)
    for l in range(layers.shape[0]):  # noqa: E741
        total = add_squares(gradient, layers[l][at.B], 0, 1, layers[l][at.FAN_OUT], work, frame[at.GRADIENT], total)
    norm = np.sqrt(total)
    if norm > longest:
        work[frame[at.GRADIENT]] = longest / norm
        scale = broadcast(work, frame[at.GRADIENT])
        for i in range(0, gradient.size, n_lanes(work)):
            vstore(gradient, i, vload(gradient, i) * scale)


@kernel(merge=True)
def kept_update(params, layers, optimizer, c):
    """Update of every layer by the gradients that were kept."""
    gradient = params[3]
    for l in range(layers.shape[0]):  # noqa: E741
        layer = layers[l]
        W, stride, b, fan_out = layer[at.W], layer[at.W_STRIDE], layer[at.B], layer[at.FAN_OUT]
        update_block(params, W, stride, matrix(gradient, W, stride), fan_out, layer[at.FAN_IN], optimizer, c)
        update_block(params, b, 0, matrix(gradient, b, 0), 1, fan_out, optimizer, address(c, N_COEFFICIENTS))
