"""The file ``study.json``: config, settings and number of repeats of the study in a folder, and its provenance."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastmlp.config import Config
from fastmlp.errors import DataNotFoundError, FastMLPError, FileFormatError, StudyError
from fastmlp.io.atomic import write_atomic
from fastmlp.io.manifest import NO_CHECKSUM, add_checksum, remove_checksum
from fastmlp.io.regular_file import read_text
from fastmlp.study.plan import Plan, make_plan
from fastmlp.training.standardisation import has_standardised_targets

FILE_VERSION = 1
METADATA = "study.json"
#: Required entries of the provenance, and their types; there may be more.
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


def write_metadata(folder: Path, plan: Plan, about: Mapping[str, Any]) -> None:
    """Write ``study.json`` atomically.

    Parameters
    ----------
    folder : pathlib.Path
        The folder of the study.
    plan : Plan
        The plan of the study.
    about : mapping
        Versions, machine and data, see `fastmlp.study.provenance.describe_study`.
    """
    metadata = {
        "format": "fastmlp study",
        "version": FILE_VERSION,
        "config": plan.config.to_dict(),
        "settings": plan.settings,
        "n_repeats": plan.n_repeats,
        "about": about,
    }
    text = json.dumps(add_checksum(metadata), indent=2) + "\n"
    write_atomic(folder / METADATA, "study", lambda file: file.write(text.encode()))


def read_metadata(folder: Path) -> tuple[Plan, dict[str, Any]]:
    """Read the plan and the provenance of the study in a folder.

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

    Raises
    ------
    DataNotFoundError
        If the folder contains no study.
    FileFormatError
        If ``study.json`` is damaged or has another version.
    """
    path = folder / METADATA
    try:
        metadata = json.loads(read_text(path))
        if (metadata["format"], metadata["version"]) != ("fastmlp study", FILE_VERSION):
            raise ValueError(
                f"expected the format 'fastmlp study' of version {FILE_VERSION}, got {metadata['format']!r} of version "
                f"{metadata['version']!r}"
            )
        plan = make_plan(Config.from_dict(metadata["config"]), metadata["settings"], metadata["n_repeats"])
        about = _read_about(metadata["about"])
        if "checksum" in metadata:
            remove_checksum(metadata)
        else:
            warnings.warn(f"{path}: {NO_CHECKSUM}", stacklevel=3)
        return plan, about
    except OSError as error:
        raise DataNotFoundError(f"{folder} contains no study: {METADATA} cannot be read: {error.strerror}") from error
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError, FastMLPError) as error:
        raise FileFormatError(f"{path} is damaged: {type(error).__name__}: {error}") from error


def _read_about(about: Mapping[str, Any]) -> dict[str, Any]:
    for part, types in ABOUT.items():
        for name, kind in types.items():
            if type(about[part][name]) is not kind:
                raise ValueError(f"{part}, {name}: expected a value of type {kind.__name__}, got {about[part][name]!r}")
    return {part: dict(about[part]) for part in ABOUT}


def check_same_study(folder: Path, plan: Plan, about: Mapping[str, Any]) -> None:
    """Check that the study in a folder is the given one.

    Parameters
    ----------
    folder : pathlib.Path
        The folder of the study.
    plan : Plan
        The plan of the given study.
    about : mapping
        Its versions, machine and data. The version of fastmlp and the checksum of the data are compared.

    Raises
    ------
    StudyError
        If they differ; the message lists all differences.
    """
    given, stored = _identity(plan, about), _identity(*read_metadata(folder))
    differences = [
        f"  {name}: expected {stored[name]!r} as in the folder, got {given[name]!r}"
        for name in stored
        if stored[name] != given[name]
    ]
    if differences:
        lines = "\n".join(differences)
        raise StudyError(
            f"{folder} contains a different study\n{lines}\nChoose another folder, or use the values in this one."
        )


def _identity(plan: Plan, about: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that determines the results of a study. Versions of other packages change no bit of them."""
    losses = [setting.get("loss", plan.config.loss) for setting in plan.settings]
    has_scaled_targets = any(map(has_standardised_targets, losses))
    return {
        **plan.config.to_dict(),
        "settings": list(plan.settings),
        "n_repeats": plan.n_repeats,
        "data": about["data"]["checksum"],
        # Older versions scaled no targets.
        "target_scale": about["data"].get("target_scale", "none") if has_scaled_targets else "none",
        "fastmlp": about["versions"]["fastmlp"],
    }
