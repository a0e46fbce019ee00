"""The output folder of the command train: the files of a run, and the record by which a finished run is recognised.

The network is written first and the record second. The other files can be derived from these two, so a failure to write
them, such as a full disk after hours of training, loses nothing.
"""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from fastmlp import plot
from fastmlp.cli.terminal import note, writing
from fastmlp.config import Config
from fastmlp.data import Dataset
from fastmlp.data.label import classes_to_json
from fastmlp.errors import CheckpointError, DataNotFoundError, FileFormatError, OutputError
from fastmlp.io.atomic import write_atomic
from fastmlp.io.manifest import add_checksum, remove_checksum
from fastmlp.io.npz import check_format
from fastmlp.io.regular_file import read_bytes
from fastmlp.model.model import Model, load_model
from fastmlp.notebook.figure import require_matplotlib
from fastmlp.training.checkpoint import differences_of, discard_checkpoint, holds_checkpoint
from fastmlp.training.history import History
from fastmlp.training.standardisation import scaling_identity, target_scaling_of
from fastmlp.version import __version__

#: Files that train writes to its output folder.
RESULTS = ("config.json", "history.csv", "model.npz", "curves.png", "run.json")
SETTINGS_FILE, ROWS, NETWORK, CURVES, RECORD = RESULTS
FILE_VERSION = 1


class Divergence(NamedTuple):
    """The attributes of the `fastmlp.DivergedError` that ended a run, without model and history."""

    epoch: int
    learning_rate: float
    column: str
    value: float
    largest: dict[str, float]


class FinishedRun(NamedTuple):
    """A finished run, as trained or as read from its folder.

    Attributes
    ----------
    model : Model
        The trained network.
    history : History
        Metrics, one row per epoch.
    divergence : Divergence or None
        The epoch in which the run diverged, if it did.
    """

    model: Model
    history: History
    divergence: Divergence | None


def prepare_folder(out: Path, fresh: bool) -> None:
    """Check before the data is loaded that the results can be written to the folder, without leaving an empty one.

    Raises
    ------
    OutputError
        If the folder cannot be written to, or holds results of another origin: files of these names, but neither the
        record of a finished run nor a checkpoint.
    MissingExtraError
        If matplotlib is not installed.
    """
    require_matplotlib()
    with writing(out):
        existing = [name for name in RESULTS if (out / name).exists()]
        is_interrupted = holds_checkpoint(out)
    if existing and not is_interrupted and (fresh or RECORD not in existing):
        reason = "--fresh discards checkpoints only" if fresh else f"without the record of a finished run, {RECORD}"
        raise OutputError(
            f"{out} already contains {', '.join(existing)} ({reason}); choose another folder, or remove these files"
        )
    check_creatable(out)
    if is_interrupted and fresh:
        discard_checkpoint(out)
    elif is_interrupted:
        note(f"resuming the run in {out}; --fresh starts from the beginning")


def check_creatable(out: Path) -> None:
    """Check that a folder exists or can be created, by creating it, and remove it and its new parents again.

    So a run that is refused later, such as for its data, leaves no empty folder. Permissions alone would not tell: root
    has all of them, and a file system may be read-only.

    Raises
    ------
    OutputError
        If the folder cannot be created.
    """
    with writing(out):
        new = [folder for folder in (out, *out.parents) if not folder.exists()]
        out.mkdir(parents=True, exist_ok=True)
    with suppress(OSError):  # another process has written into it
        for folder in new:
            folder.rmdir()


def identify(config: Config, dataset: Dataset) -> dict[str, Any]:
    """The settings, data and version of a run by name, as JSON represents them: they determine its results."""
    names = None if dataset.class_names is None else list(dataset.class_names)
    classes = names or (None if dataset.classes is None else classes_to_json(dataset.classes))
    data = {"scale": dataset.scale, "data": dataset.checksum(), "classes": classes}
    if dataset.table is not None:  # its arrays are the same if a column is renamed, but the network is not
        data["columns"] = [f"{column.name} ({column.kind})" for column in dataset.table.columns]
        data["target"], data["split"] = dataset.table.target, dataset.table.reading.get("split")
        data["table"] = hashlib.sha256(json.dumps(dataset.table.to_json()).encode()).hexdigest()
    data |= scaling_identity(target_scaling_of(dataset, config))
    return dict(json.loads(json.dumps({**config.to_dict(), **data, "fastmlp": __version__})))


def save_results(out: Path, config: Config, identity: Mapping[str, Any], run: FinishedRun) -> None:
    """Write all files of a run, and discard its checkpoint once they are on the disk.

    Raises
    ------
    OutputError
        If a file cannot be written; the message says where the network, or else the newest checkpoint, is.
    """
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    try:
        run.model.save(out / NETWORK)
    except OutputError as error:
        raise OutputError(f"{error}; {_advice(out)}") from error
    try:
        record = {
            "format": "fastmlp run",
            "version": FILE_VERSION,
            "run": dict(identity),
            "divergence": run.divergence,
            "history": run.history.to_dict(),
            "model_sha256": _digest(out / NETWORK),
        }
        _write_text(out / RECORD, "record", json.dumps(add_checksum(record)) + "\n")
        _write_derived(out, config, run, (SETTINGS_FILE, ROWS, CURVES))
    except OutputError as error:
        raise OutputError(f"{error}; the network is in {out / NETWORK}; {_advice(out)}") from error
    discard_checkpoint(out)
    note(f"wrote {', '.join(RESULTS)} to {out}")


def read_results(out: Path, config: Config, identity: Mapping[str, Any]) -> FinishedRun | None:
    """Read the finished run of a folder, and write those of its files again that can be derived and are missing.

    Parameters
    ----------
    out : pathlib.Path
        The folder.
    config : Config
        The settings of the given run.
    identity : mapping
        The result of `identify` for the given run.

    Returns
    -------
    FinishedRun or None
        None if the folder has no finished run, or if its network is missing, so that it has to be trained again.

    Raises
    ------
    CheckpointError
        If the finished run is another one. The message lists the differences.
    FileFormatError
        If a file is damaged, or is not the one that the run wrote.
    """
    if holds_checkpoint(out) or not (out / RECORD).exists():
        return None
    record = _read_record(out / RECORD)
    if differences := differences_of(record["run"], identity):
        lines = "\n".join(differences)
        raise CheckpointError(
            f"{out} holds the finished run of other settings, data or version\n{lines}\n"
            "Use the settings, the data and the version of that run, or name another folder."
        )
    if not (out / NETWORK).exists():
        note(f"the finished run in {out} has no {NETWORK}: training it again")
        return None
    _check_same(out / NETWORK, _digest(out / NETWORK) == record["model_sha256"], "train the network")
    divergence = record["divergence"] and Divergence(*record["divergence"])
    run = FinishedRun(load_model(out / NETWORK), History.from_dict(record["history"]), divergence)
    missing = [name for name in (SETTINGS_FILE, ROWS, CURVES) if not (out / name).exists()]
    for name, text in _texts(config, run).items():
        if name not in missing:
            _check_same(out / name, _read_bytes(out / name) == text.encode(), "write it")
    if missing:
        _write_derived(out, config, run, missing)
        note(f"wrote {', '.join(missing)} to {out}")
    return run


def _advice(out: Path) -> str:
    """What to do after a file could not be written."""
    if (out / RECORD).exists() or holds_checkpoint(out):
        kept = f"the newest checkpoint is in {out}; " if holds_checkpoint(out) else ""
        return f"{kept}free some space, and start the same command again"
    return f"there is no checkpoint in {out}: free some space, and train again"


def _write_derived(out: Path, config: Config, run: FinishedRun, names: Any) -> None:
    for name, text in _texts(config, run).items():
        if name in names:
            _write_text(out / name, {SETTINGS_FILE: "settings", ROWS: "history"}[name], text)
    if CURVES in names:
        plot.save_curves(run.history, out / CURVES)


def _texts(config: Config, run: FinishedRun) -> dict[str, str]:
    """Content of the text files that are derived from the run, by name."""
    settings, table = config.to_dict(), run.model.table
    if table is not None:
        settings["table"] = table.to_json()
    return {SETTINGS_FILE: json.dumps(settings, indent=2) + "\n", ROWS: run.history.to_csv()}


def _write_text(path: Path, kind: str, text: str) -> None:
    write_atomic(path, kind, lambda file: file.write(text.encode()))


def _read_bytes(path: Path, advice: str = "remove it and start the same command again") -> bytes:
    try:
        return read_bytes(path)
    except OSError as error:
        raise DataNotFoundError(f"{path} cannot be read: {error.strerror}; {advice}") from error


def _check_same(path: Path, is_same: bool, purpose: str) -> None:
    if not is_same:
        raise FileFormatError(
            f"{path}: expected the file that the run wrote, got another or a damaged one; remove it and start the same "
            f"command again to {purpose} again"
        )


def _read_record(path: Path) -> dict[str, Any]:
    advice = "choose another folder, or remove this run's files"
    content = _read_bytes(path, advice)
    try:
        record = dict(json.loads(content))
        check_format(record, "run", FILE_VERSION)
        return remove_checksum(record)
    except (RecursionError, TypeError, ValueError) as error:
        raise FileFormatError(f"{path} is not the record of a finished run: {error}; {advice}") from error


def _digest(path: Path) -> str:
    return hashlib.sha256(_read_bytes(path)).hexdigest()
