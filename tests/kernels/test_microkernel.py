import numpy as np
import pytest

from fastmlp.codegen.cpu import vector_bits
from fastmlp.kernels.microkernel import TILE_HEIGHTS
from fastmlp.reference import products

N_ROWS, N_STEPS = max(max(heights) for heights in TILE_HEIGHTS) + 3, 7
VECTORS = range(1, len(TILE_HEIGHTS) + 1)
SENTINEL = -777.0


@pytest.fixture(scope="module")
def operands(dtype):
    """A, B and C0, the widest tile's size, and ``C0 + A B`` after each step."""
    random, lanes = np.random.default_rng(0), 64 // dtype.itemsize
    A, B, C0 = (
        random.normal(size=shape).astype(dtype)
        for shape in ((N_ROWS, N_STEPS), (N_STEPS, len(TILE_HEIGHTS) * lanes), (N_ROWS, len(TILE_HEIGHTS) * lanes))
    )
    return A, B, C0, [products.product(C0, A[:, :k], B[:k]) for k in range(N_STEPS + 1)]


def lanes_of(dtype):
    return vector_bits() // 8 // dtype.itemsize


@pytest.mark.parametrize("vectors", VECTORS)
@pytest.mark.parametrize("rows_left", range(1, N_ROWS + 1))
def test_a_tile_takes_the_tallest_height_that_fits(engine, operands, vectors, rows_left):
    A, B, C0, _ = operands
    got = engine.product(np.empty_like(C0), C0, A, B, rows_left, vectors, N_STEPS, as_tile=True)
    assert got == max(height for height in TILE_HEIGHTS[vectors - 1] if height <= rows_left)


@pytest.mark.parametrize("n_steps", [0, 1, N_STEPS])
@pytest.mark.parametrize("vectors", VECTORS)
@pytest.mark.parametrize("rows_left", range(1, N_ROWS + 1))
def test_a_tile_is_a_chain_of_fused_multiply_adds(engine, operands, same_bits, vectors, rows_left, n_steps):
    A, B, C0, refs = operands
    got = np.full_like(C0, SENTINEL)
    height = engine.product(got, C0, A, B, rows_left, vectors, n_steps, as_tile=True)
    width = vectors * lanes_of(C0.dtype)
    same_bits(got[:height, :width], refs[n_steps][:height, :width])


@pytest.mark.parametrize("vectors", VECTORS)
@pytest.mark.parametrize("rows_left", range(1, N_ROWS + 1))
def test_a_tile_writes_nothing_but_itself(engine, operands, vectors, rows_left):
    A, B, C0, _ = operands
    got = np.full_like(C0, SENTINEL)
    height = engine.product(got, C0, A, B, rows_left, vectors, N_STEPS, as_tile=True)
    got[:height, : vectors * lanes_of(C0.dtype)] = SENTINEL
    assert (got == SENTINEL).all()
