"""Operands of the bf16 units: numbers split into bf16 terms, and laid in tiles (see `unit`).

A number is the sum of its terms: the first is it rounded to bf16, the second the rest rounded, the third the rest of
that, after which nothing of a float32's 24 bits is left. Pixels 0 to 255 are bf16 numbers as they are.
"""

import numpy as np

from fastmlp.bf16 import HIGH, LOW, STEPS, WORDS, bf16_round, pairs_first, pairs_second, row_pack
from fastmlp.jit import kernel
from fastmlp.kernels import layout as at
from fastmlp.kernels.sampling import gather_rows, transpose
from fastmlp.kernels.unit import TILE
from fastmlp.shuffle import transpose_block
from fastmlp.simd import address, vload, vload_as, vstore, zeros


@kernel
def row_split(source, scale, s, k, width, terms, out, t):
    """``source[s : s + width] * scale[k : ...]``, up to 32 numbers, as a packed row a term, TILE words apart."""
    x = vload(source, s) * vload(scale, k)
    y = vload(source, s + WORDS) * vload(scale, k + WORDS) if width > WORDS else zeros(out)
    for term in range(terms):
        rounded_x, rounded_y = bf16_round(x), bf16_round(y)
        vstore(out, t + term * TILE, row_pack(rounded_x, rounded_y))
        x, y = x - rounded_x, y - rounded_y


@kernel
def rows_split(source, scale, start, stride, n_rows, n_columns, terms, height, work, tiles):
    """The first operand of a product: n_rows of n_columns in terms, in tiles of `height` rows, zeros below the last."""
    n_blocks = (n_columns + STEPS - 1) // STEPS
    for row in range((n_rows + height - 1) // height * height):
        for block in range(n_blocks):
            k = block * STEPS
            place = tiles + (row // height * n_blocks + block) * terms * TILE + row % height * WORDS
            if row < n_rows:
                row_split(source, scale, start + row * stride + k, k, n_columns - k, terms, work, place)
            else:
                for term in range(terms):
                    vstore(work, place + term * TILE, zeros(work))


@kernel
def pixels_pack(data, places, k, width, out, t):
    """Sixteen samples' features from k on, up to 32 pixels each, as a packed tile.

    places: (rows, first, last); the samples' rows are those at first, first + 1, ..., none behind last.
    """
    X, sample_bytes = data[0], data[1]
    rows, first, last = places
    for i in range(WORDS):
        start = rows[min(first + i, last)] * sample_bytes + k
        x = vload_as(X, start, np.uint8, width, out)
        y = vload_as(X, start + WORDS, np.uint8, width - WORDS, out)
        vstore(out, t + i * WORDS, row_pack(x, y))


@kernel
def pairs_store(work, packed, half, first, second):
    """A packed tile's rows in pairs, as words of 16 columns each: into rows `half` of two tiles."""
    for w in range(WORDS):
        if LOW[w] // WORDS == half:
            a, b = vload(work, packed + LOW[w] % WORDS * WORDS), vload(work, packed + HIGH[w] % WORDS * WORDS)
            vstore(work, first + w * WORDS, pairs_first(a, b))
            vstore(work, second + w * WORDS, pairs_second(a, b))


@kernel
def samples_pack(data, rows, batch, k, width, work, frame):
    """A panel of a batch in both layouts: by features for the forward product, by samples for the gradient's.

    Both are second operands: features, or samples, are what is summed over. Beyond the batch's end stand copies of the
    last sample, or what was there before: deltas of zero take them out of the sums.
    """
    first, m = batch
    terms, packed, panel = frame[at.INPUT_TERMS], frame[at.PACKED], frame[at.PANEL]
    n_blocks, n_groups = (width + STEPS - 1) // STEPS, (m + STEPS - 1) // STEPS
    ones = address(work, frame[at.ONES])
    if frame[at.IS_RAW] == 0:
        gather_rows(data, rows, first, m, k, width, work, frame[at.ROWS], panel)
    for i in range(0, m, WORDS):
        for b in range(n_blocks):
            column = b * STEPS
            if frame[at.IS_RAW] == 0:
                source = frame[at.ROWS] + i * panel + column
                rows_split(work, ones, source, panel, WORDS, min(STEPS, width - column), terms, WORDS, work, packed)
            else:
                pixels_pack(data, (rows, first + i, first + m - 1), k + column, width - column, work, packed)
            by_feature = frame[at.FEATURE_TILES] + (i // WORDS * n_blocks + b) * terms * TILE
            by_sample = frame[at.COMING_TILES] + ((k + column) // WORDS * n_groups + i // STEPS) * terms * TILE
            for term in range(terms):
                tile, place = packed + term * TILE, by_sample + term * TILE
                transpose_block(work, tile, WORDS, work, by_feature + term * TILE, WORDS)
                pairs_store(work, tile, i % STEPS // WORDS, place, place + n_groups * terms * TILE)


@kernel
def neurons_pack(work, frame, start, n_neurons, m, by_neuron):
    """A panel of a layer's activations or deltas as a second operand: neurons are summed over, or samples."""
    terms, packed, stride = frame[at.TERMS], frame[at.PACKED], frame[at.STRIDE]
    n_blocks, n_groups = (n_neurons + STEPS - 1) // STEPS, (m + STEPS - 1) // STEPS
    ones = address(work, frame[at.ONES])
    for i in range(0, n_blocks * STEPS, WORDS):
        rows = max(0, min(WORDS, n_neurons - i))
        for g in range(n_groups):
            source, width = start + i * stride + g * STEPS, min(STEPS, m - g * STEPS)
            rows_split(work, ones, source, stride, rows, width, terms, WORDS, work, packed)
            if rows == 0:
                for place in range(packed, packed + terms * TILE, WORDS):
                    vstore(work, place, zeros(work))
            for term in range(terms):
                tile = packed + term * TILE
                if by_neuron > 0:
                    place = frame[at.FEATURE_TILES] + ((2 * g * n_blocks + i // STEPS) * terms + term) * TILE
                    pairs_store(work, tile, i % STEPS // WORDS, place, place + n_blocks * terms * TILE)
                else:
                    place = frame[at.FEATURE_TILES] + ((i // WORDS * n_groups + g) * terms + term) * TILE
                    transpose_block(work, tile, WORDS, work, place, WORDS)


@kernel
def block_transpose(source, s, s_stride, n_rows, n_columns, target, t, t_stride):
    """``target = source.T``; no row is read beyond the last, and target's rows are padded with zeros."""
    whole = n_rows // WORDS * WORDS
    transpose(source, s, s_stride, whole, n_columns, target, t, t_stride)
    for j in range(n_columns if whole < n_rows else 0):
        vstore(target, t + j * t_stride + whole, zeros(target))
        for i in range(whole, n_rows):
            target[t + j * t_stride + i] = source[s + i * s_stride + j]
