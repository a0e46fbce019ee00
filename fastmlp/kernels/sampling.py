"""The order of the samples, the gather of a batch from data that is used in place, and dropout masks.

The random generator is the project's own (splitmix64, Steele, Lea and Flood 2014), so that no result depends on the
version of a library.
"""

from typing import Any

import numpy as np

from fastmlp.codegen.cpu import LINE_BYTES
from fastmlp.codegen.indirect import Implementation
from fastmlp.codegen.integers import smaller
from fastmlp.codegen.jit import kernel
from fastmlp.codegen.simd import fma, n_lanes, prefetch, vload, vload_as, vstore
from fastmlp.codegen.transpose import transpose_block, transpose_samples
from fastmlp.kernels import layout as at
from fastmlp.kernels.layout import SAMPLE_DTYPES
from fastmlp.kernels.prototypes import GATHER_COLUMNS, GATHER_ROWS, call_gather_rows

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX1, MIX2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)

LOW_HALF, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
SHORT, SHORT_BITS = np.uint64(0xFFFF), np.uint64(16)


@kernel(forceinline=True)
def splitmix64(state):
    """Mix a state into a random 64-bit number; states that differ by any amount give unrelated numbers."""
    z = (state ^ (state >> np.uint64(30))) * MIX1
    z = (z ^ (z >> np.uint64(27))) * MIX2
    return z ^ (z >> np.uint64(31))


@kernel
def permutation_fill(order, n, state):
    """``order`` = a uniform permutation of 0 .. n - 1 (n < 2**31) that depends on `state` alone.

    The Fisher-Yates shuffle; each draw by Lemire's multiplication (2019) with rejection, so that it is unbiased.
    """
    for i in range(n):
        order[i] = i
    for i in range(n - 1, 0, -1):
        bound, product = np.uint64(i + 1), np.uint64(0)
        while True:
            state += GOLDEN
            product = (splitmix64(state) >> HALF) * bound
            low = product & LOW_HALF
            # The smallest accepted value is below bound: nearly no draw needs the division.
            if low >= bound or low >= ((LOW_HALF + np.uint64(1)) - bound) % bound:
                break
        j = np.int64(product >> HALF)
        order[i], order[j] = order[j], order[i]


@kernel
def transpose(source, s, s_stride, n_rows, n_columns, target, t, t_stride):
    """``target = source.T``; both are padded to whole vectors in both dimensions."""
    lanes = n_lanes(source)
    for i in range(0, n_rows, lanes):
        for j in range(0, n_columns, lanes):
            transpose_block(source, s + i * s_stride + j, s_stride, target, t + j * t_stride + i, t_stride)


@kernel
def prefetch_rows(data, order, first, stop, column, width):
    """Prefetch ``X[order[first:stop], column : column + width]``: hardware does not predict scattered samples."""
    for i in range(first, stop):
        start = order[i] * data.sample_bytes + column * data.itemsize
        for byte in range(start, start + width * data.itemsize, LINE_BYTES):
            prefetch(data.X, byte)


def _gather_rows(dtype: Any) -> Implementation:
    """``out[i] = X[order[first + i], column : column + width] * factor + offset``: a panel, samples as rows.

    batch: (first, m), the place of its first sample in order and the number of samples. columns: (column, width). Zeros
    follow from `width` to the end of the last vector. Rows from m to a whole number of vectors are copies of the last
    sample, so that a transposed block is full.
    """
    itemsize = np.dtype(dtype).itemsize

    def gather_rows(data, order, batch, columns, out, start, stride):
        (first, m), (column, width) = batch, columns
        X, factor, offset, lanes = data.X, data.factor, data.offset, n_lanes(out)
        for i in range((m + lanes - 1) // lanes * lanes):
            source, target = order[first + smaller(i, m - 1)] * data.sample_bytes, start + i * stride
            for c in range(0, width, lanes):
                x = vload_as(X, source + itemsize * (column + c), dtype, width - c, out)
                vstore(out, target + c, fma(x, vload(factor, column + c), vload(offset, column + c)))

    return GATHER_ROWS.implementation(gather_rows, f"gather_rows_{np.dtype(dtype)}")


def _gather_columns(dtype: Any) -> Implementation:
    """A panel of a batch with samples as columns: `_gather_rows`, transposed to COLUMNS.

    Whole blocks of uint8 and float32 are transposed in registers as they are loaded; the remaining columns, and
    float64, go through ROWS.
    """
    per_lane = {np.uint8: 4, np.float32: 1, np.float64: 0}[dtype]

    def gather_columns(data, order, batch, columns, work, common):
        (first, m), (column, width) = batch, columns
        lanes, stride, panel = n_lanes(work), common[at.STRIDE], common[at.PANEL]
        block = per_lane * lanes
        whole, scaling = width // block * block, (data.factor, data.offset)
        for i in range(0, m, lanes):
            source = order, first + i, first + m - 1, data.sample_bytes
            for k in range(0, whole, block):
                target = common[at.COLUMNS] + k * stride + i, stride
                transpose_samples(data.X, source, dtype, column + k, scaling, work, target)
        if whole < width:
            rest = column + whole, width - whole
            call_gather_rows(common[at.GATHER_ROWS], (data, order, batch, rest, work, common[at.ROWS], panel))
            target = common[at.COLUMNS] + whole * stride
            transpose(work, common[at.ROWS], panel, m, width - whole, work, target, stride)

    def gather_columns_through_rows(data, order, batch, columns, work, common):
        rows, panel = common[at.ROWS], common[at.PANEL]
        call_gather_rows(common[at.GATHER_ROWS], (data, order, batch, columns, work, rows, panel))
        transpose(work, rows, panel, batch[1], columns[1], work, common[at.COLUMNS], common[at.STRIDE])

    function = gather_columns if per_lane else gather_columns_through_rows
    return GATHER_COLUMNS.implementation(function, f"gather_columns_{np.dtype(dtype)}")


#: Implementations by the dtype of the samples.
ROWS = {name: _gather_rows(getattr(np, name)) for name in SAMPLE_DTYPES}
COLUMNS = {name: _gather_columns(getattr(np, name)) for name in SAMPLE_DTYPES}


@kernel
def batch_weight(targets, order, batch):
    """Sum of a batch's sample weights in their order; the number of samples where they have none."""
    first, m = batch
    if targets.has_weights == 0:
        return np.float64(m)
    total = 0.0
    for i in range(m):
        total += targets.weights[order[first + i]]
    return total


@kernel(forceinline=True)
def weight_fraction(weights, row, total):
    """A sample's weight over the sum of a batch's weights; 0 where the sum is 0."""
    return weights[row] / total if total > 0.0 else 0.0


@kernel
def gather_weights(targets, order, batch, total, work, start):
    """Each sample's fraction of the batch's weight, 1 / m without weights; 0 beyond the end of the batch."""
    first, m = batch
    lanes = n_lanes(work)
    if targets.has_weights == 0:
        fraction = 1.0 / total
        for i in range(m):
            work[start + i] = fraction
    else:
        for i in range(m):
            work[start + i] = weight_fraction(targets.weights, order[first + i], total)
    for i in range(m, (m + lanes - 1) // lanes * lanes):
        work[start + i] = 0.0


@kernel
def gather_targets(targets, order, batch, column, n_outputs, total, work, common):
    """A batch's labels as floats, or its target values, one row per output; and its sample weights.

    batch: (first place in the order, number) of the samples whose columns begin at `column`. Beyond their end stand
    copies of the last sample, with weight 0.
    """
    first, m = batch
    lanes, stride, start = n_lanes(work), common[at.STRIDE], common[at.TARGETS] + column
    whole = (m + lanes - 1) // lanes * lanes
    if targets.has_labels != 0:
        for i in range(whole):
            work[start + i] = targets.labels[order[first + smaller(i, m - 1)]]
    else:
        for i in range(whole):
            row = order[first + smaller(i, m - 1)]
            for j in range(n_outputs):
                work[start + j * stride + i] = targets.values[row * n_outputs + j]
    gather_weights(targets, order, batch, total, work, common[at.WEIGHTS] + column)


@kernel
def dropout_fill(work, common, layer_index, unit, columns):
    """A unit's dropout masks: 0 for DROPPED of 65,536 draws, KEEP_SCALE for the others.

    A draw is keyed by the step, the index of the layer, the unit and the sample's place in the batch; four draws share
    64 random bits. columns: (first, number), the places of the samples, first a multiple of four.
    """
    scale, mask, n_groups = work[common[at.SCALARS] + at.KEEP_SCALE], common[at.MASK], (common[at.BATCH] + 3) // 4
    key = splitmix64(np.uint64(common[at.DRAW]) + GOLDEN * np.uint64(layer_index + 1))
    state = key + GOLDEN * np.uint64(unit * n_groups + columns[0] // 4)
    for group in range(columns[0] // 4, (columns[0] + columns[1] + 3) // 4):
        state += GOLDEN
        bits = splitmix64(state)
        for i in range(4 * group, 4 * group + 4):
            work[mask + i] = 0.0 if np.int64(bits & SHORT) < common[at.DROPPED] else scale
            bits >>= SHORT_BITS
