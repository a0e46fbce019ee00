"""The command find-learning-rate, a learning rate range test."""

from pathlib import Path
from typing import Annotated

from fastmlp import plot
from fastmlp.cli.app import (
    DataOptions,
    Parameter,
    Reading,
    ScaleOptions,
    TableDataOptions,
    ThreadsOption,
    app,
    load,
)
from fastmlp.cli.settings import GivenSettings, Preset, Settings, provisional_config, resolve_settings, task_of_settings
from fastmlp.cli.terminal import compile_kernels, note, note_classes, spinner
from fastmlp.notebook.figure import require_matplotlib, without_pyplot
from fastmlp.table.options import ReadOptions
from fastmlp.training.range_test import find_learning_rate


@app.command(
    name="find-learning-rate",
    help_epilogue="""Examples:

    | fastmlp find-learning-rate --optimizer adam --activation relu
    | fastmlp find-learning-rate --data flowers.csv --target species --out rates.png
    """,
)
def find_learning_rate_command(
    *,
    settings: Settings = GivenSettings(),
    preset: Annotated[Preset, Parameter(group="Network and training")] = "auto",
    options: DataOptions = DataOptions(),
    table: TableDataOptions = TableDataOptions(),
    reading: Reading = ReadOptions(),
    scaling: ScaleOptions = ScaleOptions(),
    start: Annotated[float, Parameter(group="Range test")] = 1e-5,
    end: Annotated[float, Parameter(group="Range test")] = 10.0,
    n_steps: Annotated[int, Parameter(group="Range test")] = 300,
    out: Annotated[Path | None, Parameter(group="Range test")] = None,
    n_threads: ThreadsOption = "auto",
) -> None:
    """Find a learning rate by a range test: train while the rate grows from step to step, until the loss diverges.

    It takes the options of train, of which learning rate, schedule and number of epochs are not used. The suggestion is
    a tenth of the rate with the smallest smoothed loss; there is none if the loss does not rise behind it.

    Parameters
    ----------
    preset : str
        Values of all settings that are not given: paper, as printed below; tabular, for tables; auto: tabular for a
        table, paper for other data.
    start : float
        Learning rate of the first step.
    end : float
        Learning rate of the last step, if the loss does not diverge before.
    n_steps : int
        Number of steps.
    out : path
        File for a figure of the loss against the rate; the suffix decides the format: .png, .svg or .pdf.
    n_threads : int or auto
        Number of threads, which changes no result; auto: as many as pay and find a free core.
    """
    provisional_config(settings, preset)  # reports invalid settings before the data is loaded
    if out is not None:
        require_matplotlib()
    dataset = load(options, table, reading, scaling=scaling, task=task_of_settings(settings, table.task))
    config, preset = resolve_settings(settings, preset, dataset)
    note_classes(dataset)
    compile_kernels(config, dataset)
    with spinner("range test"):
        test = find_learning_rate(dataset, config, start=start, end=end, n_steps=n_steps, n_threads=n_threads)
    if out is not None:
        with without_pyplot():
            axes = test.plot()
        plot.save_figure(axes, out)
        note(f"wrote {out}")
    steps = f"{len(test.rates)} of {n_steps} steps, optimizer {config.optimizer}, preset {preset}"
    if test.suggestion is None:
        print(f"no learning rate suggested: {test.reason} ({steps})")
    else:
        print(f"suggested learning rate {test.suggestion:.2g} ({steps})")
