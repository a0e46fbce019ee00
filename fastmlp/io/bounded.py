"""Bounded reading of binary streams of any format: limits on allocation and decompression, and errors for damage."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastmlp.errors import DataNotFoundError, FastMLPError, FileFormatError

Array = NDArray[Any]

#: Bytes per read. tarfile copies what it reads three times: 31 MB in one read take 92 MB at the peak.
PIECE_BYTES = 1 << 18

#: Largest accepted ratio of decompressed to compressed bytes, so that a small file cannot fill the memory. Deflate
#: reaches 1,032; pixels and tables have 2 to 20.
MAX_DECOMPRESSION_RATIO = 100
#: Decompressed bytes that are accepted at any ratio.
MIN_DECOMPRESSION_BOUND = 1 << 26

GZIP_ERRORS: tuple[type[Exception], ...] = (zlib.error, EOFError)


class Readable(Protocol):
    """Binary stream: a file, a gzip stream or a member of an archive."""

    def read(self, n_bytes: int, /) -> bytes:
        """Read up to `n_bytes` bytes."""
        ...

    def readline(self, n_bytes: int, /) -> bytes:
        """Read to the end of the line, at most `n_bytes` bytes."""
        ...

    def readinto(self, buffer: Any, /) -> int | None:
        """Read into a buffer, and return the number of bytes read."""
        ...


@contextmanager
def translate_errors(path: Path, kind: str, *errors: type[Exception]) -> Iterator[None]:
    """Replace the errors that a library raises for a damaged file by one with the file's path and length.

    Parameters
    ----------
    path : pathlib.Path
        The file being read.
    kind : str
        The expected kind of file, for the message.
    *errors : exception classes
        Errors of the format's library, besides those of gzip.

    Raises
    ------
    FileFormatError
        In place of these errors.
    DataNotFoundError
        If the operating system refuses to open the file.

    Examples
    --------
    >>> import gzip, tempfile
    >>> from pathlib import Path
    >>> from fastmlp.io.bounded import translate_errors
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "x.gz")
    ...     _ = path.write_bytes(b"no gzip")
    ...     with translate_errors(path, "gzip file"), gzip.open(path) as stream:
    ...         stream.read()
    Traceback (most recent call last):
        ...
    fastmlp.errors.FileFormatError: ...x.gz (7 bytes) is not an intact gzip file: Not a gzipped file (b'no')
    """
    try:
        yield
    except FastMLPError:
        raise
    except OSError as error:
        if error.filename is not None:  # from opening the file; gzip's own errors have no file name
            raise DataNotFoundError(f"{path} cannot be read: {error.strerror}") from error
        raise FileFormatError(f"{path} ({path.stat().st_size:,} bytes) is not an intact {kind}: {error}") from error
    except GZIP_ERRORS + errors as error:
        raise FileFormatError(f"{path} ({path.stat().st_size:,} bytes) is not an intact {kind}: {error}") from error


def read_into(stream: Readable, buffer: Array) -> int:
    """Read until a buffer is full or the stream ends.

    Parameters
    ----------
    stream : Readable
        A file, gzip stream or archive member, opened in binary mode.
    buffer : numpy.ndarray, uint8, contiguous
        The destination.

    Returns
    -------
    int
        Bytes read; fewer than ``buffer.nbytes`` where the stream ended.

    Examples
    --------
    >>> import io
    >>> import numpy as np
    >>> from fastmlp.io.bounded import read_into
    >>> read_into(io.BytesIO(b"abc"), np.empty(8, dtype=np.uint8))
    3
    """
    view = buffer.data.cast("B")
    n_read = 0
    while n_read < len(view):
        n_new = stream.readinto(view[n_read : n_read + PIECE_BYTES])
        if not n_new:
            break
        n_read += n_new
    return n_read


def read_up_to(stream: Readable, n_bytes: int, preallocate: bool = False) -> Array:
    """Read up to `n_bytes` bytes into an array that grows as they arrive, so that a false length allocates no memory.

    Parameters
    ----------
    stream : Readable
        A file, gzip stream or archive member, opened in binary mode.
    n_bytes : int
        Number of bytes to read.
    preallocate : bool
        Whether to allocate all of them at once, for a stream that is known to have them.

    Returns
    -------
    numpy.ndarray of shape (n_read,), uint8
        Shorter than `n_bytes` where the stream ended.

    Examples
    --------
    >>> import io
    >>> from fastmlp.io.bounded import read_up_to
    >>> read_up_to(io.BytesIO(b"abc"), 10**12)
    array([97, 98, 99], dtype=uint8)
    """
    array, n_read = np.empty(n_bytes if preallocate else min(n_bytes, PIECE_BYTES), dtype=np.uint8), 0
    while True:
        n_read += read_into(stream, array[n_read:])
        if n_read < len(array) or n_read == n_bytes:
            return array[:n_read]
        array.resize(min(n_bytes, 2 * len(array)), refcheck=False)


def max_decompressed_bytes(n_bytes: int) -> int:
    """Number of bytes that a compressed file may decompress to.

    Parameters
    ----------
    n_bytes : int
        Length of the compressed file.

    Returns
    -------
    int
        A hundred times that length, and at least 64 MiB.

    Examples
    --------
    >>> from fastmlp.io.bounded import max_decompressed_bytes
    >>> max_decompressed_bytes(10**7)
    1000000000
    """
    return max(MIN_DECOMPRESSION_BOUND, MAX_DECOMPRESSION_RATIO * n_bytes)


class BoundedStream:
    """A binary stream from which at most a given number of bytes can be read.

    A read beyond that number is refused before it allocates memory.

    Parameters
    ----------
    stream : file object
        Opened in binary mode.
    n_bytes : int
        Maximum number of bytes.
    name : str
        Name of the stream in error messages.

    Examples
    --------
    >>> import io
    >>> from fastmlp.io.bounded import BoundedStream
    >>> BoundedStream(io.BytesIO(b"abc"), 3, "abc.bin").read(2)
    b'ab'
    """

    def __init__(self, stream: Readable, n_bytes: int, name: str) -> None:
        self._stream = stream
        self._n_bytes = n_bytes
        self._n_left = n_bytes
        self._name = name

    def allow(self, n_bytes: int) -> None:
        """Raise the maximum.

        Parameters
        ----------
        n_bytes : int
            Number of additional bytes.

        Examples
        --------
        >>> import io
        >>> from fastmlp.io.bounded import BoundedStream
        >>> stream = BoundedStream(io.BytesIO(b"abc"), 1, "abc.bin")
        >>> stream.allow(2)
        >>> stream.read(3)
        b'abc'
        """
        self._n_bytes += n_bytes
        self._n_left += n_bytes

    def read(self, n_bytes: int) -> bytes:
        """Read bytes.

        Parameters
        ----------
        n_bytes : int
            Number of bytes.

        Returns
        -------
        bytes
            Fewer than `n_bytes` at the end of the stream.

        Raises
        ------
        FileFormatError
            If the read exceeds the maximum.

        Examples
        --------
        >>> import io
        >>> from fastmlp.io.bounded import BoundedStream
        >>> BoundedStream(io.BytesIO(b"abc"), 3, "abc.bin").read(3)
        b'abc'
        """
        return self._count(self._stream.read(self._check(n_bytes)))

    def readline(self) -> bytes:
        r"""Read to the end of a line, or up to the maximum.

        Returns
        -------
        bytes
            The line with its newline.

        Examples
        --------
        >>> import io
        >>> from fastmlp.io.bounded import BoundedStream
        >>> BoundedStream(io.BytesIO(b"a\nbc"), 4, "abc.txt").readline()
        b'a\n'
        """
        return self._count(self._stream.readline(self._n_left))

    def read_array(self, n_bytes: int) -> Array:
        """Read bytes into a new array, without an intermediate copy.

        Parameters
        ----------
        n_bytes : int
            Number of bytes.

        Returns
        -------
        numpy.ndarray of shape (n_bytes,), uint8
            The bytes.

        Raises
        ------
        FileFormatError
            If the read exceeds the maximum, or the stream ends early.

        Examples
        --------
        >>> import io
        >>> from fastmlp.io.bounded import BoundedStream
        >>> BoundedStream(io.BytesIO(b"abc"), 3, "abc.bin").read_array(2)
        array([97, 98], dtype=uint8)
        """
        array = np.empty(self._check(n_bytes), dtype=np.uint8)
        n_read = read_into(self._stream, array)
        if n_read < n_bytes:
            raise FileFormatError(f"{self._name} ends after {n_read:,} of {n_bytes:,} bytes")
        self._n_left -= n_bytes
        return array

    def _check(self, n_bytes: int) -> int:
        if not 0 <= n_bytes <= self._n_left:
            n_needed = self._n_bytes - self._n_left + n_bytes
            raise FileFormatError(
                f"{self._name} claims to hold at least {n_needed:,} bytes; at most {self._n_bytes:,} are accepted"
            )
        return n_bytes

    def _count(self, data: bytes) -> bytes:
        self._n_left -= len(data)
        return data
