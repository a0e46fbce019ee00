"""The first layer on the bf16 units: `dense.input_sweep`'s one pass over W, its products by `unit_product`."""

import numpy as np

from fastmlp import cpu
from fastmlp.bf16 import STEPS
from fastmlp.jit import kernel
from fastmlp.kernels import layout as at
from fastmlp.kernels.dense import input_keep, input_sweep, prefetch_share
from fastmlp.kernels.matmul import matrix
from fastmlp.kernels.packing import rows_split, samples_pack
from fastmlp.kernels.unit import TILE, unit_product
from fastmlp.kernels.update import KEEP, update_block
from fastmlp.simd import address, n_lanes, prefetch, vload, vstore

#: Rows of tiles in a block of W that is updated, then split, then used.
BLOCK_TILES = 2
#: Whether there is a unit: where there is none, its kernels are not compiled.
HAS_UNIT = bool(cpu.bf16_unit())
#: No batch: (first place, number of samples).
NO_BATCH = (np.int64(0), np.int64(0))


@kernel
def gradient_scale(work, scale, start, stride, n_rows, n_columns):
    """``G * scale``, a number a column: a gradient for pixels made one for the network's input."""
    lanes = n_lanes(work)
    for k in range(0, n_columns, lanes):
        factor = vload(work, scale + k)
        for i in range(start + k, start + k + n_rows * stride, stride):
            vstore(work, i, vload(work, i) * factor)


@kernel
def block_update(params, work, frame, layer, j, k, size, m, optimizer, c):
    """``dW = A^T dZ`` (4) on a block of weights that begins at row j, column k, and their update."""
    n_rows, width = size
    n_groups, height, terms, q_terms = (m + STEPS - 1) // STEPS, frame[at.HEIGHT], frame[at.TERMS], frame[at.INPUT_TERMS]
    start = layer[at.W] + j * layer[at.W_STRIDE] + k
    for r in range(n_rows):
        for column in range(0, width, n_lanes(work)):
            prefetch(params[0], start + r * layer[at.W_STRIDE] + column)
    gradient, nothing = matrix(work, frame[at.GRADIENT], frame[at.PANEL]), matrix(work, frame[at.ZEROS], 0)
    deltas = address(work, frame[at.DELTA_TILES] + j // height * n_groups * terms * TILE)
    samples = address(work, frame[at.PAST_TILES] + k // (STEPS // 2) * n_groups * q_terms * TILE)
    unit_product(gradient, nothing, deltas, samples, n_rows, width, (height, n_groups, terms, q_terms))
    if frame[at.IS_RAW] > 0:
        gradient_scale(work, frame[at.SCALE] + k, frame[at.GRADIENT], frame[at.PANEL], n_rows, width)
    update_block(params, start, layer[at.W_STRIDE], gradient, n_rows, width, optimizer, c)


@kernel
def block_forward(params, work, frame, layer, j, k, size, m):
    """``Z += A W`` for a block of weights, split on the way."""
    n_rows, width = size
    n_blocks, height, terms = (width + STEPS - 1) // STEPS, frame[at.HEIGHT], frame[at.TERMS]
    start, scale = layer[at.W] + j * layer[at.W_STRIDE] + k, address(work, frame[at.SCALE] + k)
    tiles = frame[at.WEIGHT_TILES]
    rows_split(params[0], scale, start, layer[at.W_STRIDE], n_rows, width, terms, height, work, tiles)
    Z = matrix(work, layer[at.A] + j * frame[at.STRIDE], frame[at.STRIDE])
    sizes = height, n_blocks, terms, frame[at.INPUT_TERMS]
    unit_product(Z, Z, address(work, tiles), address(work, frame[at.FEATURE_TILES]), n_rows, m, sizes)


@kernel
def unit_sweep(data, rows, params, work, frame, layer, past, coming, optimizer, c):
    """Update of the first layer with the `past` batch and its forward product for the `coming` one, on the bf16 units.

    A batch is gathered once, as the coming one, into the two layouts that the products want; that of the gradient is
    kept until the batch is the past one.
    """
    panel, fan_in, fan_out = frame[at.PANEL], layer[at.FAN_IN], layer[at.FAN_OUT]
    n = BLOCK_TILES * frame[at.HEIGHT]
    if past[1] > 0:
        ones, stride = address(work, frame[at.ONES]), frame[at.STRIDE]
        rows_split(
            work, ones, layer[at.DZ], stride, fan_out, past[1], frame[at.TERMS], frame[at.HEIGHT], work,
            frame[at.DELTA_TILES],
        )  # fmt: skip
    for k in range(0, fan_in, panel):
        width = min(panel, fan_in - k)
        if coming[1] > 0:
            samples_pack(data, rows, coming, k, width, work, frame)
        for j in range(0, fan_out, n):
            size = min(n, fan_out - j), width
            if k + width < fan_in:
                prefetch_share(data, rows, coming, j, size[0], fan_out, k + width, min(width, fan_in - k - width))
            if past[1] > 0:
                block_update(params, work, frame, layer, j, k, size, past[1], optimizer, c)
            if coming[1] > 0:
                block_forward(params, work, frame, layer, j, k, size, coming[1])
    if coming[1] > 0:
        frame[at.PAST_TILES], frame[at.COMING_TILES] = frame[at.COMING_TILES], frame[at.PAST_TILES]


@kernel(merge=True)
def first_sweep(data, rows, params, work, frame, layer, past, coming, optimizer, c):
    """`unit_sweep` where the layer is on the units, else `input_sweep`."""
    if HAS_UNIT:
        if frame[at.TERMS] > 0:
            unit_sweep(data, rows, params, work, frame, layer, past, coming, optimizer, c)
        else:
            input_sweep(data, rows, params, work, frame, layer, past, coming, optimizer, c)
    else:
        input_sweep(data, rows, params, work, frame, layer, past, coming, optimizer, c)


@kernel(merge=True)
def first_keep(data, rows, params, work, frame, layer, batch, c):
    """``dW = A^T dZ`` of the first layer, kept where W lies in theta."""
    if HAS_UNIT:
        if frame[at.TERMS] > 0:
            unit_sweep(data, rows, params, work, frame, layer, batch, NO_BATCH, KEEP, c)
        else:
            input_keep(data, rows, params, work, frame, layer, batch)
    else:
        input_keep(data, rows, params, work, frame, layer, batch)
