"""What every setting of a Config accepts, alone and beside others. Knows names, values and roundings; no Config."""

import difflib
import math
import reprlib
from collections.abc import Callable, Iterator, Mapping
from numbers import Integral, Real
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from fastmlp.params import Init

Activation = Literal[
    "sigmoid", "tanh", "relu", "identity", "leaky_relu", "elu", "gelu", "silu", "softplus",
]  # fmt: skip
Loss = Literal["cross_entropy", "binary_cross_entropy", "squared_error", "huber", "poisson"]
ClassWeight = Literal["none", "balanced"]
Optimizer = Literal["sgd", "momentum", "nesterov", "rmsprop", "adam", "adamw", "nadam"]
Schedule = Literal["exponential", "constant", "step", "cosine", "inverse", "one_cycle", "plateau"]
L2Scale = Literal["step", "batch"]
EpsForm = Literal["eps", "eps_hat"]
EarlyStopping = Literal["none", "loss", "score"]
Precision = Literal["float32", "float64", "bf16x3", "bf16x2", "bf16", "auto"]
Dtype = Literal["float32", "float64"]

#: bf16 numbers that a float32 is split into, by the precisions that have it multiplied by a bf16 unit.
TERMS = {"bf16x3": 3, "bf16x2": 2, "bf16": 1}


def dtype_of(precision: str) -> Dtype:
    """Type of the weights, and of all that is not multiplied by a bf16 unit.

    Examples
    --------
    >>> dtype_of("bf16x3")
    'float32'
    """
    return "float64" if precision == "float64" else "float32"


class Rule(NamedTuple):
    """What a setting accepts, in words, and the function that reads it or raises."""

    accepted: str
    read: Callable[[Any], Any]


def _integer(low: int) -> Rule:
    def read(value: Any) -> int:
        if not isinstance(value, Integral) or isinstance(value, bool):
            raise TypeError
        number = int(value)
        if not low <= number < 2**63:
            raise ValueError
        return number

    return Rule(f"an integer >= {low} and < 2**63", read)


def _real(accepted: str, is_accepted: Callable[[float], bool]) -> Rule:
    def read(value: Any) -> float:
        if not isinstance(value, Real) or isinstance(value, bool):
            raise TypeError
        number = float(value)
        if not math.isfinite(number) or not is_accepted(number):
            raise ValueError
        return number

    return Rule(accepted, read)


def _choice(literal: Any) -> Rule:
    names = get_args(literal)

    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in names:
            raise ValueError
        return str(value)

    return Rule("one of " + ", ".join(map(repr, names)), read)


def _flag() -> Rule:
    def read(value: Any) -> bool:
        if not isinstance(value, (bool, np.bool_)):
            raise TypeError
        return bool(value)

    return Rule("True or False", read)


def _sizes() -> Rule:
    size = _integer(1)

    def read(value: Any) -> tuple[int, ...]:
        if not isinstance(value, (tuple, list, np.ndarray)):
            raise TypeError
        return tuple(size.read(item) for item in value)

    return Rule("a tuple of integers >= 1, such as (100, 100), or ()", read)


_POSITIVE = _real("a finite number > 0", lambda number: number > 0.0)
_NOT_NEGATIVE = _real("a finite number >= 0", lambda number: number >= 0.0)
_FACTOR = _real("a number in (0, 1]", lambda number: 0.0 < number <= 1.0)
_SHARE = _real("a number in [0, 1)", lambda number: 0.0 <= number < 1.0)
_PART = _real("a number in [0, 1]", lambda number: 0.0 <= number <= 1.0)
_INNER = _real("a number in (0, 1)", lambda number: 0.0 < number < 1.0)

RULES: dict[str, Rule] = {
    "hidden": _sizes(),
    "activation": _choice(Activation),
    "dropout": _SHARE,
    "init": _choice(Init),
    "loss": _choice(Loss),
    "label_smoothing": _SHARE,
    "huber_delta": _POSITIVE,
    "class_weight": _choice(ClassWeight),
    "optimizer": _choice(Optimizer),
    "learning_rate": _POSITIVE,
    "schedule": _choice(Schedule),
    "decay_rate": _NOT_NEGATIVE,
    "step_epochs": _integer(1),
    "step_factor": _FACTOR,
    "power": _NOT_NEGATIVE,
    "warmup_epochs": _integer(0),
    "l2": _NOT_NEGATIVE,
    "l2_scale": _choice(L2Scale),
    "weight_decay": _NOT_NEGATIVE,
    "momentum": _PART,
    "beta1": _SHARE,
    "beta2": _SHARE,
    "eps": _POSITIVE,
    "eps_form": _choice(EpsForm),
    "clip_norm": _NOT_NEGATIVE,
    "batch_size": _integer(1),
    "n_epochs": _integer(1),
    "shuffle": _flag(),
    "early_stopping": _choice(EarlyStopping),
    "patience": _integer(1),
    "tol": _NOT_NEGATIVE,
    "validation_fraction": _INNER,
    "seed": _integer(0),
    "precision": _choice(Precision),
}

#: Unknown names that are answered one by one: finding the nearest setting takes 0.2 ms a name.
MOST_NAMED = 20


def mistakes(settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with some settings, a sentence each.

    Parameters
    ----------
    settings : mapping of str to object
        Settings by name, as given.
    defaults : mapping of str to object
        What those that are missing will be.

    Yields
    ------
    str
        What was given, and what is accepted.
    """
    whole = {**defaults, **settings}
    dtype = dtype_of(whole["precision"]) if _accepts(RULES["precision"], whole["precision"]) else None
    yield from _endless_warmup(whole)
    unknown = [name for name in settings if name not in RULES]
    yield from map(_unknown, unknown[:MOST_NAMED])
    if len(unknown) > MOST_NAMED:
        yield f"{len(unknown) - MOST_NAMED:,} names more are none of a setting"
    for name, given in settings.items():
        if name not in RULES:
            continue
        if not _accepts(RULES[name], given):
            yield f"{name}: given {reprlib.repr(given)}; accepted: {RULES[name].accepted}"
        elif isinstance(RULES[name].read(given), float) and dtype is not None:
            held = _as_held(given, dtype)
            if not _accepts(RULES[name], held):
                yield f"{name}: given {given!r}, which is {held} in {dtype}; accepted: {RULES[name].accepted}"
            elif name == "eps" and _vanishes(held, whole["beta2"], dtype):
                yield f"eps: given {given!r}, of which Adam's first step has eps * sqrt(1 - beta2), 0 in {dtype}"


def _endless_warmup(settings: Mapping[str, Any]) -> Iterator[str]:
    """A rate that rises to the last epoch, and never falls."""
    names = "schedule", "warmup_epochs", "n_epochs"
    given = [settings[name] for name in names]
    if not all(_accepts(RULES[name], value) for name, value in zip(names, given, strict=True)):
        return
    schedule, warmup_epochs, n_epochs = given
    if schedule == "cosine" and warmup_epochs >= n_epochs:
        yield f"warmup_epochs: given {warmup_epochs}; accepted: fewer than n_epochs, which is {n_epochs}"


def _unknown(name: object) -> str:
    nearest = difflib.get_close_matches(str(name), RULES, n=1, cutoff=0.5)
    known = f"the nearest is {nearest[0]!r}" if nearest else "the settings are " + ", ".join(RULES)
    return f"{name!r} is not a setting; {known}"


def _accepts(rule: Rule, value: Any) -> bool:
    try:
        rule.read(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _vanishes(eps: float, beta2: Any, dtype: str) -> bool:
    """Whether eps is zero in Adam's first step, where a weight without a gradient would be moved by 0 / 0."""
    return _accepts(_SHARE, beta2) and _as_held(eps * math.sqrt(1.0 - float(beta2)), dtype) == 0.0


def _as_held(number: Any, dtype: str) -> float:
    """The number as the kernels meet it: rounded, and subnormals are zero, so that a tiny `eps` would divide by it."""
    with np.errstate(over="ignore", under="ignore"):
        held = float(np.dtype(dtype).type(number))
    return held if abs(held) >= np.finfo(dtype).tiny else 0.0
