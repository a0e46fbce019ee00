"""CPU features and available cores, and the vector width, tile sizes and block sizes chosen by them.

None of these sizes changes a result: sums have one order for every vector width and tile shape. llvmlite, which knows
the features, is imported when they are asked for, which ``import fastmlp`` does not do.
"""

import math
import os
import platform
from functools import cache
from pathlib import Path
from typing import Final

from fastmlp.errors import ConfigError
from fastmlp.io.regular_file import read_text

LINE_BYTES: Final = 64
VECTOR_WIDTHS: Final = (512, 256, 128)
#: Mount point of Linux's control groups.
CGROUPS = Path("/sys/fs/cgroup")
#: Linux's description of the CPUs, and of the caches of the first.
TOPOLOGY = Path("/sys/devices/system/cpu")
CACHES = TOPOLOGY / "cpu0" / "cache"

# scripts/tune_blocks.py searches the values of the following constants but L2_BYTES, and prints lines for this file.
# "Zen 5" is an EPYC with 48 KiB of L1 and 1 MiB of L2 per core. "Zen 5, AVX2 code" is that CPU, limited to 16 vectors
# of 256 bits: a second opinion. No line is a measurement of a CPU with AVX2 alone.
#: By number of vector registers: heights of a register tile that is 1, 2, ... vectors wide, the tallest first. A tile
#: needs one register per accumulator, one per vector of its width (a single row takes its vectors from memory), and one
#: for the broadcast.
#: A single row has tiles of up to eight vectors. Zen 5, one sample's prediction by 64-100-100-10 and by
#: 3072-100-100-10: 0.96 to 0.81 and 14.4 to 13.2 us with AVX-512, 1.18 to 0.84 and 23.9 to 14.9 us as AVX2 code.
#: 32, AVX-512. Emerald Rapids, panels in L1, share of the tile's own peak: 6 x 4 and 12 x 2 0.94 to 0.98, 5 x 4 0.93,
#: 10 x 2 0.93. Genoa, epochs of three networks: 12 x 1, 12 x 2, 6 x 4 and 5 x 5 within 1 % of each other; 9 x 3 as the
#: widest, or 5 x 4, 4 to 8 % slower. Zen 5: more heights, or 5 x 5, within 1 %.
#: 16, AVX2. Zen 5, AVX2 code, epochs of 64-32-10 and 64-100-100-10: 4 x 3 beside 6 x 2 is 2 % faster than 6 x 2 alone.
#: Layers of 97 and 61 neurons: the odd heights 2 % faster.
#: Arm, not measured, has the heights of 32 registers, with vectors of 128 bits.
TILE_HEIGHTS: Final = {
    32: ((12, 8, 4, 2, 1), (12, 8, 4, 2, 1), (8, 4, 2, 1), (6, 4, 2, 1), (1,), (1,), (1,), (1,)),
    16: ((12, 8, 6, 4, 3, 2, 1), (6, 5, 4, 3, 2, 1), (4, 3, 2, 1), (1,), (1,), (1,), (1,), (1,)),
}
#: Rows of weights that are updated, then used: their panel (12 KB) is still in L1 when the forward product reads it.
#: Whole tiles of 12, 6 and 4 rows. Zen 5, AVX2 code: with 8 rows, a tile of 6 and one of 2, epochs take 1.08 to 1.19
#: times as long; with 24 the same time.
BLOCK_ROWS: Final = 12
#: Greatest width of a panel of the first layer's weights, in cache lines: the columns that are updated, then used. That
#: a panel fits into L1 (4 lines) matters less than that fewer tiles are started. The paper's epoch, share of peak, for
#: 2, 4, 8, 16 and 24 lines: Emerald Rapids (48 KB of L1) 0.62, 0.69, 0.73, 0.75, 0.75. Genoa (32 KB), from 4 lines on:
#: 0.75, 0.79, 0.84, 0.83. Zen 5, AVX2 code, from 4 lines on: 0.79, 0.77, 0.78, 0.81.
PANEL_LINES: Final = 16
#: By vector width, the steps of K that a product takes at once, and the rows of C: a strip of B that stays in L1 (24 KB
#: for 256 steps of three vectors of 256 bits), or in L2 for 512 bits, and a block of A that stays in L2 (192 KB in
#: float32). Zen 5, hidden layers of 2048 neurons, times as fast as without blocks: AVX2 code 1.2 to 1.4 (128 and 192
#: steps alike, 512 steps 1.2 to 1.3), AVX-512 1.1. Layers of 1024 neurons or fewer: within 2 %.
PRODUCT_STEPS: Final = {512: 512, 256: 256, 128: 256}
PRODUCT_ROWS: Final = 192
#: Whether the weights of a block are prefetched while their gradient is computed. Emerald Rapids: 2 % of the paper's
#: epoch. Zen 5: 2 % with weights that come from L3 (3072-1024-1024-10); -1 to -2 % with weights in L2 or L1 (AVX-512),
#: within 1 % (AVX2 code).
PREFETCH_WEIGHTS: Final = True
#: Bytes of a core's L2 cache where the operating system does not tell: those of Zen 1 to Zen 3.
L2_BYTES: Final = 512 << 10


@cache
def features() -> frozenset[str]:
    """LLVM's names of the CPU features that kernels are compiled for: the host's, or those of ``NUMBA_CPU_FEATURES``.

    That variable is Numba's own, in the form "+a,-b". The name of the CPU's model is not used: virtual machines may
    report a wrong one.
    """
    variable = os.environ.get("NUMBA_CPU_FEATURES", "")
    if variable:
        return frozenset(word[1:] for word in variable.split(",") if word.startswith("+"))
    import llvmlite.binding as llvm

    return frozenset(name for name, present in llvm.get_host_cpu_features().items() if present)


def is_arm() -> bool:
    """Whether the host is an AArch64 machine."""
    return platform.machine().lower() in {"arm64", "aarch64"}


def has_fma() -> bool:
    """Whether the CPU has fused multiply-adds; without them they are emulated, exactly but very slowly."""
    return is_arm() or "fma" in features()


@cache
def vector_bits() -> int:
    """Vector width in bits: that of ``FASTMLP_VECTOR_BITS``, or the widest of the CPU where it is unset.

    An invalid value is ignored here, since an import should not fail. `check_vector_bits` refuses it before kernels are
    loaded or compiled.
    """
    value = os.environ.get("FASTMLP_VECTOR_BITS", "")
    if value in map(str, VECTOR_WIDTHS):
        return int(value)
    return 512 if "avx512f" in features() else 256 if "avx2" in features() else 128


def check_vector_bits() -> None:
    """Refuse an invalid value of ``FASTMLP_VECTOR_BITS``; an empty one counts as unset.

    Raises
    ------
    ConfigError
        If it is neither 512, 256, 128 nor empty.
    """
    value = os.environ.get("FASTMLP_VECTOR_BITS", "")
    if value and value not in map(str, VECTOR_WIDTHS):
        raise ConfigError(f"FASTMLP_VECTOR_BITS: expected 512, 256, 128 or no value, got {value!r}")


@cache
def bf16_instructions() -> str:
    """The CPU's instructions for bf16 products: ``"amx"``, ``"avx512bf16"``, or ``""`` for neither.

    Both are used only with vectors of 512 bits and with the conversions of AVX512-BF16, which every CPU with AMX has so
    far. AMX is preferred: its throughput is eight times that of AVX512-BF16.
    """
    if vector_bits() < 512 or "avx512bf16" not in features():
        return ""
    return "amx" if {"amx-tile", "amx-bf16"} <= features() else "avx512bf16"


def n_registers() -> int:
    """Number of vector registers: 32 with AVX-512 and on Arm, 16 with AVX2."""
    return 32 if vector_bits() == 512 or is_arm() else 16


def tile_heights() -> tuple[tuple[int, ...], ...]:
    """Heights of register tiles that are 1, 2, ... vectors wide, the tallest first."""
    return TILE_HEIGHTS[n_registers()]


@cache
def l2_bytes() -> int:
    """Bytes of a core's L2 cache as Linux reports them, otherwise `L2_BYTES`."""
    for folder in CACHES.glob("index*"):
        size = _read(folder / "size").strip()
        if _read(folder / "level").strip() == "2" and size.endswith("K") and size[:-1].isdecimal():
            return int(size[:-1]) << 10
    return L2_BYTES


def panel_bytes(batch_size: int) -> int:
    """Bytes of one row of a panel of the first layer: `PANEL_LINES`, or fewer lines where batches are large.

    A panel of the previous and one of the next batch are read once for each block of weights, so both should stay in
    half of L2, but a panel has 4 lines at least. Zen 5 with 1 MiB of L2, AVX2 code, in comparison with 16 lines:
    3072-512-10 in batches of 512 with 8 lines 1.07 times as fast, 3072-1024-1024-10 in batches of 1024 with 4 lines
    1.09 times.

    Examples
    --------
    >>> panel_bytes(1) // LINE_BYTES
    16
    """
    n_lines = l2_bytes() // 2 // (2 * batch_size * LINE_BYTES)
    return min(PANEL_LINES, max(4, n_lines // 4 * 4)) * LINE_BYTES


def row_stride(n: int, itemsize: int) -> int:
    """Row stride, in elements, of a matrix of `n` columns: an odd number of whole cache lines.

    With an even number, the rows of a matrix share a fraction of the cache's sets; with a multiple of 4096 bytes (3072
    inputs), one in 64.

    Examples
    --------
    >>> row_stride(100, 4), row_stride(3072, 4)
    (112, 3088)
    """
    n_lines = -(-n * itemsize // LINE_BYTES)
    return (n_lines | 1) * LINE_BYTES // itemsize


def describe() -> dict[str, str]:
    """Name, features, vector width and tiles of this machine, for ``fastmlp info``."""
    import llvmlite.binding as llvm

    check_vector_bits()
    tiles = [f"{heights[0]} x {n}" for n, heights in enumerate(tile_heights(), 1) if len(heights) > 1]
    known = ("fma", "avx2", "avx512f", "avx512bf16", "amx-tile", "neon", "sve")
    return {
        "cpu": f"{llvm.get_host_cpu_name()} ({platform.machine()}), {os.cpu_count()} cores",
        "cpu features": " ".join(name for name in known if name in features()),
        "vector width": f"{vector_bits()} bits, {n_registers()} registers{'' if has_fma() else '; no FMA: slow'}",
        "register tiles": f"{', '.join(tiles)} (rows x vectors)",
    }


def available_cores() -> int:
    """Number of CPUs that this process may use: those of its affinity, or fewer by a container's quota.

    A quota of 1.5 cores counts as 2, as in joblib: so many runs, which are independent, use all of it.

    Returns
    -------
    int
        At least 1.

    Examples
    --------
    >>> available_cores() >= 1
    True
    """
    return max(1, min([len(affinity()), *map(math.ceil, cgroup_limits())]))


def affinity() -> frozenset[int]:
    """Numbers of the CPUs that this process may run on; hardware threads of one core are several CPUs.

    Returns
    -------
    frozenset of int
        All CPUs where the operating system has no affinity.

    Examples
    --------
    >>> len(affinity()) >= 1
    True
    """
    return frozenset(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1))


@cache
def physical_cores(cpus: frozenset[int], topology: Path = TOPOLOGY) -> int:
    """Number of cores that some CPUs belong to, as Linux describes them; otherwise the number of the CPUs.

    Parameters
    ----------
    cpus : frozenset of int
        Numbers of CPUs.
    topology : pathlib.Path
        Folder with a description of each CPU.

    Returns
    -------
    int
        At most the number of CPUs.

    Examples
    --------
    >>> physical_cores(frozenset(range(4)), Path("not a folder"))
    4
    """
    siblings = (_read(topology / f"cpu{cpu}" / "topology" / "thread_siblings_list").strip() for cpu in cpus)
    return len({names or cpu for names, cpu in zip(siblings, cpus, strict=True)})


@cache
def cgroup_limits(root: Path = CGROUPS, membership: Path = Path("/proc/self/cgroup")) -> tuple[float, ...]:
    """CPU limits of Linux's control groups, in cores: of this process's own groups and of their parents.

    They are read once per process, since a number of threads is asked for before every prediction.

    Parameters
    ----------
    root : pathlib.Path
        Mount point of the control groups.
    membership : pathlib.Path
        The file that names this process's groups.

    Returns
    -------
    tuple of float
        One limit per group that has one.
    """
    words = [line.split(":", 2) for line in _read(membership).splitlines() if line.count(":") >= 2]
    groups = {name: group.strip("/") for _, names, group in words for name in names.split(",")}
    limits = [_limit(_read(folder / "cpu.max").split()) for folder in _with_parents(root, groups.get("", ""))]
    for folder in _with_parents(root / "cpu", groups.get("cpu", "")):  # version 1 has one tree per resource
        limits.append(_limit([_read(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]))
    return tuple(limit for limit in limits if limit is not None)


def _with_parents(root: Path, group: str) -> list[Path]:
    """The folder of a control group, and those of its parents up to the root."""
    return [folder for folder in (root / group, *(root / group).parents) if folder.is_relative_to(root)]


def _limit(words: list[str]) -> float | None:
    """Quota divided by period; None for a quota of ``max`` or -1, and for a file that is missing."""
    if len(words) == 2 and all(word.isdecimal() for word in words) and int(words[1]) > 0:
        return int(words[0]) / int(words[1])
    return None


def _read(path: Path) -> str:
    try:
        return read_text(path)
    except OSError:
        return ""
