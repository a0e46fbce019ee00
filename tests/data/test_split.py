import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmlp.data.split import holdout, parse_split, split_rows
from fastmlp.errors import DataError


@given(st.lists(st.integers(0, 4), min_size=5, max_size=200))
def test_every_sample_is_in_one_part_and_a_fifth_is_held_out(labels):
    train, test = holdout(np.array(labels))
    assert sorted([*train, *test]) == list(range(len(labels)))
    assert len(test) == len(labels) // 5


@given(st.lists(st.integers(0, 4), min_size=5, max_size=200))
def test_each_class_is_split_in_proportion(labels):
    y = np.array(labels)
    _, test = holdout(y)
    held_out = np.bincount(y[test], minlength=5)
    assert np.all(np.abs(held_out - np.bincount(y, minlength=5) / 5) < 1)


def test_the_split_is_always_the_same():
    train, test = holdout(np.arange(100) % 7)
    digest = hashlib.sha256(np.concatenate([train, test]).astype("<i8").tobytes()).hexdigest()
    assert digest[:16] == "8f5cac0829df653b"


def test_too_few_samples_are_refused():
    with pytest.raises(DataError, match=r"expected at least 5 samples .*, got 4"):
        holdout(np.arange(4))


def test_the_option_names_the_kind_and_the_column():
    assert parse_split("random") == ("random", None)
    assert parse_split("stratified") == ("stratified", None)
    assert parse_split("time:day of sale") == ("time", "day of sale")
    assert parse_split("group:a:b") == ("group", "a:b")


@pytest.mark.parametrize("text", ["", "time", "group:", "random:x", "Time:x", "fifth"])
def test_another_option_is_refused_with_an_example(text):
    expected = "random, stratified, time:COLUMN or group:COLUMN"
    message = rf"^split: expected {expected}, got '{text}'; for example --split time:date"
    with pytest.raises(DataError, match=message):
        parse_split(text)


@pytest.mark.parametrize("kind", ["random", "stratified"])
def test_without_small_classes_the_split_is_that_of_holdout(kind):
    y = np.arange(100) % 7
    for got, expected in zip(split_rows(kind, y), holdout(y if kind == "stratified" else y * 0), strict=True):
        np.testing.assert_array_equal(got, expected)


@given(st.lists(st.integers(0, 9), min_size=5, max_size=60))
def test_every_class_of_the_test_set_is_in_the_training_set(labels):
    y = np.array(labels)
    if len(set(labels)) == len(labels):
        return
    try:
        train, test = split_rows("stratified", y)
    except DataError:
        _, held_out = holdout(y)
        assert all(labels.count(label) == 1 for label in y[held_out])
        return
    assert set(y[test]) <= set(y[train])
    assert sorted([*train, *test]) == list(range(len(y)))
    assert len(y) // 5 - (np.unique(y, return_counts=True)[1] == 1).sum() <= len(test) <= len(y) // 5


def test_a_class_with_a_single_row_goes_to_the_training_set():
    y = np.array(["common"] * 4 + ["single"] + ["very common"] * 5)
    assert 4 in holdout(y)[1]
    train, test = split_rows("stratified", y)
    assert 4 in train
    assert len(test) == 1


def test_a_target_without_repeated_classes_is_refused():
    with pytest.raises(DataError, match=r"got 6 classes in 6 rows; for a target of numbers give --task regression"):
        split_rows("stratified", np.array(list("abcdef")))


@given(st.lists(st.integers(0, 30), min_size=5, max_size=60))
def test_a_split_by_time_holds_out_the_latest_rows(times):
    column = np.array(times)
    if len(set(times)) == 1:
        return
    train, test = split_rows("time", column=column)
    assert sorted([*train, *test]) == list(range(len(column)))
    assert column[train].max() < column[test].min()
    ordered = np.concatenate([train, test])
    assert np.all(np.diff(column[ordered]) >= 0)
    if len(set(times)) == len(times):
        assert len(test) == len(column) // 5


def test_a_split_by_time_takes_dates():
    days = np.arange("2024-01-01", "2024-01-11", dtype="datetime64[D]")[::-1]
    train, test = split_rows("time", column=days)
    assert (train.tolist(), test.tolist()) == ([9, 8, 7, 6, 5, 4, 3, 2], [1, 0])


@given(st.lists(st.integers(0, 12), min_size=5, max_size=80))
def test_a_split_by_group_holds_out_whole_groups(groups):
    column = np.array(groups)
    if len(set(groups)) == 1:
        return
    train, test = split_rows("group", column=column)
    assert sorted([*train, *test]) == list(range(len(column)))
    assert len(train)
    assert len(test)
    assert not set(column[train]) & set(column[test])
    fifth, smallest = len(column) / 5, min(map(groups.count, groups))
    assert abs(len(test) - fifth) <= max(fifth, smallest - fifth)


def test_a_split_of_many_groups_is_a_fifth_of_the_rows_and_always_the_same():
    column = np.array([f"patient {i**2 % 97}" for i in range(1000)], dtype=object)
    _, test = split_rows("group", column=column)
    assert abs(len(test) - 200) < 10
    np.testing.assert_array_equal(test, split_rows("group", column=column.astype(str))[1])
    digest = hashlib.sha256(test.astype("<i8").tobytes()).hexdigest()
    assert digest[:16] == "6563d59df57266c3"


@pytest.mark.parametrize(
    ("kind", "column", "message"),
    [
        ("time", None, "expected a column for time, got none; name it by --split time:COLUMN"),
        ("time", ["1 May", "2 May", "3", "4", "5"], "day: expected numbers or dates, .* got text such as '1 May'"),
        ("time", [1.0, np.nan, 3, 4, np.nan], "day: expected a time in every row, got 2 missing of 5"),
        ("time", ["NaT"] + 5 * ["2024-01-01"], "day: expected a time in every row, got 1 missing of 6"),
        ("group", ["a", None, "b", "c", "d"], "day: expected a group in every row, got 1 missing of 5"),
        ("time", [3] * 5, "day: expected several values to split by time, got '3' in all 5 rows"),
        ("group", ["a"] * 9, "day: expected several values to split by group, got 'a' in all 9 rows"),
        ("group", [1, 2, 3], "at least 5 samples"),
        ("random", None, "expected targets for random, got none"),
    ],
)
def test_a_column_that_cannot_split_is_refused(kind, column, message):
    array = None if column is None else np.array(column, dtype="M8[D]" if column[0] == "NaT" else None)
    with pytest.raises(DataError, match=message):
        split_rows(kind, column=array, name="day")
