"""Soak test: train, save, load and predict repeatedly, to find leaks of memory and files; then start many processes.

The first part does two thousand short runs and prints the memory and the number of open files of the process. The
second starts eight processes at once on an empty kernel cache: all must finish with the same weights.
"""

import argparse
import gc
import os
import resource
import subprocess
import sys
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path
from time import perf_counter

import fastmlp
from fastmlp.study.run import digest

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
FIRST_RUN = """
import fastmlp
from fastmlp.study.run import digest
digits = fastmlp.load_data("digits")
print(digest(fastmlp.train(digits, fastmlp.Config(hidden=(20,), n_epochs=1)).model))
"""


def resident_mb() -> float:
    """Resident memory in MB; the peak on systems that do not report the current value."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * PAGE_BYTES / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def n_open_files() -> int:
    folder = Path("/proc/self/fd") if Path("/proc/self/fd").exists() else Path("/dev/fd")
    return len(list(folder.iterdir()))


def soak(n_runs: int, folder: Path) -> None:
    """Train, save, load and predict n_runs times, with some studies and diverging runs in between."""
    digits = fastmlp.load_data("digits")
    print(f"{'runs':>6}{'MB':>9}{'files':>7}{'seconds':>9}")
    start = perf_counter()
    for number in range(n_runs + 1):
        if number in (0, 100) or number % max(1, n_runs // 4) == 0:
            gc.collect()
            print(f"{number:6}{resident_mb():9.1f}{n_open_files():7}{perf_counter() - start:9.1f}", flush=True)
        optimizer = ("sgd", "adam")[number % 2]
        config = fastmlp.Config(hidden=(10 + number % 7,), optimizer=optimizer, n_epochs=1, seed=number)
        model = fastmlp.train(digits, config.replace(learning_rate=0.01)).model
        model.save(folder / "model.npz")
        fastmlp.load_model(folder / "model.npz").predict(digits.X_test)
        if number % 50 == 0:
            fastmlp.repeat(digits, config, 2, n_jobs=2, out=folder / f"study-{number}")
            fastmlp.load_study(folder / f"study-{number}")
        with suppress(fastmlp.DivergedError):
            fastmlp.train(digits, config.replace(activation="relu", optimizer="sgd", learning_rate=1e30))


def start_together(n_processes: int, folder: Path) -> bool:
    """Start processes at once on an empty kernel cache; whether all finished with the weights that this one gets."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder / "cache"), "TMPDIR": str(folder)}
    command, start = [sys.executable, "-c", FIRST_RUN], perf_counter()
    running = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(n_processes)
    ]
    digests = [process.communicate()[0].strip() for process in running]
    finished = sum(process.returncode == 0 for process in running)
    seconds, files = perf_counter() - start, [path.name for path in folder.rglob("*") if path.is_file()]
    found = f"{len(set(digests))} different weights, {len(files)} files left"
    print(f"{finished} of {n_processes} processes finished in {seconds:.1f} s, {found}")
    digits = fastmlp.load_data("digits")
    expected = digest(fastmlp.train(digits, fastmlp.Config(hidden=(20,), n_epochs=1)).model)
    return finished == n_processes and set(digests) == {expected} and all(name.endswith(".pickle") for name in files)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n-runs", type=int, default=2000)
    parser.add_argument("--n-processes", type=int, default=8)
    given = parser.parse_args()
    warnings.simplefilter("error")
    with tempfile.TemporaryDirectory() as folder:
        soak(given.n_runs, Path(folder))
    if not given.n_processes:
        return 0
    with tempfile.TemporaryDirectory() as folder:
        return 0 if start_together(given.n_processes, Path(folder)) else 1


if __name__ == "__main__":
    sys.exit(main())
