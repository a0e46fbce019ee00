"""Data sets in CSV files with a header: features, and one column of labels or target values."""

import csv
import gzip
import io
import math
import os
from array import array
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from fastmlp.data.check import Array
from fastmlp.data.dataset import Dataset
from fastmlp.data.label import list_labels
from fastmlp.data.split import holdout
from fastmlp.errors import DataError, FileFormatError
from fastmlp.io.bounded import max_decompressed_bytes, translate_errors
from fastmlp.io.regular_file import open_regular

#: Names of the target column, if none is given.
TARGETS = ("target", "label", "class", "y")
#: Maximum number of columns. Each name takes about 60 bytes of memory, and as little as two bytes of the file.
MAX_COLUMNS = 1 << 20
#: Commas in the cells of a row, which are accepted beside those between them.
MAX_QUOTED_COMMAS = 1 << 16


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
    with translate_errors(path, "CSV file", csv.Error), _open_rows(path) as rows:
        header = rows.read_header()
        column = _target_column(header, target, path)
        features = header[:column] + header[column + 1 :]
        cells, labels = array("d"), []
        interned: dict[str, str] = {}  # equal labels share one string
        for place, row in rows:
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
    with translate_errors(path, "CSV file", csv.Error), _open_rows(path) as rows:
        header = rows.read_header()
        cells = array("d")
        for place, row in rows:
            _check_width(row, header, place)
            cells.extend(_numbers(row, header, place))
    return np.frombuffer(cells, dtype=np.float64).reshape(-1, len(header))


class _Rows:
    """The rows of a table; one with too many cells is refused before it is split, which takes 60 bytes per cell."""

    def __init__(self, path: Path, lines: Iterator[str]) -> None:
        self._path, self._lines, self._n_commas, self._max_commas = path, lines, 0, MAX_COLUMNS - 1
        self._rows = csv.reader(self._count_commas(), strict=True)

    def read_header(self) -> list[str]:
        """Read the first row, unless it holds only numbers, as a sample does; limit the others by its width."""
        header = [name.strip() for name in next(self._rows, [])]
        if all(_is_finite(name) for name in header if name):
            first_line = ", ".join(header[:5]) if any(header) else "an empty line"
            raise FileFormatError(f"{self._path}: expected column names in the first line, got {first_line}")
        self._n_commas, self._max_commas = 0, len(header) + MAX_QUOTED_COMMAS
        return header

    def __iter__(self) -> Iterator[tuple[str, list[str]]]:
        """Place and cells of each row that is not empty."""
        for row in self._rows:
            self._n_commas = 0
            if row:
                yield f"{self._path}, line {self._rows.line_num}", row

    def _count_commas(self) -> Iterator[str]:
        """Lines of the file; a row may consist of several."""
        for line in self._lines:
            self._n_commas += line.count(",")
            if self._n_commas > self._max_commas:
                raise FileFormatError(
                    f"{self._path}, line {self._rows.line_num + 1}: expected a row of at most "
                    f"{self._max_commas + 1:,} cells, got more"
                )
            yield line


@contextmanager
def _open_rows(path: Path) -> Iterator[_Rows]:
    with ExitStack() as stack:
        file = stack.enter_context(open_regular(path))
        stream = stack.enter_context(_BoundedGzip(path, file)) if path.suffix == ".gz" else file
        text = stack.enter_context(io.TextIOWrapper(stream, encoding="utf-8-sig", newline=""))
        try:
            yield _Rows(path, text)
        except UnicodeDecodeError as error:
            raise FileFormatError(
                f"{path} ({path.stat().st_size:,} bytes) is not an intact CSV file: expected UTF-8, got the byte "
                f"0x{error.object[error.start]:02x}; save it as UTF-8"
            ) from error


class _BoundedGzip(gzip.GzipFile):
    """A gzip file with a maximum of decompressed bytes."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        super().__init__(path, "rb", fileobj=file)
        self._n_left = self._n_bytes = max_decompressed_bytes(os.fstat(file.fileno()).st_size)

    def read1(self, size: int = -1) -> bytes:
        data = super().read1(size)
        self._n_left -= len(data)
        if self._n_left < 0:
            raise FileFormatError(
                f"{self.name}: expected at most {self._n_bytes:,} decompressed bytes, got more; decompress it first"
            )
        return data


def _target_column(header: Sequence[str], target: str | None, path: Path) -> int:
    accepted = TARGETS if target is None else (target,)
    found = [index for index, name in enumerate(header) if name in accepted]
    if len(found) != 1:
        count = "several" if found else "none"
        raise DataError(
            f"{path}: expected one column called {' or '.join(map(repr, accepted))}, got {count} among the columns "
            f"{list_labels(header)}; {_advice(header)}"
        )
    return found[0]


def _advice(header: Sequence[str]) -> str:
    """What to do if the target column is not found."""
    for separator, name in ((";", "semicolon"), ("\t", "tab")):
        if len(header) == 1 and separator in header[0]:
            return f"separate the cells by commas, not by a {name}"
    if sum(map(_is_finite, header)) > len(header) / 2:
        return "name the columns in the first line, which seems to hold a sample"
    return "give the name of the target column as target (--target on the command line)"


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
        raise DataError(
            f"{place}, column {name!r}: expected a finite number, got {cell!r}; fill or encode it, or remove the column"
        )
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
