"""Exclusive file locks between threads and processes, which the operating system releases when a process dies."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastmlp.errors import OutputError
from fastmlp.io.regular_file import regular_opener

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int, wait: bool) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int, wait: bool) -> None:
        # Not lockf: its locks belong to the process, so that two studies in one process would both hold a run's lock.
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


#: Errors of the operating systems for a lock that is held already.
_LOCK_HELD_ERRORS = (BlockingIOError, PermissionError)


def try_lock(path: Path) -> int | None:
    """Acquire a lock without waiting.

    Parameters
    ----------
    path : pathlib.Path
        The lock file, created if it is missing.

    Returns
    -------
    int or None
        The lock, to be passed to `unlock`; None if it is held already.

    Raises
    ------
    OutputError
        If the file cannot be created or locked.
    """
    descriptor = _open(path)
    try:
        _lock(descriptor, wait=False)
    except _LOCK_HELD_ERRORS:
        os.close(descriptor)
        return None
    except OSError as error:
        os.close(descriptor)
        raise OutputError(f"{path} cannot be locked: {error.strerror}; choose a folder on another disk") from error
    return descriptor


def unlock(lock: int) -> None:
    """Release a lock that `try_lock` acquired."""
    os.close(lock)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock for the duration of a ``with`` block; wait until it is free.

    Parameters
    ----------
    path : pathlib.Path
        The lock file, created if it is missing.

    Raises
    ------
    OutputError
        If the file cannot be created.
    """
    descriptor = _open(path)
    try:
        _lock(descriptor, wait=True)
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        return regular_opener(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}") from error
