"""Seeded order of the samples, and the gather of a batch out of data that stays as it lies.

The generator is the project's own (splitmix64, Steele, Lea and Flood 2014), so that no library's version changes a
result.
"""

import numpy as np

from fastmlp.cpu import LINE_BYTES
from fastmlp.jit import kernel
from fastmlp.kernels import layout as at
from fastmlp.shuffle import transpose_block, transpose_samples
from fastmlp.simd import fma, n_lanes, prefetch, vload, vload_as, vstore

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX1, MIX2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
#: Types of the numbers in X.
UINT8, FLOAT32, FLOAT64 = range(3)
KINDS = {"uint8": UINT8, "float32": FLOAT32, "float64": FLOAT64}

LOW_HALF, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
SHORT, SHORT_BITS = np.uint64(0xFFFF), np.uint64(16)


@kernel(inline=True)
def splitmix64(state):
    """Mix a state into a random 64-bit number; states that differ by any amount give unrelated numbers."""
    z = (state ^ (state >> np.uint64(30))) * MIX1
    z = (z ^ (z >> np.uint64(27))) * MIX2
    return z ^ (z >> np.uint64(31))


@kernel
def permutation_fill(order, state):
    """``order`` = a uniform permutation of 0 .. n - 1 (n < 2**31) that depends on `state` alone.

    Fisher and Yates's shuffle; each draw by Lemire's multiplication (2019), with rejection, so that it has no bias.
    """
    for i in range(order.size):
        order[i] = i
    for i in range(order.size - 1, 0, -1):
        bound, product = np.uint64(i + 1), np.uint64(0)
        while True:
            state += GOLDEN
            product = (splitmix64(state) >> HALF) * bound
            low = product & LOW_HALF
            # The least that is accepted is below bound: nearly no draw needs the division.
            if low >= bound or low >= ((LOW_HALF + np.uint64(1)) - bound) % bound:
                break
        j = np.int64(product >> HALF)
        order[i], order[j] = order[j], order[i]


@kernel
def transpose(source, s, s_stride, n_rows, n_columns, target, t, t_stride):
    """``target = source.T``, both padded to whole vectors either way."""
    lanes = n_lanes(source)
    for i in range(0, n_rows, lanes):
        for j in range(0, n_columns, lanes):
            transpose_block(source, s + i * s_stride + j, s_stride, target, t + j * t_stride + i, t_stride)


@kernel
def prefetch_rows(data, rows, first, stop, column, width):
    """Ask for ``X[rows[first:stop], column : column + width]``: samples lie apart, so no hardware guesses them."""
    X, sample_bytes, kind = data[:3]
    itemsize = 1 if kind == UINT8 else 4 if kind == FLOAT32 else 8
    for i in range(first, stop):
        start = rows[i] * sample_bytes + column * itemsize
        for octet in range(start, start + width * itemsize, LINE_BYTES):
            prefetch(X, octet)


@kernel
def gather_rows(data, rows, first, m, column, width, out, start, stride):
    """``out[i] = X[rows[first + i], column : column + width] * factor + offset``: a panel of a batch, samples as rows.

    Zeros from `width` to the last vector's end. Rows from m to a whole number of vectors are copies of the last
    sample, so that a transposed block is full. The type of X is a number, looked at once a row, so that one
    compilation serves all.
    """
    X, sample_bytes, kind, factor, offset = data
    lanes = n_lanes(out)
    for i in range((m + lanes - 1) // lanes * lanes):
        source, target = rows[first + min(i, m - 1)] * sample_bytes, start + i * stride
        if kind == UINT8:
            for c in range(0, width, lanes):
                x = vload_as(X, source + column + c, np.uint8, width - c, out)
                vstore(out, target + c, fma(x, vload(factor, column + c), vload(offset, column + c)))
        elif kind == FLOAT32:
            for c in range(0, width, lanes):
                x = vload_as(X, source + 4 * (column + c), np.float32, width - c, out)
                vstore(out, target + c, fma(x, vload(factor, column + c), vload(offset, column + c)))
        else:
            for c in range(0, width, lanes):
                x = vload_as(X, source + 8 * (column + c), np.float64, width - c, out)
                vstore(out, target + c, fma(x, vload(factor, column + c), vload(offset, column + c)))


@kernel
def gather_columns(data, rows, first, m, column, width, work, frame):
    """A panel of a batch, samples as columns: `gather_rows`, transposed into the frame's COLUMNS.

    Whole blocks of uint8 and float32 are transposed on the way in; what is left, and float64, by way of ROWS.
    """
    X, sample_bytes, kind, factor, offset = data
    lanes, stride, panel = n_lanes(work), frame[at.STRIDE], frame[at.PANEL]
    block = 4 * lanes if kind == UINT8 else lanes
    whole = 0 if kind == FLOAT64 else width // block * block
    for i in range(0, m, lanes):
        places = rows, first + i, first + m - 1, sample_bytes
        for k in range(0, whole, block):
            place = frame[at.COLUMNS] + k * stride + i, stride
            if kind == UINT8:
                transpose_samples(X, places, np.uint8, column + k, (factor, offset), work, place)
            else:
                transpose_samples(X, places, np.float32, column + k, (factor, offset), work, place)
    if whole < width:
        gather_rows(data, rows, first, m, column + whole, width - whole, work, frame[at.ROWS], panel)
        target = frame[at.COLUMNS] + whole * stride
        transpose(work, frame[at.ROWS], panel, m, width - whole, work, target, stride)


@kernel
def batch_weight(targets, rows, batch):
    """Sum of a batch's sample weights, in their order; where they have none, how many they are."""
    first, m = batch
    if targets[2].size == 0:
        return np.float64(m)
    total = 0.0
    for i in range(m):
        total += targets[2][rows[first + i]]
    return total


@kernel(inline=True)
def share_of(weights, row, total):
    """A sample's part in the mean over a batch whose weights sum up to total; none where they are all 0."""
    return weights[row] / total if total > 0.0 else 0.0


@kernel
def gather_weights(weights, rows, batch, total, work, place):
    """Each sample's share of the batch, 1 / m without weights; 0 beyond the batch's end."""
    first, m = batch
    lanes = n_lanes(work)
    if weights.size == 0:
        share = 1.0 / total
        for i in range(m):
            work[place + i] = share
    else:
        for i in range(m):
            work[place + i] = share_of(weights, rows[first + i], total)
    for i in range(m, (m + lanes - 1) // lanes * lanes):
        work[place + i] = 0.0


@kernel
def gather_targets(targets, rows, batch, n_outputs, total, work, frame):
    """A batch's labels as floating numbers, or its targets, an output a row; and its weights.

    targets: labels, int32 (n_samples,); values, (n_samples, n_outputs), of which one of the two is empty; weights,
    float64 (n_samples,), or empty. Beyond the batch's end stand copies of its last sample, which weigh nothing.
    """
    labels, values = targets[0], targets[1]
    first, m = batch
    lanes, stride, place = n_lanes(work), frame[at.STRIDE], frame[at.TARGETS]
    whole = (m + lanes - 1) // lanes * lanes
    if labels.size > 0:
        for i in range(whole):
            work[place + i] = labels[rows[first + min(i, m - 1)]]
    else:
        for i in range(whole):
            row = rows[first + min(i, m - 1)]
            for j in range(n_outputs):
                work[place + j * stride + i] = values[row, j]
    gather_weights(targets[2], rows, batch, total, work, frame[at.WEIGHTS])


@kernel
def dropout_fill(work, frame, number, neuron):
    """A neuron's masks for a batch: 0 for DROPPED of 65,536 draws, KEPT for the others.

    A draw is keyed by the step, the layer's number, the neuron and the sample's place; four share 64 random bits.
    """
    kept, mask, n_groups = work[frame[at.NUMBERS] + at.KEPT], frame[at.MASK], (frame[at.BATCH] + 3) // 4
    key = splitmix64(np.uint64(frame[at.DRAW]) + GOLDEN * np.uint64(number + 1))
    state = key + GOLDEN * np.uint64(neuron * n_groups)
    for group in range(n_groups):
        state += GOLDEN
        bits = splitmix64(state)
        for i in range(4 * group, 4 * group + 4):
            work[mask + i] = 0.0 if np.int64(bits & SHORT) < frame[at.DROPPED] else kept
            bits >>= SHORT_BITS
