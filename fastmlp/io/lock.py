"""Lock: files that one holder at a time has, let go of when it dies, however it dies. Knows not what for."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastmlp.errors import OutputError

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int, wait: bool) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int, wait: bool) -> None:
        # Not lockf: its locks are a process's, so that two studies in one process would both hold a run.
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


#: What an operating system says of a lock that somebody else holds.
_HELD = (BlockingIOError, PermissionError)


def try_lock(path: Path) -> int | None:
    """Take a lock, if nobody has it.

    Parameters
    ----------
    path : pathlib.Path
        A file, made if need be.

    Returns
    -------
    int or None
        The lock, to be given to `unlock`; None if somebody else has it.

    Raises
    ------
    OutputError
        If the file cannot be made or locked.
    """
    descriptor = _open(path)
    try:
        _lock(descriptor, wait=False)
    except _HELD:
        os.close(descriptor)
        return None
    except OSError as error:
        os.close(descriptor)
        raise OutputError(f"{path} cannot be locked: {error.strerror}; choose a folder on another disk") from error
    return descriptor


def unlock(lock: int) -> None:
    """Let go of a lock."""
    os.close(lock)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock for the length of a block; wait for it if somebody else has it.

    Parameters
    ----------
    path : pathlib.Path
        A file, made if need be.
    """
    descriptor = _open(path)
    try:
        _lock(descriptor, wait=True)
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}") from error
