"""A run of all duels: made, checked, kept as dated JSON, and summed up. The summaries know only the record.

A record: ``{"machine": ..., "cases": {name: {"network", "batch_size", "optimizer", "n_samples", "n_steps", "flops",
"data", "duels": {rival: Duel}}}}``, every epoch's seconds and losses in it.
"""

import json
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks import machine, rivals
from benchmarks.case import CASES, Case, make_task
from benchmarks.duel import Duel, WorkerError, fight
from benchmarks.validate import TOLERANCE, shorten

FOLDER = Path(__file__).parent / "records"
#: After the short task of `validate`. scikit-learn's Adam adds eps to the root of v before the bias is corrected, not
#: after (Kingma and Ba, end of section 2, where eps is eps-hat); a product rounded to bf16 errs by 2**-9 an operand.
TOLERANCES = {"sklearn_mlp": 5e-3, "torch_bf16": 2e-2, "fastmlp_bf16": 2e-2, "fastmlp_bf16x2": 1e-4}
#: After whole epochs, when rounding has grown into another path of descent: a blunder alone is farther off.
EPOCH_TOLERANCE = 0.05
#: What a rival's process ends with where the rival's package, or the CPU's unit for it, is missing.
ABSENT = ("ModuleNotFoundError", "NoUnitError")


_say = partial(print, flush=True)


class LossError(AssertionError):
    """A rival that does not learn what the others learn: its time would mean nothing."""


def check_losses(duel: Duel, tolerance: float) -> None:
    """Refuse a duel whose sides did not reach the same loss after every epoch."""
    for epoch, (ours, theirs) in enumerate(duel.losses, 1):
        if not abs(ours - theirs) <= tolerance * ours:
            raise LossError(
                f"{duel.label}: loss {theirs:.6f} after epoch {epoch}, ours {ours:.6f}; {tolerance:g} apart is accepted"
            )


def run(cases: Iterable[str], names: Iterable[str], n_epochs: int, n_threads: int) -> dict:
    """Train every case against every rival; a rival that cannot run here is left out, and said so."""
    machine.pin(n_threads)
    about = machine.describe(n_threads)
    return {"machine": about, "cases": {name: _run_case(CASES[name], names, n_epochs, n_threads) for name in cases}}


def _run_case(case: Case, names: Iterable[str], n_epochs: int, n_threads: int) -> dict:
    task, source = make_task(case, n_epochs + 1, n_threads)
    short, _ = make_task(shorten(case), 1, n_threads)
    _say(f"{case.name}, batches of {case.batch_size}, {case.n_samples} samples, {source} data")
    duels = {}
    with tempfile.TemporaryDirectory() as folder:
        task.save(Path(folder, "task"))
        short.save(Path(folder, "short"))
        for name in names:
            try:
                duels[name] = _checked_duel(name, Path(folder), n_epochs).to_dict()
            except WorkerError as error:
                if not any(name in str(error) for name in ABSENT):
                    raise
                _say(f"  {name} is left out: {error}")
            else:
                figures = f"{ratio(duels[name]):.2f} times our time; compiled in {duels[name]['compile_s']:.1f} s"
                _say(f"  {duels[name]['label']}: {figures}")
    return {
        "network": "-".join(map(str, case.sizes)), "batch_size": case.batch_size, "optimizer": case.optimizer,
        "n_samples": case.n_samples, "n_steps": case.n_steps, "flops": case.flops, "data": source, "duels": duels,
    }  # fmt: skip


def _checked_duel(name: str, folder: Path, n_epochs: int) -> Duel:
    """A duel over some steps, to be sure that both do the same; then the one that is timed."""
    trial = fight(name, folder / "short", 0)
    check_losses(trial, TOLERANCES.get(name, TOLERANCE))
    duel = fight(name, folder / "task", n_epochs)
    check_losses(duel, EPOCH_TOLERANCE)
    return replace(duel, compile_s=trial.compile_s, ours_compile_s=trial.ours_compile_s)


def save(record: dict) -> Path:
    """Write the record under its date; gives the file."""
    FOLDER.mkdir(exist_ok=True)
    stamp = record["machine"]["date"][:19].replace(":", "").replace("-", "")
    path = FOLDER / f"{stamp}.json"
    path.write_text(json.dumps(record, indent=1) + "\n")
    return path


def load(path: Path) -> dict:
    return json.loads(Path(path).read_text())


def ratio(duel: dict) -> float:
    """The rival's seconds over ours: the median over the pairs."""
    return median(theirs / ours for theirs, ours in zip(duel["rival_s"], duel["ours_s"], strict=True))


def ours_s(case: dict) -> float:
    """Our seconds an epoch: the median over all duels."""
    return median(s for duel in case["duels"].values() for s in duel["ours_s"])


def share_of_peak(case: dict) -> float:
    """Useful FLOPs over what the core could have done in our time: the median over all pairs."""
    pairs = ((s, p) for duel in case["duels"].values() for s, p in zip(duel["ours_s"], duel["peaks"], strict=True))
    return median(case["flops"] / (seconds * peak) for seconds, peak in pairs)


def is_complete(record: dict) -> bool:
    """Whether every case met every rival; of those that need a unit of the CPU, what there was."""
    wanted = set(rivals.NAMES) - set(rivals.BY_UNIT)
    return all(wanted <= set(record["cases"].get(name, {"duels": ()})["duels"]) for name in CASES)
