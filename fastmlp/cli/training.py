"""The commands train, evaluate and predict."""

import csv
import io
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import IO, Annotated, Any, TextIO

import numpy as np

from fastmlp import data
from fastmlp.cli.app import (
    DataOptions,
    Parameter,
    Reading,
    ScaleOptions,
    TableDataOptions,
    ThreadsOption,
    app,
    load,
    prepare_reading,
)
from fastmlp.cli.results import (
    Divergence,
    FinishedRun,
    identify,
    prepare_folder,
    read_results,
    save_results,
)
from fastmlp.cli.settings import GivenSettings, Preset, Settings, provisional_config, resolve_settings, task_of_settings
from fastmlp.cli.terminal import (
    compile_kernels,
    format_seconds,
    is_terminal,
    note,
    note_classes,
    show_bar,
    show_line,
    writing,
)
from fastmlp.config import Config
from fastmlp.data import Dataset
from fastmlp.data.label import is_range
from fastmlp.data.load import Labelled
from fastmlp.errors import ConfigError, DataError, DivergedError, OutputError
from fastmlp.io.atomic import write_atomic
from fastmlp.metrics import format_metric
from fastmlp.model.model import Evaluation, Model, load_model
from fastmlp.parallel import Threads
from fastmlp.settings import Task
from fastmlp.table.options import ReadOptions
from fastmlp.table.schema import TableSchema, is_frame
from fastmlp.training.checkpoint import holds_checkpoint
from fastmlp.training.compatibility import n_outputs_of
from fastmlp.training.early_stopping import best_epoch
from fastmlp.training.loop import train


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
    settings: Settings = GivenSettings(),
    preset: Annotated[Preset, Parameter(group="Network and training")] = "auto",
    options: DataOptions = DataOptions(),
    table: TableDataOptions = TableDataOptions(),
    reading: Reading = ReadOptions(),
    scaling: ScaleOptions = ScaleOptions(),
    out: Annotated[Path | None, Parameter(group="Results")] = None,
    fresh: Annotated[bool, Parameter(group="Results", negative=())] = False,
    n_threads: ThreadsOption = "auto",
) -> None:
    """Train a network and evaluate it after every epoch.

    With --out, repeating the command resumes an interrupted run, and prints the result of a finished one.

    Parameters
    ----------
    preset : str
        Values of all settings that are not given: paper, as printed below; tabular, for tables; auto: tabular for a
        table, paper for other data.
    out : path
        Folder for model.npz, history.csv, config.json, curves.png and run.json, which must not exist yet or be those of
        this run. It has a checkpoint until the run has finished.
    fresh : bool
        Delete the checkpoint of an interrupted run in the folder --out, and train from the beginning.
    n_threads : int or auto
        Number of threads, which changes no result; auto: as many as pay and find a free core.
    """
    provisional_config(settings, preset)  # reports invalid settings before the data is loaded
    if fresh and out is None:
        raise ConfigError("--fresh: expected only with --out, got no --out; give the folder of the interrupted run")
    if out is not None:
        prepare_folder(out, fresh)
    task = task_of_settings(settings, table.task)
    dataset = load(options, table, reading, scaling=scaling, task=task)
    config, preset = resolve_settings(settings, preset, dataset)
    note(f"{_headline(config, dataset)}; preset {preset}")
    note_classes(dataset)
    if out is None:
        _print_result(_train(dataset, config, None, n_threads), config, dataset, n_threads)
        return
    identity = identify(config, dataset)
    run = read_results(out, config, identity)
    if run is None:
        with _explain_resuming(out):
            run = _train(dataset, config, out, n_threads)
            _save(out, config, identity, run, dataset, n_threads)
    else:
        note(f"the run in {out} is finished")
    _print_result(run, config, dataset, n_threads)


@app.command(name="evaluate")
def evaluate_command(
    model: Path,
    /,
    *,
    options: DataOptions = DataOptions(),
    reading: Reading = ReadOptions(),
    n_threads: ThreadsOption = "auto",
) -> None:
    """Evaluate a trained network on all rows of a table, on all samples of a file without a test set, or on a test set.

    Parameters
    ----------
    model : path
        Network to evaluate: model.npz of a trained run, or an exported .npz or .safetensors file.
    n_threads : int or auto
        Number of threads, which changes no result; auto: as many as pay and find a free core.
    """
    network = load_model(model)
    note(f"data: {options.data}")
    if network.table is not None and options.data in data.DATA_SETS:
        raise DataError(
            f"--data: expected a table with the columns that the network knows, got {options.data}; name a file"
        )
    with _explain_default(options), prepare_reading(options.data):
        labelled = data.load_labelled(
            options.data, options.data_dir, table=network.table, classes=network.classes,
            class_names=network.class_names or (), target=options.target, read=reading, task=network.task,
        )  # fmt: skip
        note(labelled.description)
        X, y = labelled.X, _targets(labelled, network)
        if network.table is not None and is_frame(X):
            X, _ = _encode(network.table, X)
            network.table = None  # from here on it takes features
        result = network.evaluate(X, y, n_threads=n_threads)
    print(_format_evaluation(result, network.task, labelled.majority_accuracy))


@contextmanager
def _explain_default(options: DataOptions) -> Iterator[None]:
    """Where the default data do not fit a network, state that they are the default."""
    try:
        yield
    except DataError as error:
        if options.data != DataOptions.data:
            raise
        raise DataError(f"{error}; the data are {options.data}, the default: give others by --data") from error


def _targets(labelled: Labelled, network: Model) -> Any:
    """The targets as a network takes them.

    Raises
    ------
    DataError
        If only names can tell whether the classes of both are the same, and these differ.
    """
    names = labelled.class_names
    if names is not None and network.class_names is not None:
        if names == network.class_names and network.classes is not None:
            return network.classes[np.searchsorted(names, labelled.y)] if labelled.y.dtype == object else labelled.y
        if names != network.class_names and (network.classes is None or is_range(network.classes)):
            raise DataError(f"classes of the data: expected {network.class_names}, got {names}")
    return labelled.y


@app.command(name="predict")
def predict_command(
    model: Path,
    file: Path,
    /,
    *,
    reading: Reading = ReadOptions(),
    out: Path | None = None,
    n_threads: ThreadsOption = "auto",
) -> None:
    """Predict samples, and write CSV: ids, the label and the probability of each class, or the predicted values.

    Parameters
    ----------
    model : path
        Network to use: model.npz of a trained run, or an exported .npz or .safetensors file.
    file : path
        Samples: a table with the columns that the network was trained on, in any order; or .npy, .npz (sparse ones,
        too) or idx.
    out : path
        File to write instead of stdout; an existing file is replaced.
    n_threads : int or auto
        Number of threads, which changes no result; auto: as many as pay and find a free core.
    """
    if out is not None:
        _check_other_file(out, (model, file))
    network = load_model(model)
    with prepare_reading(str(file)):
        X = data.load_samples(file, reading, network.table)
    ids: dict[str, Any] = {}
    if network.table is not None and is_frame(X):
        X, ids = _encode(network.table, X)
        network.table = None  # from here on it takes features
    header, rows = _predictions(network, X, n_threads)
    if ids:
        header, rows = [*ids, *header], ([*row[:-1], *row[-1]] for row in zip(*ids.values(), rows, strict=True))
    if out is None:
        _write_table(sys.stdout, header, rows)
    elif out.exists() and not out.is_file():  # a device, or a folder, which is reported
        with writing(out), out.open("w", encoding="utf-8", newline="") as stream:
            _write_table(stream, header, rows)
    else:
        write_atomic(out, "table of predictions", lambda file: _write_binary(file, header, rows))


def _check_other_file(out: Path, read: Iterable[Path]) -> None:
    """Refuse to replace a file that is being read: samples are memory-mapped, and would change under the kernels."""
    with suppress(OSError):  # files that do not exist are reported when they are opened
        for path in read:
            if out.samefile(path):
                raise ConfigError(f"--out: expected another file than those to read, got {out}")


def _headline(config: Config, dataset: Dataset) -> str:
    samples = f"{len(dataset.y_train):,} training and {len(dataset.y_test):,} test samples"
    network = "-".join(map(str, (dataset.n_features, *config.hidden, n_outputs_of(dataset, config))))
    optimizer = f"{config.optimizer}, learning rate {config.learning_rate:g}"
    return f"{dataset.name or 'data'}: {samples}\n{network}, {config.activation}, {optimizer}, {config.precision}"


def _format_evaluation(result: Evaluation, task: Task, majority_accuracy: float) -> str:
    loss = f"test loss {result.loss:#.4g}"
    if task == "regression":
        return f"test R2 {format_metric(result.score)}, {loss}"
    return f"test accuracy {format_metric(result.score)} (majority class {majority_accuracy:.4f}), {loss}"


def _train(dataset: Dataset, config: Config, out: Path | None, n_threads: Threads) -> FinishedRun:
    compile_kernels(config, dataset)  # before the clock of the progress bar starts
    try:
        with show_bar() if is_terminal() else nullcontext(show_line) as report:
            run = train(dataset, config, progress=report, checkpoint=out, n_threads=n_threads)
    except DivergedError as error:
        divergence = Divergence(error.epoch, error.learning_rate, error.column, error.value, error.largest)
        return FinishedRun(error.model, error.history, divergence)
    return FinishedRun(run.model, run.history, None)


def _save(
    out: Path, config: Config, identity: dict[str, Any], run: FinishedRun, dataset: Dataset, n_threads: Threads
) -> None:
    """Save the results; if that fails, the result of the training is printed nevertheless."""
    try:
        save_results(out, config, identity, run)
    except OutputError as error:
        if run.divergence is None:
            _print_result(run, config, dataset, n_threads)
            raise
        note(f"warning: {error}")


def _print_result(run: FinishedRun, config: Config, dataset: Dataset, n_threads: Threads) -> None:
    """Print the result of a run.

    Raises
    ------
    DivergedError
        If the run diverged.
    """
    if run.divergence is not None:
        epoch, learning_rate, column, value, largest = run.divergence
        raise DivergedError(epoch, learning_rate, run.model, run.history, column, value, largest)
    last, seconds = run.history[-1], sum(run.history["train_s"] + run.history["eval_s"])
    if config.early_stopping != "none":
        best = best_epoch(config, run.history.to_dict())
        note(f"the final weights are those of epoch {best}, the best on the validation set")
    evaluation = run.model.evaluate_validated(dataset.X_test, dataset.y_test, n_threads)
    result = _format_evaluation(evaluation, dataset.task, dataset.majority_accuracy)
    print(f"{result}, {last['epoch']} epoch{'s' * (last['epoch'] > 1)} in {format_seconds(seconds)}")


@contextmanager
def _explain_resuming(out: Path | None) -> Iterator[None]:
    """After Ctrl-C, state how to resume the run."""
    try:
        yield
    except KeyboardInterrupt:
        if out is None or not holds_checkpoint(out):
            raise
        raise KeyboardInterrupt(f"the run is saved in {out}; start the same command again to resume it") from None


def _encode(table: TableSchema, rows: Any) -> tuple[np.ndarray[Any, Any], dict[str, Any]]:
    """Features of raw rows, and the columns of ids by name; print what else was found in the rows."""
    from fastmlp.table.cell import texts_of
    from fastmlp.table.encoder import TableEncoder
    from fastmlp.table.frame import to_frame

    frame = to_frame(rows)
    features, notes = TableEncoder(table).encode(frame)
    for text in notes:
        note(text)
    names = [column.name for column in table.of_kind("id")]
    if absent := [name for name in names if name not in frame.columns]:
        note(f"ids that are not in the file, and not in the output: {', '.join(absent)}")
    found = [name for name in names if name in frame.columns]
    # The numbers 7 and 7.0 are one id. csv writes None as an empty cell, but NaN as nan.
    return features, {
        name: (frame[name] if frame[name].dtype == object else texts_of(frame[name])).tolist() for name in found
    }


def _predictions(model: Model, X: Any, n_threads: Threads) -> tuple[list[str], Iterable[Iterable[object]]]:
    """Names of the columns, and one row per sample."""
    if model.task == "regression":
        values = model.predict(X, n_threads=n_threads)
        values = values.reshape(len(values), -1)
        return [f"prediction_{j}" for j in range(values.shape[1])] if values.shape[1] > 1 else ["prediction"], values
    probs, labels = model.predict_proba(X, n_threads=n_threads), model.predict(X, n_threads=n_threads)
    if model.classes is None:
        names = [str(name) for name in model.class_names or range(probs.shape[1])]
        return [f"label_{name}" for name in names] + names, np.hstack([labels, probs])
    names = [str(name) for name in model.class_names or np.resize(model.classes, model.n_classes)]
    codes = np.searchsorted(model.classes, labels)
    return ["label", *names], ([names[code], *row] for code, row in zip(codes, probs, strict=True))


def _write_binary(file: IO[bytes], header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    stream = io.TextIOWrapper(file, encoding="utf-8", newline="")
    _write_table(stream, header, rows)
    stream.detach()  # otherwise it closes the file


def _write_table(stream: TextIO, header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
