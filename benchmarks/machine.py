"""The machine: its description in records, and pinning of processes to cores."""

import os
import platform
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import llvmlite.binding as llvm

from benchmarks import instruction_limit, processor
from fastmlp.codegen import cpu

PACKAGES = (
    "numpy", "scipy", "numba", "llvmlite", "scikit-learn", "torch", "jax", "jaxlib", "keras", "onnxruntime"
)  # fmt: skip
#: Variables that limit the instructions of fastmlp's kernels.
LIMITS = ("FASTMLP_VECTOR_BITS", "NUMBA_CPU_FEATURES", "NUMBA_CPU_NAME")
#: Read by OpenBLAS, MKL, OpenMP and Accelerate when they are loaded; XLA uses the CPU affinity.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def pin(n_threads: int) -> list[int]:
    """Restrict this process, and those that it starts, to n_threads cores and threads; return the cores.

    The list is empty if the operating system does not support it.
    """
    for name in THREAD_VARIABLES:
        os.environ[name] = str(n_threads)
    if not hasattr(os, "sched_setaffinity"):
        return []
    chosen = cores(n_threads, cpu.affinity())
    os.sched_setaffinity(0, chosen)
    return chosen


def cores(n: int, cpus: Iterable[int], topology: Path = cpu.TOPOLOGY) -> list[int]:
    """The n CPUs for n threads: of hardware threads that share a core, one each as long as there are cores.

    The last ones, since the first handles most interrupts.
    """
    n_before, ranked = Counter[str](), []
    for number in sorted(cpus, reverse=True):
        siblings = topology / f"cpu{number}" / "topology" / "thread_siblings_list"
        core = siblings.read_text() if siblings.exists() else str(number)
        ranked.append((n_before[core], -number))
        n_before[core] += 1
    return sorted(-negative for _, negative in sorted(ranked)[:n])


def describe(n_threads: int) -> dict:
    """Description of the machine, versions and threads, as stored in records."""
    found = processor.this_processor()
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": _commit(),
        "cpu": found.name,
        "family": found.family,
        "model": found.model,
        "stepping": found.stepping,
        "microarchitecture": found.microarchitecture,
        "instructions": processor.instructions(llvm.get_host_cpu_features()),
        "caches": processor.caches(),
        "limits": [name for name in LIMITS if os.environ.get(name)],
        "limited_to": instruction_limit.NAME if instruction_limit.is_active() else None,
        "n_cores": os.cpu_count(),
        "system": platform.platform(),
        "vector_bits": cpu.vector_bits(),
        "n_threads": n_threads,
        "versions": {"python": sys.version.split()[0], **{name: _version(name) for name in PACKAGES}},
    }


def _commit() -> str | None:
    """The checked-out commit, marked as dirty if files have changed since."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True)
    return done.stdout.strip() or None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
