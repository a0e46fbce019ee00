"""The kernels for each instruction set that the CPU has: their tests, their assembly, and the weights that they train.

An instruction set is chosen when kernels are compiled, so each has a process of its own. The tests of kernels in
tests/kernels run for the widest one in the session itself; here they run for the others. On a CPU with AVX-512 the
AVX-512 features are switched off for these, not only its vectors: kernels of 256 bits could use its 32 registers
otherwise, and would not be those of a CPU with AVX2.
"""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import llvmlite.binding as llvm
import pytest

import fastmlp
from fastmlp.codegen import cpu

TESTS = Path(__file__).parent
PACKAGE = Path(fastmlp.__file__).parents[1]
#: Least number of tests in tests/kernels that run for every instruction set.
MIN_KERNEL_TESTS = 3000


def instruction_sets():
    """Environment variables that select each instruction set of this CPU, by name, the widest first."""
    if platform.machine().lower() not in {"x86_64", "amd64"}:
        return {"NEON": {"FASTMLP_VECTOR_BITS": "128"}}
    host = llvm.get_host_cpu_features()
    names = [name for name, present in host.items() if present and re.match(r"avx512|avx10|amx", name)]
    features = llvm.FeatureMap({**host, **dict.fromkeys(names, False)})
    reduced = {"NUMBA_CPU_FEATURES": features.flatten()} if names else {}
    sets = {"AVX-512": {"FASTMLP_VECTOR_BITS": "512"}} if host.get("avx512f") else {}
    if host.get("avx2"):
        sets["AVX2"] = {"FASTMLP_VECTOR_BITS": "256", **reduced}
    return sets | {"128 bits": {"FASTMLP_VECTOR_BITS": "128", **reduced}}


SETS = instruction_sets()
NATIVE, *OTHERS = SETS
needs_x86 = pytest.mark.skipif(not OTHERS, reason="this CPU has vectors of one width only")


def run_python(name, *arguments):
    """Standard output of Python in a process with kernels for an instruction set."""
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE), "PYTHONIOENCODING": "utf-8", **SETS[name]}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, cwd=TESTS.parent)


@needs_x86
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.xdist_group(n)) for n in OTHERS or ["none"]])
def test_the_tests_of_kernels_pass(name):
    options = ("-q", "-p", "no:cacheprovider", "--deselect", "tests/kernels/test_amx.py")
    done = run_python(name, "-m", "pytest", TESTS / "kernels", *options)
    last = done.stdout.strip().splitlines()[-1]
    assert done.returncode == 0, done.stdout[-4000:]
    assert int(re.match(r"(\d+) passed", last)[1]) >= MIN_KERNEL_TESTS


def heights_of(name):
    """Tile heights by width in vectors, as `fastmlp.codegen.cpu.tile_heights` gives them for an instruction set."""
    return cpu.TILE_HEIGHTS[32 if name in {"AVX-512", "NEON"} else 16]


@pytest.mark.skipif(not cpu.has_fma(), reason="without FMA instructions there are no fused multiply-adds to see")
@pytest.mark.parametrize("name", SETS)
def test_every_tile_keeps_its_accumulators_in_registers(name):
    done = run_python(name, TESTS.parent / "scripts" / "show_assembly.py", "float32", "float64")
    check_tiles(done, SETS[name]["FASTMLP_VECTOR_BITS"], heights_of(name))


def check_tiles(done, bits, tile_heights):
    """A process has printed a loop for every tile, whose accumulators all stay in registers."""
    tiles = {rows * vectors for vectors, heights in enumerate(tile_heights, 1) for rows in heights}
    for dtype in ("float32", "float64"):
        for product in ("product_block", "product_descent"):
            pattern = rf"^# {product}: {dtype}, {bits}-bit vectors, (\d+) accumulators, (\d+) stored$"
            found = re.findall(pattern, done.stdout, re.MULTILINE)
            assert {int(n) for n, _ in found} == tiles, done.stderr
            assert {n_stored for _, n_stored in found} == {"0"}
            assert len(found) >= sum(map(len, tile_heights))


@pytest.mark.parametrize("arm_cpu", ["generic", "cortex-a55", "neoverse-n1", "neoverse-v2", "apple-m1"])
def test_cross_compiled_for_arm_every_tile_keeps_its_accumulators_in_registers(arm_cpu):
    script = TESTS.parent / "scripts" / "show_assembly.py"
    done = run_python(NATIVE, script, "--arm", arm_cpu, "float32", "float64")
    check_tiles(done, "128", cpu.TILE_HEIGHTS[32])
    assert not re.search(r"^\s(ld1r|dup)", done.stdout, re.MULTILINE)


TRAIN = """
import hashlib, sys
import numpy as np
import fastmlp
from fastmlp.codegen import cpu

assert cpu.vector_bits() == int(sys.argv[1])
random = np.random.default_rng(0)
X, y = random.integers(0, 256, (101, 307), dtype=np.uint8), random.integers(0, 7, 101)
dataset = fastmlp.Dataset(X[:90], y[:90], X[90:], y[90:])
for precision in ("float32", "float64"):
    for settings in ({"l2": 0.01}, {"optimizer": "adam", "activation": "tanh", "learning_rate": 0.01}):
        config = fastmlp.Config(hidden=(37, 5), batch_size=23, n_epochs=2, precision=precision, **settings)
        run = fastmlp.train(dataset, config)
        digest = hashlib.sha256()
        for array in (*run.model.weights, *run.model.biases, run.model.predict_proba(dataset.X_test)):
            digest.update(np.ascontiguousarray(array).tobytes())
        print(precision, config.optimizer, run.history["train_loss"], digest.hexdigest())
"""


@pytest.fixture(scope="module")
def trained():
    """Lines of the script above for an instruction set, each trained once."""
    results = {}

    def train(name):
        if name not in results:
            done = run_python(name, "-c", TRAIN, SETS[name]["FASTMLP_VECTOR_BITS"])
            assert done.returncode == 0, done.stderr[-4000:]
            results[name] = done.stdout.splitlines()
        return results[name]

    return train


@needs_x86
@pytest.mark.parametrize("place", range(4), ids=["sgd, float32", "adam, float32", "sgd, float64", "adam, float64"])
@pytest.mark.parametrize("name", OTHERS or ["none"])
def test_trained_weights_have_the_same_bits(trained, name, place):
    assert trained(name)[place] == trained(NATIVE)[place]
