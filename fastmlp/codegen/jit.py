"""The decorator that compiles kernels, with the reasons for its options."""

import os
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import numba
from numba.core import caching, config, serialize
from numba.core.compiler import CompileResult
from numba.core.registry import CPUDispatcher

from fastmlp.codegen import cpu
from fastmlp.codegen.cache import CacheEntry, cache_dir
from fastmlp.codegen.compiler import CalledCompiler, EntryCompiler, signals_deferred
from fastmlp.errors import ConfigError

#: Options of every kernel:
#: - ``nogil``: runs on several Python threads do not block each other.
#: - ``error_model="numpy"``: a division by zero gives infinity, without a branch and an exception in the inner loop.
#: - ``_nrt=False``: no reference counts. Kernels allocate nothing, and Python holds their arrays during a call. A
#:   function that allocates or returns an array does not compile.
#: - ``no_cfunc_wrapper``: without the entry for C, which nobody calls and which took 0.16 s of the first compilation.
#: - No ``fastmath``: it may reorder sums, and every sum has one order here. No ``parallel``: its default threading
#:   layer aborts the process when two Python threads use it at the same time, and OpenMP's fails after a fork.
OPTIONS = {"nopython": True, "nogil": True, "error_model": "numpy", "_nrt": False, "no_cfunc_wrapper": True}


def kernel(function: Callable[..., Any] | None = None, *, forceinline: bool = False, cache: bool = False) -> Any:
    """Compile a function on its first call, by Numba in nopython mode; see `OPTIONS`.

    Called by another kernel, it becomes a part of that one's machine code (`fastmlp.codegen.compiler`).

    Parameters
    ----------
    function : callable
        The function; without it, a decorator with the given options is returned.
    forceinline : bool
        Inline by LLVM; for functions of vectors, which a call would pass through memory.
    cache : bool
        Cache the machine code on disk; for the entry points that Python calls.

    Returns
    -------
    numba.core.dispatcher.Dispatcher
        The compiled function, or a decorator.

    Raises
    ------
    ConfigError
        If Numba compiles nothing, see `check_compiler`.
    """
    check_compiler()
    if function is None:
        return partial(kernel, forceinline=forceinline, cache=cache)
    dispatcher = _EntryPoint(function, targetoptions={**OPTIONS, "forceinline": forceinline})
    if cache:
        dispatcher._cache = _DispatcherCache(f"{function.__module__}.{function.__qualname__}")
    return dispatcher


def check_compiler() -> None:
    """Refuse to import kernels where Numba compiles nothing: as Python functions they cannot run.

    Raises
    ------
    ConfigError
        If the environment variable ``NUMBA_DISABLE_JIT`` is set.
    """
    if config.DISABLE_JIT:
        raise ConfigError(
            "NUMBA_DISABLE_JIT: expected no value, since kernels run only if Numba compiles them, got "
            f"{os.environ.get('NUMBA_DISABLE_JIT', config.DISABLE_JIT)!r}; unset it"
        )


class _Called(CPUDispatcher):
    """A kernel as other kernels call it."""

    def __init__(self, function: Callable[..., Any], targetoptions: dict[str, Any]) -> None:
        super().__init__(function, targetoptions=targetoptions, pipeline_class=CalledCompiler)

    def add_overload(self, result: CompileResult) -> None:
        self.overloads[tuple(result.signature.args)] = result  # and no function for Python


class _EntryPoint(CPUDispatcher):
    """A kernel as Python calls it."""

    def __init__(self, function: Callable[..., Any], targetoptions: dict[str, Any]) -> None:
        super().__init__(function, targetoptions=targetoptions, pipeline_class=EntryCompiler)
        self._called = _Called(function, targetoptions)

    def get_call_template(self, args: Any, kws: Any) -> Any:  # how Numba types a call in another kernel
        return self._called.get_call_template(args, kws)

    def get_overload(self, sig: Any) -> Any:  # how it finds what is called
        return self._called.get_overload(sig)


def is_cached(entry: Any, arguments: tuple[Any, ...]) -> bool:
    """Whether an entry point is compiled for arguments of these types, in this process or on disk."""
    argument_types = tuple(numba.typeof(argument) for argument in arguments)
    return argument_types in entry.overloads or entry._cache.entry(argument_types, entry.targetctx).exists()


def load_cached(entry: CacheEntry, rebuild: Callable[[bytes], Any]) -> Any:
    """The first cached code that `rebuild` accepts, rebuilt; None if the kernel has to be compiled."""
    cpu.check_vector_bits()
    for code in entry.load():
        try:
            with signals_deferred():
                rebuilt = rebuild(code)
        except Exception:  # another version's may raise anything
            continue
        if rebuilt is not None:
            return rebuilt
    return None


class _DispatcherCache(caching._Cache):
    """On-disk cache of an entry point that Python calls, in the form that Numba's dispatcher expects."""

    def __init__(self, name: str) -> None:
        self._name = name

    def entry(self, argument_types: tuple[Any, ...], context: Any) -> CacheEntry:
        return CacheEntry(self._name, argument_types, context.codegen().magic_tuple())

    def load_overload(self, argument_types: tuple[Any, ...], context: Any) -> Any:
        context.refresh()
        entry = self.entry(argument_types, context)
        return load_cached(entry, lambda code: CompileResult._rebuild(context, *pickle.loads(code)))

    def save_overload(self, argument_types: tuple[Any, ...], result: Any) -> None:
        self.entry(argument_types, result.target_context).save(serialize.dumps(result._reduce()))

    cache_path = property(lambda self: str(cache_dir()))

    def enable(self) -> None: ...
    def disable(self) -> None: ...
    def flush(self) -> None: ...
