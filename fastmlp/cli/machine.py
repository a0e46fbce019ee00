"""The commands data, warmup and info: data sets, compiled kernels and properties of this machine."""

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
from fastmlp.parallel import thread_limits
from fastmlp.settings import Precision
from fastmlp.training.warmup import is_warm, warmup
from fastmlp.version import __version__


@app.command(name="data")
def data_command(name: str | None = None, /, *, data_dir: Path | None = None) -> None:
    """List the named data sets and their locations, or download one and print its location.

    Parameters
    ----------
    name : str
        Data set to download, unless it is there; without a name, all are listed.
    data_dir : path
        Folder of the data sets; by default $FASTMLP_DATA, or else the user's cache folder.
    """
    if name is not None:
        print(data.fetch(name, data_dir))
        return
    for entry in data.available(data_dir):
        location = entry.location or f"not downloaded; {entry.download_bytes / 1e6:.0f} MB"
        print(f"{entry.name:14}  {entry.description}\n{'':14}  {location}")


@app.command(name="warmup")
def warmup_command() -> None:
    """Compile all kernels now, so that later runs start without compiling."""
    names: dict[Precision, str] = {"float32": "float32", "float64": "float64"}
    if not unavailable_reason():
        names["bf16"] = "bf16x3, bf16x2, bf16" if cpu.bf16_instructions() == "amx" else "bf16"
    for precision, name in names.items():
        compiled = not is_warm(precision)
        with spinner(f"compiling for {name}"):
            seconds = warmup(precision)
        print(f"{name}: compiled in {seconds:.1f} s" if compiled else f"{name}: already compiled")


@app.command(name="info")
def info_command() -> None:
    """Print what a bug report needs: versions, CPU, vector width, register tiles, threads and cache folder."""
    about = {
        "fastmlp": __version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "numba": f"{numba.__version__}, llvmlite {llvmlite.__version__}",
        "numpy": np.__version__,
        "platform": platform.platform(),
        **cpu.describe(),
        "bf16 instructions": _describe_bf16(),
        "threads": _describe_threads(),
        "cache folder": str(jit.cache_dir()),
    }
    for name, value in about.items():
        print(f"{name:17}  {value}")


def _describe_threads() -> str:
    """The most threads that "auto" takes, and all limits, the one that applies first."""
    limits = sorted(thread_limits().items(), key=lambda item: item[1])
    return f"at most {limits[0][1]} ({', '.join(f'{name}: {n}' for name, n in limits)})"


def _describe_bf16() -> str:
    instructions, reason = cpu.bf16_instructions(), unavailable_reason()
    return f"{instructions}, not used: {reason}" if instructions and reason else reason or instructions
