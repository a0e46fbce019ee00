"""Config: every setting of a training run, frozen, flat and checked as a whole. Knows neither data nor kernels."""

import dataclasses
import difflib
import math
import reprlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from fastmlp.errors import ConfigError
from fastmlp.params import Init

Activation = Literal["sigmoid", "tanh", "relu", "identity"]
Optimizer = Literal["sgd", "adam"]
Schedule = Literal["exponential", "constant", "step", "cosine", "inverse", "one_cycle"]
Precision = Literal["float32", "float64"]


class _Rule(NamedTuple):
    """What a setting accepts, in words, and the function that reads it or raises."""

    accepted: str
    read: Callable[[Any], Any]


def _integer(low: int) -> _Rule:
    def read(value: Any) -> int:
        if not isinstance(value, Integral) or isinstance(value, bool):
            raise TypeError
        number = int(value)
        if not low <= number < 2**63:
            raise ValueError
        return number

    return _Rule(f"an integer >= {low} and < 2**63", read)


def _real(accepted: str, is_accepted: Callable[[float], bool]) -> _Rule:
    def read(value: Any) -> float:
        if not isinstance(value, Real) or isinstance(value, bool):
            raise TypeError
        number = float(value)
        if not math.isfinite(number) or not is_accepted(number):
            raise ValueError
        return number

    return _Rule(accepted, read)


def _choice(literal: Any) -> _Rule:
    names = get_args(literal)

    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in names:
            raise ValueError
        return str(value)

    return _Rule("one of " + ", ".join(map(repr, names)), read)


def _flag() -> _Rule:
    def read(value: Any) -> bool:
        if not isinstance(value, (bool, np.bool_)):
            raise TypeError
        return bool(value)

    return _Rule("True or False", read)


def _sizes() -> _Rule:
    size = _integer(1)

    def read(value: Any) -> tuple[int, ...]:
        if not isinstance(value, (tuple, list, np.ndarray)):
            raise TypeError
        return tuple(size.read(item) for item in value)

    return _Rule("a tuple of integers >= 1, such as (100, 100), or ()", read)


_POSITIVE = _real("a finite number > 0", lambda number: number > 0.0)
_NOT_NEGATIVE = _real("a finite number >= 0", lambda number: number >= 0.0)
_FACTOR = _real("a number in (0, 1]", lambda number: 0.0 < number <= 1.0)
_SHARE = _real("a number in [0, 1)", lambda number: 0.0 <= number < 1.0)

_RULES = {
    "hidden": _sizes(),
    "activation": _choice(Activation),
    "init": _choice(Init),
    "optimizer": _choice(Optimizer),
    "learning_rate": _POSITIVE,
    "schedule": _choice(Schedule),
    "decay_rate": _NOT_NEGATIVE,
    "step_epochs": _integer(1),
    "step_factor": _FACTOR,
    "power": _NOT_NEGATIVE,
    "warmup_epochs": _integer(0),
    "l2": _NOT_NEGATIVE,
    "beta1": _SHARE,
    "beta2": _SHARE,
    "eps": _POSITIVE,
    "batch_size": _integer(1),
    "n_epochs": _integer(1),
    "shuffle": _flag(),
    "seed": _integer(0),
    "precision": _choice(Precision),
}


@dataclass(frozen=True, kw_only=True)
class Config:
    """Every setting of a training run; the defaults are the paper's.

    NumPy's numbers, and a list or an array for `hidden`, are taken and stored as Python's own.

    Parameters
    ----------
    hidden : tuple of int
        Sizes of the hidden layers, first to last; without any, the network is softmax regression (eq. 2).
    activation : str
        What every hidden layer applies to its sums; the paper's is sigmoid (eq. 3).
    init : str
        How the weights begin, about which the paper is silent.
    optimizer : str
        The update rule: sgd (eq. 9) or adam (eq. 10).
    learning_rate : float
        Length of a step, gamma_0 of eq. 11.
    schedule : str
        How the learning rate goes on from epoch to epoch; the paper's is exponential, with a decay rate of 0 constant.
    decay_rate : float
        exponential: the rate of epoch t, from 0, is learning_rate * exp(-decay_rate * t) (eq. 11).
    step_epochs : int
        step: epochs from one fall of the rate to the next.
    step_factor : float
        step: what the rate is multiplied by at a fall.
    power : float
        inverse: the rate of epoch t, from 0, is learning_rate / (t + 1) ** power.
    warmup_epochs : int
        cosine: epochs in which the rate rises, before it falls to 0 over the rest of n_epochs.
    l2 : float
        L2 regularisation, lambda of eq. 8: l2 * weight is added to a weight's gradient, to a bias's nothing.
    beta1 : float
        Adam's memory of the gradient (eq. 10).
    beta2 : float
        Adam's memory of the squared gradient (eq. 10).
    eps : float
        What Adam adds to the denominator (eq. 10).
    batch_size : int
        Samples a step; an epoch's last batch may be shorter.
    n_epochs : int
        Passes over the training data.
    shuffle : bool
        Whether every epoch goes through the samples in a new order.
    seed : int
        Decides the initial weights and the order of the samples.
    precision : str
        Type of the weights and of all arithmetic.

    Raises
    ------
    ConfigError
        Some settings are not accepted, also where one is only so after rounding to `precision`; all are named.

    Examples
    --------
    >>> config = Config(optimizer="adam", learning_rate=0.001)
    >>> config.hidden, config.beta1
    ((100, 100), 0.9)
    >>> Config(hidden=(100, 0), learning_rate=-1)
    Traceback (most recent call last):
    fastmlp.errors.ConfigError: 2 settings cannot be used
      hidden: given (100, 0); accepted: a tuple of integers >= 1, such as (100, 100), or ()
      learning_rate: given -1; accepted: a finite number > 0
    """

    hidden: tuple[int, ...] = (100, 100)
    activation: Activation = "sigmoid"
    init: Init = "glorot_uniform"
    optimizer: Optimizer = "sgd"
    learning_rate: float = 0.3
    schedule: Schedule = "exponential"
    decay_rate: float = 0.0
    step_epochs: int = 10
    step_factor: float = 0.1
    power: float = 0.5
    warmup_epochs: int = 0
    l2: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    batch_size: int = 64
    n_epochs: int = 20
    shuffle: bool = True
    seed: int = 0
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        given = self.to_dict()
        _check(given)
        for name, value in given.items():
            object.__setattr__(self, name, _RULES[name].read(value))

    def to_dict(self) -> dict[str, Any]:
        """The settings by name, fit for ``json.dumps``.

        Returns
        -------
        dict
            Name to value, in the order of the fields.

        Examples
        --------
        >>> Config().to_dict()["batch_size"]
        64
        """
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> "Config":
        """The Config that `to_dict` was asked of; what is missing takes its default.

        Parameters
        ----------
        settings : mapping of str to object
            Settings by name, such as a ``config.json`` holds.

        Returns
        -------
        Config
            Equal to the one that was written.

        Raises
        ------
        ConfigError
            A setting is unknown or not accepted; all are named.

        Examples
        --------
        >>> Config.from_dict({"hidden": [30], "l2": 0.001}).hidden
        (30,)
        >>> Config.from_dict({"learning-rate": 0.1})
        Traceback (most recent call last):
        fastmlp.errors.ConfigError: 'learning-rate' is not a setting; the nearest is 'learning_rate'
        """
        if not isinstance(settings, Mapping):
            raise ConfigError(f"settings: given {reprlib.repr(settings)}; accepted: a mapping of names to values")
        _check(settings)
        return cls(**settings)

    def replace(self, **changes: Any) -> "Config":
        """The same Config with some settings changed.

        Parameters
        ----------
        **changes : object
            New values by name.

        Returns
        -------
        Config
            A new, checked Config; the old one stays as it is.

        Raises
        ------
        ConfigError
            A setting is unknown or not accepted; all are named.

        Examples
        --------
        >>> Config().replace(seed=1).seed
        1
        """
        return self.from_dict({**self.to_dict(), **changes})


def _check(settings: Mapping[str, Any]) -> None:
    mistakes = list(_mistakes(settings))
    if len(mistakes) == 1:
        raise ConfigError(mistakes[0])
    if mistakes:
        raise ConfigError("\n  ".join([f"{len(mistakes)} settings cannot be used", *mistakes]))


def _mistakes(settings: Mapping[str, Any]) -> Iterator[str]:
    precision = settings.get("precision", Config.precision)
    yield from _endless_warmup(settings)
    for name, given in settings.items():
        if name not in _RULES:
            yield _unknown(name)
        elif not _accepts(_RULES[name], given):
            yield f"{name}: given {reprlib.repr(given)}; accepted: {_RULES[name].accepted}"
        elif isinstance(_RULES[name].read(given), float) and _accepts(_RULES["precision"], precision):
            held = _as_held(given, precision)
            if not _accepts(_RULES[name], held):
                yield f"{name}: given {given!r}, which is {held} in {precision}; accepted: {_RULES[name].accepted}"
            elif name == "eps" and _vanishes(held, settings.get("beta2", Config.beta2), precision):
                yield f"eps: given {given!r}, of which Adam's first step has eps * sqrt(1 - beta2), 0 in {precision}"


def _endless_warmup(settings: Mapping[str, Any]) -> Iterator[str]:
    """A rate that rises to the last epoch, and never falls."""
    names = "schedule", "warmup_epochs", "n_epochs"
    given = [settings.get(name, getattr(Config, name)) for name in names]
    if not all(_accepts(_RULES[name], value) for name, value in zip(names, given, strict=True)):
        return
    schedule, warmup_epochs, n_epochs = given
    if schedule == "cosine" and warmup_epochs >= n_epochs:
        yield f"warmup_epochs: given {warmup_epochs}; accepted: fewer than n_epochs, which is {n_epochs}"


def _unknown(name: object) -> str:
    nearest = difflib.get_close_matches(str(name), _RULES, n=1, cutoff=0.5)
    known = f"the nearest is {nearest[0]!r}" if nearest else "the settings are " + ", ".join(_RULES)
    return f"{name!r} is not a setting; {known}"


def _accepts(rule: _Rule, value: Any) -> bool:
    try:
        rule.read(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _vanishes(eps: float, beta2: Any, precision: str) -> bool:
    """Whether eps is zero in Adam's first step, where a weight without a gradient would be moved by 0 / 0."""
    return _accepts(_SHARE, beta2) and _as_held(eps * math.sqrt(1.0 - float(beta2)), precision) == 0.0


def _as_held(number: Any, precision: str) -> float:
    """The number as the kernels meet it: rounded, and subnormals are zero, so that a tiny `eps` would divide by it."""
    with np.errstate(over="ignore", under="ignore"):
        held = float(np.dtype(precision).type(number))
    return held if abs(held) >= np.finfo(precision).tiny else 0.0
