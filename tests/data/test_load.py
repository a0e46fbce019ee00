import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastmlp.data
from fastmlp.data import Dataset, load_data, load_samples
from fastmlp.errors import DataError, DataNotFoundError, DataTypeError, FileFormatError

X = np.arange(20.0).reshape(10, 2)
y = np.arange(10) % 2


def test_a_name_is_loaded():
    pytest.importorskip("sklearn")
    dataset = load_data("digits", scale="none")
    assert (dataset.name, dataset.scale) == ("digits", "none")


def test_a_dataset_passes_through():
    dataset = Dataset(X, y, X, y)
    assert load_data(dataset) is dataset


def test_a_dataset_is_scaled_otherwise_where_asked():
    dataset = Dataset(X, y, X, y, class_names=["a", "b"], name="made up")
    got = load_data(dataset, scale="none")
    assert got.X_train is dataset.X_train
    assert (got.scale, got.class_names, got.name) == ("none", ("a", "b"), "made up")


def test_arrays_are_taken_directly():
    assert load_data((X, y, X[:3], y[:3]), scale="unit").X_train is X


@pytest.mark.parametrize("as_path", [str, lambda path: path])
@pytest.mark.parametrize("kind", ["npz", "npy", "folder", "csv"])
def test_a_path_is_read_by_its_kind(kind, as_path, tmp_path):
    for name, array in {"X_train": X, "y_train": y, "X_test": X, "y_test": y}.items():
        np.save(tmp_path / f"{name}.npy", array)
    np.savez(tmp_path / "some.npz", X=X, y=y)
    (tmp_path / "some.csv").write_text("a,y\n" + "1,0\n2,1\n" * 5)
    path = {"npz": "some.npz", "npy": "X_train.npy", "folder": "", "csv": "some.csv"}[kind]
    assert load_data(as_path(tmp_path / path)).n_classes == 2


def test_the_target_of_a_table_is_named(tmp_path):
    (tmp_path / "some.csv").write_text("a,kind\n" + "1,x\n2,z\n" * 5)
    assert load_data(tmp_path / "some.csv", target="kind").class_names == ("x", "z")


@pytest.mark.parametrize("source", ["digits", "some.npz", (X, y, X, y)])
def test_a_target_without_a_table_is_refused(source):
    with pytest.raises(DataError, match="target is 'kind'; it names a column of a CSV file"):
        load_data(source, target="kind")


def test_an_unknown_name_is_told_with_the_nearest():
    with pytest.raises(DataNotFoundError, match="Did you mean 'mnist'"):
        load_data("mnistt")


@pytest.mark.parametrize("path", ["gone.npz", "gone/X_train.npy", "gone.csv", "gone.csv.gz", "./gone"])
def test_a_path_that_does_not_exist_is_told(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataNotFoundError, match=r"gone.* does not exist; it was looked for in"):
        load_data(path)


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "some.txt").write_text("")
    with pytest.raises(FileFormatError, match=r"some\.txt is of a kind that is not read; \.npz, \.npy"):
        load_data(tmp_path / "some.txt")


@pytest.mark.parametrize("source", [None, 3, (X, y), {"X": X}])
def test_what_is_no_data_is_refused(source):
    with pytest.raises(DataTypeError, match="was given as data; a name, a path"):
        load_data(source)


IMPORT_WITHOUT_THE_FRONT_DOOR = """
import sys, types
fastmlp = types.ModuleType("fastmlp")
fastmlp.__path__ = sys.argv[1:]
sys.modules["fastmlp"] = fastmlp
import fastmlp.data
print({"numba", "sklearn", "pooch", "rich", "requests"} & set(sys.modules))
"""


def test_importing_the_package_imports_nothing_heavy():
    command = [sys.executable, "-c", IMPORT_WITHOUT_THE_FRONT_DOOR, str(Path(fastmlp.data.__file__).parents[1])]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "set()\n"


@pytest.mark.parametrize("as_path", [str, lambda path: path])
@pytest.mark.parametrize("name", ["X.npy", "X.csv"])
def test_samples_are_read_by_their_kind(name, as_path, tmp_path):
    np.save(tmp_path / "X.npy", X)
    np.savetxt(tmp_path / "X.csv", X, delimiter=",", header="a,b", comments="")
    np.testing.assert_array_equal(load_samples(as_path(tmp_path / name)), X)


@pytest.mark.parametrize("name", ["nowhere.npy", "."])
def test_samples_that_are_no_file_are_named(name, tmp_path):
    with pytest.raises(DataNotFoundError, match="is not a file; it was looked for in"):
        load_samples(tmp_path / name)


def test_samples_of_another_kind_are_refused(tmp_path):
    (tmp_path / "X.txt").touch()
    with pytest.raises(FileFormatError, match=r"X\.txt is of a kind that is not read; \.npy, \.csv and .* are"):
        load_samples(tmp_path / "X.txt")
