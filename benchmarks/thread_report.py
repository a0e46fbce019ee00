"""The tables of docs/performance.md on several threads: measured, and computed by the cost model for more cores."""

import json
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks import report, threads
from benchmarks.case import CASES
from benchmarks.record import FOLDER
from benchmarks.suite import SUITES
from benchmarks.thread_model import (
    BARRIERS_PER_STEP,
    PARTS,
    ThreadModel,
    counts_of,
    fit,
    threads_that_pay,
)

MARKERS = "<!-- threads:start -->", "<!-- threads:end -->"
#: Fewest pairs of a record that is shown.
MIN_PAIRS = 7
#: Numbers of threads for which times are computed, with near cores; and groups of cores, and sockets, of the last.
COMPUTED, GROUPS, SOCKETS = (4, 8, 16, 32, 64), 8, 2


def is_complete(record: dict) -> bool:
    """Whether a record has every case, two threads among its numbers, enough pairs, and no limit of instructions."""
    return (
        not record["machine"]["limits"]
        and 2 in record["counts"]
        and all(
            name in record[task]
            and all(len(measured["team_s"]) >= MIN_PAIRS for measured in record[task][name]["counts"].values())
            for task, cases in threads.TASKS.items()
            for name in cases
        )
    )


def published() -> dict:
    """The newest stored record that is complete."""
    records = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("threads-*.json"))]
    return [record for record in records if is_complete(record)][-1]


def fill_page(path: Path = report.PERFORMANCE) -> None:
    """Write the tables of the newest complete record into the page on performance."""
    report.fill(path, MARKERS, tables(published()))


def tables(record: dict) -> str:
    """All tables and their captions, in Markdown; computed times only if two threads trained every case."""
    model = fit(record) if 2 in record["counts"] and set(record["train"]) == set(CASES) else None
    parts = [_measured(record, model), _caption(record)]
    if model is not None:
        parts.append("Computed, not measured: times as fast as one thread, by the number of threads.")
        parts += [_computed(record, model), _constants(model), _shares(record, model)]
    return "\n\n".join(parts)


def _measured(record: dict, model: ThreadModel | None) -> str:
    headings = ["threads, cores", "pairs", "one thread", "time", "times as fast", "as many processes", "barriers"]
    rows = []
    for task, name, entry in _entries(record):
        for key, measured in entry["counts"].items():
            processes = f"{median(threads.speedups(measured, 'processes')):.2f}"
            for distance, pairs in threads.by_distance(measured, int(key)).items():
                one, team, times = median(pairs["one_s"]), median(pairs["team_s"]), threads.speedups(pairs)
                barriers = BARRIERS_PER_STEP * median(pairs["barrier_s"])
                rows.append([
                    name, f"{key}, {distance}", str(len(times)), report.duration(one), report.duration(team),
                    f"**{median(times):.2f}** ({min(times):.2f} to {max(times):.2f})", processes,
                    f"{100 * barriers / team:.2g} %" if task == "train" else "",
                    report.duration(_computed_seconds(model, task, entry, int(key), distance)) if model else "",
                ])  # fmt: skip
    return "\n".join(report.table([*headings, "computed time"], rows))


def _computed_seconds(model: ThreadModel, task: str, entry: dict, n: int, distance: str) -> float:
    """Far cores: each is a group of its own."""
    if task == "predict":
        return model.call_seconds(entry, n)
    return model.step_seconds(entry, n, n_groups=n if distance == "far" else 1)


def _entries(record: dict) -> Iterator[tuple[str, str, dict]]:
    """Task, name and entry of each case."""
    for task, suite in (("train", SUITES["train"]), ("predict", SUITES["predict-n"])):
        for entry in record[task].values():
            suffix = ", prediction" if task == "predict" else ""
            yield task, report.network(entry, suite, ", ") + suffix, entry


def _caption(record: dict) -> str:
    barriers: dict[str, list[float]] = {}
    for _, _, entry in _entries(record):
        for key, measured in entry["counts"].items():
            for distance, pairs in threads.by_distance(measured, int(key)).items():
                barriers.setdefault(f"{key} threads on {distance} cores", []).extend(pairs["barrier_s"])
    times = "; ".join(
        f"{name} {median(s) * 1e9:.0f} ns ({min(s) * 1e9:.0f} to {max(s) * 1e9:.0f})" for name, s in barriers.items()
    )
    starts = "; ".join(f"{n} threads {report.duration(median(s))}" for n, s in record["start_s"].items())
    return (
        f"Medians (and ranges) over pairs. One barrier, next to each pair: {times}. Start and end of the threads of a "
        f"chunk or prediction: {starts}. {report.conditions(record)}."
    )


def _computed(record: dict, model: ThreadModel) -> str:
    rows = []
    for _, name, entry in (item for item in _entries(record) if item[0] == "train"):
        one = model.step_seconds(entry, 1)
        times = [one / model.step_seconds(entry, n) for n in COMPUTED]
        times += [one / model.step_seconds(entry, COMPUTED[-1], GROUPS, sockets) for sockets in (1, SOCKETS)]
        n = threads_that_pay(model, entry, COMPUTED[-1])
        rows.append([name, *(f"{ratio:.1f}" for ratio in times), str(n), _bound(model, entry, n)])
    last = f"{COMPUTED[-1]} in {GROUPS} groups"
    headings = [*(f"{n}" for n in COMPUTED), last, f"and {SOCKETS} sockets", "threads that pay", "then bound by"]
    return "\n".join(report.table(headings, rows))


def _bound(model: ThreadModel, entry: dict, n: int) -> str:
    """The part that takes the longest with n threads."""
    parts = model.parts(entry, n)
    return max(parts, key=parts.__getitem__)


def _constants(model: ThreadModel) -> str:
    units = ", ".join(
        f"{part} {1e12 * model.unit_s[part]:.3g} ps per {unit}" for part, unit in PARTS.items() if part != "constant"
    )
    return (
        f"Constants, fitted with one and two threads: {units}; {1e9 * model.unit_s['constant']:.0f} ns per step. "
        f"Measured, per thread: a barrier {1e9 * model.barrier_s:.0f} ns ({1e9 * model.far_barrier_s:.0f} if far), "
        f"a start {report.duration(model.start_s)}."
    )


def _shares(record: dict, model: ThreadModel) -> str:
    """What a thread reads that others wrote, with two threads, and its share of the step."""
    lines = []
    for _, name, entry in (item for item in _entries(record) if item[0] == "train"):
        kib, share = counts_of(entry, 2)["traffic"] / 1024, []
        for n_groups, part in ((1, "traffic"), (2, "far traffic")):
            share.append(100 * model.parts(entry, 2, n_groups)[part] / model.step_seconds(entry, 2, n_groups))
        lines.append(f"{name} {kib:,.0f} KiB, {share[0]:.1f} % ({share[1]:.1f} %)")
    return f"Traffic of two threads, per thread and step, and its share (on far cores): {'; '.join(lines)}."
