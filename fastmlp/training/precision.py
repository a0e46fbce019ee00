"""Precision: what a config's precision comes to on this machine. Knows the CPU's bf16 units by name alone."""

from typing import Any

import numpy as np

from fastmlp.codegen import cpu
from fastmlp.codegen.amx import check_variable, unavailable_reason
from fastmlp.config import Config
from fastmlp.errors import ConfigError
from fastmlp.settings import BF16_TERMS


def resolve(config: Config, X: Any) -> tuple[Config, str]:
    """The config as it runs here: ``auto`` is decided, and what no unit here suits becomes float32.

    ``auto`` is bf16x3 where the CPU has AMX and the samples are uint8, else float32. Layers that are too small for bf16
    (`fastmlp.settings.uses_bf16`) are computed in float32 in every precision.

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
    >>> resolve(Config(precision="float64"), np.zeros((1, 2)))[1]
    ''
    >>> resolve(Config(precision="auto"), np.zeros((1, 2)))
    (Config(...), 'precision auto: float32, ...')
    """
    asked = config.precision
    if asked != "auto" and asked not in BF16_TERMS:
        return config, ""
    check_variable()
    obstacle = _better_in_float32(asked, X) or unavailable_reason()
    if not obstacle and asked != "auto":
        return config, ""
    taken = "float32" if obstacle else "bf16x3"
    return config.replace(precision=taken), f"precision {asked}: {taken}, since {obstacle or 'this CPU has AMX'}"


def require_precision(precision: str) -> None:
    """Refuse a precision that no kernel of this machine has; `resolve` gives one that it has.

    Raises
    ------
    ConfigError
        If it is ``"auto"``, or for a bf16 unit that is not here or may not be used.

    Examples
    --------
    >>> require_precision("float32")
    """
    if precision == "auto":
        raise ConfigError("precision: 'auto' must be resolved first, by fastmlp.training.precision.resolve")
    if precision in BF16_TERMS and (obstacle := unavailable_reason()):
        raise ConfigError(f"precision {precision}: {obstacle}")


def _better_in_float32(asked: str, X: Any) -> str:
    """Why float32 is the better choice, whatever the user and the operating system permit."""
    unit = cpu.bf16_instructions()
    if asked == "auto" and unit != "amx":
        return "this CPU has no AMX"
    if asked == "auto" and X.dtype != np.uint8:
        return f"the samples are {X.dtype.name}, and not uint8"
    if unit == "avx512bf16" and BF16_TERMS[asked] > 1:
        return "this CPU has no AMX, and AVX512-BF16 takes longer for it than float32"
    return ""
