import hashlib
import pickle

import numpy as np
import pytest

from fastmlp.data import Dataset
from fastmlp.errors import DataError, DataTypeError

X = np.arange(12.0, dtype=np.float32).reshape(6, 2)
y = np.array([0, 1, 2, 0, 1, 0])


def make(X_train=X, y_train=y, X_test=X[:2], y_test=y[:2], **options):
    return Dataset(X_train, y_train, X_test, y_test, **options)


def test_arrays_are_kept_and_neither_written_to_nor_frozen():
    samples, labels = X.copy(), y.copy()
    dataset = make(samples, labels)
    dataset.scaling()
    assert np.shares_memory(dataset.X_train, samples)
    assert samples.flags.writeable
    assert labels.flags.writeable
    np.testing.assert_array_equal(samples, X)
    np.testing.assert_array_equal(labels, y)


def test_read_only_arrays_are_kept():
    samples = X.copy()
    samples.flags.writeable = False
    assert np.shares_memory(make(samples).X_train, samples)


def test_labels_changed_afterwards_do_not_reach_the_dataset():
    labels = y.astype(np.int32)
    dataset = make(y_train=labels)
    labels[0] = 1_000_000
    assert dataset.y_train[0] == 0


def test_sizes_are_counted():
    dataset = make()
    assert (dataset.n_features, dataset.n_classes) == (2, 3)
    assert dataset.y_train.dtype == dataset.y_test.dtype == np.int32


def test_a_class_that_only_the_test_set_has_counts():
    assert make(y_test=[0, 7]).n_classes == 8


def test_names_say_how_many_classes_there_are():
    dataset = make(class_names=["a", "b", "c", "d"])
    assert dataset.n_classes == 4
    assert dataset.class_names == ("a", "b", "c", "d")


def test_training_and_test_samples_share_a_dtype():
    dataset = make(X_train=X.astype(np.uint8), X_test=X[:2])
    assert dataset.X_train.dtype == dataset.X_test.dtype == np.float32


def test_the_majority_is_that_of_the_training_set():
    assert make(y_test=[1, 0]).majority_accuracy == 0.5


def test_scaling_is_fitted_to_the_training_set_and_kept():
    dataset = make()
    factor, offset = dataset.scaling()
    np.testing.assert_allclose((X * factor + offset).mean(axis=0), 0, atol=1e-12)
    assert dataset.scaling()[0] is factor


def test_the_checksum_is_that_of_dtypes_shapes_and_bytes():
    ref = hashlib.sha256()
    for array in (X, y.astype(np.int32), X[:2], y[:2].astype(np.int32)):
        ref.update(f"{array.dtype.str} {array.shape}\n".encode() + array.tobytes())
    assert make().checksum() == ref.hexdigest()


def test_the_checksum_does_not_depend_on_the_layout():
    wide = np.hstack([X, X])
    assert make(X_train=wide[:, :2]).checksum() == make().checksum()


def test_the_checksum_tells_shapes_apart():
    assert make(X.reshape(3, 4), y[:3], X[:2].reshape(1, 4), y[:1]).checksum() != make().checksum()


def test_a_dataset_survives_pickling():
    again = pickle.loads(pickle.dumps(make(name="six", scale="unit")))
    assert again.checksum() == make().checksum()
    assert (again.name, again.scale) == ("six", "unit")


def test_its_description_has_what_one_wants_to_know():
    assert repr(make(name="six")) == (
        "<Dataset six: 6 training and 2 test samples, 2 features (float32), 3 classes, scale auto>"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": "minmax"}, "scale is 'minmax'; one of auto, none, unit, standard"),
        ({"X_test": np.ones((2, 3))}, "X_test has 3 features; 2 are expected"),
        ({"y_train": y[:5]}, "y_train has 5 labels for 6 samples"),
        ({"y_test": [0]}, "y_test has 1 labels for 2 samples"),
        ({"y_train": np.zeros(6)}, "one class only"),
        ({"y_train": np.ones(6)}, "one class only"),
        ({"class_names": ["a", "b"]}, "label 2 at index 2; 0 to 1"),
        ({"class_names": ["a"]}, "at least two names"),
        ({"class_names": ["a", "b", "a"]}, "all different"),
        ({"X_test": np.ones((0, 2)), "y_test": []}, "X_test .* zero samples"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(DataError, match=message):
        make(**options)


@pytest.mark.parametrize("class_names", ["abc", [1, 2, 3]])
def test_names_that_are_not_strings_are_refused(class_names):
    with pytest.raises(DataTypeError, match="sequence of strings"):
        make(class_names=class_names)
