"""What is shown of a record: the table in the README, and a plot. Every figure comes from the record."""

from pathlib import Path

from benchmarks import record as records
from benchmarks import rivals
from benchmarks.rivals import OURS

README = Path(__file__).parents[1] / "README.md"
START, END = "<!-- benchmarks:start -->", "<!-- benchmarks:end -->"
ADAM = {"sgd": "", "adam": ", Adam"}


def table(record: dict) -> str:
    """Markdown: a column a network, a row a rival; our time and share of the peak, then times our time."""
    cases = list(record["cases"].values())
    heads = [f"{c['network']}<br>batch {c['batch_size']}{ADAM[c['optimizer']]}" for c in cases]
    rows = [
        ["", *heads],
        ["---"] + ["---:"] * len(cases),
        ["**fastmlp**, a step", *(f"**{_seconds(records.ours_s(c) / c['n_steps'])}**" for c in cases)],
        ["share of the FMA peak", *(f"{records.share_of_peak(c):.2f}" for c in cases)],
    ]
    for name in rivals.NAMES:
        comparisons = [case["comparisons"].get(name) for case in cases]
        if any(comparisons):
            rows.append([rivals.load(name).label, *(f"{records.ratio(d):.2f} x" if d else "" for d in comparisons)])
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([*lines, "", _caption(record)])


def _caption(record: dict) -> str:
    machine = record["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items() if version)
    n_epochs = min(
        len(comparison["ours_s"]) for case in record["cases"].values() for comparison in case["comparisons"].values()
    )
    threads = "one thread" if machine["n_threads"] == 1 else f"{machine['n_threads']} threads"
    return (
        f"Times our time: medians over {n_epochs} or more pairs of epochs, trained in turn, {threads}, float32. "
        f"{machine['cpu']}, {machine['vector_bits']}-bit vectors, {machine['date'][:10]}; {versions}."
    )


def _seconds(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} µs"


def fill_readme(record: dict, path: Path = README) -> None:
    """Replace what stands between the README's markers by the record's table."""
    text = path.read_text(encoding="utf-8")
    if text.count(START) != 1 or text.count(END) != 1:
        raise ValueError(f"{path} needs one line {START} and one line {END}; the table goes between them")
    before, rest = text.split(START)
    after = rest.split(END)[1]
    path.write_text(f"{before}{START}\n{table(record)}\n{END}{after}", encoding="utf-8")


def plot(record: dict, path: Path) -> None:
    """Draw microseconds a step: a group of bars a network, a bar a rival, on a logarithmic axis."""
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
        places = [group + (i - (len(bars) - 1) / 2) * width for group in range(len(cases))]
        axes.bar(places, heights, width, label=rivals.load(name).label, color=colours(i))
    heads = [f"{c['network']}\nbatch {c['batch_size']}{ADAM[c['optimizer']]}" for c in cases]
    axes.set(yscale="log", ylabel="µs a step (less is better)", xticks=range(len(cases)), xticklabels=heads)
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right upper", frameon=False, fontsize="small")
    figure.savefig(path, dpi=120)


def _micros(case: dict, epoch_s: float) -> float:
    return epoch_s / case["n_steps"] * 1e6


def _rival_micros(case: dict, name: str) -> float:
    """Our median time times the rival's ratio, so that bars compare as the pairs did."""
    if name not in case["comparisons"]:
        return float("nan")
    return _micros(case, records.ours_s(case) * records.ratio(case["comparisons"][name]))
