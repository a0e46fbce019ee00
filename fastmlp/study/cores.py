"""Cores: how many this process may use. Knows the operating system alone."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


def available_cores() -> int:
    """Cores that this process may use: those of its affinity, or less where a container has less.

    Returns
    -------
    int
        At least 1.

    Examples
    --------
    >>> available_cores() >= 1
    True
    """
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([n_cores, *map(math.ceil, cgroup_limits(CGROUPS, Path("/proc/self/cgroup")))]))


def cgroup_limits(root: Path, membership: Path) -> Iterator[float]:
    """Limits of Linux's control groups, in cores: of this process's own group and of those above it.

    Parameters
    ----------
    root : pathlib.Path
        Where the groups lie.
    membership : pathlib.Path
        The file that names this process's group.

    Yields
    ------
    float
    """
    group = next((line[3:].strip("/") for line in _read(membership).splitlines() if line.startswith("0::")), "")
    for folder in (root / group, *(root / group).parents):
        if folder.is_relative_to(root):
            yield from _limit(_read(folder / "cpu.max").split())
    first = root / "cpu"  # version 1 has a tree for each resource
    yield from _limit([_read(first / "cpu.cfs_quota_us").strip(), _read(first / "cpu.cfs_period_us").strip()])


def _limit(words: list[str]) -> Iterator[float]:
    """Quota over period; without a limit the quota is ``max``, or -1."""
    if len(words) == 2 and all(word.isdecimal() for word in words):
        yield int(words[0]) / int(words[1])


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
