"""Atomic file writes: a new file, flushed to the disk, takes the old one's place."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import IO

from fastmlp.errors import OutputError


def write_atomic(
    path: str | os.PathLike[str], kind: str, write: Callable[[IO[bytes]], object], previous: Path | None = None
) -> None:
    """Write a file beside the one that may be there, and put it in its place when it is complete and on the disk.

    Parameters
    ----------
    path : path-like
        The file.
    kind : str
        What it is, for the error's message.
    write : callable
        Writes it to the open file that it is given.
    previous : pathlib.Path, optional
        Where the file that was there is kept, in the same folder.

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
    if os.path.exists(path) and not os.path.isfile(path):  # it would be replaced: /dev/null too, by who may
        raise OutputError(f"the {kind} could not be written to {path}: it is not a file")
    unfinished = path.with_name(f"{temporary_prefix(path)}{secrets.token_hex(8)}")  # two threads may write one file
    try:
        try:
            with unfinished.open("wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            if previous is not None and path.exists():
                path.replace(previous)
            unfinished.replace(path)
            sync(path.parent)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"the {kind} could not be written to {path}: {error.strerror}") from error


def temporary_prefix(path: Path) -> str:
    """With what the names of files begin that become `path` when they are complete."""
    return f".{path.name}."


def sync(path: Path) -> None:
    """Return when what a file holds, or which files a folder has, is on the disk."""
    if os.name == "nt" and path.is_dir():  # Windows has no such call for folders
        return
    try:
        descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    except PermissionError:
        if path.is_dir():  # it may be written to and not read
            return
        raise
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
