"""The data sets MNIST and Fashion-MNIST, and their file format idx, gzipped or not.

LeCun, Cortes and Burges, "The MNIST database of handwritten digits": a magic number, big-endian dimensions, bytes.
"""

import math
import os
import struct
from pathlib import Path
from typing import cast

from fastmlp.data.check import Array
from fastmlp.data.dataset import Dataset
from fastmlp.errors import DataNotFoundError, FileFormatError
from fastmlp.io.bounded import Readable, max_decompressed_bytes, read_up_to, translate_errors
from fastmlp.io.regular_file import open_gzip, open_regular

CLASS_NAMES = {
    "mnist": ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"),
    "fashion-mnist": (
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ),
}  # fmt: skip

#: Parts of a data set, and their numbers of dimensions: 3 for images, 1 for labels.
PARTS = {"train-images": 3, "train-labels": 1, "t10k-images": 3, "t10k-labels": 1}
SPELLINGS = ("{part}-idx{n_dims}-ubyte", "{part}.idx{n_dims}-ubyte")


def find_idx(folder: Path, name: str) -> Path | None:
    """Search for the four files of a data set.

    Parameters
    ----------
    folder : pathlib.Path
        The folder of data sets, or a folder called ``name``. MNIST's files may also be in ``folder`` itself.
    name : {"mnist", "fashion-mnist"}
        The data set; both have the same file names.

    Returns
    -------
    pathlib.Path or None
        The folder with all four files; None if there is none.

    Examples
    --------
    >>> from pathlib import Path
    >>> from fastmlp.data.idx import find_idx
    >>> find_idx(Path("nowhere"), "mnist") is None
    True
    """
    candidates = [folder / name] + ([folder] if name in ("mnist", folder.name) else [])
    for candidate in candidates:
        if all(_find_part(candidate, part) for part in PARTS):
            return candidate
    return None


def load_idx(folder: Path, scale: str = "auto", name: str = "mnist") -> Dataset:
    """Load MNIST or Fashion-MNIST.

    Parameters
    ----------
    folder : pathlib.Path
        The result of `find_idx`.
    scale : str
        See `fastmlp.data.Dataset`.
    name : {"mnist", "fashion-mnist"}
        The data set.

    Returns
    -------
    Dataset
        uint8 pixels, 10 classes; the official files hold 60,000 training and 10,000 test samples of 28 x 28 pixels.

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
        The file; gzipped if its name ends in ``.gz``.
    n_dims : int
        Expected number of dimensions.

    Returns
    -------
    numpy.ndarray, uint8
        The array, in the shape of the file's header.

    Raises
    ------
    FileFormatError
        If the magic number is wrong, or the length does not match the dimensions.

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
    opened = open_gzip if path.suffix == ".gz" else open_regular
    with translate_errors(path, "gzip file"), opened(path) as stream:
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
        raise DataNotFoundError(f"{folder}: expected a file {name}, gzipped or not, got none")
    return read_idx(path, PARTS[part])


def _read_stream(stream: Readable, path: Path, n_dims: int) -> Array:
    shape = _read_header(stream, path, n_dims)
    n_header, n_bytes = 4 + 4 * n_dims, math.prod(shape)
    n_expected = n_header + n_bytes
    _check_length(path, n_expected)
    array = read_up_to(stream, n_bytes, preallocate=path.suffix != ".gz")
    n_read = n_header + len(array)
    if n_read < n_expected:
        raise FileFormatError(f"{path}: expected {n_expected:,} bytes according to its header, got {n_read:,}")
    if stream.read(1):  # by reading the end, gzip also verifies its checksum
        raise FileFormatError(f"{path}: expected {n_expected:,} bytes according to its header, got more")
    return array.reshape(shape)


def _read_header(stream: Readable, path: Path, n_dims: int) -> tuple[int, ...]:
    header = stream.read(4 + 4 * n_dims)
    magic = bytes([0, 0, 8, n_dims])
    if header[:4] != magic or len(header) < 4 + 4 * n_dims:
        raise FileFormatError(
            f"{path}: expected an idx file of {n_dims} dimensions, with a header of {4 + 4 * n_dims} bytes that begins "
            f"with <{magic.hex(' ')}>, got <{header.hex(' ')}>"
        )
    return struct.unpack(f">{n_dims}I", header[4:])


def _check_length(path: Path, n_expected: int) -> None:
    n_bytes = path.stat().st_size
    if path.suffix == ".gz":
        bound = max_decompressed_bytes(n_bytes)
        if n_expected > bound:
            raise FileFormatError(
                f"{path}: expected at most {bound:,} decompressed bytes, got a header for {n_expected:,}"
            )
    elif n_expected != n_bytes:
        raise FileFormatError(f"{path}: expected {n_expected:,} bytes according to its header, got {n_bytes:,}")
