"""Weights and biases of the estimators; assignments to them are tested in `test_base`."""

import numpy as np
import pytest

from fastmlp.estimator.parameter import in_float64, initial_params


@pytest.mark.parametrize(("activation", "limit"), [("relu", 1.0), ("logistic", 3**-0.5)])
def test_weights_and_biases_are_uniform_within_a_limit_of_the_activation(activation, limit):
    params = initial_params((4, 2, 500), "float64", activation, np.random.RandomState(0))
    W, b = params.weights[0], params.biases[1]
    assert 0.7 * limit < abs(W).max() < limit
    assert abs(b).max() == pytest.approx(limit * (6 / 502) ** 0.5, rel=0.01)


def test_float32_parameters_are_copied_exactly_and_float64_ones_are_used_as_they_are():
    params = initial_params((3, 5, 2), "float32", "relu", np.random.RandomState(0))
    converted = in_float64(params)
    assert in_float64(converted) is converted
    for got, ref in zip((*converted.weights, *converted.biases), (*params.weights, *params.biases), strict=True):
        assert got.dtype == np.float64
        np.testing.assert_array_equal(got, ref)
