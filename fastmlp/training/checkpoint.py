"""Checkpoint: a run that may be broken off at any moment, in a folder, so that it goes on with the same bits.

Knows files, their checksums and whose they are; not what the arrays mean.
"""

import hashlib
import json
import os
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastmlp.config import Config
from fastmlp.errors import CheckpointError, DataNotFoundError, FileFormatError, OutputError
from fastmlp.io.atomic import temporary_prefix
from fastmlp.io.lock import try_lock, unlock
from fastmlp.io.npz import Arrays, Npz, read_npz, write_npz
from fastmlp.training.history import History
from fastmlp.version import __version__

FILE_VERSION = 1
NEWEST, PREVIOUS, LOCK = "checkpoint.npz", "checkpoint.previous.npz", "checkpoint.lock"
#: What stands in a header beside the checksum.
TITLE = ("identity", "history", "train_s")
#: Seconds from one checkpoint to the next.
INTERVAL_S = 30.0
#: More of them, so that writing takes no larger share of the time than this.
MAX_TIME_FRACTION = 0.01
START_OVER = "start anew (--fresh; from Python: fastmlp.discard_checkpoint)"


class State(NamedTuple):
    """Where a run is, at an epoch's end or within one.

    Attributes
    ----------
    history : History
        The epochs that are done.
    train_s : float
        Seconds spent on the steps of the one under way.
    arrays : mapping of str to ndarray
        All else, by name.
    """

    history: History
    train_s: float
    arrays: Arrays


class Checkpoint:
    """A run's checkpoint: the newest, and the one before it in case the newest is damaged.

    Parameters
    ----------
    folder : path-like
        Made if need be; it is this run's alone until `close`.
    identity : mapping of str to object
        What must be the same for the run to be the same, by name; all of it fits JSON.

    Raises
    ------
    CheckpointError
        If another process trains in the folder.
    OutputError
        If it cannot be written to.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Checkpoint(folder, {"seed": 0}) as checkpoint:
    ...     checkpoint.save(State(History(), 0.5, {"theta": np.arange(3.0)}))
    ...     checkpoint.load({"theta": np.zeros(3)}).arrays["theta"]
    array([0., 1., 2.])
    """

    def __init__(self, folder: str | os.PathLike[str], identity: Mapping[str, Any]) -> None:
        self.folder, self.identity = Path(folder), json.loads(json.dumps(identity))
        self._lock = _hold(self.folder)
        _remove(self.folder, temporary_files(self.folder))
        self._may_move, self._interval, self._written = True, INTERVAL_S, monotonic()

    def __enter__(self) -> "Checkpoint":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the folder to others."""
        _let_go(self.folder, self._lock)

    @property
    def is_due(self) -> bool:
        """Whether enough time has gone by since the last one was written."""
        return monotonic() - self._written >= self._interval

    def save(self, state: State) -> None:
        """Write a checkpoint, and return when it is on the disk; the newest one becomes the previous one.

        Parameters
        ----------
        state : State
            Where the run is.

        Raises
        ------
        OutputError
            If it cannot be written; the newest and the previous one are as they were.
        """
        start = monotonic()
        title = dict(zip(TITLE, (self.identity, state.history.to_dict(), state.train_s), strict=True))
        header = {**title, "checksum": _checksum(title, state.arrays)}
        previous = self.folder / PREVIOUS if self._may_move else None
        write_npz(self.folder / NEWEST, "checkpoint", FILE_VERSION, header, state.arrays, previous)
        self._may_move, self._written = True, monotonic()
        self._interval = max(INTERVAL_S, (self._written - start) / MAX_TIME_FRACTION)

    def load(self, known: Arrays) -> State | None:
        """Read the newest checkpoint that is whole; a damaged one is passed over with a warning that says so.

        Parameters
        ----------
        known : mapping of str to ndarray
            What there may be, of these shapes and types.

        Returns
        -------
        State or None
            None where there is none.

        Raises
        ------
        CheckpointError
            If it is another run's; the message says in what they differ.
        FileFormatError
            If there are checkpoints, and all are damaged.
        """
        path = self.folder / NEWEST
        try:
            return self._read(path, known)
        except DataNotFoundError:
            if path.exists():  # and may not be read
                raise
        except FileFormatError as error:
            if not (self.folder / PREVIOUS).exists():
                raise FileFormatError(f"{error}; there is no checkpoint before it: {START_OVER}") from error
            warnings.warn(f"{error}; the run goes on from the checkpoint before it, {PREVIOUS}", stacklevel=3)
            self._may_move = False  # the previous one is all there is until the next is written
        try:
            return self._read(self.folder / PREVIOUS, known)
        except DataNotFoundError:
            if (self.folder / PREVIOUS).exists():
                raise
            return None
        except FileFormatError as error:
            raise FileFormatError(f"{error}; no checkpoint in {self.folder} is whole: {START_OVER}") from error

    def _read(self, path: Path, known: Arrays) -> State:
        with read_npz(path, "checkpoint", FILE_VERSION) as (header, arrays):
            differences = _differences(self.identity, header["identity"])
            state = None if differences else _read_state(header, arrays, known)
        if state is None:
            lines = "\n".join(differences)
            raise CheckpointError(
                f"{self.folder} holds a run that was broken off, and it is another one\n{lines}\n"
                f"Ask for the one that it holds, name another folder, or {START_OVER}."
            )
        return state


def run_identity(config: Config, data: str, n_epochs: int, *parts: NDArray[Any]) -> dict[str, Any]:
    """What makes a run the one that it is.

    Parameters
    ----------
    config : Config
        Its settings.
    data : str
        Checksum of the data.
    n_epochs : int
        Epochs that the network was trained for before, which decide the order of the samples.
    *parts : ndarray
        The weights that it begins with, and how samples are scaled.

    Returns
    -------
    dict
        A name and a value each, fit for a message; the version of fastmlp is among them, since another one may round
        otherwise.
    """
    begun = hashlib.sha256(str(n_epochs).encode())
    for part in parts:
        begun.update(np.ascontiguousarray(part).data)
    return {**config.to_dict(), "data": data, "network at the beginning": begun.hexdigest(), "fastmlp": __version__}


def holds_checkpoint(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder holds a run that was broken off."""
    return any((Path(folder) / name).exists() for name in (NEWEST, PREVIOUS))


def discard_checkpoint(folder: str | os.PathLike[str]) -> None:
    """Remove a run's checkpoints from its folder, whose other files stay.

    Parameters
    ----------
    folder : path-like
        What was given to `fastmlp.train` as ``checkpoint``.

    Raises
    ------
    CheckpointError
        If a process trains in the folder.
    OutputError
        If they cannot be removed.

    Examples
    --------
    >>> import fastmlp, tempfile
    >>> digits, config = fastmlp.load_data("digits"), fastmlp.Config(hidden=(8,), n_epochs=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = fastmlp.train(digits, config, checkpoint=folder)
    ...     discard_checkpoint(folder)
    ...     os.listdir(folder)
    []
    """
    folder = Path(folder)
    lock = _hold(folder)
    try:  # the newest one last: until then the run can go on
        _remove(folder, [*temporary_files(folder), folder / PREVIOUS, folder / NEWEST])
    finally:
        _let_go(folder, lock)


def temporary_files(folder: Path) -> list[Path]:
    """What a process left that was killed while it wrote."""
    return list(folder.glob(f"{temporary_prefix(folder / NEWEST)}*"))


def _hold(folder: Path) -> int:
    """The folder's lock, which the system lets go of when this process dies."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror}") from error
    while (lock := try_lock(folder / LOCK)) is not None:
        with suppress(FileNotFoundError):  # the one who had it may have removed the file in the meantime
            if os.path.samestat(os.fstat(lock), os.stat(folder / LOCK)):
                return lock
        unlock(lock)
    raise CheckpointError(f"another process trains in {folder}: wait for it, or name another folder")


def _let_go(folder: Path, lock: int) -> None:
    with suppress(OSError):  # Windows removes no file that is open; it is empty, and may stay
        (folder / LOCK).unlink(missing_ok=True)
    unlock(lock)


def _remove(folder: Path, paths: list[Path]) -> None:
    try:
        for path in paths:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"checkpoints cannot be removed from {folder}: {error.strerror}") from error


def _differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    names = {**ours, **theirs}
    return [
        f"  {name}: given {ours.get(name)!r}, there {theirs.get(name)!r}"
        for name in names
        if ours.get(name) != theirs.get(name)
    ]


def _read_state(header: Mapping[str, Any], arrays: Npz, known: Arrays) -> State:
    """Names, shapes and types first, for which this run has room already: only then is memory taken."""
    names = [name for name in arrays if name != "header"]
    for name in names:
        head = arrays.header(name)
        if name not in known or (head.shape, head.dtype) != (known[name].shape, known[name].dtype):
            raise ValueError(f"it holds {name!r}, {head.dtype} of the shape {head.shape}, which is none of this run's")
    content = {name: arrays[name] for name in names}
    if header["checksum"] != _checksum({name: header[name] for name in TITLE}, content):
        raise ValueError("its checksum is that of other content")
    columns, train_s = header["history"], float(header["train_s"])
    rows = zip(*columns.values(), strict=True)
    return State(History(dict(zip(columns, row, strict=True)) for row in rows), train_s, content)


def _checksum(title: Mapping[str, Any], arrays: Arrays) -> str:
    total = hashlib.sha256(json.dumps(title).encode())
    for name in sorted(arrays):
        total.update(f"{name} {arrays[name].dtype.str} {arrays[name].shape}\n".encode())
        total.update(np.ascontiguousarray(arrays[name]).data)
    return total.hexdigest()
