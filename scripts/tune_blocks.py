"""Search tiles, blocks, panels and prefetching for this CPU, and print the lines for cpu.py.

    python scripts/tune_blocks.py

A candidate is a copy of the package with one more line in its cpu.py, and has a process and kernels of its own. On one
core, it trains in turn with the unchanged package. It is better if the geometric mean over the networks is higher by
2 % plus the noise, which is the difference between the package and an unchanged copy, and no network is slower by more
than the noise. FASTMLP_VECTOR_BITS=256, or NUMBA_CPU_FEATURES without AVX-512, searches values for AVX2 on a CPU with
AVX-512: a second opinion, not a measurement of a CPU with AVX2, and the lines say so.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from statistics import geometric_mean, median

import llvmlite.binding as llvm

from fastmlp.codegen import cpu

PACKAGE = Path(cpu.__file__).parents[1]
#: Layer sizes, batch size, number of steps; tens of milliseconds each. The last two are wider than a core's caches.
NETWORKS = {
    "64-32-10": ((64, 32, 10), 32, 2000),
    "64-100-100-10": ((64, 100, 100, 10), 64, 400),
    "97-97-61-10": ((97, 97, 61, 10), 61, 400),
    "784-128-10": ((784, 128, 10), 128, 60),
    "3072-100-100-10": ((3072, 100, 100, 10), 64, 40),
    "3072-1024-10": ((3072, 1024, 10), 512, 2),
    "64-2048-2048-10": ((64, 2048, 2048, 10), 64, 4),
}
TRAINER = """
import json, sys
import numpy as np, fastmlp
fastmlp.warmup()
runs = {}
for name, (sizes, batch_size, n_steps) in json.loads(sys.argv[1]).items():
    X = np.random.default_rng(0).integers(0, 256, (n_steps * batch_size, sizes[0]), dtype=np.uint8)
    dataset = fastmlp.Dataset(X, X[:, 0] % sizes[-1], X[:8], X[:8, 0] % sizes[-1])
    runs[name] = dataset, fastmlp.Config(hidden=sizes[1:-1], batch_size=batch_size, n_epochs=2, learning_rate=0.1)
print(flush=True)
for line in sys.stdin:
    print(min(row["train_s"] for row in fastmlp.train(*runs[line.strip()]).history), flush=True)
"""


def candidates() -> Iterator[tuple[str, str]]:
    """Names of constants in cpu.py, and other values for them."""
    n_registers, bits = cpu.n_registers(), cpu.vector_bits()
    values: dict[str, list[object]] = {
        "TILE_HEIGHTS": [cpu.TILE_HEIGHTS | {n_registers: tiles} for tiles in tile_tables(n_registers)],
        "BLOCK_ROWS": [6, 8, 12, 16, 24],
        "PANEL_LINES": [4, 8, 12, 16, 24, 32],
        "PRODUCT_STEPS": [cpu.PRODUCT_STEPS | {bits: steps} for steps in (128, 192, 256, 384, 512, 1024)],
        "PRODUCT_ROWS": [96, 192, 384],
        "PREFETCH_WEIGHTS": [False, True],
    }
    for name, others in values.items():
        for value in others:
            if value != getattr(cpu, name):
                yield name, repr(value)


def tile_tables(n_registers: int) -> Iterator[tuple[tuple[int, ...], ...]]:
    """Tile heights for tiles of up to six vectors in width; wider ones have a single row, as in cpu.py.

    The tallest are as high as the registers allow, or one row less. Below them are all heights up to 6, or powers of
    two.
    """
    widest = len(cpu.TILE_HEIGHTS[n_registers])
    for width in range(1, 7):
        for less in (0, 1):
            for lower in ((8, 6, 5, 4, 3, 2, 1), (8, 4, 2, 1)):
                tops = [min(12, (n_registers - n - 1) // n) - less for n in range(1, width + 1)]
                if tops[-1] >= 2:
                    tiles = [(top, *(h for h in lower if h < top)) for top in tops]
                    yield (*tiles, *[(1,)] * (widest - width))


def copy_package(folder: Path, change: tuple[str, str] | None = None) -> Path:
    """Copy the package into a folder, with one line more at the end of its cpu.py if a change is given."""
    shutil.copytree(PACKAGE, folder / "fastmlp", ignore=shutil.ignore_patterns("__pycache__"))
    if change is not None:
        with (folder / "fastmlp" / "codegen" / "cpu.py").open("a", encoding="utf-8") as file:
            file.write("\n{} = {}\n".format(*change))
    return folder


@contextmanager
def trainer(folder: Path) -> Iterator[Callable[[str], float]]:
    """A process with the package of a folder; yields a function that trains a network by name and returns seconds."""
    command = [sys.executable, "-c", TRAINER, json.dumps(NETWORKS)]
    environment = {**os.environ, "PYTHONPATH": str(folder), "NUMBA_CACHE_DIR": str(folder)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=folder, env=environment, **pipes) as process:

        def train(network: str) -> float:
            print(network, file=process.stdin, flush=True)
            return float(process.stdout.readline())

        process.stdout.readline()
        yield train
        process.stdin.close()


def speeds(base: Path, other: Path, n_pairs: int) -> list[float]:
    """Speed of the other package relative to base, per network: medians over pairs of epochs."""
    with trainer(base) as ours, trainer(other) as theirs:
        pairs = {name: [(ours(name), theirs(name)) for _ in range(n_pairs)] for name in NETWORKS}
    return [median(a / b for a, b in pairs[name]) for name in NETWORKS]


def pin_to_a_core() -> None:
    """Restrict this process, and those that it starts, to the last of its cores, if the operating system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def measured_on() -> str:
    """The CPU and the vectors that the kernels are compiled for, for the comment of a line."""
    code = f"{cpu.vector_bits()}-bit vectors, {cpu.n_registers()} registers"
    is_limited = bool(llvm.get_host_cpu_features().get("avx512f")) and cpu.n_registers() < 32
    return f"{cpu.describe()['cpu']}, {code}" + (" on a CPU with AVX-512: a second opinion" if is_limited else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n-pairs", type=int, default=9)
    names = list(dict.fromkeys(name for name, _ in candidates()))
    only = f"constants to search, by default all: {', '.join(names)}"
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=only)
    parser.add_argument("--first", type=int, help="try the first few candidates only")
    flags = parser.parse_args()
    pin_to_a_core()
    tried = [change for change in candidates() if not flags.only or change[0] in flags.only]
    best: dict[str, tuple[float, str]] = {}
    print(f"{measured_on()}\nspeed relative to this package: " + ", ".join(NETWORKS))
    with tempfile.TemporaryDirectory() as temporary:
        base = copy_package(Path(temporary, "base"))
        unchanged = speeds(base, copy_package(Path(temporary, "copy")), flags.n_pairs)
        print(*(f"{speed:.3f}" for speed in unchanged), "unchanged copy", flush=True)
        noise = max(abs(speed - 1) for speed in unchanged)
        for i, change in enumerate(islice(tried, flags.first)):
            ratios = speeds(base, copy_package(Path(temporary, str(i)), change), flags.n_pairs)
            print(*(f"{speed:.3f}" for speed in ratios), *change, flush=True)
            found = geometric_mean(ratios), change[1]
            is_better = found[0] > 1.02 + noise and min(ratios) > 1 - noise
            best[change[0]] = max(best.get(change[0], (1.0, "")), found if is_better else (1.0, ""))
    for name, (speed, value) in best.items():
        comment = f"# {speed:.3f} on {measured_on()}"
        print(f"{name}: Final = {value}  {comment}" if value else f"# {name} stays: no candidate is better")


if __name__ == "__main__":
    main()
