"""Kernels that other kernels call by their address, so that each is compiled by itself, when it is first needed.

A `Prototype` states the argument types of kernels of one kind, such as the activations; the kernels are its
implementations. A caller is compiled once for all of them: it reads the address from a table.
"""

import pickle
from collections.abc import Callable, Iterator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils, event
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import CPUDispatcher
from numba.extending import intrinsic

from fastmlp.codegen.cache import CacheEntry
from fastmlp.codegen.compiler import AddressCompiler
from fastmlp.codegen.jit import OPTIONS, kernel, load_cached

#: The argument types of a prototype, given Numba's type of the parameters: float32 or float64.
ArgumentTypes = Callable[[types.Float], tuple[types.Type, ...]]


class Prototype:
    """The argument types of kernels that are called by their address, and the call.

    Parameters
    ----------
    argument_types : callable
        The argument types, given Numba's type of the parameters. At least one is a pointer to that type, or a tuple
        that has one.

    Attributes
    ----------
    call : intrinsic
        ``call(address, arguments)``, for use in a kernel; `arguments` is a tuple, whose elements are converted to the
        declared types. Nothing is returned, and an exception in the kernel would not be noticed: none raises, since
        its arrays are pointers, and a division by zero gives infinity.
    """

    def __init__(self, argument_types: ArgumentTypes) -> None:
        self.argument_types = argument_types
        self.call = _indirect_call(argument_types)

    def implementation(self, function: Callable[..., Any], name: str | None = None) -> "Implementation":
        """A function as an implementation; its name, by default that of the function, must be unique among all."""
        return Implementation(name or function.__name__, function, self.argument_types)


class Implementation:
    """A kernel that is compiled by itself, cached on disk, and called by its address.

    Parameters
    ----------
    name : str
        Its name in the cache, unique among all implementations.
    function : callable
        The function.
    argument_types : callable
        See `Prototype`.

    Attributes
    ----------
    kernel : numba.core.dispatcher.Dispatcher
        The same function as a kernel that Python, or a kernel, calls directly.
    """

    def __init__(self, name: str, function: Callable[..., Any], argument_types: ArgumentTypes) -> None:
        # The symbol in the machine code; functions made by one factory would share theirs.
        function.__qualname__ = name
        self.name, self.argument_types, self.kernel = name, argument_types, kernel(function)
        self._dispatcher = CPUDispatcher(function, targetoptions=OPTIONS, pipeline_class=AddressCompiler)
        #: Address and library, which holds the machine code, by the dtype of the parameters.
        self._loaded: dict[str, tuple[int, Any]] = {}

    def address(self, dtype: str) -> int:
        """Address of the machine code for parameters of a dtype; it is loaded, or compiled and cached, if need be."""
        loaded = self._loaded.get(dtype)
        if loaded is None:
            with global_compiler_lock:  # of two threads, one waits, and finds it loaded
                loaded = self._loaded.get(dtype) or self._load(dtype) or self._compile(dtype)
                self._loaded[dtype] = loaded
        return loaded[0]

    def is_ready(self, dtype: str) -> bool:
        """Whether it is compiled for parameters of a dtype, in this process or on disk."""
        return dtype in self._loaded or self._entry(dtype).exists()

    def _types(self, dtype: str) -> tuple[types.Type, ...]:
        return self.argument_types(getattr(types, dtype))

    def _entry(self, dtype: str) -> CacheEntry:
        return CacheEntry(self.name, self._types(dtype), self._dispatcher.targetctx.codegen().magic_tuple())

    def _load(self, dtype: str) -> tuple[int, Any] | None:
        loaded: tuple[int, Any] | None = load_cached(self._entry(dtype), self._rebuild)
        return loaded

    def _rebuild(self, code: bytes) -> tuple[int, Any] | None:
        symbol, serialized = pickle.loads(code)
        library = self._dispatcher.targetctx.codegen().unserialize_library(serialized)
        address = library.get_pointer_to_function(symbol)
        return (address, library) if address else None  # 0 where the symbol is missing

    def _compile(self, dtype: str) -> tuple[int, Any]:
        dispatcher, argument_types = self._dispatcher, self._types(dtype)
        dispatcher._compilation_chain_init_hook()
        details = {"dispatcher": dispatcher, "args": argument_types, "return_type": types.void}
        with event.trigger_event("numba:compile", data=details):
            result = dispatcher._compiler.compile(argument_types, types.void)
        symbol, library = result.fndesc.llvm_func_name, result.library
        self._entry(dtype).save(pickle.dumps((symbol, library.serialize_using_object_code())))
        return library.get_pointer_to_function(symbol), library


def _indirect_call(argument_types: ArgumentTypes) -> Any:
    @intrinsic
    def call(_: Any, address: Any, arguments: Any) -> Any:
        declared = argument_types(next(_floats(arguments)))

        def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
            convention = context.call_conv
            function_type = convention.get_function_type(types.void, declared)
            function = builder.inttoptr(args[0], function_type.as_pointer())
            convention.call_function(builder, function, types.void, declared, cgutils.unpack_tuple(builder, args[1]))
            return context.get_dummy_value()

        return types.void(types.int64, types.Tuple(declared)), emit

    return call


def _floats(numba_type: Any) -> Iterator[types.Float]:
    """Types of the floats that the pointers in a tuple, or in tuples within it, point to."""
    if isinstance(numba_type, types.BaseTuple):
        for member in numba_type.types if hasattr(numba_type, "types") else numba_type:
            yield from _floats(member)
    elif isinstance(numba_type, types.CPointer) and isinstance(numba_type.dtype, types.Float):
        yield numba_type.dtype
