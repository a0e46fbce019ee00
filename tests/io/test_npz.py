import os
import tracemalloc
import zipfile

import numpy as np
import pytest

from fastmlp.errors import DataError, DataNotFoundError, FileFormatError, OutputError
from fastmlp.io.npz import Npz, read_npz, write_npz

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


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_while_an_array_is_written_stays_an_interruption_and_leaves_the_old_file(path, monkeypatch):
    """The zip file cannot be closed then, which is an error of its own."""
    open_member = zipfile.ZipFile.open

    def interrupted(self, *args, **kwargs):
        member = open_member(self, *args, **kwargs)
        raise KeyboardInterrupt(member)

    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "open", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_npz(path, "ramp", 1, {"start": 5}, ARRAYS)
    with read_npz(path, "ramp", 1) as (header, _):
        assert header["start"] == 0
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


def bits_of_names(path):
    """Bits of the list of members (zip central directory), and of the members' own names."""
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        at_members = {
            at for member in archive.infolist() for at in range(member.header_offset, member.header_offset + 50)
        }
        places = sorted(at_members | set(range(archive.start_dir, len(content))))
    return [8 * at + bit for at in places for bit in range(8)]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_no_flipped_bit_of_a_name_hides_an_array(save, tmp_path):
    path, arrays = tmp_path / "x.npz", {"X": np.eye(3), "y": np.arange(3), "weight": np.ones(3)}
    save(path, **arrays)
    valid, refused = path.read_bytes(), 0
    for bit in bits_of_names(path):
        content = bytearray(valid)
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        try:
            with Npz(path) as got:
                assert set(got) == set(arrays)
                for name, ref in arrays.items():
                    np.testing.assert_array_equal(got[name], ref)
        except AssertionError:
            raise
        except Exception:  # damaged files may raise anything; the callers of Npz translate it
            refused += 1
    assert refused > 500


def test_a_damaged_compressed_array_is_refused(tmp_path):
    """Also if only the sum is wrong, which zipfile compares once it has reached the end."""
    path = tmp_path / "x.npz"
    np.savez_compressed(path, y=np.zeros(1000))
    with zipfile.ZipFile(path) as archive:
        (member,) = archive.infolist()
        place = archive.start_dir + 16
    content = bytearray(path.read_bytes())
    assert content[place : place + 4] == member.CRC.to_bytes(4, "little")
    content[place] ^= 1
    path.write_bytes(content)
    with Npz(path) as arrays, pytest.raises(zipfile.BadZipFile, match="Bad CRC-32"):
        arrays["y"]


def test_two_members_of_one_name_are_refused(tmp_path):
    np.savez(tmp_path / "x.npz", y=np.arange(3))
    with zipfile.ZipFile(tmp_path / "x.npz", "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("y.npy", archive.read("y.npy"))
    with pytest.raises(FileFormatError, match=r"expected members of different names, got 2 called 'y\.npy'"):
        Npz(tmp_path / "x.npz")


def test_a_header_that_is_compressed_to_a_small_file_is_refused_before_it_is_read(tmp_path):
    np.savez_compressed(tmp_path / "x.npz", header="[" + "[]," * 1_000_000 + "1]")
    tracemalloc.start()
    assert refuses(tmp_path / "x.npz", "its header is larger than the file, which compresses it")
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_a_small_file_may_be_compressed(path):
    with np.load(path) as arrays:
        np.savez_compressed(path, **dict(arrays))
    with read_npz(path, "ramp", 1) as (header, arrays):
        assert (header["start"], arrays["y"].tolist()) == (0, [0, 1, 2])


def test_an_empty_array_is_read_where_it_is_accepted(tmp_path):
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros((0, 3), np.float32))
    with Npz(tmp_path / "x.npz") as arrays:
        with pytest.raises(DataError, match="is empty"):
            arrays["x"]
        got = arrays.read("x", accepts_empty=True)
    assert (got.shape, got.dtype) == ((0, 3), np.float32)
