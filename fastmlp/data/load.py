"""The functions `load_data` and `load_samples`, which choose a reader by name, file type or argument type."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy.typing as npt

from fastmlp.data.arrays import load_npy, load_npz
from fastmlp.data.check import Array
from fastmlp.data.csv_table import load_table, read_samples
from fastmlp.data.dataset import Dataset, DataSource
from fastmlp.data.folder import data_folder, expand_user
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
        ``digits``, ``cifar10``, ``mnist`` or ``fashion-mnist``, downloaded if it is missing; or a ``.npz``, ``.npy``,
        ``.csv`` or ``.csv.gz`` file, or a folder of ``.npy`` files; or (X_train, y_train, X_test, y_test); or a
        Dataset.
    data_dir : path-like, optional
        The folder of named data sets. By default that of the environment variable ``FASTMLP_DATA``, or else one in the
        user's cache directory.
    target : str, optional
        Name of the target column of a CSV file.
    scale : {"auto", "none", "unit", "standard"}
        See `Dataset`.
    task : {"classification", "multilabel", "regression"}, optional
        The kind of target, see `Dataset`. By default multilabel if y has several columns, otherwise classification,
        which is also the task of all named data sets.

    Returns
    -------
    Dataset
        The validated data set.

    Raises
    ------
    DataNotFoundError
        If the name is unknown, the file is missing, or the download fails.
    FileFormatError
        If a file is truncated, oversized, damaged or foreign.
    DataError, DataTypeError
        If its samples or targets are invalid.
    MissingExtraError
        If a package that is needed for the download or the file is not installed.

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
        raise DataError(
            f"target: expected no column name, since arrays were given instead of a CSV file, got {target!r}"
        )
    if isinstance(name_or_path, Dataset):
        return _check_same_task(name_or_path if scale == "auto" else name_or_path.replace(scale), task)
    if isinstance(name_or_path, tuple | list) and len(name_or_path) == 4:
        return Dataset(*name_or_path, scale=scale, task=task or task_of(name_or_path[1]))
    raise DataTypeError(
        "data: expected a name, a path, a tuple (X_train, y_train, X_test, y_test) or a Dataset, got "
        f"{type(name_or_path).__name__}"
    )


def load_samples(path: str | os.PathLike[str]) -> Array:
    r"""Load samples without targets, for prediction.

    Parameters
    ----------
    path : path-like
        A ``.npy`` file, which is memory-mapped, or a ``.csv`` or ``.csv.gz`` file of numbers whose first line names the
        columns.

    Returns
    -------
    numpy.ndarray of shape (n_samples, ...)
        The values in the file. A model's ``predict`` checks that they match its input.

    Raises
    ------
    DataNotFoundError
        If the file is missing.
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
    path = expand_user(path)
    if not os.path.isfile(path):
        raise DataNotFoundError(f"{path} is not a file; the working directory is {Path.cwd()}")
    if path.name.lower().endswith(TABLES):
        return read_samples(path)
    if path.suffix.lower() == ".npy":
        return map_npy(path)
    raise FileFormatError(f"{path}: expected a .npy, {' or '.join(TABLES)} file, got another type")


def _check_same_task(data: Dataset, task: str | None) -> Dataset:
    if task not in (None, data.task):
        raise DataError(f"task: expected {data.task!r}, the task of {data.name or 'the data'}, got {task!r}")
    return data


def _load_named(
    name_or_path: str, data_dir: str | os.PathLike[str] | None, target: str | None, scale: str, task: str | None
) -> Dataset:
    path = expand_user(name_or_path)
    dataset = _read_named(name_or_path, path, data_dir, target, scale, task)
    location = name_or_path if name_or_path in DATA_SETS else str(path.absolute())
    source = DataSource(location, str(data_folder(data_dir).absolute()), target, scale, task)
    object.__setattr__(dataset, "source", source)  # a Dataset is immutable, but this one is not in use yet
    return dataset


def _read_named(
    name_or_path: str,
    path: Path,
    data_dir: str | os.PathLike[str] | None,
    target: str | None,
    scale: str,
    task: str | None,
) -> Dataset:
    is_table = path.name.lower().endswith(TABLES)
    if target is not None and not is_table:
        raise DataError(f"target: expected no column name, since {name_or_path!r} is not a CSV file, got {target!r}")
    if name_or_path in DATA_SETS:
        return _check_same_task(find_data_set(name_or_path).load(fetch(name_or_path, data_dir), scale), task)
    _check_exists(path, name_or_path)
    return load_table(path, target, scale, task) if is_table else _array_reader(path)(path, scale, task)


def _check_exists(path: Path, name_or_path: str) -> None:
    if os.path.exists(path):  # Path.exists raises for names that are too long and for unreadable folders
        return
    if not path.suffix and path.name == name_or_path:
        find_data_set(name_or_path)
    raise DataNotFoundError(f"{path} does not exist; the working directory is {Path.cwd()}")


def _array_reader(path: Path) -> Callable[[Path, str, str | None], Dataset]:
    if path.is_dir() or path.suffix.lower() == ".npy":
        return load_npy
    if path.suffix.lower() == ".npz":
        return load_npz
    raise FileFormatError(f"{path}: expected a .npz, .npy, {' or '.join(TABLES)} file, got another type")
