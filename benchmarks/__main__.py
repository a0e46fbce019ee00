"""``python -m benchmarks``: compare fastmlp with other libraries, two commits, or stored benchmarks over commits."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from benchmarks import (
    compare,
    first_run,
    first_run_report,
    history,
    instruction_limit,
    record,
    report,
    sparse,
    sparse_report,
    table_report,
    thread_report,
    threads,
)
from benchmarks import tables as table_scores
from benchmarks.case import CASES
from benchmarks.suite import SUITES

app = App(name="benchmarks", help=__doc__)
Names = Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="")]
Counts = Annotated[tuple[int, ...], Parameter(consume_multiple=True, negative="")]


@app.default
def comparisons(
    *,
    suites: Names = tuple(SUITES),
    cases: Names = (),
    against: Names = (),
    epochs: int = record.MIN_PAIRS,
    threads: int = 1,
    instructions: Literal["avx2"] | None = None,
) -> None:
    """Compare fastmlp with every rival in every suite; write a record, its plot, and the published tables.

    The tables, those of README.md and docs/performance.md, show the newest complete measurement of each suite for each
    kind of CPU and, in docs/performance.md alone, for each number of threads. A suite is complete if every case was run
    with every rival in five or more pairs.

    Parameters
    ----------
    suites
        Names of suites: train predict-1 predict-n.
    cases
        Names of cases, by default all: tiny small mnist paper paper-adam large.
    against
        Modules of benchmarks/rivals, by default all.
    epochs
        Pairs of epochs, or of rounds of predictions, per rival, after a warm-up.
    threads
        Threads, and cores, of each process.
    instructions
        Limit all libraries to AVX2 code, on a CPU with AVX-512. The record is a second opinion, not a measurement of a
        CPU with AVX2, and has tables of its own.
    """
    _refuse_unknown("suite", suites, SUITES)
    _refuse_unknown("case", cases, {case for suite in SUITES.values() for case in suite.cases})
    _refuse_unknown("rival", against, {rival for suite in SUITES.values() for rival in suite.rivals})
    if instructions and not instruction_limit.is_active():
        instruction_limit.restart(sys.argv[1:])
    result = record.run(suites, cases, against, epochs, threads)
    if not result["suites"]:
        sys.exit("nothing was measured: none of the suites has one of the cases and a rival that is available here")
    path = record.save(result)
    report.plot(result, path.with_suffix(".png"))
    for name in result["suites"]:
        print(report.full_table(result, name))
    print(f"written: {path} and {path.with_suffix('.png').name}")
    if result["complete"]:
        report.fill_pages(record.published())


@app.command
def table() -> None:
    """Fill the tables of README.md, docs/performance.md and docs/tabular.md from the stored records."""
    report.fill_pages(record.published())
    thread_report.fill_page()
    table_report.fill_page()
    first_run_report.fill_page()
    sparse_report.fill_page()


@app.command(name="threads")
def measure_threads(*, cases: Names = (), counts: Counts = (), pairs: int = thread_report.MIN_PAIRS) -> None:
    """Measure several threads against one, in training and in predictions of 5,000 samples; write a record.

    It shows what as many independent processes get from the machine, the cost of a barrier, and the times that the cost
    model computes. The chapter of docs/performance.md shows the newest record of all cases.

    Parameters
    ----------
    cases
        Names of cases, by default all: tiny small mnist paper paper-adam large.
    counts
        Numbers of threads, by default 2, 4, 8, ... up to the cores, and all cores. The model is fitted with 2.
    pairs
        Pairs of measurements per case and number of threads, after a warm-up.
    """
    _refuse_unknown("case", cases, CASES)
    if pairs < 1:
        sys.exit(f"--pairs: expected an integer from 1, got {pairs}")
    if not set(counts or threads.default_counts()) - {1}:
        sys.exit("nothing to measure: expected two or more cores, or numbers of threads by --counts")
    result = threads.run(cases, counts, pairs)
    path = record.save(result, "threads-")
    print(f"{thread_report.tables(result)}\n\nwritten: {path}")
    if thread_report.is_complete(result):
        thread_report.fill_page()


@app.command(name="tables")
def score_tables(*, files: Names = (), against: Names = (), seeds: int = table_report.MIN_SEEDS) -> None:
    """Compare the preset tabular with other libraries on real tables, by scores and times; write a record.

    The folder of the tables is that of the environment variable FASTMLP_TABLES. docs/tabular.md shows the newest record
    of all tables and competitors.

    Parameters
    ----------
    files
        Names of tables, by default all of `benchmarks.tables.TABLES`.
    against
        Competitors, by default all: fastmlp_paper sklearn_mlp sklearn_mlp_scaled boosting realmlp.
    seeds
        Number of seeds, each with a split of its own.
    """
    _refuse_unknown("table", files, table_scores.TABLES)
    _refuse_unknown("competitor", against, table_scores.COMPETITORS)
    names = [name for name in table_scores.COMPETITORS if name in against or name == table_report.OURS or not against]
    try:
        result = table_scores.run(files, names, range(seeds))
    except FileNotFoundError as error:
        sys.exit(str(error))
    path = record.save(result, "tables-")
    print(f"{table_report.text(result)}\n\nwritten: {path}")
    if table_report.is_complete(result):
        table_report.fill_page()


@app.command(name="first-run")
def measure_first_run(
    *,
    against: Names = (),
    checkouts: Annotated[tuple[Path, ...], Parameter(consume_multiple=True, negative="")] = (),
    rounds: int = first_run_report.MIN_ROUNDS,
) -> None:
    """Measure the first run of fastmlp and of other libraries, from the start of a process; write a record.

    It also counts the functions that fastmlp compiles, and the bytes that it caches. The chapter of docs/performance.md
    shows the newest record of all contenders.

    Parameters
    ----------
    against
        Contenders, by default all: fastmlp fastmlp_cached estimator sklearn jax torch torch_compiled.
    checkouts
        Folders with another fastmlp, measured in the same rounds and named by their last part: a checkout of another
        commit, or where a wheel is installed by pip's --target.
    rounds
        New processes per contender and network.
    """
    _refuse_unknown("contender", against, first_run.CONTENDERS)
    for folder in checkouts:
        if not (folder / "fastmlp" / "__init__.py").exists():
            sys.exit(f"--checkouts: expected folders that contain the package fastmlp, got {folder}")
    if len({folder.resolve().name for folder in checkouts}) < len(checkouts):
        sys.exit(f"--checkouts: expected folders with different names, got {' '.join(map(str, checkouts))}")
    if rounds < 1:
        sys.exit(f"--rounds: expected an integer from 1, got {rounds}")
    result = first_run.run(against, checkouts, rounds)
    path = record.save(result, "first-run-")
    print(f"{first_run_report.tables(result)}\n\nwritten: {path}")
    if first_run_report.is_complete(result):
        first_run_report.fill_page()


@app.command(name="sparse")
def measure_sparse(*, only: Names = (), pairs: int = sparse_report.MIN_PAIRS) -> None:
    """Measure the estimator on sparse input beside scikit-learn's: times and memory; write a record.

    The chapter of docs/performance.md shows the newest record of all cases.

    Parameters
    ----------
    only
        Cases whose name contains one of these texts, by default all. Names are fit-COLUMNS-HIDDEN-BATCH-SOLVER, such as
        fit-20000-10-200-adam, and predict-COLUMNS-HIDDEN.
    pairs
        Pairs of fits, or of rounds of predictions, per case, after the fit or prediction whose memory is measured.
    """
    cases = sparse.chosen(only)
    if not any(cases.values()):
        known = ", ".join(name for named in sparse.CASES.values() for name in named)
        sys.exit(f"--only: expected texts that are in some of {known}, got {' '.join(only)}")
    if pairs < 1:
        sys.exit(f"--pairs: expected an integer from 1, got {pairs}")
    result = sparse.run(cases, pairs)
    path = record.save(result, "sparse-")
    print(f"{sparse_report.tables(result)}\n\nwritten: {path}")
    if sparse_report.is_complete(result):
        sparse_report.fill_page()


@app.command(name="combinations")
def check_combinations() -> None:
    """Train all combinations of settings from an empty kernel cache; exit with 1 if a kernel is compiled twice.

    A second process, with the cache that the first one has filled, must compile nothing. It takes minutes.
    """
    first, second = first_run.counts(["combinations", "everything"])
    problems = first["repeated"]
    if second["functions"] or second["modules"]:
        problems.append(
            f"compiled again with a filled cache: {second['functions']} functions, {second['modules']} modules"
        )
    print(
        f"{first['runs']:,} trainings: {first['functions']} functions compiled, {first['modules']} modules emitted, "
        f"{first['files']} files of {first['file_bytes']:,} bytes cached, {first['cpu_s']:.0f} s of CPU time"
    )
    sys.exit("\n".join(problems) or 0)


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
        sys.exit(f"unknown {kind}: expected some of {', '.join(sorted(known))}, got {', '.join(unknown)}")


if __name__ == "__main__":
    app()
