"""Matrix products, blocked into register tiles: ``C = C0 + A B`` and the same fused with gradient descent on C.

In BLAS's words: C is M x N, A is M x K, B is K x N. A matrix is a tuple (pointer, row stride, column stride), made by
`matrix`. docs/kernels.md has the contract and the layouts.
"""

import numpy as np

from fastmlp.codegen import cpu
from fastmlp.codegen.integers import smaller
from fastmlp.codegen.jit import kernel
from fastmlp.codegen.simd import address, n_lanes
from fastmlp.kernels.microkernel import MAX_VECTORS, WIDEST_ROW, descent_tile, product_tile
from fastmlp.kernels.prototypes import DESCENT, PRODUCT, call_product

#: Steps of K and rows of C in a block of `product`.
STEPS, ROWS = cpu.PRODUCT_STEPS[cpu.vector_bits()], cpu.PRODUCT_ROWS


@kernel(forceinline=True)
def matrix(array, start, row_stride):
    """The matrix that begins at ``array[start]``: (pointer, row stride, column stride).

    The strides are converted to int64: a literal is a type of its own to Numba, and each mixture of types would compile
    the products again.
    """
    return address(array, start), np.int64(row_stride), np.int64(1)


@kernel(forceinline=True)
def transposed(M):
    """A view of the transpose of a matrix."""
    return M[0], M[2], M[1]


@kernel(forceinline=True)
def block(M, row, column):
    """A view of the part of a matrix that begins at (row, column)."""
    return address(M[0], row * M[1] + column * M[2]), M[1], M[2]


@kernel(forceinline=True)
def column_partition(M, N, lanes):
    """(number of tiles, vectors per tile, number of tiles that are one vector wider) for M rows and N columns.

    As few tiles as their greatest width allows, and as equal in width as possible: 16 vectors in tiles of up to three
    are 3, 3, 3, 3, 2 and 2.
    """
    n_vectors, widest = (N + lanes - 1) // lanes, WIDEST_ROW if M == 1 else MAX_VECTORS
    n_tiles = (n_vectors + widest - 1) // widest
    width = n_vectors // n_tiles
    return n_tiles, width, n_vectors - n_tiles * width


@PRODUCT.implementation
def product_block(C, C0, A, B, M, N, K):
    """``C = C0 + A B`` in tiles of MR x NR, for operands that fit into L2; `product` has the parameters."""
    lanes = n_lanes(C[0])
    n_tiles, width, n_wider = column_partition(M, N, lanes)
    column = 0
    for t in range(n_tiles):
        vectors, row = width + np.int64(t < n_wider), 0
        while row < M:
            operands = block(C, row, column), block(C0, row, column), block(A, row, 0), block(B, 0, column)
            row += product_tile(*operands, M - row, vectors, K)
        column += vectors * lanes


@kernel
def product(address_of_block, C, C0, A, B, M, N, K):
    """``C = C0 + A B``, in blocks of MC rows and KC steps.

    Parameters
    ----------
    address_of_block : int
        Address of `product_block`.
    C : matrix (M, N)
        Written. Rows have room for whole vectors; what is written beyond column N is the product with what B has there.
    C0 : matrix (M, N)
        Where the sums start: C itself, another matrix, or one row with a row stride of 0.
    A : matrix (M, K)
        Read one element at a time, so any strides will do.
    B : matrix (K, N)
        Read in vectors: a column stride of 1, and rows with room for whole vectors.
    M, N, K : int
        Sizes. Where K is 0, C0 is copied.
    """
    start, k = C0, 0
    while True:
        n_steps = smaller(STEPS, K - k)
        for row in range(0, M, ROWS):
            operands = block(C, row, 0), block(start, row, 0), block(A, row, k), block(B, k, 0)
            call_product(address_of_block, (*operands, smaller(ROWS, M - row), N, n_steps))
        start, k = C, k + STEPS
        if k >= K:
            return


@DESCENT.implementation
def product_descent(C, A, B, alpha, beta, M, N, K):
    """``C = C + alpha (beta C + A B)``: a step of gradient descent on weights C, whose gradient is ``beta C + A B``.

    Parameters
    ----------
    C : matrix (M, N)
        Read and written. Rows have room for whole vectors.
    A, B : matrix (M, K), matrix (K, N)
        As in `product`.
    alpha : scalar of C's dtype
        Minus the learning rate.
    beta : scalar of C's dtype
        The L2 coefficient.
    M, N, K : int
        Sizes.
    """
    lanes = n_lanes(C[0])
    n_tiles, width, n_wider = column_partition(M, N, lanes)
    column = 0
    for t in range(n_tiles):
        vectors, row = width + np.int64(t < n_wider), 0
        while row < M:
            operands = block(C, row, column), block(A, row, 0), block(B, 0, column)
            row += descent_tile(*operands, alpha, beta, M - row, vectors, K)
        column += vectors * lanes
