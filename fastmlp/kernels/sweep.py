"""Layers on the bf16 units: what `dense` does by float32 products, done by `unit_product`.

The weights are split into terms block by block, on their way from their update to their next use: stored, the split
would be half as much again, and would not stay in L2.
"""

import numpy as np

from fastmlp.bf16 import STEPS, WORDS
from fastmlp.jit import kernel
from fastmlp.kernels import layout as at
from fastmlp.kernels.activation import neurons_backward
from fastmlp.kernels.dense import (
    bias_forward,
    dense_backward,
    dense_forward,
    dense_update,
    input_keep,
    input_sweep,
    prefetch_share,
)
from fastmlp.kernels.matmul import matrix
from fastmlp.kernels.packing import block_transpose, neurons_pair, neurons_turn, rows_split, samples_pack
from fastmlp.kernels.unit import TILE, unit_product
from fastmlp.kernels.update import KEEP, update_block
from fastmlp.simd import address, n_lanes, prefetch

#: Rows of tiles in a block of W that is updated, then split, then used.
BLOCK_TILES = 2
#: What operands are multiplied by on their way, where they are not pixels' weights or deltas.
ONE = np.float32(1.0)
#: No batch: (first place, number of samples).
NO_BATCH = (np.int64(0), np.int64(0))


@kernel(merge=True)
def tile_update(params, work, frame, layer, block, samples, m, optimizer, c):
    """``dW = A^T dZ`` (4, 5) on a block of weights, and their update; the weights are asked for meanwhile.

    block: first row and column, rows and columns. samples: A's tiles by samples, and its terms.
    """
    row, column, n_rows, width = block
    n_groups, height, terms, stride = (m + STEPS - 1) // STEPS, frame[at.HEIGHT], frame[at.TERMS], layer[at.W_STRIDE]
    start = layer[at.W] + row * stride + column
    for i in range(start, start + n_rows * stride, stride):
        for k in range(0, width, n_lanes(work)):
            prefetch(params[0], i + k)
    gradient, nothing = matrix(work, frame[at.GRADIENT], frame[at.PANEL]), matrix(work, frame[at.ZEROS], 0)
    deltas = address(work, frame[at.DELTA_TILES] + row // height * n_groups * terms * TILE)
    sizes = height, n_groups, terms, samples[1]
    unit_product(gradient, nothing, deltas, address(work, samples[0]), n_rows, width, sizes)
    update_block(params, start, stride, gradient, n_rows, width, optimizer, c)


@kernel(merge=True)
def tile_forward(params, work, frame, layer, block, factor, input_terms, m):
    """``Z += A W`` for a block of weights (as in `tile_update`), multiplied by factor and split on the way."""
    row, column, n_rows, width = block
    n_blocks, height, terms, tiles = (
        (width + STEPS - 1) // STEPS,
        frame[at.HEIGHT],
        frame[at.TERMS],
        frame[at.WEIGHT_TILES],
    )
    start = layer[at.W] + row * layer[at.W_STRIDE] + column
    rows_split(params[0], factor, start, layer[at.W_STRIDE], n_rows, width, terms, height, work, tiles)
    Z = matrix(work, layer[at.A] + row * frame[at.STRIDE], frame[at.STRIDE])
    sizes = height, n_blocks, terms, input_terms
    unit_product(Z, Z, address(work, tiles), address(work, frame[at.FEATURE_TILES]), n_rows, m, sizes)


@kernel(merge=True)
def deltas_split(work, frame, layer, factor, m):
    """A layer's deltas, multiplied by factor, as the first operand of its gradient."""
    terms, height, tiles = frame[at.TERMS], frame[at.HEIGHT], frame[at.DELTA_TILES]
    rows_split(work, factor, layer[at.DZ], frame[at.STRIDE], layer[at.FAN_OUT], m, terms, height, work, tiles)


@kernel
def unit_sweep(data, rows, params, work, frame, layer, past, coming, optimizer, c):
    """Update of the first layer with the `past` batch and its forward product for the `coming` one, in one pass over W.

    A batch is gathered once, as the coming one, into the two layouts that the products want; that of the gradient is
    kept until the batch is the past one.
    """
    panel, fan_in, fan_out = frame[at.PANEL], layer[at.FAN_IN], layer[at.FAN_OUT]
    n, terms, factor = BLOCK_TILES * frame[at.HEIGHT], frame[at.INPUT_TERMS], work[frame[at.NUMBERS] + at.PIXEL]
    if past[1] > 0:
        deltas_split(work, frame, layer, factor, past[1])
    for k in range(0, fan_in, panel):
        width = min(panel, fan_in - k)
        n_groups = (past[1] + STEPS - 1) // STEPS
        samples = frame[at.PAST_TILES] + k // WORDS * n_groups * terms * TILE, terms
        if coming[1] > 0:
            samples_pack(data, rows, coming, k, width, work, frame)
        for j in range(0, fan_out, n):
            block = j, k, min(n, fan_out - j), width
            if k + width < fan_in:
                prefetch_share(data, rows, coming, j, block[2], fan_out, k + width, min(width, fan_in - k - width))
            if past[1] > 0:
                tile_update(params, work, frame, layer, block, samples, past[1], optimizer, c)
            if coming[1] > 0:
                tile_forward(params, work, frame, layer, block, factor, terms, coming[1])
    if coming[1] > 0:
        frame[at.PAST_TILES], frame[at.COMING_TILES] = frame[at.COMING_TILES], frame[at.PAST_TILES]


@kernel
def unit_forward(params, work, frame, below, layer, m):
    """`dense_forward` on the units."""
    panel, fan_in, fan_out, terms = frame[at.PANEL], layer[at.FAN_IN], layer[at.FAN_OUT], frame[at.TERMS]
    stride, n = frame[at.STRIDE], BLOCK_TILES * frame[at.HEIGHT]
    bias_forward(params, work, layer, stride, m)
    for k in range(0, fan_in, panel):
        width = min(panel, fan_in - k)
        neurons_pair(work, frame, below[at.A] + k * stride, width, m)
        for j in range(0, fan_out, n):
            block = j, k, min(n, fan_out - j), width
            tile_forward(params, work, frame, layer, block, ONE, terms, m)


@kernel
def unit_backward(params, work, frame, below, layer, m):
    """`dense_backward` on the units."""
    panel, fan_in, fan_out, height = frame[at.PANEL], layer[at.FAN_IN], layer[at.FAN_OUT], frame[at.HEIGHT]
    stride, terms, n, tiles = frame[at.STRIDE], frame[at.TERMS], BLOCK_TILES * frame[at.HEIGHT], frame[at.WEIGHT_TILES]
    scratch = frame[at.GRADIENT]
    for k in range(0, fan_out, panel):
        width = min(panel, fan_out - k)
        neurons_pair(work, frame, layer[at.DZ] + k * stride, width, m)
        sizes = height, (width + STEPS - 1) // STEPS, terms, terms
        for j in range(0, fan_in, n):
            rows = min(n, fan_in - j)
            block_transpose(params[0], layer[at.W] + k * layer[at.W_STRIDE] + j, layer[at.W_STRIDE], width, rows, work,
                            scratch, panel)  # fmt: skip
            rows_split(work, ONE, scratch, panel, rows, width, terms, height, work, tiles)
            dA = matrix(work, below[at.DZ] + j * stride, stride)
            start = matrix(work, frame[at.ZEROS], 0) if k == 0 else dA
            unit_product(dA, start, address(work, tiles), address(work, frame[at.FEATURE_TILES]), rows, m, sizes)
    neurons_backward(work, frame, below, m)


@kernel
def unit_update(params, work, frame, below, layer, m, optimizer, c):
    """`dense_update` on the units."""
    panel, fan_in, fan_out, stride = frame[at.PANEL], layer[at.FAN_IN], layer[at.FAN_OUT], frame[at.STRIDE]
    n, samples = BLOCK_TILES * frame[at.HEIGHT], (frame[at.FEATURE_TILES], frame[at.TERMS])
    deltas_split(work, frame, layer, ONE, m)
    for k in range(0, fan_in, panel):
        width = min(panel, fan_in - k)
        neurons_turn(work, frame, below[at.A] + k * stride, width, m)
        for j in range(0, fan_out, n):
            block = j, k, min(n, fan_out - j), width
            tile_update(params, work, frame, layer, block, samples, m, optimizer, c)


# Which of the two a layer takes. `unit` is None where no layer is on a unit, and that branch is not compiled then.


@kernel(merge=True)
def first_sweep(data, rows, params, work, frame, layer, past, coming, optimizer, c, unit):
    """`unit_sweep` or `input_sweep`."""
    if unit is not None and layer[at.UNIT] > 0:
        unit_sweep(data, rows, params, work, frame, layer, past, coming, optimizer, c)
        return
    input_sweep(data, rows, params, work, frame, layer, past, coming, optimizer, c)


@kernel(merge=True)
def first_keep(data, rows, params, work, frame, layer, batch, c, unit):
    """``dW = A^T dZ`` of the first layer, kept where W lies in theta."""
    if unit is not None and layer[at.UNIT] > 0:
        unit_sweep(data, rows, params, work, frame, layer, batch, NO_BATCH, np.int64(KEEP), c)
        return
    input_keep(data, rows, params, work, frame, layer, batch)


@kernel(merge=True)
def layer_forward(params, work, frame, below, layer, m, unit):
    """`unit_forward` or `dense_forward`."""
    if unit is not None and layer[at.UNIT] > 0:
        unit_forward(params, work, frame, below, layer, m)
        return
    dense_forward(params, work, below, layer, frame[at.STRIDE], m)


@kernel(merge=True)
def layer_backward(params, work, frame, below, layer, m, optimizer, c, unit):
    """The deltas of the layer below, then the update of this one's weights."""
    if unit is not None and layer[at.UNIT] > 0:
        unit_backward(params, work, frame, below, layer, m)
        unit_update(params, work, frame, below, layer, m, optimizer, c)
        return
    dense_backward(params, work, frame, below, layer, m)
    dense_update(params, work, frame, below, layer, m, optimizer, c)
