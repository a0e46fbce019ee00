"""Fixtures of all suites: one core, the FMA peak next to each benchmark, machine and versions in each stored result."""

import numpy as np
import pytest

from benchmarks import machine, peak

N_THREADS = 1


def pytest_configure(config):
    """Pin the process before NumPy loads BLAS, whose products check the results, on one thread as well."""
    machine.pin(N_THREADS)


@pytest.fixture(scope="session")
def machine_description():
    return machine.describe(N_THREADS)


@pytest.fixture
def measure(benchmark, machine_description):
    """Time a function: a warm-up, then rounds; given the `flops` of a call, also GFLOP/s and the share of the peak."""

    def run(function, *, flops=None, setup=None, rounds=20, warmup_rounds=1):
        before = peak.measure()
        benchmark.pedantic(function, setup=setup, rounds=rounds, warmup_rounds=warmup_rounds)
        gflops = max(before, peak.measure()) / 1e9
        benchmark.extra_info.update(machine_description, peak_gflops=gflops)
        if flops is not None and benchmark.stats is not None:
            achieved = flops / benchmark.stats.stats.min / 1e9
            benchmark.extra_info.update(gflops=achieved, pct_peak=100 * achieved / gflops)

    return run


@pytest.fixture
def rng():
    return np.random.default_rng(0)
