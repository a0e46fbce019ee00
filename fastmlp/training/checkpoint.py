"""Checkpoints: the state of a run on disk, from which an interrupted run resumes to the same bits.

A checkpoint is an ``.npz`` file of arrays, with the history, and the identity of the run that it belongs to. The folder
holds the newest and the previous one, and a lock file while a process is training in it.
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
from fastmlp.data.label import MAX_LISTED, list_labels
from fastmlp.errors import CheckpointError, DataNotFoundError, FileFormatError, OutputError
from fastmlp.io.atomic import temporary_prefix
from fastmlp.io.lock import try_lock, unlock
from fastmlp.io.npz import Arrays, Npz, read_npz, write_npz
from fastmlp.kernels.optimizer_state import STEPS
from fastmlp.training.history import History
from fastmlp.version import __version__

FILE_VERSION = 1
NEWEST, PREVIOUS, LOCK = "checkpoint.npz", "checkpoint.previous.npz", "checkpoint.lock"
#: Fields of a file's header.
HEADER_FIELDS = ("identity", "history", "train_s")
#: Seconds between two checkpoints.
INTERVAL_S = 30.0
#: Maximum fraction of the time that is spent on writing; the interval is extended where writing is slow.
MAX_TIME_FRACTION = 0.01
RESTART_HINT = "start over (--fresh; from Python: fastmlp.discard_checkpoint)"


class State(NamedTuple):
    """The state of a run, at the end of an epoch or within one.

    Attributes
    ----------
    history : History
        The finished epochs.
    train_s : float
        Seconds spent on the steps of the current epoch.
    arrays : mapping of str to ndarray
        Parameters, moment estimates and everything else that changes in training, by name.
    """

    history: History
    train_s: float
    arrays: Arrays


class Checkpoint:
    """The checkpoints of a run: the newest, and the previous one in case the newest is damaged.

    Parameters
    ----------
    folder : path-like
        Folder of the checkpoints, created if necessary. It is locked until `close`.
    identity : mapping of str to object
        The values that identify a run, by name, such as `run_identity` returns; JSON must be able to represent them.

    Raises
    ------
    CheckpointError
        If another process is training in the folder.
    OutputError
        If the folder cannot be written to.

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
        self._lock = _lock_folder(self.folder)
        _remove(self.folder, incomplete_checkpoints(self.folder))
        self._newest_is_intact, self._interval, self._last_save = True, INTERVAL_S, monotonic()

    def __enter__(self) -> "Checkpoint":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Unlock the folder."""
        _unlock_folder(self.folder, self._lock)

    @property
    def is_due(self) -> bool:
        """Whether it is time to write the next checkpoint."""
        return monotonic() - self._last_save >= self._interval

    def save(self, state: State) -> None:
        """Write a checkpoint and flush it to the disk; the newest one so far becomes the previous one.

        Parameters
        ----------
        state : State
            The state of the run.

        Raises
        ------
        OutputError
            If the checkpoint cannot be written. The newest and the previous one are unchanged.
        """
        start = monotonic()
        header = dict(zip(HEADER_FIELDS, (self.identity, state.history.to_dict(), state.train_s), strict=True))
        previous = self.folder / PREVIOUS if self._newest_is_intact else None
        write_npz(self.folder / NEWEST, "checkpoint", FILE_VERSION, header, state.arrays, previous)
        self._newest_is_intact, self._last_save = True, monotonic()
        self._interval = max(INTERVAL_S, (self._last_save - start) / MAX_TIME_FRACTION)

    def save_or_warn(self, state: State) -> None:
        """`save`, with a warning in place of an error: a full disk does not end a run that could go on."""
        try:
            self.save(state)
        except OutputError as error:
            self._last_save = monotonic()
            kept = "the checkpoint before it is intact" if holds_checkpoint(self.folder) else "there is no checkpoint"
            warnings.warn(f"{error}; {kept}", stacklevel=3)

    def load(self, allowed: Arrays) -> State | None:
        """Read the newest intact checkpoint; if the newest is damaged, warn and read the previous one.

        Parameters
        ----------
        allowed : mapping of str to ndarray
            Names of the arrays that a checkpoint may hold, with arrays of their shapes and dtypes.

        Returns
        -------
        State or None
            None if there is no checkpoint.

        Raises
        ------
        CheckpointError
            If the checkpoint belongs to another run. The message lists the differences.
        FileFormatError
            If there are checkpoints and all of them are damaged.
        """
        path = self.folder / NEWEST
        try:
            return self._read(path, allowed)
        except DataNotFoundError:
            if path.exists():  # without permission to read it
                raise
        except FileFormatError as error:
            if not (self.folder / PREVIOUS).exists():
                raise FileFormatError(f"{error}; there is no previous checkpoint: {RESTART_HINT}") from error
            warnings.warn(f"{error}; the run resumes from the previous checkpoint, {PREVIOUS}", stacklevel=3)
            self._newest_is_intact = False  # so the next `save` keeps the previous one, which is the only intact one
        try:
            return self._read(self.folder / PREVIOUS, allowed)
        except DataNotFoundError:
            if (self.folder / PREVIOUS).exists():
                raise
            return None
        except FileFormatError as error:
            raise FileFormatError(f"{error}; no checkpoint in {self.folder} is intact: {RESTART_HINT}") from error

    def _read(self, path: Path, allowed: Arrays) -> State:
        with read_npz(path, "checkpoint", FILE_VERSION) as (header, arrays):
            differences = differences_of(header["identity"], self.identity)
            state = None if differences else _read_state(header, arrays, allowed)
        if state is None:
            lines = "\n".join(differences)
            raise CheckpointError(
                f"{self.folder} holds the checkpoint of another run\n{lines}\n"
                f"Use the settings and data of that run, name another folder, or {RESTART_HINT}."
            )
        return state


def run_identity(config: Config, data: str, n_epochs: int, *parts: NDArray[Any]) -> dict[str, Any]:
    """The settings, checksums and version that identify a run: runs with equal values have equal results.

    Parameters
    ----------
    config : Config
        Settings of the run.
    data : str
        Checksum of the data.
    n_epochs : int
        Number of epochs that the network was trained for before, which determines the order of the samples.
    *parts : ndarray
        The initial parameters, and the scaling of the samples.

    Returns
    -------
    dict
        Values by the names that error messages show. The version of fastmlp is included, since another version may
        round differently.
    """
    digest = hashlib.sha256(str(n_epochs).encode())
    for part in parts:
        digest.update(np.ascontiguousarray(part).data)
    return {**config.to_dict(), "data": data, "network at the beginning": digest.hexdigest(), "fastmlp": __version__}


def holds_checkpoint(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder holds a checkpoint."""
    return any((Path(folder) / name).exists() for name in (NEWEST, PREVIOUS))


def discard_checkpoint(folder: str | os.PathLike[str]) -> None:
    """Remove the checkpoints from a folder. Other files in it are not touched.

    Parameters
    ----------
    folder : path-like
        The folder that was passed to `fastmlp.train` as ``checkpoint``.

    Raises
    ------
    CheckpointError
        If a process is training in the folder.
    OutputError
        If the checkpoints cannot be removed.

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
    lock = _lock_folder(folder)
    try:  # the newest one last: until then the run can be resumed
        _remove(folder, [*incomplete_checkpoints(folder), folder / PREVIOUS, folder / NEWEST])
    finally:
        _unlock_folder(folder, lock)


def incomplete_checkpoints(folder: Path) -> list[Path]:
    """Incomplete checkpoints, left by processes that were killed while writing."""
    return list(folder.glob(f"{temporary_prefix(folder / NEWEST)}*"))


def _lock_folder(folder: Path) -> int:
    """Lock the folder and return the lock's file descriptor; the system releases the lock if this process dies."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror}") from error
    while (lock := try_lock(folder / LOCK)) is not None:
        with suppress(FileNotFoundError):  # the previous owner may have removed the file since it was opened
            if os.path.samestat(os.fstat(lock), os.stat(folder / LOCK)):
                return lock
        unlock(lock)
    raise CheckpointError(f"another process is training in {folder}; wait for it to end, or name another folder")


def _unlock_folder(folder: Path, lock: int) -> None:
    try:
        with suppress(OSError):  # Windows cannot remove an open file: the empty lock file remains
            (folder / LOCK).unlink(missing_ok=True)
    finally:  # also after another Ctrl-C
        unlock(lock)


def _remove(folder: Path, paths: list[Path]) -> None:
    try:
        for path in paths:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"checkpoints cannot be removed from {folder}: {error.strerror}") from error


def differences_of(stored: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """List the values in which the identities of two runs differ, one line each."""
    names = {**given, **stored}
    return [
        f"  {name}: expected {_describe(stored.get(name))}, got {_describe(given.get(name))}"
        for name in names
        if stored.get(name) != given.get(name)
    ]


def _describe(value: Any) -> str:
    """A value of an identity for a message; classes, which may be thousands, as the first ones and their dtype."""
    if isinstance(value, Mapping) and "values" in value:
        return f"{_describe(value['values'])} ({value['dtype']})"
    if isinstance(value, list) and len(value) > MAX_LISTED:
        return f"{list_labels(value)} ({len(value)})"
    return repr(value)


def _read_state(header: Mapping[str, Any], arrays: Npz, allowed: Arrays) -> State:
    """Read a checkpoint; its names, shapes and dtypes are checked before any memory is allocated for its arrays."""
    for name in arrays:
        head = arrays.header(name)
        if name not in allowed or (head.shape, head.dtype) != (allowed[name].shape, allowed[name].dtype):
            raise ValueError(f"its array {name!r}, {head.dtype} of shape {head.shape}, does not belong to this run")
    content = dict(arrays)
    return State(History.from_dict(header["history"]), float(header["train_s"]), content)


def check_consistency(state: State, required: dict[str, NDArray[Any]], steps_per_epoch: int, n_epochs: int) -> None:
    """Raise `FileFormatError` unless arrays, step count and history are complete and agree with each other."""
    n_done, is_complete = len(state.history), required.keys() <= state.arrays.keys()
    n_steps = state.arrays["powers"][STEPS] - n_done * steps_per_epoch if is_complete else -1
    is_possible = 0 <= n_steps <= steps_per_epoch and n_done <= n_epochs
    is_restorable = "epoch_start" in state.arrays or n_steps == 0
    if not (is_possible and is_restorable) or state.history["epoch"] != [*range(1, n_done + 1)]:
        raise FileFormatError(f"the checkpoint is inconsistent: {RESTART_HINT}")
