"""``python -m benchmarks``: compare fastmlp with other libraries, two commits, or stored benchmarks over commits."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from benchmarks import compare, history, record, report, rivals
from benchmarks.case import CASES

app = App(name="benchmarks", help=__doc__)
Names = Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="")]

#: Fewest pairs of epochs of a record whose tables are published.
MIN_PUBLISHED_PAIRS = 5


@app.default
def comparisons(
    *,
    cases: Names = tuple(CASES),
    against: Names = rivals.NAMES,
    epochs: int = MIN_PUBLISHED_PAIRS,
    threads: int = 1,
) -> None:
    """Train every case with every rival; write a record and its plot, and, after a complete run, the published tables.

    The tables are those of README.md and docs/performance.md. They are filled if every case was trained with every
    rival, on one thread, in five or more pairs of epochs.

    Parameters
    ----------
    cases
        Names of cases: tiny small mnist paper paper-adam large.
    against
        Modules of benchmarks/rivals.
    epochs
        Pairs of epochs per rival, after a warm-up.
    threads
        Threads, and cores, of each process.
    """
    _refuse_unknown("case", cases, CASES)
    _refuse_unknown("rival", against, rivals.NAMES)
    result = record.run(cases, against, epochs, threads)
    path = record.save(result)
    report.plot(result, path.with_suffix(".png"))
    print(report.full_table(result))
    print(f"written: {path} and {path.with_suffix('.png').name}")
    if record.is_complete(result) and epochs >= MIN_PUBLISHED_PAIRS and threads == 1:
        report.fill_pages(result)


@app.command
def table(path: Path) -> None:
    """Fill the tables of README.md and docs/performance.md from a record, and draw its plot."""
    result = record.load(path)
    report.plot(result, path.with_suffix(".png"))
    report.fill_pages(result)


@app.command(name="history")
def draw_history(storage: Path = Path(".benchmarks"), out: Path = Path("benchmarks/records/history.png")) -> None:
    """Draw the results stored by pytest-benchmark, over commits, each normalised by the FMA peak of its run."""
    history.plot(history.load(storage), out)
    print(f"written: {out}")


@app.command(name="compare")
def compare_commits(base: str, head: str = "HEAD", *, pairs: int = 9, threshold: float = 1.04) -> None:
    """Regression check: compare two commits, and exit with 1 if HEAD is slower.

    Parameters
    ----------
    base, head
        Commits, as git names them; a dot is the working tree.
    pairs
        Pairs of new processes; candidates for a regression are measured in as many again.
    threshold
        Ratio of times, head to base, above which a probe is slower.
    """
    verdicts = compare.compare(base, head, pairs, threshold)
    print(compare.table(verdicts))
    sys.exit(int(any(verdict.is_slower for verdict in verdicts)))


def _refuse_unknown(kind: str, given, known) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        sys.exit(f"unknown {kind}: expected some of {', '.join(known)}, got {', '.join(unknown)}")


if __name__ == "__main__":
    app()
