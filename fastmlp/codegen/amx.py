"""Whether this process may use the CPU's bf16 unit: the user's switch, and Linux's permission for AMX's registers.

Knows the CPU and the operating system; nothing of what is computed.
"""

import ctypes
import errno
import os
import sys
from functools import cache

from fastmlp.codegen import cpu
from fastmlp.errors import ConfigError

VARIABLE = "FASTMLP_AMX"
#: x86-64's number of arch_prctl, its request for a feature's state, and the feature: AMX's registers, 8 KB a thread
#: that Linux saves for those alone who asked (Documentation/arch/x86/xstate.rst).
_ARCH_PRCTL, _REQUEST_PERMISSION, _TILE_DATA = 158, 0x1023, 18


def check_variable() -> None:
    """Refuse a ``FASTMLP_AMX`` that is neither 0, 1 nor empty.

    Raises
    ------
    ConfigError
        It is something else.
    """
    asked = os.environ.get(VARIABLE, "")
    if asked not in ("", "0", "1"):
        raise ConfigError(f"{VARIABLE} is {asked!r}; it may be 0, which keeps the bf16 units idle, 1, or be left unset")


def unavailable_reason() -> str:
    """Why this process may not use a bf16 unit; empty where it may.

    Examples
    --------
    >>> isinstance(unavailable_reason(), str)
    True
    """
    check_variable()
    unit = cpu.bf16_instructions()
    if not unit:
        return "this CPU has no bf16 unit (AMX or AVX512-BF16, with vectors of 512 bits)"
    if os.environ.get(VARIABLE) == "0":
        return f"{VARIABLE} is 0"
    error = request_permission() if unit == "amx" else 0
    return f"the operating system refuses AMX's registers ({os.strerror(error)})" if error else ""


@cache
def request_permission() -> int:
    """Ask for AMX's registers, once a process; gives 0, or the error's number.

    The permission is the process's: threads have it, those to come too, and what is forked inherits it.
    """
    if sys.platform != "linux":
        return errno.ENOSYS
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(_ARCH_PRCTL, _REQUEST_PERMISSION, _TILE_DATA) == 0:
        return 0
    return ctypes.get_errno()
