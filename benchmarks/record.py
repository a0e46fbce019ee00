"""A run of all comparisons: made, checked, kept as dated JSON, and summed up. The summaries know only the record.

A record: ``{"machine": ..., "cases": {name: {"network", "batch_size", "optimizer", "n_samples", "n_steps", "flops",
"data", "comparisons": {rival: PairedComparison}}}}``, every epoch's seconds and losses in it.
"""

import json
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks import machine, rivals
from benchmarks.case import CASES, Case, make_workload
from benchmarks.paired import PairedComparison, WorkerError, run_pairs
from benchmarks.validate import TOLERANCE, shorten

FOLDER = Path(__file__).parent / "records"
#: After the short task of `validate`. scikit-learn's Adam adds eps to the root of v before the bias is corrected, not
#: after (Kingma and Ba, end of section 2, where eps is eps-hat); a product rounded to bf16 errs by 2**-9 an operand.
TOLERANCES = {"sklearn_mlp": 5e-3, "torch_bf16": 2e-2, "fastmlp_bf16": 2e-2, "fastmlp_bf16x2": 1e-4}
#: After whole epochs, when rounding has grown into another path of descent: a blunder alone is farther off.
EPOCH_TOLERANCE = 0.05
#: What a rival's process ends with where the rival's package, or the CPU's unit for it, is missing.
ABSENT = ("ModuleNotFoundError", "NoBf16Error")


_say = partial(print, flush=True)


class LossError(AssertionError):
    """A rival that does not learn what the others learn: its time would mean nothing."""


def check_losses(comparison: PairedComparison, tolerance: float) -> None:
    """Refuse a comparison whose sides did not reach the same loss after every epoch."""
    for epoch, (ours, theirs) in enumerate(comparison.losses, 1):
        if not abs(ours - theirs) <= tolerance * ours:
            raise LossError(
                f"{comparison.label}: loss {theirs:.6f} after epoch {epoch}, ours {ours:.6f}; tolerance {tolerance:g}"
            )


def run(cases: Iterable[str], names: Iterable[str], n_epochs: int, n_threads: int) -> dict:
    """Train every case against every rival; a rival that cannot run here is left out, and said so."""
    machine.pin(n_threads)
    about = machine.describe(n_threads)
    return {"machine": about, "cases": {name: _run_case(CASES[name], names, n_epochs, n_threads) for name in cases}}


def _run_case(case: Case, names: Iterable[str], n_epochs: int, n_threads: int) -> dict:
    task, source = make_workload(case, n_epochs + 1, n_threads)
    short, _ = make_workload(shorten(case), 1, n_threads)
    _say(f"{case.name}, batches of {case.batch_size}, {case.n_samples} samples, {source} data")
    comparisons = {}
    with tempfile.TemporaryDirectory() as folder:
        task.save(Path(folder, "task"))
        short.save(Path(folder, "short"))
        for name in names:
            try:
                comparisons[name] = _checked_comparison(name, Path(folder), n_epochs).to_dict()
            except WorkerError as error:
                if not any(name in str(error) for name in ABSENT):
                    raise
                _say(f"  {name} is left out: {error}")
            else:
                figures = (
                    f"{ratio(comparisons[name]):.2f} times our time; compiled in {comparisons[name]['compile_s']:.1f} s"
                )
                _say(f"  {comparisons[name]['label']}: {figures}")
    return {
        "network": "-".join(map(str, case.sizes)), "batch_size": case.batch_size, "optimizer": case.optimizer,
        "n_samples": case.n_samples, "n_steps": case.n_steps, "flops": case.flops, "data": source,
        "comparisons": comparisons,
    }  # fmt: skip


def _checked_comparison(name: str, folder: Path, n_epochs: int) -> PairedComparison:
    """A comparison over some steps, to be sure that both do the same; then the one that is timed."""
    trial = run_pairs(name, folder / "short", 0)
    check_losses(trial, TOLERANCES.get(name, TOLERANCE))
    comparison = run_pairs(name, folder / "task", n_epochs)
    check_losses(comparison, EPOCH_TOLERANCE)
    return replace(comparison, compile_s=trial.compile_s, ours_compile_s=trial.ours_compile_s)


def save(record: dict) -> Path:
    """Write the record under its date; gives the file."""
    FOLDER.mkdir(exist_ok=True)
    stamp = record["machine"]["date"][:19].replace(":", "").replace("-", "")
    path = FOLDER / f"{stamp}.json"
    path.write_text(json.dumps(record, indent=1) + "\n")
    return path


def load(path: Path) -> dict:
    return json.loads(Path(path).read_text())


def ratio(comparison: dict) -> float:
    """The rival's seconds over ours: the median over the pairs."""
    return median(theirs / ours for theirs, ours in zip(comparison["rival_s"], comparison["ours_s"], strict=True))


def ours_s(case: dict) -> float:
    """Our seconds an epoch: the median over all comparisons."""
    return median(s for comparison in case["comparisons"].values() for s in comparison["ours_s"])


def share_of_peak(case: dict) -> float:
    """Useful FLOPs over what the core could have done in our time: the median over all pairs."""
    pairs = (
        (s, p)
        for comparison in case["comparisons"].values()
        for s, p in zip(comparison["ours_s"], comparison["peaks"], strict=True)
    )
    return median(case["flops"] / (seconds * peak) for seconds, peak in pairs)


def is_complete(record: dict) -> bool:
    """Whether every case met every rival; of those that need a unit of the CPU, what there was."""
    wanted = set(rivals.NAMES) - set(rivals.BF16_NAMES)
    return all(wanted <= set(record["cases"].get(name, {"comparisons": ()})["comparisons"]) for name in CASES)
