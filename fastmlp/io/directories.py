"""Per-user cache directories, for files that can be downloaded or compiled again."""

import os
import stat
import sys
import tempfile
from pathlib import Path


def user_cache_dir() -> Path:
    """The user's cache directory, by the convention of the platform; it need not exist.

    Examples
    --------
    >>> user_cache_dir().is_absolute()
    True
    """
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # a user ID without an account, as containers use, has no home directory
        return temporary_cache_dir() or Path(os.devnull)  # under which nothing can be written


def temporary_cache_dir() -> Path | None:
    """The user's private directory under the system's directory of temporary files, as a fallback cache.

    Returns
    -------
    pathlib.Path or None
        It need not exist. None where it exists and is not a directory of this user, or others may write to it: files of
        theirs would be trusted.
    """
    user = os.getuid() if hasattr(os, "getuid") else None
    try:
        directory = Path(tempfile.gettempdir(), f"fastmlp-{'user' if user is None else user}")
    except FileNotFoundError:  # no directory of this system is writable
        return None
    try:
        status = directory.lstat()
    except OSError:
        return directory
    is_private = user is None or (status.st_uid == user and not status.st_mode & 0o022)
    return directory if stat.S_ISDIR(status.st_mode) and is_private else None
