"""Results that pytest-benchmark stored, over commits.

Times are multiplied by the FMA peak measured in the same run. The product is the number of operations that a core could
have done in that time, so that a slower or busier machine does not appear as a slower commit.
"""

import json
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple


class Point(NamedTuple):
    """Minimum time of one benchmark in one stored run."""

    group: str
    name: str
    commit: str
    date: str
    #: Minimum seconds times the FMA peak in FLOP/s.
    peak_flops: float


def load(storage: Path) -> list[Point]:
    """The benchmarks in the JSON files under a folder, oldest first; those without the FMA peak are skipped."""
    records = [json.loads(path.read_text()) for path in sorted(Path(storage).rglob("*.json"))]
    points = [
        Point(
            benchmark["group"] or "",
            benchmark["name"],
            record["commit_info"]["id"][:7] + ("+" if record["commit_info"].get("dirty") else ""),
            record["datetime"],
            benchmark["stats"]["min"] * benchmark["extra_info"]["peak_gflops"] * 1e9,
        )
        for record in records
        for benchmark in record["benchmarks"]
        if "peak_gflops" in benchmark["extra_info"]
    ]
    return sorted(points, key=lambda point: point.date)


def series(points: list[Point]) -> dict[str, dict[str, list[tuple[str, float]]]]:
    """By group and name: dates, and values relative to the first one."""
    groups: dict = defaultdict(lambda: defaultdict(list))
    for point in points:
        groups[point.group][point.name].append((point.date, point.peak_flops))
    return {
        group: {name: [(date, flops / line[0][1]) for date, flops in line] for name, line in lines.items()}
        for group, lines in groups.items()
    }


def plot(points: list[Point], path: Path) -> None:
    """Draw the normalised times of each group over the stored runs, relative to the first run."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    if not points:
        raise SystemExit("no stored benchmark has the FMA peak; store some: pytest benchmarks --benchmark-autosave")
    dates = {point.date: point.commit for point in points}
    places = {date: place for place, date in enumerate(dates)}
    groups = series(points)
    figure = Figure(figsize=(9, 1 + 3.2 * len(groups)), layout="constrained")
    rows = figure.subplots(len(groups), squeeze=False, sharex=True)[:, 0]
    for axes, (group, lines) in zip(rows, groups.items(), strict=True):
        axes.set_prop_cycle(color=colormaps["tab20"].colors)
        for name, values in lines.items():
            axes.plot([places[date] for date, _ in values], [v for _, v in values], ".-", label=name, linewidth=1)
        axes.set(title=group, ylabel="time x peak, first = 1", xlim=(-0.5, len(places) - 0.5))
        axes.set_xticks(list(places.values()), dates.values(), rotation=90)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="x-small", loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
