import gzip
import re
import struct
import tracemalloc

import numpy as np
import pytest

import fastmlp
from fastmlp.data.idx import CLASS_COUNTS, FIRST_LABELS, PARTS, find_idx, identify_labels, load_idx, read_idx
from fastmlp.errors import DataError, DataNotFoundError, FileFormatError

IMAGES = np.arange(10 * 3 * 2, dtype=np.uint8).reshape(10, 3, 2)
LABELS = np.arange(10, dtype=np.uint8)


def as_idx(array, magic=None, shape=None) -> bytes:
    shape = array.shape if shape is None else shape
    magic = bytes([0, 0, 8, len(shape)]) if magic is None else magic
    return magic + struct.pack(f">{len(shape)}I", *shape) + array.tobytes()


#: Of files of the right names that are not the official ones.
OTHERS = pytest.mark.filterwarnings("ignore:.*expected the files of .*mnist, got others:UserWarning")


def official_labels(name):
    """Labels in another order than the official ones, but for the first; as many of each class."""
    rest = np.array(CLASS_COUNTS[name]) - np.bincount(FIRST_LABELS[name], minlength=10)
    return np.concatenate([FIRST_LABELS[name], np.repeat(np.arange(10), rest)]).astype(np.uint8)


def write_official(folder, name):
    """Images of one pixel with the labels of a data set, under the names that both have."""
    labels = official_labels(name)
    images = np.zeros((len(labels), 1, 1), dtype=np.uint8)
    folder.mkdir(parents=True)
    for part, n_dims in PARTS.items():
        (folder / f"{part}-idx{n_dims}-ubyte").write_bytes(as_idx(images if n_dims == 3 else labels))
    return folder


def write_mnist(folder, spelling="{part}-idx{n_dims}-ubyte", zipped=False):
    folder.mkdir(parents=True, exist_ok=True)
    for part, n_dims in PARTS.items():
        content = as_idx(IMAGES if n_dims == 3 else LABELS)
        name = spelling.format(part=part, n_dims=n_dims) + (".gz" if zipped else "")
        (folder / name).write_bytes(gzip.compress(content) if zipped else content)
    return folder


@OTHERS
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("spelling", ["{part}-idx{n_dims}-ubyte", "{part}.idx{n_dims}-ubyte"])
def test_four_files_in_either_spelling_are_read(spelling, zipped, tmp_path):
    dataset = load_idx(write_mnist(tmp_path, spelling, zipped))
    np.testing.assert_array_equal(dataset.X_train, IMAGES.reshape(10, 6))
    np.testing.assert_array_equal(dataset.y_test, LABELS)
    assert dataset.X_train.dtype == np.uint8
    assert dataset.n_classes == 10


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_a_data_set_is_found_in_its_folder(name, tmp_path):
    folder = write_mnist(tmp_path / name)
    assert find_idx(tmp_path, name) == find_idx(folder, name) == folder


def test_files_outside_a_folder_of_a_data_set_are_mnist(tmp_path):
    write_mnist(tmp_path)
    assert find_idx(tmp_path, "mnist") == tmp_path
    assert find_idx(tmp_path, "fashion-mnist") is None


def test_an_incomplete_folder_is_not_found(tmp_path):
    write_mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    assert find_idx(tmp_path, "mnist") is None
    with pytest.raises(DataNotFoundError, match="expected a file t10k-labels-idx1-ubyte, gzipped or not, got none"):
        load_idx(tmp_path)


@pytest.mark.parametrize(("name", "last_class"), [("mnist", "9"), ("fashion-mnist", "Ankle boot")])
def test_class_names_are_those_of_the_official_labels(name, last_class, tmp_path):
    write_official(tmp_path / name, name)
    assert fastmlp.load_data(name, tmp_path).class_names[9] == last_class


@pytest.mark.parametrize(("name", "other"), [("mnist", "fashion-mnist"), ("fashion-mnist", "mnist")])
def test_the_files_of_one_data_set_are_refused_as_the_other(name, other, tmp_path):
    folder = write_official(tmp_path / name, other)
    message = f"{folder}: expected the files of {name}, got those of {other}; move them into a folder called {other}"
    with pytest.raises(FileFormatError, match=f"^{re.escape(message)}"):
        fastmlp.load_data(name, tmp_path)


def test_files_of_another_data_set_have_no_class_names_and_a_warning_tells(tmp_path):
    folder = write_mnist(tmp_path / "fashion-mnist")
    with pytest.warns(UserWarning, match="expected the files of fashion-mnist, got others of the same") as warned:
        dataset = fastmlp.load_data("fashion-mnist", tmp_path)
    assert dataset.class_names is None
    assert str(warned[0].message).startswith(f"{folder}: ")
    assert warned[0].filename == __file__


@pytest.mark.parametrize("change", [lambda y: y[:-1], lambda y: y[::-1], lambda y: y + 1, lambda y: y.reshape(-1, 2)])
def test_other_labels_than_the_official_ones_are_of_no_known_data_set(change):
    assert identify_labels(change(official_labels("mnist"))) is None


def test_a_file_that_was_unpacked_but_kept_its_name_is_read(tmp_path):
    (tmp_path / "labels.gz").write_bytes(as_idx(LABELS))
    np.testing.assert_array_equal(read_idx(tmp_path / "labels.gz", 1), LABELS)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "begins with <00 00 08 03>, got <>"),
        (b"<html>", "begins with <00 00 08 03>, got <3c 68 74"),
        (as_idx(LABELS), "begins with <00 00 08 03>, got <00 00 08 01"),
        (as_idx(IMAGES, magic=bytes([0, 0, 13, 3])), "begins with <00 00 08 03>, got <00 00 0d 03"),
        (as_idx(IMAGES)[:10], "header of 16 bytes"),
        (as_idx(IMAGES)[:-1], "expected 76 bytes according to its header, got 75"),
        (as_idx(IMAGES) + b"\0", "expected 76 bytes according to its header, got (77|more)"),
        (as_idx(IMAGES, shape=(2**31, 2**31, 2**31)), "9,903,520,314,283,042,199,192,993,808"),
    ],
)
def test_a_damaged_file_of_images_is_refused(content, message, zipped, tmp_path):
    path = tmp_path / ("images.gz" if zipped else "images")
    path.write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(FileFormatError, match=message):
        read_idx(path, n_dims=3)


@pytest.mark.parametrize("damage", [lambda content: content[:-9], lambda content: content[:-5] + b"x" + content[-4:]])
def test_the_error_for_a_damaged_gzip_file_has_its_length(damage, tmp_path):
    path = tmp_path / "labels.gz"
    path.write_bytes(damage(gzip.compress(as_idx(LABELS))))
    with pytest.raises(FileFormatError, match=r"labels\.gz \(\d+ bytes\) is not an intact gzip file"):
        read_idx(path, n_dims=1)


def test_a_gzip_bomb_is_not_decompressed_beyond_the_length_in_its_header(tmp_path):
    path = tmp_path / "labels.gz"
    path.write_bytes(gzip.compress(as_idx(np.zeros(100_000_000, dtype=np.uint8), shape=(10,)), compresslevel=1))
    tracemalloc.start()
    with pytest.raises(FileFormatError, match="expected 18 bytes according to its header, got more"):
        read_idx(path, n_dims=1)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 1 << 20


def test_a_gzipped_file_shorter_than_its_header_says_allocates_nothing(tmp_path):
    path = tmp_path / "labels.gz"
    path.write_bytes(gzip.compress(as_idx(LABELS, shape=(60_000_000,))))
    tracemalloc.start()
    with pytest.raises(FileFormatError, match="expected 60,000,008 bytes according to its header, got 18"):
        read_idx(path, n_dims=1)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 1 << 20


def test_a_gzipped_file_with_a_header_for_more_than_the_maximum_is_refused(tmp_path):
    path = tmp_path / "labels.gz"
    path.write_bytes(gzip.compress(as_idx(LABELS, shape=(2**32 - 1,))))
    message = "expected at most 67,108,864 decompressed bytes, got a header for 4,294,967,303"
    with pytest.raises(FileFormatError, match=message):
        read_idx(path, n_dims=1)


def test_another_number_of_labels_than_of_images_is_refused(tmp_path):
    write_mnist(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(as_idx(LABELS[:9]))
    with pytest.raises(DataError, match="y_train: expected 10 labels, one per sample, got 9"):
        load_idx(tmp_path)
