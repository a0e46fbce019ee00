"""Two processes, ours and a rival's, that train the same epoch in turn, so that each pair shares the machine's state.

Knows how to start, ask and end a worker; nothing of what it trains, and nothing of how the figures are presented.
"""

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks import peak, rivals
from benchmarks.rivals import OURS

ROOT = Path(__file__).parents[1]


class WorkerError(RuntimeError):
    """A rival's process ended before it had trained its epochs."""


class Worker:
    """A process that trains one epoch a request."""

    def __init__(self, command: list[str], environment: dict[str, str] | None = None, cwd: Path = ROOT):
        self.command = command
        # A file, not a pipe: nobody reads it until the process ends, and a full pipe would stop it.
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - it is closed with the process
        self.process = subprocess.Popen(
            [sys.executable, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
            text=True, cwd=cwd, env=environment,
        )  # fmt: skip
        self.hello = self._read()

    def _read(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            self.process.communicate()
            with self.errors:
                self.errors.seek(0)
                tail = self.errors.read().strip().splitlines()[-3:]
            raise WorkerError(f"{' '.join(self.command)}: " + "; ".join(tail))
        return json.loads(line)

    def ask(self, what: str = "epoch") -> dict:
        """What it answers to a line."""
        print(what, file=self.process.stdin, flush=True)
        return self._read()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()
        self.errors.close()


@dataclass
class PairedComparison:
    """What ours and a rival did, pair by pair; the first pair, a warm-up, is in `losses` only."""

    rival: str
    label: str
    version: str
    compile_s: float
    ours_compile_s: float
    peaks: list[float] = field(default_factory=list)
    ours_s: list[float] = field(default_factory=list)
    rival_s: list[float] = field(default_factory=list)
    losses: list[tuple[float, float]] = field(default_factory=list)

    def to_dict(self) -> dict:
        return asdict(self)


def run_pairs(rival: str, folder: Path, n_epochs: int) -> PairedComparison:
    """Train the task in the folder: a warm-up, then n_epochs pairs, each side first in turn, beside the peak."""
    with _start(OURS, folder) as ours, _start(rival, folder) as theirs:
        versus = rivals.load(rival).label, theirs.hello["version"]
        comparison = PairedComparison(rival, *versus, theirs.hello["compile_s"], ours.hello["compile_s"])
        for pair in range(n_epochs + 1):
            flops_per_s = peak.measure()
            first, second = (ours, theirs) if pair % 2 else (theirs, ours)
            answers = {first: first.ask(), second: second.ask()}
            comparison.losses.append((answers[ours]["loss"], answers[theirs]["loss"]))
            if pair:
                comparison.peaks.append(max(flops_per_s, peak.measure()))
                comparison.ours_s.append(answers[ours]["epoch_s"])
                comparison.rival_s.append(answers[theirs]["epoch_s"])
    return comparison


def _start(rival: str, folder: Path) -> Worker:
    return Worker(["-m", "benchmarks.worker", rival, str(folder)])
