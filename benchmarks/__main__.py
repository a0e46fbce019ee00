"""``python -m benchmarks``: fastmlp beside its rivals; or, by command, over time, or one commit beside another."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from benchmarks import compare, history, record, report, rivals
from benchmarks.case import CASES

app = App(name="benchmarks", help=__doc__)
Names = Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="")]


@app.default
def comparisons(
    *,
    cases: Names = tuple(CASES),
    against: Names = rivals.NAMES,
    epochs: int = 5,
    threads: int = 1,
) -> None:
    """Train every case against every rival; write record and plot, and, after a complete run, the README's table.

    Parameters
    ----------
    cases
        Of: tiny small mnist paper paper-adam large.
    against
        Modules of benchmarks/rivals.
    epochs
        Pairs of epochs for each rival, after a warm-up; five or more for a record worth keeping.
    threads
        Threads of each side, and cores that they share.
    """
    _refuse_unknown("case", cases, CASES)
    _refuse_unknown("rival", against, rivals.NAMES)
    result = record.run(cases, against, epochs, threads)
    path = record.save(result)
    report.plot(result, path.with_suffix(".png"))
    print(report.table(result))
    print(f"written: {path} and {path.with_suffix('.png').name}")
    if record.is_complete(result) and epochs >= 5 and threads == 1:
        report.fill_readme(result)


@app.command
def table(path: Path) -> None:
    """Fill the README's table, and draw the plot, from a record."""
    result = record.load(path)
    report.plot(result, path.with_suffix(".png"))
    report.fill_readme(result)


@app.command(name="history")
def draw_history(storage: Path = Path(".benchmarks"), out: Path = Path("benchmarks/records/history.png")) -> None:
    """Draw the records that pytest-benchmark stored, over commits, times normalised by the peak of the same run."""
    history.plot(history.load(storage), out)
    print(f"written: {out}")


@app.command(name="compare")
def compare_commits(base: str, head: str = "HEAD", *, pairs: int = 9, threshold: float = 1.04) -> None:
    """Compare two commits, and exit with 1 where HEAD is slower.

    Parameters
    ----------
    base, head
        Commits, as git names them; a dot is the working tree.
    pairs
        Pairs of fresh processes; candidates get as many again.
    threshold
        Ratio of times, head to base, beyond which a case is slower.
    """
    verdicts = compare.compare(base, head, pairs, threshold)
    print(compare.table(verdicts))
    sys.exit(int(any(verdict.is_slower for verdict in verdicts)))


def _refuse_unknown(what: str, given, known) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        sys.exit(f"no such {what}: {', '.join(unknown)}; there are {', '.join(known)}")


if __name__ == "__main__":
    app()
