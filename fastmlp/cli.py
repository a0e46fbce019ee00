"""The command line, the only file that prints. Knows how to ask and how to answer; the work is done further down.

Results go to stdout; progress, notes and mistakes to stderr, so that ``fastmlp predict ... > file`` holds labels only.
Exit codes: 0; 2 for a mistake, which the message names; 130 for Ctrl-C; 141 where the reader of a pipe went away.
"""

import csv
import json
import os
import platform
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, TextIO, get_args

import llvmlite
import numba
import numpy as np

from fastmlp import __version__, cpu, data, jit, plot
from fastmlp.config import Config, Precision
from fastmlp.data import Dataset
from fastmlp.errors import DataError, DivergedError, FastMLPError, MissingExtraError, OutputError
from fastmlp.history import History, Progress
from fastmlp.model import Model, load_model
from fastmlp.train import train
from fastmlp.warmup import is_warm, warmup

try:
    from cyclopts import App, CoercionError, CycloptsError, Parameter, Token, convert
except ImportError:
    raise MissingExtraError("cyclopts", "cli", "The command line") from None

RESULTS = ("config.json", "history.csv", "model.npz", "curves.png")


def _convert(kind: Any, tokens: Sequence[Token]) -> Any:
    """The conversion of cyclopts, without its rounding of 1.5 to an integer."""
    if int in (kind, *get_args(kind)) and not all(token.value.lstrip("+-").isdecimal() for token in tokens):
        given = " ".join(token.value for token in tokens)
        raise CoercionError(msg=f"{tokens[0].keyword}: given {given}; accepted: integers")
    return convert(kind, tokens)


app = App(
    name="fastmlp",
    version=__version__,
    help="Train multi-layer perceptrons on the CPU with kernels compiled by Numba.",
    help_format="rst",
    default_parameter=Parameter(consume_multiple=1, converter=_convert),
    suppress_keyboard_interrupt=False,
)


@Parameter(name="*", group="Data")
@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Where samples and labels come from.

    Parameters
    ----------
    data : str
        digits, cifar10, mnist or fashion-mnist, or a file or folder: .npz, .npy or .csv.
    data_dir : path
        Folder of the named data sets. Without it: FASTMLP_DATA, or the user's cache.
    target : str
        Column of a CSV file that holds the classes.
    """

    data: str = "digits"
    data_dir: Path | None = None
    target: str | None = None


Settings = Annotated[Config, Parameter(name="*", group="Network and training")]


@app.command(
    name="train",
    help_epilogue="""Examples:

    | fastmlp train --hidden 300 100 --activation relu --learning-rate 0.1
    | fastmlp train --data cifar10 --decay-rate 0.1 --out runs/decay
    | fastmlp train --data flowers.csv --target species
    """,
)
def train_command(
    *,
    config: Settings = Config(),
    options: DataOptions = DataOptions(),
    scale: Annotated[str, Parameter(group="Data")] = "auto",
    out: Annotated[Path | None, Parameter(group="Results")] = None,
) -> None:
    """Train a network, and test it after every epoch.

    Parameters
    ----------
    scale : str
        none, unit, standard, or auto: bytes to [0, 1], floats standardised by the training set.
    out : path
        Folder for config.json, history.csv, model.npz and curves.png; it must not hold any of them yet.
    """
    if out is not None:
        _claim(out)
    dataset = _load(options, scale)
    _note(_headline(config, dataset))
    _compile(config.precision)
    try:
        with _bar() if _is_terminal() else nullcontext(_line) as report:
            run = train(dataset, config, progress=report)
    except DivergedError as error:
        _save(out, config, error.model, error.history)
        raise
    _save(out, config, run.model, run.history)
    last, seconds = run.history[-1], sum(run.history["train_s"] + run.history["eval_s"])
    verdict = _verdict(last["test_loss"], last["test_accuracy"], dataset)
    print(f"{verdict}, {last['epoch']} epoch{'s' * (last['epoch'] > 1)} in {seconds:.1f} s")


@app.command(name="evaluate")
def evaluate_command(model: Path, /, *, options: DataOptions = DataOptions()) -> None:
    """Test a trained network on the test set of some data.

    Parameters
    ----------
    model : path
        What train wrote: model.npz.
    """
    network = load_model(model)
    dataset = _load(options)
    if network.class_names is not None and dataset.class_names not in (None, network.class_names):
        raise DataError(f"the model tells {network.class_names} apart, and the data holds {dataset.class_names}")
    _compile(network.config.precision)
    print(_verdict(*network.evaluate(dataset.X_test, dataset.y_test), dataset))


@app.command(name="predict")
def predict_command(model: Path, file: Path, /, *, out: Path | None = None) -> None:
    """Classify samples: CSV with the label and the probability of every class.

    Parameters
    ----------
    model : path
        What train wrote: model.npz.
    file : path
        Samples without a target: .npy, or .csv of numbers.
    out : path
        File to write, or replace, instead of stdout.
    """
    network = load_model(model)
    X = data.load_samples(file)
    _compile(network.config.precision)
    probs = network.predict_proba(X)
    if out is None:
        _write_labels(sys.stdout, network, probs)
        return
    with _writing(out), out.open("w", encoding="utf-8", newline="") as stream:
        _write_labels(stream, network, probs)


@app.command(name="data")
def data_command(name: str | None = None, /, *, data_dir: Path | None = None) -> None:
    """List the data sets that have a name and where they lie, or fetch one.

    Parameters
    ----------
    name : str
        The data set to fetch; without it, all are listed.
    data_dir : path
        Folder of the data sets. Without it: FASTMLP_DATA, or the user's cache.
    """
    if name is not None:
        print(data.fetch(name, data_dir))
        return
    for entry in data.available(data_dir):
        place = entry.location or f"not here; {entry.download_bytes / 1e6:.0f} MB to fetch"
        print(f"{entry.name:14}  {entry.description}\n{'':14}  {place}")


@app.command(name="warmup")
def warmup_command() -> None:
    """Compile every kernel once, so that no later run has to."""
    for precision in get_args(Precision):
        compiled = not is_warm(precision)
        with _spinner(f"compiling for {precision}"):
            seconds = warmup(precision)
        print(f"{precision}: compiled in {seconds:.1f} s" if compiled else f"{precision}: compiled already")


@app.command(name="info")
def info_command() -> None:
    """Say what a bug report should: versions, CPU, vectors and tile, cache folder."""
    about = {
        "fastmlp": __version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "numba": f"{numba.__version__}, llvmlite {llvmlite.__version__}",
        "numpy": np.__version__,
        "platform": platform.platform(),
        **cpu.describe(),
        "cache folder": str(jit.cache_dir()),
    }
    for name, value in about.items():
        print(f"{name:14}  {value}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The words after ``fastmlp``; those of the process if not given.

    Returns
    -------
    int
        The exit code.

    Examples
    --------
    >>> main(["train", "--learning-rate", "-1"])
    2
    """
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: _note(f"warning: {message}")
        try:
            app(argv, exit_on_error=False, print_error=False, result_action="return_value")
            sys.stdout.flush()
        except (CycloptsError, FastMLPError, MemoryError) as error:
            _note(f"error: {error}")
            return 2
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more on its way out
            return 141
    return 0


def _load(options: DataOptions, scale: str = "auto") -> Dataset:
    return data.load_data(options.data, options.data_dir, target=options.target, scale=scale)


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _headline(config: Config, dataset: Dataset) -> str:
    samples = f"{len(dataset.X_train):,} training and {len(dataset.X_test):,} test samples"
    network = "-".join(map(str, (dataset.n_features, *config.hidden, dataset.n_classes)))
    optimizer = f"{config.optimizer}, learning rate {config.learning_rate:g}"
    return f"{dataset.name or 'data'}: {samples}\n{network}, {config.activation}, {optimizer}, {config.precision}"


def _verdict(loss: float, accuracy: float, dataset: Dataset) -> str:
    return f"test accuracy {accuracy:.4f} (majority class {dataset.majority_accuracy:.4f}), test loss {loss:#.4g}"


def _claim(out: Path) -> None:
    """Find out before training, not after, whether results can be written."""
    plot.require_matplotlib()
    taken = [name for name in RESULTS if (out / name).exists()]
    if taken:
        raise OutputError(f"{out} holds {', '.join(taken)} already: name another folder, or remove them first")
    with _writing(out):
        out.mkdir(parents=True, exist_ok=True)


def _save(out: Path | None, config: Config, model: Model, history: History) -> None:
    if out is None:
        return
    settings, rows, network, curves = (out / name for name in RESULTS)
    with _writing(settings):
        settings.write_text(json.dumps(config.to_dict(), indent=2) + "\n", encoding="utf-8")
    history.to_csv(rows)
    model.save(network)
    plot.save_curves(history, curves)
    _note(f"wrote {', '.join(RESULTS)} to {out}")


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}") from error


def _write_labels(stream: TextIO, model: Model, probs: np.ndarray[Any, Any]) -> None:
    names = model.class_names or range(probs.shape[1])
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["label", *names])
    writer.writerows([names[label], *row] for label, row in zip(probs.argmax(axis=1), probs, strict=True))


def _compile(precision: Precision) -> None:
    if not is_warm(precision):
        _note(f"compiling the kernels for {precision}: about 10 s, once on this machine")
        with _spinner(f"compiling for {precision}"):
            warmup(precision)


def _is_terminal() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def _spinner(text: str) -> AbstractContextManager[object]:
    from rich.console import Console

    return Console(stderr=True).status(text) if _is_terminal() else nullcontext()


def _line(progress: Progress) -> None:
    """A line an epoch, where there is no terminal; of more than twenty epochs, twenty lines at most."""
    epoch, row = progress.epoch, progress.row
    if row is not None and (epoch % -(-progress.n_epochs // 20) == 0 or epoch == progress.n_epochs):
        speed = progress.n_samples / row["train_s"]
        _note(f"epoch {epoch}/{progress.n_epochs}  {_numbers(row['train_loss'], row['test_accuracy'], speed)}")


def _numbers(loss: float, accuracy: float | None, speed: float) -> str:
    tested = "     -" if accuracy is None else f"{accuracy:.4f}"
    return f"train loss {loss:#.4g}  test accuracy {tested}  {speed:,.0f} samples/s"


@contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar
    from rich.table import Column

    time_left = TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True))
    console = Console(stderr=True)
    console.width -= 3  # room for the terminal's ^C: on a line that wraps, the bar would be drawn twice
    with Bar("{task.description}", BarColumn(20), "{task.fields[numbers]} ", time_left, console=console) as bar:
        task = bar.add_task("epoch 1", total=None, numbers="")
        start, evaluated_s, accuracy = perf_counter(), 0.0, None

        def show(p: Progress) -> None:
            nonlocal accuracy, evaluated_s
            if p.row is not None:
                accuracy, evaluated_s = p.row["test_accuracy"], evaluated_s + p.row["eval_s"]
            done, total = (p.epoch - 1) * p.n_samples + p.n_seen, p.n_epochs * p.n_samples
            numbers = _numbers(p.train_loss, accuracy, done / (perf_counter() - start - evaluated_s))
            bar.update(task, description=f"epoch {p.epoch}/{p.n_epochs}", total=total, completed=done, numbers=numbers)

        yield show
