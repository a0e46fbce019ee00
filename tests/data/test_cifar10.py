import gzip
import io
import os
import tarfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from fastmlp.data import cifar10
from fastmlp.data.cifar10 import BATCHES, CLASS_NAMES, N_PIXELS, find_cifar10, load_cifar10
from fastmlp.errors import FileFormatError

N = 200  # records per batch: more than one chunk, and not a multiple of it


@pytest.fixture(autouse=True)
def small_files(monkeypatch):
    monkeypatch.setattr(cifar10, "RECORDS", N)


@pytest.fixture
def records():
    """Labels and pixels of the six batches."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 10, (6, N), dtype=np.uint8), rng.integers(0, 256, (6, N, N_PIXELS), dtype=np.uint8)


@pytest.fixture
def contents(records, as_pickled):
    """The bytes of every batch, in both versions."""
    labels, pixels = records
    binary = {
        f"cifar-10-batches-bin/{name}.bin": np.hstack([labels[i][:, None], pixels[i]]).tobytes()
        for i, name in enumerate(BATCHES)
    }
    pickled = {
        f"cifar-10-batches-py/{name}": as_pickled(pixels[i], labels[i].tolist()) for i, name in enumerate(BATCHES)
    }
    return {"binary": binary, "python": pickled}


def write_folder(files: dict[str, bytes], folder: Path) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    return folder / next(iter(files)).split("/")[0]


def write_archive(files: dict[str, bytes], path: Path) -> Path:
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def assert_holds(dataset, records):
    labels, pixels = records
    np.testing.assert_array_equal(dataset.X_train, pixels[:5].reshape(-1, N_PIXELS))
    np.testing.assert_array_equal(dataset.y_train, labels[:5].ravel())
    np.testing.assert_array_equal(dataset.X_test, pixels[5])
    np.testing.assert_array_equal(dataset.y_test, labels[5])
    assert dataset.X_train.dtype == np.uint8
    assert dataset.class_names == CLASS_NAMES


@pytest.mark.parametrize("version", ["binary", "python"])
def test_a_folder_is_found_and_read(version, contents, records, tmp_path):
    folder = write_folder(contents[version], tmp_path)
    assert find_cifar10(tmp_path) == find_cifar10(folder) == folder
    assert_holds(load_cifar10(folder), records)


@pytest.mark.parametrize("version", ["binary", "python"])
def test_an_archive_is_found_and_read_in_place(version, contents, records, tmp_path):
    others = {"cifar-10-batches-bin/readme.html": b"<html>", "cifar-10-batches-bin/batches.meta.txt": b"airplane\n"}
    path = write_archive(others | contents[version], tmp_path / f"cifar-10-{version}.tar.gz")
    assert find_cifar10(tmp_path) == path
    assert_holds(load_cifar10(path), records)
    assert os.listdir(tmp_path) == [path.name]


def test_the_members_of_an_archive_may_come_in_any_order(contents, records, tmp_path):
    reversed_files = dict(reversed(contents["binary"].items()))
    assert_holds(load_cifar10(write_archive(reversed_files, tmp_path / "cifar-10-binary.tar.gz")), records)


def test_an_incomplete_folder_is_not_found(contents, tmp_path):
    folder = write_folder(contents["binary"], tmp_path)
    (folder / "data_batch_3.bin").unlink()
    assert find_cifar10(tmp_path) is None
    with pytest.raises(FileFormatError, match="expected all six batches of CIFAR-10; missing: data_batch_3"):
        load_cifar10(folder)


@pytest.mark.parametrize("n_bytes", [0, 1000, N * 3073 - 1, N * 3073 + 1])
def test_a_binary_batch_of_another_length_is_refused(n_bytes, contents, tmp_path):
    folder = write_folder(contents["binary"], tmp_path)
    (folder / "data_batch_3.bin").write_bytes(bytes(n_bytes))
    message = rf"data_batch_3\.bin: expected a binary batch of CIFAR-10, 614,600 bytes .*, got {n_bytes:,}$"
    with pytest.raises(FileFormatError, match=message):
        load_cifar10(folder)


def test_the_error_for_a_label_beyond_9_has_its_record(contents, tmp_path):
    folder = write_folder(contents["binary"], tmp_path)
    content = bytearray(contents["binary"]["cifar-10-batches-bin/test_batch.bin"])
    content[150 * 3073] = 10
    (folder / "test_batch.bin").write_bytes(content)
    with pytest.raises(FileFormatError, match=r"test_batch\.bin: expected labels 0 to 9, got 10 in record 150"):
        load_cifar10(folder)


def test_pickled_labels_beyond_9_are_refused(records, contents, as_pickled, tmp_path):
    folder = write_folder(contents["python"], tmp_path)
    (folder / "data_batch_1").write_bytes(as_pickled(records[1][0], [3, 77] + [0] * (N - 2)))
    with pytest.raises(FileFormatError, match="data_batch_1: expected labels 0 to 9, got 77 in record 1 "):
        load_cifar10(folder)


@pytest.mark.parametrize(
    ("shape", "n_labels", "message"),
    [
        ((N, 3071), N, "claims to hold"),
        ((3072, N), N, r"expected an array of shape \(200, 3072\)"),
        ((N + 1, 3072), N - 80, "claims to hold 617,472 bytes of pixels; at most 614,400 are left"),
        ((N, 3072), N - 1, "expected a list of 200 integers"),
    ],
)
def test_pickled_arrays_of_other_shapes_are_refused(shape, n_labels, message, contents, as_pickled, tmp_path):
    folder = write_folder(contents["python"], tmp_path)
    (folder / "data_batch_2").write_bytes(as_pickled(np.zeros(shape, dtype=np.uint8), [0] * n_labels))
    with pytest.raises(FileFormatError, match=message):
        load_cifar10(folder)


def test_a_pickle_that_would_run_code_is_refused(contents, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = write_folder(contents["python"], tmp_path)
    program = b"\x80\x02cos\nmkdir\nU\x04made\x85R0" + contents["python"]["cifar-10-batches-py/test_batch"][2:]
    (folder / "test_batch").write_bytes(program)
    with pytest.raises(FileFormatError, match=r"test_batch .* names os\.mkdir"):
        load_cifar10(folder)
    assert not (tmp_path / "made").exists()


def test_a_pickle_longer_than_any_batch_is_not_read(contents, tmp_path):
    folder = write_folder(contents["python"], tmp_path)
    with (folder / "data_batch_1").open("r+b") as file:
        file.truncate(1 << 30)
    message = "expected a pickled batch of CIFAR-10, 614,401 to 627,200 bytes, got 1,073,741,824$"
    with pytest.raises(FileFormatError, match=message):
        load_cifar10(folder)


@pytest.mark.parametrize("n_kept", [0, 10, 1000, 400_000, -5])
def test_a_truncated_archive_is_refused(n_kept, contents, tmp_path):
    path = write_archive(contents["binary"], tmp_path / "cifar-10-binary.tar.gz")
    path.write_bytes(path.read_bytes()[:n_kept])
    with pytest.raises(FileFormatError, match=r"cifar-10-binary\.tar\.gz"):
        load_cifar10(path)


def test_a_damaged_archive_is_refused(contents, tmp_path):
    path = write_archive(contents["binary"], tmp_path / "cifar-10-binary.tar.gz")
    content = bytearray(path.read_bytes())
    content[-6] ^= 1
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match="CRC"):
        load_cifar10(path)


@pytest.mark.parametrize(
    "content", [b"<html>404</html>", gzip.compress(b"no tar", mtime=0), gzip.compress(bytes(10_240), mtime=0)]
)
def test_a_foreign_archive_is_refused(content, tmp_path):
    path = tmp_path / "cifar-10-binary.tar.gz"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"cifar-10-binary\.tar\.gz"):
        load_cifar10(path)


def test_links_in_an_archive_are_not_followed(contents, tmp_path):
    path = tmp_path / "cifar-10-binary.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in contents["binary"]:
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(link)
    with pytest.raises(FileFormatError, match=r"data_batch_1\.bin', a link to '/etc/passwd'; links are not followed"):
        load_cifar10(path)


@pytest.mark.parametrize("name", ["../data_batch_1.bin", "/data_batch_1.bin", "a/../../data_batch_1.bin"])
def test_a_path_outside_the_archives_folder_is_refused(name, contents, tmp_path):
    files = {name: next(iter(contents["binary"].values()))} | contents["binary"]
    path = write_archive(files, tmp_path / "cifar-10-binary.tar.gz")
    with pytest.raises(FileFormatError, match="a path outside the archive's folder"):
        load_cifar10(path)


@pytest.mark.parametrize("kind", [tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.GNUTYPE_SPARSE])
def test_a_member_that_is_neither_a_file_nor_a_folder_is_refused(kind, tmp_path):
    path = tmp_path / "cifar-10-binary.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo("data_batch_1.bin")
        member.type = kind
        archive.addfile(member)
    with pytest.raises(FileFormatError, match="neither a file nor a folder"):
        load_cifar10(path)


def test_an_archive_of_many_files_is_refused(contents, tmp_path):
    path = write_archive({f"{i}": b"" for i in range(1000)}, tmp_path / "cifar-10-binary.tar.gz")
    with pytest.raises(FileFormatError, match="expected an archive of CIFAR-10, got one of more than 64 files"):
        load_cifar10(path)


def test_a_long_name_in_an_archive_is_not_read_into_memory(tmp_path):
    path = write_archive({"a" * 10_000_000: b""}, tmp_path / "cifar-10-binary.tar.gz")
    tracemalloc.start()
    with pytest.raises(FileFormatError, match="claims to hold"):
        load_cifar10(path)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 6 * N * N_PIXELS + (4 << 20)


def test_an_archive_with_a_decompression_bomb_is_refused(contents, tmp_path):
    path = write_archive(contents["binary"] | {"bomb": bytes(20_000_000)}, tmp_path / "cifar-10-binary.tar.gz")
    with pytest.raises(FileFormatError, match="claims to hold"):
        load_cifar10(path)


def test_loading_takes_little_more_memory_than_that_of_the_pixels(contents, records, tmp_path):
    folder = write_folder(contents["binary"], tmp_path)
    tracemalloc.start()
    load_cifar10(folder)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < records[1].nbytes + (3 << 18)


def test_the_official_files_are_read(monkeypatch, real_cifar10):
    monkeypatch.setattr(cifar10, "RECORDS", 10_000)
    dataset = load_cifar10(real_cifar10)
    assert dataset.X_train.shape == (50_000, 3072)
    assert dataset.majority_accuracy == 0.1
    assert dataset.y_train[:10].tolist() == [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]
    assert dataset.checksum()[:12] == "af649d2fc35f"
