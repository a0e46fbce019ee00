import numpy as np
import pytest

from fastmlp.data.target import (
    balanced_weights,
    check_loss,
    check_target,
    check_targets,
    check_task,
    check_weights,
    task_of,
    weight_scale,
)
from fastmlp.errors import DataError, DataTypeError


def test_labels_become_codes_of_the_distinct_ones_of_all_parts():
    targets, classes = check_targets({"y_train": ([5, 0], 2), "y_test": ([-2], 1), "y_val": ([9], 1)}, "classification")
    assert {name: (y.dtype, y.tolist()) for name, y in targets.items()} == {
        "y_train": (np.int32, [2, 1]),
        "y_test": (np.int32, [0]),
        "y_val": (np.int32, [3]),
    }
    assert classes.tolist() == [-2, 0, 5, 9]


def test_a_name_is_a_class_without_a_sample():
    targets, classes = check_targets({"y_train": ([0.0, 2.0], 2)}, "classification", ("a", "b", "c"))
    assert (targets["y_train"].tolist(), classes.tolist()) == ([0, 2], [0, 1, 2])


@pytest.mark.parametrize("y", [["ant", "bee"], np.array(["2024-01-01", "2024-01-02"], "datetime64[D]")])
def test_names_for_labels_that_need_none_are_refused(y):
    with pytest.raises(
        DataError, match=r"^class_names: expected None, since y_train holds (strings|dates), which need"
    ):
        check_targets({"y_train": (y, 2)}, "classification", ("a", "b"))


@pytest.mark.parametrize("y", [["ant", "ant"], [7, 7]])
def test_a_single_class_in_training_is_refused(y):
    with pytest.raises(DataError, match=f"^y_train: expected at least two classes, got only class {y[0]}$"):
        check_targets({"y_train": (y, 2), "y_test": (y[:1], 1)}, "classification")


def test_all_parts_have_as_many_targets_as_the_training_set():
    with pytest.raises(DataError, match=r"^y_test: expected shape \(n_samples, 2\), got \(1, 1\)"):
        check_targets({"y_train": ([[1.0, 2.0]], 1), "y_test": ([1.0], 1)}, "regression")


@pytest.mark.parametrize("y", [[[0, 1], [1, 1]], [[False, True], [True, True]], [[0.0, 1.0], [1.0, 1.0]]])
def test_multilabel_targets_become_uint8(y):
    got = check_target(y, 2, "multilabel", 2)
    assert (got.dtype, got.tolist()) == (np.uint8, [[0, 1], [1, 1]])


@pytest.mark.parametrize("y", [[1, 2], [[1.0], [2.0]], np.array([1, 2], np.float32)])
def test_regression_targets_become_columns_of_float64(y):
    got = check_target(y, 2, "regression")
    assert (got.dtype, got.tolist()) == (np.float64, [[1], [2]])


@pytest.mark.parametrize(("task", "y"), [("multilabel", np.zeros((2, 1), np.uint8)), ("regression", np.zeros((2, 1)))])
def test_targets_are_copied(task, y):
    assert not np.shares_memory(check_target(y, 2, task), y)


@pytest.mark.parametrize(
    ("task", "y", "message"),
    [
        ("multilabel", [0, 1], r"expected shape \(n_samples, n_outputs\), got \(2,\)"),
        ("multilabel", [[0, 1]], "expected 2 rows, one per sample, got 1"),
        ("multilabel", [[0, 1, 0], [1, 1, 1]], r"expected shape \(n_samples, 2\), got \(2, 3\)"),
        ("multilabel", [[0, 1], [1, 2]], "expected 0 or 1 for each label of a sample, got other numbers"),
        ("regression", [1.0, 2.0], r"expected shape \(n_samples, 2\), got \(2, 1\)"),
        ("regression", np.ones((2, 1, 1)), r"expected shape \(n_samples, n_outputs\), got \(2, 1, 1\)"),
        ("regression", [[0, 1], [np.nan, 1]], "expected finite numbers, got nan at row 1, column 0"),
    ],
)
def test_invalid_targets_are_refused(task, y, message):
    with pytest.raises(DataError, match=f"^y_train: {message}"):
        check_target(y, 2, task, 2, "y_train")


@pytest.mark.parametrize("task", ["multilabel", "regression"])
def test_targets_that_are_not_numbers_are_refused(task):
    with pytest.raises(DataTypeError, match="y: expected real numbers, got dtype <U3"):
        check_target([["cat"], ["dog"]], 2, task)


def test_poisson_loss_needs_targets_from_0():
    check_loss(np.zeros((1, 1)), "poisson", "float64")
    check_loss(-np.ones((1, 1)), "squared_error", "float64")
    with pytest.raises(DataError, match=r"^y_val: expected counts, numbers >= 0, for the loss 'poisson', got -1$"):
        check_loss(-np.ones((1, 1)), "poisson", "float64", "y_val")


def test_targets_beyond_the_range_of_float32_need_float64():
    check_loss(np.full((1, 1), 1e300), "squared_error", "float64")
    with pytest.raises(DataError, match=r"^y: got 1e\+300, beyond float32's range; train in float64, or scale y$"):
        check_loss(np.full((1, 1), -1e300), "squared_error", "float32")


def test_sample_weights_become_a_copy_in_float64():
    weights = np.array([1.0, 0.0])
    got = check_weights(weights, 2, "weight_train")
    assert (got.dtype, got.tolist()) == (np.float64, [1, 0])
    assert not np.shares_memory(got, weights)
    assert check_weights(None, 2, "weight_train") is None


def test_the_scale_of_weights_makes_subnormal_ones_normal():
    weights = np.array([5e-324, 1e-310, 0.0, 1.0])
    np.testing.assert_array_equal(check_weights(weights, 4, "weight_train"), weights)
    assert weight_scale(weights) == 2.0**52
    assert weight_scale(weights) * 5e-324 >= np.finfo(np.float64).tiny
    assert weight_scale(np.array([3e-308, 1.0])) == 1.0


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0], r"expected one weight per sample, shape \(2,\), got shape \(1,\)"),
        ([[1.0], [1.0]], r"expected one weight per sample, shape \(2,\), got shape \(2, 1\)"),
        ([1.0, np.inf], "expected finite numbers, got inf at row 1"),
        ([1.0, -1.0], "expected weights >= 0, not all 0, got -1 to 1"),
        ([0.0, 0.0], "expected weights >= 0, not all 0, got 0 to 0"),
        ([1e308, 1e308], r"expected weights whose sum and ratios float64 can represent, got 1e\+308 to 1e\+308; mult"),
        (
            [1e-320, 1e300],
            r"got 9\.99989e-321 to 1e\+300; multiply all weights by a constant, or set the smallest to 0",
        ),
    ],
)
def test_invalid_sample_weights_are_refused(weights, message):
    with pytest.raises(DataError, match=f"^weight_train: .*{message}"):
        check_weights(weights, 2, "weight_train")


def test_balanced_weights_of_subnormal_weights_keep_their_ratios():
    y = np.array([0, 0, 0, 2], np.int32)
    got, ref = balanced_weights(y, np.full(4, 5e-324)), balanced_weights(y)
    np.testing.assert_allclose(got / got[3], ref / ref[3], rtol=1e-15)


def test_balanced_weights_give_every_present_class_the_same_total():
    y = np.array([0, 0, 0, 2], np.int32)
    got = balanced_weights(y)
    np.testing.assert_allclose([got[y == label].sum() for label in (0, 2)], 2)


def test_balanced_weights_multiply_sample_weights():
    y, weights = np.array([0, 0, 1], np.int32), np.array([1.0, 3.0, 4.0])
    np.testing.assert_array_equal(balanced_weights(y, weights), weights)
    np.testing.assert_array_equal(balanced_weights(y, np.array([1.0, 3.0, 2.0])), [0.75, 2.25, 3])


def test_an_unknown_task_is_refused():
    assert check_task("multilabel") == "multilabel"
    with pytest.raises(
        DataError, match=r"^task: expected one of classification, multilabel, regression, got 'ranking'$"
    ):
        check_task("ranking")


@pytest.mark.parametrize(
    ("y", "task"),
    [
        ([0, 1], "classification"),
        ([[0], [1]], "classification"),
        (["ant", "bee"], "classification"),
        ([0.5], "classification"),
        ([[0, 1]], "multilabel"),
    ],
)
def test_the_default_task_depends_on_the_number_of_columns(y, task):
    assert task_of(y) == task


@pytest.mark.parametrize("size", [[1e-300, 1.0, 1e300], [1e300, 1e-300, 1e-300], [5e307, 5e307, 1e-307]])
def test_balanced_weights_of_extreme_sample_weights_give_every_class_the_same_total(size):
    y = np.array([0, 0, 0, 1, 1, 2], np.int32)
    weights = np.array([3.0, 1.0, 4.0, 1.0, 5.0, 9.0]) / 9 * np.array(size)[y]
    got = balanced_weights(y, weights)
    totals = [got[y == label].sum() for label in range(3)]
    np.testing.assert_allclose(totals, weights.sum() / 3, rtol=1e-14)
    np.testing.assert_allclose(got[:3] / got[0], [1, 1 / 3, 4 / 3], rtol=1e-14)


@pytest.mark.parametrize("seed", range(20))
def test_balanced_weights_of_ordinary_sample_weights_have_the_bits_of_the_formula(seed):
    random = np.random.default_rng(seed)
    y, weights = random.integers(0, 4, 50), random.random(50) * 10.0 ** random.uniform(-40, 40, 50)
    sums = np.bincount(y, weights)
    np.testing.assert_array_equal(
        balanced_weights(y, weights), weights.sum() / (np.count_nonzero(sums) * sums)[y] * weights
    )
