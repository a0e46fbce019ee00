"""Folder: where data sets lie on this machine. Knows no data set."""

import os
from pathlib import Path

from fastmlp.io.directories import user_cache_dir


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
    return expanded(chosen) if chosen else user_cache_dir() / "fastmlp" / "data"


def expanded(path: str | os.PathLike[str]) -> Path:
    """A path whose ``~`` is the user's home; one of a user that there is not stays as it is, and is not found.

    Parameters
    ----------
    path : path-like
        As it was given.

    Returns
    -------
    pathlib.Path

    Examples
    --------
    >>> from fastmlp.data.folder import expanded
    >>> expanded("~nobody-of-this-name/x.csv").name
    'x.csv'
    """
    try:
        return Path(os.path.expanduser(path))
    except ValueError:  # a name with a null byte
        return Path(path)
