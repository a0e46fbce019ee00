"""Settings given on the command line, and the preset that all others are taken from."""

import inspect
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any, Literal

from fastmlp.cli.app import Parameter
from fastmlp.cli.terminal import resolve_and_report
from fastmlp.config import Config
from fastmlp.data import Dataset
from fastmlp.errors import ConfigError
from fastmlp.settings import LOSSES, LossName, Task

Preset = Literal["auto", "paper", "tabular"]


class GivenSettings(Config):
    """The settings that were given on the command line; the command line derives its options from the fields.

    Attributes
    ----------
    given : dict of str to object
        The settings by name; they have not been checked.

    Examples
    --------
    >>> GivenSettings(l2=0.1).given
    {'l2': 0.1}
    """

    given: Mapping[str, Any]

    def __init__(self, **given: Any) -> None:  # without Config's checks, which need the preset's values
        object.__setattr__(self, "given", given)


GivenSettings.__init__.__signature__ = inspect.signature(Config.__init__)  # type: ignore[attr-defined]

Settings = Annotated[GivenSettings, Parameter(name="*", group="Network and training")]


def task_of_settings(settings: GivenSettings, task: Task | None) -> Task | None:
    """The task that was given, or that a given loss implies; None to infer it from the data.

    Examples
    --------
    >>> task_of_settings(GivenSettings(loss="huber"), None)
    'regression'
    """
    loss = settings.given.get("loss")
    if task is not None or loss not in LOSSES:
        return task
    tasks = LOSSES[loss].tasks
    return tasks[0] if len(tasks) == 1 else None


def provisional_config(settings: GivenSettings, preset: Preset) -> Config:
    """The config for data that has not been loaded yet; the preset auto is taken for paper if the settings allow it.

    Raises
    ------
    ConfigError
        If a given setting is invalid, whatever the data; the message lists all.
    """
    try:
        return _config_of(settings.given, preset, "classification", 1000)
    except ConfigError:
        if preset != "auto":
            raise
        with suppress(ConfigError):
            return _config_of(settings.given, "tabular", "classification", 1000)
        raise


def resolve_settings(settings: GivenSettings, preset: Preset, dataset: Dataset) -> tuple[Config, Preset]:
    """The config of a run: the given settings, and a preset's values for all others.

    Parameters
    ----------
    settings : GivenSettings
        The given ones.
    preset : {"auto", "paper", "tabular"}
        auto: tabular for a table, paper for other data.
    dataset : Dataset
        The data, which decides the loss, the number of epochs of the preset tabular, and the precision.

    Returns
    -------
    config : Config
        With the precision that is used on this machine; the reason is printed if it is not the given one.
    preset : {"paper", "tabular"}
        The preset.
    """
    chosen: Preset = ("paper" if dataset.table is None else "tabular") if preset == "auto" else preset
    config = _config_of(settings.given, chosen, dataset.task, len(dataset.y_train))
    return resolve_and_report(config, dataset), chosen


def _config_of(given: Mapping[str, Any], preset: Preset, task: Task, n_samples: int) -> Config:
    if preset == "tabular":
        return Config.tabular(n_samples=n_samples, task=task, **given)
    return Config(**{"loss": default_loss(task), **given})


def default_loss(task: Task) -> LossName:
    """The loss for a task for which none is given: the first one for that task alone.

    Examples
    --------
    >>> default_loss("multilabel"), default_loss("regression")
    ('binary_cross_entropy', 'squared_error')
    """
    return next(name for name, loss in LOSSES.items() if loss.tasks[0] == task)
