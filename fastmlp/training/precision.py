"""The precision that a config is run in on this machine."""

from typing import Any

import numpy as np

from fastmlp.codegen import cpu
from fastmlp.codegen.amx import check_variable, unavailable_reason
from fastmlp.config import Config
from fastmlp.errors import ConfigError
from fastmlp.settings import BF16_TERMS


def resolve(config: Config, X: Any) -> tuple[Config, str]:
    """Replace the precision of a config by the one that it is run in on this machine.

    ``auto`` becomes bf16x3 where the CPU has AMX and the samples are dense uint8, otherwise float32. A bf16 precision
    becomes float32 where the CPU has no bf16 instructions that make it faster than float32, or where they may not be
    used. Layers that are too small for bf16 (`fastmlp.settings.uses_bf16`) are computed in float32 in every precision,
    and so is the first layer for sparse samples.

    Parameters
    ----------
    config : Config
        The settings.
    X : ndarray or sparse matrix
        The training samples.

    Returns
    -------
    config : Config
        The settings with the precision that is used.
    reason : str
        The reason for it, in one line; empty if it is the one that the config names.

    Raises
    ------
    ConfigError
        If the environment variable ``FASTMLP_AMX`` is neither 0, 1 nor empty.

    Examples
    --------
    >>> resolve(Config(precision="float64"), np.zeros((1, 2)))[1]
    ''
    >>> resolve(Config(precision="auto"), np.zeros((1, 2)))
    (Config(...), 'precision auto: float32, ...')
    """
    requested = config.precision
    if requested != "auto" and requested not in BF16_TERMS:
        return config, ""
    check_variable()
    obstacle = _reason_for_float32(requested, X) or unavailable_reason()
    if not obstacle and requested != "auto":
        return config, ""
    used = "float32" if obstacle else "bf16x3"
    return config.replace(precision=used), f"precision {requested}: {used}, since {obstacle or 'this CPU has AMX'}"


def check_precision_available(precision: str) -> None:
    """Check that this machine can run a precision, such as one that `resolve` returns.

    Raises
    ------
    ConfigError
        If the precision is ``"auto"``, or if the bf16 instructions that it needs are missing or may not be used.

    Examples
    --------
    >>> check_precision_available("float32")
    """
    if precision == "auto":
        raise ConfigError("precision: 'auto' must be resolved first, by fastmlp.training.precision.resolve")
    if precision in BF16_TERMS and (obstacle := unavailable_reason()):
        raise ConfigError(f"precision {precision}: {obstacle}")


def _reason_for_float32(requested: str, X: Any) -> str:
    """The reason for preferring float32, even if the bf16 instructions may be used; empty if there is none."""
    instructions = cpu.bf16_instructions()
    if requested == "auto" and instructions != "amx":
        return "this CPU has no AMX"
    if requested == "auto" and hasattr(X, "indptr"):
        return "the samples are sparse"
    if requested == "auto" and X.dtype != np.uint8:
        return f"the samples are {X.dtype.name}, and not uint8"
    if instructions == "avx512bf16" and BF16_TERMS[requested] > 1:
        return f"this CPU has no AMX, and {requested} is slower than float32 with AVX512-BF16"
    return ""
