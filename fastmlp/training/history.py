"""History: the metrics of each epoch of a training run; and Progress, the argument of progress callbacks."""

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypedDict, cast, overload

from fastmlp.errors import DataNotFoundError, FileFormatError
from fastmlp.io.atomic import write_atomic
from fastmlp.io.regular_file import read_text
from fastmlp.metrics import display_name, format_metric


class _Scores(TypedDict, total=False):
    test_accuracy: float
    test_r2: float
    val_loss: float
    val_accuracy: float
    val_r2: float


class Row(_Scores):
    """Metrics of one epoch. Losses are computed with the config's `loss`.

    Attributes
    ----------
    epoch : int
        Epoch, counted from 1.
    learning_rate : float
        Learning rate of the epoch.
    train_loss : float
        Mean training loss over the epoch, each batch with the weights before its step.
    test_loss : float
        Mean loss over the test set after the epoch.
    test_accuracy : float
        For classification, fraction of the test samples that are classified correctly after the epoch; with several
        labels per sample, all of them must be correct.
    test_r2 : float
        For regression, R2 on the test set after the epoch, the mean over the outputs.
    val_loss, val_accuracy, val_r2 : float
        The same on the validation set, if there is one.
    train_s : float
        Seconds spent on training.
    eval_s : float
        Seconds spent on evaluation on the test set and the validation set.
    """

    epoch: int
    learning_rate: float
    train_loss: float
    test_loss: float
    train_s: float
    eval_s: float


#: All possible columns, in the order of a table.
ALL_COLUMNS = (
    "epoch", "learning_rate", "train_loss", "val_loss", "val_accuracy", "val_r2", "test_loss", "test_accuracy",
    "test_r2", "train_s", "eval_s",
)  # fmt: skip
#: The columns for classification without a validation set.
COLUMNS = ("epoch", "learning_rate", "train_loss", "test_loss", "test_accuracy", "train_s", "eval_s")
_KINDS = {name: int if name == "epoch" else float for name in ALL_COLUMNS}


class Progress(NamedTuple):
    """Progress of training, reported after every chunk of an epoch and at the end of each epoch.

    Attributes
    ----------
    epoch : int
        Current epoch, counted from 1.
    n_epochs : int
        Maximum number of epochs.
    n_seen : int
        Number of samples trained on in the current epoch so far.
    n_samples : int
        Number of samples per epoch.
    train_loss : float
        Mean loss over these `n_seen` samples.
    row : Row or None
        Metrics of the epoch at its end, otherwise None.
    """

    epoch: int
    n_epochs: int
    n_seen: int
    n_samples: int
    train_loss: float
    row: Row | None


class History:
    """The metrics of a training run, one row per epoch.

    ``history[i]`` is a row, ``history["test_loss"]`` the list of all values of a column.

    Parameters
    ----------
    rows : iterable of Row
        Initial rows. The first row determines the columns, out of ``fastmlp.training.history.ALL_COLUMNS``.
    columns : iterable of str
        Names of the columns while there is no row; by default those for classification without a validation set.

    Examples
    --------
    >>> history = History([dict.fromkeys(COLUMNS, 1), dict.fromkeys(COLUMNS, 2)])
    >>> len(history), history[-1]["test_loss"], history["test_loss"]
    (2, 2.0, [1.0, 2.0])
    >>> history.score, history.columns[:3]
    ('test_accuracy', ('epoch', 'learning_rate', 'train_loss'))
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]] = (), columns: Iterable[str] = COLUMNS) -> None:
        self._rows: list[Row] = []
        self._initial_columns = set(columns)
        check_columns(self._initial_columns)
        for row in rows:
            self.append(row)

    def append(self, row: Mapping[str, Any]) -> None:
        """Append the row of an epoch.

        Parameters
        ----------
        row : Row
            A number for each column and nothing else. NumPy scalars are stored as Python numbers.

        Raises
        ------
        ValueError
            If the names are not those of the columns.

        Examples
        --------
        >>> history = History()
        >>> history.append(dict.fromkeys(COLUMNS, 1))
        >>> len(history)
        1
        """
        if self._rows and set(row) != set(self.columns):
            raise ValueError(f"row: expected the columns {', '.join(self.columns)}, got {', '.join(map(str, row))}")
        check_columns(row)
        self._rows.append(_read_row(row))

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in the order of a table."""
        names = self._rows[0] if self._rows else self._initial_columns
        return tuple(name for name in ALL_COLUMNS if name in names)

    @property
    def score(self) -> str:
        """Name of the column of the test score: ``"test_accuracy"``, or ``"test_r2"`` for regression."""
        return "test_r2" if "test_r2" in self.columns else "test_accuracy"

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    @overload
    def __getitem__(self, key: int) -> Row: ...
    @overload
    def __getitem__(self, key: str) -> list[float]: ...
    def __getitem__(self, key: int | str) -> Row | list[float]:
        if not isinstance(key, str):
            return self._rows[key]
        if key not in self.columns:
            raise KeyError(f"column: expected one of {', '.join(self.columns)}, got {key!r}")
        return [cast(dict[str, float], row)[key] for row in self._rows]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, History) and self._rows == other._rows

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        last = f", {display_name(self.score)} {format_metric(self[self.score][-1])}" if self._rows else ""
        return f"<History: {len(self)} epochs{last}>"

    def to_dict(self) -> dict[str, list[float]]:
        """The columns by name, as an argument for ``pandas.DataFrame``.

        Returns
        -------
        dict
            Column name to list of one value per epoch.

        Examples
        --------
        >>> History().to_dict()["epoch"]
        []
        """
        return {name: self[name] for name in self.columns}

    @classmethod
    def from_dict(cls, columns: Mapping[str, Sequence[float]]) -> "History":
        """The history of which `to_dict` returns the columns.

        Parameters
        ----------
        columns : mapping of str to sequence of float
            Column name to list of one value per epoch.

        Returns
        -------
        History
            Without epochs, it has these columns too.

        Raises
        ------
        ValueError
            If the names are not those of the columns, or the lists differ in length.

        Examples
        --------
        >>> len(History.from_dict(dict.fromkeys(COLUMNS, [1, 2])))
        2
        """
        rows = zip(*columns.values(), strict=True)
        return cls((dict(zip(columns, row, strict=True)) for row in rows), columns)

    def to_csv(self, path: str | os.PathLike[str] | None = None) -> str:
        r"""Convert to CSV: a header and one line per epoch, with enough digits for `from_csv` to restore every bit.

        Parameters
        ----------
        path : path-like, optional
            File to write to. An existing file is replaced.

        Returns
        -------
        str
            The CSV text.

        Raises
        ------
        OutputError
            If the file cannot be written.

        Examples
        --------
        >>> History().to_csv()
        'epoch,learning_rate,train_loss,test_loss,test_accuracy,train_s,eval_s\n'
        """
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        return _write(text.getvalue(), path)

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """Convert the dict of `to_dict` to JSON, with enough digits for `from_json` to restore every bit.

        Parameters
        ----------
        path : path-like, optional
            File to write to. An existing file is replaced.

        Returns
        -------
        str
            The JSON text.

        Raises
        ------
        OutputError
            If the file cannot be written.

        Examples
        --------
        >>> History().to_json()[:31]
        '{"epoch": [], "learning_rate": '
        """
        return _write(json.dumps(self.to_dict()) + "\n", path)

    @classmethod
    def from_csv(cls, path: str | os.PathLike[str]) -> "History":
        """Read a file that `to_csv` wrote.

        Parameters
        ----------
        path : path-like
            The file.

        Returns
        -------
        History
            Equal to the one that was written.

        Raises
        ------
        DataNotFoundError
            If the file does not exist or cannot be read.
        FileFormatError
            If the file is not a history.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> history = History([dict.fromkeys(COLUMNS, 1)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "history.csv")
        ...     _ = history.to_csv(path)
        ...     History.from_csv(path) == history
        True
        """
        return _parse(path, _of_csv)

    @classmethod
    def from_json(cls, path: str | os.PathLike[str]) -> "History":
        """Read a file that `to_json` wrote.

        Parameters
        ----------
        path : path-like
            The file.

        Returns
        -------
        History
            Equal to the one that was written.

        Raises
        ------
        DataNotFoundError
            If the file does not exist or cannot be read.
        FileFormatError
            If the file is not a history.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> history = History([dict.fromkeys(COLUMNS, 1)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "history.json")
        ...     _ = history.to_json(path)
        ...     History.from_json(path) == history
        True
        """
        return _parse(path, lambda text: cls.from_dict(json.loads(text)))


def columns_of(score: str, is_validated: bool) -> tuple[str, ...]:
    """Names of the columns for a score, accuracy or r2, with or without a validation set.

    Examples
    --------
    >>> columns_of("r2", is_validated=True)[2:7]
    ('train_loss', 'val_loss', 'val_r2', 'test_loss', 'test_r2')
    """
    validated = {"val_loss", f"val_{score}"} if is_validated else set()
    names = {*COLUMNS} - {"test_accuracy"} | {f"test_{score}"} | validated
    return tuple(name for name in ALL_COLUMNS if name in names)


def check_columns(names: Iterable[str]) -> None:
    """Check that names are those of the columns of a history, in any order.

    Raises
    ------
    ValueError
        If a column is missing, unknown or incompatible with another one.
    """
    given = set(names)
    accepted = [set(columns_of(score, is_validated)) for score in ("accuracy", "r2") for is_validated in (False, True)]
    if given not in accepted:
        columns = ", ".join(COLUMNS)
        raise ValueError(
            f"row: expected the columns {columns}, for regression test_r2 in place of test_accuracy, and with a "
            f"validation set also val_loss and val_accuracy or val_r2, got {', '.join(sorted(map(str, given)))}"
        )


def _read_row(row: Mapping[str, Any]) -> Row:
    return cast(Row, {name: kind(row[name]) for name, kind in _KINDS.items() if name in row})


def _write(text: str, path: str | os.PathLike[str] | None) -> str:
    if path is not None:
        write_atomic(path, "history", lambda file: file.write(text.encode()))
    return text


def _of_csv(text: str) -> History:
    names, *rows = csv.reader(io.StringIO(text))
    return History((dict(zip(names, row, strict=True)) for row in rows), names)


def _parse(path: str | os.PathLike[str], history_of: Callable[[str], History]) -> History:
    """Parse a file; any error in its content becomes a `FileFormatError`."""
    try:
        return history_of(read_text(path))
    except OSError as error:
        raise DataNotFoundError(f"no history can be read from {os.fspath(path)}: {error.strerror}") from error
    except (AttributeError, csv.Error, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise FileFormatError(f"{os.fspath(path)} is not a history: {error}") from error
