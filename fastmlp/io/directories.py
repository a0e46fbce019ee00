"""Where this user's programs keep what they can make again. Knows not what that is."""

import os
import stat
import sys
import tempfile
from pathlib import Path


def user_cache_dir() -> Path:
    """The folder for what programs may lose and make again, as the platform has it.

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
    except RuntimeError:  # a number without a name, such as containers give a user, has no home
        return temporary_cache_dir() or Path(os.devnull)  # where nothing can be kept


def temporary_cache_dir() -> Path | None:
    """The user's own folder among the system's temporary files, for where there is no other.

    Returns
    -------
    pathlib.Path or None
        It need not exist. None where what has its name is open to others: what they put there would be trusted.
    """
    user = os.getuid() if hasattr(os, "getuid") else None
    try:
        folder = Path(tempfile.gettempdir(), f"fastmlp-of-{'user' if user is None else user}")
    except FileNotFoundError:  # a system on which nothing can be written
        return None
    try:
        found = folder.lstat()
    except OSError:
        return folder
    closed = user is None or (found.st_uid == user and not found.st_mode & 0o022)
    return folder if stat.S_ISDIR(found.st_mode) and closed else None
