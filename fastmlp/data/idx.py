"""The file format idx, gzipped or not, and the data sets MNIST and Fashion-MNIST, which are in it.

LeCun, Cortes and Burges, "The MNIST database of handwritten digits": a magic number, big-endian dimensions, bytes.
"""

import math
import os
import struct
import warnings
import zlib
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np

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

#: By which the training labels of the official files are known: the first of them, and the number of each class. Other
#: data sets, such as KMNIST, have the same file names, shapes and numbers of classes.
FIRST_LABELS = {
    "mnist": (5, 0, 4, 1, 9, 2, 1, 3, 1, 4, 3, 5, 3, 6, 1, 7),
    "fashion-mnist": (9, 0, 0, 3, 0, 2, 7, 2, 5, 5, 0, 9, 5, 5, 7, 9),
}
CLASS_COUNTS = {
    "mnist": (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
    "fashion-mnist": (6000,) * 10,
}

GZIP_MAGIC = b"\x1f\x8b"
#: Codes of the types of elements in the magic number, of which only bytes (8) are read, and the largest accepted number
#: of dimensions: colour images, and one more.
ELEMENT_TYPES, MAX_DIMS = {8, 9, 11, 12, 13, 14}, 5

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
        Files of other labels have no class names.

    Raises
    ------
    FileFormatError
        If a file is truncated, oversized, damaged or foreign, or the files are those of the other data set.

    Warns
    -----
    UserWarning
        If the files are those of neither data set.

    Examples
    --------
    >>> from fastmlp.data.folder import data_folder
    >>> from fastmlp.data.idx import find_idx, load_idx
    >>> folder = find_idx(data_folder(), "mnist")
    >>> folder is None or load_idx(folder).n_features == 784
    True
    """
    X_train, y_train, X_test, y_test = (_read_part(folder, part) for part in PARTS)
    found = identify_labels(y_train)
    if found not in (name, None):
        raise FileFormatError(
            f"{folder}: expected the files of {name}, got those of {found}; move them into a folder called {found} and "
            f"load {found}, or give the path of their folder in place of a name"
        )
    dataset = Dataset(X_train, y_train, X_test, y_test, scale, CLASS_NAMES.get(found or ""), name)
    if found is None:
        warnings.warn(
            f"{folder}: expected the files of {name}, got others of the same names; they are read without the names of "
            f"its classes",
            stacklevel=4,  # the caller of load_data
        )
    return dataset


def identify_labels(y: Array) -> str | None:
    """Recognise the training labels of MNIST and Fashion-MNIST by their content.

    Parameters
    ----------
    y : numpy.ndarray of shape (n_samples,), uint8
        Labels of a training set.

    Returns
    -------
    str or None
        A key of ``CLASS_NAMES``; None for other labels.

    Examples
    --------
    >>> import numpy as np
    >>> from fastmlp.data.idx import identify_labels
    >>> identify_labels(np.arange(10, dtype=np.uint8)) is None
    True
    """
    if y.ndim != 1 or y.dtype != np.uint8:
        return None
    first, counts = tuple(y[:16].tolist()), tuple(np.bincount(y).tolist())
    return next((name for name in CLASS_NAMES if (first, counts) == (FIRST_LABELS[name], CLASS_COUNTS[name])), None)


def read_idx(path: Path, n_dims: int) -> Array:
    """Read one idx file of bytes.

    Parameters
    ----------
    path : pathlib.Path
        The file, gzipped or not.
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
    with translate_errors(path, "gzip file"):
        is_gzipped = _is_gzipped(path)
        with (open_gzip if is_gzipped else open_regular)(path) as stream:
            return _read_stream(cast("Readable", stream), path, n_dims, is_gzipped)


class IdxSize(NamedTuple):
    """Number of dimensions of an idx file, and length of the first, its number of samples."""

    n_dims: int
    n_samples: int


def read_size(path: Path) -> IdxSize | None:
    """Recognise an idx file by its magic number, whatever its name, and read its size.

    Parameters
    ----------
    path : pathlib.Path
        Any path.

    Returns
    -------
    IdxSize or None
        None for anything but an idx file that can be opened.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from fastmlp.data.idx import read_size
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "labels")
    ...     _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2, 5, 7]))
    ...     read_size(path), read_size(Path(folder, "images"))
    (IdxSize(n_dims=1, n_samples=2), None)
    """
    try:
        with (open_gzip if _is_gzipped(path) else open_regular)(path) as stream:
            header = stream.read(8)
    except (OSError, EOFError, zlib.error):
        return None
    is_idx = header[:2] == b"\0\0" and len(header) >= 4 and header[2] in ELEMENT_TYPES and 1 <= header[3] <= MAX_DIMS
    return IdxSize(header[3], int.from_bytes(header[4:], "big")) if is_idx else None


def _is_gzipped(path: Path) -> bool:
    """Whether a file is gzipped, whatever its name: browsers unpack files, and keep their names."""
    with open_regular(path) as stream:
        return stream.read(2) == GZIP_MAGIC


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


def _read_stream(stream: Readable, path: Path, n_dims: int, is_gzipped: bool) -> Array:
    shape = _read_header(stream, path, n_dims)
    n_header, n_bytes = 4 + 4 * n_dims, math.prod(shape)
    n_expected = n_header + n_bytes
    _check_length(path, n_expected, is_gzipped)
    array = read_up_to(stream, n_bytes, preallocate=not is_gzipped)
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


def _check_length(path: Path, n_expected: int, is_gzipped: bool) -> None:
    n_bytes = path.stat().st_size
    if is_gzipped:
        bound = max_decompressed_bytes(n_bytes)
        if n_expected > bound:
            raise FileFormatError(
                f"{path}: expected at most {bound:,} decompressed bytes, got a header for {n_expected:,}"
            )
    elif n_expected != n_bytes:
        raise FileFormatError(f"{path}: expected {n_expected:,} bytes according to its header, got {n_bytes:,}")
