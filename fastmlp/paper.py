"""Paper: the figures of "Deep learning homework 1" (Matej Miočić) as studies, and its claims beside what they gave.

Knows what the paper varies and what it says; nothing of how a page looks.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from fastmlp.config import Config
from fastmlp.data import Dataset
from fastmlp.errors import ConfigError
from fastmlp.rules import Precision
from fastmlp.study.door import load_study, sweep
from fastmlp.study.plan import label_of
from fastmlp.study.result import Study
from fastmlp.study.session import StudyProgress

RATES = (0.001, 0.01, 0.1, 0.2, 0.3, 0.5)
#: Below it a network has hardly learnt: half way between naming one class and the paper's 50 %.
LEARNT = 0.3


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


class Claim(NamedTuple):
    """What the paper says, and what was measured.

    Attributes
    ----------
    text : str
        The paper's statement.
    measured : str
        The figures that bear on it.
    holds : bool
        The verdict.
    """

    text: str
    measured: str
    holds: bool


def check_figures(numbers: Iterable[int]) -> tuple[int, ...]:
    """The figures asked for, each once and in order.

    Raises
    ------
    ConfigError
        If the paper has no such figure, or none is asked for.
    """
    numbers = tuple(numbers)
    if not numbers or not set(numbers) <= set(FIGURES):
        raise ConfigError(f"figure: given {', '.join(map(str, numbers)) or 'none'}; accepted: 1, 2 and 3")
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


def judge(studies: Mapping[int, Study]) -> list[Claim]:
    """Hold what the paper says against the studies behind its figures.

    Parameters
    ----------
    studies : mapping of int to Study
        By the figure's number; claims about a figure that is missing are left out.

    Returns
    -------
    list of Claim
    """
    claims = _about_accuracy(list(studies.values())) if studies else []
    for number, about in ((1, _about_l2), (2, _about_optimizers), (3, _about_decay)):
        if number in studies:
            claims += about(studies[number])
    return claims


def _about_accuracy(studies: list[Study]) -> list[Claim]:
    best, setting = max(
        ((_last(study, setting), setting) for study in studies for setting in study.settings), key=lambda pair: pair[0]
    )
    majority = studies[0].about["data"]["majority_accuracy"]
    return [
        Claim(
            "Around 50 % classification accuracy is reached (section 3).",
            f"{best:.1%} after the last epoch, by {label_of(setting)}",
            0.45 <= best <= 0.55,
        ),
        Claim(
            "The majority baseline is around 10 % (section 3).",
            f"{majority:.1%} of the test set is of the largest class",
            0.08 <= majority <= 0.12,
        ),
    ]


def _about_l2(study: Study) -> list[Claim]:
    large, *others = sorted(study.settings, key=lambda setting: -setting["l2"])
    accuracies = {setting["l2"]: _last(study, setting) for setting in study.settings}
    losses = {setting["l2"]: _last(study, setting, "test_loss") for setting in study.settings}
    listed = "; ".join(f"lambda {l2:g}: loss {losses[l2]:.3f}, accuracy {accuracies[l2]:.1%}" for l2 in losses)
    return [
        Claim(
            "A too large lambda keeps the network from training properly and ends at a bigger loss (section 2.2).",
            listed,
            accuracies[large["l2"]] < LEARNT and losses[large["l2"]] > max(losses[other["l2"]] for other in others),
        )
    ]


def _about_optimizers(study: Study) -> list[Claim]:
    accuracies = {
        name: {s["learning_rate"]: _last(study, s) for s in study.settings if s["optimizer"] == name}
        for name in ("sgd", "adam")
    }
    sgd, adam = accuracies["sgd"], accuracies["adam"]
    best = max(sgd, key=lambda rate: sgd[rate])
    return [
        Claim(
            "Adam fails with a too big learning rate (section 2.3).",
            _listed(adam),
            adam[max(adam)] < LEARNT <= max(adam.values()),
        ),
        Claim(
            "SGD performs best when the learning rate is around 0.1 (section 2.3).",
            f"{_listed(sgd)}; best: {best:g}",
            best in (0.1, 0.2),
        ),
    ]


def _about_decay(study: Study) -> list[Claim]:
    losses = {setting["decay_rate"]: _last(study, setting, "test_loss") for setting in study.settings}
    listed = "; ".join(f"k {k:g}: loss {loss:.4f}" for k, loss in losses.items())
    return [
        Claim(
            "A bigger decay rate gives a lower loss (section 2.4).", listed, min(losses, key=losses.__getitem__) == 0.1
        )
    ]


def _listed(accuracies: Mapping[float, float]) -> str:
    return "; ".join(f"{rate:g}: {accuracy:.1%}" for rate, accuracy in accuracies.items())


def _last(study: Study, setting: Mapping[str, Any], column: str = "test_accuracy") -> float:
    """A setting's mean after its last epoch; where every run diverged in the first, what never trained would give."""
    means = study.statistics(setting, column).mean
    if means:
        return means[-1]
    return 0.0 if column == "test_accuracy" else float("inf")
