"""The decorator that compiles kernels, with the reasons for its options, and the on-disk cache of compiled kernels."""

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
from fastmlp.io.regular_file import read_bytes

_PACKAGE = Path(__file__).parents[1]
#: Directories and modules of the package whose code is compiled into kernels.
_SOURCES = ("codegen", "kernels", "settings.py")


def kernel(
    function: Callable[..., Any] | None = None, *, forceinline: bool = False, inline: bool = False, cache: bool = False
) -> Any:
    """Compile a function on its first call, by Numba in nopython mode.

    - ``nogil``: runs on several Python threads do not block each other.
    - ``error_model="numpy"``: a division by zero gives infinity, without a branch and an exception in the inner loop.
    - ``_nrt=False``: no reference counts. Kernels allocate nothing, and Python holds their arrays during a call, but
      Numba counted references wherever it takes an array out of a named tuple or a table: 200 calls in the code of
      `train_chunk`. Without them a step of 64-32-10, batches of 32, is 1.33 times as fast (Zen 5), and a function that
      allocates or returns an array does not compile.
    - No ``fastmath``: it may reorder sums, and every sum has one order here. No ``parallel``: its default threading
      layer aborts the process when two Python threads use it at the same time, and OpenMP's fails after a fork.

    Parameters
    ----------
    function : callable
        The function; without it, a decorator with the given options is returned.
    forceinline : bool
        Inline by LLVM; for functions of vectors, which a call would pass through memory.
    inline : bool
        Inline by Numba, before compilation; for functions that do little but call others. Compiled by itself, each
        level of calls optimises all code below it once more: the first compilation takes 6 s with this option and 11 s
        without.
    cache : bool
        Cache the machine code on disk, callees included; for the entry points that Python calls. If inner kernels were
        cached too, the same code would be stored once for each caller.

    Returns
    -------
    numba.core.dispatcher.Dispatcher
        The compiled function, or a decorator.
    """
    if function is None:
        return partial(kernel, forceinline=forceinline, inline=inline, cache=cache)
    dispatcher = numba.njit(
        function,
        nogil=True,
        error_model="numpy",
        forceinline=forceinline,
        inline="always" if inline else "never",
        _nrt=False,
    )
    if cache:
        dispatcher._cache = _KernelCache(f"{function.__module__}.{function.__qualname__}")
    return dispatcher


def is_cached(entry: Any, arguments: tuple[Any, ...]) -> bool:
    """Whether an entry point is compiled for arguments of these types, in this process or on disk."""
    types = tuple(numba.typeof(argument) for argument in arguments)
    return types in entry.overloads or any(map(os.path.exists, entry._cache.paths(types, entry.targetctx)))


def sources() -> list[Path]:
    """Source files that compiled kernels depend on."""
    paths = (_PACKAGE / name for name in _SOURCES)
    return sorted(file for path in paths for file in ([path] if path.is_file() else path.glob("*.py")))


DIGEST_BYTES = hashlib.sha256().digest_size


@functools.cache
def stamp() -> str:
    """Hash of everything that compiled kernels depend on: sources, versions, Numba's options, the vector width.

    Numba itself detects an edit only in the file of the cached function, not in the files of the functions it calls.
    """
    versions, options = (sys.version, numba.__version__, llvmlite.__version__), (config.BOUNDSCHECK, config.OPT)
    digest = hashlib.sha256(repr((versions, options, cpu.vector_bits())).encode())
    for path in sources():
        digest.update(path.name.encode() + read_bytes(path))
    return digest.hexdigest()[:20]


def cache_dir() -> Path:
    """Folder of the cached kernels, in ``NUMBA_CACHE_DIR`` or the user's cache directory; it need not exist."""
    return _within(Path(os.environ.get("NUMBA_CACHE_DIR") or user_cache_dir()))


def _within(folder: Path) -> Path:
    return folder / "fastmlp" / f"kernels-{stamp()}"


def _folders() -> list[Path]:
    """Folders for cached kernels in order of preference: `cache_dir`, then one under the temporary directory."""
    temporary = temporary_cache_dir()
    return [cache_dir()] if temporary is None else [cache_dir(), _within(temporary)]


@functools.cache
def _warn_once(text: str) -> None:
    """Warn once per process and text."""
    warnings.warn(f"{text}. To use another folder, set NUMBA_CACHE_DIR", stacklevel=5)


class _KernelCache(caching._Cache):
    """On-disk cache of an entry point's machine code: one file per set of argument types and CPU.

    Numba's own cache has a separate index file, hashes sources and creates folders on import, and fails on a damaged
    file. Here a file begins with the digest of its content, without which one in eight single-bit errors crashed the
    process.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def paths(self, types: tuple[Any, ...], context: Any) -> list[Path]:
        name = f"{self._name}-{hashlib.sha256(self._key(types, context)).hexdigest()[:20]}.pickle"
        return [folder / name for folder in _folders()]

    def _key(self, types: tuple[Any, ...], context: Any) -> bytes:
        return repr((self._name, stamp(), types, context.codegen().magic_tuple())).encode()

    def _digest(self, types: tuple[Any, ...], context: Any, code: bytes) -> bytes:
        """Digest of the code and of its key: a file that was renamed to another key's path is not loaded."""
        return hashlib.sha256(self._key(types, context) + code).digest()

    def load_overload(self, types: tuple[Any, ...], context: Any) -> Any:
        cpu.check_vector_bits()
        context.refresh()
        for path in self.paths(types, context):
            try:
                content = read_bytes(path)
                digest, code = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
                if self._digest(types, context, code) == digest:
                    return CompileResult._rebuild(context, *pickle.loads(code))
            except Exception:  # missing or damaged files may raise anything; the kernel is compiled again
                continue
        return None

    def save_overload(self, types: tuple[Any, ...], result: Any) -> None:
        code = serialize.dumps(result._reduce())
        content = self._digest(types, result.target_context, code) + code
        failures = []
        for path in self.paths(types, result.target_context):
            try:
                _write(path, content)
            except OSError as error:
                failures.append(f"compiled kernels cannot be cached in {path.parent} ({error.strerror})")
                continue
            if failures:
                _warn_once(f"{failures[0]}; they are cached in {path.parent} instead")
            return
        _warn_once(f"{failures[0]}; the next process compiles them again")

    cache_path = property(lambda self: str(cache_dir()))

    def enable(self) -> None: ...
    def disable(self) -> None: ...
    def flush(self) -> None: ...


def _write(path: Path, content: bytes) -> None:
    """Write a file completely or not at all; folders that are missing are created for this user only."""
    for folder in reversed(path.parents):
        if not folder.exists():
            folder.mkdir(mode=0o700, exist_ok=True)
    temporary = path.with_suffix(f".{secrets.token_hex(8)}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
