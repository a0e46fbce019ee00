import os

import numpy as np
import pytest

from fastmlp.errors import DataNotFoundError, FileFormatError, OutputError
from fastmlp.io.npz import read_npz, write_npz

ARRAYS = {"y": np.arange(3)}


@pytest.fixture
def path(tmp_path):
    write_npz(tmp_path / "ramp.npz", "ramp", 1, {"start": 0}, ARRAYS)
    return tmp_path / "ramp.npz"


def refuses(path, reason, kind="ramp", version=1):
    message = f"{path.name} is not a {kind} that this fastmlp reads: .*{reason}"
    with pytest.raises(FileFormatError, match=message), read_npz(path, kind, version):
        pytest.fail("it was read")
    return True


def test_a_written_file_is_read_back(path):
    with read_npz(path, "ramp", 1) as (header, arrays):
        assert header["start"] == 0
        np.testing.assert_array_equal(arrays["y"], ARRAYS["y"])


def test_a_file_is_replaced_completely(path):
    write_npz(path, "ramp", 1, {"start": 5}, {"y": np.arange(1)})
    with read_npz(path, "ramp", 1) as (header, arrays):
        assert (header["start"], len(arrays["y"])) == (5, 1)
    assert os.listdir(path.parent) == ["ramp.npz"]


def test_an_array_of_objects_is_refused_and_leaves_the_old_file_and_no_other(path):
    before = path.read_bytes()
    with pytest.raises(TypeError, match="array of references"):
        write_npz(path, "ramp", 1, {}, {"y": np.array([object()])})
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["ramp.npz"]


def test_equal_content_gives_equal_files(path, tmp_path):
    write_npz(tmp_path / "second.npz", "ramp", 1, {"start": 0}, ARRAYS)
    assert path.read_bytes() == (tmp_path / "second.npz").read_bytes()


def test_the_error_for_a_folder_that_does_not_exist_has_the_path(tmp_path):
    with pytest.raises(OutputError, match=r"the ramp could not be written to .*ramp\.npz: "):
        write_npz(tmp_path / "nowhere" / "ramp.npz", "ramp", 1, {}, ARRAYS)


def test_the_error_for_a_missing_file_has_its_path(tmp_path):
    with pytest.raises(DataNotFoundError, match=r"there is no ramp at .*ramp\.npz"):
        read_npz(tmp_path / "ramp.npz", "ramp", 1).__enter__()


def test_another_kind_or_version_is_refused(path):
    assert refuses(path, "expected the format 'fastmlp model', got 'fastmlp ramp'", kind="model")
    assert refuses(path, "expected version 2, got 1", version=2)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04", b"\x93NUMPY\x01\x00"])
def test_a_foreign_file_is_refused(content, tmp_path):
    (tmp_path / "x.npz").write_bytes(content)
    assert refuses(tmp_path / "x.npz", "")


def test_other_files_of_numpy_are_refused(tmp_path):
    np.savez(tmp_path / "x.npz", header=np.arange(3))
    np.save(tmp_path / "x.npy", np.arange(3))
    np.savez(tmp_path / "object.npz", header=np.array({"format": "fastmlp ramp"}))
    assert all(refuses(tmp_path / name, "") for name in ("x.npz", "x.npy", "object.npz"))


def test_a_truncated_file_is_refused(path):
    path.write_bytes(path.read_bytes()[:-30])
    assert refuses(path, "")


def test_an_error_in_the_block_is_raised_as_one_of_the_file(path):
    message = r"ramp\.npz is not a ramp that this fastmlp reads: 'end'"
    with pytest.raises(FileFormatError, match=message), read_npz(path, "ramp", 1) as (header, _):
        header["end"]
