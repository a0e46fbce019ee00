"""Load: the one entry from a name, a file or arrays to a Dataset. Knows which module reads what, and no format."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy.typing as npt

from fastmlp.data.arrays import load_npy, load_npz
from fastmlp.data.check import Array
from fastmlp.data.csv_table import load_table, read_samples
from fastmlp.data.dataset import Dataset, DataSource
from fastmlp.data.folder import data_folder, expanded
from fastmlp.data.registry import DATA_SETS, fetch, find_data_set
from fastmlp.data.target import task_of
from fastmlp.errors import DataError, DataNotFoundError, DataTypeError, FileFormatError
from fastmlp.io.npy import map_npy

TABLES = (".csv", ".csv.gz")

Arrays = tuple[npt.ArrayLike, npt.ArrayLike, npt.ArrayLike, npt.ArrayLike]


def load_data(
    name_or_path: str | os.PathLike[str] | Dataset | Arrays,
    data_dir: str | os.PathLike[str] | None = None,
    *,
    target: str | None = None,
    scale: str = "auto",
    task: str | None = None,
) -> Dataset:
    """Load a data set by name, from a file, or from arrays.

    Parameters
    ----------
    name_or_path : str, path-like, tuple of four arrays, or Dataset
        ``digits``, ``cifar10``, ``mnist`` or ``fashion-mnist``, fetched if need be; or a ``.npz``, ``.npy``, ``.csv``
        or ``.csv.gz`` file, or a folder of ``.npy`` files; or (X_train, y_train, X_test, y_test); or a Dataset.
    data_dir : path-like, optional
        Where data sets known by name lie and are put; without it the environment variable ``FASTMLP_DATA``, and without
        that the user's cache.
    target : str, optional
        The column of a CSV file that holds the labels.
    scale : {"auto", "none", "unit", "standard"}
        See `Dataset`.
    task : {"classification", "multilabel", "regression"}, optional
        What y holds, see `Dataset`; without it multilabel, where y has several columns, and else classification. The
        data sets known by name are classified.

    Returns
    -------
    Dataset
        Checked, ready for training.

    Raises
    ------
    DataNotFoundError
        If there is no such name or file, or it cannot be fetched.
    FileFormatError
        If a file is truncated, oversized, damaged or foreign.
    DataError, DataTypeError
        If it holds what cannot be trained on.
    MissingExtraError
        If what is needed to fetch it or read it is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from fastmlp.data import load_data
    >>> X, y = np.arange(8.0).reshape(4, 2), np.array([0, 1, 0, 1])
    >>> load_data((X, y, X, y)).n_features
    2
    """
    if isinstance(name_or_path, str | os.PathLike):
        return _load_named(os.fspath(name_or_path), data_dir, target, scale, task)
    if target is not None:
        raise DataError(f"target is {target!r}; it names a column of a CSV file, and arrays were given")
    if isinstance(name_or_path, Dataset):
        return _refuse_task(name_or_path if scale == "auto" else name_or_path.replace(scale), task)
    if isinstance(name_or_path, tuple | list) and len(name_or_path) == 4:
        return Dataset(*name_or_path, scale=scale, task=task or task_of(name_or_path[1]))
    raise DataTypeError(
        f"a {type(name_or_path).__name__} was given as data; a name, a path, (X_train, y_train, X_test, y_test) "
        "or a Dataset is expected"
    )


def load_samples(path: str | os.PathLike[str]) -> Array:
    r"""Load samples without labels, to predict from.

    Parameters
    ----------
    path : path-like
        A ``.npy`` file, which is mapped into memory, or a ``.csv`` or ``.csv.gz`` file of numbers whose first line
        names the columns.

    Returns
    -------
    numpy.ndarray of shape (n_samples, ...)
        As they stand in the file; whether they suit a network, its ``predict`` checks.

    Raises
    ------
    DataNotFoundError
        If there is no such file.
    FileFormatError
        If it is truncated, oversized, damaged or foreign.
    DataError
        If a cell of a CSV file is not a finite number.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from fastmlp.data import load_samples
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "new.csv")
    ...     _ = path.write_text("a,b\n0,1\n1,1\n")
    ...     load_samples(path).shape
    (2, 2)
    """
    path = expanded(path)
    if not os.path.isfile(path):
        raise DataNotFoundError(f"{path} is not a file; it was looked for in {Path.cwd()}")
    if path.name.lower().endswith(TABLES):
        return read_samples(path)
    if path.suffix.lower() == ".npy":
        return map_npy(path)
    raise FileFormatError(f"{path} is of a kind that is not read; .npy, {' and '.join(TABLES)} files are")


def _refuse_task(data: Dataset, task: str | None) -> Dataset:
    if task not in (None, data.task):
        raise DataError(f"task is {task!r}; {data.name or 'the data'} is for {data.task}")
    return data


def _load_named(
    given: str, data_dir: str | os.PathLike[str] | None, target: str | None, scale: str, task: str | None
) -> Dataset:
    path = expanded(given)
    dataset = _read_named(given, path, data_dir, target, scale, task)
    place = given if given in DATA_SETS else str(path.absolute())
    dataset.source = DataSource(place, str(data_folder(data_dir).absolute()), target, scale, task)
    return dataset


def _read_named(
    given: str,
    path: Path,
    data_dir: str | os.PathLike[str] | None,
    target: str | None,
    scale: str,
    task: str | None,
) -> Dataset:
    is_table = path.name.lower().endswith(TABLES)
    if target is not None and not is_table:
        raise DataError(f"target is {target!r}; it names a column of a CSV file, and {given!r} is none")
    if given in DATA_SETS:
        return _refuse_task(find_data_set(given).load(fetch(given, data_dir), scale), task)
    _refuse_absent(path, given)
    return load_table(path, target, scale, task) if is_table else _array_reader(path)(path, scale, task)


def _refuse_absent(path: Path, given: str) -> None:
    if os.path.exists(path):  # a Path's own method raises where a name is too long or a folder closed
        return
    if not path.suffix and path.name == given:
        find_data_set(given)
    raise DataNotFoundError(f"{path} does not exist; it was looked for in {Path.cwd()}")


def _array_reader(path: Path) -> Callable[[Path, str, str | None], Dataset]:
    if path.is_dir() or path.suffix.lower() == ".npy":
        return load_npy
    if path.suffix.lower() == ".npz":
        return load_npz
    raise FileFormatError(f"{path} is of a kind that is not read; .npz, .npy, {' and '.join(TABLES)} files are")
