"""Entries of the tables of prediction, the sizes of its blocks, and its findings, see `fastmlp.kernels.predict`.

They are numbers without Numba, which Python fills in or reads beside the kernels.
"""

from fastmlp.kernels import layout as at

# Entries of `common` besides those of `layout`: offsets in weights of the factor and the offset of each feature; row
# stride of the scaled samples; offset in work of a vector of sums of squares.
FACTOR, OFFSET, ROWS_STRIDE, SQUARES = range(at.N_COMMON_ENTRIES, at.N_COMMON_ENTRIES + 4)
N_ENTRIES = at.N_COMMON_ENTRIES + 4

#: Samples that are scaled, then multiplied, while they are in the cache: a multiple of the heights of the large tiles.
#: Zen 5, 5,000 samples of 784-128-10 and 3072-100-100-10, 12 instead of 24: 3 and 6 % slower; 48 and 96: as fast.
BLOCK_SAMPLES = 24
#: Largest panel of inputs that are multiplied at once, in cache lines; the panels of a layer are of equal width. That
#: few tiles are started matters more than that a panel stays in L1. Zen 5, the same networks, 16 lines: 7 and 4 %
#: slower; 192 lines: 2 and 15 %. Prefetching the next samples gained nothing: they lie in order, and hardware does it.
PREDICT_PANEL_LINES = 64

#: What `predict_chunk` finds: samples that may be beyond the range of the dtype, and outputs that are not finite.
LARGE_SAMPLES, NON_FINITE_OUTPUTS = 1, 2
