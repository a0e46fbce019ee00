import numpy as np
import pytest

from fastmlp.codegen.cpu import is_arm, vector_bits
from fastmlp.kernels import matmul
from fastmlp.kernels.microkernel import MAX_VECTORS, TILE_HEIGHTS, WIDEST_ROW
from fastmlp.reference import arithmetic, products
from fastmlp.reference import update as reference_update

TALLEST, WIDEST, N_STEPS = TILE_HEIGHTS[0][0], MAX_VECTORS, 129
N_ROWS, N_VECTORS = 2 * TALLEST + 3, WIDEST_ROW + 1
ROWS = sorted({1, 2, 3, 5, 7, TALLEST - 1, TALLEST, TALLEST + 1, 13, 2 * TALLEST + 1, N_ROWS})
STEPS = [1, 2, 63, 64, 65, N_STEPS]
SENTINEL = -777.0


def lanes_of(dtype):
    return vector_bits() // 8 // dtype.itemsize


def columns_of(dtype):
    lanes = lanes_of(dtype)
    tile = WIDEST * lanes
    return sorted(
        {1, lanes - 1, lanes, lanes + 1, 2 * lanes, tile - 1, tile, tile + 1, 2 * tile + 1, N_VECTORS * lanes, 3, 17}
        - {0}
    )


@pytest.fixture(scope="module")
def operands(dtype):
    """A, B and C0, larger than every product here, and ``C0 + A B`` after as many steps as each product has."""
    random, n_columns = np.random.default_rng(1), max(N_VECTORS * lanes_of(dtype), 32)
    A, B = random.normal(size=(N_ROWS, N_STEPS)).astype(dtype), random.normal(size=(N_STEPS, n_columns)).astype(dtype)
    C0 = random.normal(size=(N_ROWS, n_columns)).astype(dtype)
    refs, done, total = {}, 0, C0
    for n_steps in STEPS:
        total = refs[n_steps] = products.product(total, A[:, done:n_steps], B[done:n_steps])
        done = n_steps
    return A, B, C0, refs


@pytest.mark.parametrize("n_steps", STEPS)
@pytest.mark.parametrize("n_rows", ROWS)
def test_a_product_is_a_chain_of_fused_multiply_adds(engine, operands, same_bits, n_rows, n_steps):
    A, B, C0, refs = operands
    for n_columns in columns_of(A.dtype):
        got = np.full_like(C0, SENTINEL)
        engine.product(got, C0, A, B, n_rows, n_columns, n_steps)
        same_bits(got[:n_rows, :n_columns], refs[n_steps][:n_rows, :n_columns])


@pytest.mark.parametrize("n_rows", ROWS)
def test_a_product_writes_no_further_than_its_last_vector(engine, operands, n_rows):
    A, B, C0, _ = operands
    lanes = lanes_of(A.dtype)
    for n_columns in columns_of(A.dtype):
        got = np.full_like(C0, SENTINEL)
        engine.product(got, C0, A, B, n_rows, n_columns, 1)
        got[:n_rows, : -(-n_columns // lanes) * lanes] = SENTINEL
        assert (got == SENTINEL).all(), n_columns


@pytest.mark.parametrize("is_added", [False, True])
@pytest.mark.parametrize(("n_rows", "n_steps"), [(5, 2 * matmul.STEPS + 3), (matmul.ROWS + 5, matmul.STEPS + 1)])
def test_a_product_in_blocks_has_the_same_bits(engine, dtype, same_bits, n_rows, n_steps, is_added):
    random, n_columns = np.random.default_rng(2), 16
    A, B, C0 = (random.normal(size=size).astype(dtype) for size in ((n_rows, n_steps), (n_steps, 16), (n_rows, 16)))
    got = C0.copy()
    engine.product(got, got if is_added else C0, A, B, n_rows, n_columns, n_steps)
    same_bits(got, products.product(C0, A, B))


@pytest.mark.parametrize("n_rows", ROWS)
def test_the_left_operand_may_be_a_transpose(engine, operands, same_bits, n_rows):
    A, B, C0, refs = operands
    for n_columns in columns_of(A.dtype):
        got = np.full_like(C0, SENTINEL)
        engine.product(got, C0, np.ascontiguousarray(A.T).T, B, n_rows, n_columns, 65)
        same_bits(got[:n_rows, :n_columns], refs[65][:n_rows, :n_columns])


@pytest.mark.parametrize("n_rows", ROWS)
def test_a_product_may_be_added_to_its_own_output(engine, operands, same_bits, n_rows):
    A, B, C0, refs = operands
    for n_columns in columns_of(A.dtype):
        got = C0.copy()
        engine.product(got, got, A, B, n_rows, n_columns, 65)
        same_bits(got[:n_rows, :n_columns], refs[65][:n_rows, :n_columns])


@pytest.mark.parametrize("n_steps", [1, 65])
@pytest.mark.parametrize("n_rows", ROWS)
def test_an_added_product_is_a_step_of_descent(engine, operands, same_bits, n_rows, n_steps):
    A, B, C0, _ = operands
    a, b = C0.dtype.type(-0.3), C0.dtype.type(0.01)
    gradient = products.product(np.zeros_like(C0), A[:, :n_steps], B[:n_steps])
    ref = reference_update.sgd_update(
        C0, arithmetic.fma(b, C0, gradient), reference_update.Coefficients(a, b, *[None] * 8)
    )
    for n_columns in columns_of(A.dtype):
        got = C0.copy()
        engine.descent(got, A, B, a, b, n_rows, n_columns, n_steps)
        same_bits(got[:n_rows, :n_columns], ref[:n_rows, :n_columns])
        written = -(-n_columns // lanes_of(A.dtype)) * lanes_of(A.dtype)
        same_bits(got[:, written:], C0[:, written:])
        same_bits(got[n_rows:], C0[n_rows:])


def test_one_row_of_zeros_serves_as_the_start_of_every_row(engine, operands, same_bits):
    A, B, C0, _ = operands
    got = np.full_like(C0, SENTINEL)
    engine.product(got, np.zeros_like(C0[:1]), A, B, N_ROWS, C0.shape[1], 65)
    same_bits(got, products.product(np.zeros_like(C0), A[:, :65], B[:65]))


@pytest.mark.parametrize("cut", [1, 63, 64, 65, 128])
def test_a_sum_cut_anywhere_has_the_same_bits(engine, operands, same_bits, cut):
    A, B, C0, refs = operands
    got = np.empty_like(C0)
    engine.product(got, C0, A, B, N_ROWS, C0.shape[1], cut)
    engine.product(got, got, np.ascontiguousarray(A[:, cut:]), B[cut:], N_ROWS, C0.shape[1], N_STEPS - cut)
    same_bits(got, refs[N_STEPS])


def test_products_that_underflow_are_zero(engine, flushed, same_bits, dtype):
    random, lanes = np.random.default_rng(2), lanes_of(dtype)
    tiny = float(np.finfo(dtype).tiny) ** 0.5
    A, B = (random.normal(0, tiny, shape).astype(dtype) for shape in ((5, 3), (3, 8 * lanes)))
    C0 = np.zeros((1, 8 * lanes), dtype)
    got = np.full((5, 8 * lanes), SENTINEL, dtype)
    with flushed():
        engine.product(got, C0, A, B, 5, 8 * lanes, 3)
    ref = products.product(np.zeros_like(got), A, B)
    assert 0.1 < (ref == 0).mean() < 0.9
    same_bits(got, ref)


@pytest.mark.skipif(is_arm(), reason="Arm detects subnormal results before rounding")
def test_at_the_edge_of_underflow_a_product_is_rounded_before_it_is_flushed(engine, flushed, same_bits, dtype):
    info, lanes = np.finfo(dtype), lanes_of(dtype)
    A = np.array([[1 - info.epsneg], [1 - 2 * info.epsneg]], dtype)
    B = np.full((1, lanes), info.tiny * (1 + info.eps), dtype)
    B[0, ::2] = info.tiny
    C0, got = np.zeros((1, lanes), dtype), np.full((2, lanes), SENTINEL, dtype)
    with flushed():
        engine.product(got, C0, A, B, 2, lanes, 1)
    np.testing.assert_array_equal(got[:, :2] / info.tiny, [[0, 1], [0, 1]])
    same_bits(got, products.product(np.zeros_like(got), A, B))
