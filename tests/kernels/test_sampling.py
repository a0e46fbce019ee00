import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastmlp.codegen.cpu import vector_bits
from fastmlp.codegen.jit import kernel
from fastmlp.config import Config
from fastmlp.kernels import layout as at
from fastmlp.kernels import sampling
from fastmlp.kernels.layout import DataArrays, TargetPointers
from fastmlp.kernels.sampling import COLUMNS, ROWS, permutation_fill, transpose
from fastmlp.model.kernel_args import Targets, data_arrays
from fastmlp.model.params import Params
from fastmlp.reference import network

SIZES = [1, 3, 4, 5, 8, 15, 16, 17, 33]
SAMPLES = ["uint8", "float32", "float64", "strided"]


@kernel
def mix(state):
    return sampling.splitmix64(state)


def data_of(X, dtype):
    """Samples and a random scaling, as arguments of the kernels and of the reference implementation."""
    random = np.random.default_rng(4)
    scaling = random.normal(size=X.shape[1]), random.normal(size=X.shape[1])
    params = Params((X.shape[1], 2), dtype)
    return data_arrays(X, scaling, params), scaling


def test_the_generator_gives_the_numbers_of_vigna_s_reference_code():
    golden, state, got = int(sampling.GOLDEN), 1234567, []
    for _ in range(5):
        state = (state + golden) % 2**64
        got.append(int(mix(np.uint64(state))))
    assert got == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 64, 1009])
@pytest.mark.parametrize("state", [0, 1, 2**63, 2**64 - 1])
def test_a_permutation_equals_its_reference(n, state):
    got, ref = np.full(n, -1, np.int32), np.full(n, -1, np.int32)
    permutation_fill(got, n, np.uint64(state))
    network.permutation_fill(ref, state)
    np.testing.assert_array_equal(got, ref)


@settings(derandomize=True, max_examples=30)
@given(st.integers(0, 3000), st.integers(0, 2**64 - 1))
def test_a_permutation_holds_every_number_once(n, state):
    order = np.empty(n, np.int32)
    permutation_fill(order, n, np.uint64(state))
    np.testing.assert_array_equal(np.sort(order), np.arange(n))


def test_every_permutation_is_as_likely_as_any_other():
    """24 orders, 24,000 draws: chi-squared of 23 degrees of freedom is below 50 in 999 of 1000 seeds."""
    order, counts = np.empty(4, np.int32), {}
    for state in range(24_000):
        permutation_fill(order, 4, np.uint64(state * 0x1234567))
        counts[tuple(order)] = counts.get(tuple(order), 0) + 1
    assert len(counts) == 24
    assert sum((count - 1000) ** 2 / 1000 for count in counts.values()) < 50


@pytest.mark.parametrize("kind", SAMPLES)
@pytest.mark.parametrize("width", SIZES)
@pytest.mark.parametrize("m", [1, 5, 16, 17])
def test_a_gathered_panel_equals_its_reference(engine, flushed, same_bits, dtype, kind, width, m):
    X, first, column, stride = engine.samples(kind, 40, 40), 2, 3, 48
    data, scaling = data_of(X, dtype)
    rows, out = np.random.default_rng(m).permutation(40).astype(np.int32), np.full(32 * stride, np.nan, dtype)
    with flushed():
        engine.call(ROWS[X.dtype.name], data, rows, (first, m), (column, width), out, 0, stride)
    ref = network.gather_rows(X, rows[first : first + m], scaling, dtype)[:, column : column + width]
    same_bits(out.reshape(32, stride)[:m, :width], ref)


@pytest.mark.parametrize("kind", SAMPLES)
@pytest.mark.parametrize("m", [1, 5, 16, 17])
def test_a_gathered_panel_ends_with_copies_of_its_last_sample(engine, dtype, kind, m):
    X, lanes, out = engine.samples(kind, 20, 20), vector_bits() // 8 // dtype.itemsize, np.zeros((32, 48), dtype)
    data, rows = data_of(X, dtype)[0], np.arange(20, dtype=np.int32)
    engine.call(ROWS[X.dtype.name], data, rows, (0, m), (0, 20), out.reshape(-1), 0, 48)
    assert (out[m : -(-m // lanes) * lanes] == out[m - 1]).all()


@pytest.mark.parametrize("kind", SAMPLES)
@pytest.mark.parametrize("width", SIZES)
def test_the_last_panel_ends_in_zeros(engine, dtype, kind, width):
    X, lanes = engine.samples(kind, 4, width), vector_bits() // 8 // dtype.itemsize
    out = np.full((16, 48), np.nan, dtype)
    data, rows = data_of(X, dtype)[0], np.arange(4, dtype=np.int32)
    engine.call(ROWS[X.dtype.name], data, rows, (0, 4), (0, width), out.reshape(-1), 0, 48)
    assert (out[:4, width : -(-width // lanes) * lanes] == 0).all()


@pytest.mark.parametrize("kind", SAMPLES)
@pytest.mark.parametrize("m", [1, 5, 16, 17])
def test_a_panel_gathered_as_columns_equals_its_reference(engine, flushed, same_bits, dtype, kind, m):
    config = Config(hidden=(), precision=dtype.name)
    X = engine.samples(kind, 40, engine.panel(dtype) + 9)
    layers, (data, scaling) = engine.Layers(config, (X.shape[1], 2), 17), data_of(X, dtype)
    rows = np.random.default_rng(m).permutation(40).astype(np.int32)
    layers.workspace.set_samples(X.dtype.name)
    start, stride, panel = layers.common[[at.COLUMNS, at.STRIDE, at.PANEL]]
    for width in (1, 15, 16, 17, 63, 64, panel - 1, panel):
        with flushed():
            engine.call(COLUMNS[X.dtype.name], data, rows, (2, m), (5, width), layers.work, layers.common)
        got = layers.work[start : start + width * stride].reshape(width, stride)[:, :m].T
        same_bits(got, network.gather_rows(X, rows[2 : 2 + m], scaling, dtype)[:, 5 : 5 + width])


def test_a_number_that_is_subnormal_in_float32_is_zero(engine, flushed, same_bits):
    X, out = np.array([[1e-40, -1e-40, 1e-38, -1e-300]]), np.ones(256, np.float32)
    scaling, no_indices = (np.ones(16, np.float32), np.full(16, -0.0, np.float32)), np.zeros(0, np.int64)
    data = DataArrays(
        np.frombuffer(X.tobytes(), np.uint8), X.nbytes, X.itemsize, *scaling, no_indices, np.zeros(0, np.int32)
    )
    with flushed():
        engine.call(ROWS["float64"], data, np.zeros(1, np.int32), (0, 1), (0, 4), out, 0, 16)
    same_bits(out[:4], np.array([0.0, -0.0, 0.0, -0.0], np.float32))


@pytest.mark.parametrize("n_rows", SIZES)
@pytest.mark.parametrize("n_columns", SIZES)
def test_a_transpose_is_numpy_s(same_bits, dtype, n_rows, n_columns):
    source, target = np.random.default_rng(0).normal(size=(48, 64)).astype(dtype), np.zeros((64, 48), dtype)
    transpose(source.reshape(-1), 0, 64, n_rows, n_columns, target.reshape(-1), 0, 48)
    same_bits(target[:n_columns, :n_rows], source.T[:n_columns, :n_rows])


class Gathered:
    """Targets of a batch of m samples in the layout of the kernels: labels or values, and weights."""

    def __init__(self, engine, dtype, m, targets, n_outputs=1):
        self.rows, common = (
            np.random.default_rng(2).permutation(60).astype(np.int32),
            np.zeros(at.N_COMMON_ENTRIES, np.int64),
        )
        common[[at.STRIDE, at.TARGETS, at.WEIGHTS]] = 80, 0, 80 * n_outputs
        self.out, batch = np.full(80 * (n_outputs + 1), 7, dtype), (np.int64(3), np.int64(m))
        labels, values, weights = targets
        targets = TargetPointers(labels, values.reshape(-1), weights, int(labels.size > 0), int(weights.size > 0))
        self.total = engine.call(sampling.batch_weight, targets, self.rows, batch)
        arguments = targets, self.rows, batch, 0, n_outputs, self.total, self.out, common
        engine.call(sampling.gather_targets, *arguments)
        lanes = vector_bits() // 8 // dtype.itemsize
        self.whole = -(-m // lanes) * lanes
        self.places = self.rows[np.minimum(3 + np.arange(self.whole), 2 + m)]
        *self.values, self.weights = self.out.reshape(-1, 80)[:, : self.whole]


NO_LABELS, NO_WEIGHTS = np.zeros(0, np.int32), np.zeros(0)


@pytest.mark.parametrize("m", SIZES)
def test_labels_are_numbers_and_weights_end_with_the_batch(engine, dtype, m):
    y = np.arange(60, dtype=np.int32)
    got = Gathered(engine, dtype, m, Targets(y, np.zeros((0, 1), dtype), NO_WEIGHTS))
    np.testing.assert_array_equal(got.values, [y[got.places]])
    np.testing.assert_array_equal(got.weights, np.where(np.arange(got.whole) < m, dtype.type(1 / m), 0))


@pytest.mark.parametrize("m", SIZES)
def test_gathered_values_have_one_row_per_output_and_weights_are_fractions(engine, dtype, m):
    random = np.random.default_rng(m)
    Y, weights = random.normal(size=(60, 3)).astype(dtype), random.uniform(0, 1, 60)
    got = Gathered(engine, dtype, m, Targets(NO_LABELS, Y, weights), n_outputs=3)
    np.testing.assert_array_equal(got.values, Y[got.places].T)
    parts, total = network.weights_of(weights[got.rows[3 : 3 + m]], m)
    assert got.total == total
    np.testing.assert_array_equal(got.weights[:m], parts.astype(dtype))
    assert not got.weights[m:].any()


def test_a_batch_whose_weights_are_zero_has_fractions_of_zero(engine, dtype):
    got = Gathered(engine, dtype, 5, Targets(np.zeros(60, np.int32), np.zeros((0, 1), dtype), np.zeros(60)))
    assert got.total == 0
    assert not got.weights.any()


@pytest.mark.parametrize("batch", [1, 4, 7, 33])
@pytest.mark.parametrize("dropped", [0, 1, 20_000, 65_535])
def test_masks_equal_their_reference(dtype, batch, dropped):
    common, out = np.zeros(at.N_COMMON_ENTRIES, np.int64), np.zeros(80, dtype)
    common[[at.BATCH, at.DROPPED, at.DRAW, at.MASK, at.SCALARS]] = batch, dropped, -(2**62), 0, 64
    out[64 + at.KEEP_SCALE] = 65536 / (65536 - dropped)
    ref = network.dropout_masks(dropped, 2**64 - 2**62, 2, 5, batch).astype(dtype)
    for neuron in range(5):
        for columns in ((0, batch), (batch // 4 * 4, batch % 4), (0, batch // 4 * 4)):
            sampling.dropout_fill(out, common, 2, neuron, columns)
        np.testing.assert_array_equal(out[:batch], ref[:, neuron])


def test_dropout_drops_its_share_and_keeps_the_mean():
    masks = network.dropout_masks(round(0.3 * 65536), 11, 1, 1000, 100)
    assert abs((masks == 0).mean() - 0.3) < 0.005
    assert abs(masks.mean() - 1) < 0.01
