"""Benchmark of the first run: ``python -m benchmarks first-run``, from the start of a process to its first prediction.

Each measurement is a new process on one core, which imports a library, trains a network for one epoch and predicts one
sample: a program of `benchmarks.first_run_worker`. Caches of compiled code are in an empty folder of its own, unless
they are to be filled. The programs take turns, after each has been run once, so that all find the libraries' files in
memory and their bytecode compiled.

A record is ``{"machine": ..., "cases": {case: {"network", "batch_size", "n_samples", "runs": {contender: {"label",
"import_s", "train_s", "predict_s", "cpu_s"}}}}, "compiled": {label: {set: Counts}}}``. The times, one per round, are
those from the start of the process to the end of each part; CPU seconds are those of the process and of all that it
started, which other load on the machine changes less. Counts are those of `benchmarks.compilation`; their label is
empty for this checkout.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from benchmarks import instruction_limit, machine
from benchmarks.case import CASES, make_workload
from benchmarks.paired import ROOT, Worker, WorkerError
from benchmarks.record import reason_unavailable

#: The networks, with fewer samples, in whole batches: an epoch takes milliseconds.
N_SAMPLES = 5120
NETWORKS = {name: replace(CASES[name], n_samples=N_SAMPLES) for name in ("tiny", "mnist")}
#: Variables that name folders of compiled code; temporary files are fastmlp's second choice, and others' first.
CACHES = ("NUMBA_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "TMPDIR")
#: Variables by which caches of compiled code are shared with earlier processes.
SHARED_CACHES = ("JAX_COMPILATION_CACHE_DIR", "TORCHINDUCTOR_FX_GRAPH_CACHE")
#: Sets of runs whose compiled code is counted.
COUNTED = ("default_run", "all_optimizers", "everything")

_print = partial(print, flush=True)


class Contender(NamedTuple):
    """A row of the table: its label, its program, and whether its caches are filled."""

    label: str
    program: str
    is_cached: bool = False


CONTENDERS = {
    "fastmlp": Contender("**fastmlp**, nothing cached", "fastmlp"),
    "fastmlp_cached": Contender("**fastmlp**, kernels cached", "fastmlp", is_cached=True),
    "estimator": Contender("fastmlp, estimator, float64, nothing cached", "estimator"),
    "sklearn": Contender("scikit-learn", "sklearn"),
    "jax": Contender("JAX", "jax"),
    "torch": Contender("PyTorch", "torch"),
    "torch_compiled": Contender("PyTorch, compiled, nothing cached", "torch_compiled"),
}
#: Programs of fastmlp, which are measured with other checkouts as well.
OURS = ("fastmlp", "estimator")
#: Parts of a program, and all times of a record.
PARTS = ("import_s", "train_s", "predict_s")
TIMES = (*PARTS, "cpu_s")
#: Largest distance of the sum of predicted probabilities from 1.
MAX_ERROR = 1e-5


class Side(NamedTuple):
    """A contender with the folder that fastmlp is imported from, and that of its filled caches, if any."""

    contender: Contender
    package: Path
    cache: Path | None


def run(against: Collection[str], checkouts: Iterable[Path], n_rounds: int) -> dict:
    """Measure the given contenders, or all, and fastmlp's in other checkouts as well; return the record.

    A contender whose library is missing is left out with a note.
    """
    machine.pin(1)
    record: dict = {"machine": machine.describe(1)}
    chosen = {name: contender for name, contender in CONTENDERS.items() if name in against or not against}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        packages = {label: _copy(path, folder / f"package {label}") for label, path in _labelled(checkouts).items()}
        for network, case in NETWORKS.items():
            make_workload(case, 1)[0].save(folder / network)
        sides = {key: side for key, side in _sides(chosen, packages).items() if _is_available(side, folder)}
        record["cases"] = _measure(sides, folder, n_rounds)
        record["compiled"] = {
            label: {kind: counts([kind], package)[0] for kind in COUNTED} for label, package in packages.items()
        }
    return record


def _labelled(checkouts: Iterable[Path]) -> dict[str, Path]:
    """Folders of fastmlp by label, which is empty for this checkout."""
    return {"": ROOT} | {path.resolve().name: path for path in checkouts}


def _copy(checkout: Path, folder: Path) -> Path:
    """Copy the package of a checkout, or of a folder where a wheel is installed, without what lies beside it."""
    shutil.copytree(checkout / "fastmlp", folder / "fastmlp")
    return folder


def _sides(chosen: Mapping[str, Contender], packages: Mapping[str, Path]) -> dict[str, Side]:
    sides = {}
    for key, contender in chosen.items():
        for label, package in packages.items():
            if label and contender.program not in OURS:
                continue
            cache = package / "caches" if contender.is_cached else None
            shown = f"{contender.label.replace('*', '')}: {label}" if label else contender.label
            sides[f"{key}: {label}" if label else key] = Side(contender._replace(label=shown), package, cache)
    return sides


def _is_available(side: Side, folder: Path) -> bool:
    """Run a contender's program once, by which caches that are to be filled are filled."""
    try:
        seconds(side, folder, next(iter(NETWORKS)))
    except WorkerError as error:
        if (reason := reason_unavailable(error)) is None:
            raise
        _print(f"{side.contender.label} is left out: {reason}")
        return False
    return True


def _measure(sides: Mapping[str, Side], folder: Path, n_rounds: int) -> dict[str, dict]:
    """Entries of the networks; the order of the contenders is reversed in every other round."""
    runs: dict[str, dict[str, dict]] = {
        network: {key: {"label": side.contender.label, **{name: [] for name in TIMES}} for key, side in sides.items()}
        for network in NETWORKS
    }
    for number in range(n_rounds):
        for network, results in runs.items():
            for key, side in list(sides.items())[:: -1 if number % 2 else 1]:
                for name, time in seconds(side, folder, network).items():
                    results[key][name].append(time)
            ends = (f"{key} {results[key][PARTS[-1]][-1]:.2f}" for key in results)
            _print(f"round {number + 1}, {network}: {', '.join(ends)}")
    return {
        network: {
            "network": "-".join(map(str, case.sizes)), "batch_size": case.batch_size, "n_samples": case.n_samples,
            "runs": runs[network],
        }
        for network, case in NETWORKS.items()
    }  # fmt: skip


def seconds(side: Side, folder: Path, network: str) -> dict[str, float]:
    """Seconds from the start of a process to the end of each part of its program, and its CPU seconds.

    Raises
    ------
    ImportError
        If fastmlp is imported from another folder.
    ValueError
        If the predicted probabilities do not sum to 1.
    """
    command = ["-m", "benchmarks.first_run_worker", side.contender.program, str(folder / network)]
    with tempfile.TemporaryDirectory() as empty:
        environment = environment_of(side.package, side.cache or Path(empty))
        start, cpu_start = perf_counter(), _cpu_seconds()
        with Worker(command, environment, cwd=side.package) as worker:
            times, answer = [perf_counter() - start], worker.ready
            if side.contender.program in OURS and not Path(answer).is_relative_to(side.package):
                raise ImportError(f"expected fastmlp in {side.package}, got {answer}")
            for _ in PARTS[1:]:
                answer = worker.request()
                times.append(perf_counter() - start)
    if not abs(sum(answer[0]) - 1) < MAX_ERROR:
        raise ValueError(f"{side.contender.label}: expected probabilities with the sum 1, got {answer}")
    return dict(zip(TIMES, [*times, _cpu_seconds() - cpu_start], strict=True))


def _cpu_seconds() -> float:
    """CPU seconds of all processes that this one has started, and that have ended."""
    return os.times().children_user + os.times().children_system


def environment_of(package: Path, caches: Path) -> dict[str, str]:
    """Environment variables of a process that imports fastmlp from a folder, with all caches in another one."""
    removed = set(SHARED_CACHES)
    environment = {name: v for name, v in instruction_limit.worker_environment().items() if name not in removed}
    for name in CACHES:
        path = caches / name.lower()
        path.mkdir(parents=True, exist_ok=True)
        environment[name] = str(path)
    return environment | {"PYTHONPATH": os.pathsep.join([str(package), str(ROOT)])}


def counts(kinds: Iterable[str], package: Path | None = None) -> list[dict]:
    """Counts of sets of runs, each in a process of its own, with one cache that is empty at first."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        package = package or _copy(ROOT, folder)
        environment, found = environment_of(package, folder / "caches"), []
        for kind in kinds:
            command = [sys.executable, "-m", "benchmarks.compilation", kind]
            done = subprocess.run(command, cwd=package, env=environment, stdout=subprocess.PIPE, text=True, check=True)
            found.append(json.loads(done.stdout))
    return found
