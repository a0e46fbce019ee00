"""The commands data, warmup and info: data sets, compiled kernels and properties of this machine."""

import platform
from pathlib import Path
from time import perf_counter
from typing import Annotated

import numpy as np

from fastmlp import data
from fastmlp.cli.app import Parameter, app
from fastmlp.cli.terminal import counting_bar, format_seconds, is_terminal, note
from fastmlp.codegen import cpu
from fastmlp.codegen.amx import unavailable_reason
from fastmlp.errors import OutputError
from fastmlp.parallel import thread_limits
from fastmlp.training.warmup import needed_kernels
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
def warmup_command(*, everything: Annotated[bool, Parameter(name="--all", negative=())] = False) -> None:
    """Compile the kernels of the default settings now, so that later runs start without compiling.

    Parameters
    ----------
    everything : bool
        Compile the kernels of all settings and estimators, in all precisions of this CPU.
    """
    from fastmlp.codegen.cache import contents  # these import Numba
    from fastmlp.model.compilation import description, estimated_seconds, missing, silent

    kernels = needed_kernels("all" if everything else "float32")
    new, start = missing(kernels), perf_counter()
    if new and not is_terminal():
        note(description(new, estimated_seconds(new)))
    with silent(), counting_bar(len(new)) as report:
        for kernel in new:
            report(f"{kernel.dtype} {kernel.name}")
            kernel.load(kernel.dtype)
    for dtype in dict.fromkeys(kernel.dtype for kernel in kernels):
        n_kernels, n_new = (sum(kernel.dtype == dtype for kernel in found) for found in (kernels, new))
        print(f"{dtype}: {n_kernels} kernels, {f'{n_new} compiled' if n_new else 'already compiled'}")
    if new:
        print(f"compiled in {format_seconds(perf_counter() - start)}")
    kept = contents()
    if new and not kept:
        raise OutputError("the compiled kernels were not kept: no folder for them is writable; set NUMBA_CACHE_DIR")
    for folder, n_files, n_bytes in kept:
        print(f"{n_files} files, {n_bytes:,} bytes in {folder}")


@app.command(name="info")
def info_command() -> None:
    """Print what a bug report needs: versions, CPU, vector width, register tiles, threads and cache folder."""
    import llvmlite
    import numba

    from fastmlp.codegen.cache import cache_dir

    about = {
        "fastmlp": __version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "numba": f"{numba.__version__}, llvmlite {llvmlite.__version__}",
        "numpy": np.__version__,
        "platform": platform.platform(),
        **cpu.describe(),
        "bf16 instructions": _describe_bf16(),
        "threads": _describe_threads(),
        "cache folder": str(cache_dir()),
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
