"""How a training shows itself in a notebook: its progress while it runs, and the `Run` that it returns."""

from typing import TYPE_CHECKING, Any

from fastmlp.metrics import display_name, format_metric
from fastmlp.notebook.html import Line, card, chart, details, legend, paragraph, table
from fastmlp.training.early_stopping import best_epoch
from fastmlp.training.history import History, Progress

if TYPE_CHECKING:
    from fastmlp.training.loop import Run

#: The sets, as columns of a history name them, in the order of `fastmlp.notebook.html.STYLES`, and their names.
SETS = {"train": "training", "test": "test", "val": "validation"}


def describe_progress(progress: Progress) -> tuple[float, str]:
    """The share of the epochs that is done, and a text with the epoch, the training loss and the scores.

    Examples
    --------
    >>> describe_progress(Progress(epoch=2, n_epochs=4, n_seen=50, n_samples=100, train_loss=0.25, row=None))
    (0.375, 'epoch 2/4  train loss 0.2500')
    """
    p = progress
    row: dict[str, Any] = {"train_loss": p.train_loss, **(p.row or {})}
    shown = ("train_loss", "accuracy", "r2")
    numbers = [f"{display_name(name)} {format_metric(row[name])}" for name in row if name.endswith(shown)]
    return (p.epoch - 1 + p.n_seen / p.n_samples) / p.n_epochs, "  ".join([f"epoch {p.epoch}/{p.n_epochs}", *numbers])


def run_html(run: "Run") -> str:
    """A run as HTML: the metrics of the returned network and of the last epoch, the curves, and the settings.

    Parameters
    ----------
    run : Run
        The run.

    Returns
    -------
    str
        About 7 KB for 20 epochs, and at most 14 KB.
    """
    model, history, config = run
    returned, last = best_epoch(config, history.to_dict()), len(history)
    names = [name for name in history.columns if name.endswith(("_loss", "_accuracy", "_r2"))]
    rows = []
    for epoch, role in {last: "last", returned: "of the returned network"}.items():
        rows.append([f"epoch {epoch}, {role}", *(format_metric(history[name][epoch - 1]) for name in names)])
    seconds = sum(history["train_s"]) + sum(history["eval_s"])
    score = f"{display_name(history.score)} {format_metric(history[history.score][returned - 1])}"
    return card(
        f"Run: {last} of {config.n_epochs} epochs, {score}",
        table(rows, ("", *map(display_name, names))),
        _curves(history),
        paragraph(f"{repr(model).strip('<>')} in {seconds:.3g} s"),
        details("settings", config._repr_html_()),
    )


def _curves(history: History) -> str:
    """Charts of the loss and of the score on each set, side by side where there is room."""
    charts = []
    for quantity in ("loss", history.score.removeprefix("test_")):
        columns = {style: f"{name}_{quantity}" for style, name in enumerate(SETS)}
        lines = [Line(i, history["epoch"], history[name]) for i, name in columns.items() if name in history.columns]
        charts.append(chart(display_name(quantity), lines, log_if_wide=quantity == "loss"))
    styles = [style for style, name in enumerate(SETS) if f"{name}_loss" in history.columns]
    return "".join(charts) + legend([list(SETS.values())[style] for style in styles], styles)
