"""The command paper, which runs the studies behind the paper's three figures and writes the report."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Annotated

from fastmlp.cli.app import DataOptions, Parameter, app, load
from fastmlp.cli.study import print_study, show_runs
from fastmlp.cli.terminal import note, resolve_and_report
from fastmlp.config import Config
from fastmlp.errors import OutputError
from fastmlp.notebook.figure import require_matplotlib
from fastmlp.paper.figures import FIGURES, N_EPOCHS, N_REPEATS, check_figures, deviations, load_figures, run_figure
from fastmlp.paper.report import write_report
from fastmlp.settings import Precision
from fastmlp.study.plan import make_plan
from fastmlp.study.provenance import describe_study


@Parameter(name="*", group="Data")
@dataclass(frozen=True, kw_only=True)
class PaperDataOptions(DataOptions):  # noqa: D101 - its docstring is that of DataOptions, which the help prints
    __doc__ = DataOptions.__doc__

    data: str = "cifar10"


@app.command(name="paper")
def paper_command(
    *,
    out: Path,
    figure: Annotated[tuple[int, ...], Parameter(consume_multiple=True, negative=())] = tuple(FIGURES),
    repeats: int = N_REPEATS,
    epochs: int = N_EPOCHS,
    n_jobs: int = -1,
    precision: Precision = "float32",
    options: PaperDataOptions = PaperDataOptions(),
) -> None:
    """Reproduce the paper's figures and check its claims; repeating the command executes only the missing runs.

    The claims are about 10 repeats of 20 epochs on CIFAR-10. Anything else is a rehearsal, without verdicts.

    Parameters
    ----------
    out : path
        Folder for the studies, the figures as PNG and SVG, and report.html.
    figure : list of int
        1: L2 regularisation; 2: SGD and Adam at six learning rates; 3: decay of the learning rate.
    repeats : int
        Number of runs per setting.
    epochs : int
        Number of epochs per run.
    n_jobs : int
        Number of concurrent runs; -1 for one per core.
    precision : str
        float32 or float64; or bf16x3, bf16x2, bf16 or auto, which use the CPU's bf16 instructions if they are suitable.
    """
    require_matplotlib()
    start, numbers, config = perf_counter(), check_figures(figure), Config(n_epochs=epochs, precision=precision)
    make_plan(config, [{}], repeats)  # reports an invalid value before the data is loaded
    dataset = load(options)
    if found := deviations(describe_study(dataset)["data"], repeats, epochs):
        note(f"rehearsal: {', '.join(found)}; no verdicts on the paper's claims")
    resolved = resolve_and_report(config, dataset).precision
    for number in numbers:
        note(f"figure {number}: {FIGURES[number].title}")
        with show_runs() as show:
            study = run_figure(
                number,
                dataset,
                out,
                n_repeats=repeats,
                n_epochs=epochs,
                n_jobs=n_jobs,
                precision=resolved,
                progress=show,
            )
        print_study(study)
    words = ["fastmlp", "paper", "--data", options.data, "--out", out.name]
    words += [] if options.target is None else ["--target", options.target]
    words += [] if numbers == tuple(FIGURES) else ["--figure", *map(str, numbers)]
    words += [] if precision == "float32" else ["--precision", precision]
    words += ["--repeats", str(repeats), "--epochs", str(epochs)]
    try:
        files = write_report(load_figures(out), out, shlex.join(words), perf_counter() - start)
    except OutputError as error:
        raise OutputError(f"{error}; all runs are saved in {out}: start the same command again to write it") from error
    for file in files:
        note(f"wrote {file}")
