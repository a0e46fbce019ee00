"""Npy: NumPy's arrays in files, held against the file's length before anything is allocated. Never unpickles.

Knows neither models nor data sets.
"""

import io
import math
import os
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from fastmlp.data.check import Array
from fastmlp.data.stream import PIECE_BYTES, Readable, gather, most_unfolded
from fastmlp.errors import DataError, FileFormatError

MAGIC = b"\x93NUMPY"
#: Bytes that tell the header's length, and NumPy's reader of the header, by version of the format.
VERSIONS = {
    (1, 0): (2, np.lib.format.read_array_header_1_0),
    (2, 0): (4, np.lib.format.read_array_header_2_0),
}
# NumPy's own bound: Python's parser, which reads the header, is not safe from longer ones.
MOST_HEADER_BYTES = 10_000
MOST_DIMENSIONS = 32


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
    if n_header > MOST_HEADER_BYTES:
        raise FileFormatError(f"{place} claims a header of {n_header:,} bytes; {MOST_HEADER_BYTES:,} are the most")
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
    if len(shape) > MOST_DIMENSIONS or any(isinstance(n, bool) or n < 0 for n in shape):
        raise FileFormatError(f"{place} announces the shape {shape}, which no array has")


class _Pieces(io.FileIO):
    """A file that is never read in larger pieces: a zip's list of members is read at once, however long it is."""

    def read(self, n_bytes: int | None = -1) -> bytes:
        piece = super().read(n_bytes if n_bytes is not None and 0 <= n_bytes <= PIECE_BYTES else PIECE_BYTES + 1)
        if piece is None or len(piece) > PIECE_BYTES:
            raise FileFormatError(f"its list of members is longer than {PIECE_BYTES:,} bytes")
        return piece


class Npz(Mapping[str, Array]):
    """The arrays of an ``.npz`` file, each read when it is asked for.

    What a member claims to hold is not believed: one that is stored as it is must fit into the file, and one that is
    compressed takes memory only as its bytes come, up to `fastmlp.data.stream.most_unfolded`.

    Parameters
    ----------
    path : pathlib.Path
        The file, to be closed by a ``with`` block.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(f"{folder}/eye.npz", X=np.eye(3))
    ...     with Npz(Path(folder, "eye.npz")) as arrays:
    ...         list(arrays), arrays.header("X").shape, arrays["X"][1]
    (['X'], (3, 3), array([0., 1., 0.]))
    """

    def __init__(self, path: Path) -> None:
        self._path, self._file = path, _Pieces(path)
        try:
            self._n_bytes = os.fstat(self._file.fileno()).st_size
            self._zip = zipfile.ZipFile(self._file)
        except BaseException:
            self._file.close()
            raise
        members = [member for member in self._zip.infolist() if member.filename.endswith(".npy")]
        self._members = {member.filename.removesuffix(".npy"): member for member in members}

    def __enter__(self) -> "Npz":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def header(self, name: str) -> Header:
        """What an array is, before it is read.

        Parameters
        ----------
        name : str
            The array's.

        Returns
        -------
        Header

        Raises
        ------
        KeyError
            If there is none of this name.
        FileFormatError, DataError
            As `read_npy_header` does, and where the file cannot hold what the member claims.
        """
        with self._open(name) as stream:
            return read_npy_header(stream, self._members[name].file_size, self._place(name))

    def __getitem__(self, name: str) -> Array:
        member = self._members[name]
        with self._open(name) as stream:
            header = read_npy_header(stream, member.file_size, self._place(name))
            octets = gather(stream, header.n_bytes, is_sure=member.compress_type == zipfile.ZIP_STORED)
        if len(octets) < header.n_bytes:
            raise FileFormatError(f"{self._place(name)} ends after {len(octets):,} of {header.n_bytes:,} bytes")
        return octets.view(header.dtype).reshape(header.shape, order=header.order)

    def _place(self, name: str) -> str:
        return f"{self._path}/{name}.npy"

    def _open(self, name: str) -> Any:
        member = self._members[name]
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FileFormatError(f"{self._place(name)} is compressed in a way that NumPy does not write")
        stored = member.compress_type == zipfile.ZIP_STORED
        bound = self._n_bytes if stored else most_unfolded(self._n_bytes)
        if member.compress_size > self._n_bytes or member.file_size > bound:
            raise FileFormatError(
                f"{self._place(name)} claims to hold {member.file_size:,} bytes; the file has {self._n_bytes:,}, "
                f"and {bound:,} are the most that are read"
            )
        return self._zip.open(member)
