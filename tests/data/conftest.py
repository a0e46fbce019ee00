"""Fixtures for the tests of data sets: files in the formats of their authors, and a web server with faults."""

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
    """A pickled list, appended in chunks of 1,000 as by Python 2."""
    return b"]" + b"".join(b"(" + b"".join(items[i : i + 1000]) + b"e" for i in range(0, len(items), 1000))


def _put(index: int) -> bytes:
    return b"q" + bytes([index]) if index < 256 else b"r" + struct.pack("<I", index)


def pickle_array(pixels: np.ndarray) -> bytes:
    """An array as pickled by NumPy 1 under Python 2, protocol 2."""
    rows, columns = (b"M" + struct.pack("<H", length) for length in pixels.shape)
    dtype = b"cnumpy\ndtype\n" + _put(10) + b"U\x02u1K\x00K\x01\x87R" + _put(11)
    dtype += b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    raw = b"T" + struct.pack("<i", pixels.nbytes) + pixels.tobytes()
    constructor = b"cnumpy.core.multiarray\n_reconstruct\n" + _put(7) + b"cnumpy\nndarray\n" + _put(8)
    return (
        constructor
        + b"K\x00\x85U\x01b\x87R"
        + _put(9)
        + b"(K\x01"
        + rows
        + columns
        + b"\x86"
        + dtype
        + b"\x89"
        + raw
        + b"tb"
    )


def pickle_batch(pixels: np.ndarray, labels: list[int]) -> bytes:
    """A batch of CIFAR-10's Python version, byte for byte as pickled by cPickle of Python 2."""
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
    """Serves ``CONTENT`` at any path, with the fault that the first folder of the path names."""

    protocol_version = "HTTP/1.1"
    timeout = 5
    requests: list[str]

    def do_GET(self) -> None:
        fault = self.path.split("/")[1]
        self.requests.append(f"{fault} {self.headers.get('Range', 'whole')}")
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
        """Print nothing."""


class Server:
    """A web server on this machine: ``source(fault)`` is a URL with a fault, ``requests`` a record of all requests."""

    content = CONTENT

    def __init__(self, port: int, requests: list[str]) -> None:
        self.port = port
        self.requests = requests

    def source(self, fault: str, file_name: str = "x.bin") -> RemoteFile:
        digest = hashlib.sha256(CONTENT).hexdigest()
        return RemoteFile(f"http://127.0.0.1:{self.port}/{fault}/{file_name}", len(CONTENT), digest)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    pytest.importorskip("pooch")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    handler = type("RecordingHandler", (Handler,), {"requests": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        running.daemon_threads = True
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Server(running.server_port, handler.requests)
        running.shutdown()
        thread.join()


@pytest.fixture
def unreachable() -> RemoteFile:
    """A URL of this machine on which no server listens."""
    return RemoteFile("http://127.0.0.1:9/x.bin", len(CONTENT), "0" * 64)


#: The folder of data sets before `no_data_folder` changes it.
DEVELOPERS_DATA = data_folder()


@pytest.fixture
def real_cifar10() -> Path:
    """Path of the official CIFAR-10, if it is in ``FASTMLP_DATA`` or the user's cache directory."""
    path = find_cifar10(DEVELOPERS_DATA)
    if path is None:
        pytest.skip("CIFAR-10 is not installed")
    return path


@pytest.fixture(autouse=True)
def no_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide the developer's data from tests that do not name a folder."""
    monkeypatch.setenv("FASTMLP_DATA", str(tmp_path / "no data here"))
