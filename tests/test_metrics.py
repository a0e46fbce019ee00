import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import r2_score

from fastmlp.metrics import display_name, format_metric, root_mean_square, score_of, sum_of_losses
from fastmlp.settings import LOSSES


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
def test_accuracy_is_the_fraction_of_correct_labels(loss):
    assert score_of(loss, np.array([0, 1, 1, 0]), np.array([0, 1, 0, 0])) == 0.75


def test_a_sample_with_several_labels_is_correct_if_all_labels_are():
    y = np.array([[1, 0], [0, 1], [1, 1]])
    assert score_of("binary_cross_entropy", np.array([[1, 0], [0, 0], [1, 1]]), y) == pytest.approx(2 / 3)


@pytest.mark.parametrize("loss", [name for name, loss in LOSSES.items() if loss.metric == "r2"])
def test_r2_is_1_for_exact_predictions_and_0_for_the_mean(loss):
    y = np.array([1.0, 2.0, 6.0])
    assert score_of(loss, y, y) == 1.0
    assert score_of(loss, np.full(3, 3.0), y) == 0.0


def test_r2_is_the_mean_over_the_outputs():
    y = np.array([[1.0, 1.0], [2.0, 2.0], [6.0, 6.0]])
    predicted = np.column_stack([y[:, 0], np.full(3, 3.0)])
    assert score_of("squared_error", predicted, y) == 0.5


def test_r2_of_a_constant_output_is_1_if_the_predictions_are_exact_and_0_otherwise():
    y = np.full(3, 2.0)
    assert score_of("squared_error", y, y) == 1.0
    assert score_of("squared_error", np.array([2.0, 2.0, 2.1]), y) == 0.0


def test_r2_is_computed_in_float64():
    y = np.array([0.0, 1.0], np.float32)
    assert (
        score_of("squared_error", np.float32([0.1, 0.9]), y)
        == 1 - np.square(np.float64(np.float32([0.1, 0.9])) - y).sum() / 0.5
    )


def plain_r2(predicted, y):
    residual = np.square(predicted - y).sum(axis=0)
    return float((1 - residual / np.square(y - y.mean(axis=0)).sum(axis=0)).mean())


def ordinary_values(seed):
    random = np.random.default_rng(seed)
    n, size = random.integers(2, 60), 10.0 ** random.uniform(-60, 60, random.integers(1, 4))
    y = random.normal(size=(n, size.size)) * size
    return y + random.normal(size=y.shape) * size * 10.0 ** random.uniform(-8, 3), y


@pytest.mark.parametrize("seed", range(50))
def test_r2_of_ordinary_values_has_the_bits_of_the_formula(seed):
    predicted, y = ordinary_values(seed)
    assert score_of("huber", predicted, y) == plain_r2(predicted, y)
    assert score_of("huber", predicted, y) == pytest.approx(r2_score(y, predicted), rel=1e-13)
    np.testing.assert_array_equal(root_mean_square(y), np.sqrt(np.square(y).mean(axis=0)))


@pytest.mark.parametrize("exponent", [-1040, -600, 512, 600, 1020])
def test_r2_does_not_depend_on_the_magnitude_of_the_values(exponent):
    predicted, y = np.array([1.0, 2.0, 5.0]), np.array([1.0, 3.0, 6.0])
    scaled = (np.ldexp(values, exponent) for values in (predicted, y))
    assert score_of("squared_error", *scaled) == plain_r2(predicted, y)
    assert root_mean_square(np.ldexp(y, exponent)[:, None]) == np.ldexp(np.sqrt(np.square(y).mean()), exponent)


def test_r2_of_finite_values_is_finite():
    lowest = -np.finfo(np.float64).max
    assert score_of("huber", np.array([1e300, 0.0]), np.array([1e-300, 0.0])) == lowest
    assert score_of("huber", np.full((2, 3), 1e300), np.array([[1e-300] * 3, [0.0] * 3])) == lowest
    assert score_of("huber", np.array([1.7e308, -1.7e308]), np.array([-1.7e308, 1.7e308])) == -3
    assert score_of("huber", np.array([0.0, 5e-324]), np.array([5e-324, 0.0])) == -3
    assert math.isnan(score_of("huber", np.array([np.inf, 0.0]), np.array([1.0, 0.0])))


def test_r2_of_a_constant_whose_rounded_mean_is_another_number_is_1_or_0():
    y = np.full(3, 0.1)
    assert y.mean() != 0.1
    assert score_of("squared_error", y, y) == 1.0
    assert score_of("squared_error", y + 0.1, y) == 0.0


def test_names_of_columns_are_displayed_as_words():
    assert [display_name(name) for name in ("test_r2", "val_loss", "epoch")] == ["test R2", "val loss", "epoch"]


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=8))
def test_a_sum_of_finite_losses_is_rounded_once(losses):
    exact = sum(map(Fraction, losses), Fraction(0))
    try:
        ref = float(exact)
    except OverflowError:
        ref = math.inf if exact > 0 else -math.inf
    assert sum_of_losses(losses) == ref


@pytest.mark.parametrize(
    ("losses", "total"),
    [
        ([math.inf, 1.0], math.inf), ([-math.inf, 1.0], -math.inf), ([math.inf, -math.inf], math.nan),
        ([math.nan, 1.0], math.nan), ([math.nan, math.inf], math.nan), ([math.inf, -1.7e308, -1.7e308], math.inf),
        ([1.7e308, 1.7e308], math.inf), ([1.7e308, 1.7e308, -1.7e308], 1.7e308), ([], 0.0),
    ],
)  # fmt: skip
@pytest.mark.parametrize("dtype", [list, np.float64])
def test_a_sum_of_any_losses_is_a_number_and_no_error(dtype, losses, total):
    np.testing.assert_array_equal(sum_of_losses(np.array(losses, dtype) if dtype is np.float64 else losses), total)


@pytest.mark.parametrize(
    ("number", "text"), [(0.0, "0.0000"), (9999.0, "9999.0000"), (-1e4, "-1.0000e+04"), (1.5e301, "1.5000e+301")]
)
def test_large_metrics_are_short(number, text):
    assert format_metric(number) == text
