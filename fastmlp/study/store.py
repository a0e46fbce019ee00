"""Store: a study's folder. Nothing that was finished is lost, whenever a process is killed, and nothing is done twice.

Processes on one folder share its runs by locks that the system lets go of when a process dies. Knows nothing of how
runs are run.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastmlp.errors import OutputError, StudyError
from fastmlp.io.lock import locked, try_lock, unlock
from fastmlp.study.jsonl import RUNS, SHARDS, RecordReader, append_record
from fastmlp.study.metadata import HEADER, check_same_study, read_header, write_header
from fastmlp.study.plan import Key, Plan, RunSpec, label_of
from fastmlp.study.registry import Registry
from fastmlp.study.run import Record

LOCK, CLAIMS = "study.lock", "claims"
Shard = tuple[int, int]


class Store(Registry):
    """A study's folder, opened to go on with it.

    Parameters
    ----------
    folder : pathlib.Path
        Made if need be.
    plan : Plan
        The study; that of the folder must be the same.
    about : mapping
        Versions, machine and data, as `fastmlp.study.provenance.describe_study` gives them.
    shard : tuple of int, optional
        (i, n): records go to a file of this part's own.

    Raises
    ------
    StudyError
        If the folder holds another study; the message says in what they differ.
    FileFormatError
        If one of its files is damaged; of a line, the number is named.
    OutputError
        If it cannot be written to.
    """

    def __init__(self, folder: Path, plan: Plan, about: Mapping[str, Any], shard: Shard | None = None) -> None:
        super().__init__()
        self.folder = folder
        self.path = folder / (RUNS if shard is None else SHARDS.replace("*", "{}").format(*shard))
        self._locks: dict[Key, int] = {}
        self._reader = RecordReader(folder, plan)
        try:
            (folder / CLAIMS).mkdir(parents=True, exist_ok=True)
            with locked(folder / LOCK):
                if not (folder / HEADER).exists():
                    write_header(folder, plan, about)
        except OSError as error:
            raise _unwritable(folder, error) from error
        check_same_study(folder, plan, about)
        self.refresh()

    def claim(self, task: RunSpec) -> bool:
        """Whether the run is to be done, and no other process does it: then none will while this one lives."""
        with self.lock:
            if task.key in self.records or task.key in self._locks:
                return False
            lock = try_lock(self._claim_path(task))
            if lock is None:
                return False
            self._locks[task.key] = lock
            self.refresh()  # it may have been finished between the last look and the lock
            if task.key in self.records:
                self._let_go(task)
            return task.key not in self.records

    def finish(self, task: RunSpec, record: Record) -> None:
        """Append the record, and return when it is on the disk."""
        with self.lock:
            try:
                with locked(self.folder / LOCK):
                    append_record(self.path, record)
            except OSError as error:
                raise _unwritable(self.path, error) from error
            self.records[task.key] = record
            self._let_go(task)

    def refresh(self) -> None:
        """Read what this process and others have added."""
        with self.lock:
            for key, record in self._reader.read():
                self.records.setdefault(key, record)

    def close(self) -> None:
        """Leave the runs that were claimed and are not finished to others."""
        with self.lock:
            while self._locks:
                unlock(self._locks.popitem()[1])

    def _claim_path(self, task: RunSpec) -> Path:
        return self.folder / CLAIMS / f"{task.place}-{task.repeat}.lock"

    def _let_go(self, task: RunSpec) -> None:
        """Of a finished run only: whoever waits for this file, or makes it anew, then finds the record and goes on."""
        self._claim_path(task).unlink(missing_ok=True)
        unlock(self._locks.pop(task.key))


def read_store(folder: Path) -> tuple[Plan, dict[str, Any], dict[Key, Record]]:
    """Read a folder, and leave it as it is.

    Parameters
    ----------
    folder : pathlib.Path
        The study's.

    Returns
    -------
    plan : Plan
        Its settings.
    about : dict
        Versions, machine and data.
    records : dict of Record
        By key; of a run that stands in two shards, the first.

    Raises
    ------
    DataNotFoundError, FileFormatError
        If it holds no study, or a damaged one.
    """
    plan, about = read_header(folder)
    return plan, about, dict(reversed(RecordReader(folder, plan).read()))


def merge_stores(folder: Path, others: list[Path]) -> int:
    """Gather the runs of shards, and of other folders of the same study, in one file.

    Parameters
    ----------
    folder : pathlib.Path
        Gets all; the files of its shards go.
    others : list of pathlib.Path
        Folders that stay as they are.

    Returns
    -------
    int
        Runs that the file holds.

    Raises
    ------
    StudyError
        If a folder holds another study, if a process is at work on one, or if two results of one run differ.
    DataNotFoundError, FileFormatError, OutputError
        If a folder holds no study, is damaged, or cannot be written to.
    """
    plan, about = read_header(folder)
    for other in others:
        check_same_study(other, plan, about)
    for place in (folder, *others):
        _refuse_at_work(place)
    shards = list(folder.glob(SHARDS))
    merged: dict[Key, Record] = {}
    for source in (folder, *others):
        for key, record in RecordReader(source, plan).read():
            twin = merged.setdefault(key, record)
            if twin["weights_sha256"] != record["weights_sha256"]:
                run = f"{label_of(record['setting'])}, repeat {record['repeat']}"
                raise StudyError(f"{source} and another have weights for {run} that differ; nothing was merged")
    try:
        _replace_runs(folder, list(merged.values()), shards)
    except OSError as error:
        raise _unwritable(folder, error) from error
    return len(merged)


def _refuse_at_work(folder: Path) -> None:
    """What a process appends while files are gathered would be lost."""
    for path in (folder / CLAIMS).glob("*.lock"):
        lock = try_lock(path)
        if lock is None:
            raise StudyError(f"a process is at work on {folder}; merge when it has ended")
        unlock(lock)


def _replace_runs(folder: Path, records: list[Record], shards: list[Path]) -> None:
    with locked(folder / LOCK):
        unfinished = folder / f".{RUNS}"
        unfinished.unlink(missing_ok=True)
        for record in records:
            append_record(unfinished, record)
        unfinished.replace(folder / RUNS)
        for path in shards:
            path.unlink()


def _unwritable(path: Path, error: OSError) -> OutputError:
    if isinstance(error, OutputError):  # which says so already
        return error
    return OutputError(f"{path} cannot be written: {error.strerror or error}")
