import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastmlp.metrics import display_name, score_of, sum_of_losses
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
