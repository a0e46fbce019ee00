"""Registry: the records of a study, by run, and who does which run. In memory; `store` keeps the same in a folder."""

from collections.abc import Iterable, Iterator
from threading import RLock

from fastmlp.study.plan import Key, RunSpec
from fastmlp.study.run import Record


class Registry:
    """What a study has so far.

    Attributes
    ----------
    records : dict
        Of every finished run, by its key.
    lock : threading.RLock
        Held by whoever changes it: engines claim runs from threads of their own.
    """

    def __init__(self) -> None:
        self.records: dict[Key, Record] = {}
        self.lock = RLock()

    def claim(self, task: RunSpec) -> bool:
        """Whether the run is still to be done, and by us: then nobody else will."""
        return task.key not in self.records

    def finish(self, task: RunSpec, record: Record) -> None:
        """Keep a run's record."""
        with self.lock:
            self.records[task.key] = record

    def refresh(self) -> None:
        """Learn what others have finished."""

    def close(self) -> None:
        """Leave the runs that were claimed and are not finished to others."""

    def claimed(self, tasks: Iterable[RunSpec]) -> Iterator[RunSpec]:
        """Claim runs one by one, as they are asked for, passing over those that others do."""
        return (task for task in tasks if self.claim(task))
