import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.sparse import csr_array, random
from sklearn.preprocessing import MaxAbsScaler, StandardScaler

from fastmlp.data import check, scaling
from fastmlp.data.scaling import (
    MAX_DISTANCE,
    accepts_small_samples,
    check_representable,
    fit_moments,
    fit_scaling,
    largest_magnitude,
)
from fastmlp.errors import DataError

PIXELS = np.array([[0, 10], [255, 10], [51, 10]], dtype=np.uint8)
MEASURED = np.random.default_rng(0).normal([3, -200, 1e6], [1, 50, 1e-2], (1000, 3))


def scaled(X, scale):
    factor, offset = fit_scaling(X, scale)
    assert factor.dtype == offset.dtype == np.float64
    assert factor.shape == offset.shape == (X.shape[1],)
    return X * factor + offset


@pytest.mark.parametrize("X", [PIXELS, MEASURED])
def test_none_leaves_values_unchanged(X):
    np.testing.assert_array_equal(scaled(X, "none"), X)


@pytest.mark.parametrize("scale", ["auto", "unit"])
def test_pixels_are_divided_by_255(scale):
    np.testing.assert_allclose(scaled(PIXELS, scale), PIXELS / 255, rtol=1e-15)


@pytest.mark.parametrize("scale", ["auto", "standard"])
def test_floats_are_standardised(scale):
    got = scaled(MEASURED, scale)
    np.testing.assert_allclose(got.mean(axis=0), 0, atol=1e-7)
    np.testing.assert_allclose(got.std(axis=0), 1, rtol=1e-9)


def test_pixels_can_be_standardised():
    np.testing.assert_allclose(scaled(PIXELS, "standard")[:, 0].std(), 1)


def test_unit_maps_the_range_of_each_float_feature_to_0_and_1():
    got = scaled(MEASURED, "unit")
    np.testing.assert_allclose(got.min(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(got.max(axis=0), 1, atol=1e-6)


def test_robust_centres_the_median_and_divides_by_the_interquartile_range():
    got = scaled(MEASURED, "robust")
    np.testing.assert_allclose(np.median(got, axis=0), 0, atol=1e-7)
    np.testing.assert_allclose(np.subtract(*np.quantile(got, [0.75, 0.25], axis=0)), 1, rtol=1e-6)


def test_robust_divides_a_feature_with_outliers_by_its_standard_deviation():
    got = scaled(np.vstack([MEASURED, [1e3, 1e4, 1e9]]), "robust")
    np.testing.assert_allclose(got.std(axis=0), 1, rtol=1e-9)
    assert abs(got).max() <= np.sqrt(len(got)) + 1


def test_robust_divides_a_feature_with_equal_quartiles_by_half_its_range():
    rare = np.zeros((100, 2))
    rare[:10] = 1, -30
    np.testing.assert_array_equal(scaled(rare, "robust"), rare * [2, 1 / 15])


def test_robust_reads_a_large_array_in_blocks_of_columns(monkeypatch):
    whole = fit_scaling(MEASURED, "robust")
    monkeypatch.setattr(check, "BLOCK_BYTES", 1)
    np.testing.assert_array_equal(whole[0], fit_scaling(MEASURED, "robust")[0])
    np.testing.assert_allclose(whole[1], fit_scaling(MEASURED, "robust")[1])


@pytest.mark.parametrize("scale", ["unit", "standard", "robust"])
@pytest.mark.parametrize("value", [0.0, 0.1, -7e20, 1e-300])
def test_a_constant_feature_becomes_0(scale, value):
    factor, offset = fit_scaling(np.full((1001, 1), value), scale)
    assert factor[0] == 1
    assert offset[0] == -value


@pytest.mark.parametrize("scale", ["unit", "standard", "robust"])
def test_a_feature_with_a_spread_too_small_for_float32_counts_as_constant(scale):
    factor, _ = fit_scaling(np.array([[0.0], [1e-200]]), scale)
    assert factor[0] == 1


@pytest.mark.parametrize("magnitude", [1e-30, 1.0, 1e30])
def test_statistics_are_accurate_at_any_magnitude(magnitude):
    X = (MEASURED[:, :2] * magnitude).astype(np.float32)
    got, ref = fit_moments(X), X.astype(np.float64)
    np.testing.assert_allclose(got.mean, ref.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(got.std, ref.std(axis=0), rtol=1e-12)


@pytest.mark.parametrize("scale", ["unit", "standard", "robust"])
def test_a_sample_that_has_become_nan_is_not_called_large(scale):
    with pytest.raises(DataError, match="X_train: expected finite numbers, got nan"):
        fit_scaling(np.array([[1.0], [np.nan]]), scale)


@pytest.mark.parametrize("scale", ["unit", "standard", "robust"])
def test_values_that_overflow_the_statistics_are_refused(scale):
    with pytest.raises(DataError, match=r"X_train: got values up to 1e\+308, whose sums overflow"):
        fit_scaling(np.array([[1e308], [-1e308]]), scale)


def test_statistics_are_computed_without_a_copy_of_the_data():
    X = np.ones((20_000, 400), dtype=np.float32)
    tracemalloc.start()
    fit_moments(X)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 4 << 20


@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 40), st.integers(1, 3)), elements=st.floats(-1e9, 1e9)))
def test_moments_equal_those_of_numpy(X):
    got = fit_moments(X)
    np.testing.assert_allclose(got.mean, X.mean(axis=0), rtol=1e-12, atol=1e-6)
    np.testing.assert_allclose(got.std, X.std(axis=0), rtol=1e-9, atol=1e-6)
    np.testing.assert_array_equal(got.low, X.min(axis=0))
    np.testing.assert_array_equal(got.high, X.max(axis=0))


def test_moments_over_many_blocks_equal_those_of_numpy():
    X = np.random.default_rng(1).normal(1e4, 1, (3000, 700))
    got = fit_moments(X)
    np.testing.assert_allclose(got.mean, X.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(got.std, X.std(axis=0), rtol=1e-11)


@pytest.mark.parametrize("value", [1e39, -1e39])
def test_a_value_beyond_the_range_of_float32_is_refused(value):
    X = np.array([[0.0, 1.0], [value, 2.0]])
    with pytest.raises(
        DataError, match=r"^X_val: got values up to 1e\+39, beyond float32's range; train in float64, or"
    ):
        check_representable(X, None, "float32", "X_val")
    assert check_representable(X, None, "float64") is X


@pytest.mark.parametrize(("dtype", "value"), [("float32", 1e30), ("float64", 1e300)])
def test_a_value_that_scaling_brings_beyond_the_range_is_refused(dtype, value):
    X = np.array([[0.0, 0.0], [1.0, value]], dtype)
    scaling = np.array([1.0, 1e20]), np.zeros(2)
    message = rf"^X: got values of feature 1 \(counted from 0\) that are beyond {dtype}'s range .* by 1e\+20; "
    with pytest.raises(DataError, match=message):
        check_representable(X, scaling, dtype)
    check_representable(np.array([[value, 1.0]], dtype), scaling, dtype)


def test_the_largest_magnitude_is_that_of_either_sign():
    assert [largest_magnitude(np.array(values)) for values in ([1.0, -3.0], [-1.0, 2.0])] == [3.0, 2.0]
    assert largest_magnitude(np.r_[np.zeros(1 << 18), -7.0][:, None]) == 7.0
    assert [largest_magnitude(csr_array(values)) for values in ([[0.0, -5.0]], [[0.0]])] == [5.0, 0.0]


@pytest.mark.parametrize(
    ("factor", "offset", "precision", "ref"),
    [
        (2.0, 0.0, "float32", True),
        (2.0, MAX_DISTANCE, "float32", True),
        (2.0, -MAX_DISTANCE - 1, "float32", False),
        (1.0, 1e37, "float32", True),
        (1.0, -1e38, "float32", False),
        (2.0, 1e38, "float64", True),
        (1.0, 1e308, "float64", False),
    ],
)
def test_small_samples_are_accepted_where_no_offset_is_large(factor, offset, precision, ref):
    scaling = np.array([1.0, factor]), np.array([0.0, offset])
    assert accepts_small_samples(scaling, precision) is ref
    if ref:
        check_representable(np.full((2, 2), 1e-3), scaling, precision)


# sparse samples


def random_samples(dtype="float64", n=60, n_features=40):
    X = random(n, n_features, density=0.2, format="csr", random_state=3)
    X.data = ((X.data - 0.3) * 100).astype(np.int64).astype(dtype)
    return X


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("block", [1, 1 << 16])
def test_sparse_samples_are_scaled_as_by_scikit_learn(dtype, block, monkeypatch):
    monkeypatch.setattr(scaling, "BLOCK_ENTRIES", block)
    X = random_samples(dtype)
    for scale, scaler in (("unit", MaxAbsScaler()), ("standard", StandardScaler(with_mean=False))):
        factor, offset = fit_scaling(X, scale)
        np.testing.assert_allclose(1 / factor, scaler.fit(X.astype(np.float64)).scale_, rtol=1e-14)
        assert not offset.any()


def test_auto_is_unit_for_sparse_samples_of_any_dtype():
    for dtype in ("uint8", "float32"):
        X = random_samples(dtype)
        np.testing.assert_array_equal(fit_scaling(X, "auto"), fit_scaling(X, "unit"))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_unit_scaling_of_sparse_samples_from_zero_up_is_that_of_dense_ones(dtype):
    X = abs(random_samples(dtype))
    (factor, _), (ref, offset) = fit_scaling(X, "unit"), fit_scaling(X.toarray(), "unit")
    np.testing.assert_array_equal(factor, ref)
    assert not offset.any()


def test_constant_sparse_features_stay_as_they_are():
    X = np.zeros((49, 5))
    X[:, 0], X[:, 1], X[0, 2], X[:, 4] = 0.1, -7.0, 3.0, np.arange(1, 50)
    factor, _ = fit_scaling(csr_array(X), "standard")
    assert factor[[0, 1, 3]].tolist() == [1, 1, 1]
    np.testing.assert_allclose(factor[[2, 4]], 1 / X[:, [2, 4]].std(axis=0), rtol=1e-14)
    assert fit_scaling(csr_array(X), "unit")[0].tolist() == [1 / 0.1, 1 / 7, 1 / 3, 1, 1 / 49]


def test_a_matrix_without_a_non_zero_has_factors_of_one():
    for scale in ("unit", "standard", "none"):
        assert fit_scaling(csr_array((3, 2)), scale)[0].tolist() == [1, 1]


def test_sparse_values_whose_squares_overflow_are_refused():
    X = csr_array([[1e200, 0.0], [-1e200, 1.0]])
    with pytest.raises(DataError, match=r"^X_train: got values up to 1e\+200, whose sums overflow"):
        fit_scaling(X, "standard")
    assert fit_scaling(X, "unit")[0].tolist() == [1e-200, 1.0]


def test_the_scaling_of_a_wide_matrix_takes_memory_for_its_features_alone():
    X = random(300, 1 << 18, density=1e-3, format="csr", dtype=np.float32, random_state=1)
    tracemalloc.start()
    fit_scaling(X, "unit")
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 32 * X.shape[1]


def test_sparse_values_beyond_the_range_of_float32_are_refused():
    X = csr_array([[0.0, 1e39]])
    with pytest.raises(DataError, match=r"^X: got values up to 1e\+39, beyond float32's range"):
        check_representable(X, None, "float32")
    X = csr_array([[0.0, -1e30, 0.0]])
    with pytest.raises(DataError, match=r"^X: got values of feature 1 \(counted from 0\)"):
        check_representable(X, (np.full(3, 1e10), np.zeros(3)), "float32")
    assert check_representable(X, (np.array([1e10, 1.0, 1.0]), np.zeros(3)), "float32") is X


def test_robust_scaling_of_sparse_samples_is_refused():
    with pytest.raises(DataError, match=r"^scale: expected one that keeps zeros, for sparse samples, got 'robust'"):
        fit_scaling(random_samples(), "robust")
