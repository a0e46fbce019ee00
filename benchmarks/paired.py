"""Paired comparison: two processes, fastmlp and a rival, train the same epoch, or predict the same samples, in turn.

The two times of a pair are measured under nearly the same load of the machine: their ratio varies less than they do.
"""

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks import instruction_limit, peak, rivals
from benchmarks.rivals import OURS

ROOT = Path(__file__).parents[1]


class WorkerError(RuntimeError):
    """A worker process ended before it had answered all requests."""


class Worker:
    """A worker process that answers each request, a line of text, with a line of JSON.

    Attributes
    ----------
    ready : dict
        The first line that it wrote.
    """

    def __init__(self, command: list[str], environment: dict[str, str] | None = None, cwd: Path = ROOT):
        self.command = command
        # A file, not a pipe: it is read only after the process has ended, and a full pipe would block the process.
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in __exit__
        self.process = subprocess.Popen(
            [sys.executable, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
            text=True, cwd=cwd, env=environment,
        )  # fmt: skip
        self.ready = self._read()

    def _read(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            self.process.communicate()
            with self.errors:
                self.errors.seek(0)
                tail = self.errors.read().strip().splitlines()[-3:]
            raise WorkerError(f"{' '.join(self.command)}: " + "; ".join(tail))
        return json.loads(line)

    def request(self, line: str = "epoch") -> dict:
        """Send a line and return the answer."""
        print(line, file=self.process.stdin, flush=True)
        return self._read()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()
        self.errors.close()


@dataclass
class PairedComparison:
    """Measurements of fastmlp and a rival, one entry per pair; of the warm-up pair, only the losses are kept.

    Attributes
    ----------
    rival, label, version : str
        Module, label and version of the rival.
    compile_s, ours_compile_s : float
        Seconds of compilation, the rival's and fastmlp's.
    errors : (float, float) or None
        Predictions: largest relative difference of a probability from that in float64, fastmlp's and the rival's.
    peaks : list of float
        FMA peak in FLOP/s, measured next to each pair.
    ours_s, rival_s : list of float
        Seconds per epoch; of predictions, per pass over the samples.
    losses : list of (float, float)
        Training: loss after each epoch, fastmlp's and the rival's.
    """

    rival: str
    label: str
    version: str
    compile_s: float
    ours_compile_s: float
    errors: tuple[float, float] | None = None
    peaks: list[float] = field(default_factory=list)
    ours_s: list[float] = field(default_factory=list)
    rival_s: list[float] = field(default_factory=list)
    losses: list[tuple[float, float]] = field(default_factory=list)

    def to_dict(self) -> dict:
        return asdict(self)


def run_pairs(task: str, rival: str, folder: Path, n_epochs: int) -> PairedComparison:
    """Run a task on the workload in the folder: a warm-up pair, then n_epochs pairs.

    The sides alternate in going first. Predictions are validated by each side before anything is timed.
    """
    with _start(task, OURS, folder) as ours, _start(task, rival, folder) as theirs:
        label, version = rivals.load(rival).label, theirs.ready["version"]
        comparison = PairedComparison(rival, label, version, theirs.ready["compile_s"], ours.ready["compile_s"])
        if task == "predict":
            comparison.errors = ours.ready["error"], theirs.ready["error"]
        for pair in range(n_epochs + 1):
            flops_per_s = peak.measure()
            first, second = (ours, theirs) if pair % 2 else (theirs, ours)
            answers = {first: first.request(), second: second.request()}
            if task == "train":
                comparison.losses.append((answers[ours]["loss"], answers[theirs]["loss"]))
            if pair:
                comparison.peaks.append(max(flops_per_s, peak.measure()))
                comparison.ours_s.append(answers[ours]["epoch_s"])
                comparison.rival_s.append(answers[theirs]["epoch_s"])
    return comparison


def _start(task: str, rival: str, folder: Path) -> Worker:
    return Worker(["-m", "benchmarks.worker", task, rival, str(folder)], instruction_limit.worker_environment())
