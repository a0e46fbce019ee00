"""Forward pass, backward pass and update of a fully connected layer with bf16 products.

The arguments are those of `fastmlp.kernels.dense`. Weights are split into bf16 terms block by block, between their
update and their next use: stored, the terms would take half as much memory again and would not stay in L2.
"""

import numpy as np

from fastmlp.codegen.bf16_tiles import BLOCK_TILES, STEPS, TILE, WORDS
from fastmlp.codegen.integers import smaller
from fastmlp.codegen.jit import kernel
from fastmlp.codegen.simd import address, n_lanes, prefetch
from fastmlp.kernels import layout as at
from fastmlp.kernels.activation import hidden_backward
from fastmlp.kernels.bf16_matmul import bf16_product
from fastmlp.kernels.bf16_pack import block_transpose, columns_panel_pack, rows_panel_pack, rows_split, samples_pack
from fastmlp.kernels.dense import bias_forward, prefetch_next_panel
from fastmlp.kernels.matmul import matrix
from fastmlp.kernels.prototypes import BF16_LAYER, BF16_UPDATE, FIRST_LAYER, call_update
from fastmlp.kernels.team import share_of_rows

#: Factor of operands that are not the weights or deltas of pixels.
ONE = np.float32(1.0)


@kernel
def bf16_block_update(net, layer, block, samples, m, c):
    """``dW = A^T dZ`` (4, 5) on a block of weights, and their update; the weights are prefetched meanwhile.

    block: (first row, first column, rows, columns). samples: (offset of the tiles of A by samples, their terms).
    """
    row, column, n_rows, width = block
    work, common, theta = net.work, net.common, net.params.theta
    n_groups, stride = (m + STEPS - 1) // STEPS, layer[at.W_STRIDE]
    height, terms = common[at.TILE_HEIGHT], common[at.TERMS]
    start = layer[at.W] + row * stride + column
    for i in range(start, start + n_rows * stride, stride):
        for k in range(0, width, n_lanes(work)):
            prefetch(theta, i + k)
    gradient, zero_row = matrix(work, common[at.GRADIENT], common[at.PANEL]), matrix(work, common[at.ZEROS], 0)
    tile = (row - share_of_rows(common, layer)[0]) // height
    deltas = address(work, common[at.DELTA_TILES] + tile * n_groups * terms * TILE)
    sizes = height, n_groups, terms, samples[1]
    bf16_product(gradient, zero_row, deltas, address(work, samples[0]), n_rows, width, sizes)
    call_update(common[at.UPDATE], (net.params, start, stride, gradient, n_rows, width, c))


@kernel
def bf16_block_forward(net, layer, block, factor, input_terms, columns):
    """``Z += A W`` for a block of weights (as in `bf16_block_update`), which are multiplied by factor and split."""
    (row, column, n_rows, width), (first, m) = block, columns
    work, common = net.work, net.common
    n_blocks, tiles = (width + STEPS - 1) // STEPS, common[at.WEIGHT_TILES]
    height, terms = common[at.TILE_HEIGHT], common[at.TERMS]
    W = matrix(net.params.theta, layer[at.W] + row * layer[at.W_STRIDE] + column, layer[at.W_STRIDE])
    rows_split(W, factor, (n_rows, width), terms, height, work, tiles)
    Z = matrix(work, layer[at.A] + row * common[at.STRIDE] + first, common[at.STRIDE])
    sizes = height, n_blocks, terms, input_terms
    bf16_product(Z, Z, address(work, tiles), address(work, common[at.FEATURE_TILES]), n_rows, m, sizes)


@kernel
def deltas_split(net, layer, factor, m):
    """A thread's rows of a layer's deltas, multiplied by factor and split, as the first operand of its gradient."""
    work, common = net.work, net.common
    first, n_rows = share_of_rows(common, layer)
    dZ = matrix(work, layer[at.DZ] + first * common[at.STRIDE], common[at.STRIDE])
    sizes = n_rows, m
    rows_split(dZ, factor, sizes, common[at.TERMS], common[at.TILE_HEIGHT], work, common[at.DELTA_TILES])


@FIRST_LAYER.implementation
def bf16_fused_update_forward(data, order, net, layer, previous, next_batch, c):
    """`fused_update_forward` with bf16 products.

    A batch is gathered once, as the next batch, into the layouts of both products; that of the gradient is kept until
    the batch is the previous one.
    """
    work, common = net.work, net.common
    panel, fan_in = common[at.PANEL], layer[at.FAN_IN]
    first, n_rows = share_of_rows(common, layer)
    n, terms = BLOCK_TILES * common[at.TILE_HEIGHT], common[at.INPUT_TERMS]
    factor = work[common[at.SCALARS] + at.PIXEL_SCALE]
    if previous[1] > 0:
        deltas_split(net, layer, factor, previous[1])
    for k in range(0, fan_in, panel):
        width = smaller(panel, fan_in - k)
        n_groups = (previous[1] + STEPS - 1) // STEPS
        samples = common[at.PREVIOUS_TILES] + k // WORDS * n_groups * terms * TILE, terms
        if next_batch[1] > 0:
            samples_pack(data, order, next_batch, (k, width), work, common)
        for j in range(first, first + n_rows, n):
            block = j, k, smaller(n, first + n_rows - j), width
            if k + width < fan_in:
                following = k + width, smaller(width, fan_in - k - width)
                prefetch_next_panel(data, order, next_batch, (j - first, block[2]), n_rows, following)
            if previous[1] > 0:
                bf16_block_update(net, layer, block, samples, previous[1], c)
            if next_batch[1] > 0:
                bf16_block_forward(net, layer, block, factor, terms, (np.int64(0), next_batch[1]))
    if next_batch[1] > 0:
        common[at.PREVIOUS_TILES], common[at.NEXT_TILES] = common[at.NEXT_TILES], common[at.PREVIOUS_TILES]


@BF16_LAYER.implementation
def bf16_forward(net, below, layer, columns):
    """`dense_forward` with bf16 products."""
    common = net.common
    panel, fan_in, fan_out, terms = common[at.PANEL], layer[at.FAN_IN], layer[at.FAN_OUT], common[at.TERMS]
    n = BLOCK_TILES * common[at.TILE_HEIGHT]
    bias_forward(net, layer, (np.int64(0), fan_out), columns)
    for k in range(0, fan_in, panel):
        width = smaller(panel, fan_in - k)
        rows_panel_pack(net.work, common, below[at.A] + k * common[at.STRIDE] + columns[0], width, columns[1])
        for j in range(0, fan_out, n):
            block = j, k, smaller(n, fan_out - j), width
            bf16_block_forward(net, layer, block, ONE, terms, columns)


@BF16_LAYER.implementation
def bf16_backward(net, below, layer, columns):
    """`dense_backward` with bf16 products."""
    work, common, theta, (first, m) = net.work, net.common, net.params.theta, columns
    panel, fan_in, fan_out, height = common[at.PANEL], layer[at.FAN_IN], layer[at.FAN_OUT], common[at.TILE_HEIGHT]
    stride, terms, tiles = common[at.STRIDE], common[at.TERMS], common[at.WEIGHT_TILES]
    n, scratch, W_stride = BLOCK_TILES * height, common[at.GRADIENT], layer[at.W_STRIDE]
    for k in range(0, fan_out, panel):
        width = smaller(panel, fan_out - k)
        rows_panel_pack(work, common, layer[at.DZ] + k * stride + first, width, m)
        sizes = height, (width + STEPS - 1) // STEPS, terms, terms
        for j in range(0, fan_in, n):
            rows = smaller(n, fan_in - j)
            block_transpose(theta, layer[at.W] + k * W_stride + j, W_stride, width, rows, work, scratch, panel)
            rows_split(matrix(work, scratch, panel), ONE, (rows, width), terms, height, work, tiles)
            dA = matrix(work, below[at.DZ] + j * stride + first, stride)
            start = matrix(work, common[at.ZEROS], 0) if k == 0 else dA
            bf16_product(dA, start, address(work, tiles), address(work, common[at.FEATURE_TILES]), rows, m, sizes)
    hidden_backward(work, common, below, columns)


@BF16_UPDATE.implementation
def bf16_update(net, below, layer, m, c):
    """`dense_update` with bf16 products."""
    common = net.common
    panel, fan_in, stride = common[at.PANEL], layer[at.FAN_IN], common[at.STRIDE]
    first, n_rows = share_of_rows(common, layer)
    n, samples = BLOCK_TILES * common[at.TILE_HEIGHT], (common[at.FEATURE_TILES], common[at.TERMS])
    deltas_split(net, layer, ONE, m)
    for k in range(0, fan_in, panel):
        width = smaller(panel, fan_in - k)
        columns_panel_pack(net.work, common, below[at.A] + k * stride, width, m)
        for j in range(first, first + n_rows, n):
            block = j, k, smaller(n, first + n_rows - j), width
            bf16_block_update(net, layer, block, samples, m, c)
