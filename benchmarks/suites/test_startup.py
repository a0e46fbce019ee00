"""Start-up times, each in a new process: import, first compilation, and start with cached kernels."""

import os
import subprocess
import sys

import pytest

from benchmarks.paired import ROOT

WARM_START = "import fastmlp; fastmlp.warmup()"
FIRST_STEP = """
import numpy, fastmlp
X, y = numpy.zeros((64, 8), numpy.uint8), numpy.arange(64) % 2
print(fastmlp.train(fastmlp.Dataset(X, y, X, y), fastmlp.Config(n_epochs=1)).history[-1]["train_loss"])
"""


@pytest.fixture
def python(tmp_path):
    """A function that runs a program in a new process, with a kernel cache of this test's own."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}

    def run(program, **changes):
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, env=environment | changes, check=True, capture_output=True, text=True)
        return done.stdout

    return run


@pytest.mark.benchmark(group="startup")
def test_import(measure, python):
    measure(lambda: python("import fastmlp"), rounds=5)


@pytest.mark.benchmark(group="startup")
def test_cold_compile(measure, python, tmp_path):
    """Every round has an empty kernel cache."""
    rounds = iter(range(100))
    measure(
        lambda folder: python(WARM_START, NUMBA_CACHE_DIR=str(folder)),
        setup=lambda: ((tmp_path / str(next(rounds)),), {}), rounds=2, warmup_rounds=0,
    )  # fmt: skip


@pytest.mark.benchmark(group="startup")
def test_warm_start_and_first_step(measure, python):
    assert float(python(FIRST_STEP)) > 0
    measure(lambda: python(FIRST_STEP), rounds=5)
