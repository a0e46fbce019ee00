"""Result: the runs of a study, and what they come to. Knows not how they were run."""

import importlib.util
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from fastmlp.errors import ConfigError, StudyError
from fastmlp.metrics import words_of
from fastmlp.plot import Band, plot_bands
from fastmlp.settings import LOSSES
from fastmlp.study.plan import Key, Plan, Setting, key_of, label_of
from fastmlp.study.run import Record
from fastmlp.training.early_stopping import best_epoch
from fastmlp.training.history import ALL_COLUMNS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Rows = list[dict[str, Any]]


class Statistics(NamedTuple):
    """What the repeats of a setting come to, a value an epoch.

    Attributes
    ----------
    epoch : list of int
        From 1.
    n : list of int
        Runs that reached the epoch: a diverged one counts until its loss was no longer finite, and one that stopped
        early until then.
    mean, std, min, max : list of float
        Over those runs. The standard deviation is the sample's, with n - 1; of one run it is nan.
    """

    epoch: list[int]
    n: list[int]
    mean: list[float]
    std: list[float]
    min: list[float]
    max: list[float]


class Study:
    """Every run of a study that is finished; made by `repeat`, `sweep` and `load_study`.

    Attributes
    ----------
    config : Config
        What all runs share.
    score : str
        Column of the test set's score: test_accuracy, or test_r2 where numbers are predicted.
    settings : tuple of dict
        What each setting changes, in the order that was asked for.
    n_repeats : int
        Runs a setting.
    about : dict
        Versions, machine and data.

    Examples
    --------
    >>> import fastmlp
    >>> digits, config = fastmlp.load_data("digits"), fastmlp.Config(hidden=(20,), n_epochs=3)
    >>> study = fastmlp.sweep(digits, config, {"learning_rate": [0.3, 0.001]}, n_repeats=2)
    >>> study
    <Study: 2 settings, 4 of 4 runs>
    >>> study.best()
    {'learning_rate': 0.3}
    """

    def __init__(self, plan: Plan, about: Mapping[str, Any], records: Mapping[Key, Record]) -> None:
        self.config, self.settings, self.n_repeats = plan.config, plan.settings, plan.n_repeats
        self.about = dict(about)
        self.score = (
            f"test_{LOSSES[plan.settings[0].get('loss', plan.config.loss)].metric}"  # which all losses of a task share
        )
        # In the plan's order, but by way of what is there: a damaged header may speak of any number of repeats.
        places = {key_of(setting, 0)[0]: place for place, setting in enumerate(plan.settings)}
        self._records = [records[key] for key in sorted(records, key=lambda key: (places[key[0]], key[1]))]

    def __repr__(self) -> str:
        n_diverged = sum(record["status"] == "diverged" for record in self._records)
        diverged = f", {n_diverged} diverged" if n_diverged else ""
        n_runs, word = len(self.settings) * self.n_repeats, "settings" if len(self.settings) > 1 else "setting"
        return f"<Study: {len(self.settings)} {word}, {len(self._records)} of {n_runs} runs{diverged}>"

    @property
    def is_complete(self) -> bool:
        """Whether no run is missing."""
        return len(self._records) == len(self.settings) * self.n_repeats

    def records(self) -> list[Record]:
        """Every finished run, by setting and repeat.

        Returns
        -------
        list of dict
            Each has ``setting, repeat, seed, status, seconds, weights_sha256, history``, see
            `fastmlp.study.run.Record`; all of it fits JSON.
        """
        return [Record(**{**record, "setting": dict(record["setting"])}) for record in self._records]

    def records_of(self, setting: Mapping[str, Any]) -> list[Record]:
        """The finished runs of one setting.

        Parameters
        ----------
        setting : mapping
            One of `settings`.

        Returns
        -------
        list of Record

        Raises
        ------
        ConfigError
            If it is none of them.
        """
        if setting not in self.settings:
            known = "; ".join(label_of(known) for known in self.settings)
            raise ConfigError(f"{label_of(setting)} is no setting of this study; those are {known}")
        return [record for record in self._records if record["setting"] == setting]

    def statistics(self, setting: Mapping[str, Any], column: str | None = None) -> Statistics:
        """What the repeats of a setting come to, epoch by epoch.

        Parameters
        ----------
        setting : mapping
            One of `settings`.
        column : str
            One that the runs have, of ``fastmlp.training.history.ALL_COLUMNS``; without it the score.

        Returns
        -------
        Statistics

        Raises
        ------
        ConfigError
            If there is no such setting or column.
        """
        column = self.score if column is None else column
        records = self.records_of(setting)
        if records and not any(column in record["history"] for record in records):
            raise ConfigError(f"{column!r} is not a column; the columns are {', '.join(records[0]['history'])}")
        curves = [record["history"][column] for record in records if column in record["history"]]
        epochs = range(max(map(len, curves), default=0))
        values = [[curve[epoch] for curve in curves if epoch < len(curve)] for epoch in epochs]
        return Statistics(
            epoch=[epoch + 1 for epoch in epochs],
            n=[len(group) for group in values],
            mean=[statistics.fmean(group) for group in values],
            std=[_spread(group) for group in values],
            min=[min(group) for group in values],
            max=[max(group) for group in values],
        )

    def table(self) -> "Rows | Any":
        """Every measurement: a row an epoch of a run.

        Returns
        -------
        list of dict, or pandas.DataFrame where pandas is installed
            A column for each setting that varies, then repeat, seed, status and those of the history; its
            learning_rate is called lr.
        """
        rows: Rows = []
        for record in self._records:
            names = [name for name in ALL_COLUMNS if name in record["history"]]
            shown = [name.replace("learning_rate", "lr") for name in names]
            run = {**record["setting"], **{name: record[name] for name in ("repeat", "seed", "status")}}
            for values in zip(*(record["history"][name] for name in names), strict=True):
                rows.append(run | dict(zip(shown, values, strict=True)))
        return _frame(rows)

    def summary(self) -> "Rows | Any":
        """What the repeats come to: a row an epoch of a setting.

        Returns
        -------
        list of dict, or pandas.DataFrame where pandas is installed
            A column for each setting that varies, then epoch and n, and mean, std, min and max, see `Statistics`, of
            train_loss, test_loss and the score, such as ``test_loss_mean``.
        """
        rows = []
        for setting in self.settings:
            columns = {name: self.statistics(setting, name) for name in self._quantities}
            for place, epoch in enumerate(columns["test_loss"].epoch):
                row = {**setting, "epoch": epoch, "n": columns["test_loss"].n[place]}
                for name, values in columns.items():
                    row |= {f"{name}_{word}": getattr(values, word)[place] for word in ("mean", "std", "min", "max")}
                rows.append(row)
        return _frame(rows)

    @property
    def _quantities(self) -> tuple[str, str, str]:
        """What is summed up over the repeats; the other columns are counts and seconds."""
        return "train_loss", "test_loss", self.score

    def finals(self, setting: Mapping[str, Any], column: str | None = None) -> list[float]:
        """What each finished run of a setting came to: the number of the epoch whose weights it ended with.

        Parameters
        ----------
        setting : mapping
            One of `settings`.
        column : str
            As for `statistics`.

        Returns
        -------
        list of float
            Where every run diverged, the numbers of the last epoch that any of them reached.
        """
        column = self.score if column is None else column
        finished = [record for record in self.records_of(setting) if record["status"] == "finished"]
        if not finished:
            curves = [record["history"][column] for record in self.records_of(setting)]
            max_norm = max(map(len, curves), default=0)
            return [curve[-1] for curve in curves if len(curve) == max_norm > 0]
        config = self.config.replace(**setting)
        return [record["history"][column][best_epoch(config, record["history"]) - 1] for record in finished]

    def best(self, column: str | None = None) -> Setting:
        """The setting that does best in the end, on the mean over its repeats.

        Parameters
        ----------
        column : str
            The score, of which the largest is best, or train_loss or test_loss, of which the smallest is; without it
            the score.

        Returns
        -------
        dict
            One of `settings`. One with a run that diverged comes after all without.

        Raises
        ------
        StudyError
            If no run has finished an epoch.
        ConfigError
            If it is no such column.
        """
        column = self.score if column is None else column
        if column not in self._quantities:
            raise ConfigError(f"column: expected {', '.join(self._quantities)}, got {column!r}")
        sign = 1 if column == self.score else -1
        ranked = [
            (self.n_diverged(setting) == 0, sign * statistics.fmean(values), -place, setting)
            for place, setting in enumerate(self.settings)
            if (values := self.finals(setting, column))
        ]
        if not ranked:
            raise StudyError("no run has finished an epoch: there is no best setting yet")
        return dict(max(ranked, key=lambda entry: entry[:3])[3])

    def n_diverged(self, setting: Mapping[str, Any]) -> int:
        """How many of a setting's runs diverged."""
        return sum(record["status"] == "diverged" for record in self.records_of(setting))

    def plot(self, axes: "Sequence[Axes] | None" = None) -> "tuple[Axes, Axes]":
        """Draw test loss and score over the epochs: a line for the mean, a band of one standard deviation.

        Parameters
        ----------
        axes : sequence of two matplotlib Axes, optional
            Where to draw; a new figure, unknown to pyplot, if not given.

        Returns
        -------
        tuple of two matplotlib Axes
            The panel of the loss and that of the score; their figure is ``axes[0].figure``.

        Raises
        ------
        MissingExtraError
            If matplotlib is not installed.
        """
        return plot_bands(self.bands("test_loss"), self.bands(self.score), axes, self.score)

    def bands(self, column: str) -> list[Band]:
        """The lines and bands that `plot` draws of a column, one a setting."""
        bands = []
        for setting in self.settings:
            curve = self.statistics(setting, column)
            lost = f", {self.n_diverged(setting)} diverged" if self.n_diverged(setting) else ""
            label = f"{label_of(setting)} (n = {len(self.records_of(setting))}{lost})"
            bands.append(Band(label, curve.epoch, curve.mean, curve.std))
        return bands


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
    cells = [_mean_and_std(losses), _mean_and_std(scores), f"{min(scores):.4f}", f"{max(scores):.4f}"]
    return row | dict(zip(figures, cells, strict=True))


def _mean_and_std(numbers: list[float]) -> str:
    mean = f"{statistics.fmean(numbers):.4f}"
    return f"{mean} ± {statistics.stdev(numbers):.4f}" if len(numbers) > 1 else mean


def _spread(group: list[float]) -> float:
    if len(group) < 2 or not all(map(math.isfinite, group)):
        return math.nan
    return statistics.stdev(group)


def _frame(rows: Iterable[dict[str, Any]]) -> "Rows | Any":
    if importlib.util.find_spec("pandas") is None:
        return list(rows)
    import pandas

    return pandas.DataFrame(list(rows))
