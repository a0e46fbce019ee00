"""Operands of the bf16 units: numbers split into bf16 terms, and laid in tiles (see `unit`).

A number is the sum of its terms: the first is it rounded to bf16, the second the rest rounded, the third the rest of
that, after which nothing of a float32's 24 bits is left. Pixels 0 to 255 are bf16 numbers as they are.
"""

import numpy as np

from fastmlp.bf16 import HIGH, LOW, STEPS, WORDS, bf16_round, pairs_pack, row_pack
from fastmlp.jit import kernel
from fastmlp.kernels import layout as at
from fastmlp.kernels.sampling import gather_rows, transpose
from fastmlp.kernels.unit import TILE
from fastmlp.shuffle import transpose_block
from fastmlp.simd import vload, vload_as, vstore, zeros


@kernel(inline=True)
def row_split(x, y, terms, out, t):
    """32 numbers, steps 0 to 15 of a sum in x, as a packed row a term, TILE words apart."""
    for place in range(t, t + (terms - 1) * TILE, TILE):
        vstore(out, place, row_pack(x, y))
        x, y = x - bf16_round(x), y - bf16_round(y)
    vstore(out, t + (terms - 1) * TILE, row_pack(x, y))


@kernel
def rows_split(source, factor, start, stride, n_rows, n_columns, terms, height, work, tiles):
    """The first operand of a product: n_rows of n_columns, times factor, in terms; zeros below the last row of a tile.

    A tile has `height` rows. What lies behind a row, up to a whole vector, is read too.
    """
    n_blocks = (n_columns + STEPS - 1) // STEPS
    for row in range((n_rows + height - 1) // height * height):
        place, s = tiles + row // height * n_blocks * terms * TILE + row % height * WORDS, start + row * stride
        if row >= n_rows:
            for block in range(n_blocks * terms):
                vstore(work, place + block * TILE, zeros(work))
            continue
        for k in range(0, n_columns - WORDS, STEPS):
            row_split(vload(source, s + k) * factor, vload(source, s + k + WORDS) * factor, terms, work, place)
            place += terms * TILE
        if (n_columns - 1) % STEPS < WORDS:
            row_split(vload(source, s + (n_blocks - 1) * STEPS) * factor, zeros(work), terms, work, place)


@kernel
def pixels_pack(data, places, k, width, work, packed, half, first, second):
    """Sixteen samples' features from k on, up to 32 pixels, as a packed tile, and in pairs of samples into two tiles.

    places: (rows, first, last); the samples' rows are those at first, first + 1, ..., none behind last. half: which
    rows of first and second.
    """
    X, sample_bytes = data[0], data[1]
    rows, start, last = places
    for w in range(WORDS):
        if LOW[w] // WORDS == half:
            low, high = LOW[w] % WORDS, HIGH[w] % WORDS
            a, b = rows[min(start + low, last)] * sample_bytes + k, rows[min(start + high, last)] * sample_bytes + k
            ax, ay = vload_as(X, a, np.uint8, width, work), vload_as(X, a + WORDS, np.uint8, width - WORDS, work)
            bx, by = vload_as(X, b, np.uint8, width, work), vload_as(X, b + WORDS, np.uint8, width - WORDS, work)
            vstore(work, packed + low * WORDS, row_pack(ax, ay))
            vstore(work, packed + high * WORDS, row_pack(bx, by))
            vstore(work, first + w * WORDS, pairs_pack(ax, bx))
            vstore(work, second + w * WORDS, pairs_pack(ay, by))


@kernel
def rows_pair(source, start, stride, n_rows, n_columns, terms, work, half, first, second):
    """Rows in pairs, as words of 16 columns each: up to 16 rows of up to 32 columns, into rows `half` of two tiles.

    The tiles of a term are TILE words behind those of the one before. Missing rows and columns are zero.
    """
    for w in range(WORDS):
        if LOW[w] // WORDS == half:
            low, high = LOW[w] % WORDS, HIGH[w] % WORDS
            for column in range(0, STEPS, WORDS):
                s, place = start + column, (first if column == 0 else second) + w * WORDS
                a = vload(source, s + low * stride) if low < n_rows and column < n_columns else zeros(work)
                b = vload(source, s + high * stride) if high < n_rows and column < n_columns else zeros(work)
                for term in range(terms):
                    below, above = bf16_round(a), bf16_round(b)
                    vstore(work, place + term * TILE, pairs_pack(below, above))
                    a, b = a - below, b - above


@kernel
def samples_pack(data, rows, batch, k, width, work, frame):
    """A panel of a batch in both layouts: by features for the forward product, by samples for the gradient's.

    Both are second operands: features, or samples, are what is summed over. Beyond the batch's end stand copies of the
    last sample, or what was there before: deltas of zero take them out of the sums.
    """
    first, m = batch
    terms, packed, panel = frame[at.INPUT_TERMS], frame[at.PACKED], frame[at.PANEL]
    n_blocks, n_groups = (width + STEPS - 1) // STEPS, (m + STEPS - 1) // STEPS
    for i in range(0, m, WORDS):
        for b in range(n_blocks):
            by_sample = frame[at.COMING_TILES] + ((k + b * STEPS) // WORDS * n_groups + i // STEPS) * terms * TILE
            second, half, left = by_sample + n_groups * terms * TILE, i % STEPS // WORDS, min(STEPS, width - b * STEPS)
            if frame[at.IS_RAW] > 0:
                places = rows, first + i, first + m - 1
                pixels_pack(data, places, k + b * STEPS, left, work, packed, half, by_sample, second)
            else:
                start = frame[at.ROWS]
                gather_rows(data, rows, first + i, min(WORDS, m - i), k + b * STEPS, left, work, start, panel)
                rows_pair(work, start, panel, WORDS, left, terms, work, half, by_sample, second)
                rows_split(work, np.float32(1.0), start, panel, WORDS, left, terms, WORDS, work, packed)
            by_feature = frame[at.FEATURE_TILES] + (i // WORDS * n_blocks + b) * terms * TILE
            for term in range(0, terms * TILE, TILE):
                transpose_block(work, packed + term, WORDS, work, by_feature + term, WORDS)


@kernel
def neurons_pair(work, frame, start, n_neurons, m):
    """A panel of a layer's activations or deltas as a second operand, of a sum over neurons."""
    terms, stride = frame[at.TERMS], frame[at.STRIDE]
    n_blocks, n_groups = (n_neurons + STEPS - 1) // STEPS, (m + STEPS - 1) // STEPS
    for i in range(0, n_blocks * STEPS, WORDS):
        for g in range(n_groups):
            first = frame[at.FEATURE_TILES] + (2 * g * n_blocks + i // STEPS) * terms * TILE
            second, source = first + n_blocks * terms * TILE, start + i * stride + g * STEPS
            left = n_neurons - i, m - g * STEPS
            rows_pair(work, source, stride, left[0], left[1], terms, work, i % STEPS // WORDS, first, second)


@kernel
def neurons_turn(work, frame, start, n_neurons, m):
    """A panel of a layer's activations as a second operand, of a sum over samples."""
    terms, packed, stride = frame[at.TERMS], frame[at.PACKED], frame[at.STRIDE]
    n_groups = (m + STEPS - 1) // STEPS
    for i in range(0, n_neurons, WORDS):
        for g in range(n_groups):
            source, left = start + i * stride + g * STEPS, min(STEPS, m - g * STEPS)
            rows = min(WORDS, n_neurons - i)
            rows_split(work, np.float32(1.0), source, stride, rows, left, terms, WORDS, work, packed)
            place = frame[at.FEATURE_TILES] + (i // WORDS * n_groups + g) * terms * TILE
            for term in range(0, terms * TILE, TILE):
                transpose_block(work, packed + term, WORDS, work, place + term, WORDS)


@kernel
def block_transpose(source, s, s_stride, n_rows, n_columns, target, t, t_stride):
    """``target = source.T``; no row is read beyond the last, and target's rows are padded with zeros."""
    whole = n_rows // WORDS * WORDS
    transpose(source, s, s_stride, whole, n_columns, target, t, t_stride)
    for j in range(n_columns if whole < n_rows else 0):
        vstore(target, t + j * t_stride + whole, zeros(target))
        for i in range(whole, n_rows):
            target[t + j * t_stride + i] = source[s + i * s_stride + j]
