"""NumPy ``.npy`` arrays: headers checked against the length of the file before memory is allocated; no unpickling."""

import io
import math
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from fastmlp.errors import DataError, FileFormatError
from fastmlp.io.bounded import Array, Readable, translate_errors
from fastmlp.io.regular_file import open_regular

MAGIC = b"\x93NUMPY"
#: By version of the format: number of bytes of the header's length, and NumPy's parser of the header.
VERSIONS = {
    (1, 0): (2, np.lib.format.read_array_header_1_0),
    (2, 0): (4, np.lib.format.read_array_header_2_0),
}
#: NumPy's own limit: it parses the header with Python's parser, which is unsafe for longer input.
MAX_HEADER_BYTES = 10_000
MAX_DIMENSIONS = 32
#: What an error about a single object adds: NumPy saves whatever is no array, such as a sparse matrix, as one.
SPARSE_REMEDY = (
    "; a sparse matrix by scipy.sparse.save_npz, as X_train.npz and X_test.npz in a folder with y_train.npy and "
    "y_test.npy"
)


class Header(NamedTuple):
    """Header of an array, consistent with the length of its file.

    Attributes
    ----------
    shape : tuple of int
        Shape of the array.
    dtype : numpy.dtype
        Its dtype; never object.
    order : {"C", "F"}
        Row-major or column-major.
    start : int
        Offset of the array's first byte.
    n_bytes : int
        Number of bytes of the array.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    order: Literal["C", "F"]
    start: int
    n_bytes: int


def read_npy_header(stream: Readable, n_bytes: int, place: str, *, accepts_empty: bool = False) -> Header:
    """Read the header of an array, and check it against the length of the file.

    Parameters
    ----------
    stream : Readable
        A file or a member of an archive, at its beginning.
    n_bytes : int
        Length of the file or member.
    place : str
        Name of the file or member in error messages.
    accepts_empty : bool
        Whether the array may be empty.

    Returns
    -------
    Header
        Shape, dtype, memory layout and position of the array.

    Raises
    ------
    FileFormatError
        If the header is damaged or implies another length, or the array is of objects.
    DataError
        If the array is empty, unless that is accepted.

    Examples
    --------
    >>> file = io.BytesIO()
    >>> np.save(file, np.eye(3))
    >>> n_bytes = file.tell()
    >>> _ = file.seek(0)
    >>> read_npy_header(file, n_bytes, "eye.npy").shape
    (3, 3)
    """
    magic = stream.read(8)
    if len(magic) < 8 or magic[:6] != MAGIC:
        raise FileFormatError(
            f"{place}: expected an array, which begins with the bytes <{MAGIC.hex(' ')}>, got <{magic.hex(' ')}>"
        )
    version = magic[6], magic[7]
    if version not in VERSIONS:
        raise FileFormatError(f"{place}: expected version 1.0 or 2.0 of the .npy format, got {magic[6]}.{magic[7]}")
    n_length, parse = VERSIONS[version]
    length = stream.read(n_length)
    n_header = int.from_bytes(length, "little")
    if n_header > MAX_HEADER_BYTES:
        raise FileFormatError(f"{place}: expected a header of at most {MAX_HEADER_BYTES:,} bytes, got {n_header:,}")
    try:
        shape, is_column_major, dtype = parse(io.BytesIO(length + stream.read(n_header)))
    except Exception as error:  # the header is parsed as Python, which may raise anything
        raise FileFormatError(f"{place} has an invalid header: {error}") from error
    _check_header(shape, dtype, place)
    start, content = len(magic) + n_length + n_header, math.prod(shape) * dtype.itemsize
    if n_bytes != start + content:
        raise FileFormatError(f"{place}: expected {start + content:,} bytes according to its header, got {n_bytes:,}")
    if content == 0 and not accepts_empty:
        raise DataError(f"{place} is empty: its shape is {shape}")
    return Header(shape, dtype, "F" if is_column_major else "C", start, content)


def _check_header(shape: tuple[int, ...], dtype: np.dtype[Any], place: str) -> None:
    if dtype.hasobject:
        raise FileFormatError(
            f"{place} holds pickled objects, which may run code; save an array of numbers, or of strings by "
            f"array.astype(str), instead{SPARSE_REMEDY if shape == () else ''}"
        )
    if len(shape) > MAX_DIMENSIONS or any(isinstance(n, bool) or n < 0 for n in shape):
        raise FileFormatError(
            f"{place}: expected a shape of at most {MAX_DIMENSIONS} integers >= 0 in the header, got {shape}"
        )


def map_npy(path: Path) -> Array:
    """Memory-map a ``.npy`` file.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    numpy.ndarray
        Read-only; only the parts that are used are read.

    Raises
    ------
    FileFormatError
        If the file is truncated, oversized, foreign, or holds pickled objects.
    DataError
        If the array is empty.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from fastmlp.io.npy import map_npy
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(Path(folder, "X.npy"), np.eye(3))
    ...     map_npy(Path(folder, "X.npy")).shape
    (3, 3)
    """
    with translate_errors(path, ".npy file", ValueError), open_regular(path) as stream:
        header = read_npy_header(stream, path.stat().st_size, str(path))
        return np.memmap(stream, header.dtype, "r", header.start, header.shape, header.order)
