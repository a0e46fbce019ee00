"""Suites of comparisons: training, and prediction of one sample and of many samples per call."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from benchmarks import rivals
from benchmarks.case import CASES, Case


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Cases of one task, on which fastmlp is compared with the rivals that have this task.

    Attributes
    ----------
    title : str
        Heading of its table.
    task : str
        ``"train"`` or ``"predict"``: the function of a rival that is timed.
    unit : str
        The part of an epoch whose time the table shows: a training step, or a call that predicts one batch.
    cases : mapping
        Cases by name. The epoch of a prediction is one pass over its samples.
    """

    title: str
    task: str
    unit: str
    cases: Mapping[str, Case]

    @property
    def rivals(self) -> tuple[str, ...]:
        """Modules of benchmarks/rivals, in the order of the table."""
        return rivals.NAMES[self.task]

    def flops(self, case: Case) -> int:
        """Useful floating-point operations of an epoch."""
        return case.flops if self.task == "train" else case.prediction_flops


def _predictions(n_samples: int, batch_size: int) -> dict[str, Case]:
    """The networks of three cases, which predict n_samples in batches."""
    names = ("small", "mnist", "paper")
    return {name: replace(CASES[name], n_samples=n_samples, batch_size=batch_size) for name in names}


SUITES = {
    "train": Suite(title="Training", task="train", unit="step", cases=CASES),
    # Of 64 different samples, which fit into L2 together, as a sample does that was just read or received.
    "predict-1": Suite(
        title="Prediction of one sample per call", task="predict", unit="call", cases=_predictions(64, 1)
    ),
    "predict-n": Suite(
        title="Prediction of 5,000 samples per call", task="predict", unit="call", cases=_predictions(5000, 5000)
    ),
}
