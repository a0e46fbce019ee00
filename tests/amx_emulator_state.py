"""State of the emulated AMX tiles: their owners, their configuration, and the effect of each instruction on them.

The sources are those that amx_emulator names; it decodes the machine code and handles the signals.
"""

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastmlp.codegen.denormals import restore_control
from fastmlp.codegen.simd import I32, I64, call, data_pointer, pointer_to, splat

#: Not `fastmlp.codegen.jit.kernel`, which takes no functions that return arrays, as numba.carray does.
kernel = numba.njit(nogil=True, error_model="numpy")
inline_kernel = numba.njit(nogil=True, error_model="numpy", inline="always")

NAMES = ("ldtilecfg", "sttilecfg", "tilerelease", "tilezero", "tileloadd", "tileloaddt1", "tilestored", "tdpbf16ps")
LDTILECFG, STTILECFG, TILERELEASE, TILEZERO, TILELOADD, TILELOADDT1, TILESTORED, TDPBF16PS = range(len(NAMES))

#: Reasons for refusing an instruction, numbered -1, -2, ...
REASONS = (
    "no instruction of AMX-TILE or AMX-BF16",
    "an encoding that the manual does not have",
    "a configuration that the manual forbids, or that starts at another row than 0",
    "more than 64 threads have tiles configured: is TILERELEASE missing?",
    "a tile that is not configured, or whose rows are no multiple of 4 bytes",
    "TDPBF16PS of tiles that are not three, or whose shapes do not fit",
)
UNKNOWN, MALFORMED, MISCONFIGURED, CROWDED, UNCONFIGURED, MISMATCHED = range(-1, -1 - len(REASONS), -1)

SLOTS = 64
STATE = np.dtype(
    [
        ("counts", np.int64, len(NAMES)),
        ("previous", np.uint8, 152),  # sizeof(struct sigaction)
        ("owners", np.int64, SLOTS),
        ("configs", np.uint8, (SLOTS, 64)),
        ("tiles", np.uint32, (SLOTS, 8, 16, 16)),
        ("chains", np.float32, (SLOTS, 8, 16, 16)),
    ]
)
#: All exceptions masked, to nearest, DAZ and FTZ.
_MXCSR = 0x9FC0


@kernel
def slot_find(state, thread):
    """The slot that `thread` owns, or -1 if its tiles are not configured."""
    for i in range(SLOTS):
        slot = (thread + i) % SLOTS
        if state.owners[slot] == thread:
            return slot
    return -1


@kernel
def slot_claim(state, thread):
    """A free slot for `thread`, or -1."""
    for i in range(SLOTS):
        slot = (thread + i) % SLOTS
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
def tiles_configure(state, slot, thread, address):
    """LDTILECFG: palette 0 is the initial state, palette 1 has eight tiles of 16 rows of 64 bytes. All become zero."""
    config = numba.carray(pointer_from(address), 64, np.uint8)
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
    """Whether 64 bytes are a configuration of palette 1.

    Reserved bytes are zero and tiles within bounds. A tile has both rows and columns, or neither.
    """
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
def config_store(state, slot, address):
    """STTILECFG: the configuration, or zeros."""
    out = numba.carray(pointer_from(address), 64, np.uint8)
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
    """TILELOADD: the configured words of the configured rows; all others are zero, as after every instruction."""
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


@inline_kernel
def tile_multiply(state, slot, out, left, right):
    """TDPBF16PS: ``out += left @ right``, by two chains of sums; out (M, N), left (M, K), right (K, N)."""
    if not (is_usable(state, slot, out) and is_usable(state, slot, left) and is_usable(state, slot, right)):
        return UNCONFIGURED
    rows, words = n_rows(state, slot, out), n_bytes(state, slot, out) >> 2
    steps = n_rows(state, slot, right)
    fits = rows == n_rows(state, slot, left) and words == n_bytes(state, slot, right) >> 2
    if out in (left, right) or left == right or not fits or steps != n_bytes(state, slot, left) >> 2:
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
    """Offset of a tile's row from the first element of the first slot."""
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
    """Add the rounded sum of both chains to a row."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        pointer = _row(context, builder, sig, args, 3, 4, _FLOATS)
        both = [builder.load(_row(context, builder, sig, args, 0, place, _FLOATS), align=4) for place in (1, 2)]
        builder.store(builder.fadd(builder.load(pointer, align=4), builder.fadd(*both)), pointer, align=4)
        return context.get_dummy_value()

    return types.void(chains, types.int64, types.int64, tiles, types.int64), emit


_WORDS, _FLOATS = ir.VectorType(I32, 16), ir.VectorType(ir.FloatType(), 16)


def _row(context: Any, builder: ir.IRBuilder, sig: Any, args: Any, array: int, place: int, vector: Any) -> ir.Value:
    """Address of 16 numbers: of argument number `array`, from the element on whose index is argument number `place`."""
    return pointer_to(builder, data_pointer(context, builder, sig.args[array], args[array]), args[place], vector)


def _lower_halves(builder: ir.IRBuilder, words: ir.Value) -> ir.Value:
    return builder.bitcast(builder.shl(words, ir.Constant(_WORDS, [16] * 16)), _FLOATS)


def _upper_halves(builder: ir.IRBuilder, words: ir.Value) -> ir.Value:
    return builder.bitcast(builder.and_(words, ir.Constant(_WORDS, [0xFFFF0000] * 16)), _FLOATS)


@intrinsic
def pointer_from(_: Any, number: Any) -> Any:
    """A pointer to an address given as an integer."""

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
    """``array[index] += number`` of int64, atomically; returns the old value."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        place = builder.gep(data_pointer(context, builder, sig.args[0], args[0]), [args[1]])
        return builder.atomic_rmw("add", place, args[2], "seq_cst")

    return types.int64(array, types.int64, types.int64), emit


@intrinsic
def exchange_atomically(_: Any, array: Any, index: Any, expected: Any, number: Any) -> Any:
    """``array[index] = number`` if it equals `expected`, atomically; returns whether it did."""

    def emit(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        place = builder.gep(data_pointer(context, builder, sig.args[0], args[0]), [args[1]])
        return builder.extract_value(builder.cmpxchg(place, args[2], args[3], "seq_cst", "seq_cst"), 1)

    return types.boolean(array, types.int64, types.int64, types.int64), emit
