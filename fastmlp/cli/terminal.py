"""Terminal: what is said on the way, on stderr: notes, a bar, lines where there is no terminal. Knows no command."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from time import perf_counter

from fastmlp.config import Config
from fastmlp.data import Dataset
from fastmlp.errors import OutputError
from fastmlp.metrics import words_of
from fastmlp.settings import BF16_TERMS, Precision
from fastmlp.training.history import Progress, Row
from fastmlp.training.precision import resolve
from fastmlp.training.warmup import is_warm, warmup


def note(text: str) -> None:
    """Say a line on stderr."""
    print(text, file=sys.stderr, flush=True)


def compile_kernels(precision: Precision) -> None:
    """Compile the kernels if they are not yet, and say so."""
    if not is_warm(precision):
        seconds = 30 if precision in BF16_TERMS else 20
        note(f"compiling the kernels for {precision}: about {seconds} s, once on this machine")
        with spinner(f"compiling for {precision}"):
            warmup(precision)


def resolve_and_report(config: Config, dataset: Dataset) -> Config:
    """The config with the precision that is taken on this machine, and a line where there is something to say of it."""
    settled, reason = resolve(config, dataset.X_train)
    if reason:
        note(reason)
    return settled


def is_terminal() -> bool:
    """Whether somebody watches stderr."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def spinner(text: str) -> AbstractContextManager[object]:
    """Something that moves while a block takes its time."""
    from rich.console import Console

    return Console(stderr=True).status(text) if is_terminal() else nullcontext()


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what goes wrong in a block that writes a file into an `OutputError`."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}") from error


def show_line(progress: Progress) -> None:
    """A line an epoch, where there is no terminal; of more than twenty epochs, twenty lines at most."""
    epoch, row = progress.epoch, progress.row
    if row is not None and (epoch % -(-progress.n_epochs // 20) == 0 or epoch == progress.n_epochs):
        speed = progress.n_samples / row["train_s"]
        note(f"epoch {epoch}/{progress.n_epochs}  {_numbers(row['train_loss'], _scores(row), speed)}")


def _scores(row: Row) -> str:
    """What an epoch's network does on the sets that it was not trained on."""
    numbers = {words_of(name): number for name, number in row.items() if name.endswith(("accuracy", "r2"))}
    return "  ".join(f"{name} {number:.4f}" for name, number in numbers.items())


def _numbers(loss: float, scores: str, speed: float) -> str:
    return "  ".join(filter(None, (f"train loss {loss:#.4g}", scores, f"{speed:,.0f} samples/s")))


@contextmanager
def show_bar() -> Iterator[Callable[[Progress], None]]:
    """A bar over the epochs of one run; what is yielded moves it."""
    from rich.console import Console
    from rich.progress import BarColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar
    from rich.table import Column

    time_left = TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True))
    console = Console(stderr=True)
    console.width -= 3  # room for the terminal's ^C: on a line that wraps, the bar would be drawn twice
    with Bar("{task.description}", BarColumn(20), "{task.fields[numbers]} ", time_left, console=console) as bar:
        task = bar.add_task("epoch 1", total=None, numbers="")
        start, evaluated_s, scores, before = perf_counter(), 0.0, "", -1

        def show(p: Progress) -> None:
            nonlocal scores, evaluated_s, before
            if before < 0:
                before = (p.epoch - 1) * p.n_samples  # of a run that goes on, what was done before
            if p.row is not None:
                scores, evaluated_s = _scores(p.row), evaluated_s + p.row["eval_s"]
            done, total = (p.epoch - 1) * p.n_samples + p.n_seen, p.n_epochs * p.n_samples
            numbers = _numbers(p.train_loss, scores, (done - before) / (perf_counter() - start - evaluated_s))
            bar.update(task, description=f"epoch {p.epoch}/{p.n_epochs}", total=total, completed=done, numbers=numbers)

        yield show
