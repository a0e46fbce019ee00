"""Registry of a study in memory: the records of its finished runs. `Store` saves them in a folder as well."""

from collections.abc import Iterable, Iterator
from threading import RLock

from fastmlp.study.plan import Key, RunSpec
from fastmlp.study.run import Record


class Registry:
    """The finished runs of a study.

    Attributes
    ----------
    records : dict
        Records of the finished runs, by key.
    lock : threading.RLock
        Held while records change: runs are claimed and finished from several threads.
    """

    def __init__(self) -> None:
        self.records: dict[Key, Record] = {}
        self.lock = RLock()

    def claim(self, spec: RunSpec) -> bool:
        """Reserve a run for this process; False if it is finished or another process has reserved it."""
        return spec.key not in self.records

    def finish(self, spec: RunSpec, record: Record) -> None:
        """Add the record of a finished run."""
        with self.lock:
            self.records[spec.key] = record

    def refresh(self) -> None:
        """Read the records that other processes have added."""

    def close(self) -> None:
        """Release the runs that were claimed but not finished."""

    def claimed(self, specs: Iterable[RunSpec]) -> Iterator[RunSpec]:
        """Claim the runs one by one as the iterator advances, and skip those that cannot be claimed."""
        return (spec for spec in specs if self.claim(spec))
