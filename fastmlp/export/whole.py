"""A file that is written whole or not at all. Knows not what is in it."""

import os
from pathlib import Path

from fastmlp.errors import OutputError


def write_whole(path: str | os.PathLike[str], kind: str, octets: bytes) -> None:
    """Write a file beside the one that may be there, and put it in its place when it is complete.

    Parameters
    ----------
    path : path-like
        The file.
    kind : str
        What it is, for the error's message.
    octets : bytes
        What it holds.

    Raises
    ------
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_whole(f"{folder}/note.txt", "note", b"do re mi")
    ...     os.listdir(folder)
    ['note.txt']
    """
    path = Path(path)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            unfinished.write_bytes(octets)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"the {kind} could not be written to {path}: {error.strerror}") from error
