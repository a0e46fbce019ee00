"""Data sets in CSV files with a header: features, and one column of labels or target values."""

import csv
import gzip
import io
import math
from array import array
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from fastmlp.data.check import Array
from fastmlp.data.dataset import Dataset
from fastmlp.data.split import holdout
from fastmlp.errors import DataError, FileFormatError
from fastmlp.io.bounded import max_decompressed_bytes, translate_errors

#: Names of the target column, if none is given.
TARGETS = ("target", "label", "class", "y")


class Table(NamedTuple):
    """Features and target of a table.

    Attributes
    ----------
    X : numpy.ndarray of shape (n_samples, n_features), float64
        All columns except the target.
    y : numpy.ndarray of shape (n_samples,)
        The target: int64 if all values are integers, float64 if all are numbers, otherwise strings in an array of
        objects.
    """

    X: Array
    y: Array


def load_table(path: Path, target: str | None = None, scale: str = "auto", task: str | None = None) -> Dataset:
    r"""Load a CSV file, with a fifth of its rows held out for testing.

    Parameters
    ----------
    path : pathlib.Path
        A ``.csv`` or ``.csv.gz`` file in UTF-8, whose first line names the columns.
    target : str, optional
        Name of the target column: labels, which are integers or names, or numbers to be predicted. By default the
        column called ``target``, ``label``, ``class`` or ``y``. All other columns are features.
    scale : str
        See `fastmlp.data.Dataset`.
    task : {"classification", "regression"}, optional
        By default classification.

    Returns
    -------
    Dataset
        float64 features.

    Raises
    ------
    FileFormatError
        If the file is empty or damaged, or a row has too many or too few cells.
    DataError
        If the target column is missing, or a cell is not a finite number.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from fastmlp.data.csv_table import load_table
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "pets.csv")
    ...     _ = path.write_text("weight,class\n" + "4.1,cat\n30,dog\n" * 5)
    ...     load_table(path).class_names
    ('cat', 'dog')
    """
    table = read_table(path, target)
    if task not in (None, "classification") and table.y.dtype == object:
        raise DataError(
            f"{path}: expected numbers in the target column for the task {task}, got names such as {min(table.y)!r}"
        )
    # Regression targets are not stratified.
    train, test = holdout(np.zeros(len(table.y)) if task == "regression" else table.y)
    X, y, name = table.X, table.y, path.name.split(".csv")[0]
    task = task or "classification"
    return Dataset(X[train], y[train], X[test], y[test], scale, name=name, task=task)


def read_table(path: Path, target: str | None = None) -> Table:
    r"""Read a CSV file.

    Parameters
    ----------
    path, target
        As in `load_table`.

    Returns
    -------
    Table
        Rows in the order of the file.

    Raises
    ------
    FileFormatError, DataError
        As in `load_table`.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from fastmlp.data.csv_table import read_table
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "xor.csv")
    ...     _ = path.write_text("a,b,y\n0,0,0\n0,1,1\n")
    ...     read_table(path).y
    array([0, 1])
    """
    with translate_errors(path, "CSV file", csv.Error, UnicodeDecodeError), _open_text(path) as lines:
        rows = csv.reader(lines, strict=True)
        header = [name.strip() for name in next(rows, [])]
        column = _target_column(header, target, path)
        features = header[:column] + header[column + 1 :]
        cells, labels = array("d"), []
        interned: dict[str, str] = {}  # equal labels share one string
        for row in filter(None, rows):
            place = f"{path}, line {rows.line_num}"
            _check_width(row, header, place)
            label = _label(row.pop(column), header[column], place)
            labels.append(interned.setdefault(label, label))
            cells.extend(_numbers(row, features, place))
    X = np.frombuffer(cells, dtype=np.float64).reshape(len(labels), len(features))
    return Table(X, _as_target(labels))


def read_samples(path: Path) -> Array:
    r"""Read a CSV file of features without a target.

    Parameters
    ----------
    path : pathlib.Path
        A ``.csv`` or ``.csv.gz`` file in UTF-8, whose first line names the columns.

    Returns
    -------
    numpy.ndarray of shape (n_samples, n_features), float64
        Rows in the order of the file.

    Raises
    ------
    FileFormatError
        If the file is empty or damaged, its first line holds only numbers, or a row has too many or too few cells.
    DataError
        If a cell is not a finite number.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from fastmlp.data.csv_table import read_samples
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "pets.csv")
    ...     _ = path.write_text("weight,height\n4.1,25\n30,60\n")
    ...     read_samples(path)
    array([[ 4.1, 25. ],
           [30. , 60. ]])
    """
    with translate_errors(path, "CSV file", csv.Error, UnicodeDecodeError), _open_text(path) as lines:
        rows = csv.reader(lines, strict=True)
        header = [name.strip() for name in next(rows, [])]
        if all(map(_is_finite, header)):
            first_line = ", ".join(header[:5]) or "an empty line"
            raise FileFormatError(f"{path}: expected column names in the first line, got {first_line}")
        cells = array("d")
        for row in filter(None, rows):
            place = f"{path}, line {rows.line_num}"
            _check_width(row, header, place)
            cells.extend(_numbers(row, header, place))
    return np.frombuffer(cells, dtype=np.float64).reshape(-1, len(header))


def _open_text(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return io.TextIOWrapper(_BoundedGzip(path), encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


class _BoundedGzip(gzip.GzipFile):
    """A gzip file with a maximum of decompressed bytes."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "rb")
        self._n_left = self._n_bytes = max_decompressed_bytes(path.stat().st_size)

    def read1(self, size: int = -1) -> bytes:
        data = super().read1(size)
        self._n_left -= len(data)
        if self._n_left < 0:
            raise FileFormatError(
                f"{self.name}: expected at most {self._n_bytes:,} decompressed bytes, got more; decompress it first"
            )
        return data


def _target_column(header: Sequence[str], target: str | None, path: Path) -> int:
    if not any(header):
        raise FileFormatError(f"{path} is empty: expected column names in its first line")
    accepted = TARGETS if target is None else (target,)
    found = [index for index, name in enumerate(header) if name in accepted]
    if len(found) != 1:
        count = "several" if found else "none"
        raise DataError(
            f"{path}: expected one column called {' or '.join(map(repr, accepted))}, got {count} among the columns "
            f"{', '.join(header)}; give the name of the target column as target"
        )
    return found[0]


def _check_width(row: Sequence[str], header: Sequence[str], place: str) -> None:
    if len(row) != len(header):
        raise FileFormatError(f"{place}: expected {len(header)} cells, one per column of the header, got {len(row)}")


def _label(cell: str, name: str, place: str) -> str:
    label = cell.strip()
    if not label:
        raise DataError(f"{place}, column {name!r}: expected a label, got an empty cell")
    return label


def _numbers(row: Sequence[str], names: Sequence[str], place: str) -> list[float]:
    try:
        numbers = list(map(float, row))
        are_finite = all(map(math.isfinite, numbers))
    except ValueError:
        are_finite = False
    if not are_finite:
        name, cell = next((name, cell) for name, cell in zip(names, row, strict=True) if not _is_finite(cell))
        raise DataError(f"{place}, column {name!r}: expected a finite number, got {cell!r}; fill or encode it")
    return numbers


def _is_finite(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


def _as_target(cells: Sequence[str]) -> Array:
    """Integers if all cells are integers of 64 bits, floats if all are numbers, otherwise strings."""
    for number, dtype in ((int, np.int64), (float, np.float64)):
        with suppress(ValueError, OverflowError):
            return np.array(list(map(number, cells)), dtype=dtype)
    return np.array(cells, dtype=object)
