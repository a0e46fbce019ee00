"""Source: where a Dataset was loaded from, so that another process can load it too. Knows not how."""

from typing import NamedTuple


class Source(NamedTuple):
    """The arguments of `load_data` that give the same Dataset once more, whatever the folder one stands in.

    Attributes
    ----------
    name_or_path : str
        A name of the registry, or an absolute path.
    data_dir : str
        Absolute path of the folder in which named data sets lie.
    target : str or None
        The column of a CSV file that holds the labels.
    scale, task : str
        See `Dataset`; no task where it is told by the labels.
    """

    name_or_path: str
    data_dir: str
    target: str | None
    scale: str
    task: str | None = None
