"""Only regular files are read: special files in the place of every file that a reader opens, and who may open files."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import fastmlp
from fastmlp.io.regular_file import NONBLOCK, open_gzip, open_regular, read_bytes, read_text

PACKAGE = Path(fastmlp.__file__).parent
POSIX = pytest.mark.skipif(os.name == "nt", reason="Windows has no FIFOs and no device files")


# special files


@pytest.fixture(scope="module")
def outcomes():
    """What each reader did with a special file in the place of one of its files."""
    command = [sys.executable, str(Path(__file__).with_name("special_files.py"))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@POSIX
def test_no_reader_waits_for_a_special_file_or_reads_it(outcomes):
    assert len(outcomes) > 150
    assert [row for row in outcomes if row[3] in ("blocks", "was read") or row[4] > 1] == []


#: Readers that take a special file for a missing one, by its kind.
MISSING = {
    "samples.npy": "",  # "is not a file"
    "samples.csv": "",
    "idx": "",  # searched for, and downloaded if it is not found
    "idx.gz": "",
    "cifar10 binary": "",
    "cifar10 pickled": "",
    "cifar10 binary.tar.gz": "directory",  # in which the six batches are searched for
    "cifar10 python.tar.gz": "directory",
    "npz": "directory",  # of .npy files
    "npz compressed": "directory",
}


@POSIX
def test_the_error_names_the_kind_of_file(outcomes):
    others = [row for row in outcomes if not (row[0] in MISSING and MISSING[row[0]] in row[2])]
    assert len(others) > 100
    assert [row for row in others if f"expected a regular file, got a {row[2]}" not in row[3]] == []


@POSIX
@pytest.mark.parametrize("read", [open_regular, read_text, read_bytes, lambda path: open_gzip(path).__enter__()])
def test_a_link_to_a_device_is_refused(read, tmp_path):
    (tmp_path / "x").symlink_to(os.devnull)
    with pytest.raises(OSError, match="expected a regular file, got a character device") as caught:
        read(tmp_path / "x")
    assert caught.value.filename == str(tmp_path / "x")


@POSIX
def test_a_file_that_becomes_a_fifo_after_the_first_look_is_refused(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "x")
    monkeypatch.setattr(os.path, "exists", lambda path: False)
    with pytest.raises(OSError, match="expected a regular file, got a FIFO"):
        open_regular(tmp_path / "x")


def test_regular_files_and_links_to_them_are_read(tmp_path):
    (tmp_path / "x").write_bytes(b"a\r\nb")
    assert (read_bytes(tmp_path / "x"), read_text(tmp_path / "x")) == (b"a\r\nb", "a\nb")
    if os.name != "nt":
        (tmp_path / "link").symlink_to(tmp_path / "x")
        assert read_bytes(tmp_path / "link") == b"a\r\nb"


def test_a_missing_file_is_reported_as_such(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "x")


# who may open files

#: Functions that open a file for reading, and methods of paths.
FUNCTIONS = {
    "np.load", "np.loadtxt", "np.genfromtxt", "np.fromfile", "np.memmap", "os.fdopen", "gzip.GzipFile", "io.FileIO",
    "zipfile.ZipFile", "tarfile.TarFile", "mmap.mmap", "safe_open",
}  # fmt: skip
METHODS = {"read_text", "read_bytes", "load_file"}
#: Calls of them that open nothing.
ALLOWED = {
    "data/digits.py: np.loadtxt(lines, delimiter=',', dtype=np.uint8, encoding='ascii')",
    "data/load.py: zipfile.ZipFile(file)",
    "table/content.py: gzip.GzipFile(fileobj=file, mode='rb')",
    "table/content.py: zipfile.ZipFile(io.BytesIO(data))",
    "table/excel.py: zipfile.ZipFile(io.BytesIO(content.data))",
}


def opens_for_reading(call):
    """Whether a call may open a file for reading, otherwise than through the functions of fastmlp.io."""
    name = ast.unparse(call.func)
    if name.split(".")[-1] != "open":
        return name in FUNCTIONS or (isinstance(call.func, ast.Attribute) and call.func.attr in METHODS)
    keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    words = {ast.unparse(argument) for argument in call.args} | set(keywords.values())
    is_writing = words & {"'w'", "'wb'", "mode", "os.O_WRONLY"}
    return not (is_writing or "fileobj" in keywords or keywords.get("opener") == "regular_opener")


def test_no_module_but_those_of_io_opens_files_for_reading():
    found = {
        f"{path.relative_to(PACKAGE).as_posix()}: {ast.unparse(node)}"
        for path in PACKAGE.rglob("*.py")
        if path.parent.name != "io"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and opens_for_reading(node)
    }
    assert found == ALLOWED


def test_opening_for_reading_never_blocks_where_the_system_can_do_so():
    assert bool(NONBLOCK) == (os.name != "nt")
