"""The commands sweep, study show, study plot and study merge."""

import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from fastmlp import plot
from fastmlp.cli.app import App, DataOptions, Parameter, Reading, TableDataOptions, app, load
from fastmlp.cli.results import check_creatable
from fastmlp.cli.settings import GivenSettings, Preset, Settings, provisional_config, resolve_settings, task_of_settings
from fastmlp.cli.terminal import format_seconds, is_terminal, note, note_classes
from fastmlp.config import Config
from fastmlp.errors import ConfigError
from fastmlp.metrics import display_name, format_metric
from fastmlp.notebook.figure import without_pyplot
from fastmlp.settings import LOSSES
from fastmlp.study.api import load_study, repeat, sweep
from fastmlp.study.plan import label_of, make_plan
from fastmlp.study.result import Study, summary_row
from fastmlp.study.scheduler import StudyProgress
from fastmlp.study.store import Shard, merge_stores
from fastmlp.table.options import ReadOptions
from fastmlp.training.early_stopping import best_epoch

study_app = App(name="study", help="Show, plot or merge the studies that sweep and paper have saved.")
app.command(study_app)


@app.command(
    name="sweep",
    help_epilogue="""Examples:

    | fastmlp sweep --data cifar10 --vary l2=0.01,0.001,0.0001 --repeats 10 --out studies/l2
    | fastmlp sweep --vary optimizer=sgd,adam --vary hidden=100x100,300 --n-epochs 5
    """,
)
def sweep_command(
    *,
    settings: Settings = GivenSettings(),
    preset: Annotated[Preset, Parameter(group="Network and training")] = "auto",
    options: DataOptions = DataOptions(),
    table: TableDataOptions = TableDataOptions(),
    reading: Reading = ReadOptions(),
    vary: Annotated[list[str] | None, Parameter(group="Study", negative=())] = None,
    repeats: Annotated[int, Parameter(group="Study")] = 10,
    out: Annotated[Path | None, Parameter(group="Study")] = None,
    shard: Annotated[str | None, Parameter(group="Study")] = None,
    n_jobs: Annotated[int, Parameter(group="Study")] = -1,
    backend: Annotated[str | None, Parameter(group="Study")] = None,
    scheduler: Annotated[str | None, Parameter(group="Study")] = None,
) -> None:
    """Train several settings, each several times; with --out, repeating the command executes only the missing runs.

    Parameters
    ----------
    preset : str
        Values of all settings that are not given: paper, as printed below; tabular, for tables; auto: tabular for a
        table, paper for other data.
    vary : list of str
        A setting and its values: name=value,value,...; sizes of hidden layers are written 100x100, or none. With
        several --vary, every combination is trained; without any, the one setting is repeated.
    repeats : int
        Number of runs per setting.
    out : path
        Folder in which each finished run is saved.
    shard : str
        i/n, from 1/n to n/n: execute one of n parts of the runs, for batch queues; `fastmlp study merge` merges them.
    n_jobs : int
        Number of concurrent runs; -1 for one per core.
    backend : str
        threads (the default), processes or dask.
    scheduler : str
        Address of the Dask scheduler.
    """
    grid, part = read_grid(vary) if vary else {}, None if shard is None else _read_shard(shard)
    # Invalid values are reported before the data is loaded.
    plan = make_plan(provisional_config(settings, preset), grid or [{}], repeats)
    if out is not None:  # a folder that cannot be written to is reported before the data is loaded
        check_creatable(out)
    task = task_of_settings(GivenSettings(**{**settings.given, **plan.settings[0]}), table.task)
    dataset = load(options, table, reading, task=task)
    note_classes(dataset)
    config, preset = resolve_settings(settings, preset, dataset)
    if dataset.table is not None:
        note(f"settings that are not given or varied: preset {preset}")
    with show_runs() as show:
        rest: dict[str, Any] = {"out": out, "shard": part, "backend": backend, "scheduler": scheduler, "progress": show}
        if grid:
            study = sweep(dataset, config, grid, repeats, n_jobs, **rest)
        else:
            study = repeat(dataset, config, repeats, n_jobs, **rest)
    print_study(study)


@study_app.command(name="show")
def show_command(folder: Path, /) -> None:
    """Print a table of a study: the final loss and score of each setting, averaged over its runs.

    Parameters
    ----------
    folder : path
        Folder of the study, as given to sweep with --out.
    """
    print_study(load_study(folder))


@study_app.command(name="plot")
def plot_command(folder: Path, /, *, out: Path | None = None) -> None:
    """Plot test loss and test score over the epochs: means, with bands of one standard deviation.

    Parameters
    ----------
    folder : path
        Folder of the study, as given to sweep with --out.
    out : path
        File to write; the suffix decides the format. By default study.png in the folder.
    """
    study = load_study(folder)
    with without_pyplot():
        axes, _ = study.plot()
    plot.save_figure(axes, out or folder / "study.png")
    note(f"wrote {out or folder / 'study.png'}")


@study_app.command(name="merge")
def merge_command(folder: Path, /, *others: Path) -> None:
    """Merge the runs of shards, and of other folders of the same study, into one file.

    Parameters
    ----------
    folder : path
        Folder of the study, which receives all runs.
    others : path
        Other folders of the same study, which are not changed.
    """
    print(f"{merge_stores(folder, list(others))} runs in {folder}")


def read_grid(words: Sequence[str]) -> dict[str, list[Any]]:
    """Read a grid from words of the form ``name=value,value``. Values that cannot be converted are left to `Config`."""
    grid, texts = dict[str, list[Any]](), dict[str, str]()
    for word in words:
        name, equals, values = word.partition("=")
        name = name.replace("-", "_")
        if not equals:
            raise ConfigError(f"--vary: expected name=value,value,..., got {word}; {_separation_advice(texts, word)}")
        if name in texts:
            raise ConfigError(
                f"--vary: expected each name once, got {name} twice; give all its values together: --vary "
                f"{name}={texts[name]},{values}"
            )
        texts[name] = values
        grid[name] = [_read_value(name, value.strip()) for value in values.split(",")] if values else []
    return grid


def _separation_advice(texts: Mapping[str, str], word: str) -> str:
    """What to write in place of a word that is no name with values, and follows others, given by name, or none."""
    if not texts:
        return "for example --vary l2=0.01,0.001"
    name, values = list(texts.items())[-1]
    is_sizes = isinstance(getattr(Config(), name, None), tuple) and not values.endswith(",")
    noun, mark = ("sizes", "x") if is_sizes else ("values", ",")
    return f"separate {noun} by {mark!r}, without spaces: --vary {name}={values.strip(',')}{mark}{word.strip(',')}"


def _read_value(name: str, text: str) -> Any:
    default = getattr(Config(), name, None)
    if isinstance(default, tuple):
        return _read_sizes(name, text)
    try:
        if isinstance(default, bool):
            return {"true": True, "false": False}[text.lower()]
        return type(default)(text) if isinstance(default, int | float) else text
    except (KeyError, ValueError):
        return text


def _read_sizes(name: str, text: str) -> tuple[int, ...]:
    if text != "none" and not re.fullmatch("-?[0-9]+(x-?[0-9]+)*", text):
        raise ConfigError(
            f"--vary: expected sizes of hidden layers, such as 100x100, or none, got {text!r}; separate sizes by x, "
            f"and networks by commas: --vary {name}=100x100,300"
        )
    return () if text == "none" else tuple(int(size) for size in text.split("x"))


def _read_shard(text: str) -> Shard:
    parts = text.split("/")
    if len(parts) != 2 or not all(part.isdecimal() for part in parts):
        raise ConfigError(f"--shard: expected i/n with 1 <= i <= n, got {text}; for example --shard 2/10")
    return int(parts[0]), int(parts[1])


def print_study(study: Study) -> None:
    """Print a table with the final results of each setting."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    rows = [summary_row(study, setting) for setting in study.settings]
    table = Table("setting", box=SIMPLE_HEAD)
    for name in rows[0]:
        table.add_column(name, justify="right", no_wrap=True)
    for setting, row in zip(study.settings, rows, strict=True):
        table.add_row(label_of(setting), *row.values())
    console = Console(file=sys.stdout)
    console.width = console.width if sys.stdout.isatty() else 160
    console.print(table)
    print(str(study).strip("<>"))


@contextmanager
def show_runs() -> Iterator[Callable[[StudyProgress], None]]:
    """Show one progress bar for all runs; without a terminal, print one line per run."""
    if not is_terminal():
        yield _show_run
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TimeRemainingColumn

    columns = "{task.description}", BarColumn(20), "{task.fields[epochs]}", TimeRemainingColumn(compact=True)
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("run", total=None, epochs="")

        def show(p: StudyProgress) -> None:
            text, epochs = f"run {p.n_done}/{p.n_runs}", f"epoch {math.floor(p.epochs)}/{p.n_epochs}"
            text += f", {p.n_diverged} diverged" if p.n_diverged else ""
            bar.update(task, description=text, total=p.n_epochs, completed=p.epochs, epochs=epochs)

        yield show


def _show_run(p: StudyProgress) -> None:
    if p.spec is None or p.record is None:
        return
    result = "diverged"
    if p.record["status"] == "finished":
        score, history = f"test_{LOSSES[p.spec.config.loss].metric}", p.record["history"]
        result = f"{display_name(score)} {format_metric(history[score][best_epoch(p.spec.config, history) - 1])}"
    run = f"{label_of(p.spec.setting)}, repeat {p.spec.repeat}"
    note(f"run {p.n_done}/{p.n_runs}  {run}: {result}, {format_seconds(p.record['seconds'])}")
