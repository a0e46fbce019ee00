"""Result of a study: its runs, statistics over the repeats, tables and plots."""

import importlib.util
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from fastmlp.errors import ConfigError, StudyError
from fastmlp.metrics import display_name, format_metric, sum_of_losses
from fastmlp.notebook.html import Line, card, chart, paragraph, table
from fastmlp.plot import Band, plot_bands
from fastmlp.settings import LOSSES
from fastmlp.study.plan import Key, Plan, Setting, key_of, label_of
from fastmlp.study.run import Record
from fastmlp.training.early_stopping import best_epoch
from fastmlp.training.history import ALL_COLUMNS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Rows = list[dict[str, Any]]
#: Maximum numbers of settings in the table and in the charts that a notebook shows.
MAX_LISTED, MAX_DRAWN_SETTINGS = 20, 6


class Statistics(NamedTuple):
    """Statistics over the repeats of a setting, with one value per epoch.

    Attributes
    ----------
    epoch : list of int
        Counted from 1.
    n : list of int
        Number of runs that reached the epoch. Runs that diverged or stopped early have fewer epochs than others.
    mean, std, min, max : list of float
        Over those runs. The standard deviation is that of a sample, with n - 1 in the denominator; for a single run, or
        if a value is not finite, it is nan. Of values beyond the range of float64 the mean is infinite.
    """

    epoch: list[int]
    n: list[int]
    mean: list[float]
    std: list[float]
    min: list[float]
    max: list[float]


class Study:
    """The finished runs of a study, as returned by `repeat`, `sweep` and `load_study`.

    Parameters
    ----------
    plan : Plan
        The settings and the number of repeats, see `fastmlp.study.plan`.
    about : mapping of str to object
        Provenance: versions, machine and data.
    records : mapping of Key to Record
        The finished runs.

    Attributes
    ----------
    config : Config
        The settings that all runs share.
    score : str
        Name of the column with the score on the test set: test_accuracy, or test_r2 for regression.
    settings : tuple of dict
        The fields of the config that each setting changes, in the given order.
    n_repeats : int
        Number of runs per setting.
    about : dict
        Provenance: versions, machine and data.

    Examples
    --------
    >>> import fastmlp
    >>> digits, config = fastmlp.load_data("digits"), fastmlp.Config(hidden=(20,), n_epochs=3)
    >>> study = fastmlp.sweep(digits, config, {"learning_rate": [0.3, 0.001]}, n_repeats=2)
    >>> study
    <Study: 2 settings, 4 of 4 runs>
    >>> study.best()
    {'learning_rate': 0.3}
    >>> study.is_complete, study.score
    (True, 'test_accuracy')
    """

    def __init__(self, plan: Plan, about: Mapping[str, Any], records: Mapping[Key, Record]) -> None:
        self.config, self.settings, self.n_repeats = plan.config, plan.settings, plan.n_repeats
        self.about = dict(about)
        loss = plan.settings[0].get("loss", plan.config.loss)
        self.score = f"test_{LOSSES[loss].metric}"  # all losses of a task have the same metric
        # In the order of the plan. The loop is over the records, since a damaged study.json may claim any number of
        # repeats.
        order = {key_of(setting, 0)[0]: index for index, setting in enumerate(plan.settings)}
        keys = sorted(records, key=lambda key: (order[key[0]], key[1]))
        self._records = [records[key] for key in keys]
        self._by_setting: dict[int, list[Record]] = {}
        for key in keys:
            self._by_setting.setdefault(order[key[0]], []).append(records[key])

    def __repr__(self) -> str:
        n_diverged = sum(record["status"] == "diverged" for record in self._records)
        diverged = f", {n_diverged} diverged" if n_diverged else ""
        n_runs, word = len(self.settings) * self.n_repeats, "settings" if len(self.settings) > 1 else "setting"
        return f"<Study: {len(self.settings)} {word}, {len(self._records)} of {n_runs} runs{diverged}>"

    def _repr_html_(self) -> str:
        # The best first; those without a finished epoch are not ranked.
        shown = self._ranking(self.score)[:MAX_LISTED]
        if len(shown) < min(MAX_LISTED, len(self.settings)):
            shown += [setting for setting in self.settings if setting not in shown][: MAX_LISTED - len(shown)]
        rows, styles = [summary_row(self, setting) for setting in shown], range(1, 1 + MAX_DRAWN_SETTINGS)
        charts = []
        for column in ("test_loss", self.score):
            curves = [self.statistics(setting, column) for setting in shown[:MAX_DRAWN_SETTINGS]]
            lines = [Line(style, curve.epoch, curve.mean) for style, curve in zip(styles, curves, strict=False)]
            charts.append(chart(f"{display_name(column)}, mean", lines, log_if_wide=column == "test_loss"))
        named = [(label_of(setting), *row.values()) for setting, row in zip(shown, rows, strict=True)]
        n_more = len(self.settings) - len(shown)
        more = paragraph(f"{n_more:,} more settings: study.summary()") if n_more else ""
        return card(repr(self).strip("<>"), table(named, ("setting", *rows[0]), styles), more, *charts)

    @property
    def is_complete(self) -> bool:
        """Whether all runs have finished."""
        return len(self._records) == len(self.settings) * self.n_repeats

    def records(self) -> list[Record]:
        """Records of all finished runs, ordered by setting and repeat.

        Returns
        -------
        list of dict
            With the keys ``setting, repeat, seed, status, seconds, weights_sha256, history``, see
            `fastmlp.study.run.Record`; serialisable as JSON.

        Examples
        --------
        >>> import fastmlp
        >>> digits, config = fastmlp.load_data("digits"), fastmlp.Config(hidden=(4,), n_epochs=3)
        >>> study = fastmlp.repeat(digits, config, n_repeats=2)
        >>> [(record["repeat"], record["status"]) for record in study.records()]
        [(0, 'finished'), (1, 'finished')]
        """
        return [Record(**{**record, "setting": dict(record["setting"])}) for record in self._records]

    def records_of(self, setting: Mapping[str, Any]) -> list[Record]:
        """Records of the finished runs of one setting.

        Parameters
        ----------
        setting : mapping
            One of `settings`.

        Returns
        -------
        list of Record
            In the order of the repeats.

        Raises
        ------
        ConfigError
            If the study has no such setting.

        Examples
        --------
        >>> import fastmlp
        >>> digits, config = fastmlp.load_data("digits"), fastmlp.Config(hidden=(4,), n_epochs=3)
        >>> study = fastmlp.repeat(digits, config, n_repeats=2)
        >>> study.settings, len(study.records_of({}))
        (({},), 2)
        """
        if setting not in self.settings:
            known = "; ".join(label_of(known) for known in self.settings)
            raise ConfigError(f"setting: expected one of this study ({known}), got {label_of(setting)}")
        return list(self._by_setting.get(self.settings.index(setting), []))

    def statistics(self, setting: Mapping[str, Any], column: str | None = None) -> Statistics:
        """Mean, standard deviation and range over the repeats of a setting, for each epoch.

        Parameters
        ----------
        setting : mapping
            One of `settings`.
        column : str
            Name of a column of the histories, see ``fastmlp.training.history.ALL_COLUMNS``; by default the score.

        Returns
        -------
        Statistics
            Lists with one value per epoch.

        Raises
        ------
        ConfigError
            If the study has no such setting or column.

        Examples
        --------
        >>> import fastmlp
        >>> digits, config = fastmlp.load_data("digits"), fastmlp.Config(hidden=(4,), n_epochs=3)
        >>> study = fastmlp.repeat(digits, config, n_repeats=2)
        >>> loss = study.statistics({}, "test_loss")
        >>> loss.epoch, loss.n, loss.min[-1] < loss.mean[-1] < loss.max[-1]
        ([1, 2, 3], [2, 2, 2], True)
        """
        curves = list(self._curves(setting, column).values())
        epochs = range(max(map(len, curves), default=0))
        values = [[curve[epoch] for curve in curves if epoch < len(curve)] for epoch in epochs]
        return Statistics(
            epoch=[epoch + 1 for epoch in epochs],
            n=[len(group) for group in values],
            mean=[_mean(group) for group in values],
            std=[_sample_std(group) for group in values],
            min=[min(group) for group in values],
            max=[max(group) for group in values],
        )

    def table(self) -> "Rows | Any":
        """All measurements, with one row per run and epoch.

        Returns
        -------
        list of dict, or pandas.DataFrame where pandas is installed
            One column per field that varies, then repeat, seed, status and the columns of the history, of which
            learning_rate is called lr.

        Examples
        --------
        >>> import fastmlp
        >>> digits, config = fastmlp.load_data("digits"), fastmlp.Config(hidden=(4,), n_epochs=3)
        >>> study = fastmlp.repeat(digits, config, n_repeats=2)
        >>> len(study.table())
        6
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
        """Statistics over the repeats, with one row per setting and epoch.

        Returns
        -------
        list of dict, or pandas.DataFrame where pandas is installed
            One column per field that varies, then epoch and n, and the mean, std, min and max (see `Statistics`) of
            train_loss, test_loss and the score, under names such as ``test_loss_mean``.

        Examples
        --------
        >>> import fastmlp
        >>> digits, config = fastmlp.load_data("digits"), fastmlp.Config(hidden=(4,), n_epochs=3)
        >>> study = fastmlp.repeat(digits, config, n_repeats=2)
        >>> len(study.summary())
        3
        """
        rows = []
        for setting in self.settings:
            columns = {name: self.statistics(setting, name) for name in self._summary_columns}
            for index, epoch in enumerate(columns["test_loss"].epoch):
                row = {**setting, "epoch": epoch, "n": columns["test_loss"].n[index]}
                for name, values in columns.items():
                    row |= {f"{name}_{stat}": getattr(values, stat)[index] for stat in ("mean", "std", "min", "max")}
                rows.append(row)
        return _frame(rows)

    @property
    def _summary_columns(self) -> tuple[str, str, str]:
        """The columns that are averaged over the repeats."""
        return "train_loss", "test_loss", self.score

    def finals(self, setting: Mapping[str, Any], column: str | None = None) -> list[float]:
        """Final value of a column in each finished run of a setting: that of the epoch whose weights the run returned.

        Parameters
        ----------
        setting : mapping
            One of `settings`.
        column : str
            See `statistics`.

        Returns
        -------
        list of float
            One value per finished run. If all runs diverged, the last values of those that reached the latest epoch.

        Raises
        ------
        ConfigError
            If the study has no such setting or column.

        Examples
        --------
        >>> import fastmlp
        >>> digits, config = fastmlp.load_data("digits"), fastmlp.Config(hidden=(4,), n_epochs=3)
        >>> study = fastmlp.repeat(digits, config, n_repeats=2)
        >>> len(study.finals({})), study.finals({}, "epoch")
        (2, [3, 3])
        """
        records, curves = self.records_of(setting), self._curves(setting, column)
        finished = [index for index in curves if records[index]["status"] == "finished"]
        if not finished:
            n_epochs = max(map(len, curves.values()), default=0)
            return [curve[-1] for curve in curves.values() if len(curve) == n_epochs]
        config = self.config.replace(**setting)
        return [curves[index][best_epoch(config, records[index]["history"]) - 1] for index in finished]

    def _curves(self, setting: Mapping[str, Any], column: str | None) -> dict[int, list[float]]:
        """The values of a column, by default the score, by the index of their run in `records_of`.

        Runs that diverged in their first epoch have none: their histories have no rows, and so only default columns.
        """
        column = self.score if column is None else column
        histories = {i: run["history"] for i, run in enumerate(self.records_of(setting)) if run["history"]["epoch"]}
        known = [name for name in ALL_COLUMNS if not histories or any(name in one for one in histories.values())]
        if column not in known:
            raise ConfigError(f"column: expected one of {', '.join(known)}, got {column!r}")
        return {index: history[column] for index, history in histories.items() if column in history}

    def best(self, column: str | None = None) -> Setting:
        """The setting with the best mean of the final values, see `finals`.

        Parameters
        ----------
        column : str
            The score, which is maximised, or train_loss or test_loss, which are minimised; by default the score.

        Returns
        -------
        dict
            One of `settings`. Settings with a diverged run rank behind all settings without one. A mean of NaN, which a
            study of an earlier version may have, ranks behind all numbers.

        Raises
        ------
        StudyError
            If no run has finished an epoch.
        ConfigError
            If the column is another one.

        Examples
        --------
        >>> import fastmlp
        >>> digits, config = fastmlp.load_data("digits"), fastmlp.Config(hidden=(20,), n_epochs=3)
        >>> study = fastmlp.sweep(digits, config, {"learning_rate": [0.3, 0.001]}, n_repeats=1)
        >>> study.best("test_loss")
        {'learning_rate': 0.3}
        """
        column = self.score if column is None else column
        if column not in self._summary_columns:
            raise ConfigError(f"column: expected one of {', '.join(self._summary_columns)}, got {column!r}")
        ranking = self._ranking(column)
        if not ranking:
            raise StudyError("no best setting: no run has finished an epoch")
        return ranking[0]

    def _ranking(self, column: str) -> list[Setting]:
        """The settings with a finished epoch, the best first, see `best`."""
        sign = 1 if column == self.score else -1
        means = [_mean(values) if (values := self.finals(setting, column)) else None for setting in self.settings]
        ranked = [
            (
                self.n_diverged(setting) == 0,
                not math.isnan(mean),
                0.0 if math.isnan(mean) else sign * mean,
                -index,
                setting,
            )
            for index, (setting, mean) in enumerate(zip(self.settings, means, strict=True))
            if mean is not None
        ]
        return [dict(entry[4]) for entry in sorted(ranked, key=lambda entry: entry[:4], reverse=True)]

    def n_diverged(self, setting: Mapping[str, Any]) -> int:
        """Number of runs of a setting that diverged.

        Parameters
        ----------
        setting : mapping
            One of `settings`.

        Returns
        -------
        int
            At most `n_repeats`.

        Raises
        ------
        ConfigError
            If the study has no such setting.

        Examples
        --------
        >>> import fastmlp
        >>> digits, config = fastmlp.load_data("digits"), fastmlp.Config(hidden=(4,), n_epochs=3)
        >>> study = fastmlp.repeat(digits, config, n_repeats=2)
        >>> study.n_diverged({})
        0
        """
        return sum(record["status"] == "diverged" for record in self.records_of(setting))

    def plot(self, axes: "Sequence[Axes] | None" = None) -> "tuple[Axes, Axes]":
        """Plot test loss and score over the epochs: the mean as a line, one standard deviation as a band.

        Parameters
        ----------
        axes : sequence of two matplotlib Axes, optional
            Axes to draw on; by default those of a new figure of pyplot.

        Returns
        -------
        tuple of two matplotlib Axes
            Axes of the loss and of the score; their figure is ``axes[0].figure``.

        Raises
        ------
        MissingExtraError
            If matplotlib is not installed.

        Examples
        --------
        >>> import fastmlp
        >>> digits, config = fastmlp.load_data("digits"), fastmlp.Config(hidden=(20,), n_epochs=3)
        >>> loss, accuracy = fastmlp.repeat(digits, config, n_repeats=2).plot()
        >>> loss.figure.savefig("study.png")  # doctest: +SKIP
        """
        return plot_bands(self.bands("test_loss"), self.bands(self.score), axes, self.score)

    def bands(self, column: str) -> list[Band]:
        """The lines and bands that `plot` draws for a column, one per setting.

        Parameters
        ----------
        column : str
            See `statistics`.

        Returns
        -------
        list of Band
            Label, epochs, means and standard deviations.

        Raises
        ------
        ConfigError
            If the study has no such column.

        Examples
        --------
        >>> import fastmlp
        >>> digits, config = fastmlp.load_data("digits"), fastmlp.Config(hidden=(4,), n_epochs=3)
        >>> study = fastmlp.repeat(digits, config, n_repeats=2)
        >>> study.bands("test_loss")[0].label
        'all settings as given (n = 2)'
        """
        bands = []
        for setting in self.settings:
            curve = self.statistics(setting, column)
            diverged = f", {self.n_diverged(setting)} diverged" if self.n_diverged(setting) else ""
            label = f"{label_of(setting)} (n = {len(self.records_of(setting))}{diverged})"
            bands.append(Band(label, curve.epoch, curve.mean, curve.std))
        return bands


def summary_row(study: Study, setting: Mapping[str, Any]) -> dict[str, str]:
    """Row of a setting in a printed table, by column.

    Returns
    -------
    dict of str to str
        The numbers of runs, diverged runs and epochs; mean and standard deviation of the final test loss and score; the
        smallest and the largest score. A dash if no run has finished an epoch.

    Examples
    --------
    >>> import fastmlp
    >>> study = fastmlp.repeat(fastmlp.load_data("digits"), fastmlp.Config(hidden=(4,), n_epochs=1), n_repeats=2)
    >>> list(summary_row(study, {}))
    ['runs', 'diverged', 'epochs', 'test loss', 'test accuracy', 'min', 'max']
    """
    losses, scores = study.finals(setting, "test_loss"), study.finals(setting)
    row = {
        "runs": str(len(study.records_of(setting))),
        "diverged": str(study.n_diverged(setting)),
        "epochs": str(max((len(record["history"]["epoch"]) for record in study.records_of(setting)), default=0)),
    }
    columns = ("test loss", display_name(study.score), "min", "max")
    if not losses:
        return row | dict.fromkeys(columns, "-")
    cells = [_mean_and_std(losses), _mean_and_std(scores), format_metric(min(scores)), format_metric(max(scores))]
    return row | dict(zip(columns, cells, strict=True))


def _mean_and_std(numbers: list[float]) -> str:
    mean = format_metric(_mean(numbers))
    return f"{mean} ± {format_metric(_sample_std(numbers))}" if len(numbers) > 1 else mean


def _mean(numbers: list[float]) -> float:
    """Mean; infinite or NaN, not an error, for values that are not finite or whose sum is beyond float64."""
    return sum_of_losses(numbers) / len(numbers)


def _sample_std(numbers: list[float]) -> float:
    if len(numbers) < 2 or not all(map(math.isfinite, numbers)):
        return math.nan
    exponent = math.frexp(max(map(abs, numbers)))[1]  # statistics.stdev raises OverflowError for 1e308 and -1e308
    scaled = [math.ldexp(number, -exponent) for number in numbers]
    half = exponent // 2
    return statistics.stdev(scaled) * 2.0**half * 2.0 ** (exponent - half)


def _frame(rows: Iterable[dict[str, Any]]) -> "Rows | Any":
    if importlib.util.find_spec("pandas") is None:
        return list(rows)
    import pandas

    return pandas.DataFrame(list(rows))
