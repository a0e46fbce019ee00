"""The functions `load_data`, `load_samples` and `load_labelled`, which choose a reader by name, content or type."""

import os
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from fastmlp.data.arrays import columns_of_npz, holds_arrays, load_npy, load_npz, load_test_set, samples_of_npz
from fastmlp.data.check import Array
from fastmlp.data.dataset import Dataset, DataSource
from fastmlp.data.folder import data_folder, expand_user
from fastmlp.data.idx_pair import is_idx, load_idx_path, load_idx_test_set
from fastmlp.data.options import TableOptions
from fastmlp.data.registry import DATA_SETS, fetch, find_data_set
from fastmlp.data.sparse_file import is_sparse_file, load_sparse
from fastmlp.data.target import task_of
from fastmlp.errors import DataError, DataNotFoundError, DataTypeError, LeftOutWarning
from fastmlp.io.npy import map_npy
from fastmlp.io.regular_file import open_regular
from fastmlp.table.name import listed
from fastmlp.table.options import ReadOptions
from fastmlp.table.schema import TableSchema, is_frame

if TYPE_CHECKING:
    from pandas import DataFrame

Arrays = tuple[Any, npt.ArrayLike, Any, npt.ArrayLike]
FileKind = Literal["npy", "npz", "sparse", "idx", "table"]


class Labelled(NamedTuple):
    """Samples and targets to evaluate a network on.

    Attributes
    ----------
    X : numpy.ndarray, CSR matrix or pandas.DataFrame
        Features, or the raw rows of a table.
    y : numpy.ndarray
        Labels, or target values.
    class_names : tuple of str or None
        Names of the labels 0 .. n_classes - 1.
    majority_accuracy : float
        Accuracy of always predicting the most frequent class: that of these samples, or, of a data set with a training
        set, of the latter.
    description : str
        What is evaluated.
    """

    X: Any
    y: Array
    class_names: tuple[str, ...] | None
    majority_accuracy: float
    description: str


def load_data(
    name_or_path: "str | os.PathLike[str] | Dataset | Arrays | DataFrame",
    data_dir: str | os.PathLike[str] | None = None,
    *,
    target: str | int | None = None,
    scale: str = "auto",
    task: str | None = None,
    target_scale: str = "auto",
    test: "str | os.PathLike[str] | DataFrame | None" = None,
    split: str | None = None,
    drop: Sequence[str] = (),
    keep_as_id: Sequence[str] = (),
    kinds: Mapping[str, str] | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
) -> Dataset:
    """Load a data set by name, from a file, from a data frame, or from arrays.

    Parameters
    ----------
    name_or_path : str, path-like, DataFrame, mapping, tuple of four arrays, or Dataset
        ``digits``, ``cifar10``, ``mnist`` or ``fashion-mnist``, downloaded if it is missing; or the path of a table, of
        a ``.npz`` or ``.npy`` file, of an idx file, or of a folder of ``.npy`` or idx files; or a data frame of pandas
        or polars, or a mapping of names to columns; or (X_train, y_train, X_test, y_test); or a Dataset. The content of
        a file decides how it is read, not its name. A table is delimited text, such as CSV, or a Parquet, ARFF or Excel
        file, compressed or not. X_train and X_test may be sparse: matrices of SciPy, or in a folder the files
        X_train.npz and X_test.npz that `scipy.sparse.save_npz` wrote.
    data_dir : path-like, optional
        The folder of named data sets. By default that of the environment variable ``FASTMLP_DATA``, or else one in the
        user's cache directory.
    target : str or int, optional
        Target column of a table: its name, or its position counted from 0, or from the end by -1. By default the column
        named target, label, class or y, or else the last one.
    scale : {"auto", "none", "unit", "standard", "robust"}
        See `Dataset`; of a table, auto is robust, and unit for pixels.
    task : {"classification", "multilabel", "regression"}, optional
        The kind of target, see `Dataset`. By default inferred for tables; otherwise multilabel if y has several
        columns, and classification if not, which is also the task of all named data sets.
    target_scale : {"auto", "none"}
        See `Dataset`.
    test : path-like or data frame, optional
        A table with the test set: a file if name_or_path is one, otherwise a data frame. By default a fifth of the rows
        is held out.
    split : str, optional
        How rows of a table are held out: ``random``; ``stratified`` by class; ``time:COLUMN``, the latest;
        ``group:COLUMN``, whole groups. By default stratified for classes and random for numbers.
    drop, keep_as_id : sequence of str
        Columns of a table to leave out, and columns to leave out that ``fastmlp predict`` copies to its output.
    kinds : mapping of str to str, optional
        Kinds of columns, where the inferred one is wrong: ``number``, ``category``, ``date``, or ``date:%d/%m/%Y``.
    header : bool, optional
        Whether the first row of a text or Excel file names the columns.
    delimiter, decimal, encoding, sheet : str, optional
        How a file is read, see `fastmlp.table.options.ReadOptions`. All four, and the header, are guessed by default.
        Messages about tables name these arguments as the command line does: --keep-as-id, --kind, --no-header.

    Returns
    -------
    Dataset
        The validated data set. That of a table has the attribute ``table``, which records all that was guessed, and the
        encoding of the columns as features.

    Raises
    ------
    DataNotFoundError
        If the name is unknown, the file is missing, or the download fails.
    FileFormatError
        If a file is truncated, oversized, damaged or foreign.
    DataError, DataTypeError
        If its samples or targets are invalid, or an option does not fit them.
    MissingExtraError
        If a package that is needed for the download or the file is not installed.

    Warns
    -----
    LeftOutWarning
        If rows or columns of a table are left out without being told to; `Dataset.summary` says why.

    Examples
    --------
    >>> import numpy as np
    >>> from fastmlp.data import load_data
    >>> X, y = np.arange(8.0).reshape(4, 2), np.array([0, 1, 0, 1])
    >>> load_data((X, y, X, y)).n_features
    2
    >>> pets = {"kind": ["cat", "dog"] * 5, "weight": [4.1, 30.0] * 5, "colour": ["black", "brown"] * 5}
    >>> dataset = load_data(pets, target="kind")
    >>> dataset.table.feature_names, dataset.class_names
    (('weight', 'colour = black', 'colour = brown'), ('cat', 'dog'))
    """
    if not isinstance(kinds, Mapping | None):
        raise DataTypeError(
            f"kinds: expected a mapping of names of columns to kinds, such as {{'zip': 'category'}}, got {kinds!r:.200}"
        )
    read = ReadOptions(header=header, delimiter=delimiter, decimal=decimal, encoding=encoding, sheet=sheet)
    path = str(expand_user(test).absolute()) if isinstance(test, str | os.PathLike) else None
    options = TableOptions(
        target=target, test=path, split=split, drop=drop, keep_as_id=keep_as_id, kinds=tuple((kinds or {}).items()),
        read=read,
    )  # fmt: skip
    _check_test(test, name_or_path)
    if isinstance(name_or_path, str | os.PathLike):
        dataset = _load_named(os.fspath(name_or_path), data_dir, options, scale, task, target_scale)
        _warn_of_left_out(dataset.table)
        return dataset
    if is_frame(name_or_path):
        from fastmlp.data.table import load_table

        dataset = _replace(load_table(name_or_path, options, scale, task, test=test), target_scale=target_scale)
        _warn_of_left_out(dataset.table)
        return dataset
    _refuse_options(options, "arrays were given instead of a table")
    if isinstance(name_or_path, Dataset):
        return _check_same_task(_replace(name_or_path, scale, target_scale), task)
    if isinstance(name_or_path, tuple | list) and len(name_or_path) == 4:
        task = task or task_of(name_or_path[1])
        X_train, y_train, X_test, y_test = name_or_path
        return Dataset(X_train, y_train, X_test, y_test, scale, task=task, target_scale=target_scale)
    raise DataTypeError(
        "data: expected a name, a path, a data frame, a tuple (X_train, y_train, X_test, y_test) or a Dataset, got "
        f"{type(name_or_path).__name__}"
    )


def load_samples(
    path: str | os.PathLike[str], read: ReadOptions = ReadOptions(), table: TableSchema | None = None
) -> Any:
    r"""Load samples for prediction; a target among them is left to the network, which ignores it.

    Parameters
    ----------
    path : path-like
        A table; a ``.npy`` file, which is memory-mapped; or a ``.npz`` file with the array X, with one array per
        column, or with a sparse matrix of SciPy.
    read : ReadOptions
        How a table is read.
    table : TableSchema, optional
        The table that the network was trained on, see `fastmlp.table.source.read_table`.

    Returns
    -------
    numpy.ndarray of shape (n_samples, ...), CSR matrix, or pandas.DataFrame
        The values in the file, or the rows of a table. A model's ``predict`` checks that they match its input.

    Raises
    ------
    DataNotFoundError
        If the file is missing.
    FileFormatError
        If it is truncated, oversized, damaged or foreign.

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
    kind = _kind_of(path)
    if kind == "table":
        from fastmlp.table.source import read_table

        return read_table(path, read, table).frame
    if kind == "npy":
        return map_npy(path)
    if kind == "sparse":
        return load_sparse(path)
    if kind == "npz":
        return samples_of_npz(path) if (columns := columns_of_npz(path)) is None else columns
    return load_idx_test_set(path)[0]


def load_labelled(
    name_or_path: str,
    data_dir: str | os.PathLike[str] | None = None,
    *,
    table: TableSchema | None = None,
    classes: Array | None = None,
    class_names: Sequence[str] = (),
    target: str | int | None = None,
    read: ReadOptions = ReadOptions(),
    task: str | None = None,
) -> Labelled:
    """Load samples and targets to evaluate a network on: all rows of a table or of unsplit arrays, or else a test set.

    Parameters
    ----------
    name_or_path : str
        A name or a path, as in `load_data`.
    data_dir : path-like, optional
        The folder of named data sets, as in `load_data`.
    target : str or int, optional
        Target column of a table, as in `load_data`; by default that of the network's table.
    task : {"classification", "multilabel", "regression"}, optional
        The kind of target, as in `load_data`.
    table : TableSchema, optional
        The table that the network was trained on.
    classes : numpy.ndarray of shape (n_classes,), optional
        The classes of the network.
    class_names : sequence of str
        Their names, which a table may hold in place of them.
    read : ReadOptions
        How a table is read.

    Returns
    -------
    Labelled
        The samples, their targets, and what they are.

    Raises
    ------
    DataNotFoundError, FileFormatError, DataError, DataTypeError, MissingExtraError
        As in `load_data`, and if a label is not one of the classes.

    Examples
    --------
    >>> from fastmlp.data import load_labelled
    >>> labelled = load_labelled("digits")
    >>> labelled.X.shape, labelled.y.shape
    ((359, 64), (359,))
    """
    path = expand_user(name_or_path)
    if name_or_path in DATA_SETS or path.is_dir():
        return _test_set_of(load_data(name_or_path, data_dir, task=task))
    _check_exists(path, name_or_path)
    kind = _kind_of(path)
    columns = columns_of_npz(path) if kind == "npz" else None
    if kind == "table" or columns is not None:
        from fastmlp.data.table import load_labelled_table

        source = path if columns is None else columns
        X, y, majority, description = load_labelled_table(source, table, classes, class_names, target, read)
        return Labelled(X, y, None, majority, description)
    if kind in ("npz", "idx"):
        X, y = load_test_set(path) if kind == "npz" else load_idx_test_set(path)
        return Labelled(X, y, None, _majority(y, classes), f"{len(y):,} samples")
    return _test_set_of(load_data(name_or_path, data_dir, task=task))


def may_be_table(name_or_path: str) -> bool:
    r"""Whether data may be a table, which needs the packages of the extra ``table``; found out without reading it.

    Parameters
    ----------
    name_or_path : str
        As in `load_data`.

    Returns
    -------
    bool
        True, too, for a ``.npz`` file, which may hold one array per column.

    Raises
    ------
    DataNotFoundError
        If a file cannot be opened.

    Examples
    --------
    >>> from fastmlp.data import may_be_table
    >>> may_be_table("digits"), may_be_table(__file__)
    (False, True)
    """
    path = expand_user(name_or_path)
    return name_or_path not in DATA_SETS and os.path.isfile(path) and _kind_of(path) in ("table", "npz")


def _warn_of_left_out(table: TableSchema | None) -> None:
    """Warn of rows and columns that are left out of a table without being told to."""
    if table is None:
        return
    given = ("--drop", "names the groups")
    columns = [column.name for column in table.of_kind("left out") if not column.note.startswith(given)]
    left_out = [f"columns {listed(columns)}"] if columns else []
    if table.reading["rows_left_out"]:
        left_out.append(f"{table.reading['rows_left_out']:,} rows without a value in {table.target!r}")
    if left_out:
        warnings.warn(f"left out: {'; '.join(left_out)}; dataset.summary() says why", LeftOutWarning, stacklevel=3)


def _check_test(test: object, name_or_path: object) -> None:
    """Refuse a test set in another form than the training set: a run could not be repeated from a file alone."""
    if test is None or (is_frame(test) and is_frame(name_or_path)):
        return
    if not isinstance(test, str | os.PathLike) or is_frame(name_or_path):
        expected = "a data frame" if is_frame(name_or_path) else "the path of a table"
        raise DataTypeError(f"test: expected {expected}, as the training set is, got {type(test).__name__}")


def _test_set_of(dataset: Dataset) -> Labelled:
    y = dataset.targets()["y_test"]
    return Labelled(dataset.X_test, y, dataset.class_names, dataset.majority_accuracy, f"{len(y):,} test samples")


def _majority(y: Array, classes: Array | None) -> float:
    """Share of the most frequent label; NaN for other tasks."""
    return float("nan") if classes is None else float(np.unique(y, return_counts=True)[1].max() / len(y))


def _refuse_options(options: TableOptions, reason: str) -> None:
    """Refuse options of tables for other data."""
    if given := list(options.given()):
        raise DataError(f"{', '.join(given)}: expected only for a table, since {reason}; leave out {', '.join(given)}")


def _replace(dataset: Dataset, scale: str = "auto", target_scale: str = "auto") -> Dataset:
    """The data set with those of both scales that were given."""
    given = {name: value for name, value in (("scale", scale), ("target_scale", target_scale)) if value != "auto"}
    return dataset.replace(**given) if given else dataset


def _check_same_task(data: Dataset, task: str | None) -> Dataset:
    if task not in (None, data.task):
        raise DataError(f"task: expected {data.task!r}, the task of {data.name or 'the data'}, got {task!r}")
    return data


def _load_named(
    name_or_path: str,
    data_dir: str | os.PathLike[str] | None,
    options: TableOptions,
    scale: str,
    task: str | None,
    target_scale: str,
) -> Dataset:
    path = expand_user(name_or_path)
    if name_or_path in DATA_SETS:
        _refuse_options(options, f"{name_or_path} is a data set with features, labels and a test set of its own")
        dataset = _check_same_task(find_data_set(name_or_path).load(fetch(name_or_path, data_dir), scale), task)
    else:
        _check_exists(path, name_or_path)
        dataset = _load_path(path, options, scale, task)
    dataset = _replace(dataset, target_scale=target_scale)
    location = name_or_path if name_or_path in DATA_SETS else str(path.absolute())
    source = DataSource(location, str(data_folder(data_dir).absolute()), scale, task, target_scale, options)
    object.__setattr__(dataset, "source", source)  # a Dataset is immutable, but this one is not in use yet
    return dataset


def _load_path(path: Path, options: TableOptions, scale: str, task: str | None) -> Dataset:
    kind = _kind_of(path)
    columns = columns_of_npz(path) if kind == "npz" else None
    if kind == "table" or columns is not None:
        from fastmlp.data.table import load_table

        return load_table(path if columns is None else columns, options, scale, task, name=path.name.split(".")[0])
    _refuse_options(options, f"{path} is a file or folder of arrays")
    if kind == "idx":
        return load_idx_path(path, scale, task)
    return (load_npz if kind == "npz" else load_npy)(path, scale, task)


def _check_exists(path: Path, name_or_path: str) -> None:
    if os.path.exists(path):  # Path.exists raises for names that are too long and for unreadable folders
        return
    if not path.suffix and path.name == name_or_path:
        find_data_set(name_or_path)
    raise DataNotFoundError(f"{path} does not exist; the working directory is {Path.cwd()}")


def _kind_of(path: Path) -> FileKind:
    """The kind of a file, by its content, or of a folder: of ``.npy`` or sparse files, or otherwise of idx files."""
    if path.is_dir():
        if holds_arrays(path):
            return "npy"
        if is_idx(path):
            return "idx"
        raise DataNotFoundError(
            f"{path} cannot be read: expected a regular file, got a directory without .npy and idx files"
        )
    try:
        with open_regular(path) as file:
            magic = file.read(6)
    except OSError as error:
        raise DataNotFoundError(f"{path} cannot be read: {error.strerror}") from error
    if magic == b"\x93NUMPY":
        return "npy"
    if magic.startswith(b"PK") and (kind := _kind_of_archive(path)) is not None:
        return kind
    return "idx" if is_idx(path) else "table"


def _kind_of_archive(path: Path) -> FileKind | None:
    """The kind of a ``.npz`` file; None for an Excel file; a damaged archive is taken for what its name says."""
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError):
        return "npz" if path.suffix.lower() == ".npz" else None
    if is_sparse_file(names):
        return "sparse"
    return "npz" if names else None
