import copy
import hashlib
import pickle

import numpy as np
import pytest
from scipy import sparse

from fastmlp.data import Dataset
from fastmlp.errors import DataError, DataTypeError
from fastmlp.table.schema import Column, TableSchema

X = np.arange(12.0, dtype=np.float32).reshape(6, 2)
y = np.array([0, 1, 2, 0, 1, 0])


def make(X_train=X, y_train=y, X_test=X[:2], y_test=y[:2], **options):
    return Dataset(X_train, y_train, X_test, y_test, **options)


def test_samples_are_neither_copied_nor_written_to_nor_made_read_only():
    samples, labels = X.copy(), y.copy()
    dataset = make(samples, labels)
    dataset.scaling()
    assert np.shares_memory(dataset.X_train, samples)
    assert samples.flags.writeable
    assert labels.flags.writeable
    np.testing.assert_array_equal(samples, X)
    np.testing.assert_array_equal(labels, y)


def test_read_only_samples_are_not_copied():
    samples = X.copy()
    samples.flags.writeable = False
    assert np.shares_memory(make(samples).X_train, samples)


def test_labels_changed_afterwards_do_not_reach_the_dataset():
    labels = y.astype(np.int32)
    dataset = make(y_train=labels)
    labels[0] = 1_000_000
    assert dataset.y_train[0] == 0


def test_the_numbers_of_features_and_classes_are_inferred():
    dataset = make()
    assert (dataset.n_features, dataset.n_classes) == (2, 3)
    assert dataset.y_train.dtype == dataset.y_test.dtype == np.int32


def test_a_class_of_the_test_or_validation_set_alone_counts_but_none_in_between():
    assert make(y_test=[0, 7]).classes.tolist() == [0, 1, 2, 7]
    dataset = make(X_val=X[:1], y_val=[-3])
    assert (dataset.classes.tolist(), dataset.n_classes, dataset.y_val.tolist()) == ([-3, 0, 1, 2], 4, [0])


@pytest.mark.parametrize(
    "labels",
    [[10, 30, 31], [-1, 0, 1], [1.0, 2.0, 3.0], ["ant", "bee", "crane"], np.array(["2024", "2025", "2026"], "M8")],
)
def test_labels_are_coded_and_the_classes_give_them_back(labels):
    given = np.array(labels)
    dataset = make(y_train=given[y], y_test=given[y[:2]], X_val=X[:1], y_val=given[:1])
    assert dataset.classes.tolist() == given.tolist()
    assert (dataset.y_train.tolist(), dataset.y_test.tolist(), dataset.y_val.tolist()) == (y.tolist(), [0, 1], [0])
    np.testing.assert_array_equal(dataset.targets()["y_train"], given[y])
    assert dataset.class_names == (tuple(labels) if isinstance(labels[0], str) and given.dtype.kind == "U" else None)
    assert dataset.checksum() == make(X_val=X[:1], y_val=[0]).checksum()


def test_labels_from_0_and_named_ones_are_classes_of_int64():
    for dataset in (make(), make(y_train=y.astype(np.uint8)), make(class_names=["a", "b", "c"])):
        np.testing.assert_array_equal(dataset.classes, np.arange(3), strict=True)
    assert not dataset.classes.flags.writeable


def test_other_tasks_have_no_classes():
    assert make(np.eye(2), [[1.0], [2.0]], np.eye(2), [[1.0], [2.0]], task="regression").classes is None
    dataset = make(np.eye(2), [[0, 1], [1, 0]], np.eye(2), [[0, 1], [1, 0]], task="multilabel", class_names=("a", "b"))
    assert (dataset.classes, dataset.class_names, dataset.n_classes) == (None, ("a", "b"), 2)


def test_a_copy_has_the_same_classes():
    for options in ({"y_train": y * 10, "y_test": [0, 10]}, {"y_train": y.astype(str), "y_test": ["0", "1"]},
                    {"class_names": ["a", "b", "c", "d"]}):  # fmt: skip
        dataset = make(**options)
        copy = dataset.replace(scale="none")
        assert (copy.scale, copy.class_names, copy.checksum()) == ("none", dataset.class_names, dataset.checksum())
        np.testing.assert_array_equal(copy.classes, dataset.classes, strict=True)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(dataset)).classes, dataset.classes, strict=True)


def test_a_copy_with_names_has_the_classes_of_the_names():
    dataset = make(y_train=[0, 2, 0, 2, 0, 2], y_test=[0, 2])
    assert (dataset.n_classes, dataset.replace(class_names=("a", "b", "c")).n_classes) == (2, 3)
    assert dataset.replace(class_names=("a", "b", "c")).y_test.tolist() == [0, 2]


def test_targets_of_regression_have_a_scaling_unless_it_is_none():
    targets = np.arange(12.0).reshape(6, 2) * 100
    dataset = make(y_train=targets, y_test=targets[:2], task="regression", weight_train=[1, 1, 1, 0, 0, 0])
    factor, offset = dataset.target_scaling()
    assert (factor, offset.tolist()) == (128.0, [200.0, 300.0])
    assert not offset.flags.writeable
    assert dataset.replace(scale="none").target_scaling().factor == 128.0
    without = dataset.replace(target_scale="none")
    assert (without.target_scale, without.replace(scale="unit").target_scale) == ("none", "none")
    assert without.target_scaling().is_identity
    assert without.checksum() == dataset.checksum()
    assert make().target_scaling().is_identity
    assert pickle.loads(pickle.dumps(without)).target_scale == "none"


def test_class_names_determine_the_number_of_classes():
    dataset = make(class_names=["a", "b", "c", "d"])
    assert dataset.n_classes == 4
    assert dataset.class_names == ("a", "b", "c", "d")


def test_training_and_test_samples_share_a_dtype():
    dataset = make(X_train=X.astype(np.uint8), X_test=X[:2])
    assert dataset.X_train.dtype == dataset.X_test.dtype == np.float32


def test_the_majority_class_is_that_of_the_training_set():
    assert make(y_test=[1, 0]).majority_accuracy == 0.5


def test_scaling_is_fitted_to_the_training_set_once():
    dataset = make()
    factor, offset = dataset.scaling()
    np.testing.assert_allclose((X * factor + offset).mean(axis=0), 0, atol=1e-12)
    assert dataset.scaling()[0] is factor


def test_the_schema_of_a_table_is_kept_and_is_no_part_of_the_checksum():
    columns = tuple(Column(name=name, kind="number") for name in "ab")
    table = TableSchema(columns=columns, target="y", target_position=2, task="classification")
    dataset = make(table=table)
    assert dataset.table is table is dataset.replace(scale="none").table
    assert pickle.loads(pickle.dumps(dataset)).table == table
    assert (make().table, make().checksum()) == (None, dataset.checksum())


def test_the_checksum_is_taken_over_dtypes_shapes_and_bytes():
    ref = hashlib.sha256()
    for array in (X, y.astype(np.int32), X[:2], y[:2].astype(np.int32)):
        ref.update(f"{array.dtype.str} {array.shape}\n".encode() + array.tobytes())
    assert make().checksum() == ref.hexdigest()


def test_the_checksum_does_not_depend_on_the_memory_layout():
    wide = np.hstack([X, X])
    assert make(X_train=wide[:, :2]).checksum() == make().checksum()


def test_the_checksum_depends_on_the_shapes():
    assert make(X.reshape(3, 4), y[:3], X[:2].reshape(1, 4), y[:1]).checksum() != make().checksum()


def test_a_dataset_survives_pickling():
    unpickled = pickle.loads(pickle.dumps(make(name="six", scale="unit")))
    assert unpickled.checksum() == make().checksum()
    assert (unpickled.name, unpickled.scale) == ("six", "unit")


def test_its_repr_has_name_sizes_dtype_and_scale():
    assert repr(make(name="six")) == (
        "<Dataset six: 6 training and 2 test samples, 2 features (float32), 3 classes, scale auto>"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": "minmax"}, "scale: expected one of auto, none, unit, standard, robust, got 'minmax'"),
        ({"target_scale": "standard"}, "target_scale: expected one of auto, none, got 'standard'"),
        ({"X_test": np.ones((2, 3))}, "X_test: expected 2 features, got 3"),
        ({"y_train": y[:5]}, "y_train: expected 6 labels, one per sample, got 5"),
        ({"y_test": [0]}, "y_test: expected 2 labels, one per sample, got 1"),
        ({"y_train": np.zeros(6)}, "y_train: expected at least two classes, got only class 0"),
        ({"y_train": np.ones(6)}, "y_train: expected at least two classes, got only class 1"),
        ({"class_names": ["a", "b"]}, "y_train: expected labels 0 to 1, got 2 at index 2"),
        ({"class_names": ["a"]}, "class_names: expected at least two names"),
        ({"class_names": ["a", "b", "a"]}, "all different"),
        ({"X_test": np.ones((0, 2)), "y_test": []}, "X_test: expected at least one sample, got"),
        ({"X_val": X[:2]}, "X_val and y_val: expected both or neither, got only X_val"),
        ({"y_val": y[:2]}, "X_val and y_val: expected both or neither, got only y_val"),
    ],
)
def test_invalid_arguments_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        make(**options)


@pytest.mark.parametrize("class_names", ["abc", [1, 2, 3], np.array("abc")])
def test_class_names_that_are_not_strings_are_refused(class_names):
    with pytest.raises(DataTypeError, match="class_names: expected None or a sequence of strings, got"):
        make(class_names=class_names)


def test_class_names_that_cannot_be_written_are_refused():
    with pytest.raises(DataError, match=r"class_names: expected names that UTF-8 can represent, got '\\ud800'"):
        make(class_names=["a", "b", "\ud800"])


# immutability

ATTRIBUTES = [name for name in dir(make()) if not name.startswith("_") and not callable(getattr(make(), name))]
DUPLICATES = {
    "itself": lambda dataset: dataset,
    "pickled": lambda d: pickle.loads(pickle.dumps(d)),
    "copied": copy.deepcopy,
}


@pytest.mark.parametrize("duplicate", DUPLICATES)
@pytest.mark.parametrize("name", [*ATTRIBUTES, "misspelt"])
def test_attributes_can_neither_be_assigned_to_nor_deleted(name, duplicate):
    dataset = DUPLICATES[duplicate](make())
    with pytest.raises(AttributeError, match=f"^{name}: a Dataset is immutable; make a new one"):
        setattr(dataset, name, getattr(dataset, name, None))
    with pytest.raises(AttributeError, match=f"^{name}: a Dataset is immutable; make a new one"):
        delattr(dataset, name)


@pytest.mark.parametrize("duplicate", DUPLICATES)
def test_targets_weights_and_scaling_are_read_only(duplicate):
    dataset = DUPLICATES[duplicate](make(weight_train=np.ones(6), X_val=X, y_val=y))
    for array in (dataset.y_train, dataset.y_test, dataset.y_val, dataset.weight_train, *dataset.scaling()):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_changes_of_shape_strides_and_dtype_in_place_do_not_reach_the_dataset():
    samples = X.copy()
    dataset = make(samples, weight_train=np.ones(6))
    digest = dataset.checksum()
    samples.shape = (3, 4)
    dataset.X_train.shape = (4, 3)
    dataset.X_train.dtype = np.int32
    dataset.y_train.shape = (2, 3)
    dataset.weight_train.dtype = np.int64
    assert (dataset.X_train.shape, dataset.X_train.dtype, dataset.y_train.shape) == ((6, 2), np.float32, (6,))
    assert dataset.checksum() == digest


def test_the_memory_of_the_samples_cannot_be_resized():
    samples = X.copy()
    dataset = make(samples)
    with pytest.raises(ValueError, match="cannot resize"):
        samples.resize(1, 1)
    with pytest.raises(ValueError, match="cannot resize"):
        dataset.X_train.resize(1, 1)


# sparse samples

SPARSE = np.where(X % 3 == 1, X, 0)


def make_sparse(kind=sparse.csr_array, **options):
    return make(kind(SPARSE), X_test=kind(SPARSE[:2]), X_val=kind(SPARSE[2:]), y_val=y[2:], **options)


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csr_matrix, sparse.csc_array, sparse.coo_matrix])
def test_sparse_samples_become_csr(kind):
    dataset = make_sparse(kind)
    for samples, ref in ((dataset.X_train, SPARSE), (dataset.X_test, SPARSE[:2]), (dataset.X_val, SPARSE[2:])):
        assert (samples.format, samples.dtype) == ("csr", np.float32)
        np.testing.assert_array_equal(samples.toarray(), ref)
    assert (
        dataset.replace(scale="none").checksum() == dataset.checksum() == pickle.loads(pickle.dumps(dataset)).checksum()
    )
    assert repr(dataset) == (
        "<Dataset unnamed: 6 training and 2 test samples, 2 features (sparse float32, 0.667 non-zeros per sample), "
        "3 classes, scale auto>"
    )


def test_canonical_csr_is_shared_and_shielded_from_assignments():
    samples = sparse.csr_array(SPARSE)
    dataset = make(samples, X_test=samples[:2])
    assert np.shares_memory(dataset.X_train.data, samples.data)
    samples.indices, samples.data = samples.indices[:1], samples.data[:1]
    dataset.X_train.data = np.zeros(0)
    np.testing.assert_array_equal(dataset.X_train.toarray(), SPARSE)
    assert not dataset.X_train.indices.flags.writeable


def test_the_dtype_of_sparse_sets_is_common():
    samples = sparse.csr_array(SPARSE)
    dataset = make(samples.astype(np.uint8), X_test=samples[:2].astype(np.float64))
    assert (dataset.X_train.dtype, dataset.X_test.dtype) == (np.float64, np.float64)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"X_test": SPARSE},
            r"X_test: expected sparse samples, as X_train, got dense ones; .* scipy\.sparse\.csr_array",
        ),
        ({"X_val": SPARSE, "y_val": y}, "X_val: expected sparse samples, as X_train"),
        (
            {"X_train": SPARSE},
            r"X_test: expected dense samples, as X_train, got sparse ones; convert by X_test\.toarray",
        ),
        ({"scale": "robust"}, "scale: expected one that keeps zeros, for sparse samples, got 'robust'.* 'unit' or"),
        ({"y_test": y}, "y_test: expected"),
    ],
)
def test_dense_sets_beside_sparse_ones_and_a_scale_that_centres_are_refused(given, message):
    samples = sparse.csr_array(SPARSE)
    with pytest.raises(DataError, match=f"^{message}"):
        make(**{"X_train": samples, "X_test": samples[:2]} | given)


def test_sparse_targets_are_refused():
    with pytest.raises(DataTypeError, match=r"^y_train: expected a dense array, got a sparse csr_array"):
        make(y_train=sparse.csr_array(SPARSE), task="multilabel")


def test_the_checksum_of_sparse_samples_depends_on_their_numbers_and_places_alone():
    samples = sparse.csr_array(SPARSE)
    wide = samples.copy()
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    ref = make(samples, X_test=samples[:2]).checksum()
    assert make(wide, X_test=sparse.csc_matrix(wide[:2])).checksum() == ref
    assert make(SPARSE, X_test=SPARSE[:2]).checksum() != ref
    moved = samples.copy()
    moved.indices[0] = 1 - moved.indices[0]
    changed = samples.copy()
    changed.data[0] += 1
    assert len({ref, *(make(other, X_test=samples[:2]).checksum() for other in (moved, changed))}) == 3


def test_the_scaling_of_sparse_samples_keeps_zeros():
    dataset = make_sparse()
    factor, offset = dataset.scaling()
    np.testing.assert_array_equal(factor, 1 / SPARSE.max(axis=0).astype(float))
    assert not offset.any()
    assert not factor.flags.writeable
