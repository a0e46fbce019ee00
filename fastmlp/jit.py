"""The one kernel decorator, its options argued once, and the cache of compiled kernels with the stamp that guards it.

Knows that kernels are compiled and kept; nothing of what they compute.
"""

import contextlib
import hashlib
import os
import pickle
import secrets
import sys
import warnings
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba.core import caching, config, serialize
from numba.core.compiler import CompileResult

from fastmlp import cpu
from fastmlp.usercache import user_cache

_PACKAGE = Path(__file__).parent


def kernel(
    function: Callable[..., Any] | None = None, *, inline: bool = False, merge: bool = False, keep: bool = False
) -> Any:
    """Compile a function on its first call.

    - ``nogil``: a run may sit on a thread of its own.
    - ``error_model="numpy"``: a division by zero gives infinity, not a branch and an exception in the inner loop.
    - No ``fastmath``: it may reorder sums, and every sum has one order here. No ``parallel``: its default layer aborts
      when two Python threads meet in it, and OpenMP's dies after a fork.
    - `inline` for functions of vectors: a call would pass them through memory.
    - `merge` for functions that do little but call others: compiled on its own, each storey would optimise all the code
      beneath it once more. The first compilation takes 6 s with it and 11 s without.
    - `keep` for the doors, which Python calls: their machine code, with all that they call, is kept on disk. Keeping
      the inner kernels too would store the same code again for each floor that calls it.
    """
    if function is None:
        return partial(kernel, inline=inline, merge=merge, keep=keep)
    merging = "always" if merge else "never"
    dispatcher = numba.njit(function, nogil=True, error_model="numpy", forceinline=inline, inline=merging)
    if keep:
        dispatcher._cache = _KernelCache(f"{function.__module__}.{function.__qualname__}")
    return dispatcher


def is_kept(door: Any, arguments: tuple[Any, ...]) -> bool:
    """Whether a door is compiled for arguments of these types, in this process or on disk."""
    types = tuple(numba.typeof(argument) for argument in arguments)
    return types in door.overloads or door._cache.path(types, door.targetctx).exists()


def sources() -> list[Path]:
    """The files that compiled kernels are made of."""
    foundation = [_PACKAGE / f"{name}.py" for name in ("cpu", "fpu", "jit", "shuffle", "simd", "usercache")]
    return [*foundation, *sorted((_PACKAGE / "kernels").glob("*.py"))]


DIGEST_BYTES = hashlib.sha256().digest_size


@cache
def stamp() -> str:
    """Name of everything that compiled kernels depend on: sources, versions, Numba's switches, the width of a vector.

    Numba itself notices an edit only in the file of the function that it cached, not in those that the function calls.
    """
    versions, switches = (sys.version, numba.__version__, llvmlite.__version__), (config.BOUNDSCHECK, config.OPT)
    digest = hashlib.sha256(repr((versions, switches, cpu.vector_bits())).encode())
    for path in sources():
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:20]


def cache_dir() -> Path:
    """Folder of the compiled kernels, in ``NUMBA_CACHE_DIR`` or the user's cache; it need not exist."""
    return Path(os.environ.get("NUMBA_CACHE_DIR") or user_cache()) / "fastmlp" / f"kernels-{stamp()}"


class _KernelCache(caching._Cache):
    """A door's machine code on disk: a file for every set of argument types and CPU.

    Numba's own cache keeps an index beside it, hashes sources and makes folders on import, and dies of a damaged file.
    A file begins with the digest of the rest: of single flipped bits one in eight ended the process otherwise.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def path(self, types: tuple[Any, ...], context: Any) -> Path:
        key = repr((types, context.codegen().magic_tuple()))
        return cache_dir() / f"{self._name}-{hashlib.sha256(key.encode()).hexdigest()[:20]}.pickle"

    def load_overload(self, types: tuple[Any, ...], context: Any) -> Any:
        cpu.check_vector_bits()
        context.refresh()
        try:
            kept = self.path(types, context).read_bytes()
            digest, code = kept[:DIGEST_BYTES], kept[DIGEST_BYTES:]
            if hashlib.sha256(code).digest() != digest:
                return None
            return CompileResult._rebuild(context, *pickle.loads(code))
        except Exception:  # what is not there, or was damaged in whatever way, is compiled again
            return None

    def save_overload(self, types: tuple[Any, ...], result: Any) -> None:
        path = self.path(types, result.target_context)
        code = serialize.dumps(result._reduce())
        unfinished = path.with_suffix(f".{secrets.token_hex(8)}")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            unfinished.write_bytes(hashlib.sha256(code).digest() + code)
            unfinished.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                unfinished.unlink(missing_ok=True)
            text = f"the compiled kernels cannot be kept in {path.parent} ({error.strerror}): the next process compiles"
            warnings.warn(f"{text} them again. NUMBA_CACHE_DIR names another folder", stacklevel=2)

    cache_path = property(lambda self: str(cache_dir()))

    def enable(self) -> None: ...
    def disable(self) -> None: ...
    def flush(self) -> None: ...
