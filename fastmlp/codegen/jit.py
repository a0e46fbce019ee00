"""The one kernel decorator, its options argued once, and the cache of compiled kernels with the stamp that guards it.

Knows that kernels are compiled and kept; nothing of what they compute.
"""

import contextlib
import functools
import hashlib
import os
import pickle
import secrets
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba.core import caching, config, serialize
from numba.core.compiler import CompileResult

from fastmlp.codegen import cpu
from fastmlp.io.directories import temporary_cache_dir, user_cache_dir

_PACKAGE = Path(__file__).parents[1]
#: Directories and modules of the package that are compiled into kernels.
_SOURCES = ("codegen", "kernels", "settings.py")


def kernel(
    function: Callable[..., Any] | None = None, *, forceinline: bool = False, inline: bool = False, cache: bool = False
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
        return partial(kernel, forceinline=forceinline, inline=inline, cache=cache)
    dispatcher = numba.njit(
        function, nogil=True, error_model="numpy", forceinline=forceinline, inline="always" if inline else "never"
    )
    if cache:
        dispatcher._cache = _KernelCache(f"{function.__module__}.{function.__qualname__}")
    return dispatcher


def is_cached(entry: Any, arguments: tuple[Any, ...]) -> bool:
    """Whether a entry is compiled for arguments of these types, in this process or on disk."""
    types = tuple(numba.typeof(argument) for argument in arguments)
    return types in entry.overloads or any(map(os.path.exists, entry._cache.paths(types, entry.targetctx)))


def sources() -> list[Path]:
    """Source files that compiled kernels depend on."""
    paths = (_PACKAGE / name for name in _SOURCES)
    return sorted(file for path in paths for file in ([path] if path.is_file() else path.glob("*.py")))


DIGEST_BYTES = hashlib.sha256().digest_size


@functools.cache
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
    return _within(Path(os.environ.get("NUMBA_CACHE_DIR") or user_cache_dir()))


def _within(folder: Path) -> Path:
    return folder / "fastmlp" / f"kernels-{stamp()}"


def _folders() -> list[Path]:
    """Where kernels may lie: their folder, and for where nothing can be written there, one of temporary files."""
    temporary = temporary_cache_dir()
    return [cache_dir()] if temporary is None else [cache_dir(), _within(temporary)]


@functools.cache
def _warn_once(text: str) -> None:
    """Warn, once."""
    warnings.warn(f"{text}. NUMBA_CACHE_DIR names another folder", stacklevel=5)


class _KernelCache(caching._Cache):
    """A entry's machine code on disk: a file for every set of argument types and CPU.

    Numba's own cache keeps an index beside it, hashes sources and makes folders on import, and dies of a damaged file.
    A file begins with the digest of the rest: of single flipped bits one in eight ended the process otherwise.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def paths(self, types: tuple[Any, ...], context: Any) -> list[Path]:
        name = f"{self._name}-{hashlib.sha256(self._key(types, context)).hexdigest()[:20]}.pickle"
        return [folder / name for folder in _folders()]

    def _key(self, types: tuple[Any, ...], context: Any) -> bytes:
        return repr((self._name, stamp(), types, context.codegen().magic_tuple())).encode()

    def _digest(self, types: tuple[Any, ...], context: Any, code: bytes) -> bytes:
        """Of the code and of what it was made for: a file that was moved to another's place is not taken for it."""
        return hashlib.sha256(self._key(types, context) + code).digest()

    def load_overload(self, types: tuple[Any, ...], context: Any) -> Any:
        cpu.check_vector_bits()
        context.refresh()
        for path in self.paths(types, context):
            try:
                kept = path.read_bytes()
                digest, code = kept[:DIGEST_BYTES], kept[DIGEST_BYTES:]
                if self._digest(types, context, code) == digest:
                    return CompileResult._rebuild(context, *pickle.loads(code))
            except Exception:  # what is not there, or was damaged in whatever way, is compiled again
                continue
        return None

    def save_overload(self, types: tuple[Any, ...], result: Any) -> None:
        code = serialize.dumps(result._reduce())
        content = self._digest(types, result.target_context, code) + code
        reasons = []
        for path in self.paths(types, result.target_context):
            try:
                _write(path, content)
            except OSError as error:
                reasons.append(f"the compiled kernels cannot be kept in {path.parent} ({error.strerror})")
                continue
            if reasons:
                _warn_once(f"{reasons[0]}: they are kept in {path.parent}")
            return
        _warn_once(f"{reasons[0]}: the next process compiles them again")

    cache_path = property(lambda self: str(cache_dir()))

    def enable(self) -> None: ...
    def disable(self) -> None: ...
    def flush(self) -> None: ...


def _write(path: Path, content: bytes) -> None:
    """A file that is whole or not there, in a folder that is this user's alone."""
    for folder in reversed(path.parents):
        if not folder.exists():
            folder.mkdir(mode=0o700, exist_ok=True)
    unfinished = path.with_suffix(f".{secrets.token_hex(8)}")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
