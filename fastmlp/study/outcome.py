"""Outcome: what the repeats of a setting come to in the end, in words for a table. Knows no page."""

import statistics
from collections.abc import Mapping
from typing import Any

from fastmlp.score import words_of
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
    losses, scores = study.finals(setting, "test_loss"), study.finals(setting)
    row = {
        "runs": str(len(study.records_of(setting))),
        "diverged": str(study.n_diverged(setting)),
        "epochs": str(max((len(record["history"]["epoch"]) for record in study.records_of(setting)), default=0)),
    }
    figures = ("test loss", words_of(study.score), "min", "max")
    if not losses:
        return row | dict.fromkeys(figures, "-")
    cells = [_spread(losses), _spread(scores), f"{min(scores):.4f}", f"{max(scores):.4f}"]
    return row | dict(zip(figures, cells, strict=True))


def _spread(numbers: list[float]) -> str:
    mean = f"{statistics.fmean(numbers):.4f}"
    return f"{mean} ± {statistics.stdev(numbers):.4f}" if len(numbers) > 1 else mean
