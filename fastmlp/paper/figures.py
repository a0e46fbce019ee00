"""The three figures of "Deep learning homework 1" (Matej Miočić) as studies."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from fastmlp.config import Config
from fastmlp.data import Dataset
from fastmlp.errors import ConfigError
from fastmlp.settings import Precision
from fastmlp.study.api import load_study, sweep
from fastmlp.study.result import Study
from fastmlp.study.scheduler import StudyProgress

RATES = (0.001, 0.01, 0.1, 0.2, 0.3, 0.5)


class Figure(NamedTuple):
    """One of the paper's figures.

    Attributes
    ----------
    title : str
        What it varies.
    settings : list of dict
        A line each; all else as in the paper's section 2.1.
    """

    title: str
    settings: list[dict[str, Any]]


FIGURES: Mapping[int, Figure] = {
    1: Figure("L2 regularisation, lambda of equation (8)", [{"l2": l2} for l2 in (0.01, 0.001, 0.0001)]),
    2: Figure(
        "Optimizer, equations (9) and (10), and learning rate",
        [{"optimizer": name, "learning_rate": rate} for name in ("sgd", "adam") for rate in RATES],
    ),
    3: Figure(
        "Exponential decay of the learning rate, k of equation (11)",
        [{"decay_rate": k} for k in (0.1, 0.01, 0.001, 0.0001)],
    ),
}


def check_figures(numbers: Iterable[int]) -> tuple[int, ...]:
    """The figures asked for, each once and in order.

    Raises
    ------
    ConfigError
        If the paper has no such figure, or none is asked for.
    """
    numbers = tuple(numbers)
    if not numbers or not set(numbers) <= set(FIGURES):
        raise ConfigError(f"figure: expected 1, 2 and 3, got {', '.join(map(str, numbers)) or 'none'}")
    return tuple(sorted(set(numbers)))


def run_figure(
    number: int,
    dataset: Dataset,
    out: Path,
    *,
    n_repeats: int = 10,
    n_epochs: int = 20,
    n_jobs: int = -1,
    precision: Precision = "float32",
    progress: Callable[[StudyProgress], None] | None = None,
) -> Study:
    """Run the study behind one of the paper's figures; what its folder holds already is not run again.

    Parameters
    ----------
    number : int
        1, 2 or 3.
    dataset : Dataset
        The paper's is CIFAR-10.
    out : pathlib.Path
        The study's folder becomes ``figure-<number>`` in it.
    n_repeats, n_epochs : int
        The paper's are 10 and 20.
    n_jobs : int
        Runs at a time; -1 for one a core.
    precision : str
        See `fastmlp.Config`.
    progress : callable, optional
        See `fastmlp.sweep`.

    Returns
    -------
    Study

    Raises
    ------
    FastMLPError
        As `fastmlp.sweep` does.

    Examples
    --------
    >>> import fastmlp, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run_figure(1, fastmlp.load_data("digits"), Path(folder), n_repeats=1, n_epochs=1)
    <Study: 3 settings, 3 of 3 runs>
    """
    settings, folder = FIGURES[number].settings, folder_of(out, number)
    config = Config(n_epochs=n_epochs, precision=precision)
    return sweep(dataset, config, settings, n_repeats, n_jobs, out=folder, progress=progress)


def folder_of(out: Path, number: int) -> Path:
    """Where a figure's study is kept."""
    return out / f"figure-{number}"


def load_figures(out: Path) -> dict[int, Study]:
    """The studies of those figures that a folder holds."""
    return {number: load_study(folder_of(out, number)) for number in FIGURES if folder_of(out, number).exists()}
