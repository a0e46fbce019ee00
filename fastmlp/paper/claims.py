"""The claims of "Deep learning homework 1" (Matej Miočić), compared with the studies behind its figures.

They are about ten repeats of twenty epochs on CIFAR-10. Studies on other data are not compared with them; those with
fewer repeats or another number of epochs are compared, but without a verdict.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fastmlp.paper.figures import deviations_of, is_cifar10
from fastmlp.study.plan import label_of
from fastmlp.study.result import Study

#: Accuracy below which a network counts as untrained: half way between a constant prediction (10 %) and the paper's
#: result (50 %).
LEARNT_ACCURACY = 0.3


class Claim(NamedTuple):
    """A statement of the paper, and the measured result.

    Attributes
    ----------
    text : str
        The paper's statement.
    measured : str
        The measured numbers that it is compared with.
    holds : bool or None
        Whether they confirm the statement; None, which is no verdict, for fewer repeats or another number of epochs
        than in the paper.
    """

    text: str
    measured: str
    holds: bool | None


def check_claims(studies: Mapping[int, Study]) -> list[Claim]:
    """Compare the paper's claims with the studies behind its figures.

    Parameters
    ----------
    studies : mapping of int to Study
        By number of the figure.

    Returns
    -------
    list of Claim
        Claims about a figure that is missing, incomplete or on other data than CIFAR-10 are left out.
    """
    studies = {number: study for number, study in studies.items() if is_cifar10(study) and study.is_complete}
    if not studies:
        return []
    claims = _judge(list(studies.values()), _accuracy_claims(list(studies.values())))
    for number, claims_of in ((1, _l2_claims), (2, _optimizer_claims), (3, _decay_claims)):
        if number in studies:
            claims += _judge([studies[number]], claims_of(studies[number]))
    return claims


def _judge(studies: Sequence[Study], claims: list[Claim]) -> list[Claim]:
    """The claims, without a verdict if a study has fewer repeats or another number of epochs than the paper."""
    return [claim._replace(holds=None) for claim in claims] if deviations_of(studies) else claims


def _accuracy_claims(studies: list[Study]) -> list[Claim]:
    best, setting = max(
        ((_final_mean(study, setting), setting) for study in studies for setting in study.settings),
        key=lambda pair: pair[0],
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
            f"{majority:.1%} of the test set belongs to the largest class",
            0.08 <= majority <= 0.12,
        ),
    ]


def _l2_claims(study: Study) -> list[Claim]:
    large, *others = sorted(study.settings, key=lambda setting: -setting["l2"])
    accuracies = {setting["l2"]: _final_mean(study, setting) for setting in study.settings}
    losses = {setting["l2"]: _final_mean(study, setting, "test_loss") for setting in study.settings}
    text = "; ".join(f"lambda {l2:g}: loss {losses[l2]:.3f}, accuracy {accuracies[l2]:.1%}" for l2 in losses)
    return [
        Claim(
            "A too large lambda keeps the network from training properly and ends at a bigger loss (section 2.2).",
            text,
            accuracies[large["l2"]] < LEARNT_ACCURACY
            and losses[large["l2"]] > max(losses[other["l2"]] for other in others),
        )
    ]


def _optimizer_claims(study: Study) -> list[Claim]:
    accuracies = {
        name: {s["learning_rate"]: _final_mean(study, s) for s in study.settings if s["optimizer"] == name}
        for name in ("sgd", "adam")
    }
    sgd, adam = accuracies["sgd"], accuracies["adam"]
    best = max(sgd, key=lambda rate: sgd[rate])
    return [
        Claim(
            "Adam fails with a too big learning rate (section 2.3).",
            _format_accuracies(adam),
            adam[max(adam)] < LEARNT_ACCURACY <= max(adam.values()),
        ),
        Claim(
            "SGD performs best when the learning rate is around 0.1 (section 2.3).",
            f"{_format_accuracies(sgd)}; best: {best:g}",
            best in (0.1, 0.2),
        ),
    ]


def _decay_claims(study: Study) -> list[Claim]:
    losses = {setting["decay_rate"]: _final_mean(study, setting, "test_loss") for setting in study.settings}
    text = "; ".join(f"k {k:g}: loss {loss:.4f}" for k, loss in losses.items())
    return [
        Claim("A bigger decay rate gives a lower loss (section 2.4).", text, min(losses, key=losses.__getitem__) == 0.1)
    ]


def _format_accuracies(accuracies: Mapping[float, float]) -> str:
    return "; ".join(f"{rate:g}: {accuracy:.1%}" for rate, accuracy in accuracies.items())


def _final_mean(study: Study, setting: Mapping[str, Any], column: str = "test_accuracy") -> float:
    """Mean of a column after the last epoch; if all runs diverged in the first epoch, the worst possible value."""
    means = study.statistics(setting, column).mean
    if means:
        return means[-1]
    return 0.0 if column == "test_accuracy" else float("inf")
