"""The on-disk cache of compiled kernels: its folders, the stamp of what the code depends on, and its files.

Kernels that a wheel carries (`fastmlp.codegen.precompiled`) are read like a cache that is never written.
"""

import contextlib
import functools
import hashlib
import os
import warnings
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import llvmlite
import numba
from numba.core import config

from fastmlp.codegen import cpu, precompiled
from fastmlp.io.directories import temporary_cache_dir, user_cache_dir
from fastmlp.io.regular_file import read_bytes

_PACKAGE = Path(__file__).parents[1]
#: Directories and modules of the package whose code is compiled into kernels.
_SOURCES = ("codegen", "kernels", "settings.py")
DIGEST_BYTES = hashlib.sha256().digest_size


def sources() -> list[Path]:
    """Source files that compiled kernels depend on."""
    paths = (_PACKAGE / name for name in _SOURCES)
    return sorted(file for path in paths for file in ([path] if path.is_file() else path.glob("*.py")))


@functools.cache
def stamp() -> str:
    """Hash of everything that compiled kernels depend on: sources, versions, Numba's options, the vector width.

    Numba itself detects an edit only in the file of the cached function, not in the files of the functions it calls.
    Of Python, the version of its binary interface counts, as for any compiled module: a wheel serves all builds of it.
    """
    versions = EXTENSION_SUFFIXES[0], numba.__version__, llvmlite.__version__
    options = config.BOUNDSCHECK, config.OPT
    digest = hashlib.sha256(repr((versions, options, cpu.vector_bits())).encode())
    for path in sources():
        digest.update(path.name.encode() + read_bytes(path))
    return digest.hexdigest()[:20]


def cache_dir() -> Path:
    """Folder of the cached kernels, in ``NUMBA_CACHE_DIR`` or the user's cache directory; it need not exist."""
    return _within(Path(os.environ.get("NUMBA_CACHE_DIR") or user_cache_dir(), "fastmlp"))


def _within(folder: Path) -> Path:
    return folder / f"kernels-{stamp()}"


def _folders() -> list[Path]:
    """Folders for cached kernels in order of preference: `cache_dir`, then one under the temporary directory."""
    temporary = temporary_cache_dir()
    return [cache_dir()] if temporary is None else [cache_dir(), _within(temporary / "fastmlp")]


def contents() -> list[tuple[Path, int, int]]:
    """Folders that have compiled kernels, that of a wheel among them, with the number of files and of bytes."""
    found = []
    for folder in (*_folders(), _within(precompiled.FOLDER)):
        sizes = []
        for path in folder.glob("*.pickle"):
            with contextlib.suppress(OSError):  # another process has just replaced it
                sizes.append(path.stat().st_size)
        if sizes:
            found.append((folder, len(sizes), sum(sizes)))
    return found


@functools.cache
def _warn_once(text: str) -> None:
    """Warn once per process and text."""
    warnings.warn(f"{text}. To use another folder, set NUMBA_CACHE_DIR", stacklevel=5)


class CacheEntry:
    """The file of one compiled kernel, for one set of argument types and one CPU.

    Numba's own cache has a separate index file, hashes sources and creates folders on import, and fails on a damaged
    file. Here a file begins with the digest of its content, without which one in eight single-bit errors crashed the
    process, and of its key: a file that was renamed to another key's path is not loaded.

    Parameters
    ----------
    name : str
        Name of the kernel, unique among all.
    types : tuple of numba.types.Type
        Types of its arguments.
    cpu_key : tuple of str
        Triple, name and features of the CPU that the code is for.
    """

    def __init__(self, name: str, types: tuple[object, ...], cpu_key: tuple[str, ...]) -> None:
        self._name, self._types = name, types
        self._key = self._key_for(cpu_key)
        precompiled_for = precompiled.matching_key(cpu_key)
        self._precompiled_key = self._key_for(precompiled_for) if precompiled_for else None

    def paths(self) -> list[Path]:
        """Where the file may be in the cache, in order of preference."""
        return [folder / self._file(self._key) for folder in _folders()]

    def exists(self) -> bool:
        """Whether there is such a file, in the cache or in the package; it may be damaged."""
        return any(os.path.exists(path) for path, _ in self._places())

    def load(self) -> Iterator[bytes]:
        """Contents of the undamaged files, those of the cache first."""
        for path, key in self._places():
            try:
                content = read_bytes(path)
            except Exception:  # missing files; the kernel is compiled again
                continue
            digest, code = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
            if _digest(key, code) == digest:
                yield code

    def save(self, code: bytes) -> None:
        """Write the file; warn if it cannot be written where it should be."""
        failures = []
        for path in self.paths():
            try:
                _write(path, _digest(self._key, code) + code)
            except OSError as error:
                failures.append(f"compiled kernels cannot be cached in {path.parent} ({error.strerror})")
                continue
            if failures:
                _warn_once(f"{failures[0]}; they are cached in {path.parent} instead")
            return
        _warn_once(f"{failures[0]}; the next process compiles them again")

    def _key_for(self, cpu_key: tuple[str, ...]) -> bytes:
        return repr((self._name, stamp(), self._types, cpu_key)).encode()

    def _file(self, key: bytes) -> str:
        return f"{self._name}-{hashlib.sha256(key).hexdigest()[:20]}.pickle"

    def _places(self) -> Iterator[tuple[Path, bytes]]:
        """Where the file may be, and the key that it then has."""
        for path in self.paths():
            yield path, self._key
        if self._precompiled_key is not None:
            yield _within(precompiled.FOLDER) / self._file(self._precompiled_key), self._precompiled_key


def _digest(key: bytes, code: bytes) -> bytes:
    return hashlib.sha256(key + code).digest()


def _write(path: Path, content: bytes) -> None:
    """Write a file completely or not at all; folders that are missing are created for this user only."""
    for folder in reversed(path.parents):
        if not folder.exists():
            folder.mkdir(mode=0o700, exist_ok=True)
    temporary = path.with_suffix(f".{os.urandom(8).hex()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
