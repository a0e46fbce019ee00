import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

import fastmlp.data
from fastmlp.data import Dataset, load_data, load_samples
from fastmlp.errors import DataError, DataNotFoundError, DataTypeError, FileFormatError, MissingExtraError

X = np.arange(20.0).reshape(10, 2)
y = np.arange(10) % 2


def test_a_named_data_set_is_loaded():
    pytest.importorskip("sklearn")
    dataset = load_data("digits", scale="none")
    assert (dataset.name, dataset.scale) == ("digits", "none")


def test_a_dataset_is_returned_unchanged():
    dataset = Dataset(X, y, X, y)
    assert load_data(dataset) is dataset


def test_a_dataset_can_be_given_another_scale():
    dataset = Dataset(X, y, X, y, class_names=["a", "b"], name="made up")
    got = load_data(dataset, scale="none")
    assert np.shares_memory(got.X_train, dataset.X_train)
    assert (got.scale, got.class_names, got.name) == ("none", ("a", "b"), "made up")


def test_targets_can_be_left_unscaled(tmp_path):
    np.savez(tmp_path / "data.npz", X=X, y=np.arange(len(X)) * 1000.0)
    arrays = (X, np.arange(len(X)) * 1000.0, X, np.arange(len(X)) * 1000.0)
    for given in (str(tmp_path / "data.npz"), arrays, Dataset(*arrays, task="regression")):
        assert load_data(given, task="regression").target_scale == "auto"
        dataset = load_data(given, task="regression", target_scale="none")
        assert dataset.target_scaling().is_identity
        assert dataset.source is None or dataset.source.target_scale == "none"


def test_arrays_are_used_without_a_copy():
    assert np.shares_memory(load_data((X, y, X[:3], y[:3]), scale="unit").X_train, X)


@pytest.mark.parametrize("as_path", [str, lambda path: path])
@pytest.mark.parametrize("kind", ["npz", "npy", "folder", "csv"])
def test_a_path_is_read_by_its_file_type(kind, as_path, tmp_path):
    for name, array in {"X_train": X, "y_train": y, "X_test": X, "y_test": y}.items():
        np.save(tmp_path / f"{name}.npy", array)
    np.savez(tmp_path / "some.npz", X=X, y=y)
    (tmp_path / "some.csv").write_text("a,y\n" + "1,0\n2,1\n" * 5)
    path = {"npz": "some.npz", "npy": "X_train.npy", "folder": "", "csv": "some.csv"}[kind]
    assert load_data(as_path(tmp_path / path)).n_classes == 2


def test_the_target_column_of_a_table_can_be_given(tmp_path):
    (tmp_path / "some.csv").write_text("a,kind\n" + "1,x\n2,z\n" * 5)
    assert load_data(tmp_path / "some.csv", target="kind").class_names == ("x", "z")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("digits", "digits is a data set with features, labels and a test set of its own"),
        ("some.npz", r"some\.npz is a file or folder of arrays"),
        ((X, y, X, y), "arrays were given instead of a table"),
    ],
)
def test_options_of_tables_are_refused_for_other_data(source, reason, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("some.npz", X=X, y=y)
    message = rf"target, header: expected only for a table, since .*{reason}; leave out target, header"
    with pytest.raises(DataError, match=message):
        load_data(source, target="kind", header=False)


def test_another_task_than_that_of_the_data_is_refused():
    message = "task: expected 'classification', the task of the data, got 'regression'"
    with pytest.raises(DataError, match=message):
        load_data(Dataset(X, y, X, y), task="regression")


def test_the_error_for_an_unknown_name_suggests_a_similar_one():
    with pytest.raises(DataNotFoundError, match="unknown data set or file 'mnistt'; did you mean 'mnist'"):
        load_data("mnistt")


@pytest.mark.parametrize("path", ["gone.npz", "gone/X_train.npy", "gone.csv", "gone.csv.gz", "./gone"])
def test_the_error_for_a_missing_path_has_the_working_directory(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataNotFoundError, match=r"gone.* does not exist; the working directory is"):
        load_data(path)


def test_a_file_of_another_type_is_refused(tmp_path):
    (tmp_path / "some.txt").write_text("")
    message = r"some\.txt: expected a table \(.*\), got an empty file"
    with pytest.raises(FileFormatError, match=message):
        load_data(tmp_path / "some.txt")


@pytest.mark.parametrize(("source", "name"), [(None, "NoneType"), (3, "int"), ((X, y), "tuple")])
def test_other_types_of_data_are_refused(source, name):
    message = rf"data: expected a name, a path, a data frame, a tuple \(X_train, .*\) or a Dataset, got {name}$"
    with pytest.raises(DataTypeError, match=message):
        load_data(source)


def test_kinds_that_are_no_mapping_are_refused():
    with pytest.raises(DataTypeError, match=r"^kinds: expected a mapping of .* such as \{'zip': .*, got 'a=number'$"):
        load_data({"a": [1, 2], "y": [0, 1]}, kinds="a=number")


IMPORT_WITHOUT_TOP_LEVEL = """
import sys, types
fastmlp = types.ModuleType("fastmlp")
fastmlp.__path__ = sys.argv[1:]
sys.modules["fastmlp"] = fastmlp
import fastmlp.data
print({"numba", "pandas", "pyarrow", "sklearn", "pooch", "rich", "requests"} & set(sys.modules))
"""


def test_importing_fastmlp_data_imports_no_large_package():
    command = [sys.executable, "-c", IMPORT_WITHOUT_TOP_LEVEL, str(Path(fastmlp.data.__file__).parents[1])]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "set()\n"


@pytest.mark.parametrize("as_path", [str, lambda path: path])
@pytest.mark.parametrize("name", ["X.npy", "X.csv"])
def test_samples_are_read_by_their_file_type(name, as_path, tmp_path):
    np.save(tmp_path / "X.npy", X)
    np.savetxt(tmp_path / "X.csv", X, delimiter=",", header="a,b", comments="")
    np.testing.assert_array_equal(load_samples(as_path(tmp_path / name)), X)


@pytest.mark.parametrize("name", ["nowhere.npy", "."])
def test_a_path_of_samples_that_is_not_a_file_is_an_error(name, tmp_path):
    with pytest.raises(DataNotFoundError, match="is not a file; the working directory is"):
        load_samples(tmp_path / name)


def test_samples_of_another_file_type_are_refused(tmp_path):
    (tmp_path / "X.txt").touch()
    message = r"X\.txt: expected a table \(.*\), got an empty file"
    with pytest.raises(FileFormatError, match=message):
        load_samples(tmp_path / "X.txt")


# sparse samples


@pytest.fixture
def sparse_folder(tmp_path):
    for part, rows in (("train", slice(None)), ("test", slice(3))):
        sparse.save_npz(tmp_path / f"X_{part}.npz", sparse.csc_array(X[rows] * (X[rows] % 3 == 1)))
        np.save(tmp_path / f"y_{part}.npy", y[rows])
    return tmp_path


def test_a_folder_of_sparse_samples_is_loaded_and_loaded_again_by_its_source(sparse_folder):
    dataset = load_data(sparse_folder, scale="standard")
    assert dataset.X_train.format == "csr"
    assert load_data(dataset.source.name_or_path, **dataset.source.keywords()).checksum() == dataset.checksum()
    with pytest.raises(DataError, match=r"test: expected only for a table, since .* is a file or folder of arrays"):
        load_data(sparse_folder, test=sparse_folder / "X_test.npz")


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.coo_matrix, sparse.lil_matrix])
@pytest.mark.parametrize(("labels", "task"), [(y, "classification"), (np.eye(2, dtype=int)[y], "multilabel")])
def test_a_tuple_with_sparse_samples_is_a_data_set(labels, task, kind):
    dataset = load_data((kind(X), labels, kind(X[:3]), labels[:3]))
    assert (dataset.task, dataset.X_test.format, dataset.X_test.shape) == (task, "csr", (3, 2))


def test_sparse_samples_for_prediction_are_csr(sparse_folder):
    got = load_samples(sparse_folder / "X_test.npz")
    assert got.format == "csr"
    np.testing.assert_array_equal(got.toarray(), X[:3] * (X[:3] % 3 == 1))


def test_the_test_set_of_a_sparse_folder_is_evaluated(sparse_folder):
    labelled = fastmlp.data.load_labelled(str(sparse_folder))
    assert (labelled.X.format, labelled.X.shape, labelled.y.tolist()) == ("csr", (3, 2), [0, 1, 0])


def test_missing_scipy_is_reported(sparse_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(
        MissingExtraError, match=r"needs SciPy, which is not installed. Run: pip install \"fastmlp\[sklearn"
    ):
        load_samples(sparse_folder / "X_test.npz")
