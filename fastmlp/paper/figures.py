"""The three figures of "Deep learning homework 1" (Matej Miočić) as studies."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fastmlp.config import Config
from fastmlp.data import Dataset
from fastmlp.errors import ConfigError
from fastmlp.settings import Precision
from fastmlp.study.api import load_study, sweep
from fastmlp.study.result import Study
from fastmlp.study.scheduler import StudyProgress

#: Runs per setting, and epochs per run, in the paper.
N_REPEATS, N_EPOCHS = 10, 20
#: `Dataset.checksum` of CIFAR-10, which identifies it wherever it was loaded from: the samples and labels of the
#: official batches, in their order, as uint8. A copy with other values, dtype or order would give other weights.
CIFAR10_CHECKSUM = "af649d2fc35f8cc4b568d4a7545021c5ac6a126c98f758f604c5228789e79fbc"
#: Learning rates of figure 2.
LEARNING_RATES = (0.001, 0.01, 0.1, 0.2, 0.3, 0.5)


class Figure(NamedTuple):
    """One of the paper's figures.

    Attributes
    ----------
    title : str
        Names the settings that it varies.
    settings : list of dict
        One setting per curve; all others are those of the paper's section 2.1.
    """

    title: str
    settings: list[dict[str, Any]]


FIGURES: Mapping[int, Figure] = {
    1: Figure("L2 regularisation, lambda of equation (8)", [{"l2": l2} for l2 in (0.01, 0.001, 0.0001)]),
    2: Figure(
        "Optimizer, equations (9) and (10), and learning rate",
        [{"optimizer": name, "learning_rate": rate} for name in ("sgd", "adam") for rate in LEARNING_RATES],
    ),
    3: Figure(
        "Exponential decay of the learning rate, k of equation (11)",
        [{"decay_rate": k} for k in (0.1, 0.01, 0.001, 0.0001)],
    ),
}


def check_figures(numbers: Iterable[int]) -> tuple[int, ...]:
    """Check figure numbers, sort them and remove duplicates.

    Raises
    ------
    ConfigError
        If the paper has no such figure, or no number is given.
    """
    numbers = tuple(numbers)
    if not numbers or not set(numbers) <= set(FIGURES):
        raise ConfigError(f"figure: expected numbers from 1 to 3, got {', '.join(map(str, numbers)) or 'none'}")
    return tuple(sorted(set(numbers)))


def run_figure(
    number: int,
    dataset: Dataset,
    out: Path,
    *,
    n_repeats: int = N_REPEATS,
    n_epochs: int = N_EPOCHS,
    n_jobs: int = -1,
    precision: Precision = "float32",
    progress: Callable[[StudyProgress], None] | None = None,
) -> Study:
    """Run the study behind one of the paper's figures. Runs that its folder already contains are not repeated.

    Parameters
    ----------
    number : int
        1, 2 or 3.
    dataset : Dataset
        The data; the paper uses CIFAR-10.
    out : pathlib.Path
        Parent folder; the folder of the study is ``figure-<number>`` in it.
    n_repeats, n_epochs : int
        Runs per setting and epochs per run; 10 and 20 in the paper.
    n_jobs : int
        Number of concurrent runs; -1 for one per core.
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
    """Folder of the study behind a figure."""
    return out / f"figure-{number}"


def load_figures(out: Path) -> dict[int, Study]:
    """Load the studies of all figures that are in a folder, by number."""
    return {number: load_study(folder_of(out, number)) for number in FIGURES if folder_of(out, number).exists()}


def deviations(about: Mapping[str, Any], n_repeats: int, n_epochs: int) -> list[str]:
    """List what distinguishes some runs from those of the paper: a run with any difference is a rehearsal.

    Parameters
    ----------
    about : mapping
        Name and checksum of the data, as in `fastmlp.study.provenance.describe_study`.
    n_repeats, n_epochs : int
        Runs per setting and epochs per run.

    Returns
    -------
    list of str
        One phrase per difference: other data, fewer repeats, another number of epochs.

    Examples
    --------
    >>> deviations({"name": "digits", "checksum": "0"}, n_repeats=1, n_epochs=20)
    ['digits instead of CIFAR-10', '1 repeat instead of 10']
    """
    found = []
    if about["checksum"] != CIFAR10_CHECKSUM:
        found.append(f"{about['name']} instead of CIFAR-10")
    if n_repeats < N_REPEATS:
        found.append(f"{n_repeats} repeat{'s' * (n_repeats > 1)} instead of {N_REPEATS}")
    if n_epochs != N_EPOCHS:
        found.append(f"{n_epochs} epoch{'s' * (n_epochs > 1)} instead of {N_EPOCHS}")
    return found


def deviations_of(studies: Sequence[Study]) -> list[str]:
    """The `deviations` of some studies, each once, and the number of runs where some are missing."""
    found = []
    for study in studies:
        found += deviations(study.about["data"], study.n_repeats, study.config.n_epochs)
        if not study.is_complete:
            found.append(f"{len(study.records())} of {len(study.settings) * study.n_repeats} runs")
    return list(dict.fromkeys(found))


def is_cifar10(study: Study) -> bool:
    """Whether the data of a study is CIFAR-10, decided by its checksum."""
    return bool(study.about["data"]["checksum"] == CIFAR10_CHECKSUM)
