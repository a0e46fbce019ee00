import tracemalloc
import zipfile

import numpy as np
import pytest
from scipy import sparse

import fastmlp
from fastmlp.data import check, load_data
from fastmlp.data.arrays import columns_of_npz, holds_arrays, load_npy, load_npz, load_test_set
from fastmlp.errors import DataError, DataNotFoundError, FileFormatError

X = np.arange(40, dtype=np.uint8).reshape(10, 4)
y = np.arange(10) % 2
PARTS = {"X_train": X, "y_train": y, "X_test": X[:3], "y_test": y[:3]}


def write_folder(folder, parts=PARTS):
    for name, array in parts.items():
        np.save(folder / f"{name}.npy", array)
    return folder


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_four_arrays_are_read_unchanged(save, tmp_path):
    save(tmp_path / "four.npz", **PARTS)
    dataset = load_npz(tmp_path / "four.npz", scale="none")
    np.testing.assert_array_equal(dataset.X_test, X[:3])
    assert dataset.X_train.dtype == np.uint8
    assert (dataset.name, dataset.scale) == ("four", "none")


def test_names_in_small_letters_as_in_keras_are_accepted(tmp_path):
    np.savez(tmp_path / "keras.npz", **{name.lower(): array for name, array in PARTS.items()})
    np.testing.assert_array_equal(load_npz(tmp_path / "keras.npz").X_train, X)


@pytest.mark.parametrize("name", ["X", "x"])
def test_a_fifth_of_x_and_y_is_held_out(name, tmp_path):
    np.savez(tmp_path / "whole.npz", **{name: X, "y": y})
    dataset = load_npz(tmp_path / "whole.npz")
    assert (len(dataset.X_train), len(dataset.X_test)) == (8, 2)
    assert sorted([*dataset.X_train[:, 0], *dataset.X_test[:, 0]]) == X[:, 0].tolist()


@pytest.mark.parametrize(("arrays", "names"), [({"X": X, "z": y}, "X, z"), ({}, "none")])
def test_the_error_for_missing_arrays_lists_those_expected_and_those_found(arrays, names, tmp_path):
    np.savez(tmp_path / "odd.npz", **arrays)
    message = rf"odd\.npz: expected the arrays X_train, y_train, X_test, y_test, or X and y, got {names}"
    with pytest.raises(FileFormatError, match=message):
        load_npz(tmp_path / "odd.npz")


@pytest.mark.parametrize("labels", [y[:9], np.array(3), np.eye(9)])
def test_another_number_of_labels_than_of_samples_is_refused(labels, tmp_path):
    np.savez(tmp_path / "odd.npz", X=X, y=labels)
    message = r"X and y: expected as many samples as labels, got the shapes \(10, 4\) and \("
    with pytest.raises(DataError, match=message):
        load_npz(tmp_path / "odd.npz")


def test_an_error_of_the_data_is_not_one_of_the_file(tmp_path):
    np.savez(tmp_path / "bad.npz", **PARTS | {"y_test": np.array([0, 0, 0.5])})
    with pytest.raises(DataError, match=r"y_test: expected labels, .*, got 0.5 at index 2"):
        load_npz(tmp_path / "bad.npz")


@pytest.mark.parametrize("n_kept", [0, 50, 700, -3])
def test_a_truncated_npz_is_refused(n_kept, tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, **PARTS)
    path.write_bytes(path.read_bytes()[:n_kept])
    with pytest.raises(FileFormatError, match=r"x\.npz .* bytes\) is not an intact \.npz file"):
        load_npz(path)


def test_a_damaged_npz_is_refused(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, **PARTS)
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match="CRC"):
        load_npz(path)


@pytest.mark.parametrize("content", [b"no zip", b"PK\3\4 but no more"])
def test_a_foreign_npz_is_refused(content, tmp_path):
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(FileFormatError, match="not an intact"):
        load_npz(tmp_path / "x.npz")


def test_pickled_objects_are_refused(tmp_path):
    np.savez(tmp_path / "x.npz", **PARTS | {"X_test": np.array([[None] * 4])})
    with pytest.raises(FileFormatError, match=r"X_test\.npy holds pickled objects"):
        load_npz(tmp_path / "x.npz")


def write_false_header(path, shape, dtype="<f8"):
    """Write an array with a header for more data than follow."""
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
        file.write(bytes(80))


def test_a_header_for_more_data_than_the_npz_holds_allocates_nothing(tmp_path):
    write_false_header(tmp_path / "X_train.npy", (10**9, 10))
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        for name in ("y_train", "X_test", "y_test"):
            np.save(tmp_path / f"{name}.npy", PARTS[name])
        for name in PARTS:
            archive.write(tmp_path / f"{name}.npy", f"{name}.npy")
    tracemalloc.start()
    message = r"X_train\.npy: expected 80,000,000,128 bytes according to its header, got 208"
    with pytest.raises(FileFormatError, match=message):
        load_npz(tmp_path / "x.npz")
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 1 << 20


@pytest.mark.parametrize("lower", [False, True])
def test_a_folder_is_memory_mapped(lower, tmp_path):
    big = np.ones((2000, 1000), dtype=np.float32)
    parts = {"X_train": big, "y_train": np.arange(2000) % 2, "X_test": big[:9], "y_test": np.arange(9) % 2}
    write_folder(tmp_path, {name.lower() if lower else name: array for name, array in parts.items()})
    tracemalloc.start()
    dataset = load_npy(tmp_path)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 2 << 20
    assert not dataset.X_train.flags.writeable
    np.testing.assert_array_equal(dataset.X_train, big)


def test_a_large_file_in_column_major_order_is_read_into_memory_with_a_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(check, "LARGE_FILE_BYTES", X.nbytes)
    write_folder(tmp_path, PARTS | {"X_train": np.asfortranarray(X)})
    with pytest.warns(UserWarning, match=r"^X_train: .*X_train\.npy .* since it is in column-major order") as caught:
        dataset = load_npy(tmp_path)
    assert len(caught) == 1
    np.testing.assert_array_equal(dataset.X_train, X)
    assert not np.shares_memory(dataset.X_test, dataset.X_train)


def test_the_path_of_one_of_the_four_files_loads_all(tmp_path):
    dataset = load_npy(write_folder(tmp_path) / "X_train.npy", scale="unit")
    assert (dataset.name, dataset.scale) == (tmp_path.name, "unit")


def test_the_error_for_missing_files_lists_the_expected_and_the_missing_ones(tmp_path):
    write_folder(tmp_path, {name: array for name, array in PARTS.items() if "train" in name})
    message = r"expected the files X_train\.npy, .*y_test\.npy, got a folder without X_test\.npy, y_test\.npy; save"
    with pytest.raises(DataNotFoundError, match=message):
        load_npy(tmp_path)


@pytest.mark.parametrize("change", [lambda content: content[:-1], lambda content: content + b"\0"])
def test_an_npy_of_another_length_is_refused(change, tmp_path):
    path = write_folder(tmp_path) / "X_train.npy"
    path.write_bytes(change(path.read_bytes()))
    message = r"X_train\.npy: expected 168 bytes according to its header, got 1\d\d"
    with pytest.raises(FileFormatError, match=message):
        load_npy(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no array", b"\x93NUMPY\x01\x00", b"\x93NUMPY\x09\x00" + bytes(80)])
def test_a_foreign_npy_is_refused(content, tmp_path):
    path = write_folder(tmp_path) / "X_train.npy"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"X_train\.npy"):
        load_npy(tmp_path)


def test_pickled_objects_in_an_npy_are_refused(tmp_path):
    write_folder(tmp_path, PARTS | {"X_train": np.array([[None]])})
    with pytest.raises(FileFormatError, match="pickled objects"):
        load_npy(tmp_path)


def test_an_empty_npy_is_refused(tmp_path):
    write_folder(tmp_path, PARTS | {"X_test": X[:0]})
    with pytest.raises(DataError, match=r"X_test\.npy is empty"):
        load_npy(tmp_path)


def test_sample_weights_are_split_with_the_samples(tmp_path):
    n = 40
    X, y = np.arange(2.0 * n).reshape(n, 2), np.arange(n) % 2
    np.savez(tmp_path / "x.npz", X=X, y=y, weight_train=np.arange(1.0, n + 1))
    dataset = load_npz(tmp_path / "x.npz")
    np.testing.assert_array_equal(dataset.weight_train, dataset.X_train[:, 0] / 2 + 1)


def test_sample_weights_of_another_length_are_refused(tmp_path):
    np.savez(tmp_path / "x.npz", X=X, y=y, weight_train=np.ones(8))
    message = r"weight_train: expected one weight per sample of X, shape \(10,\), got shape \(8,\)"
    with pytest.raises(DataError, match=message):
        load_npz(tmp_path / "x.npz")


def test_regression_targets_are_not_stratified(tmp_path):
    np.savez(tmp_path / "x.npz", X=np.arange(20.0)[:, None], y=np.arange(20.0))
    dataset = load_npz(tmp_path / "x.npz", task="regression")
    assert dataset.y_test[:, 0].tolist() != [4.0, 9.0, 14.0, 19.0]
    assert len(dataset.y_test) == 4


OPTIONAL = {"weight_train": np.arange(1.0, 11.0), "X_val": np.eye(2), "y_val": np.arange(2)}


def spelled(change):
    """All arrays with changed names."""
    arrays = {"X_train": np.eye(10, 2), "y_train": np.arange(10) % 2, "X_test": np.eye(2), "y_test": np.arange(2)}
    return {change(name): array for name, array in (arrays | OPTIONAL).items()}


def save_folder(folder, arrays):
    folder.mkdir()
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


@pytest.mark.parametrize("kind", ["npz", "folder"])
def test_optional_arrays_are_found_in_small_letters_too(kind, tmp_path):
    for change in (str, str.lower):
        path = tmp_path / f"{change.__name__}.npz"
        (np.savez(path, **spelled(change)) if kind == "npz" else save_folder(path, spelled(change)))
        data = fastmlp.load_data(path)
        for name, array in OPTIONAL.items():
            np.testing.assert_array_equal(getattr(data, name), array)


def test_a_warning_names_the_arrays_that_are_not_used(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, **spelled(str), X_vall=np.eye(2), ids=np.arange(3))
    with pytest.warns(UserWarning, match=r"x\.npz: not used: X_vall, ids; the arrays that are: X_train,") as warned:
        data = fastmlp.load_data(path)
    assert warned[0].filename == __file__
    assert data.X_val is not None


def keras_arrays(n_train=20, n_test=10):
    """Arrays as in Keras's files: images (n, 28, 28), and labels (n, 1) as those of its cifar10."""
    rng = np.random.default_rng(0)
    return {
        "x_test": rng.integers(0, 256, (n_test, 28, 28), dtype=np.uint8),
        "x_train": rng.integers(0, 256, (n_train, 28, 28), dtype=np.uint8),
        "y_train": np.arange(n_train, dtype=np.uint8)[:, None] % 3,
        "y_test": np.arange(n_test, dtype=np.uint8)[:, None] % 3,
    }


@pytest.mark.parametrize("change", [str, str.upper, lambda name: name.replace("x_", "X_"), str.title])
def test_files_of_the_form_of_keras_are_read(change, tmp_path):
    arrays = {change(name): array for name, array in keras_arrays().items()}
    np.savez_compressed(tmp_path / "mnist.npz", **arrays)
    dataset = fastmlp.load_data(tmp_path / "mnist.npz")
    assert (dataset.n_features, dataset.n_classes, dataset.task) == (784, 3, "classification")
    np.testing.assert_array_equal(dataset.X_train, arrays[change("x_train")].reshape(20, 784))
    np.testing.assert_array_equal(dataset.y_test, np.arange(10) % 3)
    X_test, y_test = load_test_set(tmp_path / "mnist.npz")
    assert (X_test.shape, y_test.shape) == ((10, 28, 28), (10, 1))
    assert columns_of_npz(tmp_path / "mnist.npz") is None


def test_labels_in_one_column_are_stratified_and_single_ones_are_trained_on(tmp_path):
    labels = np.array([0] * 50 + [1] * 25 + [7])
    for y in (labels, labels[:, None]):
        np.savez(tmp_path / "x.npz", X=np.arange(76.0)[:, None], y=y)
        dataset = load_npz(tmp_path / "x.npz")
        assert np.bincount(dataset.y_test).tolist() == [10, 5]


def test_the_spelling_that_was_asked_for_is_preferred(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.zeros((10, 2)), X=np.ones((10, 2)), Y=y)
    with pytest.warns(UserWarning, match="not used: x;"):
        assert load_npz(tmp_path / "x.npz").X_train.all()


def test_all_samples_of_an_unsplit_file_are_for_testing(tmp_path):
    np.savez(tmp_path / "x.npz", x=X, y=y)
    for got, expected in zip(load_test_set(tmp_path / "x.npz"), (X, y), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_a_test_set_needs_no_training_set(tmp_path):
    arrays = {"X_test": X[:3], "y_test": y[:3]}
    np.savez(tmp_path / "x.npz", **arrays)
    for array, expected in zip(load_test_set(tmp_path / "x.npz"), arrays.values(), strict=True):
        np.testing.assert_array_equal(array, expected)


def test_the_error_for_a_missing_test_set_lists_what_is_expected(tmp_path):
    np.savez(tmp_path / "odd.npz", X=X)
    with pytest.raises(FileFormatError, match=r"expected the arrays X_test and y_test, or X and y, got X$"):
        load_test_set(tmp_path / "odd.npz")


def test_one_array_per_column_is_a_table(tmp_path):
    table = {
        "x": np.array([1.5, np.nan, 3]),
        "y": np.array([1, 2, 3], dtype=">i4"),
        "is new": np.array([True, False, True]),
        "day": np.array(["2024-01-01", "NaT", "2024-01-03"], dtype="datetime64[D]"),
        "kind": np.array(["ant", "bée", ""]),
        "code": np.array([b"a", "é".encode(), b""]),
    }
    np.savez_compressed(tmp_path / "table.npz", **table)
    columns = columns_of_npz(tmp_path / "table.npz")
    assert list(columns) == list(table)
    for name in list(table)[:-1]:
        np.testing.assert_array_equal(columns[name], table[name])
        assert columns[name].dtype.isnative
    assert columns["code"].tolist() == ["a", "é", ""]


@pytest.mark.parametrize(
    "arrays",
    [
        {"X": X, "y": y},
        {"X": X, "y": y, "names": np.array(["a", None])},
        {"X_test": X, "y_test": y, "names": np.array(["a", None])},
        {"a": y, "b": y[:3]},
        {"a": np.array(3)},
        {"a": y, "b": X},
        {},
    ],
    ids=lambda arrays: " ".join(arrays),
)
def test_arrays_of_another_form_are_no_table(arrays, tmp_path):
    np.savez(tmp_path / "x.npz", **arrays)
    assert columns_of_npz(tmp_path / "x.npz") is None


def test_a_column_of_objects_is_refused_and_the_error_says_how_to_save_it(tmp_path):
    np.savez(tmp_path / "x.npz", a=y[:2], kind=np.array(["ant", None]))
    message = r"x\.npz/kind\.npy holds pickled objects, which may run code; save .* of strings by array\.astype\(str\)"
    with pytest.raises(FileFormatError, match=message):
        columns_of_npz(tmp_path / "x.npz")


def test_a_column_of_other_bytes_than_text_is_refused(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.array([b"\xff"]))
    with pytest.raises(FileFormatError, match=r"x\.npz \(\d+ bytes\) is not an intact \.npz file: .*utf-8"):
        columns_of_npz(tmp_path / "x.npz")


# sparse samples

SPARSE = np.where(X % 3, 0, X)
TARGETS = {name: array for name, array in PARTS.items() if name[0] == "y"}


def write_sparse_folder(folder, parts=(("X_train", SPARSE), ("X_test", SPARSE[:3])), spell=str):
    for name, array in parts:
        sparse.save_npz(folder / f"{spell(name)}.npz", sparse.csr_array(array))
    return write_folder(folder, {spell(name): array for name, array in TARGETS.items()})


@pytest.mark.parametrize("spell", [str, str.lower])
def test_a_folder_of_sparse_samples_is_read(spell, tmp_path):
    parts = (("X_train", SPARSE), ("X_test", SPARSE[:3]), ("X_val", SPARSE[5:]))
    write_sparse_folder(tmp_path, parts, spell)
    write_folder(tmp_path, {spell("y_val"): y[5:], spell("weight_train"): np.arange(10.0)})
    dataset = load_npy(tmp_path, scale="none")
    for name, ref in parts:
        np.testing.assert_array_equal(getattr(dataset, name).toarray(), ref)
    assert (dataset.X_train.format, dataset.X_train.dtype, dataset.task) == ("csr", np.uint8, "classification")
    assert (dataset.name, dataset.weight_train[9], dataset.y_val.tolist()) == (tmp_path.name, 9, y[5:].tolist())


def test_the_path_of_sparse_samples_of_a_folder_loads_all(tmp_path):
    assert load_npy(write_sparse_folder(tmp_path) / "X_test.npz").X_train.shape == X.shape


@pytest.mark.parametrize("name", ["X_train.npz", "new.npz"])
def test_sparse_samples_without_targets_are_refused_with_the_files_to_write(name, tmp_path):
    if name == "new.npz":  # beside a data set that it is no part of
        write_sparse_folder(tmp_path)
    path = tmp_path / name
    sparse.save_npz(path, sparse.csr_array(SPARSE))
    message = (
        rf"{name}: expected samples with targets, got a sparse matrix alone; write X_train\.npz and X_test\.npz by"
    )
    with pytest.raises(DataNotFoundError, match=message):
        load_npy(path)


def test_sparse_targets_are_refused_with_the_files_to_write(tmp_path):
    assert not holds_arrays(tmp_path)
    for name, array in (PARTS | TARGETS).items():
        sparse.save_npz(tmp_path / f"{name}.npz", sparse.csr_array(np.atleast_2d(array)))
    assert holds_arrays(tmp_path)
    message = (
        r"without y_train\.npy, y_test\.npy, but with y_test\.npz, y_train\.npz; save targets, which are dense, by "
        r"numpy\.save, and sparse samples by scipy\.sparse\.save_npz as X_train\.npz and X_test\.npz"
    )
    with pytest.raises(DataNotFoundError, match=message):
        load_data(tmp_path)


def test_a_sparse_matrix_among_arrays_is_refused_with_how_to_save_it(tmp_path):
    np.savez(tmp_path / "all.npz", X=sparse.csr_array(SPARSE), y=y)
    with pytest.raises(FileFormatError, match=r"X\.npy holds pickled objects.*instead; a sparse matrix by scipy"):
        load_data(tmp_path / "all.npz")


def test_samples_in_two_files_and_sparse_beside_dense_ones_are_refused(tmp_path):
    write_sparse_folder(tmp_path)
    np.save(tmp_path / "X_test.npy", X[:3])
    with pytest.raises(DataError, match=r"expected one file with X_test, got X_test\.npy and X_test\.npz; remove one"):
        load_npy(tmp_path)
    (tmp_path / "X_test.npz").unlink()
    with pytest.raises(DataError, match=r"^X_test: expected sparse samples, as X_train, got dense ones"):
        load_npy(tmp_path)


def test_a_foreign_archive_in_place_of_sparse_samples_is_refused(tmp_path):
    write_sparse_folder(tmp_path)
    np.savez(tmp_path / "X_test.npz", X=X)
    with pytest.raises(FileFormatError, match=r"X_test\.npz: expected a sparse matrix, as scipy"):
        load_npy(tmp_path)
