"""Machine: the commands data, warmup and info, about what is here."""

import platform
from pathlib import Path

import llvmlite
import numba
import numpy as np

from fastmlp import data
from fastmlp.cli.app import app
from fastmlp.cli.terminal import spinner
from fastmlp.codegen import cpu, jit
from fastmlp.codegen.amx import unavailable_reason
from fastmlp.settings import Precision
from fastmlp.training.warmup import is_warm, warmup
from fastmlp.version import __version__


@app.command(name="data")
def data_command(name: str | None = None, /, *, data_dir: Path | None = None) -> None:
    """List the data sets that have a name and where they lie, or fetch one.

    Parameters
    ----------
    name : str
        The data set to fetch; without it, all are listed.
    data_dir : path
        Folder of the data sets. Without it: FASTMLP_DATA, or the user's cache.
    """
    if name is not None:
        print(data.fetch(name, data_dir))
        return
    for entry in data.available(data_dir):
        place = entry.location or f"not here; {entry.download_bytes / 1e6:.0f} MB to fetch"
        print(f"{entry.name:14}  {entry.description}\n{'':14}  {place}")


@app.command(name="warmup")
def warmup_command() -> None:
    """Compile every kernel once, so that no later run has to."""
    names: dict[Precision, str] = {"float32": "float32", "float64": "float64"}
    if not unavailable_reason():
        names["bf16"] = "bf16x3, bf16x2, bf16" if cpu.bf16_instructions() == "amx" else "bf16"
    for precision, name in names.items():
        compiled = not is_warm(precision)
        with spinner(f"compiling for {name}"):
            seconds = warmup(precision)
        print(f"{name}: compiled in {seconds:.1f} s" if compiled else f"{name}: compiled already")


@app.command(name="info")
def info_command() -> None:
    """Say what a bug report should: versions, CPU, vectors and tile, cache folder."""
    about = {
        "fastmlp": __version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "numba": f"{numba.__version__}, llvmlite {llvmlite.__version__}",
        "numpy": np.__version__,
        "platform": platform.platform(),
        **cpu.describe(),
        "bf16 unit": _describe_unit(),
        "cache folder": str(jit.cache_dir()),
    }
    for name, value in about.items():
        print(f"{name:14}  {value}")


def _describe_unit() -> str:
    unit, obstacle = cpu.bf16_instructions(), unavailable_reason()
    return f"{unit}, idle: {obstacle}" if unit and obstacle else obstacle or unit
