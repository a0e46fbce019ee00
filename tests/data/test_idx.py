import gzip
import struct
import tracemalloc

import numpy as np
import pytest

from fastmlp.data.idx import PARTS, find_idx, load_idx, read_idx
from fastmlp.errors import DataError, DataNotFoundError, FileFormatError

IMAGES = np.arange(10 * 3 * 2, dtype=np.uint8).reshape(10, 3, 2)
LABELS = np.arange(10, dtype=np.uint8)


def as_idx(array, magic=None, shape=None) -> bytes:
    shape = array.shape if shape is None else shape
    magic = bytes([0, 0, 8, len(shape)]) if magic is None else magic
    return magic + struct.pack(f">{len(shape)}I", *shape) + array.tobytes()


def write_mnist(folder, spelling="{part}-idx{n_dims}-ubyte", zipped=False):
    folder.mkdir(parents=True, exist_ok=True)
    for part, n_dims in PARTS.items():
        content = as_idx(IMAGES if n_dims == 3 else LABELS)
        name = spelling.format(part=part, n_dims=n_dims) + (".gz" if zipped else "")
        (folder / name).write_bytes(gzip.compress(content) if zipped else content)
    return folder


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


def test_files_without_a_folder_are_mnist(tmp_path):
    write_mnist(tmp_path)
    assert find_idx(tmp_path, "mnist") == tmp_path
    assert find_idx(tmp_path, "fashion-mnist") is None


def test_an_incomplete_folder_is_not_found(tmp_path):
    write_mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    assert find_idx(tmp_path, "mnist") is None
    with pytest.raises(DataNotFoundError, match="holds no t10k-labels-idx1-ubyte"):
        load_idx(tmp_path)


def test_fashion_has_its_own_class_names(tmp_path):
    assert load_idx(write_mnist(tmp_path), name="fashion-mnist").class_names[9] == "Ankle boot"


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "begins with the bytes <>"),
        (b"<html>", "begins with the bytes <3c 68 74"),
        (as_idx(LABELS), "begins with the bytes <00 00 08 01"),
        (as_idx(IMAGES, magic=bytes([0, 0, 13, 3])), "begins with the bytes <00 00 0d 03"),
        (as_idx(IMAGES)[:10], "header of 16 bytes"),
        (as_idx(IMAGES)[:-1], "75"),
        (as_idx(IMAGES) + b"\0", "76"),
        (as_idx(IMAGES, shape=(2**31, 2**31, 2**31)), "announces"),
    ],
)
def test_what_is_not_an_intact_file_of_images_is_refused(content, message, zipped, tmp_path):
    path = tmp_path / ("images.gz" if zipped else "images")
    path.write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(FileFormatError, match=message):
        read_idx(path, n_dims=3)


@pytest.mark.parametrize("damage", [lambda content: content[:-9], lambda content: content[:-5] + b"x" + content[-4:]])
def test_a_damaged_gzip_file_is_refused_with_its_length(damage, tmp_path):
    path = tmp_path / "labels.gz"
    path.write_bytes(damage(gzip.compress(as_idx(LABELS))))
    with pytest.raises(FileFormatError, match=r"labels\.gz \(\d+ bytes\) is not an intact gzip file"):
        read_idx(path, n_dims=1)


def test_a_gzip_bomb_is_not_unfolded_beyond_what_its_header_announces(tmp_path):
    path = tmp_path / "labels.gz"
    path.write_bytes(gzip.compress(as_idx(np.zeros(100_000_000, dtype=np.uint8), shape=(10,)), compresslevel=1))
    tracemalloc.start()
    with pytest.raises(FileFormatError, match="goes on after the 18 bytes"):
        read_idx(path, n_dims=1)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 1 << 20


def test_a_gzipped_file_that_announces_what_does_not_follow_allocates_nothing(tmp_path):
    path = tmp_path / "labels.gz"
    path.write_bytes(gzip.compress(as_idx(LABELS, shape=(60_000_000,))))
    tracemalloc.start()
    with pytest.raises(FileFormatError, match="ends after 18 of the 60,000,008 bytes it announces"):
        read_idx(path, n_dims=1)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 1 << 20


def test_a_gzipped_file_that_would_fill_the_memory_is_refused(tmp_path):
    path = tmp_path / "labels.gz"
    path.write_bytes(gzip.compress(as_idx(LABELS, shape=(2**32 - 1,))))
    with pytest.raises(FileFormatError, match="its header announces 4,294,967,303"):
        read_idx(path, n_dims=1)


def test_a_label_beyond_9_is_refused(tmp_path):
    write_mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(as_idx(LABELS + 1))
    with pytest.raises(DataError, match="y_test holds the label 10 at index 9"):
        load_idx(tmp_path)


def test_as_many_labels_as_images_are_expected(tmp_path):
    write_mnist(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(as_idx(LABELS[:9]))
    with pytest.raises(DataError, match="9 labels for 10 samples"):
        load_idx(tmp_path)
