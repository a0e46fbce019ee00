import datetime
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fastmlp.data.label import (
    check_classes,
    check_labels,
    classes_from_json,
    classes_to_json,
    distinct_labels,
    encode_labels,
    have_same_labels,
    is_range,
    list_labels,
    names_of,
)
from fastmlp.errors import DataError, DataTypeError
from fastmlp.io import bounded

DAYS = np.array(["2024-02-29", "2025-01-01"], dtype="datetime64[D]")
#: Labels of every type, and the dtype that they get.
ACCEPTED = [
    (np.array([True, False]), "bool"),
    ([True, False], "bool"),
    (np.array([3, 1], np.int8), "int64"),
    (np.array([3, 1], np.uint64), "int64"),
    (np.array([3, 1], ">i4"), "int64"),
    ([3, -1], "int64"),
    (np.array([3, 1], dtype=object), "int64"),
    (np.array([3.0, 1.0], np.float16), "float64"),
    ([3, 1.0], "float64"),
    (np.array(["b", "a"]), "<U1"),
    (np.array(["b", "a"], ">U1"), "<U1"),
    (["b", "a"], "object"),
    (np.array(["b", "a"], dtype=object), "object"),
    (np.array(["b", "a"], dtype=np.dtypes.StringDType()), "object"),
    (DAYS, "datetime64[D]"),
    (DAYS.astype(">M8[s]"), "datetime64[s]"),
    ([datetime.date(2024, 2, 29), datetime.date(2025, 1, 1)], "datetime64[D]"),
    ([datetime.datetime(2024, 2, 29, 12), datetime.datetime(2025, 1, 1)], "datetime64[us]"),
    (DAYS - DAYS[0], "timedelta64[D]"),
    ([datetime.timedelta(2), datetime.timedelta(1)], "timedelta64[us]"),
    (list(DAYS - DAYS[0]), "timedelta64[D]"),
]


@pytest.mark.parametrize(("y", "dtype"), ACCEPTED, ids=str)
def test_labels_of_every_type_are_converted_to_one_dtype_of_the_type(y, dtype):
    got = check_labels(y, 2)
    assert got.dtype == dtype
    assert (got == np.asarray(y)).all()


def test_a_column_of_labels_is_accepted():
    assert check_labels(np.array([[3], [4]]), 2).tolist() == [3, 4]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0, 1], "expected 3 labels, one per sample, got 2"),
        ([], "expected 3 labels, one per sample, got 0"),
        (
            [0.0, 1.5, 1.0],
            "integers if they are numbers, got 1.5 at index 1; to predict numbers, use the task regression",
        ),
        ([0.0, np.nan, 1.0], "got nan at index 1"),
        ([0.0, np.inf, 1.0], "got inf at index 1"),
        ([0.0, 1e300, 1.0], r"got 1e\+300 at index 1"),
        (np.eye(3), "argmax"),
        (2, "one label per sample"),
        ([0, 2**64, 1], "expected integers of at most 64 bits, got a larger one"),
        (np.array([0, 2**64 - 1, 1], dtype=np.uint64), r"up to 2\*\*63 - 1, got 18446744073709551615"),
        (np.array(["2024-01-01", "NaT", "2024-01-02"], "datetime64[D]"), "expected dates, got NaT at index 1"),
    ],
)
def test_wrong_labels_are_refused(y, message):
    with pytest.raises(DataError, match=f"^y: .*{message}"):
        check_labels(y, 3)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["a", 1], r"expected labels of one type .*, got the types int, str; drop the samples without a label"),
        (["a", None], "got the types NoneType, str"),
        (["a", float("nan")], "got the types float, str"),
        (np.array([1, None], dtype=object), "got the types NoneType, int"),
        ([True, 2], "got the types bool, int"),
        ([1j, 0], "got the types complex, int"),
        ([b"a", b"b"], "got the types bytes"),
        (np.array([1j, 0]), "got dtype complex128"),
        (np.array([b"a", b"b"]), r"got dtype \|S1; decode them by .astype\(str\)"),
        ([datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)] * 2, "expected dates without a time zone"),
    ],
)
def test_labels_of_several_or_other_types_are_refused(y, message):
    with pytest.raises(DataTypeError, match=f"^y_test: .*{message}"):
        check_labels(y, 2, "y_test")


LABELS = st.one_of(
    arrays(bool, 6),
    arrays(np.int64, 6),
    arrays(np.float64, 6, elements=st.integers(-(2**53), 2**53)),
    arrays("U3", 6, elements=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=3)),
    arrays("datetime64[s]", 6, elements=st.integers(-(2**40), 2**40).map(lambda s: np.datetime64(s, "s"))),
)


@given(labels=LABELS)
def test_a_label_is_the_class_of_its_code_and_classes_ascend(labels):
    classes = distinct_labels({"y_train": labels[:4], "y_test": labels[4:]})
    np.testing.assert_array_equal(classes, np.unique(labels))
    codes = encode_labels(labels, 6, classes)
    assert codes.dtype == np.int32
    np.testing.assert_array_equal(classes[codes], labels)


@pytest.mark.parametrize(
    ("train", "test", "dtype"), [([1, 2], [3.0], "float64"), ([True, False], [1], "int64"), (["a"], ["long"], "<U4")]
)
def test_numbers_of_several_types_and_strings_of_any_length_have_common_classes(train, test, dtype):
    parts = {"y_train": check_labels(train, len(train)), "y_test": np.array(test)}
    assert distinct_labels(parts).dtype == dtype


@pytest.mark.parametrize("test", [np.array([1]), DAYS])
def test_parts_of_different_types_are_refused(test):
    with pytest.raises(DataTypeError, match=r"^y_test: expected strings as in y_train, got (integers|dates); convert"):
        distinct_labels({"y_train": np.array(["a", "b"]), "y_test": test})


@pytest.mark.parametrize("dtype", [bool, np.int64, np.float64, str, object])
def test_the_codes_of_many_labels_are_those_of_numpy(dtype):
    """Of integers: more labels than distinct values, so that they are counted."""
    numbers = np.random.default_rng(0).integers(-3, 9, 1000)
    labels = numbers.astype(str).astype(object) if dtype is object else (numbers // 4 if dtype is bool else numbers)
    labels = labels.astype(dtype)
    classes, codes = np.unique(labels, return_inverse=True)
    got = distinct_labels({"y": labels})
    np.testing.assert_array_equal(got, classes)
    np.testing.assert_array_equal(encode_labels(labels, 1000, got), codes)


def test_the_range_of_integers_may_exceed_that_of_int64():
    labels = np.array([2**63 - 1, -(2**63), 2**63 - 1])
    classes = distinct_labels({"y": labels})
    assert classes.tolist() == [-(2**63), 2**63 - 1]
    assert encode_labels(labels, 3, classes).tolist() == [1, 0, 1]


@pytest.mark.parametrize("label", ["a\0", "\udc80"], ids=ascii)
def test_strings_that_numpy_or_a_file_cannot_hold_are_refused(label):
    with pytest.raises(DataError, match=r"^y: expected labels that UTF-8 can represent and that do not end in a NUL"):
        distinct_labels({"y": np.array([label, "b"], dtype=object)})
    with pytest.raises(DataError, match=r"^classes: expected labels that UTF-8 can represent"):
        check_classes(np.array(["b", label], dtype=object), 2)


def test_codes_are_a_copy():
    labels = np.array([0, 1], np.int32)
    assert not np.shares_memory(encode_labels(labels, 2, np.arange(2)), labels)


@pytest.mark.parametrize(
    ("y", "classes", "message"),
    [
        ([0, 1, 5], np.arange(5), "y: expected labels 0 to 4, got 5 at index 2"),
        ([0, -1, 1], np.arange(5), "y: expected labels 0 to 4, got -1 at index 1"),
        (["a", "b", "a"], np.arange(2), "y: expected labels 0 to 1, got a at index 0"),
        ([10, 20, 30], np.array([10, 30]), "y: expected one of the classes 10, 30, got 20 at index 1"),
        (["ant", "wasp", "bee"], np.array(["ant", "bee"]), "expected one of the classes ant, bee, got wasp at index 1"),
        (DAYS[[0, 1, 1]], DAYS[:1], "expected one of the classes 2024-02-29, got 2025-01-01 at index 1"),
        (
            [0, 1, 1],
            np.array(["ant", "bee"]),
            r"got 0 at index 0; y seems to hold codes, as dataset.y_test does: give dataset.classes\[dataset.y_test\]",
        ),
        ([0, 1, 1], np.array([10, 30]), r"got 0 at index 0; .* give dataset.classes\[dataset.y_test\] instead"),
    ],
)
def test_a_label_that_is_no_class_is_refused_with_the_classes(y, classes, message):
    with pytest.raises(DataError, match=message):
        encode_labels(y, 3, classes)


@pytest.mark.parametrize(
    "classes",
    [[1, 0], [0, 0], [0, 1, 2], [[0, 1]], [0.0, np.nan], [1j, 2j], [b"a", b"b"], np.array(["NaT", "NaT"], "M8[D]"),
     np.array(["a", 1], dtype=object), ["b", "a"]],
)  # fmt: skip
def test_classes_that_are_not_distinct_ascending_and_of_one_type_are_refused(classes):
    with pytest.raises(DataError, match=r"^classes: expected "):
        check_classes(classes, 2)


@pytest.mark.parametrize(("classes", "dtype"), [(np.array([1, 2], ">i4"), "<i4"), (np.longdouble([1, 2]), "float64")])
def test_classes_become_a_read_only_copy_in_the_byte_order_of_the_machine(classes, dtype):
    got = check_classes(classes, 2)
    assert (got.dtype, got.tolist(), got.flags.writeable) == (dtype, [1, 2], False)
    assert not np.shares_memory(got, classes)


def test_classes_are_compared_as_labels():
    assert have_same_labels(np.array([0, 1]), np.array([0.0, 1.0]))
    assert have_same_labels(np.array(["a"]), np.array(["a"], dtype=object))
    assert not have_same_labels(np.array([0, 1]), np.array([0, 2]))
    assert not have_same_labels(np.array([0, 1]), np.array(["0", "1"]))


def test_only_integers_from_0_are_their_own_codes():
    assert is_range(np.array([0, 1], np.uint8))
    assert not any(map(is_range, (np.array([1, 2]), np.array([0.0, 1.0]), np.array([False, True]), np.array(["0"]))))


def test_at_least_two_strings_are_names():
    assert names_of(np.array(["a", "b"])) == ("a", "b")
    assert names_of(np.array(["a"])) is names_of(np.array([1, 2])) is None


def test_long_lists_are_shortened():
    assert list_labels(DAYS) == "2024-02-29, 2025-01-01"
    assert list_labels(np.arange(10)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9"
    assert list_labels(np.arange(11)) == "0, 1, 2, 3, 4, 5, 6, 7, ..., 10"


@pytest.mark.parametrize(
    "classes",
    [np.array([False, True]), np.array([-3, 4], np.int8), np.array([0, 2**64 - 1], np.uint64),
     np.array([1.0, 1e16], np.float32), np.array(["käse", "brot\n"]), DAYS, DAYS.astype("datetime64[ns]"),
     DAYS.astype("datetime64[Y]"), DAYS - DAYS[0]],
)  # fmt: skip
def test_classes_survive_json(classes):
    np.testing.assert_array_equal(classes_from_json(classes_to_json(classes)), classes, strict=True)


def test_strings_of_dtype_object_become_str():
    got = check_classes(np.array(["ant", "bee"], dtype=object), 2)
    assert (got.dtype, got.tolist()) == ("<U3", ["ant", "bee"])


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("int64", [0.5, 1]),
        ("int64", ["0", "1"]),
        ("int64", None),
        ("int8", [0, 300]),
        ("bool", [0, 2]),
        ("str", [0, 1]),
        ("datetime64[D]", [0, 1]),
        ("object", [0, 1]),
        ("V8", [0, 1]),
        ("i4,i4", [0, 1]),
        ("", [0, 1]),
        (None, [0, 1]),
    ],
)
def test_a_damaged_entry_is_refused(dtype, values):
    with pytest.raises((DataError, TypeError, ValueError, OverflowError)):
        classes_from_json({"dtype": dtype, "values": values})


@pytest.mark.parametrize("length", [1_000, 1_000_000])
def test_one_long_string_among_many_does_not_fill_the_memory(length, monkeypatch):
    """An array of str takes 4 bytes per character of the longest string for every string."""
    monkeypatch.setattr(bounded, "MIN_DECOMPRESSION_BOUND", 1 << 20)
    labels = np.array([*map(str, range(10_000)), "x" * length], dtype=object)
    tracemalloc.start()
    for read in (
        lambda: distinct_labels({"y_train": labels}),
        lambda: distinct_labels({"y_train": labels[:-1].astype(str), "y_test": labels[-1:].astype(str)}),
        lambda: classes_from_json({"dtype": "str", "values": labels.tolist()}),
    ):
        with pytest.raises(DataError, match=f"got 10,001 of up to {length:,} characters; shorten them"):
            read()
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()
