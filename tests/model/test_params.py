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
def test_zeros_are_aligned_and_as_many_as_asked_for(n, dtype):
    got = aligned_zeros(n, dtype)
    assert (got.shape, got.dtype, got.ctypes.data % LINE_BYTES, got.any()) == ((n,), np.dtype(dtype), 0, False)


@pytest.mark.parametrize("n", [10**15, 10**18, 10**30])
def test_what_no_memory_holds_is_a_memory_error(n):
    with pytest.raises(MemoryError, match="Unable to allocate"):
        aligned_zeros(n, "float64")


@given(networks, dtypes)
def test_every_parameter_has_one_place_of_its_own(sizes, dtype):
    params = Params(sizes, dtype)
    views = [*params.weights, *params.biases]
    for view in views:
        view += 1
    assert set(np.unique(params.theta)) <= {0, 1}
    assert params.theta.sum() == sum(view.size for view in views)


@given(networks, dtypes)
def test_every_row_begins_on_a_cache_line(sizes, dtype):
    params = Params(sizes, dtype)
    for W, b in zip(params.weights, params.biases, strict=True):
        assert b.ctypes.data % LINE_BYTES == 0
        assert all(row.ctypes.data % LINE_BYTES == 0 for row in W.T)


def test_a_copy_has_the_numbers_and_none_of_the_memory():
    params = init_params((5, 4, 3), "float32", "glorot_uniform", "sigmoid", seed=0)
    twin = params.copy()
    np.testing.assert_array_equal(twin.theta, params.theta)
    assert not np.shares_memory(twin.theta, params.theta)


# views


@pytest.fixture
def weights():
    return Params((3, 2, 4), "float32").weights


def test_views_are_a_sequence(weights):
    assert (len(weights), [W.shape for W in weights]) == (2, [(3, 2), (2, 4)])
    assert weights[-1] is weights[1]
    assert repr(weights) == "weights: (3, 2), (2, 4)"


@pytest.mark.parametrize("value", [np.ones((2, 3)), 1.0, np.ones(6), []])
def test_another_shape_is_refused(value, weights):
    with pytest.raises(DataError, match=r"weights\[0\] has shape \(3, 2\); an array of shape"):
        weights[0] = value


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300, "a", None, 1j])
def test_what_is_no_finite_number_of_the_precision_is_refused(bad, weights):
    value = np.ones((3, 2)).tolist()
    value[1][1] = bad
    with pytest.raises(DataError, match=r"weights\[0\] takes numbers that are finite in float32"):
        weights[0] = value
    assert (weights[0] == 0).all()


def test_rows_of_different_lengths_are_refused(weights):
    with pytest.raises(DataError, match=r"weights\[0\] cannot be read as an array"):
        weights[0] = [[1, 2], [3], [4, 5]]


def test_a_list_is_assigned_whole_or_not_at_all(weights):
    with pytest.raises(DataError, match=r"weights\[1\] has shape"):
        weights.assign([np.ones((3, 2)), np.ones((2, 5))])
    with pytest.raises(DataError, match="weights are 2 arrays, one a layer; 1 were given"):
        weights.assign([np.ones((3, 2))])
    assert (weights[0] == 0).all()


# initial weights


@pytest.mark.parametrize("init", get_args(Init))
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_weights_begin_small_spread_evenly_and_biases_at_zero(init, activation):
    params = init_params((50, 40, 30), "float64", init, activation, seed=3)
    for W, b in zip(params.weights, params.biases, strict=True):
        limit = abs(W).max()
        assert abs(W.mean()) < 0.05 * limit
        assert W.std() == pytest.approx(limit / 3**0.5, rel=0.05)
        assert not b.any()


def test_glorots_limit_is_that_of_the_paper_times_the_gain():
    limit = (6 / 90) ** 0.5
    plain, gained = (
        init_params((50, 40, 30), "float64", init, "tanh", seed=0) for init in ("glorot_uniform", "glorot_uniform_gain")
    )
    assert 0.99 * limit < abs(plain.weights[0]).max() <= limit
    np.testing.assert_allclose(gained.weights[0], plain.weights[0] * 5 / 3, rtol=1e-15)
    np.testing.assert_array_equal(gained.weights[1], plain.weights[1])


def test_precisions_begin_with_the_same_numbers():
    single, double = (init_params((5, 4), dtype, "glorot_uniform", "relu", seed=0) for dtype in ("float32", "float64"))
    np.testing.assert_array_equal(single.weights[0], double.weights[0].astype(np.float32))


def test_layers_and_seeds_differ():
    first, second = (init_params((6, 6, 6), "float32", "glorot_uniform", "relu", seed) for seed in (0, 1))
    assert (first.weights[0] != first.weights[1]).any()
    assert (first.weights[0] != second.weights[0]).any()
