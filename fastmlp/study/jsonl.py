"""JSON Lines files of a study: appending and reading the records of finished runs.

Each line is the record of one run. A process that is killed while it writes leaves an incomplete last line.
"""

import json
import os
import warnings
from pathlib import Path
from typing import Any, BinaryIO

from fastmlp.config import Config
from fastmlp.errors import DataNotFoundError, FileFormatError
from fastmlp.io.manifest import NO_CHECKSUM, add_checksum, remove_checksum
from fastmlp.io.regular_file import open_regular, regular_opener
from fastmlp.settings import LOSSES
from fastmlp.study.plan import Key, Plan, key_of
from fastmlp.study.run import Record
from fastmlp.training.early_stopping import monitored_column
from fastmlp.training.history import check_columns

#: Name of the file of all runs, and pattern of the files of shards.
RUNS = "runs.jsonl"
SHARDS = "runs-*-of-*.jsonl"
#: Types of the fields of a record, except for status.
FIELD_TYPES = {"setting": dict, "repeat": int, "seed": int, "seconds": float, "weights_sha256": str, "history": dict}


def append_record(path: Path, record: Record) -> None:
    """Append a record, and return once it is on the disk.

    Parameters
    ----------
    path : pathlib.Path
        The file; only one process may write to it at a time.
    record : Record
        Written as one line.
    """
    with open(path, "ab+", opener=regular_opener) as file:
        _repair_last_line(file)
        file.write(json.dumps(add_checksum(record)).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


class RecordReader:
    """Incremental reader of the records in a study's folder.

    Parameters
    ----------
    folder : pathlib.Path
        The folder of the study.
    plan : Plan
        The plan of the study; a record of any other run is refused.
    """

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder, self.plan = folder, plan
        self._positions: dict[Path, tuple[int, int]] = {}  # bytes and lines that have been read of each file
        self._settings = {key_of(setting, 0)[0]: setting for setting in plan.settings}

    def read(self) -> list[tuple[Key, Record]]:
        """Read the records that were added since the last call.

        Returns
        -------
        list of (key, Record)
            In the order of the lines. A run that is in two files is returned twice.

        Raises
        ------
        FileFormatError
            If a line is damaged; the message gives its number. An incomplete last line is skipped with a warning.
        DataNotFoundError
            If the operating system does not allow a file to be read.
        """
        paths = [self.folder / RUNS, *sorted(self.folder.glob(SHARDS))]
        return [found for path in paths if path.exists() for found in self._read_file(path)]

    def _read_file(self, path: Path) -> list[tuple[Key, Record]]:
        start, n_before = self._positions.get(path, (0, 0))
        try:
            with open_regular(path) as file:
                file.seek(start)
                text = file.read()
        except OSError as error:
            raise DataNotFoundError(f"{path} cannot be read: {error.strerror}") from error
        *lines, last = text.split(b"\n")
        if _is_complete(last):
            lines, last = [*lines, last], b""
        elif last and path not in self._positions:
            message = f"{path}: the last line is incomplete, as after a killed process; its run counts as missing"
            warnings.warn(message, stacklevel=2)
        self._positions[path] = start + len(text) - len(last), n_before + len(lines)
        records = [self._parse(path, n_before + n, line) for n, line in enumerate(lines, 1) if line]
        if not all(has_checksum for _, _, has_checksum in records):
            warnings.warn(f"{path}: {NO_CHECKSUM}", stacklevel=2)
        return [(key, record) for key, record, _ in records]

    def _parse(self, path: Path, number: int, line: bytes) -> tuple[Key, Record, bool]:
        """Key and record of a line, and whether it has a checksum."""
        try:
            record = json.loads(line)
            has_checksum = "checksum" in record
            if has_checksum:
                record = remove_checksum(record)
            _check_record(record)
            setting = self._settings.get(key_of(record["setting"], 0)[0])
            if setting is None or record["repeat"] not in range(self.plan.n_repeats):
                raise ValueError("the study has no such setting or repeat")
            _check_history(record, self.plan.config.replace(**setting))
        except (AttributeError, RecursionError, TypeError, ValueError) as error:
            remedy = "remove the line and start the study again to repeat its run"
            raise FileFormatError(f"{path}, line {number} is damaged: {error}; {remedy}") from error
        record["setting"] = setting  # as in the plan: with tuples where JSON has lists
        return key_of(setting, record["repeat"]), record, has_checksum


def _check_record(record: Any) -> None:
    """Check the type of everything in a record that is used later."""
    if set(record) != set(Record.__annotations__) or record["status"] not in ("finished", "diverged"):
        raise ValueError("not the record of a run")
    for name, kind in FIELD_TYPES.items():
        if type(record[name]) is not kind:
            raise ValueError(f"{name}: expected a value of type {kind.__name__}, got {type(record[name]).__name__}")
    columns = list(record["history"].values())
    check_columns(record["history"])
    if len(set(map(len, columns))) != 1:
        raise ValueError("history: expected columns of equal length")
    if not all(_is_number(value) for column in columns for value in column):
        raise ValueError("history: expected numbers only")


def _is_number(value: Any) -> bool:
    """Whether a value is a number that float64 represents: JSON has integers of any length."""
    return type(value) is float or (type(value) is int and abs(value) < 2**53)


def _check_history(record: Record, config: Config) -> None:
    """Check that a history has the columns of its config; after divergence in the first epoch it has no rows."""
    history = record["history"]
    if not history["epoch"]:
        if record["status"] == "finished":
            raise ValueError("history: expected at least one epoch of a finished run, got none")
        return
    score = f"test_{LOSSES[config.loss].metric}"
    required = {score} if config.early_stopping == "none" else {score, monitored_column(config)}
    if not required <= history.keys():
        raise ValueError(f"history: expected the columns {', '.join(sorted(required))}, got {', '.join(history)}")


def _repair_last_line(file: BinaryIO) -> None:
    """Make the file end with a line break: add it to a complete last line, and remove an incomplete one."""
    size = file.seek(0, os.SEEK_END)
    if size == 0:
        return
    file.seek(-1, os.SEEK_END)
    if file.read(1) == b"\n":
        return
    file.seek(0)
    last = file.read().rpartition(b"\n")[2]
    if _is_complete(last):
        file.write(b"\n")
    else:
        file.truncate(size - len(last))


def _is_complete(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (RecursionError, ValueError):
        return False
