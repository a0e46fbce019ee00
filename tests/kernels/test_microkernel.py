import numpy as np
import pytest

from fastmlp.codegen import cpu
from fastmlp.codegen.cpu import vector_bits
from fastmlp.kernels.microkernel import MIN_CHAINS, TILE_HEIGHTS, first_heights
from fastmlp.reference import products

N_ROWS, N_STEPS = max(max(heights) for heights in TILE_HEIGHTS) + 3, 7
VECTORS = range(1, len(TILE_HEIGHTS) + 1)
TABLES = cpu.TILE_HEIGHTS.values()
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
def test_a_tile_has_the_height_that_the_rows_left_select(engine, operands, vectors, rows_left):
    A, B, C0, _ = operands
    heights = TILE_HEIGHTS[vectors - 1]
    got = engine.product(np.empty_like(C0), C0, A, B, rows_left, vectors, N_STEPS, as_tile=True)
    assert got == first_heights(heights, vectors).get(rows_left, heights[0])


def divided(n_rows, heights, vectors):
    """The heights of the tiles of a product with so many rows."""
    first, tiles = first_heights(heights, vectors), []
    while sum(tiles) < n_rows:
        tiles.append(first.get(n_rows - sum(tiles), heights[0]))
    return tiles


@pytest.mark.parametrize(("vectors", "heights"), [tile for table in TABLES for tile in enumerate(table, 1)])
def test_no_tile_has_too_few_accumulators_where_another_division_avoids_it(vectors, heights):
    enough, possible = [h for h in heights if h * vectors >= MIN_CHAINS], {0}
    for n_rows in range(1, 129):
        if any(n_rows - h in possible for h in enough):
            possible.add(n_rows)
            assert min(divided(n_rows, heights, vectors)) in enough, n_rows


@pytest.mark.skipif(cpu.is_arm(), reason="Arm has 32 registers, and may have more units to keep busy")
@pytest.mark.parametrize("n_rows", [8, 10, 12, 28, 32, 61, 64, 97, 100, 128])
def test_the_rows_of_a_wide_product_divide_evenly_with_sixteen_registers(n_rows):
    for vectors in (2, 3):
        tiles = divided(n_rows, cpu.TILE_HEIGHTS[16][vectors - 1], vectors)
        assert sum(tiles) == n_rows
        assert min(tiles) * vectors >= MIN_CHAINS, tiles


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
