"""The published tables and the plots of benchmark records. Every figure is computed from the records.

docs/performance.md has the full tables of each kind of CPU. README.md has short ones (fastmlp, the fastest rival and
some libraries), for the kind of CPU with the best and, if there are several, for that with the worst ratio to the
fastest rival in training. Runs on several threads, or limited to some instructions, are in neither of these two.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import geometric_mean, median

from benchmarks import record as records
from benchmarks import rivals
from benchmarks.rivals import OURS
from benchmarks.suite import SUITES, Suite

ROOT = Path(__file__).parents[1]
README, PERFORMANCE = ROOT / "README.md", ROOT / "docs" / "performance.md"
#: Lines around the tables in each page.
README_MARKERS = "<!-- benchmarks summary:start -->", "<!-- benchmarks summary:end -->"
PERFORMANCE_MARKERS = "<!-- benchmarks:start -->", "<!-- benchmarks:end -->"
OPTIMIZER_SUFFIXES = {"sgd": "", "adam": ", Adam"}
#: Libraries with a row of their own in the short tables, by task.
SHOWN_LIBRARIES = {"train": ("PyTorch", "scikit-learn"), "predict": ("ONNX Runtime", "PyTorch", "scikit-learn")}

#: Records by suite, of one kind of CPU.
Suites = Mapping[str, dict]


def full_tables(published: Mapping[str, Suites]) -> str:
    """The full Markdown tables: a chapter for each kind of CPU; several threads, then limited instructions, last."""
    chapters = []
    for kind, suites in sorted(published.items(), key=lambda item: (_is_limited(item[1]), _n_threads(item[1]))):
        chapters.append(f"## {kind}, a second opinion" if _is_limited(suites) else f"## CPUs with {kind}")
        if _is_limited(suites):
            chapters.append(
                "All libraries were limited to this code on a CPU that has AVX-512: it is not a measurement of a CPU "
                "with AVX2, whose caches, ports and clock are others. The products of JAX and Keras are then those of "
                "oneDNN in place of YNNPACK; ONNX Runtime, which cannot be limited, is left out."
            )
        for name, suite in SUITES.items():
            if name in suites:
                chapters += [f"### {suite.title}", full_table(suites[name], name)]
    return "\n\n".join(chapters)


def full_table(record: dict, name: str) -> str:
    """The full Markdown table of one suite: one column per network, one row per rival."""
    suite, cases = SUITES[name], list(record["suites"][name].values())
    n_threads = record["machine"]["n_threads"]
    rows = [
        [*_time_row(suite, cases), "**1 x**"],
        ["fastmlp, share of the FMA peak", *(_share(records.share_of_peak(case) / n_threads) for case in cases), ""],
    ]
    for rival in suite.rivals:
        if any(rival in case["comparisons"] for case in cases):
            rows.append(_ratio_row(rivals.load(rival).label, cases, [rival]))
    headings = [network(case, suite) for case in cases]
    return "\n".join([*table([*headings, "geometric<br>mean"], rows), "", _full_caption(record, name)])


def summary_tables(published: Mapping[str, Suites]) -> str:
    """The short Markdown tables, of training and of prediction, and their captions."""
    kinds = best_and_slowest(published)
    parts = [_summary_of_training(kinds)]
    with_predictions = {kind: suites for kind, suites in kinds.items() if {"predict-1", "predict-n"} <= set(suites)}
    if with_predictions:
        parts.append(_summary_of_predictions(with_predictions))
    described = {conditions(record) for suites in kinds.values() for record in suites.values()}
    parts.append(
        f"Time per training step{' and per call of a prediction' if with_predictions else ''}; below it, the time of "
        f"other libraries, in their fastest set-up, as a multiple of it. {'; '.join(sorted(described))}."
    )
    return "\n\n".join(parts)


def best_and_slowest(published: Mapping[str, Suites]) -> dict[str, Suites]:
    """The kinds of CPU with the highest and the lowest ratio to the fastest rival in training; one if there is one."""
    means = {
        kind: geometric_mean(rival[1] for rival in _fastest(list(suites["train"]["suites"]["train"].values())) if rival)
        for kind, suites in published.items()
        if "train" in suites and not _is_limited(suites) and _n_threads(suites) == 1
    }
    ranked = sorted(means, key=means.__getitem__, reverse=True)
    return {kind: published[kind] for kind in dict.fromkeys([ranked[0], ranked[-1]])}


def _summary_of_training(kinds: Mapping[str, Suites]) -> str:
    rows, suite = [], SUITES["train"]
    for kind, suites in kinds.items():
        cases = list(suites["train"]["suites"]["train"].values())
        mean = _mean(_fastest(cases))
        rows += [
            [*_time_row(suite, cases, kind if len(kinds) > 1 else ""), "**1 x**"],
            [*_fastest_row(cases), mean],
            *(_ratio_row(library, cases, rivals.LIBRARIES[library]) for library in SHOWN_LIBRARIES["train"]),
        ]
    headings = [network(case, suite) for case in cases]
    return "\n".join(table([*headings, "geometric<br>mean"], rows))


def _summary_of_predictions(kinds: Mapping[str, Suites]) -> str:
    rows, suite = [], SUITES["predict-1"]
    for kind, suites in kinds.items():
        cases = [case for name in ("predict-1", "predict-n") for case in suites[name]["suites"][name].values()]
        rows += [
            _time_row(suite, cases, kind if len(kinds) > 1 else ""),
            _fastest_row(cases),
            *(_ratio_row(library, cases, rivals.LIBRARIES[library])[:-1] for library in SHOWN_LIBRARIES["predict"]),
        ]
    headings = [f"{case['network']}<br>{_samples(case['batch_size'])}" for case in cases]
    return "\n".join(table(headings, rows))


def _fastest(cases: list[dict]) -> list[tuple[str, float] | None]:
    return [records.fastest_rival(case, rivals.LIBRARY_OF) for case in cases]


def _fastest_row(cases: list[dict]) -> list[str]:
    """Per network, library and ratio of the fastest rival."""
    found = _fastest(cases)
    return ["fastest rival", *(f"{rivals.LIBRARY_OF[rival[0]]}, {rival[1]:.2f} x" if rival else "" for rival in found)]


def _ratio_row(label: str, cases: list[dict], names: Iterable[str]) -> list[str]:
    """A row: per network, the ratio of the fastest of some rivals; then the geometric mean of these ratios."""
    found = [records.fastest_rival(case, names) for case in cases]
    return [label, *(f"{rival[1]:.2f} x" if rival else "" for rival in found), _mean(found)]


def _mean(found: list[tuple[str, float] | None]) -> str:
    return f"{geometric_mean(rival[1] for rival in found if rival):.2f} x" if all(found) else ""


def _time_row(suite: Suite, cases: list[dict], kind: str = "") -> list[str]:
    times = [f"**{duration(records.ours_s(case) / case['n_steps'])}**" for case in cases]
    return [f"**fastmlp**, time per {suite.unit}{kind and ', ' + kind}", *times]


def table(headings: list[str], rows: list[list[str]]) -> list[str]:
    """Lines of a table, whose first column has no heading."""
    lines = [["", *headings], ["---"] + ["---:"] * len(headings), *rows]
    return ["| " + " | ".join(row) + " |" for row in lines]


def network(case: dict, suite: Suite, separator: str = "<br>") -> str:
    if suite.task == "predict":
        return case["network"]
    return f"{case['network']}{separator}batch {case['batch_size']}{OPTIMIZER_SUFFIXES[case['optimizer']]}"


def _samples(n: int) -> str:
    return "1 sample" if n == 1 else f"{n:,} samples"


def _full_caption(record: dict, name: str) -> str:
    pairs = [c for case in record["suites"][name].values() for c in case["comparisons"].values()]
    n_pairs = min(len(comparison["ours_s"]) for comparison in pairs)
    peak = median(flops for comparison in pairs for flops in comparison["peaks"]) / 1e9
    versions = ", ".join(f"{name} {version}" for name, version in record["machine"]["versions"].items() if version)
    measured = "epochs, trained in turn" if SUITES[name].task == "train" else "rounds, measured in turn"
    return (
        f"Ratios are times relative to fastmlp's with float32 input: medians over at least {n_pairs} pairs of "
        f"{measured}. {conditions(record)}, FMA peak {peak:.0f} GFLOP/s per core; {versions}."
    )


def conditions(record: dict) -> str:
    """CPU, caches, threads, precision and date."""
    machine = record["machine"]
    threads = "one thread" if machine["n_threads"] == 1 else f"{machine['n_threads']} threads"
    limit = f", limited to {machine['limited_to']} code" if machine["limited_to"] else ""
    caches = ", ".join(f"{level} {size}" for level, size in machine["caches"].items())
    cpu = f"{records.cpu_of(record)} with {machine['instructions']}{caches and f' ({caches})'}{limit}"
    return f"CPU: {cpu}, {threads}, float32, {machine['date'][:10]}"


def _is_limited(suites: Suites) -> bool:
    return any(record["machine"]["limited_to"] for record in suites.values())


def _n_threads(suites: Suites) -> int:
    return max(record["machine"]["n_threads"] for record in suites.values())


def _share(share: float) -> str:
    return f"{share:.2f}" if share >= 0.1 else f"{share:.1g}"


def duration(seconds: float) -> str:
    if seconds >= 0.9995:  # 1 to three digits
        return f"{seconds:.3g} s"
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} µs"


def fill_pages(published: Mapping[str, Suites], readme: Path = README, performance: Path = PERFORMANCE) -> None:
    """Write the short tables into the README and the full tables into the page on performance."""
    fill(readme, README_MARKERS, summary_tables(published))
    fill(performance, PERFORMANCE_MARKERS, full_tables(published))


def fill(path: Path, markers: tuple[str, str], table: str) -> None:
    """Replace the text between a page's two markers."""
    text, (start, end) = path.read_text(encoding="utf-8"), markers
    if text.count(start) != 1 or text.count(end) != 1:
        raise ValueError(
            f"{path}: expected one line {start} and one line {end}, with the tables between them, "
            f"got {text.count(start)} and {text.count(end)}"
        )
    before, rest = text.split(start)
    after = rest.split(end)[1]
    path.write_text(f"{before}{start}\n{table}\n{end}{after}", encoding="utf-8")


def plot(record: dict, path: Path) -> None:
    """Draw microseconds on a logarithmic axis: a panel per suite, a group of bars per network, a bar per rival."""
    from matplotlib.figure import Figure

    names = list(record["suites"])
    figure = Figure(figsize=(15, 4.8 * len(names)), layout="constrained")
    for axes, name in zip(figure.subplots(len(names), squeeze=False)[:, 0], names, strict=True):
        _draw_bars(axes, SUITES[name], list(record["suites"][name].values()))
    figure.savefig(path, dpi=100)


def _draw_bars(axes, suite: Suite, cases: list[dict]) -> None:
    from matplotlib import colormaps

    bars = {OURS: [_micros(case, records.ours_s(case)) for case in cases]}
    for name in suite.rivals:
        if any(name in case["comparisons"] for case in cases):
            bars[name] = [_rival_micros(case, name) for case in cases]
    width, colours = 0.84 / len(bars), colormaps["tab20"]
    for i, (name, heights) in enumerate(bars.items()):
        positions = [group + (i - (len(bars) - 1) / 2) * width for group in range(len(cases))]
        axes.bar(positions, heights, width, label=rivals.load(name).label, color=colours(i))
    labels = [network(case, suite, "\n") for case in cases]
    axes.set(title=suite.title, yscale="log", ylabel=f"µs per {suite.unit} (lower is better)")
    axes.set_xticks(range(len(cases)), labels)
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize="small")


def _micros(case: dict, epoch_s: float) -> float:
    return epoch_s / case["n_steps"] * 1e6


def _rival_micros(case: dict, name: str) -> float:
    """fastmlp's median time times the rival's ratio, so that bars have the ratios of the pairs."""
    if name not in case["comparisons"]:
        return float("nan")
    return _micros(case, records.ours_s(case) * records.ratio(case["comparisons"][name]))
