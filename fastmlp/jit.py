"""The one kernel decorator, its options argued once, and the cache of compiled kernels with the stamp that guards it.

Knows that kernels are compiled and kept; nothing of what they compute.
"""

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba.core import caching

from fastmlp import cpu

_PACKAGE = Path(__file__).parent


def kernel(
    function: Callable[..., Any] | None = None, *, inline: bool = False, merge: bool = False, keep: bool = False
) -> Any:
    """Compile a function on its first call.

    - ``nogil``: a run may sit on a thread of its own.
    - ``error_model="numpy"``: a division by zero gives infinity, not a branch and an exception in the inner loop.
    - No ``fastmath``: it may reorder sums, and every sum has one order here. No ``parallel``: its default layer aborts when
      two Python threads meet in it, and OpenMP's dies after a fork.
    - `inline` for functions of vectors: a call would pass them through memory.
    - `merge` for functions that do little but call others: compiled on its own, each storey would optimise all the code
      beneath it once more. The first compilation takes 6 s with it and 11 s without.
    - `keep` for the doors, which Python calls: their machine code, with all that they call, is kept on disk. Keeping the
      inner kernels too would store the same code again for each floor that calls it.
    """
    if function is None:
        return partial(kernel, inline=inline, merge=merge, keep=keep)
    merging = "always" if merge else "never"
    dispatcher = numba.njit(function, nogil=True, error_model="numpy", forceinline=inline, inline=merging)
    if keep:
        dispatcher._cache = _KernelCache(function)
    return dispatcher


def is_kept(door: Any, arguments: tuple[Any, ...]) -> bool:
    """Whether a door is compiled for arguments of these types, in this process or on disk."""
    types = tuple(numba.typeof(argument) for argument in arguments)
    if types in door.overloads:
        return True
    key = door._cache._index_key(types, door.targetctx.codegen())
    return key in door._cache._cache_file._load_index()


@cache
def stamp() -> str:
    """Name of everything that compiled kernels are made of: their sources, versions, and the width of a vector.

    Numba itself notices an edit only in the file of the function that it cached, not in those that the function calls.
    """
    digest = hashlib.sha256(f"{numba.__version__} {llvmlite.__version__} {cpu.vector_bits()}".encode())
    foundation = [_PACKAGE / name for name in ("cpu.py", "fpu.py", "jit.py", "shuffle.py", "simd.py")]
    for path in [*foundation, *sorted((_PACKAGE / "kernels").glob("*.py"))]:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:20]


def _user_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


@cache
def cache_dir() -> Path:
    """Folder of the compiled kernels: in ``NUMBA_CACHE_DIR`` or the user's cache, or a temporary one if neither is writable."""
    parent = Path(os.environ["NUMBA_CACHE_DIR"]) if os.environ.get("NUMBA_CACHE_DIR") else _user_cache()
    folder = parent / "fastmlp" / f"kernels-{stamp()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return Path(tempfile.mkdtemp(prefix="fastmlp-kernels-"))
    return folder


class _KernelLocator(caching._CacheLocator):
    """Tells Numba's cache where kernels are kept and what makes a kept one stale."""

    def __init__(self, py_func: Any, py_file: str) -> None:
        self._py_file = py_file

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> "_KernelLocator":
        return cls(py_func, py_file)

    def get_cache_path(self) -> str:
        return str(cache_dir())

    def get_source_stamp(self) -> str:
        return stamp()

    def get_disambiguator(self) -> str:
        return "kernel"


class _KernelCacheImpl(caching.CompileResultCacheImpl):
    _locator_classes = [_KernelLocator]  # noqa: RUF012 - Numba's own attribute


class _KernelCache(caching.FunctionCache):
    _impl_class = _KernelCacheImpl
