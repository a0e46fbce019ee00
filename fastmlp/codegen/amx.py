"""Permission to use bf16 instructions: the environment variable ``FASTMLP_AMX``, and Linux's for AMX's registers."""

import ctypes
import errno
import os
import sys
from functools import cache

from fastmlp.codegen import cpu
from fastmlp.errors import ConfigError

ENVIRONMENT_VARIABLE = "FASTMLP_AMX"
#: Number of the system call arch_prctl on x86-64, its request for a CPU feature's state, and AMX's feature number.
#: Linux saves AMX's registers, 8 KB per thread, only for processes that requested them
#: (Documentation/arch/x86/xstate.rst).
_ARCH_PRCTL, _REQUEST_PERMISSION, _TILE_DATA = 158, 0x1023, 18


def check_variable() -> None:
    """Refuse an invalid value of ``FASTMLP_AMX``.

    Raises
    ------
    ConfigError
        If it is neither 0, 1 nor empty.
    """
    value = os.environ.get(ENVIRONMENT_VARIABLE, "")
    if value not in ("", "0", "1"):
        raise ConfigError(
            f"{ENVIRONMENT_VARIABLE}: expected 0, which disables bf16 instructions, 1, or no value, got {value!r}"
        )


def unavailable_reason() -> str:
    """Reason why this process cannot use bf16 instructions; empty where it can.

    Examples
    --------
    >>> isinstance(unavailable_reason(), str)
    True
    """
    check_variable()
    instructions = cpu.bf16_instructions()
    if not instructions:
        return "this CPU has no bf16 instructions (AMX or AVX512-BF16, with vectors of 512 bits)"
    if os.environ.get(ENVIRONMENT_VARIABLE) == "0":
        return f"{ENVIRONMENT_VARIABLE} is 0"
    error = request_permission() if instructions == "amx" else 0
    return f"the operating system refuses AMX's registers ({os.strerror(error)})" if error else ""


@cache
def request_permission() -> int:
    """Request the use of AMX's registers from Linux, once per process.

    The permission is valid for all threads of the process, later ones included; forked processes inherit it.

    Returns
    -------
    int
        0, or the error number (errno).
    """
    if sys.platform != "linux":
        return errno.ENOSYS
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(_ARCH_PRCTL, _REQUEST_PERMISSION, _TILE_DATA) == 0:
        return 0
    return ctypes.get_errno()
