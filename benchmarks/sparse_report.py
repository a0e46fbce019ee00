"""The tables of docs/performance.md on sparse input: times and memory of fits and predictions beside scikit-learn."""

import json
import sys
from pathlib import Path
from statistics import median

from benchmarks import report, sparse
from benchmarks.record import FOLDER

MARKERS = "<!-- sparse:start -->", "<!-- sparse:end -->"
#: Fewest pairs of a record that is shown.
MIN_PAIRS = 3
SOLVERS = {"adam": "Adam", "sgd": "SGD"}


def is_complete(record: dict) -> bool:
    """Whether a record has every case in enough pairs, and no limit of instructions."""
    return not record["machine"]["limits"] and all(
        name in record[task] and all(len(record[task][name]["sides"][side][time]) >= MIN_PAIRS for side in sparse.SIDES)
        for task, cases in sparse.CASES.items()
        for name in cases
        for time in sparse.TIMES[task]
    )


def published() -> dict:
    """The newest stored record that is complete."""
    records = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("sparse-*.json"))]
    complete = [record for record in records if is_complete(record)]
    if not complete:
        sys.exit(f"{FOLDER}: no complete record of sparse input; python -m benchmarks sparse writes one")
    return complete[-1]


def fill_page(path: Path = report.PERFORMANCE) -> None:
    """Write the tables of the newest complete record into the page on performance."""
    report.fill(path, MARKERS, tables(published()))


def tables(record: dict) -> str:
    """The table of each task that has been measured, and their caption, in Markdown."""
    parts = [make(list(record[task].values())) for task, make in TABLES.items() if record[task]]
    return "\n\n".join([*parts, _caption(record)])


def _fits(entries: list[dict]) -> str:
    rows = [
        [
            f"{_shape(entry)}, batch {entry['batch_size']:,}, {SOLVERS[entry['solver']]}",
            *_times(entry, "epoch_s"), f"{sparse.ratio(entry, 'fit_s'):.2f} x", *_memory(entry),
        ]
        for entry in entries
    ]  # fmt: skip
    return _table(["an epoch", "scikit-learn", "ratio", "whole fit,<br>ratio"], rows)


def _predictions(entries: list[dict]) -> str:
    rows = [[_shape(entry), *_times(entry, "all_s"), *_times(entry, "one_s"), *_memory(entry)] for entry in entries]
    n = f"{max(entry['n_samples'] for entry in entries):,}"
    return _table([f"{n} samples", "scikit-learn", "ratio", "one sample", "scikit-learn", "ratio"], rows)


TABLES = {"fit": _fits, "predict": _predictions}


def _table(times: list[str], rows: list[list[str]]) -> str:
    return "\n".join(report.table([*times, "memory<br>(above start)", "scikit-learn"], rows))


def _shape(entry: dict) -> str:
    return f"{entry['n_features']:,} x {entry['n_nonzeros']}, {entry['hidden']} hidden"


def _times(entry: dict, time: str) -> list[str]:
    """fastmlp's median, scikit-learn's, and the median of their ratios."""
    medians = [report.duration(median(entry["sides"][side][time])) for side in sparse.SIDES]
    return [f"**{medians[0]}**", medians[1], f"**{sparse.ratio(entry, time):.2f} x**"]


def _memory(entry: dict) -> list[str]:
    """Peak memory of each side, and the part above its start."""
    return ["{:,.0f} MB<br>({:,.0f})".format(*sparse.memory_mb(entry, side)) for side in sparse.SIDES]


def _caption(record: dict) -> str:
    n_pairs = min(
        len(results[sparse.TIMES[task][0]])
        for task in sparse.CASES
        for entry in record[task].values()
        for results in entry["sides"].values()
    )
    versions = ", ".join(f"{name} {version}" for name, version in record["machine"]["versions"].items() if version)
    return (
        f"Columns x non-zeros per row. Times are medians over {n_pairs} pairs of fits, or of rounds of predictions, "
        "measured in turn; ratios, scikit-learn's time over fastmlp's, are medians over the pairs. Memory is the peak "
        f"of a process, and in brackets its part above imports and warm-up. {report.conditions(record)}; {versions}."
    )
