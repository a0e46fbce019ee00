"""What several modules' tests of data share: files as their authors wrote them, and a server to fetch them from."""

import hashlib
import struct
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from fastmlp.data.cifar10 import find_cifar10
from fastmlp.data.folder import data_folder
from fastmlp.data.urls import RemoteFile


def _string(text: bytes) -> bytes:
    return b"U" + bytes([len(text)]) + text


def _list(items: list[bytes]) -> bytes:
    """Appended a thousand at a time, as Python 2 did."""
    return b"]" + b"".join(b"(" + b"".join(items[i : i + 1000]) + b"e" for i in range(0, len(items), 1000))


def _put(index: int) -> bytes:
    return b"q" + bytes([index]) if index < 256 else b"r" + struct.pack("<I", index)


def pickle_array(pixels: np.ndarray) -> bytes:
    """An array as NumPy 1 under Python 2 pickled it, protocol 2."""
    rows, columns = (b"M" + struct.pack("<H", length) for length in pixels.shape)
    dtype = b"cnumpy\ndtype\n" + _put(10) + b"U\x02u1K\x00K\x01\x87R" + _put(11)
    dtype += b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    raw = b"T" + struct.pack("<i", pixels.nbytes) + pixels.tobytes()
    made = b"cnumpy.core.multiarray\n_reconstruct\n" + _put(7) + b"cnumpy\nndarray\n" + _put(8)
    return (
        made + b"K\x00\x85U\x01b\x87R" + _put(9) + b"(K\x01" + rows + columns + b"\x86" + dtype + b"\x89" + raw + b"tb"
    )


def pickle_batch(pixels: np.ndarray, labels: list[int]) -> bytes:
    """A batch of CIFAR-10's Python version: the bytes that cPickle of Python 2 wrote."""
    names = [_string(b"leptodactylus_pentadactylus_s_%06d.png" % i) + _put(13 + i) for i in range(len(labels))]
    fields = {
        _string(b"batch_label") + _put(2): _string(b"training batch 1 of 5") + _put(3),
        _string(b"labels") + _put(4): _list([b"K" + bytes([label]) for label in labels]),
        _string(b"data") + _put(6): pickle_array(pixels),
        _string(b"filenames") + _put(12): _list(names),
    }
    return b"\x80\x02}" + _put(1) + b"(" + b"".join(key + value for key, value in fields.items()) + b"u."


@pytest.fixture
def as_pickled() -> Callable[[np.ndarray, list[int]], bytes]:
    return pickle_batch


CONTENT = np.random.default_rng(0).integers(0, 256, 300_000, dtype=np.uint8).tobytes()


class Handler(BaseHTTPRequestHandler):
    """Serves ``CONTENT`` at any path, with a fault that the path's first folder names."""

    protocol_version = "HTTP/1.1"
    timeout = 5
    asked: list[str]

    def do_GET(self) -> None:
        fault = self.path.split("/")[1]
        self.asked.append(f"{fault} {self.headers.get('Range', 'whole')}")
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        if fault == "missing":
            self.send_error(404)
            return
        partial = start > 0 and fault != "unresumable"
        body = (CONTENT[::-1] if fault == "wrong" else CONTENT)[start if partial else 0 :]
        self.send_response(206 if partial else 200)
        if partial:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        if fault == "encoded":
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if fault == "breaking":
            body = body[:100_000]
            self.close_connection = True
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


class Server:
    """A web server on this machine: ``source(fault)`` is an address, ``asked`` what was asked of it."""

    content = CONTENT

    def __init__(self, port: int, asked: list[str]) -> None:
        self.port = port
        self.asked = asked

    def source(self, fault: str, file_name: str = "x.bin") -> RemoteFile:
        digest = hashlib.sha256(CONTENT).hexdigest()
        return RemoteFile(f"http://127.0.0.1:{self.port}/{fault}/{file_name}", len(CONTENT), digest)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    pytest.importorskip("pooch")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    handler = type("Recording", (Handler,), {"asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        running.daemon_threads = True
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Server(running.server_port, handler.asked)
        running.shutdown()
        thread.join()


@pytest.fixture
def refused() -> RemoteFile:
    """An address where nobody listens."""
    return RemoteFile("http://127.0.0.1:9/x.bin", len(CONTENT), "0" * 64)


DEVELOPERS_DATA = data_folder()


@pytest.fixture
def real_cifar10() -> Path:
    """The whole of CIFAR-10, where ``FASTMLP_DATA`` or the cache has it."""
    path = find_cifar10(DEVELOPERS_DATA)
    if path is None:
        pytest.skip("CIFAR-10 is not on this machine")
    return path


@pytest.fixture(autouse=True)
def no_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A test that forgot to name a folder finds none of the developer's data."""
    monkeypatch.setenv("FASTMLP_DATA", str(tmp_path / "no data here"))
