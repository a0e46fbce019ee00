"""Outcome: what the repeats of a setting come to after their last epoch, in words for a table. Knows no page."""

import math
from collections.abc import Mapping
from typing import Any

from fastmlp.study.result import Study


def outcome_of(study: Study, setting: Mapping[str, Any]) -> dict[str, str]:
    """A setting's row of a table, by column.

    Returns
    -------
    dict of str to str
        How many runs, diverged ones among them, and epochs; the mean and standard deviation of test loss and score;
        the score's least and largest; a dash where no run has finished an epoch.

    Examples
    --------
    >>> import fastmlp
    >>> study = fastmlp.repeat(fastmlp.load_data("digits"), fastmlp.Config(hidden=(4,), n_epochs=1), n_repeats=2)
    >>> list(outcome_of(study, {}))
    ['runs', 'diverged', 'epochs', 'test loss', 'test accuracy', 'min', 'max']
    """
    loss, score = study.statistics(setting, "test_loss"), study.statistics(setting, study.score)
    row = {
        "runs": str(len(study.records_of(setting))),
        "diverged": str(study.n_diverged(setting)),
        "epochs": str(len(loss.epoch)),
    }
    figures = ("test loss", study.score.replace("_", " "), "min", "max")
    if not loss.epoch:
        return row | dict.fromkeys(figures, "-")
    spreads = [_spread(one.mean[-1], one.std[-1]) for one in (loss, score)]
    return row | dict(zip(figures, [*spreads, f"{score.min[-1]:.4f}", f"{score.max[-1]:.4f}"], strict=True))


def _spread(mean: float, std: float) -> str:
    return f"{mean:.4f}" if math.isnan(std) else f"{mean:.4f} ± {std:.4f}"
