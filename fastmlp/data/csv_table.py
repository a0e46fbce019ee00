"""Table: CSV files with a header, one column of which is the label. Knows no other format."""

import csv
import gzip
import io
import math
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from fastmlp.data.check import Array
from fastmlp.data.dataset import Dataset
from fastmlp.data.split import holdout
from fastmlp.errors import DataError, FileFormatError
from fastmlp.io.bounded import intact, max_decompressed_bytes

TARGETS = ("target", "label", "class", "y")


class Table(NamedTuple):
    """A table's features and labels.

    Attributes
    ----------
    X : numpy.ndarray of shape (n_samples, n_features), float64
        All columns but the target.
    y : numpy.ndarray of shape (n_samples,)
        The target: as written where all of it are numbers, else the index into ``class_names``.
    class_names : tuple of str or None
        The target's names, sorted; None where it holds numbers.
    """

    X: Array
    y: Array
    class_names: tuple[str, ...] | None


def load_table(path: Path, target: str | None = None, scale: str = "auto", task: str | None = None) -> Dataset:
    r"""Load a CSV file, a fifth of its rows held out for testing.

    Parameters
    ----------
    path : pathlib.Path
        A ``.csv`` or ``.csv.gz`` file, UTF-8, its first line naming the columns.
    target : str, optional
        The column that holds the labels, integers from 0 or names; without it the one called ``target``, ``label``,
        ``class`` or ``y``. All other columns are features.
    scale : str
        See `fastmlp.data.Dataset`.
    task : str, optional
        classification, or regression: then the column holds numbers to be predicted.

    Returns
    -------
    Dataset
        float64 features.

    Raises
    ------
    FileFormatError
        If the file is empty, damaged, or a row has too many or too few cells.
    DataError
        If there is no such column, or a cell is not a finite number.

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
    if task not in (None, "classification") and table.class_names is not None:
        raise DataError(
            f"{path} holds names in its target, such as {table.class_names[0]!r}; the task {task} is for numbers"
        )
    train, test = holdout(np.zeros(len(table.y)) if task == "regression" else table.y)  # which is not cut by its size
    X, y, name = table.X, table.y, path.name.split(".csv")[0]
    task = task or "classification"
    return Dataset(X[train], y[train], X[test], y[test], scale, table.class_names, name, task=task)


def read_table(path: Path, target: str | None = None) -> Table:
    r"""Read a CSV file.

    Parameters
    ----------
    path, target
        As in `load_table`.

    Returns
    -------
    Table
        In the order of the file.

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
    array([0., 1.])
    """
    with intact(path, "CSV file", csv.Error, UnicodeDecodeError), _open_text(path) as lines:
        rows = csv.reader(lines, strict=True)
        header = [name.strip() for name in next(rows, [])]
        column = _target_column(header, target, path)
        features = header[:column] + header[column + 1 :]
        cells, labels = array("d"), []
        known: dict[str, str] = {}  # a class's name is one string, however many rows it has
        for row in filter(None, rows):
            place = f"{path}, line {rows.line_num}"
            _refuse_width(row, header, place)
            label = _label(row.pop(column), header[column], place)
            labels.append(known.setdefault(label, label))
            cells.extend(_numbers(row, features, place))
    X = np.frombuffer(cells, dtype=np.float64).reshape(len(labels), len(features))
    return Table(X, *_encode(labels))


def read_samples(path: Path) -> Array:
    r"""Read a CSV file of features alone.

    Parameters
    ----------
    path : pathlib.Path
        A ``.csv`` or ``.csv.gz`` file, UTF-8, its first line naming the columns.

    Returns
    -------
    numpy.ndarray of shape (n_samples, n_features), float64
        In the order of the file.

    Raises
    ------
    FileFormatError
        If the file is empty, damaged, its first line holds numbers only, or a row has too many or too few cells.
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
    with intact(path, "CSV file", csv.Error, UnicodeDecodeError), _open_text(path) as lines:
        rows = csv.reader(lines, strict=True)
        header = [name.strip() for name in next(rows, [])]
        if all(map(_is_finite, header)):
            begin = ", ".join(header[:5]) or "an empty line"
            raise FileFormatError(f"{path} begins with {begin}; names are expected there")
        cells = array("d")
        for row in filter(None, rows):
            place = f"{path}, line {rows.line_num}"
            _refuse_width(row, header, place)
            cells.extend(_numbers(row, header, place))
    return np.frombuffer(cells, dtype=np.float64).reshape(-1, len(header))


def _open_text(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return io.TextIOWrapper(_BoundedGzip(path), encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


class _BoundedGzip(gzip.GzipFile):
    """A gzipped file that gives no more than it may unfold to."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "rb")
        self._n_left = self._n_bytes = max_decompressed_bytes(path.stat().st_size)

    def read1(self, size: int = -1) -> bytes:
        piece = super().read1(size)
        self._n_left -= len(piece)
        if self._n_left < 0:
            raise FileFormatError(f"{self.name} unfolds to more than {self._n_bytes:,} bytes; unpack it first")
        return piece


def _target_column(header: Sequence[str], target: str | None, path: Path) -> int:
    if not any(header):
        raise FileFormatError(f"{path} is empty; its first line must name the columns")
    wanted = TARGETS if target is None else (target,)
    found = [index for index, name in enumerate(header) if name in wanted]
    if len(found) != 1:
        how_many = "several columns" if found else "no column"
        raise DataError(
            f"{path} has {how_many} called {' or '.join(map(repr, wanted))}; it has the columns {', '.join(header)}. "
            "Name the one that holds the labels as target"
        )
    return found[0]


def _refuse_width(row: Sequence[str], header: Sequence[str], place: str) -> None:
    if len(row) != len(header):
        raise FileFormatError(f"{place} has {len(row)} cells; the header names {len(header)} columns")


def _label(cell: str, name: str, place: str) -> str:
    label = cell.strip()
    if not label:
        raise DataError(f"{place}, column {name!r} is empty; a label is expected")
    return label


def _numbers(row: Sequence[str], names: Sequence[str], place: str) -> list[float]:
    try:
        numbers = list(map(float, row))
        finite = all(map(math.isfinite, numbers))
    except ValueError:
        finite = False
    if not finite:
        name, cell = next((name, cell) for name, cell in zip(names, row, strict=True) if not _is_finite(cell))
        raise DataError(f"{place}, column {name!r} holds {cell!r}; a finite number is expected: fill or encode it")
    return numbers


def _is_finite(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


def _encode(labels: Sequence[str]) -> tuple[Array, tuple[str, ...] | None]:
    try:
        return np.array(list(map(float, labels))), None
    except ValueError:
        names = sorted(set(labels))
        index = {name: i for i, name in enumerate(names)}
        return np.array([index[label] for label in labels]), tuple(names)
