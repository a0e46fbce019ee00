"""Factor and offset of regression targets: a power of two and the means, of any magnitude and with weights."""

import math

import numpy as np
import pytest

from fastmlp.data.target_scaling import TargetScaling, fit_target_scaling

RANDOM = np.random.default_rng(0)
Y = 50.0 + 3.0 * RANDOM.normal(size=(200, 2))


def nearest_power(rms):
    return 2.0 ** round(math.log2(rms))


@pytest.mark.parametrize("spread", [0.01, 0.7, 0.708, 1.0, 1.41, 1.42, 13000.0])
def test_the_factor_is_the_power_of_two_nearest_to_the_deviation_of_all_outputs(spread):
    y = 1e3 + (Y - Y.mean(axis=0)) / Y.std() * spread
    factor, offset = fit_target_scaling(y)
    assert factor == nearest_power(math.sqrt(np.mean((y - y.mean(axis=0)) ** 2)))
    np.testing.assert_allclose(offset, y.mean(axis=0), rtol=1e-14)


def test_one_factor_keeps_the_weight_of_each_output_in_the_loss():
    y, predicted = Y * [1.0, 20.0], RANDOM.normal(size=Y.shape)
    scaling = fit_target_scaling(y)
    errors = scaling.apply(y) - predicted
    of_targets = y - (predicted * scaling.factor + scaling.offset)
    assert scaling.loss_of_targets(np.mean(errors**2)) == pytest.approx(np.mean(of_targets**2), rel=1e-12)


def test_samples_without_weight_have_no_influence_and_integer_weights_are_repetitions():
    weights = np.arange(200) % 4.0
    masked = np.where(weights[:, None] == 0, 1e30, Y)
    ref = fit_target_scaling(np.repeat(Y, weights.astype(int), axis=0))
    for scale in (1.0, 1e-310, 1e300):
        got = fit_target_scaling(masked, weights * scale)
        assert got.factor == ref.factor
        np.testing.assert_allclose(got.offset, ref.offset, rtol=1e-12)


@pytest.mark.parametrize("size", [1e-300, 1e-30, 1e30, 1e300, 1e308])
def test_targets_of_any_magnitude_have_finite_statistics(size):
    y = np.array([[-1.0], [1.0], [1.0], [1.0]]) * size
    factor, offset = fit_target_scaling(y)
    assert factor == nearest_power(size * math.sqrt(0.75))
    assert offset[0] == pytest.approx(size / 2, rel=1e-12)


def test_the_factor_is_within_the_normal_numbers():
    for size, limit in ((5e-324, 2.0**-1022), (1.7e308, 2.0**1023)):
        assert fit_target_scaling(np.array([[-size], [size]])) == (limit, [0.0])


def test_a_small_output_beside_a_huge_one_has_its_own_mean():
    factor, offset = fit_target_scaling(np.array([[1e300, 1e-300], [3e300, 3e-300]]))
    assert factor == nearest_power(1e300 / math.sqrt(2))
    np.testing.assert_allclose(offset, [2e300, 2e-300], rtol=1e-14)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e300, -7.3])
def test_constant_targets_are_subtracted_exactly(value):
    scaling = fit_target_scaling(np.full((7, 1), value))
    assert scaling == (1.0, [value])
    assert not scaling.apply(np.full((7, 1), value)).any()


def test_the_identity_leaves_the_array_itself():
    scaling, y = TargetScaling.identity(2), Y.copy()
    assert scaling.is_identity
    assert scaling.apply(y) is y
    assert not TargetScaling(1.0, np.array([0.0, 1.0])).is_identity
