"""The threads that train one network together: each one's share of the outputs, and the barrier where they meet.

A thread knows its RANK and N_THREADS from its own `common`. Work is split by outputs only (rows of weights, samples of
a batch), so that no sum depends on the number of threads.
"""

from fastmlp.codegen.atomics import atomic_add, atomic_load, atomic_store, spin_pause, thread_yield
from fastmlp.codegen.cpu import LINE_BYTES, bf16_instructions, vector_bits
from fastmlp.codegen.integers import larger, smaller
from fastmlp.codegen.jit import kernel
from fastmlp.codegen.simd import n_lanes
from fastmlp.kernels import layout as at
from fastmlp.kernels.layout import ABORTED, ARRIVED, GENERATION

VECTORS_PER_LINE = LINE_BYTES * 8 // vector_bits()
#: Whether bf16 products are stored in whole tiles of rows, see `fastmlp.kernels.bf16_matmul.bf16_product`.
STORES_WHOLE_TILES = bf16_instructions() == "amx"
#: Polls, each with a pause of the CPU, before a waiting thread yields to the operating system: two microseconds. On a
#: Zen 5, two threads of 64-100-100-10 were as fast with 30 and with 1000; with 1000, four threads on two cores took 3
#: times as long.
SPINS = 100


@kernel
def barrier_wait(net):
    """Wait until every thread of the team is here; returns False if one has failed.

    The last thread to arrive starts the next generation. The others poll its number.
    """
    barrier, n_threads = net.barrier, net.common[at.N_THREADS]
    if n_threads == 1:
        return True
    generation = atomic_load(barrier, GENERATION)
    if atomic_add(barrier, ARRIVED, 1) == n_threads - 1:
        atomic_store(barrier, ARRIVED, 0)
        atomic_store(barrier, GENERATION, generation + 1)
    spins = 0
    while atomic_load(barrier, GENERATION) == generation:
        if atomic_load(barrier, ABORTED) != 0:
            return False
        if spins < SPINS:
            spin_pause()
            spins += 1
        else:
            thread_yield()
    return atomic_load(barrier, ABORTED) == 0


@kernel
def share(common, n):
    """A thread's part of n items that cost the same: (first, number)."""
    rank, n_threads = common[at.RANK], common[at.N_THREADS]
    if n_threads == 1:
        return 0, n
    first = n * rank // n_threads
    return first, n * (rank + 1) // n_threads - first


@kernel
def share_of_rows(common, layer):
    """A thread's rows of a layer's weights: (first, number). Of a bf16 layer, AMX stores whole tiles."""
    n, height = layer[at.FAN_OUT], common[at.TILE_HEIGHT]
    if STORES_WHOLE_TILES and layer[at.BF16] > 0:
        first, number = share(common, (n + height - 1) // height)
        return first * height, larger(0, smaller(n - first * height, number * height))
    return share(common, n)


@kernel
def whole_lines(net, n):
    """The number n, rounded up to whole cache lines of numbers."""
    line = n_lanes(net.work) * VECTORS_PER_LINE
    return (n + line - 1) // line * line


@kernel
def share_of_columns(net, n):
    """A thread's part of n numbers in a row, in whole cache lines but for the end: (first, number)."""
    if net.common[at.N_THREADS] == 1:
        return 0, n
    line = n_lanes(net.work) * VECTORS_PER_LINE
    first, number = share(net.common, (n + line - 1) // line)
    return first * line, larger(0, smaller(n - first * line, number * line))
