"""Sizes of the tiles that the operands of bf16 products are packed in, see `fastmlp.kernels.bf16_matmul`."""

from fastmlp.codegen import cpu

#: Words per row of a tile, and rows per tile: the size of AMX's registers. A row is a vector of 512 bits.
WORDS = 16
#: Terms of a sum in a row of a tile: two per word.
STEPS = 2 * WORDS
#: Words of a tile.
TILE = WORDS * WORDS
#: Rows of tiles in a block of W that is updated, then split, then used.
BLOCK_TILES = 2


def tile_height(n_outputs: int) -> int:
    """Rows of A in a tile: two register tiles of 6 for AVX512-BF16; on AMX, whose time is per row, evenly divided.

    Examples
    --------
    >>> tile_height(100) in (12, 15)
    True
    """
    if cpu.bf16_instructions() == "avx512bf16":
        return 12
    n_tiles = -(-n_outputs // WORDS)
    return -(-n_outputs // n_tiles)
