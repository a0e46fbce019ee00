"""The folder of a study: reading, writing and merging its runs.

A finished run is on the disk before the next one starts, so that a killed process loses no finished run. Processes that
share a folder divide its runs by file locks, which the operating system releases when a process dies, so that no run is
executed twice.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastmlp.errors import OutputError, StudyError
from fastmlp.io.lock import locked, try_lock, unlock
from fastmlp.study.jsonl import RUNS, SHARDS, RecordReader, append_record
from fastmlp.study.metadata import METADATA, check_same_study, read_metadata, write_metadata
from fastmlp.study.plan import Key, Plan, RunSpec, label_of
from fastmlp.study.registry import Registry
from fastmlp.study.run import Record

#: Name of the lock file of the folder, and of the directory with one lock file per claimed run.
LOCK, CLAIMS = "study.lock", "claims"
#: (i, n): the i-th of n parts of a study, counted from 1.
Shard = tuple[int, int]


class Store(Registry):
    """Registry of a study that saves each finished run in a folder.

    Parameters
    ----------
    folder : pathlib.Path
        Created if it does not exist.
    plan : Plan
        The plan of the study; a study that is already in the folder must have the same.
    about : mapping
        Versions, machine and data, see `fastmlp.study.provenance.describe_study`.
    shard : tuple of int, optional
        (i, n): records are appended to a separate file for this shard.

    Raises
    ------
    StudyError
        If the folder contains a different study; the message lists the differences.
    FileFormatError
        If a file in the folder is damaged; for a damaged line the message gives its number.
    OutputError
        If the folder cannot be written to.
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
                if not (folder / METADATA).exists():
                    write_metadata(folder, plan, about)
        except OSError as error:
            raise _output_error(folder, error) from error
        check_same_study(folder, plan, about)
        self.refresh()

    def claim(self, spec: RunSpec) -> bool:
        """Reserve a run for this process; False if it is finished or another process has reserved it."""
        with self.lock:
            if spec.key in self.records or spec.key in self._locks:
                return False
            lock = try_lock(self._claim_path(spec))
            if lock is None:
                return False
            self._locks[spec.key] = lock
            self.refresh()  # another process may have finished it before the lock was taken
            if spec.key in self.records:
                self._release(spec)
            return spec.key not in self.records

    def finish(self, spec: RunSpec, record: Record) -> None:
        """Append the record, and return once it is on the disk."""
        with self.lock:
            try:
                with locked(self.folder / LOCK):
                    append_record(self.path, record)
            except OSError as error:
                self.records[spec.key] = record  # it is still in the study that the exception carries
                raise _output_error(self.path, error) from error
            self.records[spec.key] = record
            self._release(spec)

    def refresh(self) -> None:
        """Read the records that this process and others have added."""
        with self.lock:
            for key, record in self._reader.read():
                self.records.setdefault(key, record)

    def close(self) -> None:
        """Release the runs that were claimed but not finished."""
        with self.lock:
            while self._locks:
                unlock(self._locks.popitem()[1])

    def _claim_path(self, spec: RunSpec) -> Path:
        return self.folder / CLAIMS / f"{spec.setting_index}-{spec.repeat}.lock"

    def _release(self, spec: RunSpec) -> None:
        """Release the lock of a finished run.

        Only a finished run's lock file may be deleted: a process that waits for it, or creates it again, then finds the
        record.
        """
        self._claim_path(spec).unlink(missing_ok=True)
        unlock(self._locks.pop(spec.key))


def read_store(folder: Path) -> tuple[Plan, dict[str, Any], dict[Key, Record]]:
    """Read the study in a folder without changing it.

    Parameters
    ----------
    folder : pathlib.Path
        The folder of the study.

    Returns
    -------
    plan : Plan
        The plan of the study.
    about : dict
        Versions, machine and data.
    records : dict of Record
        By key; of a run that is in two shards, the first record.

    Raises
    ------
    DataNotFoundError, FileFormatError
        If the folder contains no study, or one of its files is damaged.
    """
    plan, about = read_metadata(folder)
    return plan, about, dict(reversed(RecordReader(folder, plan).read()))


def merge_stores(folder: Path, others: list[Path]) -> int:
    """Merge the runs of shards, and of other folders of the same study, into one file.

    Parameters
    ----------
    folder : pathlib.Path
        Receives all runs; the files of its shards are deleted.
    others : list of pathlib.Path
        Other folders, which are not changed.

    Returns
    -------
    int
        Number of runs in the merged file.

    Raises
    ------
    StudyError
        If a folder contains a different study, a process is running a study in one of them, or two results of one run
        differ.
    DataNotFoundError, FileFormatError, OutputError
        If a folder contains no study, is damaged, or cannot be written to.
    """
    plan, about = read_metadata(folder)
    for other in others:
        check_same_study(other, plan, about)
    for source in (folder, *others):
        _check_not_running(source)
    shards = list(folder.glob(SHARDS))
    merged: dict[Key, Record] = {}
    for source in (folder, *others):
        for key, record in RecordReader(source, plan).read():
            first = merged.setdefault(key, record)
            if first["weights_sha256"] != record["weights_sha256"]:
                run = f"{label_of(record['setting'])}, repeat {record['repeat']}"
                raise StudyError(f"{source}: two records of one run have different weights: {run}; nothing was merged")
    try:
        _replace_runs(folder, list(merged.values()), shards)
    except OSError as error:
        raise _output_error(folder, error) from error
    return len(merged)


def _check_not_running(folder: Path) -> None:
    """Refuse a folder that another process may append to: records added during the merge would be lost."""
    for path in (folder / CLAIMS).glob("*.lock"):
        lock = try_lock(path)
        if lock is None:
            raise StudyError(f"{folder}: a process is still running this study; merge after it has ended")
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


def _output_error(path: Path, error: OSError) -> OutputError:
    if isinstance(error, OutputError):  # its message already names the file and the cause
        return error
    return OutputError(f"{path} cannot be written: {error.strerror or error}")
