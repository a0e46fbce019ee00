"""What the figures were measured on, and how processes are kept to their cores. Knows the operating system alone."""

import os
import platform
import subprocess
import sys
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from fastmlp.codegen import cpu

PACKAGES = ("numpy", "numba", "llvmlite", "scikit-learn", "torch", "jax", "jaxlib")
#: Read by OpenBLAS, MKL, OpenMP and Accelerate when they are loaded; XLA goes by the affinity.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def pin(n_threads: int) -> list[int]:
    """Keep this process, and those it starts, to that many cores and threads; gives the cores ([]: it cannot)."""
    for name in THREAD_VARIABLES:
        os.environ[name] = str(n_threads)
    if not hasattr(os, "sched_setaffinity"):
        return []
    # The last cores: the first one answers most interrupts.
    cores = sorted(os.sched_getaffinity(0))[-n_threads:]
    os.sched_setaffinity(0, cores)
    return cores


def describe(n_threads: int) -> dict:
    """Machine, versions and threads, as records keep them."""
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": _commit(),
        "cpu": _cpu_name(),
        "n_cores": os.cpu_count(),
        "system": platform.platform(),
        "vector_bits": cpu.vector_bits(),
        "n_threads": n_threads,
        "versions": {"python": sys.version.split()[0], **{name: _version(name) for name in PACKAGES}},
    }


def peak_memory_mb() -> float:
    """Most memory (1e6 bytes) that this process has had resident."""
    try:
        # Not getrusage: on Linux its figure survives exec, so that a small child of a large parent has the parent's.
        with open("/proc/self/status") as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6
    except (OSError, StopIteration):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def anonymous_memory_mb() -> float:
    """Memory (1e6 bytes) that this process has to itself now, no file's pages among it; Linux alone tells."""
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) * 1024 / 1e6


def _commit() -> str | None:
    """What git calls the code that is measured, with a mark where it was changed since."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True)
    return done.stdout.strip() or None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return cpu.describe()["cpu"]
