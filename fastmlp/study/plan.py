"""The plan of a study: the settings that it compares, and the list of its runs."""

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

#: The fields of `Config` that one setting of a study changes, by name.
Setting = dict[str, Any]
#: Identifies a run within its study: the setting as JSON, and the repeat.
Key = tuple[str, int]
#: A grid of values by name, or a list of settings.
Vary = Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]]


class RunSpec(NamedTuple):
    """Specification of one run of a study.

    Attributes
    ----------
    setting_index : int
        Index of the setting in the plan.
    setting : dict
        The fields of the config that this setting changes.
    repeat : int
        Counted from 0.
    config : Config
        The full config of this run, with the seed of its repeat.
    """

    setting_index: int
    setting: Setting
    repeat: int
    config: Config

    @property
    def key(self) -> Key:
        """Key of the run within its study."""
        return key_of(self.setting, self.repeat)


@dataclass(frozen=True)
class Plan:
    """The settings of a study, and the number of repeats of each.

    Attributes
    ----------
    config : Config
        The settings that all runs share; its seed is the root of the seeds of all runs.
    settings : tuple of dict
        The fields that each setting changes.
    n_repeats : int
        Number of runs per setting.
    """

    config: Config
    settings: tuple[Setting, ...]
    n_repeats: int

    def run_specs(self) -> list[RunSpec]:
        """All runs, repeat by repeat: an interrupted study has equally many runs of each setting, give or take one."""
        configs = [self.config.replace(**setting) for setting in self.settings]
        return [
            RunSpec(index, setting, repeat, config.replace(seed=repeat_seed(config.seed, repeat)))
            for repeat in range(self.n_repeats)
            for index, (setting, config) in enumerate(zip(self.settings, configs, strict=True))
        ]


def repeat_seed(root: int, repeat: int) -> int:
    """Seed of a repeat. It does not depend on the setting, so that settings share initial weights and batch order.

    It has 53 bits, which every JSON reader represents exactly.

    Examples
    --------
    >>> repeat_seed(0, 0) == repeat_seed(0, 1)
    False
    """
    return stream(root, Purpose.REPEAT, repeat) >> 11


def key_of(setting: Mapping[str, Any], repeat: int) -> Key:
    """Key of a run within its study: the setting as JSON, and the repeat."""
    return json.dumps(setting, sort_keys=True), repeat


def make_plan(config: Config, vary: Vary, n_repeats: int) -> Plan:
    """Check the arguments of a study and expand a grid into settings.

    Parameters
    ----------
    config : Config
        The settings that all runs share.
    vary : mapping of str to sequence, or sequence of mappings
        A grid, every combination of which is a setting, or a list of settings.
    n_repeats : int
        Number of runs per setting.

    Returns
    -------
    Plan

    Raises
    ------
    ConfigError
        If a name or a value is not accepted by `Config`, a list is empty, a setting is given twice, or n_repeats is
        less than 1.

    Examples
    --------
    >>> plan = make_plan(Config(), {"optimizer": ["sgd", "adam"], "l2": [0.01, 0.001]}, n_repeats=2)
    >>> plan.settings[1], len(plan.run_specs())
    ({'optimizer': 'sgd', 'l2': 0.001}, 8)
    """
    if not isinstance(n_repeats, Integral) or isinstance(n_repeats, bool) or n_repeats < 1:
        raise ConfigError(f"n_repeats: expected an integer >= 1, got {n_repeats!r}")
    given = _expand_grid(vary) if isinstance(vary, Mapping) else _check_list(vary)
    configs = [Config.from_dict({**config.to_dict(), **setting}) for setting in given]
    seen: set[Config] = set()
    for index, setting_config in enumerate(configs):
        if setting_config in seen:
            raise ConfigError(
                f"vary: expected each setting once, got {label_of(given[index])} twice; every setting has "
                f"{n_repeats} repeats, see n_repeats"
            )
        seen.add(setting_config)
    settings = [{name: getattr(c, name) for name in setting} for c, setting in zip(configs, given, strict=True)]
    return Plan(config, tuple(settings), int(n_repeats))


def label_of(setting: Mapping[str, Any]) -> str:
    """Label of a setting in tables and legends.

    Examples
    --------
    >>> label_of({"l2": 0.001, "hidden": (100, 50)}), label_of({})
    ('l2 0.001, hidden 100-50', 'all settings as given')
    """
    return ", ".join(f"{name} {_format_value(value)}" for name, value in setting.items()) or "all settings as given"


def _format_value(value: Any) -> str:
    if isinstance(value, tuple | list):
        return "-".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _expand_grid(grid: Mapping[str, Sequence[Any]]) -> list[Setting]:
    if not grid:
        raise ConfigError("vary: expected at least one setting with its values, such as {'l2': [0.01, 0.001]}, got {}")
    for name, values in grid.items():
        if not isinstance(values, list | tuple | range | np.ndarray):
            raise ConfigError(f"{name}: expected a list of values, got {values!r}")
        if len(values) == 0:
            raise ConfigError(f"{name}: expected at least one value, got an empty list")
    return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]


def _check_list(settings: Sequence[Mapping[str, Any]]) -> list[Setting]:
    if not isinstance(settings, list | tuple) or not all(isinstance(setting, Mapping) for setting in settings):
        raise ConfigError(f"vary: expected a mapping of names to lists, or a list of settings, got {settings!r}")
    if not settings:
        raise ConfigError("vary: expected at least one setting, such as [{'l2': 0.01}], got an empty list")
    return [dict(setting) for setting in settings]
