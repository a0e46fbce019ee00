"""History: what training measured, a row an epoch; and Progress, what it says on the way. Knows not who measures."""

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypedDict, cast, overload

from fastmlp.errors import DataNotFoundError, FileFormatError, OutputError
from fastmlp.metrics import words_of


class _Scores(TypedDict, total=False):
    test_accuracy: float
    test_r2: float
    val_loss: float
    val_accuracy: float
    val_r2: float


class Row(_Scores):
    """The numbers of one epoch; the loss is the one that the config names.

    Attributes
    ----------
    epoch : int
        Counted from 1.
    learning_rate : float
        The rate of this epoch's steps.
    train_loss : float
        Mean loss over the samples as they were trained on, that is while the weights were moving.
    test_loss : float
        Mean loss over the test set after the epoch.
    test_accuracy : float
        Share of the test set that is classified rightly after the epoch; of a sample with several labels, all of them.
    test_r2 : float
        In its place where numbers are predicted: 1 less the share of the test set's variance that is left, the mean
        over the outputs.
    val_loss, val_accuracy, val_r2 : float
        The same of the validation set, where there is one.
    train_s : float
        Seconds spent in training.
    eval_s : float
        Seconds spent in evaluation on the test set and the validation set.
    """

    epoch: int
    learning_rate: float
    train_loss: float
    test_loss: float
    train_s: float
    eval_s: float


#: What a row may hold, in the order of a table.
ALL_COLUMNS = (
    "epoch", "learning_rate", "train_loss", "val_loss", "val_accuracy", "val_r2", "test_loss", "test_accuracy",
    "test_r2", "train_s", "eval_s",
)  # fmt: skip
#: What it holds where classes are told apart, without a validation set.
COLUMNS = ("epoch", "learning_rate", "train_loss", "test_loss", "test_accuracy", "train_s", "eval_s")
_KINDS = {name: int if name == "epoch" else float for name in ALL_COLUMNS}


class Progress(NamedTuple):
    """How far training has come, as it is told after every stretch and at the end of each epoch.

    Attributes
    ----------
    epoch : int
        The epoch under way, from 1.
    n_epochs : int
        How many there will be.
    n_seen : int
        Samples trained on in this epoch.
    n_samples : int
        Samples of a whole epoch.
    train_loss : float
        Mean loss over the `n_seen` samples.
    row : Row or None
        The finished epoch's row, at its end only.
    """

    epoch: int
    n_epochs: int
    n_seen: int
    n_samples: int
    train_loss: float
    row: Row | None


class History:
    """The rows of a training run, oldest first.

    A number indexes a row, a column's name all its values.

    Parameters
    ----------
    rows : iterable of Row
        Rows to begin with; the first one's columns, of ``fastmlp.training.history.ALL_COLUMNS``, are those of all.

    Examples
    --------
    >>> history = History([dict.fromkeys(COLUMNS, 1), dict.fromkeys(COLUMNS, 2)])
    >>> len(history), history[-1]["test_loss"], history["test_loss"]
    (2, 2.0, [1.0, 2.0])
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]] = ()) -> None:
        self._rows: list[Row] = []
        for row in rows:
            self.append(row)

    def append(self, row: Mapping[str, Any]) -> None:
        """Add an epoch's row at the end.

        Parameters
        ----------
        row : Row
            A number for every column and nothing else; NumPy's are stored as Python's own.

        Raises
        ------
        ValueError
            The names are not those of the columns.
        """
        if self._rows and set(row) != set(self.columns):
            raise ValueError(f"the columns are {', '.join(self.columns)}; given {', '.join(map(str, row))}")
        check_columns(row)
        self._rows.append(_read_row(row))

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of what every row holds, in the order of a table."""
        return tuple(name for name in ALL_COLUMNS if name in self._rows[0]) if self._rows else COLUMNS

    @property
    def score(self) -> str:
        """Name of the test set's score: ``"test_accuracy"``, or ``"test_r2"`` where numbers are predicted."""
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
            raise KeyError(f"{key!r} is not a column; the columns are {', '.join(self.columns)}")
        return [cast(dict[str, float], row)[key] for row in self._rows]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, History) and self._rows == other._rows

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        last = f", {words_of(self.score)} {self[self.score][-1]:.4f}" if self._rows else ""
        return f"<History: {len(self)} epochs{last}>"

    def to_dict(self) -> dict[str, list[float]]:
        """The columns by name, as ``pandas.DataFrame`` takes them.

        Returns
        -------
        dict
            Name to list of one value an epoch.

        Examples
        --------
        >>> History().to_dict()["epoch"]
        []
        """
        return {name: self[name] for name in self.columns}

    def to_csv(self, path: str | os.PathLike[str] | None = None) -> str:
        r"""CSV with a header and a line an epoch, in digits that `from_csv` reads back to the same bits.

        Parameters
        ----------
        path : path-like, optional
            File to write to, replaced where it exists.

        Returns
        -------
        str
            The text.

        Raises
        ------
        OutputError
            The file cannot be written.

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
        """JSON of `to_dict`, in digits that `from_json` reads back to the same bits.

        Parameters
        ----------
        path : path-like, optional
            File to write to, replaced where it exists.

        Returns
        -------
        str
            The text.

        Raises
        ------
        OutputError
            The file cannot be written.

        Examples
        --------
        >>> History().to_json()[:31]
        '{"epoch": [], "learning_rate": '
        """
        return _write(json.dumps(self.to_dict()) + "\n", path)

    @classmethod
    def from_csv(cls, path: str | os.PathLike[str]) -> "History":
        """Read what `to_csv` wrote.

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
            There is no such file.
        FileFormatError
            The file is not a history.
        """
        return cls(_parse(path, _rows_of_csv))

    @classmethod
    def from_json(cls, path: str | os.PathLike[str]) -> "History":
        """Read what `to_json` wrote.

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
            There is no such file.
        FileFormatError
            The file is not a history.
        """
        return cls(_parse(path, _rows_of_json))


def check_columns(names: Iterable[str]) -> None:
    """Refuse names that are not those of a history's columns, whatever their order."""
    given = set(names)
    scores = [name for name in ("test_accuracy", "test_r2") if name in given]
    validated = {"val_loss", scores[0].replace("test", "val")} if scores else set()
    if (
        len(scores) != 1
        or given - validated != {*COLUMNS} - {"test_accuracy"} | {*scores}
        or len(given & validated) == 1
    ):
        columns = ", ".join(COLUMNS)
        raise ValueError(
            f"a row's columns are {columns}, or test_r2 for test_accuracy, and with a validation set val_loss and "
            f"val_accuracy or val_r2; given {', '.join(sorted(map(str, given)))}"
        )


def _read_row(row: Mapping[str, Any]) -> Row:
    return cast(Row, {name: kind(row[name]) for name, kind in _KINDS.items() if name in row})


def _write(text: str, path: str | os.PathLike[str] | None) -> str:
    if path is not None:
        try:
            Path(path).write_text(text, encoding="utf-8", newline="\n")
        except OSError as error:
            raise OutputError(f"the history could not be written to {os.fspath(path)}: {error.strerror}") from error
    return text


def _rows_of_csv(text: str) -> list[dict[str, Any]]:
    names, *rows = csv.reader(io.StringIO(text))
    check_columns(names)
    return [dict(zip(names, row, strict=True)) for row in rows]


def _rows_of_json(text: str) -> list[dict[str, Any]]:
    columns = json.loads(text)
    check_columns(columns)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _parse(path: str | os.PathLike[str], rows_of: Callable[[str], list[dict[str, Any]]]) -> list[Row]:
    """The rows of a file; whatever is wrong with it, it is not a history."""
    try:
        return [_read_row(row) for row in rows_of(Path(path).read_text(encoding="utf-8"))]
    except OSError as error:
        raise DataNotFoundError(f"no history can be read from {os.fspath(path)}: {error.strerror}") from error
    except (AttributeError, csv.Error, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise FileFormatError(f"{os.fspath(path)} is not a history: {error}") from error
