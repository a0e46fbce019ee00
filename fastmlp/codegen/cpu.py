"""What the machine can do, and the tile and block sizes that follow: features in, numbers out.

Pure arithmetic on the CPU's feature flags. Knows nothing of networks. What is here changes no result, since sums run in
one order whatever the width of a vector or the shape of a tile; but for `bf16_pays`, one rule on all machines.
"""

import math
import os
import platform
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import llvmlite.binding as llvm

from fastmlp.errors import ConfigError

LINE_BYTES: Final = 64
VECTOR_WIDTHS: Final = (512, 256, 128)
#: Where Linux mounts the file system of control groups.
CGROUPS = Path("/sys/fs/cgroup")

# The lines that scripts/tune_blocks.py searches and prints.
#: By the number of registers: rows of a tile that is 1, 2, ... vectors wide, the tallest first. Every accumulator is a
#: register, and beside them a tile needs one a column for the vectors, and one for the broadcast.
#: 32, AVX-512: Emerald Rapids, panels in L1, share of the tile's own peak: 6 x 4 and 12 x 2 0.94 to 0.98, 5 x 4 0.93,
#: 10 x 2 0.93. Genoa, epochs of three networks: 12 x 1, 12 x 2, 6 x 4 and 5 x 5 within 1 % of each other; 9 x 3 as the
#: widest, or 5 x 4, 4 to 8 % slower.
#: 16, AVX2: the tallest that fit; not measured. Nor is Arm, which takes the line of 32 with vectors of 128 bits.
TILE_HEIGHTS: Final = {
    32: ((12, 8, 4, 2, 1), (12, 8, 4, 2, 1), (8, 4, 2, 1), (6, 4, 2, 1)),
    16: ((8, 4, 2, 1), (6, 4, 2, 1)),
}
#: Cache lines in a row of a panel of the first layer: how much of it one block of the sweep updates and uses at once.
#: Fitting a panel into L1 (4 lines) matters less than starting fewer tiles. The paper's epoch, share of peak, for 2, 4,
#: 8, 16 and 24 lines: Emerald Rapids (48 KB of L1) 0.62, 0.69, 0.73, 0.75, 0.75. Genoa (32 KB), from 4 on: 0.75, 0.79,
#: 0.84, 0.83.
PANEL_LINES: Final = 16


@cache
def features() -> frozenset[str]:
    """Names of the features that kernels are compiled for, as LLVM spells them: the host's, or what Numba is told.

    A model's name is not trusted: virtual machines lie. ``NUMBA_CPU_FEATURES`` is Numba's own switch, "+a,-b".
    """
    told = os.environ.get("NUMBA_CPU_FEATURES", "")
    if told:
        return frozenset(word[1:] for word in told.split(",") if word.startswith("+"))
    return frozenset(name for name, present in llvm.get_host_cpu_features().items() if present)


def is_arm() -> bool:
    """Whether the host is an AArch64 machine."""
    return platform.machine().lower() in {"arm64", "aarch64"}


def has_fma() -> bool:
    """Whether fused multiply-adds are one instruction here; without it they are exact still, and very slow."""
    return is_arm() or "fma" in features()


@cache
def vector_bits() -> int:
    """Width of a vector in bits: what ``FASTMLP_VECTOR_BITS`` asks for, or else the widest that the CPU has.

    What it asks for in vain is refused by `check_vector_bits`, when kernels are wanted: an import should not fail.
    """
    asked = os.environ.get("FASTMLP_VECTOR_BITS", "")
    if asked in map(str, VECTOR_WIDTHS):
        return int(asked)
    return 512 if "avx512f" in features() else 256 if "avx2" in features() else 128


def check_vector_bits() -> None:
    """Refuse a ``FASTMLP_VECTOR_BITS`` that is no width; empty, it counts as unset.

    Raises
    ------
    ConfigError
        It is neither 512, 256, 128 nor empty.
    """
    asked = os.environ.get("FASTMLP_VECTOR_BITS", "")
    if asked and asked not in map(str, VECTOR_WIDTHS):
        raise ConfigError(f"FASTMLP_VECTOR_BITS is {asked!r}; it may be 512, 256 or 128, or be left unset")


@cache
def bf16_instructions() -> str:
    """What this CPU multiplies bf16 numbers with: ``"amx"``, ``"avx512bf16"``, or ``""`` for neither.

    Both are used with vectors of 512 bits alone, and with AVX512-BF16's conversions, which every CPU with AMX has so
    far. AMX comes first: its rate is eight times the other's.
    """
    if vector_bits() < 512 or "avx512bf16" not in features():
        return ""
    return "amx" if {"amx-tile", "amx-bf16"} <= features() else "avx512bf16"


def n_registers() -> int:
    """Vector registers that a tile may count on: 32 with AVX-512 and on Arm, 16 with AVX2."""
    return 32 if vector_bits() == 512 or is_arm() else 16


def tile_heights() -> tuple[tuple[int, ...], ...]:
    """Rows that a register tile may have, the tallest first, for tiles 1, 2, ... vectors wide."""
    return TILE_HEIGHTS[n_registers()]


def panel_bytes() -> int:
    """Bytes of one row of a panel of the first layer."""
    return PANEL_LINES * LINE_BYTES


def row_stride(n: int, itemsize: int) -> int:
    """Elements from one row of `n` to the next: whole cache lines, and an odd number of them.

    An even number sends the rows of a matrix into a fraction of the cache's sets; at multiples of 4096 bytes (3072
    inputs) into one in 64.

    Examples
    --------
    >>> row_stride(100, 4), row_stride(3072, 4)
    (112, 3088)
    """
    n_lines = -(-n * itemsize // LINE_BYTES)
    return (n_lines | 1) * LINE_BYTES // itemsize


def describe() -> dict[str, str]:
    """What `fastmlp info` prints about the machine: name, features, vector width, tiles."""
    check_vector_bits()
    heights = tile_heights()
    known = ("fma", "avx2", "avx512f", "avx512bf16", "amx-tile", "neon", "sve")
    return {
        "cpu": f"{llvm.get_host_cpu_name()} ({platform.machine()}), {os.cpu_count()} cores",
        "cpu features": " ".join(name for name in known if name in features()),
        "vector width": f"{vector_bits()} bits, {n_registers()} registers{'' if has_fma() else '; no FMA: slow'}",
        "register tile": f"{heights[-1][0]} rows x {len(heights)} vectors",
    }


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
