"""The tables of docs/tabular.md: scores and times of the preset beside other libraries, in the mean and by table."""

import json
from collections.abc import Iterable
from math import exp, log
from pathlib import Path
from statistics import mean

from benchmarks import report, tables
from benchmarks.record import FOLDER

PAGE = Path(__file__).parents[1] / "docs" / "tabular.md"
MARKERS = "<!-- tables:start -->", "<!-- tables:end -->"
#: Fewest seeds of a record that is shown.
MIN_SEEDS = 5
OURS = "fastmlp"
#: A mean counts R^2 below this value, and a run that diverged, as this value, so that no single table decides it.
FLOOR = -1.0


def is_complete(record: dict) -> bool:
    """Whether a record has every table with every competitor, and the preset with enough seeds."""
    entries = record["tables"]
    return not record["machine"]["limits"] and all(
        name in entries
        and len(entries[name]["results"][OURS]["score"]) >= MIN_SEEDS
        and {key for key, item in tables.COMPETITORS.items() if entries[name]["task"] in item.tasks}
        <= set(entries[name]["results"])
        for name in tables.TABLES
    )


def published() -> dict:
    """The newest stored record that is complete."""
    records = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("tables-*.json"))]
    return [record for record in records if is_complete(record)][-1]


def fill_page(path: Path = PAGE) -> None:
    """Write the tables of the newest complete record into the page on the preset."""
    report.fill(path, MARKERS, text(published()))


def text(record: dict) -> str:
    """Both tables and their caption, in Markdown."""
    return "\n\n".join([_means(record), _caption(record), _scores(record)])


def mean_score(record: dict, name: str, task: str | None = None) -> float | None:
    """Mean over the tables of a task, or all, of the mean score over the seeds; None without a result for each."""
    entries = [entry for entry in record["tables"].values() if task in (None, entry["task"])]
    if not entries or any(name not in entry["results"] for entry in entries):
        return None
    return mean(_mean(entry["results"][name]["score"]) for entry in entries)


def seconds(record: dict, name: str) -> float:
    """Sum over the tables of the mean time of a fit."""
    return sum(mean(e["results"][name]["cpu_s"]) for e in record["tables"].values() if name in e["results"])


def relative_time(record: dict, name: str) -> float:
    """Geometric mean over the tables of a competitor's mean time of a fit, over the preset's."""
    ratios = [
        mean(entry["results"][name]["cpu_s"]) / mean(entry["results"][OURS]["cpu_s"])
        for entry in record["tables"].values()
        if name in entry["results"]
    ]
    return exp(mean(map(log, ratios)))


def _mean(scores: Iterable[float | None]) -> float:
    return mean(FLOOR if score is None else max(score, FLOOR) for score in scores)


def _means(record: dict) -> str:
    rows = []
    for name, competitor in tables.COMPETITORS.items():
        if not any(name in entry["results"] for entry in record["tables"].values()):
            continue
        means = [mean_score(record, name, task) for task in ("classification", "regression", None)]
        times = [f"{seconds(record, name):.1f} s", f"{relative_time(record, name):.2g} x"]
        if None in means[:2]:
            times[0] = ""  # a sum over fewer tables
        rows.append([competitor.label, *("" if value is None else f"{value:.3f}" for value in means), *times])
    counts = [sum(entry["task"] == task for entry in record["tables"].values()) for task in tables.TASKS]
    headings = [
        f"accuracy,<br>{counts[0]} tables",
        f"R²,<br>{counts[1]} tables",
        "mean of<br>all scores",
        "time of<br>all fits",
        "geometric mean<br>of times",
    ]
    return "\n".join(report.table(headings, rows))


def _scores(record: dict) -> str:
    known = {name for entry in record["tables"].values() for name in entry["results"]}
    names = [name for name in tables.COMPETITORS if name in known]
    rows = []
    for table, entry in record["tables"].items():
        means = {name: _mean(result["score"]) for name, result in entry["results"].items()}
        measure = "accuracy" if entry["task"] == "classification" else "R²"
        cells = [f"{means[name]:.3f}" if name in means else "" for name in names]
        rows.append([table, f"{entry['n_rows']:,} x {entry['n_features']}", measure, *cells])
    headings = ["rows x features", "score", *(tables.COMPETITORS[name].label for name in names)]
    return "\n".join(report.table(headings, rows))


def _caption(record: dict) -> str:
    counts = {
        f"{tables.COMPETITORS[name].label.strip('*')} on {table}": len(result["score"])
        for table, entry in record["tables"].items()
        for name, result in entry["results"].items()
    }
    most = max(counts.values())
    fewer = "".join(f"; {where} {n}" for where, n in counts.items() if n < most)
    return (
        f"Means over {most} seeds, each with a split of its own{fewer}. R² below {FLOOR:g}, and runs that diverged, "
        f"count as {FLOOR:g}. Times are CPU seconds of a fit. {report.conditions(record)}."
    )
