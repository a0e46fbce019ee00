"""Packing of the operands of bf16 products: numbers split into bf16 terms and laid out in tiles.

A float32 is the sum of its terms: the first is the number rounded to bf16, the second the remainder rounded, the third
the remainder of that, after which nothing of a float32's 24 bits is left. Pixels 0 to 255 are bf16 numbers as they are.
`bf16_matmul` describes the tiles.
"""

import numpy as np

from fastmlp.codegen.bf16 import HIGH, LOW, bf16_round, pairs_pack, row_pack
from fastmlp.codegen.bf16_tiles import STEPS, TILE, WORDS
from fastmlp.codegen.integers import smaller
from fastmlp.codegen.jit import kernel
from fastmlp.codegen.simd import vload, vload_as, vstore, zeros
from fastmlp.codegen.transpose import transpose_block
from fastmlp.kernels import layout as at
from fastmlp.kernels.matmul import matrix
from fastmlp.kernels.prototypes import call_gather_rows
from fastmlp.kernels.sampling import transpose


@kernel(forceinline=True)
def row_split(x, y, terms, out, t):
    """32 numbers, steps 0 to 15 of a sum in x, as one packed row per term, TILE words apart."""
    for offset in range(t, t + (terms - 1) * TILE, TILE):
        vstore(out, offset, row_pack(x, y))
        x, y = x - bf16_round(x), y - bf16_round(y)
    vstore(out, t + (terms - 1) * TILE, row_pack(x, y))


@kernel
def rows_split(M, factor, sizes, terms, height, work, tiles):
    """The first operand of a product: a matrix M of sizes (rows, columns), times factor, in terms.

    A tile has `height` rows; below the last row of M they are zero. Up to a whole vector, M is read beyond its columns.
    """
    (n_rows, n_columns), source, stride = sizes, M[0], M[1]
    n_blocks = (n_columns + STEPS - 1) // STEPS
    for row in range((n_rows + height - 1) // height * height):
        offset, s = tiles + row // height * n_blocks * terms * TILE + row % height * WORDS, row * stride
        if row >= n_rows:
            for block in range(n_blocks * terms):
                vstore(work, offset + block * TILE, zeros(work))
            continue
        for k in range(0, n_columns - WORDS, STEPS):
            row_split(vload(source, s + k) * factor, vload(source, s + k + WORDS) * factor, terms, work, offset)
            offset += terms * TILE
        if (n_columns - 1) % STEPS < WORDS:
            row_split(vload(source, s + (n_blocks - 1) * STEPS) * factor, zeros(work), terms, work, offset)


@kernel
def pixels_pack(data, rows, columns, work, packed, half, tiles):
    """Up to 32 pixels of sixteen samples, as a packed tile by features, and in pairs of samples into two tiles.

    rows: (order, first, last): the samples are those at order[first], order[first + 1], ..., none beyond last. columns:
    (first, number). tiles: offsets of the two tiles, of which `half` says which rows are written.
    """
    (order, start, last), (k, width), (first, second) = rows, columns, tiles
    X, sample_bytes = data.X, data.sample_bytes
    for w in range(WORDS):
        if LOW[w] // WORDS == half:
            low, high = LOW[w] % WORDS, HIGH[w] % WORDS
            a = order[smaller(start + low, last)] * sample_bytes + k
            b = order[smaller(start + high, last)] * sample_bytes + k
            ax, ay = vload_as(X, a, np.uint8, width, work), vload_as(X, a + WORDS, np.uint8, width - WORDS, work)
            bx, by = vload_as(X, b, np.uint8, width, work), vload_as(X, b + WORDS, np.uint8, width - WORDS, work)
            vstore(work, packed + low * WORDS, row_pack(ax, ay))
            vstore(work, packed + high * WORDS, row_pack(bx, by))
            vstore(work, first + w * WORDS, pairs_pack(ax, bx))
            vstore(work, second + w * WORDS, pairs_pack(ay, by))


@kernel
def rows_pair(M, sizes, terms, work, half, tiles):
    """Pairs of rows as words of 16 columns: up to 16 rows and 32 columns of M, into rows `half` of two tiles.

    tiles: offsets of the two tiles of the first term; those of the next term follow TILE words later. Missing rows and
    columns are zero.
    """
    (n_rows, n_columns), source, stride, (first, second) = sizes, M[0], M[1], tiles
    for w in range(WORDS):
        if LOW[w] // WORDS == half:
            low, high = LOW[w] % WORDS, HIGH[w] % WORDS
            for column in range(0, STEPS, WORDS):
                offset = (first if column == 0 else second) + w * WORDS
                a = vload(source, column + low * stride) if low < n_rows and column < n_columns else zeros(work)
                b = vload(source, column + high * stride) if high < n_rows and column < n_columns else zeros(work)
                for term in range(terms):
                    below, above = bf16_round(a), bf16_round(b)
                    vstore(work, offset + term * TILE, pairs_pack(below, above))
                    a, b = a - below, b - above


@kernel
def samples_pack(data, order, batch, columns, work, common):
    """A panel of a batch in both layouts: by features for the forward product, by samples for the gradient's.

    Both are second operands: features, or samples, are what is summed over. columns: (first, number). Beyond the end of
    the batch stand copies of the last sample, or what was there before: deltas of zero remove them from the sums.
    """
    (first, m), (k, width) = batch, columns
    terms, packed, panel = common[at.INPUT_TERMS], common[at.PACKED], common[at.PANEL]
    n_blocks, n_groups = (width + STEPS - 1) // STEPS, (m + STEPS - 1) // STEPS
    for i in range(0, m, WORDS):
        for b in range(n_blocks):
            by_sample = common[at.NEXT_TILES] + ((k + b * STEPS) // WORDS * n_groups + i // STEPS) * terms * TILE
            tiles, half = (by_sample, by_sample + n_groups * terms * TILE), i % STEPS // WORDS
            column, left = k + b * STEPS, smaller(STEPS, width - b * STEPS)
            if common[at.IS_RAW] > 0:
                rows = order, first + i, first + m - 1
                pixels_pack(data, rows, (column, left), work, packed, half, tiles)
            else:
                start = common[at.ROWS]
                some = first + i, smaller(WORDS, m - i)
                arguments = data, order, some, (column, left), work, start, panel
                call_gather_rows(common[at.GATHER_ROWS], arguments)
                M, sizes = matrix(work, start, panel), (WORDS, left)
                rows_pair(M, sizes, terms, work, half, tiles)
                rows_split(M, np.float32(1.0), sizes, terms, WORDS, work, packed)
            by_feature = common[at.FEATURE_TILES] + (i // WORDS * n_blocks + b) * terms * TILE
            for term in range(0, terms * TILE, TILE):
                transpose_block(work, packed + term, WORDS, work, by_feature + term, WORDS)


@kernel
def rows_panel_pack(work, common, start, n_units, m):
    """A panel of a layer's activations or deltas as the second operand of a sum over units."""
    terms, stride = common[at.TERMS], common[at.STRIDE]
    n_blocks, n_groups = (n_units + STEPS - 1) // STEPS, (m + STEPS - 1) // STEPS
    for i in range(0, n_blocks * STEPS, WORDS):
        for g in range(n_groups):
            first = common[at.FEATURE_TILES] + (2 * g * n_blocks + i // STEPS) * terms * TILE
            tiles = first, first + n_blocks * terms * TILE
            M, sizes = matrix(work, start + i * stride + g * STEPS, stride), (n_units - i, m - g * STEPS)
            rows_pair(M, sizes, terms, work, i % STEPS // WORDS, tiles)


@kernel
def columns_panel_pack(work, common, start, n_units, m):
    """A panel of a layer's activations as the second operand of a sum over samples."""
    terms, packed, stride = common[at.TERMS], common[at.PACKED], common[at.STRIDE]
    n_groups = (m + STEPS - 1) // STEPS
    for i in range(0, n_units, WORDS):
        for g in range(n_groups):
            M, sizes = matrix(work, start + i * stride + g * STEPS, stride), (
                smaller(WORDS, n_units - i), smaller(STEPS, m - g * STEPS),
            )  # fmt: skip
            rows_split(M, np.float32(1.0), sizes, terms, WORDS, work, packed)
            offset = common[at.FEATURE_TILES] + (i // WORDS * n_groups + g) * terms * TILE
            for term in range(0, terms * TILE, TILE):
                transpose_block(work, packed + term, WORDS, work, offset + term, WORDS)


@kernel
def block_transpose(source, s, s_stride, n_rows, n_columns, target, t, t_stride):
    """``target = source.T``; no row beyond the last is read, and the rows of target are padded with zeros."""
    whole = n_rows // WORDS * WORDS
    transpose(source, s, s_stride, whole, n_columns, target, t, t_stride)
    for j in range(n_columns if whole < n_rows else 0):
        vstore(target, t + j * t_stride + whole, zeros(target))
        for i in range(whole, n_rows):
            target[t + j * t_stride + i] = source[s + i * s_stride + j]
