"""Header: ``study.json``, which says which study a folder holds. Knows nothing of its runs."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastmlp.config import Config
from fastmlp.errors import DataNotFoundError, FastMLPError, FileFormatError, StudyError
from fastmlp.io.atomic import write_atomic
from fastmlp.study.plan import Plan, make_plan

FILE_VERSION = 1
HEADER = "study.json"
#: What must be said of a study's surroundings, and how; there may be more.
ABOUT: dict[str, dict[str, type]] = {
    "versions": {"fastmlp": str},
    "machine": {},
    "data": {
        "name": str,
        "checksum": str,
        **dict.fromkeys(("n_train", "n_test", "n_features", "n_classes"), int),
        "majority_accuracy": float,
    },
}


def write_header(folder: Path, plan: Plan, about: Mapping[str, Any]) -> None:
    """Write ``study.json``: a new file first, which then takes its place.

    Parameters
    ----------
    folder : pathlib.Path
        The study's.
    plan : Plan
        Its settings.
    about : mapping
        Versions, machine and data, as `fastmlp.study.provenance.describe_study` gives them.
    """
    header = {
        "format": "fastmlp study",
        "version": FILE_VERSION,
        "config": plan.config.to_dict(),
        "settings": plan.settings,
        "n_repeats": plan.n_repeats,
        "about": about,
    }
    text = json.dumps(header, indent=2) + "\n"
    write_atomic(folder / HEADER, "study", lambda file: file.write(text.encode()))


def read_header(folder: Path) -> tuple[Plan, dict[str, Any]]:
    """Read which study a folder holds.

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

    Raises
    ------
    DataNotFoundError
        If it holds none.
    FileFormatError
        If ``study.json`` is damaged or of another version.
    """
    path = folder / HEADER
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
        if (header["format"], header["version"]) != ("fastmlp study", FILE_VERSION):
            raise ValueError(f"its version is {header['version']!r}; {FILE_VERSION} is read")
        plan = make_plan(Config.from_dict(header["config"]), header["settings"], header["n_repeats"])
        return plan, _read_about(header["about"])
    except OSError as error:
        raise DataNotFoundError(f"{folder} holds no study: {HEADER} cannot be read ({error.strerror})") from error
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError, FastMLPError) as error:
        raise FileFormatError(f"{path} is damaged: {type(error).__name__}: {error}") from error


def _read_about(about: Mapping[str, Any]) -> dict[str, Any]:
    for part, kinds in ABOUT.items():
        for name, kind in kinds.items():
            if type(about[part][name]) is not kind:
                raise ValueError(f"{part} has {about[part][name]!r} for {name}")
    return {part: dict(about[part]) for part in ABOUT}


def check_same_study(folder: Path, plan: Plan, about: Mapping[str, Any]) -> None:
    """See to it that a folder's study is the one that is asked for.

    Parameters
    ----------
    folder : pathlib.Path
        The study's.
    plan : Plan
        What is asked for.
    about : mapping
        On which data, with which version.

    Raises
    ------
    StudyError
        If it is another; the message has all differences.
    """
    ours, theirs = _identity(plan, about), _identity(*read_header(folder))
    differences = [
        f"  {name}: the folder has {theirs[name]!r}, given {ours[name]!r}"
        for name in theirs
        if theirs[name] != ours[name]
    ]
    if differences:
        lines = "\n".join(differences)
        raise StudyError(f"{folder} holds another study\n{lines}\nName another folder, or ask for what this one holds.")


def _identity(plan: Plan, about: Mapping[str, Any]) -> dict[str, Any]:
    """What must be the same for two runs to be the same; versions of other packages change no bit of a result."""
    return {
        **plan.config.to_dict(),
        "settings": list(plan.settings),
        "n_repeats": plan.n_repeats,
        "data": about["data"]["checksum"],
        "fastmlp": about["versions"]["fastmlp"],
    }
