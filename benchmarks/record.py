"""Benchmark records: run the paired comparisons, validate them, store them as dated JSON, and summarise them.

A record is ``{"machine": ..., "cases": {name: {"network", "batch_size", "optimizer", "n_samples", "n_steps", "flops",
"data", "comparisons": {rival: PairedComparison}}}}`` and has the seconds and losses of every epoch. The summaries are
computed from the record alone.
"""

import json
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from operator import itemgetter
from pathlib import Path
from statistics import median

from benchmarks import machine, rivals
from benchmarks.case import CASES, Case, make_workload
from benchmarks.paired import PairedComparison, WorkerError, run_pairs
from benchmarks.validate import TOLERANCE, shorten

FOLDER = Path(__file__).parent / "records"
#: Relative differences of the losses after the short workload of `validate`, where they are not its TOLERANCE.
#: scikit-learn's Adam adds eps to the square root of v before its bias correction, not after it (Kingma and Ba, end of
#: section 2, where eps is eps-hat); rounding to bf16 changes each operand of a product by up to 2**-9 of it.
TOLERANCES = {"sklearn_mlp": 5e-3, "torch_bf16": 2e-2, "fastmlp_bf16": 2e-2, "fastmlp_bf16x2": 1e-4}
#: After whole epochs, when rounding errors have grown into different weights: only a mistake differs by more.
EPOCH_TOLERANCE = 0.05
#: Errors that end a rival's process if its package, or a CPU with the instructions that it needs, is missing.
UNAVAILABLE = ("ModuleNotFoundError", "NoBf16Error")


_print = partial(print, flush=True)


class LossError(AssertionError):
    """A rival's loss differs from fastmlp's, so that their times cannot be compared."""


def check_losses(comparison: PairedComparison, tolerance: float) -> None:
    """Raise a LossError if fastmlp and the rival did not reach the same loss after every epoch."""
    for epoch, (ours, theirs) in enumerate(comparison.losses, 1):
        if not abs(ours - theirs) <= tolerance * ours:
            raise LossError(
                f"{comparison.label}: expected a loss within {tolerance:g} of fastmlp's {ours:.6f} (relative), "
                f"got {theirs:.6f} after epoch {epoch}"
            )


def run(cases: Iterable[str], names: Iterable[str], n_epochs: int, n_threads: int) -> dict:
    """Train every case with every rival; a rival that is not available here is left out with a note."""
    machine.pin(n_threads)
    description = machine.describe(n_threads)
    results = {name: _run_case(CASES[name], names, n_epochs, n_threads) for name in cases}
    return {"machine": description, "cases": results}


def _run_case(case: Case, names: Iterable[str], n_epochs: int, n_threads: int) -> dict:
    workload, source = make_workload(case, n_epochs + 1, n_threads)
    short, _ = make_workload(shorten(case), 1, n_threads)
    _print(f"{case.name}, batches of {case.batch_size}, {case.n_samples} samples, {source} data")
    comparisons = {}
    with tempfile.TemporaryDirectory() as folder:
        workload.save(Path(folder, "workload"))
        short.save(Path(folder, "short"))
        for name in names:
            try:
                comparisons[name] = _checked_comparison(name, Path(folder), n_epochs).to_dict()
            except WorkerError as error:
                if not any(kind in str(error) for kind in UNAVAILABLE):
                    raise
                _print(f"  {name} is left out: {error}")
            else:
                comparison = comparisons[name]
                times = f"{ratio(comparison):.2f} times fastmlp's time; compiled in {comparison['compile_s']:.1f} s"
                _print(f"  {comparison['label']}: {times}")
    return {
        "network": "-".join(map(str, case.sizes)), "batch_size": case.batch_size, "optimizer": case.optimizer,
        "n_samples": case.n_samples, "n_steps": case.n_steps, "flops": case.flops, "data": source,
        "comparisons": comparisons,
    }  # fmt: skip


def _checked_comparison(name: str, folder: Path, n_epochs: int) -> PairedComparison:
    """Validate a rival over some steps, then time it over whole epochs."""
    trial = run_pairs(name, folder / "short", 0)
    check_losses(trial, TOLERANCES.get(name, TOLERANCE))
    comparison = run_pairs(name, folder / "workload", n_epochs)
    check_losses(comparison, EPOCH_TOLERANCE)
    return replace(comparison, compile_s=trial.compile_s, ours_compile_s=trial.ours_compile_s)


def save(record: dict) -> Path:
    """Write the record into a file named by its date; return the path."""
    FOLDER.mkdir(exist_ok=True)
    stamp = record["machine"]["date"][:19].replace(":", "").replace("-", "")
    path = FOLDER / f"{stamp}.json"
    path.write_text(json.dumps(record, indent=1) + "\n")
    return path


def load(path: Path) -> dict:
    """Read a record."""
    return json.loads(Path(path).read_text())


def ratio(comparison: dict) -> float:
    """The rival's time over fastmlp's: the median over the pairs."""
    return median(theirs / ours for theirs, ours in zip(comparison["rival_s"], comparison["ours_s"], strict=True))


def fastest_rival(case: dict, names: Iterable[str]) -> tuple[str, float] | None:
    """Name and ratio of the fastest of some rivals; None if the case has none of them."""
    ratios = {name: ratio(case["comparisons"][name]) for name in names if name in case["comparisons"]}
    return min(ratios.items(), key=itemgetter(1), default=None)


def ours_s(case: dict) -> float:
    """Seconds per epoch of fastmlp: the median over all comparisons."""
    return median(s for comparison in case["comparisons"].values() for s in comparison["ours_s"])


def share_of_peak(case: dict) -> float:
    """FLOP/s of fastmlp over the FMA peak measured next to it: the median over all pairs."""
    pairs = (
        (s, p)
        for comparison in case["comparisons"].values()
        for s, p in zip(comparison["ours_s"], comparison["peaks"], strict=True)
    )
    return median(case["flops"] / (seconds * peak) for seconds, peak in pairs)


def is_complete(record: dict) -> bool:
    """Whether every case has every rival, except those that need bf16 instructions, which not every CPU has."""
    required = set(rivals.NAMES) - set(rivals.BF16_NAMES)
    return all(required <= set(record["cases"].get(name, {"comparisons": ()})["comparisons"]) for name in CASES)
