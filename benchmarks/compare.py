"""Regression check: whether one commit is slower than another, measured on a machine that also has other load.

A pair is two new processes, one per commit, which run each probe in turn. The minimum time of each side is multiplied
by the FMA peak measured next to it, and the two products give the pair's ratio. A probe is a candidate for a regression
if the median ratio exceeds the threshold and nearly all pairs agree. A candidate is measured again in as many new
pairs, and is slower only if these agree too: the ratios that select a candidate do not confirm it.

Each commit has its own source tree and kernel cache, but not its own dependencies: Numba compiles the package at run
time, so that both sides use the versions installed in this interpreter. A commit that changes the dependencies is
compared under the installed ones too.
"""

import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks import machine, peak
from benchmarks.paired import ROOT, Worker
from benchmarks.probe import PROBES

#: Measurements per probe, pair and side.
N_TURNS = 8
#: Fraction of the pairs that must show at least half of the threshold's slowdown.
MIN_AGREEING_FRACTION = 0.75
#: Seconds of each measurement of the FMA peak.
PEAK_S = 0.005


class Verdict(NamedTuple):
    """Ratios of one probe, head's normalised time over base's, one per pair; a candidate is measured twice."""

    probe: str
    ratios: list[float]
    repeated: list[float]
    threshold: float

    @property
    def is_slower(self) -> bool:
        return is_candidate(self.ratios, self.threshold) and is_candidate(self.repeated, self.threshold)

    @property
    def word(self) -> str:
        """Result for the table: head compared with base."""
        if not self.ratios:
            return "left out"
        if self.is_slower:
            return "SLOWER"
        return "faster" if is_candidate([1 / r for r in self.ratios], self.threshold) else "as fast"


def is_candidate(ratios: list[float], threshold: float) -> bool:
    """Whether the median exceeds the threshold and nearly all ratios agree; False without ratios."""
    if not ratios or median(ratios) <= threshold:
        return False
    halfway = 1 + (threshold - 1) / 2
    return sum(r > halfway for r in ratios) >= MIN_AGREEING_FRACTION * len(ratios)


def compare(base: str, head: str, n_pairs: int, threshold: float) -> list[Verdict]:
    """Measure the probes of two commits in n_pairs pairs of processes, and candidates in as many again.

    ``.`` is the working tree. A probe that one of the commits, or this CPU, does not support has no ratios.
    """
    machine.pin(1)
    with tempfile.TemporaryDirectory() as folder:
        sides = [build(commit, Path(folder, side)) for commit, side in ((base, "base"), (head, "head"))]
        environments = [environment for environment, _ in sides]
        shared = [probe for probe in PROBES if all(probe in probes for _, probes in sides)]
        first = _measure(environments, shared, n_pairs)
        candidates = [probe for probe, ratios in first.items() if is_candidate(ratios, threshold)]
        second = _measure(environments, candidates, n_pairs) if candidates else {}
    return [Verdict(probe, first.get(probe, []), second.get(probe, []), threshold) for probe in PROBES]


def build(commit: str, folder: Path) -> tuple[dict[str, str], list[str]]:
    """Unpack a commit and compile its kernels into a cache of its own; return its environment variables and probes."""
    if commit == ".":
        shutil.copytree(ROOT / "fastmlp", folder / "fastmlp")
    else:
        archive = subprocess.run(["git", "archive", commit, "fastmlp"], cwd=ROOT, capture_output=True, check=True)
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
            tar.extractall(folder, filter="data")
    environment = {**os.environ, "PYTHONPATH": str(folder), "NUMBA_CACHE_DIR": str(folder / "kernels")}
    with _start_probe(environment) as worker:
        return environment, worker.ready["probes"]


def _start_probe(environment: dict[str, str]) -> Worker:
    worker = Worker([str(Path(__file__).with_name("probe.py"))], environment, cwd=Path(environment["PYTHONPATH"]))
    if not Path(worker.ready["package"]).is_relative_to(environment["PYTHONPATH"]):
        worker.__exit__()
        raise ImportError(f"expected the package in {environment['PYTHONPATH']}, got {worker.ready['package']}")
    return worker


def _measure(environments: list[dict[str, str]], probes: list[str], n_pairs: int) -> dict[str, list[float]]:
    """Ratios by probe, one per pair."""
    ratios: dict[str, list[float]] = {probe: [] for probe in probes}
    for pair in range(n_pairs):
        with ExitStack() as stack:
            sides = [stack.enter_context(_start_probe(environment)) for environment in environments]
            for probe in probes:
                ratios[probe].append(_ratio(sides, probe, pair % 2))
    return ratios


def _ratio(sides: list[Worker], probe: str, first: int) -> float:
    """Head's minimum time over base's, each multiplied by the peak next to it; the sides alternate in going first."""
    seconds, peaks = ([], []), ([], [])
    for turn in range(N_TURNS):
        for side in (0, 1) if (turn + first) % 2 else (1, 0):
            peaks[side].append(peak.measure(PEAK_S))
            seconds[side].append(sides[side].request(probe)["seconds"])
            peaks[side].append(peak.measure(PEAK_S))
    base, head = (min(s) * max(p) for s, p in zip(seconds, peaks, strict=True))
    return head / base


def table(verdicts: Iterable[Verdict]) -> str:
    """The table to print, with one line per probe: median, minimum and maximum ratio, and the repeated median."""
    lines = [f"{'probe':20}{'ratio':>7}{'min':>8}{'max':>8}{'repeat':>8}  verdict"]
    for verdict in verdicts:
        repeated = f"{median(verdict.repeated):8.3f}" if verdict.repeated else " " * 8
        ratios = verdict.ratios
        spread = f"{median(ratios):7.3f}{min(ratios):8.3f}{max(ratios):8.3f}" if ratios else " " * 23
        lines.append(f"{verdict.probe:20}{spread}{repeated}  {verdict.word}")
    return "\n".join(lines)
