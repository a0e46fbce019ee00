"""Names and cells of columns in messages: at bounded length, and the nearest name to an unknown one."""

import difflib
from collections.abc import Sequence
from typing import Any

#: Most names that a message lists.
MAX_NAMES = 20


def listed(names: Sequence[str]) -> str:
    """Names for a message, at most `MAX_NAMES` of them.

    Examples
    --------
    >>> listed(["age", "sex"])
    "'age', 'sex'"
    """
    shown = ", ".join(f"{name!r:.60}" for name in names[:MAX_NAMES])
    return shown + (f", ... ({len(names)} in all)" if len(names) > MAX_NAMES else "")


def nearest(name: str, names: Sequence[str]) -> str:
    """What to say of an unknown name: itself, and the nearest of the known names or all of them.

    Examples
    --------
    >>> nearest("Age", ["age", "sex"])
    "unknown column 'Age'; did you mean 'age'?"
    """
    found = [known for known in names if known.casefold() == name.casefold()]
    found = found or difflib.get_close_matches(name, names[:10_000], n=1)
    advice = f"did you mean {found[0]!r}?" if found else f"the columns are {listed(names)}"
    return f"unknown column {name!r:.60}; {advice}"


def shown(cell: Any) -> str:
    """A cell for a message, at most 40 characters: as Python writes it, whatever its type in NumPy or pandas is.

    Examples
    --------
    >>> import numpy as np
    >>> shown(np.float64(1.5)), shown("red"), shown(np.datetime64("2020-01-01"))
    ('1.5', "'red'", '2020-01-01')
    """
    if isinstance(cell, str):
        return f"{cell!r:.40}"
    return f"{cell.item() if hasattr(cell, 'item') else cell!s:.40}"
