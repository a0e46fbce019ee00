"""The FMA peak: the highest rate of fused multiply-adds on one core, measured next to each benchmark.

It is measured with independent chains of vector multiply-adds that stay in registers, of the vector width that fastmlp
uses. The register tile of the matrix product, with operands in L1, comes within 1.5 % of it (Emerald Rapids: 176.5 of
178.6 GFLOP/s for 6 x 4 vectors and 256 steps). The tile itself is not used as the peak: if it became slower, so would
the peak, and a share of the peak would not show it.
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

#: Two FMA units with a latency of four or five cycles need ten chains; twelve fit the sixteen registers of AVX2.
N_CHAINS = 12
#: A millisecond or less per run: short enough to fit between two interruptions by the operating system.
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
def _compile() -> None:
    _run_chains(np.zeros(64, np.float32), 1)


def measure(seconds: float = 0.02) -> float:
    """FMA peak of one core in FLOP/s: the fastest run within the given time."""
    _compile()
    best, stop = float("inf"), perf_counter() + seconds
    while perf_counter() < stop:
        # With 0.5, the chains converge to 1: no zeros, subnormal numbers or infinities.
        x = np.full(64, 0.5, np.float32)
        start = perf_counter()
        _run_chains(x, N_STEPS)
        best = min(best, perf_counter() - start)
    return 2 * N_CHAINS * N_STEPS * (cpu.vector_bits() // 32) / best
