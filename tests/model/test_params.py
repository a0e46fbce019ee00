import copy
import pickle
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmlp.codegen.cpu import LINE_BYTES
from fastmlp.errors import DataError
from fastmlp.model.params import Params, aligned_zeros, init_params
from fastmlp.settings import ACTIVATIONS, Init

networks = st.lists(st.integers(1, 70), min_size=2, max_size=5).map(tuple)
dtypes = st.sampled_from(["float32", "float64"])


@given(st.integers(1, 1000), dtypes)
def test_zeros_are_aligned_and_of_the_given_number(n, dtype):
    got = aligned_zeros(n, dtype)
    assert (got.shape, got.dtype, got.ctypes.data % LINE_BYTES, got.any()) == ((n,), np.dtype(dtype), 0, False)


@pytest.mark.parametrize("n", [10**15, 10**18, 10**30])
def test_an_array_larger_than_any_memory_is_a_memory_error(n):
    with pytest.raises(MemoryError, match="Unable to allocate"):
        aligned_zeros(n, "float64")


@given(networks, dtypes)
def test_no_two_parameters_share_memory(sizes, dtype):
    params = Params(sizes, dtype)
    views = [*params.weights, *params.biases]
    for view in views:
        view += 1
    assert set(np.unique(params.theta)) <= {0, 1}
    assert params.theta.sum() == sum(view.size for view in views)


@given(networks, dtypes)
def test_every_row_is_aligned_to_a_cache_line(sizes, dtype):
    params = Params(sizes, dtype)
    for W, b in zip(params.weights, params.biases, strict=True):
        assert b.ctypes.data % LINE_BYTES == 0
        assert all(row.ctypes.data % LINE_BYTES == 0 for row in W.T)


def test_a_copy_has_the_same_values_and_shares_no_memory():
    params = init_params((5, 4, 3), "float32", "glorot_uniform", "sigmoid", seed=0)
    copied = params.copy()
    np.testing.assert_array_equal(copied.theta, params.theta)
    assert not np.shares_memory(copied.theta, params.theta)


# views


@pytest.fixture
def weights():
    return Params((3, 2, 4), "float32").weights


def test_views_are_a_sequence(weights):
    assert (len(weights), [W.shape for W in weights]) == (2, [(3, 2), (2, 4)])
    assert np.shares_memory(weights[-1], weights[1])
    assert repr(weights) == "weights: (3, 2), (2, 4)"


@pytest.mark.parametrize("value", [np.ones((2, 3)), 1.0, np.ones(6), []])
def test_another_shape_is_refused(value, weights):
    with pytest.raises(DataError, match=r"weights\[0\]: expected an array of shape \(3, 2\), got shape \("):
        weights[0] = value


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300, "a", None, 1j])
def test_values_that_are_not_finite_in_the_dtype_are_refused(bad, weights):
    value = np.ones((3, 2)).tolist()
    value[1][1] = bad
    with pytest.raises(DataError, match=r"weights\[0\]: expected numbers that are finite in float32, got others"):
        weights[0] = value
    assert (weights[0] == 0).all()


def test_rows_of_different_lengths_are_refused(weights):
    with pytest.raises(DataError, match=r"weights\[0\]: expected an array of shape \(3, 2\), got something else: "):
        weights[0] = [[1, 2], [3], [4, 5]]


def test_a_list_with_an_invalid_array_assigns_nothing(weights):
    with pytest.raises(DataError, match=r"weights\[1\]: expected an array of shape \(2, 4\), got shape \(2, 5\)"):
        weights.assign([np.ones((3, 2)), np.ones((2, 5))])
    with pytest.raises(DataError, match="weights: expected 2 arrays, one per layer, got 1"):
        weights.assign([np.ones((3, 2))])
    assert (weights[0] == 0).all()


# initial weights


@pytest.mark.parametrize("init", get_args(Init))
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_initial_weights_are_uniform_around_0_and_biases_are_0(init, activation):
    params = init_params((50, 40, 30), "float64", init, activation, seed=3)
    for W, b in zip(params.weights, params.biases, strict=True):
        limit = abs(W).max()
        assert abs(W.mean()) < 0.05 * limit
        assert W.std() == pytest.approx(limit / 3**0.5, rel=0.05)
        assert not b.any()


def test_the_limit_is_that_of_glorot_times_the_gain():
    limit = (6 / 90) ** 0.5
    without_gain, with_gain = (
        init_params((50, 40, 30), "float64", init, "tanh", seed=0) for init in ("glorot_uniform", "glorot_uniform_gain")
    )
    assert 0.99 * limit < abs(without_gain.weights[0]).max() <= limit
    np.testing.assert_allclose(with_gain.weights[0], without_gain.weights[0] * 5 / 3, rtol=1e-15)
    np.testing.assert_array_equal(with_gain.weights[1], without_gain.weights[1])


def test_initial_weights_are_the_same_numbers_in_float32_and_float64():
    single, double = (init_params((5, 4), dtype, "glorot_uniform", "relu", seed=0) for dtype in ("float32", "float64"))
    np.testing.assert_array_equal(single.weights[0], double.weights[0].astype(np.float32))


def test_layers_and_seeds_have_different_initial_weights():
    first, second = (init_params((6, 6, 6), "float32", "glorot_uniform", "relu", seed) for seed in (0, 1))
    assert (first.weights[0] != first.weights[1]).any()
    assert (first.weights[0] != second.weights[0]).any()


# what a user can change


def test_changes_of_a_view_in_place_reach_the_numbers_but_not_the_layout():
    params = Params((3, 2, 4), "float32")
    for view in (params.theta, params.weights[0], next(iter(params.weights)), params.weights[:1][0], params.biases[1]):
        shape = view.shape
        view.shape = (*shape, 1)
        view[0] = 5
        view.flags.writeable = False
    assert (params.theta.ndim, params.weights[0].shape, params.biases[1].shape) == (1, (3, 2), (4,))
    assert (params.theta[0], params.weights[0][0, 0], params.biases[1][0]) == (5, 5, 5)
    assert params.theta.flags.writeable


def test_theta_cannot_be_replaced():
    params = Params((3, 2), "float32")
    with pytest.raises(AttributeError, match=r"^theta: expected no assignment; assign to weights and biases"):
        params.theta = np.zeros(3)
    for name in ("sizes", "starts"):
        with pytest.raises(AttributeError):
            setattr(params, name, ())


def test_a_slice_of_layers_can_be_assigned(weights):
    weights[1:] = [np.ones((2, 4))]
    assert (weights[0].any(), weights[1].all()) == (False, True)
    with pytest.raises(DataError, match="weights: expected 2 arrays, one per layer, got 1"):
        weights[:] = [np.ones((3, 2))]


@pytest.mark.parametrize("values", [None, 3])
def test_layers_that_are_no_sequence_are_refused(values):
    params = Params((3, 2), "float32")
    with pytest.raises(DataError, match=r"^weights: expected a sequence of arrays, got "):
        params.weights = values
    with pytest.raises(DataError, match=r"^biases: expected a sequence of arrays, got "):
        params.biases = values


def test_layers_of_the_same_shape_can_be_exchanged():
    params = Params((2, 2, 2), "float32")
    params.weights = [np.ones((2, 2)), np.zeros((2, 2))]
    params.weights = params.weights[::-1]
    assert [W[0, 0] for W in params.weights] == [0.0, 1.0]


# writes


def test_assignments_are_noted_and_reading_is_not():
    params = Params((3, 2), "float32")
    seen = [params.writes.latest]
    params.weights[0] = np.ones((3, 2))
    seen.append(params.writes.latest)
    params.biases = [[1, 2]]
    seen.append(params.writes.latest)
    assert len(set(map(id, seen))) == 3
    params.copy(), params.read(), params.weights.read(), pickle.dumps(params), repr(params.weights), params.dtype
    assert params.writes.latest is seen[-1]
    assert not params.writes.has_views


def test_an_assignment_that_is_refused_is_none():
    params = Params((3, 2), "float32")
    before = params.writes.latest
    with pytest.raises(DataError):
        params.weights[0] = np.ones((2, 2))
    assert params.writes.latest is before


@pytest.mark.parametrize(
    "access",
    [
        lambda params: params.theta,
        lambda params: params.weights[0],
        lambda params: params.biases[-1],
        lambda params: params.weights[:],
        lambda params: list(params.biases),
        lambda params: next(iter(params.weights)),
    ],
)
def test_a_view_that_is_handed_out_is_noted(access):
    params = Params((3, 2), "float32")
    assert not params.writes.has_views
    accessed = access(params)
    assert params.writes.has_views
    assert not params.copy().writes.has_views
    del accessed
    assert not params.writes.has_views


@pytest.mark.parametrize(
    "derive",
    [
        lambda view: view[1:, 0],
        lambda view: view.T[::-1],
        lambda view: view.view("int32"),
        memoryview,
        lambda view: np.asarray(memoryview(view)).T,
        lambda view: np.broadcast_to(view, (2, 3, 2)),
        lambda view: view.ctypes,
    ],
)
def test_a_view_is_noted_until_nothing_that_was_made_of_it_is_left(derive):
    params = Params((3, 2), "float32")
    derived = derive(params.weights[0])
    before = params.writes.latest_end
    assert params.writes.has_views
    del derived
    assert not params.writes.has_views
    assert params.writes.latest_end is not before


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda weights: pickle.loads(pickle.dumps(weights))])
def test_views_can_be_copied_while_an_array_of_them_is_referred_to(copied):
    params = Params((3, 2), "float32")
    view = params.weights[0]
    view[0, 1] = 7.0
    other = copied(params.weights)
    assert not other._writes.has_views
    assert params.writes.has_views
    np.testing.assert_array_equal(other[0], view)


def test_a_view_has_the_memory_of_the_parameters():
    params = Params((3, 2), "float64")
    view = params.weights[0]
    view[1, 1] = 5.0
    assert params.weights[0][1, 1] == params.theta[params.starts[0][1] + 1] == 5.0
    assert view.flags.writeable
    assert view.flags.aligned


def test_what_is_read_cannot_be_written_to():
    params = Params((3, 2), "float32")
    for array in (params.read(), *params.weights.read(), *params.biases.read()):
        assert not array.flags.writeable
        assert np.shares_memory(array, params.theta)


def filled(row_per_feature, dtype="float32"):
    params, random = Params((21, 18, 3), dtype, row_per_feature), np.random.default_rng(0)
    for array in (*params.weights, *params.biases):
        array[...] = random.normal(size=array.shape)
    return params


def assert_same(got, ref):
    for one, other in zip((*got.weights, *got.biases), (*ref.weights, *ref.biases), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_first_layer_is_stored_with_a_row_per_feature_or_per_output(dtype):
    params = filled(row_per_feature=True, dtype=dtype)
    start, stride, biases = params.starts[0]
    rows = params.theta[start:biases].reshape(-1, stride)
    np.testing.assert_array_equal(rows[:21, :18], params.weights[0])
    assert not rows[21:].any()
    assert not rows[:, 18:].any()
    assert len(rows) % (64 // params.dtype.itemsize) == 0  # blocks of a cache line's length are transposed
    assert_same(params.copy(row_per_feature=False), params)
    assert params.copy().row_per_feature
    assert_same(params.copy(row_per_feature=False).copy(row_per_feature=True), params)


@pytest.mark.parametrize("row_per_feature", [False, True])
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_unpickled_parameters_are_aligned_and_can_be_written_to(protocol, row_per_feature):
    params = filled(row_per_feature)
    got = pickle.loads(pickle.dumps(params, protocol))
    assert_same(got, params)
    assert (got.row_per_feature, got.theta.ctypes.data % 64) == (row_per_feature, 0)
    got.weights[0] = 2 * params.weights[0]
    assert_same(pickle.loads(pickle.dumps(got)), got)


@pytest.mark.parametrize("place", [0, 1, 16, 63, 64, 100])
def test_parameters_in_memory_that_lies_otherwise_are_moved_to_where_they_are_aligned(place):
    params, buffers = filled(row_per_feature=True), []
    pickled = pickle.dumps(params, 5, buffer_callback=buffers.append)
    (given,) = (np.frombuffer(buffer, np.uint8) for buffer in buffers)
    memory = np.zeros(given.size + 200, np.uint8)[place : place + given.size]
    memory[:] = given
    got = pickle.loads(pickled, buffers=[memory])
    assert_same(got, params)
    assert got.theta.ctypes.data % 64 == 0
    assert np.shares_memory(got.theta, memory)
    frozen = pickle.loads(pickled, buffers=[given.tobytes()])  # read-only, as a file that joblib maps
    frozen.weights[0] = params.weights[0]
    assert_same(frozen, params)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_by_the_copy_module_shares_no_memory(copied):
    params = filled(row_per_feature=True)
    got = copied(params)
    assert_same(got, params)
    assert got.row_per_feature
    assert not np.shares_memory(got.theta, params.theta)
