"""Archive: a header and arrays in one ``.npz`` file, written whole or not at all. Knows not what they mean."""

import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fastmlp.data.npy import Npz
from fastmlp.errors import DataNotFoundError, FileFormatError, OutputError

Arrays = Mapping[str, NDArray[Any]]


def write_archive(
    path: str | os.PathLike[str],
    kind: str,
    version: int,
    header: Mapping[str, Any],
    arrays: Arrays,
    previous: Path | None = None,
) -> None:
    """Write a header and arrays, by way of `write_whole`.

    Parameters
    ----------
    path : path-like
        The file.
    kind : str
        What the archive is, such as ``"model"``.
    version : int
        Of the kind's layout.
    header : mapping
        What JSON can hold.
    arrays : mapping of str to ndarray
        What it cannot.
    previous : pathlib.Path, optional
        Where the file that was there is kept, in the same folder.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    title = json.dumps({"format": f"fastmlp {kind}", "version": version, **header})
    write_whole(path, kind, lambda file: np.savez(file, allow_pickle=False, header=title, **arrays), previous)


def write_whole(
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
    ...     write_whole(f"{folder}/note.txt", "note", lambda file: file.write(b"do re mi"))
    ...     os.listdir(folder)
    ['note.txt']
    """
    path = Path(path)
    if os.path.exists(path) and not os.path.isfile(path):  # it would be replaced: /dev/null too, by who may
        raise OutputError(f"the {kind} could not be written to {path}: it is not a file")
    unfinished = path.with_name(f"{unfinished_prefix(path)}{secrets.token_hex(8)}")  # two threads may write one file
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


def unfinished_prefix(path: Path) -> str:
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


@contextmanager
def read_archive(path: str | os.PathLike[str], kind: str, version: int) -> Iterator[tuple[dict[str, Any], Npz]]:
    """Open what `write_archive` wrote; an error in the ``with`` block is one of the file.

    Parameters
    ----------
    path : path-like
        The file.
    kind : str
        What it must be.
    version : int
        The version that is read.

    Yields
    ------
    header, arrays : mapping
        As they were written; an array is read when it is asked for.

    Raises
    ------
    DataNotFoundError
        If there is no such file, or the system does not let it be read.
    FileFormatError
        If it is damaged, of another kind or version, or not what the block makes of it.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "ramp.npz")
    ...     write_archive(path, "ramp", 1, {"start": 0}, {"y": np.arange(3)})
    ...     with read_archive(path, "ramp", 1) as (header, arrays):
    ...         header["start"], arrays["y"]
    (0, array([0, 1, 2]))
    """
    path = Path(path)
    try:
        with Npz(path) as arrays:
            header = json.loads(str(arrays["header"]))
            _check_title(header, kind, version)
            yield header, arrays
    except FileNotFoundError as error:
        raise DataNotFoundError(f"there is no {kind} at {path}") from error
    except Exception as error:  # bytes that are something else raise whatever they spell
        if isinstance(error, OSError) and error.filename is not None:  # but this is the system's answer to opening it
            raise DataNotFoundError(f"the {kind} at {path} cannot be read: {error.strerror}") from error
        raise FileFormatError(f"{path} is not a {kind} that this fastmlp reads: {error}") from error


def _check_title(header: dict[str, Any], kind: str, version: int) -> None:
    if header["format"] != f"fastmlp {kind}":
        raise ValueError(f"its format is {header['format']!r}")
    if header["version"] != version:
        raise ValueError(f"it has version {header['version']!r}; version {version} is read")
