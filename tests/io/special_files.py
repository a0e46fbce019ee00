"""Puts a special file in the place of every file that is read, and prints what each reader does with it, as JSON.

It runs as a process of its own, whose memory and time are limited: a reader that waits for a FIFO, or reads a device
without end, stops neither the tests nor the machine.
"""

import json
import os
import resource
import runpy
import shutil
import signal
import socket
import sys
import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import fastmlp
from fastmlp.codegen import cache
from fastmlp.data import load_samples
from fastmlp.data.cifar10 import load_cifar10
from fastmlp.data.download import fetch_file
from fastmlp.data.idx import load_idx, read_idx
from fastmlp.data.urls import RemoteFile
from fastmlp.errors import FastMLPError
from fastmlp.io.npy import map_npy
from fastmlp.training.checkpoint import LOCK, NEWEST, PREVIOUS, Checkpoint, discard_checkpoint

FUZZ = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "fuzz_readers.py"))
MAX_SECONDS, MAX_BYTES = 1.0, 3 << 30

Read = Callable[[Path], Any]


def make_socket(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    os.chdir(folder)  # the path of a socket may have 107 bytes only
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)
    os.close(folder)


KINDS: dict[str, Callable[[Path], None]] = {
    "FIFO": lambda path: os.mkfifo(path),
    "character device": lambda path: path.symlink_to("/dev/zero"),
    "directory": lambda path: path.mkdir(),
    "socket": make_socket,
}


def make_study(folder: Path) -> None:
    """A study that lacks its last run."""
    resume_study(folder)
    lines = (folder / "runs.jsonl").read_text().splitlines(keepends=True)
    (folder / "runs.jsonl").write_text("".join(line for line in lines if '"repeat": 2' not in line))


def resume_study(folder: Path) -> None:
    config, data = fastmlp.Config(hidden=(), n_epochs=2, batch_size=4), fastmlp.Dataset(*FUZZ["PART_ARRAYS"].values())
    fastmlp.sweep(data, config, {"l2": [0.0, 0.1]}, 3, n_jobs=1, out=folder)


def make_checkpoints(folder: Path) -> None:
    FUZZ["make_checkpoint"](folder)
    shutil.copy(folder / NEWEST, folder / PREVIOUS)
    (folder / LOCK).touch()


def load_checkpoint(folder: Path) -> None:
    with Checkpoint(folder, {"seed": 0}) as checkpoint:
        checkpoint.load(FUZZ["STATE"])


def load_previous(folder: Path) -> None:
    (folder / NEWEST).unlink()
    load_checkpoint(folder)


def download(folder: Path) -> None:
    fetch_file((RemoteFile("http://127.0.0.1:9/x.bin", n_bytes=3, sha256="ab" * 32),), folder)


def nothing(folder: Path) -> None:
    pass


def load_npy_samples(folder: Path, name: str) -> None:
    load_samples(folder / name)


#: Readers by name: how to make intact files, which of them are replaced, and how to read.
READERS: dict[str, tuple[Read, tuple[str, ...], Read]] = {
    name: (reader.make, reader.names, reader.read)
    for name, reader in FUZZ["READERS"].items()
    if name != "config.json"  # which the user reads
}
# load_data would download what is not a file: the readers behind it are called.
READERS |= {
    name: (READERS[name][0], READERS[name][1], partial(lambda load, folder: load(folder), load))
    for name, load in {
        "idx": load_idx,
        "idx.gz": load_idx,
        "cifar10 binary": load_cifar10,
        "cifar10 pickled": load_cifar10,
        "cifar10 binary.tar.gz": lambda folder: load_cifar10(folder / "cifar-10-binary.tar.gz"),
        "cifar10 python.tar.gz": lambda folder: load_cifar10(folder / "cifar-10-python.tar.gz"),
    }.items()
}
READERS |= {
    "one idx file": (nothing, ("x",), lambda folder: read_idx(folder / "x", 1)),
    "one idx.gz file": (nothing, ("x.gz",), lambda folder: read_idx(folder / "x.gz", 1)),
    "map_npy": (nothing, ("x.npy",), lambda folder: map_npy(folder / "x.npy")),
    "newest checkpoint": (make_checkpoints, (NEWEST, LOCK), load_checkpoint),
    "previous checkpoint": (make_checkpoints, (PREVIOUS,), load_previous),
    "discarded checkpoint": (make_checkpoints, (LOCK,), discard_checkpoint),
    "study": (make_study, ("study.json", "runs.jsonl", "study.lock", "claims/0-2.lock"), resume_study),
    "shard": (make_study, ("runs-1-of-2.jsonl",), fastmlp.load_study),
    "kernel cache": (nothing, ("x.pickle",), lambda folder: cache.read_bytes(folder / "x.pickle")),
    "download": (nothing, ("x.bin", "x.bin.part"), download),
}


class BlockedError(BaseException):
    """The time is over; no ``except Exception`` of a reader takes it for an error of the file."""


def on_alarm(*_: object) -> None:
    raise BlockedError


def outcome(read: Read, folder: Path) -> str:
    signal.setitimer(signal.ITIMER_REAL, MAX_SECONDS)
    try:
        read(folder)
    except BlockedError:
        return "blocks"
    except (FastMLPError, OSError, MemoryError) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return "was read"


def main() -> None:
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (MAX_BYTES, MAX_BYTES))
    signal.signal(signal.SIGALRM, on_alarm)
    FUZZ["limit_cifar10"]()
    resume_study(Path(tempfile.mkdtemp()))  # compiles
    for name, (make, replaced, read) in READERS.items():
        for file in replaced:
            for kind, put in KINDS.items():
                with tempfile.TemporaryDirectory() as folder:
                    path = Path(folder, file)
                    make(Path(folder))
                    path.unlink(missing_ok=True)
                    put(path)
                    start = perf_counter()
                    result = outcome(read, Path(folder))
                    print(json.dumps([name, file, kind, result, perf_counter() - start]), flush=True)
                    os.chdir("/")


if __name__ == "__main__":
    sys.exit(main())
