import numpy as np
import pandas as pd
import pytest

from fastmlp.errors import DataError
from fastmlp.table.label import labels_among, labels_to_learn


def among(cells, classes, names=(), dtype=object):
    column = pd.Series(cells, dtype=dtype, name="y")
    return labels_among(column, None if classes is None else np.array(classes), "line {}".format, names)


@pytest.mark.parametrize(
    ("cells", "classes"),
    [
        (["7", "3", "7"], [3, 7]),
        ([7, 3, 7], [3.0, 7.0]),
        ([7.0, 3.0, 7.0], ["3", "7"]),
        ([True, False, True], [False, True]),
        (["TRUE", "False", "true"], [False, True]),
        (["b", "a", "b"], ["a", "b"]),
    ],
)
def test_labels_are_found_whatever_the_type_of_the_cells(cells, classes):
    labels, keep, _ = among(cells, classes)
    assert labels.dtype == np.array(classes).dtype
    assert labels.tolist() == [classes[1], classes[0], classes[1]]
    assert keep.all()


def test_a_leading_zero_makes_another_class():
    assert among(["01", "1"], ["01", "1"])[0].tolist() == ["01", "1"]
    with pytest.raises(DataError, match="got '01' in 1 of 2 rows, the first in line 0"):
        among(["01", "1"], [0, 1])


def test_missing_labels_are_not_kept():
    labels, keep, _ = among(["a", None, "b"], ["a", "b"])
    assert labels.tolist() == ["a", "b"]
    assert keep.tolist() == [True, False, True]
    numbers, keep, _ = among([1.5, np.nan], None, dtype=float)
    assert (numbers.tolist(), keep.tolist()) == ([1.5], [True, False])


def test_names_of_classes_are_labels_too():
    assert among(["bee", "0", "ant"], [0, 1], names=("ant", "bee"))[0].tolist() == [1, 0, 0]


def test_unknown_labels_are_listed_with_the_first_place():
    with pytest.raises(DataError) as caught:
        among(["a", "x", "z", "x"], ["a", "b"])
    assert str(caught.value) == (
        "target 'y': expected one of the classes 'a', 'b', got 'x', 'z' in 3 of 4 rows, the first in line 1; name the "
        "target column by --target, or correct the labels"
    )


def test_a_few_cells_that_are_no_numbers_are_left_out_and_said():
    values, keep, notes = among([*["2,5"] * 20, "oops"], None)
    assert (values.tolist(), keep.sum(), keep[-1]) == ([2.5] * 20, 20, False)
    assert notes == (
        "target 'y': expected numbers, got other cells: 1, the first 'oops' in line 20; their rows are left out",
    )
    with pytest.raises(DataError, match=r"target 'y': expected numbers for regression, .* first 'oops' in line 1"):
        among([1.5, "oops"], None)


def test_the_decimal_point_may_be_known():
    column = pd.Series(["1,500", "2,250"], name="y")
    for decimal, expected in {None: [1500, 2250], ".": [1500, 2250], ",": [1.5, 2.25]}.items():
        assert labels_among(column, None, "line {}".format, decimal=decimal)[0].tolist() == expected


def test_labels_to_learn_are_the_classes_of_labels_to_evaluate():
    labels, keep = labels_to_learn(pd.Series(["1.0", "1", None, "True", "true", "x"], dtype=object))
    assert labels.tolist() == ["1.0", "1.0", "True", "True", "x"]
    assert keep.tolist() == [True, True, False, True, True, True]
    assert among(["1", "TRUE", "x"], np.unique(labels))[0].tolist() == ["1.0", "True", "x"]


@pytest.mark.parametrize("classes", [None, ["a", "b"]])
def test_a_column_without_values_is_refused(classes):
    with pytest.raises(DataError, match="target 'y': expected values, got an empty column"):
        among([None, None], classes)
