import numpy as np
import pytest

from fastmlp.codegen.cpu import is_arm, vector_bits
from fastmlp.kernels.microkernel import TILE_HEIGHTS
from fastmlp.reference import arithmetic, products
from fastmlp.reference import update as reference_update

TALLEST, WIDEST, N_STEPS = TILE_HEIGHTS[0][0], len(TILE_HEIGHTS), 129
N_ROWS, N_VECTORS = 2 * TALLEST + 3, 2 * WIDEST + 1
ROWS = sorted({1, 2, 3, 5, 7, TALLEST - 1, TALLEST, TALLEST + 1, 13, 2 * TALLEST + 1, N_ROWS})
STEPS = [1, 2, 63, 64, 65, N_STEPS]
SENTINEL = -777.0


def lanes_of(dtype):
    return vector_bits() // 8 // dtype.itemsize


def columns_of(dtype):
    lanes = lanes_of(dtype)
    tile = WIDEST * lanes
    return sorted({1, lanes - 1, lanes, lanes + 1, 2 * lanes, tile - 1, tile, tile + 1, 2 * tile + 1, 3, 17} - {0})


@pytest.fixture(scope="module")
def operands(dtype):
    """P, Q and I, larger than every product here, and ``I + P Q`` after as many steps as each product has."""
    random, n_columns = np.random.default_rng(1), max(N_VECTORS * lanes_of(dtype), 32)
    P, Q = random.normal(size=(N_ROWS, N_STEPS)).astype(dtype), random.normal(size=(N_STEPS, n_columns)).astype(dtype)
    I = random.normal(size=(N_ROWS, n_columns)).astype(dtype)  # noqa: E741
    refs, done, total = {}, 0, I
    for n_steps in STEPS:
        total = refs[n_steps] = products.product(total, P[:, done:n_steps], Q[done:n_steps])
        done = n_steps
    return P, Q, I, refs


@pytest.mark.parametrize("n_steps", STEPS)
@pytest.mark.parametrize("n_rows", ROWS)
def test_a_product_is_a_chain_of_fused_multiply_adds(engine, operands, same_bits, n_rows, n_steps):
    P, Q, I, refs = operands  # noqa: E741
    for n_columns in columns_of(P.dtype):
        got = np.full_like(I, SENTINEL)
        engine.product(got, I, P, Q, n_rows, n_columns, n_steps)
        same_bits(got[:n_rows, :n_columns], refs[n_steps][:n_rows, :n_columns])


@pytest.mark.parametrize("n_rows", ROWS)
def test_a_product_writes_no_further_than_its_last_vector(engine, operands, n_rows):
    P, Q, I, _ = operands  # noqa: E741
    lanes = lanes_of(P.dtype)
    for n_columns in columns_of(P.dtype):
        got = np.full_like(I, SENTINEL)
        engine.product(got, I, P, Q, n_rows, n_columns, 1)
        got[:n_rows, : -(-n_columns // lanes) * lanes] = SENTINEL
        assert (got == SENTINEL).all(), n_columns


@pytest.mark.parametrize("n_rows", ROWS)
def test_the_left_operand_may_be_a_transpose(engine, operands, same_bits, n_rows):
    P, Q, I, refs = operands  # noqa: E741
    for n_columns in columns_of(P.dtype):
        got = np.full_like(I, SENTINEL)
        engine.product(got, I, np.ascontiguousarray(P.T).T, Q, n_rows, n_columns, 65)
        same_bits(got[:n_rows, :n_columns], refs[65][:n_rows, :n_columns])


@pytest.mark.parametrize("n_rows", ROWS)
def test_a_product_may_be_added_to_its_own_output(engine, operands, same_bits, n_rows):
    P, Q, I, refs = operands  # noqa: E741
    for n_columns in columns_of(P.dtype):
        got = I.copy()
        engine.product(got, got, P, Q, n_rows, n_columns, 65)
        same_bits(got[:n_rows, :n_columns], refs[65][:n_rows, :n_columns])


@pytest.mark.parametrize("n_steps", [1, 65])
@pytest.mark.parametrize("n_rows", ROWS)
def test_an_added_product_is_a_step_of_descent(engine, operands, same_bits, n_rows, n_steps):
    P, Q, I, _ = operands  # noqa: E741
    a, b = I.dtype.type(-0.3), I.dtype.type(0.01)
    gradient = products.product(np.zeros_like(I), P[:, :n_steps], Q[:n_steps])
    ref = reference_update.sgd_update(
        I, arithmetic.fma(b, I, gradient), reference_update.Coefficients(a, b, *[None] * 8)
    )
    for n_columns in columns_of(P.dtype):
        got = I.copy()
        engine.add_product(got, P, Q, a, b, n_rows, n_columns, n_steps)
        same_bits(got[:n_rows, :n_columns], ref[:n_rows, :n_columns])
        written = -(-n_columns // lanes_of(P.dtype)) * lanes_of(P.dtype)
        same_bits(got[:, written:], I[:, written:])
        same_bits(got[n_rows:], I[n_rows:])


def test_one_row_of_zeros_serves_as_the_start_of_every_row(engine, operands, same_bits):
    P, Q, I, _ = operands  # noqa: E741
    got = np.full_like(I, SENTINEL)
    engine.product(got, np.zeros_like(I[:1]), P, Q, N_ROWS, I.shape[1], 65)
    same_bits(got, products.product(np.zeros_like(I), P[:, :65], Q[:65]))


@pytest.mark.parametrize("cut", [1, 63, 64, 65, 128])
def test_a_sum_cut_anywhere_has_the_same_bits(engine, operands, same_bits, cut):
    P, Q, I, refs = operands  # noqa: E741
    got = np.empty_like(I)
    engine.product(got, I, P, Q, N_ROWS, I.shape[1], cut)
    engine.product(got, got, np.ascontiguousarray(P[:, cut:]), Q[cut:], N_ROWS, I.shape[1], N_STEPS - cut)
    same_bits(got, refs[N_STEPS])


def test_products_that_underflow_are_zero(engine, flushed, same_bits, dtype):
    random, lanes = np.random.default_rng(2), lanes_of(dtype)
    tiny = float(np.finfo(dtype).tiny) ** 0.5
    P, Q = (random.normal(0, tiny, shape).astype(dtype) for shape in ((5, 3), (3, 8 * lanes)))
    I = np.zeros((1, 8 * lanes), dtype)  # noqa: E741
    got = np.full((5, 8 * lanes), SENTINEL, dtype)
    with flushed():
        engine.product(got, I, P, Q, 5, 8 * lanes, 3)
    ref = products.product(np.zeros_like(got), P, Q)
    assert 0.1 < (ref == 0).mean() < 0.9
    same_bits(got, ref)


@pytest.mark.skipif(is_arm(), reason="Arm judges before rounding whether a result is subnormal")
def test_at_the_edge_of_underflow_a_product_is_judged_as_rounded(engine, flushed, same_bits, dtype):
    info, lanes = np.finfo(dtype), lanes_of(dtype)
    P = np.array([[1 - info.epsneg], [1 - 2 * info.epsneg]], dtype)
    Q = np.full((1, lanes), info.tiny * (1 + info.eps), dtype)
    Q[0, ::2] = info.tiny
    I, got = np.zeros((1, lanes), dtype), np.full((2, lanes), SENTINEL, dtype)  # noqa: E741
    with flushed():
        engine.product(got, I, P, Q, 2, lanes, 1)
    np.testing.assert_array_equal(got[:, :2] / info.tiny, [[0, 1], [0, 1]])
    same_bits(got, products.product(np.zeros_like(got), P, Q))
