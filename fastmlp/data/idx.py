"""Idx: the file format of MNIST and Fashion-MNIST, gzipped or not. Knows no network and no other format.

LeCun, Cortes and Burges, "The MNIST database of handwritten digits": a magic number, big-endian dimensions, bytes.
"""

import gzip
import math
import os
import struct
from pathlib import Path
from typing import cast

from fastmlp.data.check import Array
from fastmlp.data.dataset import Dataset
from fastmlp.errors import DataNotFoundError, FileFormatError
from fastmlp.io.bounded import Readable, gather, intact, max_decompressed_bytes

CLASS_NAMES = {
    "mnist": ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"),
    "fashion-mnist": (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ),
}  # fmt: skip

# Part of the data set, then dimensions: 3 for images, 1 for labels.
PARTS = {"train-images": 3, "train-labels": 1, "t10k-images": 3, "t10k-labels": 1}
SPELLINGS = ("{part}-idx{n_dims}-ubyte", "{part}.idx{n_dims}-ubyte")


def find_idx(folder: Path, name: str) -> Path | None:
    """Look for the four complete files of a data set.

    Parameters
    ----------
    folder : pathlib.Path
        The folder of data sets, or a folder called ``name``. MNIST's files may also lie in ``folder`` itself.
    name : {"mnist", "fashion-mnist"}
        Which data set: both give their files the same names.

    Returns
    -------
    pathlib.Path or None
        The folder that holds all four.

    Examples
    --------
    >>> from pathlib import Path
    >>> from fastmlp.data.idx import find_idx
    >>> find_idx(Path("nowhere"), "mnist") is None
    True
    """
    itself = [folder] if name in ("mnist", folder.name) else []
    for candidate in (folder / name, *itself):
        if all(_find_part(candidate, part) for part in PARTS):
            return candidate
    return None


def load_idx(folder: Path, scale: str = "auto", name: str = "mnist") -> Dataset:
    """Load MNIST or Fashion-MNIST.

    Parameters
    ----------
    folder : pathlib.Path
        What `find_idx` found.
    scale : str
        See `fastmlp.data.Dataset`.
    name : {"mnist", "fashion-mnist"}
        Which data set it is.

    Returns
    -------
    Dataset
        uint8 pixels, 10 classes; the official files hold 60,000 training and 10,000 test samples of 28 x 28.

    Raises
    ------
    FileFormatError
        If a file is truncated, oversized, damaged or foreign.

    Examples
    --------
    >>> from fastmlp.data.folder import data_folder
    >>> from fastmlp.data.idx import find_idx, load_idx
    >>> folder = find_idx(data_folder(), "mnist")
    >>> folder is None or load_idx(folder).n_features == 784
    True
    """
    X_train, y_train, X_test, y_test = (_read_part(folder, part) for part in PARTS)
    return Dataset(X_train, y_train, X_test, y_test, scale, CLASS_NAMES[name], name)


def read_idx(path: Path, n_dims: int) -> Array:
    """Read one idx file of bytes.

    Parameters
    ----------
    path : pathlib.Path
        The file; it is taken as gzipped where its name ends in ``.gz``.
    n_dims : int
        How many dimensions it must have.

    Returns
    -------
    numpy.ndarray, uint8
        Of the shape that the file's header tells.

    Raises
    ------
    FileFormatError
        If magic number, dimensions and length do not agree.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from fastmlp.data.idx import read_idx
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "train-labels-idx1-ubyte")
    ...     _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2, 5, 7]))
    ...     read_idx(path, n_dims=1)
    array([5, 7], dtype=uint8)
    """
    with intact(path, "gzip file"), gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
        return _read_stream(cast("Readable", stream), path, n_dims)


def _find_part(folder: Path, part: str) -> Path | None:
    for spelling in SPELLINGS:
        for suffix in ("", ".gz"):
            path = folder / (spelling.format(part=part, n_dims=PARTS[part]) + suffix)
            if os.path.isfile(path):
                return path
    return None


def _read_part(folder: Path, part: str) -> Array:
    path = _find_part(folder, part)
    if path is None:
        name = SPELLINGS[0].format(part=part, n_dims=PARTS[part])
        raise DataNotFoundError(f"{folder} holds no {name}, gzipped or not")
    return read_idx(path, PARTS[part])


def _read_stream(stream: Readable, path: Path, n_dims: int) -> Array:
    shape = _read_header(stream, path, n_dims)
    n_header, n_bytes = 4 + 4 * n_dims, math.prod(shape)
    _refuse_length(path, n_header + n_bytes)
    array = gather(stream, n_bytes, is_sure=path.suffix != ".gz")
    n_found = n_header + len(array)
    if n_found < n_header + n_bytes:
        raise FileFormatError(f"{path} ends after {n_found:,} of the {n_header + n_bytes:,} bytes it announces")
    if stream.read(1):  # also where gzip compares its checksum
        raise FileFormatError(f"{path} goes on after the {n_found:,} bytes it announces")
    return array.reshape(shape)


def _read_header(stream: Readable, path: Path, n_dims: int) -> tuple[int, ...]:
    header = stream.read(4 + 4 * n_dims)
    magic = bytes([0, 0, 8, n_dims])
    if header[:4] != magic or len(header) < 4 + 4 * n_dims:
        raise FileFormatError(
            f"{path} begins with the bytes <{header.hex(' ')}>; an idx file of {n_dims} dimensions begins with "
            f"<{magic.hex(' ')}> and a header of {4 + 4 * n_dims} bytes"
        )
    return struct.unpack(f">{n_dims}I", header[4:])


def _refuse_length(path: Path, announced: int) -> None:
    n_bytes = path.stat().st_size
    possible = announced <= max_decompressed_bytes(n_bytes) if path.suffix == ".gz" else announced == n_bytes
    if not possible:
        raise FileFormatError(f"{path} has {n_bytes:,} bytes; its header announces {announced:,}")
