"""The folder of data sets on this machine, and paths that users give."""

import os
from pathlib import Path

from fastmlp.io.directories import user_cache_dir


def data_folder(data_dir: str | os.PathLike[str] | None = None) -> Path:
    """The folder in which data sets are searched for and to which they are downloaded.

    Parameters
    ----------
    data_dir : path-like, optional
        A folder. By default that of the environment variable ``FASTMLP_DATA``, or else ``fastmlp/data`` in the user's
        cache directory.

    Returns
    -------
    pathlib.Path
        The folder; it need not exist.

    Examples
    --------
    >>> from fastmlp.data.folder import data_folder
    >>> data_folder("sets").name
    'sets'
    """
    chosen = data_dir or os.environ.get("FASTMLP_DATA")
    return expand_user(chosen) if chosen else user_cache_dir() / "fastmlp" / "data"


def expand_user(path: str | os.PathLike[str]) -> Path:
    """Expand ``~`` and ``~user`` in a path.

    Parameters
    ----------
    path : path-like
        The path.

    Returns
    -------
    pathlib.Path
        The expand_user path; unchanged for an unknown user.

    Examples
    --------
    >>> from fastmlp.data.folder import expand_user
    >>> expand_user("~nobody-of-this-name/x.csv").name
    'x.csv'
    """
    try:
        return Path(os.path.expanduser(path))
    except ValueError:  # a path with a null byte
        return Path(path)
