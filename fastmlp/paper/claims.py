"""The claims of "Deep learning homework 1" (Matej Miočić), each with a verdict from the studies behind its figures."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from fastmlp.study.plan import label_of
from fastmlp.study.result import Study

#: Below it a network has hardly learnt: half way between naming one class and the paper's 50 %.
LEARNT = 0.3


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
