"""The provenance of a study: versions of the packages, the machine, and the data."""

import platform
from typing import Any

from fastmlp.codegen import cpu
from fastmlp.codegen.cpu import available_cores
from fastmlp.data import Dataset
from fastmlp.io.regular_file import read_text
from fastmlp.training.standardisation import scaling_identity
from fastmlp.version import __version__


def describe_study(dataset: Dataset) -> dict[str, dict[str, Any]]:
    """Describe the versions, the machine and the data of a study.

    Parameters
    ----------
    dataset : Dataset
        The data of the study.

    Returns
    -------
    dict
        Three dictionaries, fit for JSON: versions, machine and data.

    Examples
    --------
    >>> import fastmlp
    >>> describe_study(fastmlp.Dataset([[0.0], [1.0]], [0, 1], [[0.5]], [1]))["data"]["n_test"]
    1
    """
    from importlib.metadata import version  # 8 ms, among them those of the email package

    packages = {name: version(name) for name in ("numpy", "numba", "llvmlite")}
    description = cpu.describe()
    return {
        "versions": {"fastmlp": __version__, "python": platform.python_version(), **packages},
        "machine": {
            "cpu": _cpu_name() or description["cpu"],
            "vectors": description["vector width"],
            "cores": available_cores(),
            "system": platform.platform(),
        },
        "data": {
            "name": dataset.name or "unnamed",
            "checksum": dataset.checksum(),
            "n_train": len(dataset.y_train),
            "n_test": len(dataset.y_test),
            "n_features": dataset.n_features,
            "n_classes": dataset.n_classes,
            "majority_accuracy": dataset.majority_accuracy,
            **scaling_identity(dataset.target_scaling()),
        },
    }


def _cpu_name() -> str | None:
    """Name of the CPU on Linux, where `platform.processor` is empty."""
    try:
        lines = read_text("/proc/cpuinfo").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return None
