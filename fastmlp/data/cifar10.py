"""The data set CIFAR-10: its binary and its Python version, in a folder or in the official archive.

Krizhevsky (2009), "Learning multiple layers of features from tiny images": 60,000 colour images of 32 x 32 pixels, in
six files (batches) of 10,000. An image is 3,072 bytes: the red, the green and the blue plane, each in row-major order.
"""

import os
import tarfile
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from fastmlp.data.check import Array
from fastmlp.data.cifar_pickle import read_pickle
from fastmlp.data.dataset import Dataset
from fastmlp.errors import FileFormatError
from fastmlp.io.bounded import PIECE_BYTES, BoundedStream, Readable, read_into, translate_errors
from fastmlp.io.regular_file import open_gzip, open_regular

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
N_PIXELS = 3072
RECORDS = 10_000

BATCHES = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch")
FOLDERS = {"cifar-10-batches-bin": ".bin", "cifar-10-batches-py": ""}
ARCHIVES = ("cifar-10-binary.tar.gz", "cifar-10-python.tar.gz")

#: Accepted bytes of a pickle per record, besides pixels: its label and file name have 31 in the official files.
PICKLED_EXTRA_BYTES = 64
#: Accepted bytes of an archive besides the six batches: an HTML page, the class names, and tar's own blocks.
ARCHIVE_EXTRA_BYTES = 1 << 20
#: Accepted number of members; the official archives have nine.
MAX_MEMBERS = 64

CHUNK_RECORDS = 128

#: Pixels and labels of each batch that is still to be read, by its name.
Destinations = dict[str, tuple[Array, Array]]


class BatchFile(NamedTuple):
    """One of the six batches, open for reading."""

    name: str
    stream: Readable
    n_bytes: int


def find_cifar10(folder: Path) -> Path | None:
    """Search for a complete copy of CIFAR-10.

    Parameters
    ----------
    folder : pathlib.Path
        The folder of data sets, or that of the six batches.

    Returns
    -------
    pathlib.Path or None
        The folder with all six batches, or else an official archive; None if neither is found.

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
    """Load CIFAR-10 from a folder or from an official archive, which is not unpacked.

    Parameters
    ----------
    path : pathlib.Path
        The result of `find_cifar10`.
    scale : str
        See `fastmlp.data.Dataset`.

    Returns
    -------
    Dataset
        50,000 training and 10,000 test samples of 3,072 uint8 pixels, 10 classes.

    Raises
    ------
    FileFormatError
        If a batch is missing, truncated, oversized, damaged or foreign.

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
    parts = [(X_train[i : i + RECORDS], y_train[i : i + RECORDS]) for i in range(0, len(X_train), RECORDS)]
    destinations = dict(zip(BATCHES, [*parts, (X_test, y_test)], strict=True))
    (_read_folder if path.is_dir() else _read_archive)(path, destinations)
    if destinations:
        raise FileFormatError(f"{path}: expected all six batches of CIFAR-10; missing: {', '.join(destinations)}")
    return Dataset(X_train, y_train, X_test, y_test, scale, CLASS_NAMES, "cifar10")


def _allocate(n_batches: int) -> tuple[Array, Array]:
    n = n_batches * RECORDS
    return np.empty((n, N_PIXELS), dtype=np.uint8), np.empty(n, dtype=np.uint8)


def _stem(file_name: str) -> str:
    return Path(file_name).name.removesuffix(".bin")


def _read_folder(folder: Path, destinations: Destinations) -> None:
    suffix = ".bin" if (folder / "data_batch_1.bin").is_file() else ""
    for path in [folder / f"{batch}{suffix}" for batch in BATCHES]:
        if path.is_file():
            with open_regular(path) as stream:
                batch = BatchFile(str(path), stream, path.stat().st_size)
                _read_batch(batch, *destinations.pop(_stem(path.name)))


def _read_archive(path: Path, destinations: Destinations) -> None:
    """Read the six batches in the order of the archive, without unpacking it; its other members must be small."""
    with translate_errors(path, ".tar.gz archive", tarfile.TarError, ValueError), open_gzip(path) as unzipped:
        source: Any = BoundedStream(unzipped, ARCHIVE_EXTRA_BYTES, f"the content of {path}")
        with tarfile.open(fileobj=source, mode="r|") as archive:
            for number, member in enumerate(archive, 1):
                _check_member(member, number, path)
                if member.isfile() and _stem(member.name) in destinations:
                    stream = cast("Readable", archive.extractfile(member))
                    batch = BatchFile(f"{path}/{member.name}", stream, member.size)
                    _check_size(batch)
                    source.allow(batch.n_bytes)
                    _read_batch(batch, *destinations.pop(_stem(member.name)))
        while source.read(PIECE_BYTES):  # gzip verifies its checksum at the end of the stream
            pass


def _check_member(member: tarfile.TarInfo, number: int, path: Path) -> None:
    if number > MAX_MEMBERS:
        raise FileFormatError(f"{path}: expected an archive of CIFAR-10, got one of more than {MAX_MEMBERS} files")
    if member.name.startswith("/") or ".." in Path(member.name).parts:
        raise FileFormatError(f"{path} holds {member.name!r}, a path outside the archive's folder")
    if member.issym() or member.islnk():
        raise FileFormatError(f"{path} holds {member.name!r}, a link to {member.linkname!r}; links are not followed")
    if not (member.isdir() or member.type in (tarfile.REGTYPE, tarfile.AREGTYPE)):
        raise FileFormatError(f"{path} holds {member.name!r}, which is neither a file nor a folder")


def _read_batch(batch: BatchFile, X: Array, y: Array) -> None:
    _check_size(batch)
    (_read_binary if batch.name.endswith(".bin") else _read_pickled)(batch, X, y)


def _check_size(batch: BatchFile) -> None:
    low, high = RECORDS * N_PIXELS, RECORDS * (N_PIXELS + PICKLED_EXTRA_BYTES)
    expected = RECORDS * (1 + N_PIXELS)
    if batch.name.endswith(".bin") and batch.n_bytes != expected:
        raise FileFormatError(
            f"{batch.name}: expected a binary batch of CIFAR-10, {expected:,} bytes ({RECORDS:,} records of 1 label "
            f"byte and {N_PIXELS:,} pixel bytes), got {batch.n_bytes:,}"
        )
    if not low < batch.n_bytes <= high:
        raise FileFormatError(
            f"{batch.name}: expected a pickled batch of CIFAR-10, {low + 1:,} to {high:,} bytes, got {batch.n_bytes:,}"
        )


def _read_binary(batch: BatchFile, X: Array, y: Array) -> None:
    # In small chunks: a second copy of a whole batch would add 31 MB to the peak memory.
    chunk = np.empty((CHUNK_RECORDS, 1 + N_PIXELS), dtype=np.uint8)
    for start in range(0, RECORDS, CHUNK_RECORDS):
        records = chunk[: RECORDS - start]
        n_read = read_into(batch.stream, records)
        if n_read != records.nbytes:
            n_total = start * (1 + N_PIXELS) + n_read
            raise FileFormatError(f"{batch.name} ends after {n_total:,} of {batch.n_bytes:,} bytes")
        y[start : start + len(records)] = records[:, 0]
        X[start : start + len(records)] = records[:, 1:]
    _check_labels(y, batch.name)


def _read_pickled(batch: BatchFile, X: Array, y: Array) -> None:
    fields = read_pickle(batch.stream, batch.n_bytes, batch.name, RECORDS * N_PIXELS)
    pixels, labels = fields.get(b"data"), fields.get(b"labels")
    if not isinstance(pixels, np.ndarray) or pixels.shape != X.shape:
        raise FileFormatError(
            f"{batch.name} is not a batch of CIFAR-10: expected an array of shape {X.shape} as b'data'"
        )
    if not isinstance(labels, list) or len(labels) != RECORDS or not all(isinstance(label, int) for label in labels):
        raise FileFormatError(
            f"{batch.name} is not a batch of CIFAR-10: expected a list of {RECORDS} integers as b'labels'"
        )
    _check_labels(np.array(labels), batch.name)
    X[:] = pixels
    y[:] = labels


def _check_labels(labels: Array, file_name: str) -> None:
    is_invalid = (labels < 0) | (labels >= len(CLASS_NAMES))
    if is_invalid.any():
        record = int(np.argmax(is_invalid))
        raise FileFormatError(
            f"{file_name}: expected labels 0 to 9, got {labels[record]} in record {record} (counted from 0)"
        )
