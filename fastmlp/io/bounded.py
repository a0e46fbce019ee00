"""Stream: reading bytes into place, never more than were promised, and naming what is damaged. Knows no file format."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastmlp.errors import DataNotFoundError, FastMLPError, FileFormatError

Array = NDArray[Any]

# 31 MB read at once pass through tarfile's layers as three copies, 92 MB at the peak.
PIECE_BYTES = 1 << 18

# Deflate unfolds a byte to 1,032 at most. Pixels and tables come to 2 to 20; what comes to more is refused where it is
# large, so that a small file cannot fill the memory.
MAX_DECOMPRESSION_RATIO = 100
MIN_DECOMPRESSION_BOUND = 1 << 26

GZIP_ERRORS: tuple[type[Exception], ...] = (zlib.error, EOFError)


class Readable(Protocol):
    """A binary stream: what is asked of a file, a gzip stream or an archive's member."""

    def read(self, n_bytes: int, /) -> bytes:
        """Read some bytes."""
        ...

    def readline(self, n_bytes: int, /) -> bytes:
        """Read to the end of the line."""
        ...

    def readinto(self, buffer: Any, /) -> int | None:
        """Fill the beginning of a buffer, and say how many bytes came."""
        ...


@contextmanager
def intact(path: Path, kind: str, *errors: type[Exception]) -> Iterator[None]:
    """Turn what a library raises at a damaged file into an error that names the file and its length.

    Parameters
    ----------
    path : pathlib.Path
        The file being read.
    kind : str
        What it should be.
    *errors : exception classes
        What the format's library raises, besides those of gzip.

    Raises
    ------
    FileFormatError
        In place of these errors.
    DataNotFoundError
        If the system does not let it be read.

    Examples
    --------
    >>> import gzip, tempfile
    >>> from pathlib import Path
    >>> from fastmlp.io.bounded import intact
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "x.gz")
    ...     _ = path.write_bytes(b"no gzip")
    ...     with intact(path, "gzip file"), gzip.open(path) as stream:
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
        if error.filename is not None:  # the system's answer to opening it; gzip's own errors name no file
            raise DataNotFoundError(f"{path} cannot be read: {error.strerror}") from error
        raise FileFormatError(f"{path} ({path.stat().st_size:,} bytes) is not an intact {kind}: {error}") from error
    except GZIP_ERRORS + errors as error:
        raise FileFormatError(f"{path} ({path.stat().st_size:,} bytes) is not an intact {kind}: {error}") from error


def fill(stream: Readable, buffer: Array) -> int:
    """Read until a buffer is full or the stream ends.

    Parameters
    ----------
    stream : Readable
        A file, gzip stream or archive member, opened in binary mode.
    buffer : numpy.ndarray, uint8, contiguous
        Where the bytes go.

    Returns
    -------
    int
        Bytes read; fewer than ``buffer.nbytes`` where the stream ended.

    Examples
    --------
    >>> import io
    >>> import numpy as np
    >>> from fastmlp.io.bounded import fill
    >>> fill(io.BytesIO(b"abc"), np.empty(8, dtype=np.uint8))
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


def gather(stream: Readable, n_bytes: int, is_sure: bool = False) -> Array:
    """Read bytes into an array that grows as they come: a length that is only claimed allocates nothing.

    Parameters
    ----------
    stream : Readable
        A file, gzip stream or archive member, opened in binary mode.
    n_bytes : int
        How many to read.
    is_sure : bool
        Whether they are known to be there, so that the array need not grow.

    Returns
    -------
    numpy.ndarray of shape (n_read,), uint8
        Shorter than `n_bytes` where the stream ended.

    Examples
    --------
    >>> import io
    >>> from fastmlp.io.bounded import gather
    >>> gather(io.BytesIO(b"abc"), 10**12)
    array([97, 98, 99], dtype=uint8)
    """
    array, n_read = np.empty(n_bytes if is_sure else min(n_bytes, PIECE_BYTES), dtype=np.uint8), 0
    while True:
        n_read += fill(stream, array[n_read:])
        if n_read < len(array) or n_read == n_bytes:
            return array[:n_read]
        array.resize(min(n_bytes, 2 * len(array)), refcheck=False)


def max_decompressed_bytes(n_bytes: int) -> int:
    """How many bytes a compressed file may unfold to.

    Parameters
    ----------
    n_bytes : int
        Its length as it lies.

    Returns
    -------
    int
        A hundred times as many; 64 MiB at least.

    Examples
    --------
    >>> from fastmlp.io.bounded import max_decompressed_bytes
    >>> max_decompressed_bytes(10**7)
    1000000000
    """
    return max(MIN_DECOMPRESSION_BOUND, MAX_DECOMPRESSION_RATIO * n_bytes)


class Bounded:
    """A binary stream that refuses to give more bytes than it may hold, however many are asked for at once.

    Parameters
    ----------
    stream : file object
        Opened in binary mode.
    n_bytes : int
        How many bytes it may give.
    name : str
        What messages call it.

    Examples
    --------
    >>> import io
    >>> from fastmlp.io.bounded import Bounded
    >>> Bounded(io.BytesIO(b"abc"), 3, "abc.bin").read(2)
    b'ab'
    """

    def __init__(self, stream: Readable, n_bytes: int, name: str) -> None:
        self._stream = stream
        self._n_bytes = n_bytes
        self._n_left = n_bytes
        self._name = name

    def allow(self, n_bytes: int) -> None:
        """Let it give so many bytes more.

        Parameters
        ----------
        n_bytes : int
            What turned out to be expected.

        Examples
        --------
        >>> import io
        >>> from fastmlp.io.bounded import Bounded
        >>> stream = Bounded(io.BytesIO(b"abc"), 1, "abc.bin")
        >>> stream.allow(2)
        >>> stream.read(3)
        b'abc'
        """
        self._n_bytes += n_bytes
        self._n_left += n_bytes

    def read(self, n_bytes: int) -> bytes:
        """Read some bytes.

        Parameters
        ----------
        n_bytes : int
            How many.

        Returns
        -------
        bytes
            As many as asked for, or fewer at the end.

        Raises
        ------
        FileFormatError
            If that goes beyond the bound.

        Examples
        --------
        >>> import io
        >>> from fastmlp.io.bounded import Bounded
        >>> Bounded(io.BytesIO(b"abc"), 3, "abc.bin").read(3)
        b'abc'
        """
        return self._count(self._stream.read(self._within(n_bytes)))

    def readline(self) -> bytes:
        r"""Read to the end of a line.

        Returns
        -------
        bytes
            The line with its newline.

        Examples
        --------
        >>> import io
        >>> from fastmlp.io.bounded import Bounded
        >>> Bounded(io.BytesIO(b"a\nbc"), 4, "abc.txt").readline()
        b'a\n'
        """
        return self._count(self._stream.readline(self._n_left))

    def read_array(self, n_bytes: int) -> Array:
        """Read some bytes into an array of their own, without a copy of them anywhere else.

        Parameters
        ----------
        n_bytes : int
            How many.

        Returns
        -------
        numpy.ndarray of shape (n_bytes,), uint8
            The bytes.

        Raises
        ------
        FileFormatError
            If that goes beyond the bound, or the stream ends before.

        Examples
        --------
        >>> import io
        >>> from fastmlp.io.bounded import Bounded
        >>> Bounded(io.BytesIO(b"abc"), 3, "abc.bin").read_array(2)
        array([97, 98], dtype=uint8)
        """
        array = np.empty(self._within(n_bytes), dtype=np.uint8)
        n_read = fill(self._stream, array)
        if n_read < n_bytes:
            raise FileFormatError(f"{self._name} ends after {n_read:,} of {n_bytes:,} bytes")
        self._n_left -= n_bytes
        return array

    def _within(self, n_bytes: int) -> int:
        if not 0 <= n_bytes <= self._n_left:
            raise FileFormatError(
                f"{self._name} claims to hold {n_bytes - self._n_left:,} bytes more than the {self._n_bytes:,} it may"
            )
        return n_bytes

    def _count(self, chunk: bytes) -> bytes:
        self._n_left -= len(chunk)
        return chunk
