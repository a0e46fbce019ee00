"""Measurement of several threads: ``python -m benchmarks threads``; the record, from which all tables are computed.

A record is ``{"machine": ..., "counts": [2, ...], "start_s": {count: [...]}, "train": {case: entry}, "predict": {case:
entry}}``, each entry with the network, its batch and ``"counts": {count: {"one_s", "team_s", "barrier_s", "process_s",
"processes_s": [...]}}``: seconds of a step, or of a call that predicts all samples, of one thread and of a team in
turn; of a barrier next to them; of a process on one thread by itself, and the mean time of `count` such processes.

A virtual machine may be moved, within seconds, between cores that are near each other and cores that are far apart, and
a team is then slower or faster, as is a barrier: on a Zen 5, two threads of 64-100-100-10 took 22 us with barriers of
60 ns, and 44 us with barriers of 290 ns. Pairs are therefore divided by the time of their barrier.
"""

import os
import tempfile
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from itertools import compress
from pathlib import Path
from statistics import harmonic_mean, mean, median
from time import perf_counter

import numpy as np

import fastmlp
from benchmarks import instruction_limit, machine
from benchmarks.case import CASES, Case, Workload, make_workload
from benchmarks.paired import Worker
from benchmarks.suite import SUITES
from benchmarks.thread_worker import runner
from fastmlp.codegen import cpu
from fastmlp.codegen.jit import kernel
from fastmlp.kernels.layout import ParamArrays
from fastmlp.kernels.team import barrier_wait
from fastmlp.model.params import Params
from fastmlp.model.workspace import Workspace
from fastmlp.parallel import run_team

#: Seconds of one measurement, of which epochs or calls are repeated as often as one thread needs.
MIN_S = 0.25
#: Crossings of a barrier per measurement, and measurements of a team's start before each case.
N_CROSSINGS, N_REPEATS = 20_000, 5
#: Seconds of a barrier, per thread, from which cores are far apart.
FAR_BARRIER_S = 7.5e-8
#: Cases of each task.
TASKS = {"train": CASES, "predict": SUITES["predict-n"].cases}

_print = partial(print, flush=True)


def default_counts() -> list[int]:
    """Two, four, eight, ... threads up to the physical cores, and all of these."""
    n = cpu.physical_cores(cpu.affinity())
    return sorted({2**i for i in range(1, n.bit_length()) if 2**i <= n} | ({n} if n > 1 else set()))


def run(cases: Collection[str], counts: Collection[int], n_pairs: int) -> dict:
    """Measure the cases, or all if none are given, with each number of threads against one; return the record."""
    counts = sorted({count for count in counts or default_counts() if count > 1})
    description = machine.describe(max(counts, default=1))
    fastmlp.warmup()
    record: dict = {"machine": description, "counts": counts}
    record["start_s"] = {str(count): [] for count in counts}
    for task, known in TASKS.items():
        chosen = [name for name in known if name in cases or not cases]
        record[task] = {name: _run_case(task, known[name], record, n_pairs) for name in chosen}
    return record


def _run_case(task: str, case: Case, record: dict, n_pairs: int) -> dict:
    """Measure a case, and before it the start of threads."""
    workload, source = make_workload(case, 1)
    inputs, entry = workload.inputs, {}
    workload = replace(workload, X=workload.X[:0])
    with tempfile.TemporaryDirectory() as folder:
        workload.save(Path(folder, "workload"))
        np.save(Path(folder, "inputs.npy"), inputs)
        for count in record["counts"]:
            with on_cores(count):
                record["start_s"][str(count)] += start_seconds(count)
                pairs = team_pairs(task, workload, inputs, count, n_pairs)
            measured = entry[str(count)] = pairs | process_seconds(task, Path(folder), count, n_pairs)
            team, processes = (median(speedups(measured, name)) for name in ("team", "processes"))
            _print(f"{task} {case.name}, {count} threads: {team:.2f} times one, as many processes {processes:.2f}")
    return {
        "network": "-".join(map(str, case.sizes)), "batch_size": case.batch_size, "optimizer": case.optimizer,
        "n_steps": case.n_steps, "data": source, "counts": entry,
    }  # fmt: skip


def speedups(measured: dict, name: str = "team") -> list[float]:
    """By pair, how many times the work of one thread a team does, or so many independent processes do."""
    if name == "team":
        return [one / team for one, team in zip(measured["one_s"], measured["team_s"], strict=True)]
    pairs = zip(measured["process_s"], measured["processes_s"], strict=True)
    return [measured["n_processes"] * alone / each for alone, each in pairs]


def by_distance(measured: dict, count: int) -> dict[str, dict]:
    """The pairs with cores that are near each other and those with cores that are far apart, where there are any."""
    far = [seconds / count >= FAR_BARRIER_S for seconds in measured["barrier_s"]]
    return {
        name: measured | {key: list(compress(measured[key], chosen)) for key in ("one_s", "team_s", "barrier_s")}
        for name, chosen in (("near", [not is_far for is_far in far]), ("far", far))
        if any(chosen)
    }


@contextmanager
def on_cores(count: int) -> Iterator[None]:
    """Restrict this process to as many CPUs as threads, each on a core of its own if there are enough."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, machine.cores(count, before))
        yield
    finally:
        os.sched_setaffinity(0, before)


def team_pairs(task: str, workload: Workload, X, count: int, n_pairs: int) -> dict[str, list[float]]:
    """Seconds of a step or call of one thread and of a team, after a warm-up; they take turns in going first.

    Raises an AssertionError if their weights, or predictions, are not the same bits.
    """
    (one, n_units), (team, _) = (runner(task, workload, X, n) for n in (1, count))
    team()
    n_runs = max(1, round(MIN_S / _seconds(one, 1, n_units) / n_units))
    measured: dict[str, list[float]] = {"one_s": [], "team_s": [], "barrier_s": []}
    for pair in range(n_pairs):
        sides = [("one_s", one), ("team_s", team)]
        for name, side in sides[:: -1 if pair % 2 else 1]:
            if name == "team_s":
                barriers = [barrier_seconds(count)]
            measured[name].append(_seconds(side, n_runs, n_units))
            if name == "team_s":
                measured["barrier_s"].append(mean([*barriers, barrier_seconds(count)]))
    if one().tobytes() != team().tobytes():
        raise AssertionError(f"one thread and {count} threads differ in their weights or predictions")
    return measured


def _seconds(run: Callable[[], object], n_runs: int, n_units: int) -> float:
    start = perf_counter()
    for _ in range(n_runs):
        run()
    return (perf_counter() - start) / (n_runs * n_units)


def process_seconds(task: str, folder: Path, count: int, n_pairs: int) -> dict:
    """Seconds of a step or call of a process on one thread by itself, and the mean when `count` of them run at once.

    There are no more processes than CPUs: a team with more threads than that is compared with as many.
    """
    places = machine.cores(count, cpu.affinity())
    measured: dict = {"n_processes": len(places), "process_s": [], "processes_s": []}
    with ExitStack() as stack, ThreadPoolExecutor(len(places)) as pool:
        arguments = ["-m", "benchmarks.thread_worker", task, str(folder)]
        environment = instruction_limit.worker_environment()
        workers = [stack.enter_context(Worker([*arguments, str(core)], environment)) for core in places]
        for pair in range(n_pairs):
            sides = [("process_s", workers[-1:]), ("processes_s", workers)]
            for name, side in sides[:: -1 if pair % 2 else 1]:
                answers = pool.map(lambda worker: worker.request()["seconds"], side)
                measured[name].append(harmonic_mean(answers))
    return measured


@kernel
def _cross(net, n_times):
    for _ in range(n_times):
        barrier_wait(net)


def barrier_seconds(count: int) -> float:
    """Seconds of one barrier of `count` threads that do nothing else."""
    params, empty = Params((1, 1), "float32"), np.zeros(0, np.float32)
    workspace = Workspace(params, fastmlp.Config(hidden=()), 1, n_threads=count)
    arrays = ParamArrays(params.theta, empty, empty, empty)
    nets = workspace.networks(arrays)
    _cross(nets[0], 0)

    def measure(rank: int) -> float:
        _cross(nets[rank], 1)
        start = perf_counter()
        _cross(nets[rank], N_CROSSINGS)
        return (perf_counter() - start) / N_CROSSINGS

    return run_team(measure, count, workspace.abort)[0]


def start_seconds(count: int) -> list[float]:
    """Seconds to start and join the threads of a team, as each chunk of an epoch and each prediction does."""
    return [_seconds(lambda: run_team(lambda rank: None, count), 20, 1) for _ in range(N_REPEATS)]
