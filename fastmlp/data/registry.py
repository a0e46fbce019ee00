"""Registry: the data sets known by name, in one table. Knows who finds, fetches and loads each, not how."""

import difflib
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from fastmlp.data.cifar10 import find_cifar10, load_cifar10
from fastmlp.data.dataset import Dataset
from fastmlp.data.digits import find_digits, load_digits, refuse_digits
from fastmlp.data.download import fetch_file
from fastmlp.data.folder import data_folder
from fastmlp.data.idx import find_idx, load_idx
from fastmlp.data.urls import CIFAR10, FASHION_MNIST, MNIST, Mirrors
from fastmlp.errors import DataNotFoundError


class NamedDataSet(NamedTuple):
    """A data set known by name.

    Attributes
    ----------
    description : str
        One line.
    find : callable
        From the folder of data sets to where this one lies, or None.
    load : callable
        From where it lies, and a scale, to a `Dataset`.
    fetch : callable
        Puts it into the folder of data sets, or raises.
    download_bytes : int
        How much there is to fetch.
    """

    description: str
    find: Callable[[Path], Path | None]
    load: Callable[[Path, str], Dataset]
    fetch: Callable[[Path], object]
    download_bytes: int


class Availability(NamedTuple):
    """Whether a known data set is on this machine.

    Attributes
    ----------
    name, description : str
        What it is called, and one line about it.
    present : bool
        Whether it is complete.
    location : pathlib.Path or None
        Where it lies.
    download_bytes : int
        What fetching it costs.
    """

    name: str
    description: str
    present: bool
    location: Path | None
    download_bytes: int


def _fetched(
    description: str,
    find: Callable[[Path], Path | None],
    load: Callable[[Path, str], Dataset],
    files: tuple[Mirrors, ...],
    subfolder: str = "",
) -> NamedDataSet:
    def fetch_files(folder: Path) -> None:
        for sources in files:
            fetch_file(sources, folder / subfolder)

    return NamedDataSet(description, find, load, fetch_files, sum(sources[0].n_bytes for sources in files))


def _idx(name: str, description: str, files: tuple[Mirrors, ...]) -> NamedDataSet:
    return _fetched(description, partial(find_idx, name=name), partial(load_idx, name=name), files, subfolder=name)


DATA_SETS = {
    "digits": NamedDataSet(
        "1,797 handwritten digits of 8 x 8 pixels, 10 classes; comes with scikit-learn",
        find_digits,
        load_digits,
        refuse_digits,
        0,
    ),
    "cifar10": _fetched("60,000 colour images of 32 x 32 pixels, 10 classes", find_cifar10, load_cifar10, CIFAR10),
    "mnist": _idx("mnist", "70,000 handwritten digits of 28 x 28 pixels, 10 classes", MNIST),
    "fashion-mnist": _idx("fashion-mnist", "70,000 images of clothes of 28 x 28 pixels, 10 classes", FASHION_MNIST),
}


def find_data_set(name: str) -> NamedDataSet:
    """Look a data set up by its name.

    Parameters
    ----------
    name : str
        As in ``DATA_SETS``.

    Returns
    -------
    NamedDataSet
        Its entry.

    Raises
    ------
    DataNotFoundError
        If there is no such name; the message has the nearest, and all.

    Examples
    --------
    >>> from fastmlp.data.registry import find_data_set
    >>> find_data_set("cifar-10")
    Traceback (most recent call last):
        ...
    fastmlp.errors.DataNotFoundError: no data set or file is called 'cifar-10'. Did you mean 'cifar10'? ...
    """
    if name in DATA_SETS:
        return DATA_SETS[name]
    nearest = difflib.get_close_matches(name.lower(), DATA_SETS, n=1)
    hint = f"Did you mean {nearest[0]!r}? " if nearest else ""
    raise DataNotFoundError(
        f"no data set or file is called {name!r}. {hint}NamedDataSet by name are {', '.join(DATA_SETS)}; "
        "else a path to a .npz, .npy, .csv or .csv.gz file, or to a folder of .npy files, is expected"
    )


def fetch(name: str, data_dir: str | os.PathLike[str] | None = None) -> Path:
    """Make sure that a data set is on this machine; fetch it if it is not.

    Parameters
    ----------
    name : {"digits", "cifar10", "mnist", "fashion-mnist"}
        Which one.
    data_dir : path-like, optional
        Where data sets lie, see `fastmlp.data.folder.data_folder`.

    Returns
    -------
    pathlib.Path
        The file or folder that holds it.

    Raises
    ------
    DataNotFoundError
        If there is no such data set, or no address gives it.
    OutputError
        If the folder cannot be written to.
    MissingExtraError
        If what is needed to fetch or find it is not installed.

    Examples
    --------
    >>> from fastmlp.data import available, fetch
    >>> [fetch(entry.name) == entry.location for entry in available() if entry.present].count(False)
    0
    """
    known, folder = find_data_set(name), data_folder(data_dir)
    if known.find(folder) is None:
        known.fetch(folder)
    location = known.find(folder)
    if location is None:
        raise DataNotFoundError(f"{name} was fetched into {folder} but is not complete there")
    return location


def available(data_dir: str | os.PathLike[str] | None = None) -> list[Availability]:
    """List the data sets known by name, and which of them are on this machine.

    Parameters
    ----------
    data_dir : path-like, optional
        Where data sets lie, see `fastmlp.data.folder.data_folder`.

    Returns
    -------
    list of Availability
        One for each name.

    Examples
    --------
    >>> from fastmlp.data import available
    >>> [entry.name for entry in available()]
    ['digits', 'cifar10', 'mnist', 'fashion-mnist']
    """
    folder = data_folder(data_dir)
    places = {name: known.find(folder) for name, known in DATA_SETS.items()}
    return [
        Availability(name, known.description, places[name] is not None, places[name], known.download_bytes)
        for name, known in DATA_SETS.items()
    ]
