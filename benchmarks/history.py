"""The records that pytest-benchmark stored, over commits.

Times are multiplied by the FMA peak of their own run, so that a machine's bad day, or another machine, is no slowdown:
what is drawn is the arithmetic that a core could have done meanwhile.
"""

import json
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple


class Point(NamedTuple):
    """A benchmark's least time in one record."""

    group: str
    name: str
    commit: str
    date: str
    #: Least seconds times the peak in FLOP/s.
    peak_flops: float


def load(storage: Path) -> list[Point]:
    """Every benchmark in the JSON files under a folder, the oldest first, that tells the peak of its run."""
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
    """Group to name to (date, figure relative to the first one's)."""
    groups: dict = defaultdict(lambda: defaultdict(list))
    for point in points:
        groups[point.group][point.name].append((point.date, point.peak_flops))
    return {
        group: {name: [(date, flops / line[0][1]) for date, flops in line] for name, line in lines.items()}
        for group, lines in groups.items()
    }


def plot(points: list[Point], path: Path) -> None:
    """Draw each group: normalised time over records, relative to the first."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    if not points:
        raise SystemExit("no stored benchmark tells its peak; make some: pytest benchmarks --benchmark-autosave")
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
