"""Arrays: NumPy's own files, ``.npz`` read whole and ``.npy`` mapped. Knows no other format; never unpickles."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from fastmlp.data.check import Array
from fastmlp.data.dataset import Dataset
from fastmlp.data.split import holdout
from fastmlp.data.target import task_of
from fastmlp.errors import DataError, DataNotFoundError, FileFormatError
from fastmlp.io.bounded import intact
from fastmlp.io.npy import map_npy
from fastmlp.io.npz import Npz

SPLIT_NAMES = ("X_train", "y_train", "X_test", "y_test")
UNSPLIT_NAMES = ("X", "y")
#: What may be there beside them; see `Dataset`.
OPTIONAL_NAMES = ("weight_train", "X_val", "y_val")


def load_npz(path: Path, scale: str = "auto", task: str | None = None) -> Dataset:
    """Load a ``.npz`` file.

    Parameters
    ----------
    path : pathlib.Path
        A file with the arrays X_train, y_train, X_test and y_test (x_train and x_test will do), or with X (or x) and
        y, of which a fifth is held out for testing. Beside them it may hold weight_train, X_val and y_val.
    scale, task : str
        See `fastmlp.data.Dataset`; without a task y tells it.

    Returns
    -------
    Dataset
        In the arrays' own dtype where that is uint8, float32 or float64.

    Raises
    ------
    FileFormatError
        If the file is damaged, lacks an array, or holds pickled objects.

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
    with intact(path, ".npz file", Exception), Npz(path) as arrays:
        wanted = _pick(SPLIT_NAMES, arrays) or _pick(UNSPLIT_NAMES, arrays)
        if not wanted:
            expected = f"{', '.join(SPLIT_NAMES)}, or {' and '.join(UNSPLIT_NAMES)},"
            raise FileFormatError(f"{path} holds the arrays {', '.join(arrays)}; {expected} are expected")
        found = [arrays[name] for name in wanted]
        more: dict[str, Any] = {name: arrays[name] for name in OPTIONAL_NAMES if name in arrays}
    if len(found) == len(UNSPLIT_NAMES):
        X, y = found
        found, more = _divide(X, y, task, more)
    X_train, y_train, X_test, y_test = found
    return Dataset(X_train, y_train, X_test, y_test, scale, name=path.stem, task=task or task_of(y_train), **more)


def load_npy(path: Path, scale: str = "auto", task: str | None = None) -> Dataset:
    """Map four ``.npy`` files into memory; of their samples only what is being used is ever read.

    Parameters
    ----------
    path : pathlib.Path
        The folder that holds X_train.npy, y_train.npy, X_test.npy and y_test.npy (x_train.npy and x_test.npy will do),
        or one of these files.
    scale, task : str
        See `fastmlp.data.Dataset`; without a task y tells it.

    Returns
    -------
    Dataset
        uint8, float32 and float64 samples stay in the files, opened read-only; other dtypes are converted in memory.

    Raises
    ------
    DataNotFoundError
        If one of the four is not there.
    FileFormatError
        If a file is truncated, oversized, foreign, or holds pickled objects.

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
    names = _pick(SPLIT_NAMES, [file.stem for file in folder.glob("*.npy")])
    if not names:
        wanted = ", ".join(f"{name}.npy" for name in SPLIT_NAMES)
        raise DataNotFoundError(f"{folder} does not hold all of {wanted}; give a folder that does, or one of these")
    X_train, y_train, X_test, y_test = (map_npy(folder / f"{name}.npy") for name in names)
    more: dict[str, Any] = {name: map_npy(path) for name in OPTIONAL_NAMES if (path := folder / f"{name}.npy").exists()}
    name, task = folder.resolve().name, task or task_of(y_train)
    return Dataset(X_train, y_train, X_test, y_test, scale, name=name, task=task, **more)


def _divide(X: Array, y: Array, task: str | None, more: dict[str, Any]) -> tuple[list[Array], dict[str, Any]]:
    """A fifth held out for testing, in proportion to the classes; weights of all samples are divided with them."""
    if X.ndim == 0 or y.ndim == 0 or len(X) != len(y):
        raise DataError(f"X has shape {X.shape} and y {y.shape}; as many samples as labels are expected")
    weights = more.get("weight_train")
    if weights is not None and weights.shape != (len(X),):
        raise DataError(
            f"weight_train has shape {weights.shape}; beside X and y a weight a sample, ({len(X)},), is expected"
        )
    train, test = holdout(y if y.ndim == 1 and task != "regression" else np.zeros(len(y)))
    return [X[train], y[train], X[test], y[test]], more | ({} if weights is None else {"weight_train": weights[train]})


def _pick(wanted: Collection[str], names: Collection[str]) -> list[str]:
    """Find every wanted name, capital or small; an empty list where one is missing."""
    found = [next((name for name in (want, want.lower()) if name in names), "") for want in wanted]
    return found if all(found) else []
