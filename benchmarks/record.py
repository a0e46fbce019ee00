"""Benchmark records: run the paired comparisons, validate them, store them as dated JSON, and summarise them.

A record is ``{"machine": ..., "complete": [suite, ...], "suites": {suite: {case: {"network", "batch_size", "optimizer",
"n_samples", "n_steps", "flops", "data", "comparisons": {rival: PairedComparison}}}}}`` and has the seconds and losses
of every epoch. The summaries are computed from the records alone. The tables show, of each suite, the newest complete
measurement for each kind of CPU.
"""

import json
import re
import tempfile
from collections.abc import Collection, Iterable
from dataclasses import replace
from functools import partial
from operator import itemgetter
from pathlib import Path
from statistics import median

from benchmarks import instruction_limit, machine, rivals
from benchmarks.case import CASES, Case, make_workload
from benchmarks.paired import PairedComparison, WorkerError, run_pairs
from benchmarks.suite import SUITES, Suite
from benchmarks.validate import TOLERANCE, shorten

FOLDER = Path(__file__).parent / "records"
#: Fewest pairs of epochs of a suite that is complete.
MIN_PAIRS = 5
#: Relative differences of the losses after the short workload of `validate`, where they are not its TOLERANCE.
#: scikit-learn's and Keras's Adam add eps to the square root of v before its bias correction, not after it (Kingma and
#: Ba, end of section 2, where eps is eps-hat), which changed Keras's loss by 7e-5 on CIFAR-10; rounding to bf16 changes
#: each operand of a product by up to 2**-9 of it.
TOLERANCES = {"sklearn_mlp": 5e-3, "keras_jax": 1e-3, "torch_bf16": 2e-2, "fastmlp_bf16": 2e-2, "fastmlp_bf16x2": 1e-4}
#: After whole epochs, when rounding errors have grown into different weights: only a mistake differs by more.
EPOCH_TOLERANCE = 0.05
#: Errors that end a rival's process if its package, or a CPU with the instructions that it needs, is missing.
UNAVAILABLE = ("ModuleNotFoundError", "MissingExtraError", "NoBf16Error")
#: What the first records, which had no list of complete suites, were complete with.
FIRST_RIVALS = {
    "fastmlp_uint8", "numpy_blas", "sklearn_mlp", "torch_eager", "torch_compiled", "torch_bf16", "jax_scan",
    "jax_unfused",
}  # fmt: skip


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


def reason_unavailable(error: WorkerError) -> str | None:
    """The message of the exception of `UNAVAILABLE` that ended a worker; None if another one did."""
    found = re.search(rf"\b(?:{'|'.join(UNAVAILABLE)}): (.*)", str(error))
    return found and found[1]


def run(suites: Iterable[str], cases: Collection[str], against: Collection[str], n_epochs: int, n_threads: int) -> dict:
    """Measure the given cases and rivals of each suite, or all if none are given; return the record.

    A rival that is not available here, or whose losses differ, is left out with a note; so is a suite without any of
    the cases or rivals.
    """
    machine.pin(n_threads)
    description = machine.describe(n_threads)
    results = {}
    for name in suites:
        suite = SUITES[name]
        chosen = [case for case in suite.cases if case in cases or not cases]
        names = [rival for rival in suite.rivals if rival in against or not against]
        if description["limited_to"]:
            names = [rival for rival in names if rival not in instruction_limit.UNLIMITED_RIVALS]
        if not (chosen and names):
            continue
        _print(suite.title)
        measured = {case: _run_case(suite, suite.cases[case], names, n_epochs, n_threads) for case in chosen}
        if all(case["comparisons"] for case in measured.values()):
            results[name] = measured
    record = {"machine": description, "complete": [], "suites": results}
    record["complete"] = [name for name in results if _is_complete(record, name)]
    return record


def _run_case(suite: Suite, case: Case, names: Iterable[str], n_epochs: int, n_threads: int) -> dict:
    is_training = suite.task == "train"
    workload, source = make_workload(case, n_epochs + 1 if is_training else 1, n_threads)
    _print(f"{case.name}, batches of {case.batch_size}, {case.n_samples} samples, {source} data")
    comparisons = {}
    with tempfile.TemporaryDirectory() as folder:
        workload.save(Path(folder, "workload"))
        if is_training:
            make_workload(shorten(case), 1, n_threads)[0].save(Path(folder, "short"))
        for name in names:
            try:
                comparison = _checked_comparison(suite.task, name, Path(folder), n_epochs).to_dict()
            except WorkerError as error:
                if (reason := reason_unavailable(error)) is None:
                    raise
                _print(f"  {rivals.load(name).label} is left out: {reason}")
            except LossError as error:  # The other measurements are kept; without this one the suite is incomplete.
                _print(f"  left out: {error}")
            else:
                comparisons[name] = comparison
                times = f"{ratio(comparison):.2f} times fastmlp's time; compiled in {comparison['compile_s']:.1f} s"
                _print(f"  {comparison['label']}: {times}")
    return {
        "network": "-".join(map(str, case.sizes)), "batch_size": case.batch_size, "optimizer": case.optimizer,
        "n_samples": case.n_samples, "n_steps": case.n_steps, "flops": suite.flops(case), "data": source,
        "comparisons": comparisons,
    }  # fmt: skip


def _checked_comparison(task: str, name: str, folder: Path, n_epochs: int) -> PairedComparison:
    """Validate a rival, then time it. Of training, the losses after some steps and after each epoch are compared."""
    if task == "predict":
        return run_pairs(task, name, folder / "workload", n_epochs)
    trial = run_pairs(task, name, folder / "short", 0)
    check_losses(trial, TOLERANCES.get(name, TOLERANCE))
    comparison = run_pairs(task, name, folder / "workload", n_epochs)
    check_losses(comparison, EPOCH_TOLERANCE)
    return replace(comparison, compile_s=trial.compile_s, ours_compile_s=trial.ours_compile_s)


def _is_complete(record: dict, name: str) -> bool:
    """Whether a suite has every case and rival in enough pairs.

    Rivals that need bf16 instructions, which not every CPU has, may be missing, and those that cannot be limited to
    some instructions where the others are. A limit of fastmlp's instructions alone makes no comparison.
    """
    description, cases, suite = record["machine"], record["suites"][name], SUITES[name]
    required = set(suite.rivals) - set(rivals.BF16_NAMES)
    if description["limited_to"]:
        required -= set(instruction_limit.UNLIMITED_RIVALS)
    elif description["limits"]:
        return False
    return all(
        case in cases
        and required <= set(cases[case]["comparisons"])
        and all(len(comparison["ours_s"]) >= MIN_PAIRS for comparison in cases[case]["comparisons"].values())
        for case in suite.cases
    )


def save(record: dict, prefix: str = "") -> Path:
    """Write the record into a file named by a prefix and its date; return the path."""
    FOLDER.mkdir(exist_ok=True)
    stamp = record["machine"]["date"][:19].replace(":", "").replace("-", "")
    path = FOLDER / f"{prefix}{stamp}.json"
    path.write_text(json.dumps(record, indent=1) + "\n")
    return path


def load(path: Path) -> dict:
    """Read a record; the first ones had training only, and of the CPU its name and the width of its vectors."""
    record = json.loads(Path(path).read_text())
    if "suites" in record:
        return record
    description, cases = record["machine"], record["cases"]
    instructions = {512: "AVX-512", 256: "AVX2", 128: "NEON"}[description["vector_bits"]]
    known = {"instructions": instructions, "microarchitecture": None, "caches": {}, "limits": [], "limited_to": None}
    is_complete = description["n_threads"] == 1 and all(
        set(cases.get(case, {"comparisons": ()})["comparisons"]) >= FIRST_RIVALS for case in CASES
    )
    complete = ["train"] if is_complete else []
    return {"machine": {**known, **description}, "complete": complete, "suites": {"train": cases}}


def published() -> dict[str, dict[str, dict]]:
    """The stored records that the tables show: by kind of CPU and suite, the newest one that is complete."""
    return newest(load(path) for path in sorted(FOLDER.glob("[0-9]*.json")))


def newest(records: Iterable[dict]) -> dict[str, dict[str, dict]]:
    """By kind of CPU and suite, the last of some records in which the suite is complete."""
    found: dict[str, dict[str, dict]] = {}
    for record in records:
        for name in record["complete"]:
            found.setdefault(kind_of(record), {})[name] = record
    return found


def kind_of(record: dict) -> str:
    """The kind of CPU by its instruction set, such as "AVX-512"; or, for a limited run, "AVX2 code on <CPU>".

    Several threads are part of it, so that no table mixes them with one.
    """
    description = record["machine"]
    limit, n = description["limited_to"], description["n_threads"]
    kind = f"{limit} code on {cpu_of(record)}" if limit else description["instructions"]
    return kind if n == 1 else f"{kind}, {n} threads"


def cpu_of(record: dict) -> str:
    """Name of the CPU, with its microarchitecture if the name does not say it."""
    name, known = record["machine"]["cpu"], record["machine"]["microarchitecture"]
    return f"{name} ({known})" if known else name


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
