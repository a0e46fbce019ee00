"""Search tile shapes and panel sizes for this CPU, and print the lines for cpu.py: python scripts/tune_blocks.py

A candidate is a copy of the package with one more line in its cpu.py, and has a process and kernels of its own. It
trains in turn with the unchanged package, and is better if it is faster by 2 % plus the noise, which is the difference
between the package and an unchanged copy. FASTMLP_VECTOR_BITS=256 searches the values for AVX2 on a CPU with AVX-512.
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

from fastmlp.codegen import cpu

PACKAGE = Path(cpu.__file__).parents[1]
#: Layer sizes, batch size, number of steps; tens of milliseconds each.
NETWORKS = {
    "64-100-100-10": ((64, 100, 100, 10), 64, 400),
    "784-128-10": ((784, 128, 10), 128, 60),
    "3072-100-100-10": ((3072, 100, 100, 10), 64, 40),
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
    """Names and values for cpu.py: tile heights, for tiles of up to six vectors in width, and panel sizes.

    Tiles are as high as the registers allow, or one or two rows less.
    """
    n_registers = cpu.n_registers()
    for width in range(1, 7):
        for less in (0, 1, 2):
            tops = [min(12, (n_registers - n - 1) // n) - less for n in range(1, width + 1)]
            if tops[-1] >= 2:
                heights = tuple((top, *(h for h in (8, 4, 2, 1) if h < top)) for top in tops)
                yield "TILE_HEIGHTS", repr(cpu.TILE_HEIGHTS | {n_registers: heights})
    for lines in (4, 8, 12, 16, 24, 32):
        yield "PANEL_LINES", str(lines)


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n-pairs", type=int, default=15)
    parser.add_argument("--first", type=int, help="try the first few candidates only")
    flags = parser.parse_args()
    best: dict[str, tuple[float, str]] = {}
    print("speed relative to this package: " + ", ".join(NETWORKS))
    with tempfile.TemporaryDirectory() as temporary:
        base = copy_package(Path(temporary, "base"))
        noise = speeds(base, copy_package(Path(temporary, "copy")), flags.n_pairs)
        print(*(f"{speed:.3f}" for speed in noise), "unchanged copy", flush=True)
        threshold = 1.02 + max(abs(speed - 1) for speed in noise)
        for i, change in enumerate(islice(candidates(), flags.first)):
            ratios = speeds(base, copy_package(Path(temporary, str(i)), change), flags.n_pairs)
            print(*(f"{speed:.3f}" for speed in ratios), *change, flush=True)
            best[change[0]] = max(best.get(change[0], (threshold, "")), (geometric_mean(ratios), change[1]))
    for name, (speed, value) in best.items():
        verdict = (
            f"{name}: Final = {value}  # {speed:.3f}"
            if value
            else f"# {name} stays: no candidate is {threshold:.3f} times as fast"
        )
        print(verdict)


if __name__ == "__main__":
    main()
