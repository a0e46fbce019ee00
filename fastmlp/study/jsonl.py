"""Lines: the files of finished runs, a line of JSON each. A line is whole or, as the last one, torn.

Knows nothing of who writes when.
"""

import json
import os
import warnings
from pathlib import Path
from typing import Any, BinaryIO

from fastmlp.errors import DataNotFoundError, FileFormatError
from fastmlp.study.plan import Key, Plan, key_of
from fastmlp.study.run import Record
from fastmlp.training.history import check_columns

RUNS = "runs.jsonl"
SHARDS = "runs-*-of-*.jsonl"
KINDS = {"setting": dict, "repeat": int, "seed": int, "seconds": float, "weights_sha256": str, "history": dict}


def append_record(path: Path, record: Record) -> None:
    """Add a line, and return when it is on the disk.

    Parameters
    ----------
    path : pathlib.Path
        The file; one writer at a time.
    record : Record
        What the line says.
    """
    with path.open("ab+") as file:
        _mend(file)
        file.write(json.dumps(record).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


class RecordReader:
    """Reads the files of a folder, and later only what was added.

    Parameters
    ----------
    folder : pathlib.Path
        The study's.
    plan : Plan
        Its settings.
    """

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder, self.plan = folder, plan
        self._places: dict[Path, tuple[int, int]] = {}
        self._settings = {key_of(setting, 0)[0]: setting for setting in plan.settings}

    def read(self) -> list[tuple[Key, Record]]:
        """Give the records that were added since the last call.

        Returns
        -------
        list of (key, Record)
            In the order of the lines; of a run that stands in two files, both.

        Raises
        ------
        FileFormatError
            If a line is damaged; its number is named. The last line, torn, is passed over with a warning.
        DataNotFoundError
            If the system does not let a file be read.
        """
        paths = [self.folder / RUNS, *sorted(self.folder.glob(SHARDS))]
        return [found for path in paths if path.exists() for found in self._read_file(path)]

    def _read_file(self, path: Path) -> list[tuple[Key, Record]]:
        start, n_before = self._places.get(path, (0, 0))
        try:
            with path.open("rb") as file:
                file.seek(start)
                text = file.read()
        except OSError as error:
            raise DataNotFoundError(f"{path} cannot be read: {error.strerror}") from error
        *lines, last = text.split(b"\n")
        if _is_whole(last):
            lines, last = [*lines, last], b""
        elif last and path not in self._places:
            said = f"{path}: the last line is torn, as a killed process leaves it; its run is done again"
            warnings.warn(said, stacklevel=2)
        self._places[path] = start + len(text) - len(last), n_before + len(lines)
        return [self._parse(path, n_before + n, line) for n, line in enumerate(lines, 1) if line]

    def _parse(self, path: Path, number: int, line: bytes) -> tuple[Key, Record]:
        try:
            got = json.loads(line)
            _refuse_foreign(got)
            setting = self._settings.get(key_of(got["setting"], 0)[0])
            if setting is None or got["repeat"] not in range(self.plan.n_repeats):
                raise ValueError("its run is none of this study")
        except (AttributeError, RecursionError, TypeError, ValueError) as error:
            remedy = "remove the line, and the study does its run again"
            raise FileFormatError(f"{path}, line {number} is damaged: {error}; {remedy}") from error
        got["setting"] = setting  # as the plan has it: tuples, where JSON has lists
        return key_of(setting, got["repeat"]), got


def _refuse_foreign(got: Any) -> None:
    """All that is used of a record is of the type that a run gives it."""
    if set(got) != set(Record.__annotations__) or got["status"] not in ("finished", "diverged"):
        raise ValueError("it is not the record of a run")
    if any(type(got[name]) is not kind for name, kind in KINDS.items()):
        raise ValueError(f"of {', '.join(KINDS)} one is of another type")
    columns = list(got["history"].values())
    check_columns(got["history"])
    if len(set(map(len, columns))) != 1:
        raise ValueError("its history is not complete")
    if not all(type(number) in (int, float) for column in columns for number in column):
        raise ValueError("its history holds something else than numbers")


def _mend(file: BinaryIO) -> None:
    """See to it that a new line begins where the file ends: a whole last line gets its end, a torn one goes."""
    size = file.seek(0, os.SEEK_END)
    if size == 0:
        return
    file.seek(-1, os.SEEK_END)
    if file.read(1) == b"\n":
        return
    file.seek(0)
    last = file.read().rpartition(b"\n")[2]
    if _is_whole(last):
        file.write(b"\n")
    else:
        file.truncate(size - len(last))


def _is_whole(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (RecursionError, ValueError):
        return False
