"""Intel's AMX carried out in software: kernels of tiles run, and are tested, on an x86-64 Linux without the unit.

A CPU without AMX raises SIGILL at a tile instruction. The handler here decodes the machine code at that place, does
what Intel's manual says, and goes on behind it: what is tested is the code that LLVM wrote, to the bit.

- Instructions: AMX-TILE and AMX-BF16, in the encodings of the manual. Any other instruction ends the process by
  SIGILL as if nothing were installed, and so does a mistake for which a CPU raises #UD or #GP; a line on stderr says
  which. A tile's address may be anything with a SIB byte. A configuration that starts at another row than 0, which
  only a system that resumes an interrupted instruction needs, is refused.
- State: a slot for each thread that has tiles configured, found by its Linux thread id, claimed by LDTILECFG and given
  back by TILERELEASE. At most 64 threads have tiles at once; threads that end without TILERELEASE keep their slots,
  so a kernel that forgets it runs out of them.
- Handler: compiled by Numba; it allocates nothing, takes no lock and touches no Python object.

Sources: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, the pages of the eight instructions
(felixcloutier.com/x86/tdpbf16ps and its neighbours hold their text) and of exception classes AMX-E1 to AMX-E6. On
TDPBF16PS: "FP32 FMA with DAZ=FTZ=1, RNE rounding. MXCSR is neither consulted nor updated", a chain of the even
elements and one of the odd ones for each output, both from zero, then ``tmpf32 := temp1.fp32[2*n] + temp1.fp32[2*n+1]``
and ``srcdest + tmpf32``. bochs-emu/Bochs:bochs/cpu/avx/amx.cc has the same order, its chains made of `float32_fmadd`,
and spells the exceptions out. Which NaN comes out of several is not modelled.
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
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

import fastmlp
from fastmlp.fpu import restore_control
from fastmlp.jit import kernel
from fastmlp.simd import I32, I64, call, data_pointer, pointer_to, splat

WHY_NOT = "" if (sys.platform, platform.machine()) == ("linux", "x86_64") else "the signal frame is x86-64 Linux's"

NAMES = ("ldtilecfg", "sttilecfg", "tilerelease", "tilezero", "tileloadd", "tileloaddt1", "tilestored", "tdpbf16ps")
LDTILECFG, STTILECFG, TILERELEASE, TILEZERO, TILELOADD, TILELOADDT1, TILESTORED, TDPBF16PS = range(len(NAMES))

REASONS = (
    "no instruction of AMX-TILE or AMX-BF16",
    "an encoding that the manual does not have",
    "a configuration that the manual forbids, or that starts at another row than 0",
    "more than 64 threads have tiles configured: is TILERELEASE forgotten?",
    "a tile that is not configured, or whose rows are no multiple of 4 bytes",
    "TDPBF16PS of tiles that are not three, or whose shapes do not fit",
)
UNKNOWN, MALFORMED, MISCONFIGURED, CROWDED, UNCONFIGURED, MISMATCHED = range(-1, -1 - len(REASONS), -1)
_LINE = 96
_LINES = ctypes.create_string_buffer("".join(f"tile unit: {text}".ljust(_LINE - 1) + "\n" for text in REASONS).encode())

_SLOTS = 64
_STATE = np.dtype(
    [
        ("counts", np.int64, len(NAMES)),
        ("previous", np.uint8, 152),  # sizeof(struct sigaction)
        ("owners", np.int64, _SLOTS),
        ("configs", np.uint8, (_SLOTS, 64)),
        ("tiles", np.uint32, (_SLOTS, 8, 16, 16)),
        ("chains", np.float32, (_SLOTS, 8, 16, 16)),
    ]
)
#: The address of the state in use, which the handler knows this cell by.
_STATE_CELL = ctypes.c_int64()

_REGISTERS = 40  # bytes of a ucontext_t before the general registers
_RIP = 16
#: Place in a ucontext_t of the general registers, in the order in which instructions number them.
_PLACES = np.array([13, 14, 12, 11, 15, 10, 9, 8, 0, 1, 2, 3, 4, 5, 6, 7])
#: All exceptions masked, to nearest, DAZ and FTZ.
_MXCSR = 0x9FC0


def environment() -> dict[str, str]:
    """For a child process whose kernels may hold tile instructions, and which finds this module and the package."""
    features = llvm.get_host_cpu_features()
    features.update({"amx-tile": True, "amx-bf16": True})
    folders = (str(Path(__file__).parent), str(Path(fastmlp.__file__).parents[1]), os.environ.get("PYTHONPATH", ""))
    return {
        **os.environ,
        "NUMBA_CPU_FEATURES": features.flatten(),
        "PYTHONPATH": os.pathsep.join(filter(None, folders)),
    }


class Counts(ctypes.Structure):
    """How often each instruction was carried out, on all threads: ``counts.tdpbf16ps``."""

    _fields_ = tuple((name, ctypes.c_int64) for name in NAMES)


@contextmanager
def emulated_tiles() -> Iterator[Counts]:
    """Carry tile instructions out in software within, on every thread of the process; gives their counts."""
    libc, state, outer = ctypes.CDLL(None), np.zeros(1, _STATE), _STATE_CELL.value
    action = _Sigaction(handler=_handler().address, flags=_SA_SIGINFO | _SA_NODEFER)
    _STATE_CELL.value = state.ctypes.data
    previous = ctypes.c_void_p(state.ctypes.data + _STATE.fields["previous"][1])
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
    """The handler's machine code, which takes what a kernel of the system hands over."""
    libc, lines, cell = ctypes.CDLL(None), ctypes.addressof(_LINES), ctypes.addressof(_STATE_CELL)
    gettid, write, sigaction = libc.gettid, libc.write, libc.sigaction
    gettid.argtypes = ()
    write.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t)
    sigaction.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    sigill = int(signal.SIGILL)

    def handle(number: Any, information: Any, context: Any) -> None:
        """Carry out one instruction; refuse it, and what was installed before runs into it again."""
        state = numba.carray(pointer_from(numba.carray(pointer_from(cell), 1, np.int64)[0]), 1, _STATE)[0]
        registers = numba.carray(pointer_from(context + _REGISTERS), 23, np.int64)
        refusal = instructions_run(state, gettid(), registers)
        if refusal == 0:
            return
        write(2, pointer_from(lines + (-1 - refusal) * _LINE), _LINE)
        sigaction(sigill, pointer_from(address_of(state.previous)), pointer_from(0))

    return numba.cfunc("void(int32, int64, int64)", error_model="numpy")(handle)


@kernel
def instructions_run(state, thread, registers):
    """Carry out the tile instructions that stand in a row; gives 0, or below zero why one is refused.

    A signal costs more than an instruction: under KVM on Zen 4, 8.5 us (6 of them the hypervisor's) and 0.5.
    """
    done = 0
    while True:
        code = numba.carray(pointer_from(registers[_RIP]), 16, np.uint8)
        length = instruction_run(state, thread, registers, code)
        if length < 0:
            return 0 if length == UNKNOWN and done > 0 else length
        registers[_RIP] += length
        done += 1


@kernel
def instruction_run(state, thread, registers, code):
    """Carry out the instruction at `code`; gives its bytes, or below zero why it is refused."""
    which = instruction_decode(code)
    if which < 0:
        return which
    slot = slot_find(state, thread)
    base, stride, length = operand_decode(registers, code)
    tile = (code[4] >> 3) & 7
    if which == LDTILECFG:
        refusal = tiles_configure(state, slot, thread, numba.carray(pointer_from(base + stride), 64, np.uint8))
    elif which == STTILECFG:
        refusal = config_store(state, slot, numba.carray(pointer_from(base + stride), 64, np.uint8))
    elif which == TILERELEASE:
        refusal = slot_release(state, slot)
    elif which == TDPBF16PS:
        refusal = tile_multiply(state, slot, tile, code[4] & 7, (~code[2] >> 3) & 7)
    elif not is_usable(state, slot, tile):
        refusal = UNCONFIGURED
    elif which == TILEZERO:
        refusal = tile_zero(state, slot, tile)
    elif which == TILESTORED:
        refusal = tile_store(state, slot, tile, base, stride)
    else:
        refusal = tile_load(state, slot, tile, base, stride)
    if refusal:
        return refusal
    add_atomically(state.counts, which, 1)
    return length


@kernel
def instruction_decode(code):
    """Which instruction stands at `code`: a VEX prefix of three bytes, map 0F 38, W and L of 0, and tiles below 8."""
    if code[0] != 0xC4 or (code[1] & 0x1F) != 2 or code[3] not in (0x49, 0x4B, 0x5C):
        return UNKNOWN
    prefix, vvvv, opcode, in_register = code[2] & 3, (~code[2] >> 3) & 15, code[3], code[4] >> 6 == 3
    reg, rm = (code[4] >> 3) & 7, code[4] & 7
    if (code[2] & 0x84) != 0 or (code[1] & 0x80) == 0 or (vvvv != 0 and (opcode != 0x5C or vvvv > 7)):
        return MALFORMED
    if in_register and (code[1] & 0x20) == 0:
        return MALFORMED
    if opcode == 0x5C:
        return TDPBF16PS if prefix == 2 and in_register else UNKNOWN
    if opcode == 0x4B:
        if in_register or rm != 4 or prefix == 0:
            return MALFORMED
        return TILELOADDT1 if prefix == 1 else TILESTORED if prefix == 2 else TILELOADD
    if in_register:
        if prefix == 0 and code[4] == 0xC0:
            return TILERELEASE
        return TILEZERO if prefix == 3 and rm == 0 else MALFORMED
    if reg != 0 or prefix > 1:
        return MALFORMED
    return LDTILECFG if prefix == 0 else STTILECFG


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
        stride = 0 if index == 4 else registers[_PLACES[index]] << np.int64(code[5] >> 6)
        at = 6
    far = mod == 2 or (mod == 0 and base == 5)
    length = at + (4 if far else np.int64(mod))
    address = displacement(code, at, length - at)
    if mod == 0 and base == 5:
        address += registers[_RIP] + length if rm == 5 else 0
    else:
        address += registers[_PLACES[base | (np.int64(~code[1] & 0x20) >> 2)]]
    return address, stride, length


@kernel
def displacement(code, at, n_bytes):
    """Signed number of 0, 1 or 4 bytes."""
    number = 0
    for i in range(n_bytes):
        number |= np.int64(code[at + i]) << (8 * i)
    sign = 1 << max(8 * n_bytes - 1, 0)
    return number if n_bytes == 0 else (number ^ sign) - sign


@kernel
def slot_find(state, thread):
    """The slot whose owner `thread` is, or -1: its tiles are not configured."""
    for i in range(_SLOTS):
        slot = (thread + i) % _SLOTS
        if state.owners[slot] == thread:
            return slot
    return -1


@kernel
def slot_claim(state, thread):
    """A free slot for `thread`, or -1."""
    for i in range(_SLOTS):
        slot = (thread + i) % _SLOTS
        if state.owners[slot] == 0 and exchange_atomically(state.owners, slot, 0, thread):
            return slot
    return -1


@kernel
def slot_release(state, slot):
    """The initial state: nothing is configured."""
    if slot >= 0:
        exchange_atomically(state.owners, slot, state.owners[slot], 0)
    return 0


@kernel
def n_rows(state, slot, tile):
    """Configured rows of a tile."""
    return np.int64(state.configs[slot, 48 + tile])


@kernel
def n_bytes(state, slot, tile):
    """Configured bytes of a tile's row: 64 at most, so that the upper byte is 0."""
    return np.int64(state.configs[slot, 16 + 2 * tile])


@kernel
def is_usable(state, slot, tile):
    """Whether a tile is configured, with columns of whole words."""
    return slot >= 0 and n_rows(state, slot, tile) > 0 and n_bytes(state, slot, tile) % 4 == 0


@kernel
def tiles_configure(state, slot, thread, config):
    """LDTILECFG: palette 0 is the initial state, palette 1 has eight tiles of 16 rows of 64 bytes. All become zero."""
    if config[0] == 0:
        return slot_release(state, slot)
    if not is_config(config):
        return MISCONFIGURED
    if slot < 0:
        slot = slot_claim(state, thread)
    if slot < 0:
        return CROWDED
    for i in range(64):
        state.configs[slot, i] = config[i]
    for tile in range(8):
        tile_zero(state, slot, tile)
    return 0


@kernel
def is_config(config):
    """Whether 64 bytes are a configuration of palette 1: reserved ones zero, tiles within bounds, none half empty."""
    if config[0] != 1:
        return False
    for i in range(1, 64):
        if config[i] != 0 and (i < 16 or 32 <= i < 48 or i >= 56):
            return False
    for tile in range(8):
        columns, rows = config[16 + 2 * tile] | np.int64(config[17 + 2 * tile]) << 8, config[48 + tile]
        if columns > 64 or rows > 16 or (columns == 0) != (rows == 0):
            return False
    return True


@kernel
def config_store(state, slot, out):
    """STTILECFG: the configuration, or zeros."""
    for i in range(64):
        out[i] = state.configs[slot, i] if slot >= 0 else 0
    return 0


@kernel
def tile_zero(state, slot, tile):
    """TILEZERO."""
    for i in range(16):
        for j in range(16):
            state.tiles[slot, tile, i, j] = 0
    return 0


@kernel
def tile_load(state, slot, tile, base, stride):
    """TILELOADD: the configured words of the configured rows; all else is zero, here and after every instruction."""
    tile_zero(state, slot, tile)
    for i in range(n_rows(state, slot, tile)):
        row = numba.carray(pointer_from(base + i * stride), 16, np.uint32)
        for j in range(n_bytes(state, slot, tile) >> 2):
            state.tiles[slot, tile, i, j] = row[j]
    return 0


@kernel
def tile_store(state, slot, tile, base, stride):
    """TILESTORED: the configured words of the configured rows."""
    for i in range(n_rows(state, slot, tile)):
        row = numba.carray(pointer_from(base + i * stride), 16, np.uint32)
        for j in range(n_bytes(state, slot, tile) >> 2):
            row[j] = state.tiles[slot, tile, i, j]
    return 0


@kernel
def tile_multiply(state, slot, out, left, right):
    """TDPBF16PS: ``out += left @ right``, by two chains of sums; out (M, N), left (M, K), right (K, N)."""
    if not (is_usable(state, slot, out) and is_usable(state, slot, left) and is_usable(state, slot, right)):
        return UNCONFIGURED
    rows, words = n_rows(state, slot, out), n_bytes(state, slot, out) >> 2
    steps = n_rows(state, slot, right)
    fits = rows == n_rows(state, slot, left) and words == n_bytes(state, slot, right) >> 2
    if out == left or out == right or left == right or not fits or steps != n_bytes(state, slot, left) >> 2:
        return MISMATCHED
    restore_control(_MXCSR)  # the handler's own: the interrupted code's comes back with its registers
    chains_sum(state, slot, left, right, rows, steps)
    for i in range(rows):
        chains_join(state.chains, row_of(slot, 0, i), row_of(slot, 1, i), state.tiles, row_of(slot, out, i))
        for j in range(words, 16):
            state.tiles[slot, out, i, j] = 0
    return 0


@kernel
def row_of(slot, tile, row):
    """First element of a tile's row, counted from the first slot's first."""
    return ((slot * 8 + tile) * 16 + row) * 16


@kernel
def chains_sum(state, slot, left, right, rows, steps):
    """Both chains of every output, one step after the other.

    Rows run inside steps: a chain waits for the FMA before it, and there are 32 vectors of chains.
    """
    for chain in range(2):
        for i in range(16):
            for j in range(16):
                state.chains[slot, chain, i, j] = 0
    for k in range(steps):
        for i in range(rows):
            word = np.int64(state.tiles[slot, left, i, k])
            pair_add(state.chains, row_of(slot, 0, i), row_of(slot, 1, i), word, state.tiles, row_of(slot, right, k))


@intrinsic
def pair_add(_: Any, chains: Any, even: Any, odd: Any, word: Any, tiles: Any, row: Any) -> Any:
    """Lower half of a word times the lower halves of a row to the even chains, the upper ones to the odd chains."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        words = builder.load(_row(context, builder, sig, args, 4, 5, _WORDS), align=4)
        for place, half in ((1, _lower_halves), (2, _upper_halves)):
            pointer = _row(context, builder, sig, args, 0, place, _FLOATS)
            factors = half(builder, splat(builder, builder.trunc(args[3], I32), 16)), half(builder, words)
            total = call(builder, "fma", [*factors, builder.load(pointer, align=4)])
            builder.store(total, pointer, align=4)
        return context.get_dummy_value()

    return types.void(chains, types.int64, types.int64, types.int64, tiles, types.int64), emit


@intrinsic
def chains_join(_: Any, chains: Any, even: Any, odd: Any, tiles: Any, row: Any) -> Any:
    """Both chains' sum, rounded, added to a row."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        pointer = _row(context, builder, sig, args, 3, 4, _FLOATS)
        both = [builder.load(_row(context, builder, sig, args, 0, place, _FLOATS), align=4) for place in (1, 2)]
        builder.store(builder.fadd(builder.load(pointer, align=4), builder.fadd(*both)), pointer, align=4)
        return context.get_dummy_value()

    return types.void(chains, types.int64, types.int64, tiles, types.int64), emit


_WORDS, _FLOATS = ir.VectorType(I32, 16), ir.VectorType(ir.FloatType(), 16)


def _row(context: Any, builder: ir.IRBuilder, sig: Any, args: Any, array: int, place: int, vector: Any) -> ir.Value:
    """Address of the 16 numbers of argument `array` that begin at the element that argument `place` says."""
    return pointer_to(builder, data_pointer(context, builder, sig.args[array], args[array]), args[place], vector)


def _lower_halves(builder: ir.IRBuilder, words: ir.Value) -> ir.Value:
    return builder.bitcast(builder.shl(words, ir.Constant(_WORDS, [16] * 16)), _FLOATS)


def _upper_halves(builder: ir.IRBuilder, words: ir.Value) -> ir.Value:
    return builder.bitcast(builder.and_(words, ir.Constant(_WORDS, [0xFFFF0000] * 16)), _FLOATS)


@intrinsic
def pointer_from(_: Any, number: Any) -> Any:
    """A pointer to the address that an integer is."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return builder.inttoptr(args[0], ir.IntType(8).as_pointer())

    return types.voidptr(types.int64), emit


@intrinsic
def address_of(_: Any, array: Any) -> Any:
    """An array's address as an integer."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return builder.ptrtoint(data_pointer(context, builder, sig.args[0], args[0]), I64)

    return types.int64(array), emit


@intrinsic
def add_atomically(_: Any, array: Any, index: Any, number: Any) -> Any:
    """``array[index] += number`` of int64, though other threads add too; gives what was there."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        place = builder.gep(data_pointer(context, builder, sig.args[0], args[0]), [args[1]])
        return builder.atomic_rmw("add", place, args[2], "seq_cst")

    return types.int64(array, types.int64, types.int64), emit


@intrinsic
def exchange_atomically(_: Any, array: Any, index: Any, expected: Any, number: Any) -> Any:
    """``array[index] = number`` if `expected` is still there; gives whether it was."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        place = builder.gep(data_pointer(context, builder, sig.args[0], args[0]), [args[1]])
        return builder.extract_value(builder.cmpxchg(place, args[2], args[3], "seq_cst", "seq_cst"), 1)

    return types.boolean(array, types.int64, types.int64, types.int64), emit
