"""Arrays, archives and models with false headers: no memory is allocated for them, and none of their code is run."""

import io
import os
import pickle
import struct
import tracemalloc
import zipfile
from contextlib import contextmanager

import numpy as np
import pytest

import fastmlp
from fastmlp.data.arrays import load_npz
from fastmlp.errors import DataError, DataNotFoundError, FileFormatError
from fastmlp.io.npy import map_npy, read_npy_header
from fastmlp.io.npz import Npz

PARTS = {"X_train": np.eye(4), "y_train": np.arange(4) % 2, "X_test": np.eye(4), "y_test": np.arange(4) % 2}


POSIX = pytest.mark.skipif(os.name == "nt", reason="Windows has other error messages")


def as_npy(shape, dtype="<f4", content=b"\0" * 80, fortran_order=False):
    """The bytes of a .npy file whose header need not match its content."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": fortran_order, "shape": shape})
    return file.getvalue() + content


def write_zip(path, compression=zipfile.ZIP_STORED, **members):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


@contextmanager
def limited_memory(n_bytes=4 << 20):
    """Assert that the peak memory of a block stays below a limit."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < n_bytes
    finally:
        tracemalloc.stop()


@pytest.fixture
def model_npz(tmp_path):
    model = fastmlp.init_model(fastmlp.Config(hidden=(4,)), n_features=3, n_classes=2)
    model.save(tmp_path / "model.npz")
    return tmp_path / "model.npz"


def replace_member(path, name, content):
    """Replace the bytes of one array in an archive."""
    with zipfile.ZipFile(path) as archive:
        members = {other: archive.read(other) for other in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for other, old in members.items():
            archive.writestr(other, content if other == f"{name}.npy" else old)


# models


def test_a_model_whose_header_claims_a_trillion_weights_allocates_nothing(model_npz):
    replace_member(model_npz, "weights_0", as_npy((10**6, 10**6)))
    message = r"weights_0\.npy: expected 4,000,000,000,128 bytes according to its header, got 208"
    with limited_memory(), pytest.raises(FileFormatError, match=message):
        fastmlp.load_model(model_npz)


def test_a_model_of_pickled_objects_is_refused_and_runs_no_code(model_npz, tmp_path):
    class Malicious:
        def __reduce__(self):
            return open, (str(tmp_path / "made"), "w")

    replace_member(model_npz, "weights_0", as_npy((1,), "|O", pickle.dumps(Malicious())))
    with pytest.raises(FileFormatError, match="holds pickled objects, which may run code"):
        fastmlp.load_model(model_npz)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("shape", [(3,), (3, 2, 2), (3, 5)])
def test_layers_whose_sizes_do_not_match_are_refused(shape, model_npz):
    replace_member(model_npz, "weights_1", as_npy(shape, content=bytes(4 * int(np.prod(shape)))))
    with pytest.raises(FileFormatError, match="expected floating-point matrices, each with as many rows"):
        fastmlp.load_model(model_npz)


@pytest.mark.parametrize("sizes", [(1000, 1000, 1000, 10), (3000, 500)])
def test_loading_a_model_takes_little_more_memory_than_twice_its_weights(sizes, tmp_path):
    path = tmp_path / "model.npz"
    fastmlp.init_model(fastmlp.Config(hidden=sizes[1:-1]), sizes[0], sizes[-1]).save(path)
    with limited_memory(2 * path.stat().st_size + (1 << 20)):
        fastmlp.load_model(path)


def test_a_header_of_nested_brackets_is_refused(tmp_path):
    header = np.array("[" * 200_000)
    np.savez(tmp_path / "model.npz", header=header)
    with pytest.raises(FileFormatError, match="recursion"):
        fastmlp.load_model(tmp_path / "model.npz")


@POSIX
def test_a_folder_in_place_of_a_model_is_an_error(tmp_path):
    with pytest.raises(DataNotFoundError, match="cannot be read: expected a regular file, got a directory"):
        fastmlp.load_model(tmp_path)


# headers


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"no array",
            "expected an array, which begins with the bytes <93 4e 55 4d 50 59>, got <6e 6f 20 61 72 72 61 79>",
        ),
        (b"\x93NUMPY\x09\x00" + bytes(80), r"expected version 1\.0 or 2\.0 of the \.npy format, got 9\.0"),
        (
            b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1),
            "expected a header of at most 10,000 bytes, got 4,294,967,295",
        ),
        (b"\x93NUMPY\x01\x00\x05\x00{}   ", "an invalid header"),
        (b"\x93NUMPY\x01\x00" + struct.pack("<H", 9000) + b"-" * 9000, "an invalid header"),
        (as_npy((-5, -4)), r"expected a shape of at most 32 integers >= 0 in the header, got \(-5, -4\)"),
        (as_npy((1,) * 40, content=b"1234"), r"expected a shape of at most 32 integers >= 0 in the header, got \(1, 1"),
        (as_npy((10**30, 0)), "expected 128 bytes according to its header, got 208"),
        (as_npy((10**12,), "|V0", b""), "is empty"),
        (as_npy((True, 20)), r"expected a shape of at most 32 integers >= 0 in the header, got \(True, 20\)"),
    ],
)
def test_a_false_header_is_refused(content, message):
    with limited_memory(), pytest.raises((FileFormatError, DataError), match=rf"X\.npy.* {message}"):
        read_npy_header(io.BytesIO(content), len(content), "X.npy")


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_memory_layout_of_an_array_is_preserved(order, tmp_path):
    ref = np.asarray(np.arange(12.0).reshape(3, 4), order=order)
    np.savez_compressed(tmp_path / "x.npz", X=ref)
    np.save(tmp_path / "x.npy", ref)
    with Npz(tmp_path / "x.npz") as arrays:
        for got in (arrays["X"], map_npy(tmp_path / "x.npy")):
            np.testing.assert_array_equal(got, ref)
            assert got.flags.f_contiguous == (order == "F")


# zip archives


def test_a_compressed_member_that_is_shorter_than_its_header_allocates_nothing(tmp_path):
    """The header and the zip's central directory agree on 10 MB; the compressed data has 80 bytes."""
    members = {name: as_npy((2, 2)) for name in PARTS} | {"X_train": as_npy((250_000, 10))}
    path = write_zip(tmp_path / "x.npz", zipfile.ZIP_DEFLATED, **members)
    content = path.read_bytes().replace(struct.pack("<I", 208), struct.pack("<I", 10_000_128))
    path.write_bytes(content)
    with limited_memory(), pytest.raises(FileFormatError, match=r"not an intact|ends after"):
        load_npz(path)


@pytest.mark.parametrize("n_members", [4, 40])
def test_a_decompression_bomb_is_refused(n_members, tmp_path):
    """Made of large arrays, or of many arrays that are each below the bound."""
    n_bytes = (800 << 20) // n_members
    content = as_npy((n_bytes,), "|u1", bytes(n_bytes))
    names = [*PARTS, *(f"more_{i}" for i in range(n_members - 4))]
    path = write_zip(tmp_path / "x.npz", zipfile.ZIP_DEFLATED, **dict.fromkeys(names, content))
    assert path.stat().st_size < 1 << 20
    message = r"x\.npz claims to hold 838,86\d,\d+ bytes, 0 of them uncompressed; .* at most \d+,\d+"
    with limited_memory(), pytest.raises(FileFormatError, match=message):
        load_npz(path)


def test_an_uncompressed_member_larger_than_its_file_allocates_nothing(tmp_path):
    path = write_zip(tmp_path / "x.npz", **dict.fromkeys(PARTS, as_npy((2, 2))))
    path.write_bytes(path.read_bytes().replace(struct.pack("<II", 208, 208), struct.pack("<II", 208, 10**9)))
    message = (
        r"x\.npz claims to hold 4,000,000,000 bytes, 4,000,000,000 of them uncompressed; the file has [\d,]+ bytes"
    )
    with limited_memory(), pytest.raises(FileFormatError, match=message):
        load_npz(path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compression_methods_that_numpy_does_not_write_are_refused(compression, tmp_path):
    path = write_zip(tmp_path / "x.npz", compression, **dict.fromkeys(PARTS, as_npy((2, 2))))
    message = f"expected no compression or deflate, which NumPy writes, got .* compression method {compression}"
    with pytest.raises(FileFormatError, match=message):
        load_npz(path)


def test_a_long_central_directory_is_refused(tmp_path):
    path = write_zip(tmp_path / "x.npz", **{f"a{i}": b"" for i in range(20_000)})
    message = r"expected a list of members \(zip central directory\) of at most 262,144 bytes, got a longer one"
    with limited_memory(), pytest.raises(FileFormatError, match=message):
        load_npz(path)


def test_compressed_data_takes_memory_as_its_bytes_arrive(tmp_path):
    X = np.zeros((2000, 1000))
    X[:, 0] = np.arange(2000)
    parts = {**PARTS, "X_train": X, "y_train": np.arange(2000) % 2, "X_test": X[:4]}
    np.savez_compressed(tmp_path / "x.npz", **parts)
    with limited_memory(2 * X.nbytes + (8 << 20)):
        got = load_npz(tmp_path / "x.npz").X_train
    np.testing.assert_array_equal(got, X)


# paths


@POSIX
def test_a_folder_in_place_of_a_table_is_an_error(tmp_path):
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(DataNotFoundError, match=r"x\.csv cannot be read: expected a regular file, got a directory"):
        fastmlp.load_data(tmp_path / "x.csv")


@pytest.mark.parametrize("name", ["x" * 5000, "x" * 5000 + ".csv", "a/" * 5000 + "x.npz", "a\0b.npz", "a\0b.csv"])
def test_an_impossible_path_is_not_found(name):
    with pytest.raises(DataNotFoundError):
        fastmlp.load_data(name)
