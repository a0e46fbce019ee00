"""Flush-to-zero: LLVM intrinsics that disable subnormal numbers in a thread, and enable them again."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fastmlp.codegen import cpu
from fastmlp.codegen.simd import I32, I64


@intrinsic
def flush_subnormals(_: Any) -> Any:
    """Treat subnormal numbers as zero in this thread; returns the previous control word.

    x86: bits 15 (results, FTZ) and 6 (operands, DAZ) of MXCSR; Arm: bit 24 of FPCR. Otherwise each saturated sigmoid,
    decayed moment and weight shrunk by L2 costs a microcode assist: an epoch of Adam at learning rate 0.1 took 0.92 s
    with subnormal numbers and 0.28 s without.

    Arm detects subnormal results before rounding, x86 after it. By their manuals, their bits can differ only where a
    result rounds up to the smallest normal number; under qemu's emulation of Arm, they do.
    """

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        word = _read_control(builder)
        _write_control(builder, builder.or_(word, I64(1 << 24 if cpu.is_arm() else 0x8040)))
        return word

    return types.int64(), emit


@intrinsic
def restore_control(_: Any, word: Any) -> Any:
    """Restore the control word that `flush_subnormals` returned."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        _write_control(builder, args[0])
        return context.get_dummy_value()

    return types.void(types.int64), emit


def _read_control(builder: ir.IRBuilder) -> ir.Value:
    if cpu.is_arm():
        return builder.call(_control_function(builder, "aarch64.get.fpcr", ir.FunctionType(I64, [])), [])
    slot = cgutils.alloca_once(builder, I32)
    _mxcsr(builder, "stmxcsr", slot)
    return builder.zext(builder.load(slot), I64)


def _write_control(builder: ir.IRBuilder, word: ir.Value) -> None:
    if cpu.is_arm():
        setter = ir.FunctionType(ir.VoidType(), [I64])
        builder.call(_control_function(builder, "aarch64.set.fpcr", setter), [word])
        return
    slot = cgutils.alloca_once(builder, I32)
    builder.store(builder.trunc(word, I32), slot)
    _mxcsr(builder, "ldmxcsr", slot)


def _mxcsr(builder: ir.IRBuilder, instruction: str, slot: ir.Value) -> None:
    byte = ir.IntType(8).as_pointer()
    declared = ir.FunctionType(ir.VoidType(), [byte])
    function = _control_function(builder, f"x86.sse.{instruction}", declared)
    builder.call(function, [builder.bitcast(slot, byte)])


def _control_function(builder: ir.IRBuilder, name: str, declared: ir.FunctionType) -> ir.Function:
    return cgutils.get_or_insert_function(builder.module, declared, f"llvm.{name}")
