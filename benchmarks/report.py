"""The published tables and the plot of a benchmark record. Every figure is computed from the record.

README.md has the short table (fastmlp, the fastest rival, PyTorch, scikit-learn), docs/performance.md the full one.
"""

from collections.abc import Iterable
from pathlib import Path
from statistics import geometric_mean, median

from benchmarks import record as records
from benchmarks import rivals
from benchmarks.rivals import OURS

ROOT = Path(__file__).parents[1]
README, PERFORMANCE = ROOT / "README.md", ROOT / "docs" / "performance.md"
#: Lines around the table in each page.
README_MARKERS = "<!-- benchmarks summary:start -->", "<!-- benchmarks summary:end -->"
PERFORMANCE_MARKERS = "<!-- benchmarks:start -->", "<!-- benchmarks:end -->"
OPTIMIZER_SUFFIXES = {"sgd": "", "adam": ", Adam"}


def full_table(record: dict) -> str:
    """The full Markdown table: one column per network, one row per rival."""
    cases = list(record["cases"].values())
    rows = [["fastmlp, share of the FMA peak", *(f"{records.share_of_peak(case):.2f}" for case in cases), ""]]
    for name in rivals.NAMES:
        if any(name in case["comparisons"] for case in cases):
            rows.append(_ratio_row(rivals.load(name).label, cases, [name]))
    return "\n".join([*_table(cases, rows), "", _full_caption(record)])


def summary_table(record: dict) -> str:
    """The short Markdown table: fastmlp, the fastest rival on each network, PyTorch and scikit-learn."""
    cases = list(record["cases"].values())
    label, *ratios, mean = _ratio_row("fastest rival", cases, rivals.LIBRARY_OF)
    found = [records.fastest_rival(case, rivals.LIBRARY_OF) for case in cases]
    names = [f"{rivals.LIBRARY_OF[rival[0]]}, " if rival else "" for rival in found]
    rows = [[label, *(name + ratio for name, ratio in zip(names, ratios, strict=True)), mean]]
    rows += [_ratio_row(library, cases, rivals.LIBRARIES[library]) for library in ("PyTorch", "scikit-learn")]
    return "\n".join([*_table(cases, rows), "", _summary_caption(record)])


def _ratio_row(label: str, cases: list[dict], names: Iterable[str]) -> list[str]:
    """A row: per network, the ratio of the fastest of some rivals; then the geometric mean of these ratios."""
    found = [records.fastest_rival(case, names) for case in cases]
    mean = f"{geometric_mean(rival[1] for rival in found):.2f} x" if all(found) else ""
    return [label, *(f"{rival[1]:.2f} x" if rival else "" for rival in found), mean]


def _table(cases: list[dict], rows: list[list[str]]) -> list[str]:
    """Lines of a table: the heading, the row of fastmlp's time per step, then the given rows."""
    times = [f"**{_seconds(records.ours_s(case) / case['n_steps'])}**" for case in cases]
    heading = [
        ["", *(_network(case, "<br>") for case in cases), "geometric<br>mean"],
        ["---"] + ["---:"] * (len(cases) + 1),
        ["**fastmlp**, time per step", *times, "**1 x**"],
    ]
    return ["| " + " | ".join(row) + " |" for row in heading + rows]


def _network(case: dict, separator: str) -> str:
    return f"{case['network']}{separator}batch {case['batch_size']}{OPTIMIZER_SUFFIXES[case['optimizer']]}"


def _summary_caption(record: dict) -> str:
    return (
        "Time per training step; below it, the time of other libraries, in their fastest set-up, as a multiple of it. "
        f"{_conditions(record)}."
    )


def _full_caption(record: dict) -> str:
    pairs = [c for case in record["cases"].values() for c in case["comparisons"].values()]
    n_epochs = min(len(comparison["ours_s"]) for comparison in pairs)
    peak = median(flops for comparison in pairs for flops in comparison["peaks"]) / 1e9
    versions = ", ".join(f"{name} {version}" for name, version in record["machine"]["versions"].items() if version)
    return (
        f"Ratios are times relative to fastmlp's with float32 input: medians over at least {n_epochs} pairs of epochs, "
        f"trained in turn. {_conditions(record)}, FMA peak {peak:.0f} GFLOP/s per core; {versions}."
    )


def _conditions(record: dict) -> str:
    """CPU, threads, precision and date."""
    machine = record["machine"]
    threads = "one thread" if machine["n_threads"] == 1 else f"{machine['n_threads']} threads"
    return f"CPU: {machine['cpu']} ({machine['vector_bits']}-bit vectors), {threads}, float32, {machine['date'][:10]}"


def _seconds(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} µs"


def fill_pages(record: dict, readme: Path = README, performance: Path = PERFORMANCE) -> None:
    """Write the short table into the README and the full table into the page on performance."""
    _fill(readme, README_MARKERS, summary_table(record))
    _fill(performance, PERFORMANCE_MARKERS, full_table(record))


def _fill(path: Path, markers: tuple[str, str], table: str) -> None:
    """Replace the text between a page's two markers."""
    text, (start, end) = path.read_text(encoding="utf-8"), markers
    if text.count(start) != 1 or text.count(end) != 1:
        raise ValueError(
            f"{path}: expected one line {start} and one line {end}, with the table between them, "
            f"got {text.count(start)} and {text.count(end)}"
        )
    before, rest = text.split(start)
    after = rest.split(end)[1]
    path.write_text(f"{before}{start}\n{table}\n{end}{after}", encoding="utf-8")


def plot(record: dict, path: Path) -> None:
    """Draw microseconds per step on a logarithmic axis: one group of bars per network, one bar per rival."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    cases = list(record["cases"].values())
    bars = {OURS: [_micros(case, records.ours_s(case)) for case in cases]}
    for name in rivals.NAMES:
        if any(name in case["comparisons"] for case in cases):
            bars[name] = [_rival_micros(case, name) for case in cases]
    figure = Figure(figsize=(3.5 + 1.9 * len(cases), 4.8), layout="constrained")
    axes = figure.subplots()
    width, colours = 0.84 / len(bars), colormaps["tab20"]
    for i, (name, heights) in enumerate(bars.items()):
        positions = [group + (i - (len(bars) - 1) / 2) * width for group in range(len(cases))]
        axes.bar(positions, heights, width, label=rivals.load(name).label, color=colours(i))
    labels = [_network(case, "\n") for case in cases]
    axes.set(yscale="log", ylabel="µs per step (lower is better)", xticks=range(len(cases)), xticklabels=labels)
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right upper", frameon=False, fontsize="small")
    figure.savefig(path, dpi=120)


def _micros(case: dict, epoch_s: float) -> float:
    return epoch_s / case["n_steps"] * 1e6


def _rival_micros(case: dict, name: str) -> float:
    """fastmlp's median time times the rival's ratio, so that bars have the ratios of the pairs."""
    if name not in case["comparisons"]:
        return float("nan")
    return _micros(case, records.ours_s(case) * records.ratio(case["comparisons"][name]))
