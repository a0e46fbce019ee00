import os
import stat
import subprocess
import sys
import threading

import pytest

from fastmlp.errors import OutputError
from fastmlp.io.atomic import sync, temporary_prefix, write_atomic

POSIX = pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions, and no named pipes in folders")


@pytest.fixture
def path(tmp_path):
    (tmp_path / "note.txt").write_bytes(b"old")
    return tmp_path / "note.txt"


def test_a_file_is_replaced_completely(path):
    write_atomic(path, "note", lambda file: file.write(b"new"))
    assert path.read_bytes() == b"new"
    assert os.listdir(path.parent) == ["note.txt"]


def test_the_old_file_stays_until_the_new_one_is_complete(path):
    def write(file):
        file.write(b"half")
        file.flush()
        temporary = set(os.listdir(path.parent)) - {"note.txt"}
        assert [name.startswith(temporary_prefix(path)) for name in temporary] == [True]
        assert path.read_bytes() == b"old"

    write_atomic(path, "note", write)
    assert path.read_bytes() == b"half"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_and_no_other(path, error):
    def write(file):
        file.write(b"half")
        raise error("stop")

    with pytest.raises(error, match="stop"):
        write_atomic(path, "note", write)
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == ["note.txt"]


def test_the_replaced_file_is_kept_under_another_name_on_request(path):
    previous = path.with_name("previous.txt")
    for content in (b"first", b"second"):
        write_atomic(path, "note", lambda file, content=content: file.write(content), previous)
    assert (path.read_bytes(), previous.read_bytes()) == (b"second", b"first")


def test_a_first_file_has_no_previous_one(tmp_path):
    write_atomic(tmp_path / "note.txt", "note", lambda file: file.write(b"new"), tmp_path / "previous.txt")
    assert os.listdir(tmp_path) == ["note.txt"]


def test_threads_that_write_one_path_at_the_same_time_each_write_a_complete_file(path):
    contents = [bytes([letter]) * 100_000 for letter in b"abcd"]
    threads = [
        threading.Thread(target=write_atomic, args=(path, "note", lambda file, content=content: file.write(content)))
        for content in contents
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in contents
    assert os.listdir(path.parent) == ["note.txt"]


@POSIX
def test_the_umask_decides_who_may_read_a_file(tmp_path):
    (tmp_path / "plain").touch()
    write_atomic(tmp_path / "note.txt", "note", lambda file: file.write(b"new"))
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "note.txt")]
    assert modes[0] == modes[1]


def test_the_error_for_a_missing_folder_has_the_kind_and_the_path(tmp_path):
    with pytest.raises(OutputError, match=r"the note could not be written to .*note\.txt: "):
        write_atomic(tmp_path / "missing" / "note.txt", "note", lambda file: file.write(b"new"))


@POSIX
def test_only_regular_files_are_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(OutputError, match=f"the note could not be written to {path}: it is not a file"):
            write_atomic(path, "note", lambda file: file.write(b"new"))
    assert (tmp_path / "pipe").is_fifo()


@POSIX
def test_a_folder_without_read_permission_can_be_written_to(tmp_path):
    code = """
import os, sys
from fastmlp.io.atomic import write_atomic
os.chmod(sys.argv[1], 0o333)
os.chdir(sys.argv[1])
os.getuid() or os.seteuid(65534)
write_atomic("note.txt", "note", lambda file: file.write(b"new"))
"""
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True)
    tmp_path.chmod(0o755)
    assert os.listdir(tmp_path) == ["note.txt"]


def test_a_file_and_its_folder_are_flushed_to_the_disk(path, monkeypatch):
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(stat.S_IFMT(os.fstat(descriptor).st_mode)))
    write_atomic(path, "note", lambda file: file.write(b"new"))
    assert flushed == [stat.S_IFREG] + ([] if os.name == "nt" else [stat.S_IFDIR])
    sync(path)
    assert flushed[-1] == stat.S_IFREG


def test_the_name_of_a_temporary_file_begins_with_a_dot_and_the_files_name(path):
    assert temporary_prefix(path) == ".note.txt."
