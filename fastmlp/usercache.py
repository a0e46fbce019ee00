"""Where this user's programs keep what they can make again. Knows not what that is."""

import os
import sys
from pathlib import Path


def user_cache() -> Path:
    """The folder for what programs may lose and make again, as the platform has it.

    Examples
    --------
    >>> user_cache().is_absolute()
    True
    """
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
