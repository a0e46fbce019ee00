"""The gate: is one commit slower than another, on a machine that is never quiet?

Each pair is two fresh processes, one a commit, that take turns; each side's least time is multiplied by the FMA peak
measured next to it, and the pair gives one ratio. A probe is slower where the median ratio passes the threshold and
nearly all pairs agree, and that again in as many new pairs: no candidate is judged by the figures that made it one.

Two commits need two source trees and two kernel caches, not two sets of dependencies: the package is Python, compiled
at run time by the Numba that the one interpreter finds, so both sides have the same versions by construction. A commit
that changes the dependencies themselves is compared under those installed.
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

#: Turns that a pair takes at each probe.
N_TURNS = 8
#: Share of the pairs that must see at least half of the threshold's slowdown.
AGREEMENT = 0.75
PEAK_S = 0.005


class Verdict(NamedTuple):
    """A probe's ratios, head's normalised time over base's, one a pair; those of a second look, for a candidate."""

    probe: str
    ratios: list[float]
    again: list[float]
    threshold: float

    @property
    def is_slower(self) -> bool:
        return is_candidate(self.ratios, self.threshold) and is_candidate(self.again, self.threshold)

    @property
    def word(self) -> str:
        """For the table: head beside base."""
        if not self.ratios:
            return "left out"
        if self.is_slower:
            return "SLOWER"
        return "faster" if is_candidate([1 / r for r in self.ratios], self.threshold) else "as fast"


def is_candidate(ratios: list[float], threshold: float) -> bool:
    """Whether the median passes the threshold and nearly all ratios agree; no ratios, no suspicion."""
    if not ratios or median(ratios) <= threshold:
        return False
    halfway = 1 + (threshold - 1) / 2
    return sum(r > halfway for r in ratios) >= AGREEMENT * len(ratios)


def compare(base: str, head: str, n_pairs: int, threshold: float) -> list[Verdict]:
    """Measure what both commits have in n_pairs pairs of processes, candidates in as many again.

    ``.`` is the working tree. A probe that a side, or this CPU, has no kernels for has no ratios.
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
    """Unpack a commit's package and compile its kernels into their own cache; its environment and its probes."""
    if commit == ".":
        shutil.copytree(ROOT / "fastmlp", folder / "fastmlp")
    else:
        archive = subprocess.run(["git", "archive", commit, "fastmlp"], cwd=ROOT, capture_output=True, check=True)
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
            tar.extractall(folder, filter="data")
    environment = {**os.environ, "PYTHONPATH": str(folder), "NUMBA_CACHE_DIR": str(folder / "kernels")}
    with _probe(environment) as worker:
        return environment, worker.hello["probes"]


def _probe(environment: dict[str, str]) -> Worker:
    worker = Worker([str(Path(__file__).with_name("probe.py"))], environment, cwd=Path(environment["PYTHONPATH"]))
    if not Path(worker.hello["package"]).is_relative_to(environment["PYTHONPATH"]):
        worker.__exit__()
        raise ImportError(f"measured would be {worker.hello['package']}, not {environment['PYTHONPATH']}")
    return worker


def _measure(environments: list[dict[str, str]], probes: list[str], n_pairs: int) -> dict[str, list[float]]:
    """Ratios of each probe, one a pair."""
    ratios: dict[str, list[float]] = {probe: [] for probe in probes}
    for pair in range(n_pairs):
        with ExitStack() as stack:
            sides = [stack.enter_context(_probe(environment)) for environment in environments]
            for probe in probes:
                ratios[probe].append(_ratio(sides, probe, pair % 2))
    return ratios


def _ratio(sides: list[Worker], probe: str, first: int) -> float:
    """Head's normalised least time over base's; which side goes first alternates."""
    seconds, peaks = ([], []), ([], [])
    for turn in range(N_TURNS):
        for side in (0, 1) if (turn + first) % 2 else (1, 0):
            peaks[side].append(peak.measure(PEAK_S))
            seconds[side].append(sides[side].ask(probe)["seconds"])
            peaks[side].append(peak.measure(PEAK_S))
    base, head = (min(s) * max(p) for s, p in zip(seconds, peaks, strict=True))
    return head / base


def table(verdicts: Iterable[Verdict]) -> str:
    """What to print: a line a probe."""
    lines = [f"{'probe':18}{'ratio':>7}{'least':>8}{'most':>8}{'again':>8}  verdict"]
    for verdict in verdicts:
        again = f"{median(verdict.again):8.3f}" if verdict.again else " " * 8
        ratios = verdict.ratios
        spread = f"{median(ratios):7.3f}{min(ratios):8.3f}{max(ratios):8.3f}" if ratios else " " * 23
        figures = spread + again
        lines.append(f"{verdict.probe:18}{figures}  {verdict.word}")
    return "\n".join(lines)
