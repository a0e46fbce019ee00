"""Data sets in NumPy files: ``.npz`` archives, read into memory, and folders of ``.npy`` files, memory-mapped.

In a folder, samples may be sparse: SciPy's ``.npz`` files, read into memory.
"""

import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from fastmlp.data.check import Array
from fastmlp.data.dataset import Dataset
from fastmlp.data.sparse_file import load_sparse
from fastmlp.data.split import split_rows
from fastmlp.data.target import task_of
from fastmlp.errors import DataError, DataNotFoundError, FileFormatError
from fastmlp.io.bounded import translate_errors
from fastmlp.io.npy import map_npy
from fastmlp.io.npz import Npz

SPLIT_NAMES = ("X_train", "y_train", "X_test", "y_test")
UNSPLIT_NAMES = ("X", "y")
#: Names of samples in small letters.
SAMPLE_NAMES = ("x_train", "x_test", "x_val")
#: Optional arrays beside them; see `Dataset`.
OPTIONAL_NAMES = ("weight_train", "X_val", "y_val")


def load_npz(path: Path, scale: str = "auto", task: str | None = None) -> Dataset:
    """Load a ``.npz`` file.

    Parameters
    ----------
    path : pathlib.Path
        A file with the arrays X_train, y_train, X_test and y_test, or with X and y, of which a fifth is held out for
        testing; in capitals or small letters, such as x_train in Keras's files. Optional arrays are weight_train, X_val
        and y_val. A warning names all others, which are not used.
    scale, task : str
        See `fastmlp.data.Dataset`; without a task it is inferred from y.

    Returns
    -------
    Dataset
        uint8, float32 and float64 samples keep their dtype.

    Raises
    ------
    FileFormatError
        If the file is damaged, lacks an array, or holds pickled objects.
    DataError
        If X and y differ in length, or weight_train does not fit.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from fastmlp.data.arrays import load_npz
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "blobs.npz")
    ...     np.savez(path, X=np.arange(20.0).reshape(10, 2), y=np.arange(10) % 2)
    ...     load_npz(path).X_test.shape
    (2, 2)
    """
    with translate_errors(path, ".npz file", Exception), Npz(path) as arrays:
        names = _find_names(SPLIT_NAMES, arrays) or _find_names(UNSPLIT_NAMES, arrays)
        if not names:
            expected = f"{', '.join(SPLIT_NAMES)}, or {' and '.join(UNSPLIT_NAMES)}"
            raise FileFormatError(f"{path}: expected the arrays {expected}, got {', '.join(arrays) or 'none'}")
        required, found = [arrays[name] for name in names], _find_optional(arrays)
        optional: dict[str, Any] = {name: arrays[spelled] for name, spelled in found.items()}
        _warn_of_unused(path, set(arrays) - {*names, *found.values()})
    if len(required) == len(UNSPLIT_NAMES):
        X, y = required
        required, optional = _split(X, y, task, optional)
    X_train, y_train, X_test, y_test = required
    return Dataset(X_train, y_train, X_test, y_test, scale, name=path.stem, task=task or task_of(y_train), **optional)


def load_npy(path: Path, scale: str = "auto", task: str | None = None) -> Dataset:
    """Memory-map a folder of ``.npy`` files, which may be larger than the memory.

    Parameters
    ----------
    path : pathlib.Path
        The folder of X_train.npy, y_train.npy, X_test.npy and y_test.npy, or one of these files; in capitals or small
        letters. Optional files are weight_train.npy, X_val.npy and y_val.npy. Sparse samples are in X_train.npz,
        X_test.npz and X_val.npz, written by `scipy.sparse.save_npz`.
    scale, task : str
        See `fastmlp.data.Dataset`; without a task it is inferred from y_train.

    Returns
    -------
    Dataset
        uint8, float32 and float64 samples in row-major order stay in the files, opened read-only; others are converted
        in memory, with a warning for files of 64 MiB or more. Sparse samples are read into memory, as CSR.

    Raises
    ------
    DataNotFoundError
        If one of the four files is missing.
    DataError
        If the same samples are in two files, or some sets are sparse and some are not.
    FileFormatError
        If a file is truncated, oversized, foreign, or holds pickled objects.
    MissingExtraError
        If samples are sparse, and SciPy is not installed.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from fastmlp.data.arrays import load_npy
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for part in ("train", "test"):
    ...         np.save(Path(folder, f"X_{part}.npy"), np.eye(3, dtype=np.float32))
    ...         np.save(Path(folder, f"y_{part}.npy"), np.arange(3))
    ...     dataset = load_npy(Path(folder))
    ...     dataset.n_features, dataset.X_train.flags.writeable
    (3, False)
    """
    folder = path if path.is_dir() else path.parent
    files = _files_of(folder)
    names = _find_names(SPLIT_NAMES, files)
    is_npz = path.is_file() and path.suffix.lower() == ".npz"
    if is_npz and (not names or path.stem.lower() not in SAMPLE_NAMES):
        raise DataNotFoundError(
            f"{path}: expected samples with targets, got a sparse matrix alone; write X_train.npz and X_test.npz by "
            "scipy.sparse.save_npz, and y_train.npy and y_test.npy by numpy.save, into a folder, and give the folder"
        )
    if not names:
        raise DataNotFoundError(_list_missing(folder, files))
    X_train, y_train, X_test, y_test = (_read(files[name]) for name in names)
    optional: dict[str, Any] = {name: _read(files[spelled]) for name, spelled in _find_optional(files).items()}
    name, task = folder.resolve().name, task or task_of(y_train)
    return Dataset(X_train, y_train, X_test, y_test, scale, name=name, task=task, **optional)


def holds_arrays(folder: Path) -> bool:
    """Whether a folder has a ``.npy`` file, or a ``.npz`` file of samples, so that `load_npy` reads it.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from fastmlp.data.arrays import holds_arrays
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     holds_arrays(Path(folder))
    False
    """
    return any(folder.glob("*.npy")) or any(file.stem.lower() in SAMPLE_NAMES for file in folder.glob("*.npz"))


def _files_of(folder: Path) -> dict[str, Path]:
    """The ``.npy`` files in a folder, and the ``.npz`` files that samples may be in, by their names without suffix."""
    files = {file.stem: file for file in folder.glob("*.npy")}
    for file in folder.glob("*.npz"):
        if file.stem.lower() not in SAMPLE_NAMES:
            continue
        if file.stem in files:
            raise DataError(
                f"{folder}: expected one file with {file.stem}, got {file.stem}.npy and {file.name}; remove one"
            )
        files[file.stem] = file
    return files


def _list_missing(folder: Path, files: Collection[str]) -> str:
    """What to say of a folder that lacks some of the four files."""
    expected = ", ".join(f"{name}.npy" for name in SPLIT_NAMES)
    missing = ", ".join(f"{name}.npy" for name in SPLIT_NAMES if not _find_names([name], files))
    sparse = sorted(file.name for file in folder.glob("*.npz") if file.stem.lower() in ("y_train", "y_test"))
    found = f"{missing}, but with {', '.join(sparse)}" if sparse else missing
    return (
        f"{folder}: expected the files {expected}, got a folder without {found}; save targets, which are dense, by "
        "numpy.save, and sparse samples by scipy.sparse.save_npz as X_train.npz and X_test.npz"
    )


def _read(path: Path) -> Any:
    return map_npy(path) if path.suffix == ".npy" else load_sparse(path)


def load_test_set(path: Path) -> tuple[Array, Array]:
    """Read the test set of a ``.npz`` file, or all samples of one of X and y.

    Parameters
    ----------
    path : pathlib.Path
        As for `load_npz`. X_test and y_test are sufficient.

    Returns
    -------
    X, y : numpy.ndarray of shape (n_samples, ...)
        The arrays as they are in the file. A model's ``evaluate`` checks that they match it.

    Raises
    ------
    FileFormatError, DataNotFoundError
        If the file is damaged, lacks an array, or holds pickled objects.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from fastmlp.data.arrays import load_test_set
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "blobs.npz")
    ...     np.savez(path, X=np.arange(20.0).reshape(10, 2), y=np.arange(10) % 2)
    ...     load_test_set(path)[0].shape
    (10, 2)
    """
    with translate_errors(path, ".npz file", Exception), Npz(path) as arrays:
        names = _find_names(SPLIT_NAMES[2:], arrays) or _find_names(UNSPLIT_NAMES, arrays)
        if not names:
            expected = f"{' and '.join(SPLIT_NAMES[2:])}, or {' and '.join(UNSPLIT_NAMES)}"
            raise FileFormatError(f"{path}: expected the arrays {expected}, got {', '.join(arrays) or 'none'}")
        return arrays[names[0]], arrays[names[1]]


def samples_of_npz(path: Path) -> Array:
    """Read the samples of a ``.npz`` file: X, or else X_test.

    Raises
    ------
    FileFormatError
        If the file is damaged, or has neither.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from fastmlp.data.arrays import samples_of_npz
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(Path(folder, "new.npz"), X=np.eye(3))
    ...     samples_of_npz(Path(folder, "new.npz")).shape
    (3, 3)
    """
    with translate_errors(path, ".npz file", Exception), Npz(path) as arrays:
        names = _find_names(UNSPLIT_NAMES[:1], arrays) or _find_names(SPLIT_NAMES[2:3], arrays)
        if not names:
            raise FileFormatError(f"{path}: expected the array X, got {', '.join(arrays) or 'none'}")
        return arrays[names[0]]


def columns_of_npz(path: Path) -> dict[str, Array] | None:
    """Read a table from a ``.npz`` file of one array per column.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    dict of str to numpy.ndarray of shape (n_rows,), or None
        The columns in the order of the file: numbers, booleans and dates in native byte order, and strings. None if the
        file is of another form: if an array has several dimensions, or its length differs from that of the first.

    Raises
    ------
    FileFormatError
        If the file is damaged, or a column holds pickled objects.
    DataError
        If a column is empty.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from fastmlp.data.arrays import columns_of_npz
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(Path(folder, "pets.npz"), age=np.array([3, 1]), kind=np.array(["cat", "dog"]))
    ...     columns_of_npz(Path(folder, "pets.npz"))
    {'age': array([3, 1]), 'kind': array(['cat', 'dog'], dtype='<U3')}
    """
    with translate_errors(path, ".npz file", Exception), Npz(path) as arrays:
        for wanted in (SPLIT_NAMES[:1], SPLIT_NAMES[2:3], UNSPLIT_NAMES[:1]):  # before a column of objects is refused
            if any(len(arrays.header(name).shape) != 1 for name in _find_names(wanted, arrays)):
                return None
        shapes = {arrays.header(name).shape for name in arrays}
        if len(shapes) != 1 or len(shapes.pop()) != 1:
            return None
        return {name: _as_column(arrays[name]) for name in arrays}


def _as_column(array: Array) -> Array:
    return np.char.decode(array, "utf-8") if array.dtype.kind == "S" else array.astype(array.dtype.newbyteorder("="))


def _split(X: Array, y: Array, task: str | None, optional: dict[str, Any]) -> tuple[list[Array], dict[str, Any]]:
    """Hold a fifth out for testing, stratified by class; sample weights are split with the samples."""
    if X.ndim == 0 or y.ndim == 0 or len(X) != len(y):
        raise DataError(f"X and y: expected as many samples as labels, got the shapes {X.shape} and {y.shape}")
    weights = optional.get("weight_train")
    if weights is not None and weights.shape != (len(X),):
        raise DataError(
            f"weight_train: expected one weight per sample of X, shape ({len(X)},), got shape {weights.shape}"
        )
    is_classification = (task or task_of(y)) == "classification"
    train, test = split_rows("stratified", y.reshape(-1)) if is_classification else split_rows("random", y)
    if weights is not None:
        optional = optional | {"weight_train": weights[train]}
    return [X[train], y[train], X[test], y[test]], optional


def _find_optional(names: Collection[str]) -> dict[str, str]:
    """The optional arrays among `names`, and how each is spelled."""
    return {name: spelled for name in OPTIONAL_NAMES for spelled in _find_names([name], names)}


def _warn_of_unused(path: Path, names: Collection[str]) -> None:
    if names:
        known = ", ".join((*SPLIT_NAMES, *OPTIONAL_NAMES, *UNSPLIT_NAMES))
        warnings.warn(f"{path}: not used: {', '.join(sorted(names))}; the arrays that are: {known}", stacklevel=6)


def _find_names(wanted: Collection[str], names: Collection[str]) -> list[str]:
    """The wanted names as they are spelled in `names`, in capitals or small letters; empty unless all are found."""
    spelled = {name.lower(): name for name in names} | {name: name for name in names}
    found = [spelled.get(want, spelled.get(want.lower(), "")) for want in wanted]
    return found if all(found) else []
