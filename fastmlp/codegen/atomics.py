"""Atomic operations on shared memory, and the waiting of a thread, as LLVM intrinsics and instructions."""

import sys
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fastmlp.codegen import cpu
from fastmlp.codegen.simd import I32, data_pointer, item_bytes

#: The function of the operating system that lets another thread run on this core.
YIELD = "SwitchToThread" if sys.platform == "win32" else "sched_yield"


def _element(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
    """Pointer to the element of the array, the first argument, at the index, the second."""
    return builder.gep(data_pointer(context, builder, sig.args[0], args[0]), [args[1]])


@intrinsic
def atomic_add(_: Any, array: Any, index: Any, value: Any) -> Any:
    """Add to an element of an array of integers; returns what was there before. Acquires and releases."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return builder.atomic_rmw("add", _element(context, builder, sig, args), args[2], "acq_rel")

    return array.dtype(array, types.intp, array.dtype), emit


@intrinsic
def atomic_load(_: Any, array: Any, index: Any) -> Any:
    """Load an element of an array of integers; what the thread that stored it wrote before is visible then."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return builder.load_atomic(_element(context, builder, sig, args), "acquire", item_bytes(array.dtype))

    return array.dtype(array, types.intp), emit


@intrinsic
def atomic_store(_: Any, array: Any, index: Any, value: Any) -> Any:
    """Store an element of an array of integers; see `atomic_load`."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        builder.store_atomic(args[2], _element(context, builder, sig, args), "release", item_bytes(array.dtype))
        return context.get_dummy_value()

    return types.void(array, types.intp, array.dtype), emit


@intrinsic
def spin_pause(_: Any) -> Any:
    """Tell the CPU that this thread waits for another: PAUSE on x86 (22 ns on Zen 5), YIELD on Arm."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        if cpu.is_arm():
            declared, operands = ir.FunctionType(ir.VoidType(), [I32]), [I32(1)]
            function = cgutils.get_or_insert_function(builder.module, declared, "llvm.aarch64.hint")
        else:
            declared, operands = ir.FunctionType(ir.VoidType(), []), []
            function = cgutils.get_or_insert_function(builder.module, declared, "llvm.x86.sse2.pause")
        builder.call(function, operands)
        return context.get_dummy_value()

    return types.void(), emit


@intrinsic
def thread_yield(_: Any) -> Any:
    """Let the operating system run another thread on this core, if one is ready."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        declared = ir.FunctionType(I32, [])
        builder.call(cgutils.get_or_insert_function(builder.module, declared, YIELD), [])
        return context.get_dummy_value()

    return types.void(), emit
