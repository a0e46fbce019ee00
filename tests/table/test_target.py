"""Tests of the target: its column, the task, and its labels."""

import numpy as np
import pytest

from fastmlp.errors import DataError

pd = pytest.importorskip("pandas")

from fastmlp.table.frame import to_frame  # noqa: E402
from fastmlp.table.target import find_target, labels_of  # noqa: E402

rng = np.random.default_rng(0)
NAMES = ["age", "sex", "Class", "7"]


def labels(cells, task=None, **options):
    return labels_of(to_frame({"y": cells})["y"], task, **options)


@pytest.mark.parametrize(
    ("target", "expected"),
    [("sex", 1), (" sex ", 1), (0, 0), (-1, 3), ("-1", 3), ("2", 2), ("7", 3), (np.int64(1), 1)],
)
def test_a_target_is_found_by_name_or_position(target, expected):
    assert find_target(NAMES, target) == (NAMES[expected], expected, "")


def test_a_target_is_guessed_and_said():
    assert find_target(NAMES, None)[:2] == ("Class", 2)
    assert find_target(["label", "target", "x"], None)[:2] == ("target", 1)
    name, position, note = find_target(["age", "sex"], None)
    assert (name, position) == ("sex", 1)
    assert note == "target: 'sex', the last column; --target chooses another column"


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("Sex", "did you mean 'sex'"),
        ("height", "the columns are 'age', 'sex', 'Class', '7'"),
        (4, "from -4 to 3"),
        (-5, "from -4 to 3"),
        ("\u0661", "unknown column"),
        (True, "expected the name"),
        (1.0, "expected the name"),
    ],
)
def test_unknown_targets_are_refused(target, words):
    with pytest.raises(DataError, match=words):
        find_target(NAMES, target)


def test_without_a_header_a_target_is_a_position():
    names = ["column_0", "column_1"]
    assert find_target(names, "column_1", has_header=False)[1] == 1
    assert find_target(names, None, has_header=False)[1] == 1
    with pytest.raises(DataError, match=r"no header, got 'setosa'; .*--header"):
        find_target(names, "setosa", has_header=False)


CLASSES = {
    "texts": rng.choice(["a", "b"], 50),
    "yes and no": ["yes", "no"] * 10,
    "booleans": rng.random(50) < 0.5,
    "zero to four": rng.integers(0, 5, 50),
    "ten, twenty, thirty": rng.choice([10, 20, 30], 50),
    "three consecutive from 2": rng.choice([2, 3, 4], 50),
    "two and four": rng.choice([2, 4], 50),
    "minus one and one": rng.choice([-1, 1], 50),
    "one to seven without four": rng.choice([1, 2, 3, 5, 6, 7], 214),
    "whole floats": rng.choice([0.0, 1.0, 2.0], 50),
    "a hundred consecutive classes": rng.integers(0, 100, 100_000),
    "a categorical of numbers": pd.Categorical(rng.integers(0, 50, 200)),
    "signs": ["+", "-"] * 10,
    "codes": ["01", "1", "2"] * 10,
}
NUMBERS = {
    "fractions": rng.normal(size=50),
    "two fractions": [0.5, 1.5] * 20,
    "thousands of values": rng.permutation(100_000)[:18_824],
    "0 to 20 with gaps": rng.choice([0, *range(4, 21)], 395),
    "1 to 29 with rare values": np.minimum(rng.poisson(9, 4177) + 1, 29),
    "grades of wine": rng.integers(3, 9, 200),
    "as many values as rows": np.arange(12),
    "texts that are numbers": [f"{value:.3f}" for value in rng.normal(size=40)],
}


@pytest.mark.parametrize("what", CLASSES)
def test_classes(what):
    task, found, keep, _ = labels(CLASSES[what])
    assert task == "classification"
    assert keep.all()
    assert len(found) == len(keep)


@pytest.mark.parametrize("what", NUMBERS)
def test_numbers(what):
    task, found, keep, notes = labels(NUMBERS[what])
    assert task == "regression"
    assert found.dtype == np.float64
    assert keep.all()
    assert len(notes) == 1


@pytest.mark.parametrize(
    ("cells", "dtype", "distinct"),
    [
        ([2, 4, 2, 4], "int64", [2, 4]),
        (np.array([1, 2, 1, 2], dtype=np.uint8), "int64", [1, 2]),
        ([1.0, None, 2.0, 1.0, 2.0], "int64", [1, 2]),
        ([1.0, 2.0, 1.0, 2.0], "float64", [1, 2]),
        ([True, False, True], "bool", [False, True]),
        ([True, None, False], "bool", [False, True]),
        (["a", "b", "?", "a"], "object", ["a", "b"]),
        (["01", "1", "01", "1"], "object", ["01", "1"]),
        (["none", "some", "none"], "object", ["none", "some"]),
        (pd.Categorical([3, 4, 3]), "int64", [3, 4]),
        (pd.Categorical(["3", "4", "3"]), "object", ["3", "4"]),
    ],
)
def test_labels_keep_their_type(cells, dtype, distinct):
    found = labels(cells)[1]
    assert found.dtype == dtype
    assert np.unique(found).tolist() == distinct


def test_rows_without_a_label_are_left_out_and_counted():
    for cells in (["a", None, "b", "NA", "?", "a"], [1, None, 2, None, None, 1]):
        _, found, keep, notes = labels(cells)
        assert keep.tolist() == [True, False, True, False, False, True]
        assert len(found) == 3
        assert "target 'y': rows without a value are left out: 3 of 6" in notes


def test_texts_of_one_number_are_counted_as_labels():
    task, found, _, notes = labels(["01", "1"] * 10)
    assert task == "classification"
    assert notes[0].startswith("target 'y': 2 distinct texts of digits are taken as classes")
    assert sorted({*found}) == ["01", "1"]


def test_a_task_overrides():
    assert "6 distinct whole numbers" in labels(np.arange(60) % 6 + 3)[3][0]
    assert labels(np.arange(60) % 6 + 3, "classification")[1].dtype == np.int64
    assert labels([1, 2, 3, 1, 2, 3], "regression")[1].dtype == np.float64
    assert labels(np.arange(20) // 2, "classification")[1].dtype == np.int64
    assert "--task regression" in labels([0, 1, 2] * 5)[3][0]
    assert "--task classification" in labels(np.arange(40))[3][0]


def test_the_decimal_point_may_be_known():
    cells = ["1,500", "2,250", "3,000", "4,125"] * 5
    assert labels(cells)[0] == "classification"
    task, found, *_ = labels(cells, decimal=",")
    assert (task, found[:2].tolist()) == ("regression", [1.5, 2.25])


def test_text_is_no_number():
    with pytest.raises(DataError, match=r"other cells: 6, the first 'a' in line 3"):
        labels(["1", "a", *"bcdef"], "regression", where=lambda row: f"line {row + 2}")


@pytest.mark.parametrize("cells", [[1.0, None, 0.5, 1.5], pd.Categorical([1.0, None, 0.5, 1.5]), [1, 2, np.inf, 2]])
def test_numbers_with_a_fraction_are_no_classes(cells):
    words = r"target 'y': expected text or whole numbers as classes, got (0.5|inf) in line 4; --task regression"
    with pytest.raises(DataError, match=words):
        labels(cells, "classification", where=lambda row: f"line {row + 2}")


@pytest.mark.parametrize("task", [None, "regression"])
def test_a_few_cells_that_are_no_numbers_are_left_out(task):
    numbers = [f"{value:.2f}" for value in rng.normal(size=50)]
    made, found, keep, notes = labels([*numbers, "broken", "-"], task)
    assert made == "regression"
    assert len(found) == keep.sum() == 50
    assert any("other cells: 1, the first 'broken' in row 50" in note for note in notes)
    assert any(": 2 of 52" in note for note in notes)


@pytest.mark.parametrize(
    ("cells", "task", "words"),
    [
        ([None, None], None, "got none"),
        (["a", "a", None], None, "at least two different classes, got 'a'"),
        ([2.5, 2.5], None, "at least two different numbers"),
        ([1, 2], "multilabel", "expected classification or regression"),
        (pd.to_datetime(["2020-01-01", "2020-01-02"]), None, "got dates"),
        ([f"name {place}" for place in range(300)], None, "classes that repeat"),
    ],
)
def test_targets_that_nothing_can_be_learnt_from(cells, task, words):
    with pytest.raises(DataError, match=words):
        labels(cells, task)


def test_a_class_with_a_single_row_is_said():
    assert "single row" in labels(["a", "a", "b"])[3][0]
