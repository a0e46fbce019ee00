"""Check a wheel that carries compiled kernels: install it, and train from it with an empty cache.

It must compile nothing and write nothing, for any setting in any precision, and train the same bits as the source tree.
Where it carries no kernels for a vector width, it must compile them and train the same bits. The seconds from the start
of Python to the end of the first training are printed. Needs pip, and FASTMLP_PRECOMPILE=all when the wheel is built.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

from fastmlp.codegen import cpu

ROOT = Path(__file__).resolve().parents[1]
#: Trains the default network for an epoch, and prints the digest of its weights and the package.
TRAIN = """
import numpy as np
import fastmlp
random = np.random.default_rng(0)
X, y = random.random((1000, 64)), np.arange(1000) % 10
data, names = fastmlp.Dataset(X[:800], y[:800], X[800:], y[800:]), ("float32", "float64")
models = [fastmlp.train(data, fastmlp.Config(n_epochs=1, precision=name)).model for name in names[:{n_precisions}]]
print(*(fastmlp.study.run.digest(model) for model in models), fastmlp.__file__)
"""
N_STARTS = 5


def run(folder: Path, cache: Path, *arguments: object, **variables: str) -> str:
    """Standard output of Python with the package of a folder and a cache; other caches are out of reach."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("NUMBA_", "FASTMLP_"))}
    environment |= {"PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1", "NUMBA_CACHE_DIR": str(cache), **variables}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, env=environment, cwd=cache, check=True, stdout=subprocess.PIPE, text=True).stdout


def trained(folder: Path, cache: Path, n_precisions: int = 2, **variables: str) -> list[str]:
    """Digests of the weights that a folder's package trains in float32, and float64."""
    *digests, file = run(folder, cache, "-c", TRAIN.format(n_precisions=n_precisions), **variables).split()
    if not Path(file).is_relative_to(folder):
        raise ImportError(f"fastmlp: expected the package in {folder}, got {file}")
    return digests


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path)
    wheel = parser.parse_args().wheel.resolve()
    with tempfile.TemporaryDirectory() as name:
        installed, cache, other = (Path(name, part) for part in ("installed", "cache", "other"))
        cache.mkdir()
        other.mkdir()
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", installed, wheel]
        subprocess.run(pip, check=True)
        seconds = []
        for _ in range(N_STARTS):
            start = perf_counter()
            trained(installed, cache, n_precisions=1)
            seconds.append(perf_counter() - start)
        counts = json.loads(run(installed, cache, ROOT / "benchmarks" / "compilation.py", "everything"))
        digests, written = trained(installed, cache), list(cache.iterdir())
        ref = trained(ROOT, other)
        bits = "256" if cpu.vector_bits() == 128 else "128"
        compiled = trained(installed, other, FASTMLP_VECTOR_BITS=bits)
    print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.2f} MB")
    print(f"start of Python to the end of the first training: {median(seconds):.2f} s, median of {N_STARTS}")
    print(f"{counts['runs']} trainings compiled {counts['functions']} functions, {len(written)} files were written")
    print(f"weights of the source tree: {'equal' if digests == ref else 'different'}")
    print(f"weights of kernels for {bits} bits, which were compiled: {'equal' if compiled == ref else 'different'}")
    return 0 if counts["functions"] == 0 and not written and digests == compiled == ref else 1


if __name__ == "__main__":
    sys.exit(main())
