"""Atomic file writes: a temporary file is written and flushed to disk, then renamed over the old file."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

from fastmlp.errors import OutputError


def write_atomic(
    path: str | os.PathLike[str], kind: str, write: Callable[[IO[bytes]], object], previous: Path | None = None
) -> None:
    """Write a file completely or not at all: a temporary file beside it replaces it once it is on the disk.

    Parameters
    ----------
    path : path-like
        The file.
    kind : str
        Kind of file, for the error message.
    write : callable
        Writes the content; its argument is the temporary file, opened in binary mode.
    previous : pathlib.Path, optional
        Path in the same folder under which the replaced file is kept.

    Raises
    ------
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomic(f"{folder}/note.txt", "note", lambda file: file.write(b"do re mi"))
    ...     os.listdir(folder)
    ['note.txt']
    """
    path = Path(path)
    # Anything but a regular file would be replaced; with sufficient permissions even /dev/null.
    if os.path.exists(path) and not os.path.isfile(path):
        raise OutputError(f"the {kind} could not be written to {path}: it is not a file")
    # The random part lets two threads write one path at the same time.
    temporary = path.with_name(f"{temporary_prefix(path)}{os.urandom(8).hex()}")
    try:
        try:
            with temporary.open("wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            if previous is not None and path.exists():
                path.replace(previous)
            temporary.replace(path)
            sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"the {kind} could not be written to {path}: {error.strerror}") from error


def temporary_prefix(path: Path) -> str:
    """Prefix of the names of the temporary files for `path`."""
    return f".{path.name}."


def sync(path: Path) -> None:
    """Flush a file's content, or a folder's entries, to the disk."""
    if os.name == "nt" and path.is_dir():  # Windows cannot flush folders
        return
    try:
        descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    except PermissionError:
        if path.is_dir():  # a folder may be writable without being readable
            return
        raise
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
