import gzip
import os
import re
import struct

import numpy as np
import pytest

from fastmlp.data.idx_pair import is_idx, load_idx_path, load_idx_test_set
from fastmlp.errors import DataError, DataNotFoundError, FileFormatError

MNIST = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def as_idx(array) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_pair(folder, images, labels, n=20, first=0):
    """Images whose pixels are their number, and labels 3, 4 and 5."""
    for name, array in (
        (images, np.repeat(np.arange(first, first + n), 6).reshape(n, 3, 2)),
        (labels, np.arange(n) % 3 + 3),
    ):
        content = as_idx(array.astype(np.uint8))
        (folder / name).write_bytes(gzip.compress(content) if name.lower().endswith("gz") else content)


def write_four(folder, names=MNIST):
    write_pair(folder, *names[:2])
    write_pair(folder, *names[2:], n=6, first=100)
    return folder


def renamed(pattern):
    return [name.replace("-idx", pattern) for name in MNIST]


@pytest.mark.parametrize(
    "names",
    [
        MNIST,
        [f"{name}.gz" for name in MNIST],
        [f"{name.upper()}.GZ" for name in MNIST],
        renamed(".idx"),
        [f"emnist-letters-{name.replace('t10k', 'test')}.gz" for name in MNIST],
        ["train_images.idx", "train_labels.idx", "test_images.idx", "test_labels.idx"],
        ["images", "labels", "test.images", "test.labels"],
    ],
    ids=lambda names: names[0],
)
def test_each_file_and_the_folder_load_the_whole_data_set(names, tmp_path):
    write_four(tmp_path, names)
    (tmp_path / "mapping.txt").write_text("3 51\n")
    for path in (tmp_path, *(tmp_path / name for name in names)):
        assert is_idx(path)
        dataset = load_idx_path(path, "none")
        assert dataset.X_train[:, 0].tolist() == list(range(20))
        assert dataset.X_test[:, 5].tolist() == list(range(100, 106))
        assert (dataset.classes.tolist(), dataset.class_names, dataset.scale) == ([3, 4, 5], None, "none")
        assert dataset.name == ("emnist-letters" if "emnist" in names[0] else tmp_path.name)
        assert load_idx_test_set(path)[0][:, 0, 0].tolist() == list(range(100, 106))


def test_the_data_set_is_that_of_the_file_and_a_folder_of_several_is_refused(tmp_path):
    write_four(tmp_path, [f"emnist-letters-{name}" for name in MNIST])
    write_pair(tmp_path, "emnist-digits-train-images-idx3-ubyte", "emnist-digits-train-labels-idx1-ubyte", 30)
    assert len(load_idx_path(tmp_path / "emnist-letters-train-labels-idx1-ubyte").X_train) == 20
    assert len(load_idx_path(tmp_path / "emnist-digits-train-images-idx3-ubyte").X_train) == 24
    message = (
        "got several: emnist-digits-train-images-idx3-ubyte, emnist-letters-t10k-images-idx3-ubyte, emnist-letters"
    )
    with pytest.raises(DataError, match=message):
        load_idx_path(tmp_path)


def test_a_fifth_is_held_out_of_a_single_pair_and_all_of_it_is_tested(tmp_path):
    write_pair(tmp_path, "train-images-idx3-ubyte", "train-labels-idx1-ubyte")
    dataset = load_idx_path(tmp_path)
    assert (len(dataset.X_train), len(dataset.X_test)) == (16, 4)
    assert sorted([*dataset.X_train[:, 0], *dataset.X_test[:, 0]]) == list(range(20))
    X, y = load_idx_test_set(tmp_path)
    assert (X.shape, y.shape) == ((20, 3, 2), (20,))
    assert load_idx_path(tmp_path, task="regression").task == "regression"


def test_files_of_other_names_are_paired_by_their_number_of_samples(tmp_path):
    write_pair(tmp_path, "pictures.bin", "kinds.bin")
    assert len(load_idx_path(tmp_path / "kinds.bin").X_train) == 16


def test_the_given_file_is_read_and_not_its_copy(tmp_path):
    write_four(tmp_path)
    write_pair(tmp_path, f"{MNIST[0]}.gz", "labels", first=50)
    (tmp_path / "labels").unlink()
    assert load_idx_path(tmp_path / f"{MNIST[0]}.gz").X_train[0, 0] == 50
    assert load_idx_path(tmp_path / MNIST[0]).X_train[0, 0] == 0
    assert load_idx_path(tmp_path).X_train[0, 0] == 0


def test_test_files_alone_are_for_testing_only(tmp_path):
    write_pair(tmp_path, *MNIST[2:])
    message = r"expected images and labels for training beside t10k-images-idx3-ubyte, got none; add them, or"
    with pytest.raises(DataNotFoundError, match=message):
        load_idx_path(tmp_path)
    assert len(load_idx_test_set(tmp_path)[0]) == 20


@pytest.mark.parametrize("missing", range(4))
def test_a_missing_file_is_an_error_that_names_the_one_without_it(missing, tmp_path):
    write_four(tmp_path)
    (tmp_path / MNIST[missing]).unlink()
    rest = MNIST[missing ^ 1]
    message = f"got {rest} ({20 if missing < 2 else 6}) without the other"
    for path in (tmp_path, tmp_path / rest):
        with pytest.raises(DataNotFoundError, match=re.escape(message)):
            load_idx_path(path)


def test_another_number_of_labels_than_of_images_is_refused(tmp_path):
    write_four(tmp_path)
    (tmp_path / MNIST[1]).write_bytes(as_idx(np.arange(19, dtype=np.uint8)))
    message = r"train-images-idx3-ubyte and train-labels-idx1-ubyte: .*, got 20 images and 19 labels"
    with pytest.raises(DataError, match=message):
        load_idx_path(tmp_path)


def test_an_idx_file_of_floats_is_refused(tmp_path):
    write_four(tmp_path)
    content = (tmp_path / MNIST[0]).read_bytes()
    (tmp_path / MNIST[0]).write_bytes(content[:2] + b"\x0d" + content[3:])
    with pytest.raises(FileFormatError, match=r"begins with <00 00 08 03>, got <00 00 0d 03"):
        load_idx_path(tmp_path)


SHORT_GZIP = gzip.compress(b"a,b", mtime=0)[:-9]


@pytest.mark.parametrize(
    "content",
    [b"", b"\0\0\x08", b"a,b\n1,2\n", b"\0\0\x07\x01", b"\0\0\x08\0", b"\x1f\x8bno", SHORT_GZIP],
)
def test_other_files_are_no_idx_files(content, tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(content)
    assert not is_idx(tmp_path / "train-images-idx3-ubyte")
    assert not is_idx(tmp_path)
    with pytest.raises(DataNotFoundError, match="expected idx files of images and of as many labels, got none"):
        load_idx_path(tmp_path)


def test_a_pipe_is_no_idx_file(tmp_path):
    if os.name == "nt":
        pytest.skip("Windows has no named pipes in folders")
    os.mkfifo(tmp_path / "pipe")
    assert not is_idx(tmp_path / "pipe")
    assert not is_idx(tmp_path)
