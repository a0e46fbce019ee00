"""Precision: what a config's precision comes to on this machine. Knows the CPU's bf16 units by name alone."""

from typing import Any

import numpy as np

from fastmlp import cpu
from fastmlp.config import Config
from fastmlp.errors import ConfigError
from fastmlp.permission import check_switch, refusal
from fastmlp.rules import TERMS


def settle(config: Config, X: Any) -> tuple[Config, str]:
    """The config as it runs here: ``auto`` is decided, and what no unit here suits becomes float32.

    ``auto`` is bf16x3 where the CPU has AMX and the samples are uint8, else float32. Which layers are large enough for
    the unit is another matter (`fastmlp.cpu.bf16_pays`): the others are on the float32 kernels in every precision.

    Parameters
    ----------
    config : Config
        The settings.
    X : ndarray or sparse
        The samples to train on.

    Returns
    -------
    config : Config
        With the precision that is taken.
    reason : str
        Why it is that one, in a line; empty where it was asked for by its name.

    Raises
    ------
    ConfigError
        If ``FASTMLP_AMX`` is neither 0, 1 nor empty.

    Examples
    --------
    >>> settle(Config(precision="float64"), np.zeros((1, 2)))[1]
    ''
    >>> settle(Config(precision="auto"), np.zeros((1, 2)))
    (Config(...), 'precision auto: float32, ...')
    """
    asked = config.precision
    if asked != "auto" and asked not in TERMS:
        return config, ""
    check_switch()
    obstacle = _obstacle(asked, X) or refusal()
    if not obstacle and asked != "auto":
        return config, ""
    taken = "float32" if obstacle else "bf16x3"
    return config.replace(precision=taken), f"precision {asked}: {taken}, since {obstacle or 'this CPU has AMX'}"


def require_unit(precision: str) -> None:
    """Refuse a precision that no kernel of this machine has; `settle` gives one that it has.

    Raises
    ------
    ConfigError
        If it is ``"auto"``, or for a bf16 unit that is not here or may not be used.

    Examples
    --------
    >>> require_unit("float32")
    """
    if precision == "auto":
        raise ConfigError("precision: given 'auto', which fastmlp.precision.settle decides; accepted: what it came to")
    if precision in TERMS and (obstacle := refusal()):
        raise ConfigError(f"precision {precision}: {obstacle}")


def _obstacle(asked: str, X: Any) -> str:
    """Why float32 is the better choice, whatever the user and the operating system permit."""
    unit = cpu.bf16_unit()
    if asked == "auto" and unit != "amx":
        return "this CPU has no AMX"
    if asked == "auto" and X.dtype != np.uint8:
        return f"the samples are {X.dtype.name}, and not uint8"
    if unit == "avx512bf16" and TERMS[asked] > 1:
        return "this CPU has no AMX, and AVX512-BF16 takes longer for it than float32"
    return ""
