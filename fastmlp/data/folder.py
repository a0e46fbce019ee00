"""Folder: where data sets lie on this machine. Knows no data set."""

import os
import sys
from pathlib import Path


def data_folder(data_dir: str | os.PathLike[str] | None = None) -> Path:
    """Say where to look for data sets and where to put them.

    Parameters
    ----------
    data_dir : path-like, optional
        A folder; it need not exist. Without it the environment variable ``FASTMLP_DATA`` is taken, and without that
        ``fastmlp/data`` in the user's cache.

    Returns
    -------
    pathlib.Path
        The folder.

    Examples
    --------
    >>> from fastmlp.data.folder import data_folder
    >>> data_folder("sets").name
    'sets'
    """
    chosen = data_dir or os.environ.get("FASTMLP_DATA")
    return Path(chosen).expanduser() if chosen else _user_cache() / "fastmlp" / "data"


def _user_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
