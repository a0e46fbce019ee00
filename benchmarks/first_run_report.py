"""The tables of docs/performance.md on the first run: times since the start of a process, and what is compiled."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from statistics import median

from benchmarks import first_run, report
from benchmarks.record import FOLDER

MARKERS = "<!-- first run:start -->", "<!-- first run:end -->"
#: Fewest rounds of a record that is shown.
MIN_ROUNDS = 3
#: Times that are shown for each network, and their headings.
ENDS = {"train_s": "trained", "predict_s": "predicted", "cpu_s": "CPU"}
SETS = {
    "default_run": "the default run",
    "all_optimizers": "all optimizers",
    "everything": "everything",
}


def is_complete(record: dict) -> bool:
    """Whether a record has every contender in enough rounds, and no limit of instructions."""
    return not record["machine"]["limits"] and all(
        set(first_run.CONTENDERS) <= set(case["runs"])
        and all(len(run[name]) >= MIN_ROUNDS for run in case["runs"].values() for name in first_run.TIMES)
        for case in record["cases"].values()
    )


def published() -> dict:
    """The newest stored record that is complete."""
    records = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("first-run-*.json"))]
    complete = [record for record in records if is_complete(record)]
    if not complete:
        sys.exit(f"{FOLDER}: no complete record of the first run; python -m benchmarks first-run writes one")
    return complete[-1]


def fill_page(path: Path = report.PERFORMANCE) -> None:
    """Write the tables of the newest complete record into the page on performance."""
    report.fill(path, MARKERS, tables(published()))


def tables(record: dict) -> str:
    """The times, their caption, and the counts, in Markdown."""
    return "\n\n".join([_times(record), _caption(record), _counts(record)])


def _times(record: dict) -> str:
    cases = list(record["cases"].values())
    headings = ["import", *(f"{case['network']},<br>{end}" for case in cases for end in ENDS.values())]
    rows = []
    for key, run in cases[0]["runs"].items():
        runs = [case["runs"][key] for case in cases]
        cells = [_seconds(time for each in runs for time in each["import_s"])]
        cells += [_seconds(each[name]) for each in runs for name in ENDS]
        rows.append([run["label"], *cells])
    return "\n".join(report.table(headings, rows))


def _seconds(times: Iterable[float]) -> str:
    """Median and range."""
    times = list(times)
    return f"{median(times):.2f} s<br>({min(times):.2f} to {max(times):.2f})"


def _caption(record: dict) -> str:
    cases = record["cases"].values()
    n_rounds = min(len(run["train_s"]) for case in cases for run in case["runs"].values())
    sizes = " and ".join(str(case["batch_size"]) for case in cases)
    versions = ", ".join(f"{name} {version}" for name, version in record["machine"]["versions"].items() if version)
    n_samples = min(case["n_samples"] for case in cases)
    return (
        f"Seconds from the start of a process: medians (and ranges) over {n_rounds} rounds, in which all take turns; "
        "those of the import over both networks. CPU is the time on the core, to the end, without waiting. An epoch "
        f"has {n_samples:,} samples in batches of {sizes}; the prediction is of one sample. "
        f"{report.conditions(record)}; {versions}."
    )


def _counts(record: dict) -> str:
    headings = ["trainings", "functions compiled", "modules emitted", "files cached", "size", "CPU"]
    rows = [
        [
            f"{SETS[kind]}{label and ': '}{label}",
            *(f"{counts[name]:,}" for name in ("runs", "functions", "modules", "files")),
            f"{counts['file_bytes'] / 1e6:.2f} MB",
            f"{counts['cpu_s']:.1f} s",
        ]
        for label, sets in record["compiled"].items()
        for kind, counts in sets.items()
    ]
    return "\n".join(report.table(headings, rows))
