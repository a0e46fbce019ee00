"""The registry of named data sets: functions that find, download and load each of them."""

import difflib
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from fastmlp.data.cifar10 import find_cifar10, load_cifar10
from fastmlp.data.dataset import Dataset
from fastmlp.data.digits import find_digits, load_digits, raise_missing_digits
from fastmlp.data.download import fetch_file
from fastmlp.data.folder import data_folder
from fastmlp.data.idx import find_idx, load_idx
from fastmlp.data.urls import CIFAR10, FASHION_MNIST, MNIST, Mirrors
from fastmlp.errors import DataNotFoundError


class NamedDataSet(NamedTuple):
    """An entry of the registry.

    Attributes
    ----------
    description : str
        One line.
    find : callable
        Takes the folder of data sets; returns the file or folder of this one, or None.
    load : callable
        Takes that file or folder and a scale; returns a `Dataset`.
    fetch : callable
        Takes the folder of data sets; downloads this one into it, or raises an error.
    download_bytes : int
        Size of the download.
    """

    description: str
    find: Callable[[Path], Path | None]
    load: Callable[[Path, str], Dataset]
    fetch: Callable[[Path], object]
    download_bytes: int


class Availability(NamedTuple):
    """Availability of a named data set on this machine.

    Attributes
    ----------
    name, description : str
        Its name, and one line about it.
    present : bool
        Whether it is present and complete.
    location : pathlib.Path or None
        Its file or folder.
    download_bytes : int
        Size of the download.
    """

    name: str
    description: str
    present: bool
    location: Path | None
    download_bytes: int


def _downloadable(
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
    return _downloadable(description, partial(find_idx, name=name), partial(load_idx, name=name), files, subfolder=name)


DATA_SETS = {
    "digits": NamedDataSet(
        "1,797 handwritten digits of 8 x 8 pixels, 10 classes; comes with scikit-learn",
        find_digits,
        load_digits,
        raise_missing_digits,
        0,
    ),
    "cifar10": _downloadable("60,000 colour images of 32 x 32 pixels, 10 classes", find_cifar10, load_cifar10, CIFAR10),
    "mnist": _idx("mnist", "70,000 handwritten digits of 28 x 28 pixels, 10 classes", MNIST),
    "fashion-mnist": _idx("fashion-mnist", "70,000 images of clothes of 28 x 28 pixels, 10 classes", FASHION_MNIST),
}


def find_data_set(name: str) -> NamedDataSet:
    """Look up a data set by name.

    Parameters
    ----------
    name : str
        A key of ``DATA_SETS``.

    Returns
    -------
    NamedDataSet
        Its entry.

    Raises
    ------
    DataNotFoundError
        If the name is unknown; the message suggests the most similar name, and lists all.

    Examples
    --------
    >>> from fastmlp.data.registry import find_data_set
    >>> find_data_set("cifar-10")
    Traceback (most recent call last):
        ...
    fastmlp.errors.DataNotFoundError: unknown data set or file 'cifar-10'; did you mean 'cifar10'? Expected ...
    """
    if name in DATA_SETS:
        return DATA_SETS[name]
    nearest = difflib.get_close_matches(name.lower(), DATA_SETS, n=1)
    hint = f"; did you mean {nearest[0]!r}? " if nearest else ". "
    raise DataNotFoundError(
        f"unknown data set or file {name!r}{hint}Expected one of {', '.join(DATA_SETS)}, or a path to a table, a .npz, "
        ".npy or idx file, or to a folder of .npy or idx files"
    )


def fetch(name: str, data_dir: str | os.PathLike[str] | None = None) -> Path:
    """Download a named data set, unless it is on this machine already.

    Parameters
    ----------
    name : {"digits", "cifar10", "mnist", "fashion-mnist"}
        The data set.
    data_dir : path-like, optional
        The folder of data sets, see `fastmlp.data.folder.data_folder`.

    Returns
    -------
    pathlib.Path
        Its file or folder.

    Raises
    ------
    DataNotFoundError
        If the name is unknown, or the download fails.
    OutputError
        If the folder cannot be created or written to.
    MissingExtraError
        If a package that is needed for it is not installed.

    Examples
    --------
    >>> from fastmlp.data import available, fetch
    >>> [fetch(entry.name) == entry.location for entry in available() if entry.present].count(False)
    0
    """
    data_set, folder = find_data_set(name), data_folder(data_dir)
    if data_set.find(folder) is None:
        data_set.fetch(folder)
    location = data_set.find(folder)
    if location is None:
        raise DataNotFoundError(f"{name} was downloaded into {folder}, but is incomplete there")
    return location


def available(data_dir: str | os.PathLike[str] | None = None) -> list[Availability]:
    """List the named data sets, and their availability on this machine.

    Parameters
    ----------
    data_dir : path-like, optional
        The folder of data sets, see `fastmlp.data.folder.data_folder`.

    Returns
    -------
    list of Availability
        One per data set.

    Examples
    --------
    >>> from fastmlp.data import available
    >>> [entry.name for entry in available()]
    ['digits', 'cifar10', 'mnist', 'fashion-mnist']
    """
    folder = data_folder(data_dir)
    locations = {name: data_set.find(folder) for name, data_set in DATA_SETS.items()}
    return [
        Availability(name, data_set.description, locations[name] is not None, locations[name], data_set.download_bytes)
        for name, data_set in DATA_SETS.items()
    ]
