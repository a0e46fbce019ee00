"""What every suite shares: one core, the FMA peak next to each benchmark, machine and versions in each record."""

import numpy as np
import pytest

from benchmarks import machine, peak

N_THREADS = 1


def pytest_configure(config):
    """Before NumPy's products run: they only check results here, but on one thread like everything else."""
    machine.pin(N_THREADS)


@pytest.fixture(scope="session")
def about_the_machine():
    return machine.describe(N_THREADS)


@pytest.fixture
def measure(benchmark, about_the_machine):
    """Time a function: a warm-up, then rounds; `flops` a call become GFLOP/s and a share of the peak beside it."""

    def run(function, *, flops=None, setup=None, rounds=20, warmup_rounds=1):
        before = peak.measure()
        benchmark.pedantic(function, setup=setup, rounds=rounds, warmup_rounds=warmup_rounds)
        gflops = max(before, peak.measure()) / 1e9
        benchmark.extra_info.update(about_the_machine, peak_gflops=gflops)
        if flops is not None and benchmark.stats is not None:
            achieved = flops / benchmark.stats.stats.min / 1e9
            benchmark.extra_info.update(gflops=achieved, pct_peak=100 * achieved / gflops)

    return run


@pytest.fixture
def rng():
    return np.random.default_rng(0)
