"""Emulator of Intel's AMX instructions: tests run kernels with tiles on an x86-64 Linux whose CPU has no AMX.

A CPU without AMX raises SIGILL at a tile instruction. The handler here decodes the instruction, executes
it as Intel's manual specifies, and continues after it: the tests cover the machine code that LLVM emits, to the bit.

- Instructions: AMX-TILE and AMX-BF16, in the encodings of the manual. Any other instruction ends the process by
  SIGILL as if nothing were installed, and so does a mistake for which a CPU raises #UD or #GP; a line on stderr says
  which. A tile's address may be anything with a SIB byte. A configuration that starts at another row than 0, which
  only a system that resumes an interrupted instruction needs, is refused.
- State (amx_emulator_state): a slot for each thread that has tiles configured, found by its Linux thread id, claimed by
  LDTILECFG and given back by TILERELEASE. At most 64 threads have tiles at once; threads that end without TILERELEASE
  keep their slots, so a kernel without it uses them up.
- Handler: compiled by Numba; it allocates nothing, takes no lock and touches no Python object.

Sources: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, the pages of the eight instructions
(felixcloutier.com/x86/tdpbf16ps and its neighbours have their text). TDPBF16PS there: "FP32 FMA with DAZ=FTZ=1, RNE
rounding. MXCSR is neither consulted nor updated", a chain of the even elements and one of the odd ones for each output,
both from zero, then ``tmpf32 := temp1.fp32[2*n] + temp1.fp32[2*n+1]`` and ``srcdest + tmpf32``. The same order is in
bochs-emu/Bochs:bochs/cpu/avx/amx.cc, with chains of `float32_fmadd`; the exceptions are those listed
there. Which of several NaNs is the result is not modelled.
"""

import ctypes
import os
import platform
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numba
import numpy as np

import fastmlp

sys.path.append(str(Path(__file__).parent))

import amx_emulator_state as tiles
from amx_emulator_state import inline_kernel, kernel

WHY_NOT = "" if (sys.platform, platform.machine()) == ("linux", "x86_64") else "the signal frame is x86-64 Linux's"
if llvm.get_host_cpu_features().get("amx-tile"):
    WHY_NOT = "this CPU has AMX: its instructions do not trap"

_LINE = 96
_TEXT = "".join(f"AMX emulator: {text}".ljust(_LINE - 1) + "\n" for text in tiles.REASONS)
_LINES = ctypes.create_string_buffer(_TEXT.encode())

#: Address of the state in use; the handler reads it from this cell.
_STATE_CELL = ctypes.c_int64()

_REGISTERS = 40  # bytes of a ucontext_t before the general registers
_RIP = 16
#: Place in a ucontext_t of the general registers, in the order in which instructions number them.
PLACES = np.array([13, 14, 12, 11, 15, 10, 9, 8, 0, 1, 2, 3, 4, 5, 6, 7])


def environment() -> dict[str, str]:
    """Environment of a child process whose kernels may contain tile instructions, and which finds these modules.

    Numba needs only the features, and caches kernels by them; ``NUMBA_CPU_NAME`` remains the host's.
    """
    features = llvm.get_host_cpu_features()
    features.update({"amx-tile": True, "amx-bf16": True})
    folders = (str(Path(__file__).parent), str(Path(fastmlp.__file__).parents[1]), os.environ.get("PYTHONPATH", ""))
    return {
        **os.environ,
        "NUMBA_CPU_FEATURES": features.flatten(),
        "PYTHONPATH": os.pathsep.join(filter(None, folders)),
    }


class Counts(ctypes.Structure):
    """Number of executions of each instruction, on all threads: ``counts.tdpbf16ps``."""

    _fields_ = tuple((name, ctypes.c_int64) for name in tiles.NAMES)


@contextmanager
def emulated_tiles() -> Iterator[Counts]:
    """Emulate tile instructions inside the context, on every thread of the process; returns their counts.

    On a CPU with AMX whose use Linux has permitted, nothing traps and the counts remain 0.
    """
    libc, state, outer = ctypes.CDLL(None), np.zeros(1, tiles.STATE), _STATE_CELL.value
    action = _Sigaction(handler=_handler().address, flags=_SA_SIGINFO | _SA_NODEFER)
    _STATE_CELL.value = state.ctypes.data
    previous = ctypes.c_void_p(state.ctypes.data + tiles.STATE.fields["previous"][1])
    if libc.sigaction(signal.SIGILL, ctypes.byref(action), previous):
        raise OSError("sigaction failed")
    try:
        yield Counts.from_buffer(state.view(np.uint8))
    finally:
        libc.sigaction(signal.SIGILL, previous, None)
        _STATE_CELL.value = outer


class _Sigaction(ctypes.Structure):
    _fields_ = (
        ("handler", ctypes.c_void_p),
        ("mask", ctypes.c_uint64 * 16),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    )


_SA_SIGINFO, _SA_NODEFER = 0x4, 0x40000000


@cache
def _handler() -> Any:
    """The handler's machine code; it takes the signal's number and the addresses of its siginfo_t and ucontext_t."""
    libc, lines, cell = ctypes.CDLL(None), ctypes.addressof(_LINES), ctypes.addressof(_STATE_CELL)
    gettid, write, sigaction = libc.gettid, libc.write, libc.sigaction
    gettid.argtypes = ()
    write.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t)
    sigaction.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    sigill = int(signal.SIGILL)

    def handle(number: Any, information: Any, context: Any) -> None:
        """Execute instructions. One that is refused is left to the handler that was installed before."""
        address = numba.carray(tiles.pointer_from(cell), 1, np.int64)[0]
        state = numba.carray(tiles.pointer_from(address), 1, tiles.STATE)[0]
        registers = numba.carray(tiles.pointer_from(context + _REGISTERS), 23, np.int64)
        refusal = instructions_run(state, gettid(), registers)
        if refusal == 0:
            return
        write(2, tiles.pointer_from(lines + (-1 - refusal) * _LINE), _LINE)
        sigaction(sigill, tiles.pointer_from(tiles.address_of(state.previous)), tiles.pointer_from(0))

    return numba.cfunc("void(int32, int64, int64)", error_model="numpy")(handle)


@inline_kernel
def instructions_run(state, thread, registers):
    """Execute consecutive tile instructions; returns 0, or a negative number, the reason why one is refused.

    One signal for all of them, since it costs more than they do. Under KVM on Zen 4: TILEZERO, TILELOADD or TILESTORED
    alone 7.7 us, like a bare ud2 that a handler in C steps over (int3, which no hypervisor looks at, 2.5); TDPBF16PS
    alone 8.2; four loads and four TDPBF16PS in a row 11.4.
    """
    done = 0
    while True:
        code = numba.carray(tiles.pointer_from(registers[_RIP]), 16, np.uint8)
        length = instruction_run(state, thread, registers, code)
        if length < 0:
            return 0 if length == tiles.UNKNOWN and done > 0 else length
        registers[_RIP] += length
        done += 1


@inline_kernel
def instruction_run(state, thread, registers, code):
    """Execute the instruction at `code`; returns its length in bytes, or a negative number, the reason of a refusal."""
    which = instruction_decode(code)
    if which < 0:
        return which
    slot = tiles.slot_find(state, thread)
    base, stride, length = operand_decode(registers, code)
    tile, left, right = np.int64(code[4] >> 3) & 7, np.int64(code[4] & 7), np.int64(~code[2] >> 3) & 7
    if which == tiles.LDTILECFG:
        refusal = tiles.tiles_configure(state, slot, thread, base + stride)
    elif which == tiles.STTILECFG:
        refusal = tiles.config_store(state, slot, base + stride)
    elif which == tiles.TILERELEASE:
        refusal = tiles.slot_release(state, slot)
    elif which == tiles.TDPBF16PS:
        refusal = tiles.tile_multiply(state, slot, tile, left, right)
    elif not tiles.is_usable(state, slot, tile):
        refusal = tiles.UNCONFIGURED
    elif which == tiles.TILEZERO:
        refusal = tiles.tile_zero(state, slot, tile)
    elif which == tiles.TILESTORED:
        refusal = tiles.tile_store(state, slot, tile, base, stride)
    else:
        refusal = tiles.tile_load(state, slot, tile, base, stride)
    if refusal:
        return refusal
    tiles.add_atomically(state.counts, which, 1)
    return length


@kernel
def instruction_decode(code):
    """Decode the instruction at `code`: a VEX prefix of three bytes, map 0F 38, W and L of 0, and tiles below 8."""
    if code[0] != 0xC4 or (code[1] & 0x1F) != 2 or code[3] not in (0x49, 0x4B, 0x5C):
        return tiles.UNKNOWN
    prefix, vvvv, opcode, in_register = code[2] & 3, (~code[2] >> 3) & 15, code[3], code[4] >> 6 == 3
    reg, rm = (code[4] >> 3) & 7, code[4] & 7
    if (code[2] & 0x84) != 0 or (code[1] & 0x80) == 0 or (vvvv != 0 and (opcode != 0x5C or vvvv > 7)):
        return tiles.MALFORMED
    if in_register and (code[1] & 0x20) == 0:
        return tiles.MALFORMED
    if opcode == 0x5C:
        return tiles.TDPBF16PS if prefix == 2 and in_register else tiles.UNKNOWN
    if opcode == 0x4B:
        if in_register or rm != 4 or prefix == 0:
            return tiles.MALFORMED
        return tiles.TILELOADDT1 if prefix == 1 else tiles.TILESTORED if prefix == 2 else tiles.TILELOADD
    if in_register:
        if prefix == 0 and code[4] == 0xC0:
            return tiles.TILERELEASE
        return tiles.TILEZERO if prefix == 3 and rm == 0 else tiles.MALFORMED
    if reg != 0 or prefix > 1:
        return tiles.MALFORMED
    return tiles.LDTILECFG if prefix == 0 else tiles.STTILECFG


@kernel
def operand_decode(registers, code):
    """Base with displacement, scaled index, and the instruction's bytes; of an instruction without memory those alone.

    A tile's rows lie an index apart; for the others the address is the sum.
    """
    mod, rm, at = code[4] >> 6, np.int64(code[4] & 7), 5
    if mod == 3:
        return 0, 0, at
    base, stride = rm, 0
    if rm == 4:
        base, index = np.int64(code[5] & 7), np.int64((code[5] >> 3) & 7) | (np.int64(~code[1] & 0x40) >> 3)
        stride = 0 if index == 4 else registers[PLACES[index]] << np.int64(code[5] >> 6)
        at = 6
    far = mod == 2 or (mod == 0 and base == 5)
    length = at + (4 if far else np.int64(mod))
    address = displacement(code, at, length - at)
    if mod == 0 and base == 5:
        address += registers[_RIP] + length if rm == 5 else 0
    else:
        address += registers[PLACES[base | (np.int64(~code[1] & 0x20) >> 2)]]
    return address, stride, length


@inline_kernel
def displacement(code, at, n_bytes):
    """Signed number of 0, 1 or 4 bytes."""
    number = 0
    for i in range(n_bytes):
        number |= np.int64(code[at + i]) << (8 * i)
    sign = 1 << max(8 * n_bytes - 1, 0)
    return number if n_bytes == 0 else (number ^ sign) - sign
