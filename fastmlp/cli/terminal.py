"""Output to stderr during a command: notes, a spinner, and progress as a bar or, without a terminal, as lines."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import count
from pathlib import Path
from time import perf_counter
from typing import Any

from fastmlp.config import Config
from fastmlp.data import Dataset
from fastmlp.data.label import is_range, list_labels
from fastmlp.errors import OutputError
from fastmlp.metrics import display_name, format_metric
from fastmlp.training.history import Progress, Row
from fastmlp.training.precision import resolve
from fastmlp.training.warmup import prepare_run


def note(text: str) -> None:
    """Print a line to stderr."""
    print(text, file=sys.stderr, flush=True)


def compile_kernels(config: Config, dataset: Dataset) -> None:
    """Load or compile the kernels of a training, which says so if it takes long."""
    with spinner(f"kernels for {config.precision}"):
        prepare_run(dataset, config)


def note_classes(dataset: Dataset) -> None:
    """Print how labels are coded, unless they are 0 .. n_classes - 1, which are their own codes."""
    if dataset.classes is not None and not is_range(dataset.classes):
        note(f"classes: {list_labels(dataset.classes)} (coded {list_labels(range(dataset.n_classes))})")


def resolve_and_report(config: Config, dataset: Dataset) -> Config:
    """The config with the precision that is used on this machine; print the reason if it is not the given one."""
    resolved, reason = resolve(config, dataset.X_train)
    if reason:
        note(reason)
    return resolved


def is_terminal() -> bool:
    """Whether stderr is a terminal that can show a progress bar."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def format_seconds(seconds: float) -> str:
    """Seconds with one decimal, or, below one second, with two significant digits."""
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds:.2g} s"


def spinner(text: str) -> AbstractContextManager[object]:
    """Show a spinner while a block runs, if stderr is a terminal."""
    from rich.console import Console

    return Console(stderr=True).status(text) if is_terminal() else nullcontext()


@contextmanager
def counting_bar(n: int) -> Iterator[Callable[[str], None]]:
    """Show a bar for n things, if stderr is a terminal; call the yielded function with the name of each next one."""
    if not is_terminal():
        yield lambda name: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress

    with Progress(BarColumn(20), MofNCompleteColumn(), "{task.description}", console=Console(stderr=True)) as bar:
        task, n_done = bar.add_task("", total=n), count()
        yield lambda name: bar.update(task, description=name, completed=next(n_done))
        bar.update(task, completed=n)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an `OSError` in a block that writes a file into an `OutputError`."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}") from error


def show_line(progress: Progress) -> None:
    """Print one line per epoch, but at most twenty lines in all."""
    epoch, row = progress.epoch, progress.row
    if row is not None and (epoch % -(-progress.n_epochs // 20) == 0 or epoch == progress.n_epochs):
        speed = progress.n_samples / row["train_s"]
        note(f"epoch {epoch}/{progress.n_epochs}  {_format_numbers(row['train_loss'], _format_scores(row), speed)}")


def _format_scores(row: Row) -> str:
    """The scores of an epoch on the validation and test sets."""
    numbers: dict[str, Any] = {
        display_name(name): number for name, number in row.items() if name.endswith(("accuracy", "r2"))
    }
    return "  ".join(f"{name} {format_metric(number)}" for name, number in numbers.items())


def _format_numbers(loss: float, scores: str, speed: float) -> str:
    rate = f"{speed:,.0f}" if speed < 1e6 else f"{speed / 1e6:.2f}M"  # 1,089,704 would not fit into 80 columns
    return "  ".join(filter(None, (f"train loss {loss:#.4g}", scores, f"{rate} samples/s")))


@contextmanager
def show_bar() -> Iterator[Callable[[Progress], None]]:
    """Show a progress bar for the epochs of one run; call the yielded function to advance it."""
    from rich.console import Console
    from rich.progress import BarColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar
    from rich.table import Column

    time_left = TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True))
    console = Console(stderr=True)
    console.width -= 3  # room for the ^C that a terminal prints: it would wrap the line, and show the bar twice
    with Bar("{task.description}", BarColumn(20), "{task.fields[numbers]} ", time_left, console=console) as bar:
        task = bar.add_task("epoch 1", total=None, numbers="")
        start, eval_s, scores, n_before = perf_counter(), 0.0, "", -1

        def show(p: Progress) -> None:
            nonlocal scores, eval_s, n_before
            if n_before < 0:
                n_before = (p.epoch - 1) * p.n_samples  # samples that a resumed run has already been trained on
            if p.row is not None:
                scores, eval_s = _format_scores(p.row), eval_s + p.row["eval_s"]
            done, total = (p.epoch - 1) * p.n_samples + p.n_seen, p.n_epochs * p.n_samples
            numbers = _format_numbers(p.train_loss, scores, (done - n_before) / (perf_counter() - start - eval_s))
            bar.update(task, description=f"epoch {p.epoch}/{p.n_epochs}", total=total, completed=done, numbers=numbers)

        yield show
