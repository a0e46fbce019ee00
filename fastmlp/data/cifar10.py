"""CIFAR-10: both official versions, as a folder or an archive. Knows no network and no other data set.

Krizhevsky (2009), "Learning multiple layers of features from tiny images": 60,000 colour images of 32 x 32 pixels, in
six files of 10,000. A sample is 3,072 bytes: red, then green, then blue, each row by row.
"""

import gzip
import os
import tarfile
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from fastmlp.data.check import Array
from fastmlp.data.cifar_pickle import read_pickle
from fastmlp.data.dataset import Dataset
from fastmlp.errors import FileFormatError
from fastmlp.io.bounded import PIECE_BYTES, Bounded, Readable, fill, intact

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
N_PIXELS = 3072
RECORDS = 10_000

BATCHES = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch")
FOLDERS = {"cifar-10-batches-bin": ".bin", "cifar-10-batches-py": ""}
ARCHIVES = ("cifar-10-binary.tar.gz", "cifar-10-python.tar.gz")

# Beside a record's pixels a pickle holds its label and file name: 31 bytes in the official files.
PICKLED_EXTRA_BYTES = 64
# An archive holds a page of HTML and the class names besides, and the tar format's own blocks.
ARCHIVE_EXTRA_BYTES = 1 << 20
# The official archives have nine.
MAX_MEMBERS = 64

CHUNK_RECORDS = 128

Places = dict[str, tuple[Array, Array]]


class Batch(NamedTuple):
    """One of the six files, open for reading."""

    name: str
    stream: Readable
    n_bytes: int


def find_cifar10(folder: Path) -> Path | None:
    """Look for a complete CIFAR-10.

    Parameters
    ----------
    folder : pathlib.Path
        The folder of data sets, or that of the six files.

    Returns
    -------
    pathlib.Path or None
        The folder that holds all six files, or else an archive.

    Examples
    --------
    >>> from pathlib import Path
    >>> from fastmlp.data.cifar10 import find_cifar10
    >>> find_cifar10(Path("nowhere")) is None
    True
    """
    for name, suffix in FOLDERS.items():
        for candidate in (folder / name, folder):
            if all(os.path.isfile(candidate / f"{batch}{suffix}") for batch in BATCHES):
                return candidate
    return next((folder / name for name in ARCHIVES if os.path.isfile(folder / name)), None)


def load_cifar10(path: Path, scale: str = "auto") -> Dataset:
    """Load CIFAR-10 from a folder or from an official archive, which is read in place.

    Parameters
    ----------
    path : pathlib.Path
        What `find_cifar10` found.
    scale : str
        See `fastmlp.data.Dataset`.

    Returns
    -------
    Dataset
        50,000 training and 10,000 test samples of 3,072 uint8 pixels, 10 classes.

    Raises
    ------
    FileFormatError
        If a file is missing, truncated, oversized, damaged or foreign.

    Examples
    --------
    >>> from fastmlp.data.cifar10 import find_cifar10, load_cifar10
    >>> from fastmlp.data.folder import data_folder
    >>> path = find_cifar10(data_folder())
    >>> path is None or load_cifar10(path).n_classes == 10
    True
    """
    X_train, y_train = _allocate(5)
    X_test, y_test = _allocate(1)
    slots = [(X_train[i : i + RECORDS], y_train[i : i + RECORDS]) for i in range(0, len(X_train), RECORDS)]
    places = dict(zip(BATCHES, [*slots, (X_test, y_test)], strict=True))
    (_read_folder if path.is_dir() else _read_archive)(path, places)
    if places:
        raise FileFormatError(f"{path} is not a complete CIFAR-10: it lacks {', '.join(places)}")
    return Dataset(X_train, y_train, X_test, y_test, scale, CLASS_NAMES, "cifar10")


def _allocate(n_files: int) -> tuple[Array, Array]:
    n = n_files * RECORDS
    return np.empty((n, N_PIXELS), dtype=np.uint8), np.empty(n, dtype=np.uint8)


def _stem(file_name: str) -> str:
    return Path(file_name).name.removesuffix(".bin")


def _read_folder(folder: Path, places: Places) -> None:
    suffix = ".bin" if (folder / "data_batch_1.bin").is_file() else ""
    for path in [folder / f"{batch}{suffix}" for batch in BATCHES]:
        if path.is_file():
            with path.open("rb") as stream:
                _read_batch(Batch(str(path), stream, path.stat().st_size), *places.pop(_stem(path.name)))


def _read_archive(path: Path, places: Places) -> None:
    """Nothing is unpacked: the six files are read as they pass, and all else may take little room."""
    with intact(path, ".tar.gz archive", tarfile.TarError, ValueError), gzip.open(path) as unzipped:
        source: Any = Bounded(unzipped, ARCHIVE_EXTRA_BYTES, f"the content of {path}")
        with tarfile.open(fileobj=source, mode="r|") as archive:
            for number, member in enumerate(archive, 1):
                _refuse_member(member, number, path)
                if member.isfile() and _stem(member.name) in places:
                    batch = Batch(f"{path}/{member.name}", cast("Readable", archive.extractfile(member)), member.size)
                    _refuse_size(batch)
                    source.allow(batch.n_bytes)
                    _read_batch(batch, *places.pop(_stem(member.name)))
        while source.read(PIECE_BYTES):  # gzip compares its checksum at the very end
            pass


def _refuse_member(member: tarfile.TarInfo, number: int, path: Path) -> None:
    if number > MAX_MEMBERS:
        raise FileFormatError(f"{path} holds more than {MAX_MEMBERS} files; it is not an archive of CIFAR-10")
    if member.name.startswith("/") or ".." in Path(member.name).parts:
        raise FileFormatError(f"{path} holds {member.name!r}, a path that leads out of the archive's folder")
    if member.issym() or member.islnk():
        raise FileFormatError(f"{path} holds {member.name!r}, a link to {member.linkname!r}; links are not followed")
    if not (member.isdir() or member.type in (tarfile.REGTYPE, tarfile.AREGTYPE)):
        raise FileFormatError(f"{path} holds {member.name!r}, which is neither a file nor a folder")


def _read_batch(batch: Batch, X: Array, y: Array) -> None:
    _refuse_size(batch)
    (_read_binary if batch.name.endswith(".bin") else _read_pickled)(batch, X, y)


def _refuse_size(batch: Batch) -> None:
    least, most = RECORDS * N_PIXELS, RECORDS * (N_PIXELS + PICKLED_EXTRA_BYTES)
    expected = RECORDS * (1 + N_PIXELS)
    if batch.name.endswith(".bin") and batch.n_bytes != expected:
        raise FileFormatError(
            f"{batch.name} has {batch.n_bytes:,} bytes; a binary batch of CIFAR-10 has {expected:,}: "
            f"{RECORDS:,} records of 1 label byte and {N_PIXELS:,} pixel bytes"
        )
    if not least < batch.n_bytes <= most:
        raise FileFormatError(
            f"{batch.name} has {batch.n_bytes:,} bytes; a pickled batch of CIFAR-10 has between {least:,} and {most:,}"
        )


def _read_binary(batch: Batch, X: Array, y: Array) -> None:
    # Small chunks: a whole file in memory beside its place would cost 31 MB at the peak.
    chunk = np.empty((CHUNK_RECORDS, 1 + N_PIXELS), dtype=np.uint8)
    for start in range(0, RECORDS, CHUNK_RECORDS):
        records = chunk[: RECORDS - start]
        n_read = fill(batch.stream, records)
        if n_read != records.nbytes:
            found = start * (1 + N_PIXELS) + n_read
            raise FileFormatError(f"{batch.name} ends after {found:,} of {batch.n_bytes:,} bytes")
        y[start : start + len(records)] = records[:, 0]
        X[start : start + len(records)] = records[:, 1:]
    _refuse_labels(y, batch.name)


def _read_pickled(batch: Batch, X: Array, y: Array) -> None:
    fields = read_pickle(batch.stream, batch.n_bytes, batch.name, RECORDS * N_PIXELS)
    pixels, labels = fields.get(b"data"), fields.get(b"labels")
    if not isinstance(pixels, np.ndarray) or pixels.shape != X.shape:
        raise FileFormatError(f"{batch.name} is not a batch of CIFAR-10: b'data' is not an array of shape {X.shape}")
    if not isinstance(labels, list) or len(labels) != RECORDS or not all(isinstance(label, int) for label in labels):
        raise FileFormatError(f"{batch.name} is not a batch of CIFAR-10: b'labels' is not a list of {RECORDS} integers")
    _refuse_labels(np.array(labels), batch.name)
    X[:] = pixels
    y[:] = labels


def _refuse_labels(labels: Array, file_name: str) -> None:
    wrong = (labels < 0) | (labels >= len(CLASS_NAMES))
    if wrong.any():
        record = int(np.argmax(wrong))
        raise FileFormatError(
            f"{file_name} holds the label {labels[record]} in record {record} (counted from 0); CIFAR-10's are 0 to 9"
        )
