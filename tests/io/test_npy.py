"""What an array's file claims is never believed: nothing is allocated for it, and nothing of it is run."""

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
from fastmlp.io import bounded
from fastmlp.io.npy import map_npy, read_npy_header
from fastmlp.io.npz import Npz, write_npz

PARTS = {"X_train": np.eye(4), "y_train": np.arange(4) % 2, "X_test": np.eye(4), "y_test": np.arange(4) % 2}


POSIX = pytest.mark.skipif(os.name == "nt", reason="Windows has other words and no pipes in folders")


def as_npy(shape, dtype="<f4", content=b"\0" * 80, fortran_order=False):
    """An array's bytes, whose header need not be true."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": fortran_order, "shape": shape})
    return file.getvalue() + content


def write_zip(path, compression=zipfile.ZIP_STORED, **members):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


@contextmanager
def little_memory(n_bytes=4 << 20):
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
    """The same file with other bytes for one array."""
    with zipfile.ZipFile(path) as archive:
        members = {other: archive.read(other) for other in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for other, old in members.items():
            archive.writestr(other, content if other == f"{name}.npy" else old)


# models


def test_a_model_whose_header_claims_a_million_million_weights_allocates_nothing(model_npz):
    replace_member(model_npz, "weights_0", as_npy((10**6, 10**6)))
    with little_memory(), pytest.raises(FileFormatError, match=r"208 bytes; its header announces 4,000,000,000,128"):
        fastmlp.load_model(model_npz)


def test_a_model_of_objects_is_refused_and_runs_nothing(model_npz, tmp_path):
    class Malicious:
        def __reduce__(self):
            return open, (str(tmp_path / "made"), "w")

    replace_member(model_npz, "weights_0", as_npy((1,), "|O", pickle.dumps(Malicious())))
    with pytest.raises(FileFormatError, match="holds pickled objects, which may run code"):
        fastmlp.load_model(model_npz)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("shape", [(3,), (3, 2, 2), (3, 5)])
def test_layers_that_do_not_follow_each_other_are_refused(shape, model_npz):
    replace_member(model_npz, "weights_1", as_npy(shape, content=bytes(4 * int(np.prod(shape)))))
    with pytest.raises(FileFormatError, match="are no layers of floats that follow each other"):
        fastmlp.load_model(model_npz)


@pytest.mark.parametrize("sizes", [(1000, 1000, 1000, 10), (3000, 500)])
def test_a_model_takes_little_more_memory_than_its_weights_twice(sizes, tmp_path):
    path = tmp_path / "model.npz"
    fastmlp.init_model(fastmlp.Config(hidden=sizes[1:-1]), sizes[0], sizes[-1]).save(path)
    with little_memory(2 * path.stat().st_size + (1 << 20)):
        fastmlp.load_model(path)


def test_a_header_of_brackets_is_refused(tmp_path):
    header = np.array("[" * 200_000)
    np.savez(tmp_path / "model.npz", header=header)
    with pytest.raises(FileFormatError, match="recursion"):
        fastmlp.load_model(tmp_path / "model.npz")


@POSIX
def test_a_folder_in_a_models_place_is_told(tmp_path):
    with pytest.raises(DataNotFoundError, match="cannot be read: Is a directory"):
        fastmlp.load_model(tmp_path)


# headers


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1), "claims a header of 4,294,967,295 bytes; 10,000 are the"),
        (b"\x93NUMPY\x01\x00\x05\x00{}   ", "a header that cannot be read"),
        (b"\x93NUMPY\x01\x00" + struct.pack("<H", 9000) + b"-" * 9000, "a header that cannot be read"),
        (as_npy((-5, -4)), "which no array has"),
        (as_npy((1,) * 40, content=b"1234"), "which no array has"),
        (as_npy((10**30, 0)), "header announces 128"),
        (as_npy((10**12,), "|V0", b""), "is empty"),
        (as_npy((True, 20)), "which no array has"),
    ],
)
def test_a_header_that_lies_is_refused(content, message):
    with little_memory(), pytest.raises((FileFormatError, DataError), match=message):
        read_npy_header(io.BytesIO(content), len(content), "X.npy")


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_lies_as_it_did(order, tmp_path):
    ref = np.asarray(np.arange(12.0).reshape(3, 4), order=order)
    np.savez_compressed(tmp_path / "x.npz", X=ref)
    np.save(tmp_path / "x.npy", ref)
    with Npz(tmp_path / "x.npz") as arrays:
        for got in (arrays["X"], map_npy(tmp_path / "x.npy")):
            np.testing.assert_array_equal(got, ref)
            assert got.flags.f_contiguous == (order == "F")


# zip archives


def test_a_member_that_claims_what_it_does_not_hold_allocates_nothing(tmp_path):
    """The header and the zip's list agree on 10 MB; the compressed bytes are those of 80."""
    members = {name: as_npy((2, 2)) for name in PARTS} | {"X_train": as_npy((250_000, 10))}
    path = write_zip(tmp_path / "x.npz", zipfile.ZIP_DEFLATED, **members)
    content = path.read_bytes().replace(struct.pack("<I", 208), struct.pack("<I", 10_000_128))
    path.write_bytes(content)
    with little_memory(), pytest.raises(FileFormatError, match=r"not an intact|ends after"):
        load_npz(path)


@pytest.mark.parametrize("n_members", [4, 40])
def test_a_bomb_is_not_unfolded(n_members, tmp_path):
    """Of large arrays, or of many that are each below the bound."""
    n_bytes = (800 << 20) // n_members
    content = as_npy((n_bytes,), "|u1", bytes(n_bytes))
    names = [*PARTS, *(f"more_{i}" for i in range(n_members - 4))]
    path = write_zip(tmp_path / "x.npz", zipfile.ZIP_DEFLATED, **dict.fromkeys(names, content))
    assert path.stat().st_size < 1 << 20
    with (
        little_memory(),
        pytest.raises(FileFormatError, match=r"x\.npz claims to hold 838,86\d,\d+ bytes, 0 of them as they"),
    ):
        load_npz(path)


def test_a_member_that_claims_more_than_its_file_allocates_nothing(tmp_path):
    path = write_zip(tmp_path / "x.npz", **dict.fromkeys(PARTS, as_npy((2, 2))))
    path.write_bytes(path.read_bytes().replace(struct.pack("<II", 208, 208), struct.pack("<II", 208, 10**9)))
    with (
        little_memory(),
        pytest.raises(FileFormatError, match=r"x\.npz claims to hold 4,000,000,000 bytes, 4,000,000,000 of"),
    ):
        load_npz(path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressions_that_numpy_does_not_write_are_refused(compression, tmp_path):
    path = write_zip(tmp_path / "x.npz", compression, **dict.fromkeys(PARTS, as_npy((2, 2))))
    with pytest.raises(FileFormatError, match="compressed in a way that NumPy does not write"):
        load_npz(path)


def test_a_list_of_members_without_end_is_refused(tmp_path):
    path = write_zip(tmp_path / "x.npz", **{f"a{i}": b"" for i in range(20_000)})
    with little_memory(), pytest.raises(FileFormatError, match="list of members longer than 262,144 bytes"):
        load_npz(path)


def test_compressed_data_is_read_while_memory_grows_with_it(tmp_path):
    X = np.zeros((2000, 1000))
    X[:, 0] = np.arange(2000)
    parts = {**PARTS, "X_train": X, "y_train": np.arange(2000) % 2, "X_test": X[:4]}
    np.savez_compressed(tmp_path / "x.npz", **parts)
    with little_memory(2 * X.nbytes + (8 << 20)):
        got = load_npz(tmp_path / "x.npz").X_train
    np.testing.assert_array_equal(got, X)


def test_what_is_gathered_ends_where_the_stream_does():
    content = bytes(range(256)) * 5000
    for n_bytes in (len(content) - 1, len(content), len(content) + 1, 10**15):
        got = bounded.gather(io.BytesIO(content), n_bytes)
        assert got.tobytes() == content[:n_bytes]


# the place


@POSIX
def test_a_folder_in_a_tables_place_is_told(tmp_path):
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(DataNotFoundError, match=r"x\.csv cannot be read: Is a directory"):
        fastmlp.load_data(tmp_path / "x.csv")


@pytest.mark.parametrize("name", ["x" * 5000, "x" * 5000 + ".csv", "a/" * 5000 + "x.npz", "a\0b.npz", "a\0b.csv"])
def test_a_path_that_none_can_be_is_told(name):
    with pytest.raises(DataNotFoundError):
        fastmlp.load_data(name)


@POSIX
def test_nothing_but_a_file_is_written_over(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", tmp_path):
        with pytest.raises(fastmlp.FastMLPError, match="is not a file"):
            write_npz(place, "ramp", 1, {}, {"y": np.arange(3)})
    assert (tmp_path / "pipe").is_fifo()
