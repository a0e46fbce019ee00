"""Opening of regular files only: a FIFO, a device or a socket in the place of a file is refused, never waited for."""

import errno
import gzip
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

#: Opening a FIFO without this flag blocks until another process writes to it. Windows has neither.
NONBLOCK: int = getattr(os, "O_NONBLOCK", 0)

KINDS = {
    stat.S_IFIFO: "FIFO",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
    stat.S_IFSOCK: "socket",
    stat.S_IFDIR: "directory",
}


def regular_opener(path: str | os.PathLike[str], flags: int) -> int:
    """Open a file as `os.open` does, unless it is not a regular one; the ``opener`` of ``open`` and `io.FileIO`.

    Parameters
    ----------
    path : path-like
        The file; symbolic links are followed.
    flags : int
        Flags of `os.open`.

    Returns
    -------
    int
        The file descriptor.

    Raises
    ------
    OSError
        If the file cannot be opened, or is not a regular one; ``strerror`` then names its type.

    Examples
    --------
    >>> regular_opener(os.devnull, os.O_RDONLY)
    Traceback (most recent call last):
        ...
    OSError: [Errno 22] expected a regular file, got a character device: '/dev/null'
    """
    # Before it is opened, too: opening a device may act on it, or release a process that waits to write to a FIFO.
    check_regular(path)
    descriptor = os.open(path, flags | NONBLOCK, 0o666)
    try:
        _check_regular(os.fstat(descriptor), path)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _check_regular(status: os.stat_result, path: str | os.PathLike[str]) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = KINDS.get(stat.S_IFMT(status.st_mode), "special file")
        raise OSError(errno.EINVAL, f"expected a regular file, got a {kind}", os.fspath(path))


def check_regular(path: str | os.PathLike[str]) -> None:
    """Refuse a path at which there is something else than a regular file, before a library opens it.

    Parameters
    ----------
    path : path-like
        The path; nothing need be there.

    Raises
    ------
    OSError
        If a FIFO, a device, a socket or a directory is there.

    Examples
    --------
    >>> check_regular("nowhere")
    """
    if os.path.exists(path):
        _check_regular(os.stat(path), path)


def open_regular(path: str | os.PathLike[str]) -> io.BufferedReader:
    """Open a regular file for reading in binary mode.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    file object

    Raises
    ------
    OSError
        If the file cannot be opened or is not regular.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     open_regular(folder)
    Traceback (most recent call last):
        ...
    OSError: [Errno 22] expected a regular file, got a directory: ...
    """
    return open(path, "rb", opener=regular_opener)


@contextmanager
def open_gzip(path: str | os.PathLike[str]) -> Iterator[gzip.GzipFile]:
    """Open a regular file that gzip compressed, for reading in binary mode.

    Parameters
    ----------
    path : path-like
        The file.

    Yields
    ------
    gzip.GzipFile

    Raises
    ------
    OSError
        If the file cannot be opened, is not regular, or is damaged.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "x.gz").write_bytes(gzip.compress(b"abc"))
    ...     with open_gzip(Path(folder, "x.gz")) as stream:
    ...         stream.read()
    b'abc'
    """
    with open_regular(path) as file, gzip.GzipFile(fileobj=file, mode="rb") as stream:
        yield stream


def read_text(path: str | os.PathLike[str]) -> str:
    """Read a regular file of text in UTF-8.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    str

    Raises
    ------
    OSError
        If the file cannot be opened or is not regular.
    UnicodeDecodeError
        If it is not in UTF-8.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "x.txt").write_text("abc")
    ...     read_text(Path(folder, "x.txt"))
    'abc'
    """
    with io.TextIOWrapper(open_regular(path), encoding="utf-8") as file:
        return file.read()


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Read a regular file.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    bytes

    Raises
    ------
    OSError
        If the file cannot be opened or is not regular.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "x.bin").write_bytes(b"abc")
    ...     read_bytes(Path(folder, "x.bin"))
    b'abc'
    """
    with open_regular(path) as file:
        return file.read()
