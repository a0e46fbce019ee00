"""Plan: which settings a study compares, and the runs that this takes. Knows neither data nor how runs are run."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np

from fastmlp.config import Config
from fastmlp.errors import ConfigError
from fastmlp.seeding import Purpose, stream

Setting = dict[str, Any]
Key = tuple[str, int]
Vary = Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]]


class RunSpec(NamedTuple):
    """One run that is to be done.

    Attributes
    ----------
    place : int
        The setting's place in the plan.
    setting : dict
        What varies, as this run has it.
    repeat : int
        From 0.
    config : Config
        Everything, with the seed of this repeat.
    """

    place: int
    setting: Setting
    repeat: int
    config: Config

    @property
    def key(self) -> Key:
        """By what the run is known in its study."""
        return key_of(self.setting, self.repeat)


@dataclass(frozen=True)
class Plan:
    """The settings of a study and how often each is repeated.

    Attributes
    ----------
    config : Config
        What all runs share; its seed is the root of every run's.
    settings : tuple of dict
        What each setting changes.
    n_repeats : int
        Runs a setting.
    """

    config: Config
    settings: tuple[Setting, ...]
    n_repeats: int

    def tasks(self) -> list[RunSpec]:
        """Every run, a whole round of settings before the next repeat: a study cut short has compared them all."""
        configs = [self.config.replace(**setting) for setting in self.settings]
        return [
            RunSpec(place, setting, repeat, config.replace(seed=repeat_seed(config.seed, repeat)))
            for repeat in range(self.n_repeats)
            for place, (setting, config) in enumerate(zip(self.settings, configs, strict=True))
        ]


def repeat_seed(root: int, repeat: int) -> int:
    """The seed of a repeat, whatever the setting: settings are compared on the same initial weights and batches.

    It has 53 bits, which every reader of JSON holds exactly.

    Examples
    --------
    >>> repeat_seed(0, 0) == repeat_seed(0, 1)
    False
    """
    return stream(root, Purpose.REPEAT, repeat) >> 11


def key_of(setting: Mapping[str, Any], repeat: int) -> Key:
    """By what a run is known in its study: the setting as JSON, and the repeat."""
    return json.dumps(setting, sort_keys=True), repeat


def make_plan(config: Config, vary: Vary, n_repeats: int) -> Plan:
    """Check what was asked for, and spread it out.

    Parameters
    ----------
    config : Config
        What all runs share.
    vary : mapping of str to sequence, or sequence of mappings
        A grid, of which every combination is a setting, or the settings one by one.
    n_repeats : int
        Runs a setting.

    Returns
    -------
    Plan

    Raises
    ------
    ConfigError
        If a name or a value is none that `Config` has, a list is empty, a setting stands twice, or n_repeats is
        below 1.

    Examples
    --------
    >>> plan = make_plan(Config(), {"optimizer": ["sgd", "adam"], "l2": [0.01, 0.001]}, n_repeats=2)
    >>> plan.settings[1], len(plan.tasks())
    ({'optimizer': 'sgd', 'l2': 0.001}, 8)
    """
    if not isinstance(n_repeats, Integral) or isinstance(n_repeats, bool) or n_repeats < 1:
        raise ConfigError(f"n_repeats: expected an integer >= 1, got {n_repeats!r}")
    given = _spread(vary) if isinstance(vary, Mapping) else _listed(vary)
    configs = [Config.from_dict({**config.to_dict(), **setting}) for setting in given]
    seen: set[Config] = set()
    for place, twin in enumerate(configs):
        if twin in seen:
            raise ConfigError(f"the setting {label_of(given[place])} stands twice; each is repeated {n_repeats} times")
        seen.add(twin)
    settings = [{name: getattr(c, name) for name in setting} for c, setting in zip(configs, given, strict=True)]
    return Plan(config, tuple(settings), int(n_repeats))


def label_of(setting: Mapping[str, Any]) -> str:
    """A setting in words, for tables and legends.

    Examples
    --------
    >>> label_of({"l2": 0.001, "hidden": (100, 50)}), label_of({})
    ('l2 0.001, hidden 100-50', 'all settings as given')
    """
    return ", ".join(f"{name} {_word(value)}" for name, value in setting.items()) or "all settings as given"


def _word(value: Any) -> str:
    if isinstance(value, tuple | list):
        return "-".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _spread(grid: Mapping[str, Sequence[Any]]) -> list[Setting]:
    if not grid:
        raise ConfigError("nothing varies: name a setting and its values, such as {'l2': [0.01, 0.001]}")
    for name, values in grid.items():
        if not isinstance(values, list | tuple | range | np.ndarray):
            raise ConfigError(f"{name}: expected a list of values, got {values!r}")
        if len(values) == 0:
            raise ConfigError(f"{name}: expected a list of one value or more, got an empty list")
    return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]


def _listed(settings: Sequence[Mapping[str, Any]]) -> list[Setting]:
    if not isinstance(settings, list | tuple) or not all(isinstance(setting, Mapping) for setting in settings):
        raise ConfigError(f"what varies: expected a mapping of names to lists, or a list of settings, got {settings!r}")
    if not settings:
        raise ConfigError("the list of settings is empty; one or more are expected, such as [{'l2': 0.01}]")
    return [dict(setting) for setting in settings]
