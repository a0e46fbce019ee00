"""Npy: NumPy's arrays in files, held against the file's length before anything is allocated. Never unpickles.

Knows neither models nor data sets.
"""

import io
import math
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from fastmlp.errors import DataError, FileFormatError
from fastmlp.io.bounded import Array, Readable, intact

MAGIC = b"\x93NUMPY"
#: Bytes that tell the header's length, and NumPy's reader of the header, by version of the format.
VERSIONS = {
    (1, 0): (2, np.lib.format.read_array_header_1_0),
    (2, 0): (4, np.lib.format.read_array_header_2_0),
}
# NumPy's own bound: Python's parser, which reads the header, is not safe from longer ones.
MAX_HEADER_BYTES = 10_000
MAX_DIMENSIONS = 32


class Header(NamedTuple):
    """What an array's header announces, which its file has room for.

    Attributes
    ----------
    shape : tuple of int
        Of the array.
    dtype : numpy.dtype
        Never of objects.
    order : str
        ``C``, or ``F`` where it lies by columns.
    start : int
        Where the array's bytes begin.
    n_bytes : int
        How many they are.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    order: Literal["C", "F"]
    start: int
    n_bytes: int


def read_npy_header(stream: Readable, n_bytes: int, place: str) -> Header:
    """Read an array's header, and compare the length that it announces with that of the file.

    Parameters
    ----------
    stream : Readable
        A file, or a member of an archive, at its beginning.
    n_bytes : int
        How long it is.
    place : str
        What messages call it.

    Returns
    -------
    Header

    Raises
    ------
    FileFormatError
        If the header is damaged or announces another length, or the array is of objects.
    DataError
        If the array is empty.

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
            f"{place} begins with the bytes <{magic.hex(' ')}>; an array begins with <{MAGIC.hex(' ')}>"
        )
    version = magic[6], magic[7]
    if version not in VERSIONS:
        raise FileFormatError(f"{place} is of version {version} of the .npy format; 1.0 and 2.0 are read")
    n_length, parse = VERSIONS[version]
    length = stream.read(n_length)
    n_header = int.from_bytes(length, "little")
    if n_header > MAX_HEADER_BYTES:
        raise FileFormatError(f"{place} claims a header of {n_header:,} bytes; {MAX_HEADER_BYTES:,} are the most")
    try:
        shape, by_columns, dtype = parse(io.BytesIO(length + stream.read(n_header)))
    except Exception as error:  # the header is parsed as Python: whatever it spells
        raise FileFormatError(f"{place} has a header that cannot be read: {error}") from error
    _refuse_no_array(shape, dtype, place)
    start, content = len(magic) + n_length + n_header, math.prod(shape) * dtype.itemsize
    if n_bytes != start + content:
        raise FileFormatError(f"{place} has {n_bytes:,} bytes; its header announces {start + content:,}")
    if content == 0:
        raise DataError(f"{place} is empty: its shape is {shape}")
    return Header(shape, dtype, "F" if by_columns else "C", start, content)


def _refuse_no_array(shape: tuple[int, ...], dtype: np.dtype[Any], place: str) -> None:
    if dtype.hasobject:
        raise FileFormatError(f"{place} holds pickled objects, which may run code; save an array of numbers instead")
    if len(shape) > MAX_DIMENSIONS or any(isinstance(n, bool) or n < 0 for n in shape):
        raise FileFormatError(f"{place} announces the shape {shape}, which no array has")


def map_npy(path: Path) -> Array:
    """Map a ``.npy`` file into memory.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    numpy.ndarray
        Read-only; what is not used of it is not read.

    Raises
    ------
    FileFormatError
        If the file is truncated, oversized, foreign, or holds pickled objects.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from fastmlp.data.arrays import map_npy
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(Path(folder, "X.npy"), np.eye(3))
    ...     map_npy(Path(folder, "X.npy")).shape
    (3, 3)
    """
    with intact(path, ".npy file", ValueError), path.open("rb") as stream:
        header = read_npy_header(stream, path.stat().st_size, str(path))
        return np.memmap(stream, header.dtype, "r", header.start, header.shape, header.order)
