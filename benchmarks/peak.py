"""The peak of fused multiply-adds on one core, measured where and when something else is measured.

Chains of vector multiply-adds that never leave the registers, of fastmlp's own vector width. A register tile in L1
comes within 1.5 % of it (Emerald Rapids: 178.6 GFLOP/s against 176.5 for 6 x 4 vectors and 256 steps), but a peak taken
with the package's tile would fall with the tile, and hide a slower tile from whoever divides by it.
"""

from functools import cache
from time import perf_counter

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fastmlp.codegen import cpu
from fastmlp.codegen.jit import kernel
from fastmlp.codegen.simd import Vector, call

#: Two units, four or five cycles each: ten chains fill them, and twelve fit the sixteen registers of AVX2.
N_CHAINS = 12
#: A millisecond or less at a time: short enough to fall between two interruptions.
N_STEPS = 50_000


@intrinsic
def _fma_chains(_, x, n_steps):
    def emit(context, builder, sig, args):
        vector = context.get_data_type(Vector(types.float32))
        base = context.make_array(x)(context, builder, args[0]).data
        pointer = builder.bitcast(base, vector.as_pointer())
        factor = builder.load(pointer, align=4)
        chains = [cgutils.alloca_once(builder, vector) for _ in range(N_CHAINS)]
        for chain in chains:
            builder.store(factor, chain)
        with cgutils.for_range(builder, args[1]):
            for chain in chains:
                builder.store(call(builder, "fma", [factor, builder.load(chain), factor]), chain)
        total = ir.Constant(vector, None)
        for chain in chains:
            total = builder.fadd(total, builder.load(chain))
        builder.store(total, pointer, align=4)
        return context.get_dummy_value()

    return types.void(x, n_steps), emit


@kernel
def _run_chains(x, n_steps):
    _fma_chains(x, n_steps)


@cache
def _warm() -> None:
    _run_chains(np.zeros(64, np.float32), 1)


def measure(seconds: float = 0.02) -> float:
    """FLOP/s of one core at its best within the given time."""
    _warm()
    best, stop = float("inf"), perf_counter() + seconds
    while perf_counter() < stop:
        # One half: the chains tend to 1, far from zero, subnormals and infinity.
        x = np.full(64, 0.5, np.float32)
        start = perf_counter()
        _run_chains(x, N_STEPS)
        best = min(best, perf_counter() - start)
    return 2 * N_CHAINS * N_STEPS * (cpu.vector_bits() // 32) / best
