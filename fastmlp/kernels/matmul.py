"""The products that training needs, blocked round the register tile.

Knows matrices, rows, columns and tiles; nothing of layers or samples.
"""

import numpy as np

from fastmlp.jit import kernel
from fastmlp.kernels.microkernel import MAX_VECTORS, add_tile_product, tile_product
from fastmlp.simd import address, n_lanes


@kernel(inline=True)
def matrix(array, start, row_stride):
    """The matrix that begins at ``array[start]``: (pointer, row stride, column stride).

    The strides are made int64: a literal is a type of its own to Numba, and every mixture would compile the products
    again.
    """
    return address(array, start), np.int64(row_stride), np.int64(1)


@kernel(inline=True)
def transposed(M):
    """The transpose of a matrix, as a view."""
    return M[0], M[2], M[1]


@kernel(inline=True)
def block(M, row, column):
    """The part of a matrix that begins at (row, column)."""
    return address(M[0], row * M[1] + column * M[2]), M[1], M[2]


@kernel(inline=True)
def parts(n_columns, lanes):
    """(vectors in n_columns, vectors in a part): as few parts as a tile's width allows, and as even."""
    n_vectors = (n_columns + lanes - 1) // lanes
    n_parts = (n_vectors + MAX_VECTORS - 1) // MAX_VECTORS
    return n_vectors, (n_vectors + n_parts - 1) // n_parts


@kernel
def product(C, I, P, Q, n_rows, n_columns, n_steps):  # noqa: E741
    """``C = I + P Q``, C (n_rows, n_columns), n_steps in each sum; I may be C, or have a row stride of 0."""
    lanes = n_lanes(C[0])
    n_vectors, width = parts(n_columns, lanes)
    for v in range(0, n_vectors, width):
        vectors, column, row = min(width, n_vectors - v), v * lanes, 0
        while row < n_rows:
            operands = block(C, row, column), block(I, row, column), block(P, row, 0), block(Q, 0, column)
            row += tile_product(*operands, n_rows - row, vectors, n_steps)


@kernel
def add_product(C, P, Q, a, b, n_rows, n_columns, n_steps):
    """``C = C + a (b C + P Q)``, C (n_rows, n_columns), n_steps in each sum, a and b numbers of C's type."""
    lanes = n_lanes(C[0])
    n_vectors, width = parts(n_columns, lanes)
    for v in range(0, n_vectors, width):
        vectors, column, row = min(width, n_vectors - v), v * lanes, 0
        while row < n_rows:
            operands = block(C, row, column), block(P, row, 0), block(Q, 0, column)
            row += add_tile_product(*operands, a, b, n_rows - row, vectors, n_steps)
