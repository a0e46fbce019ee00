"""Weights trained at every width of a vector have the same bits. The width is chosen when kernels are compiled, so each
has a process of its own.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import fastmlp
from fastmlp.codegen.cpu import VECTOR_WIDTHS, features

SCRIPT = """
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
    """What the script prints at a width, each width once."""
    results, path = {}, str(Path(fastmlp.__file__).parents[1])

    def train(bits):
        if bits not in results:
            environment = {**os.environ, "FASTMLP_VECTOR_BITS": str(bits), "PYTHONPATH": path}
            command = [sys.executable, "-c", SCRIPT, str(bits)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
            results[bits] = done.stdout.splitlines()
        return results[bits]

    return train


@pytest.mark.parametrize("place", range(4), ids=["sgd, float32", "adam, float32", "sgd, float64", "adam, float64"])
@pytest.mark.parametrize("bits", VECTOR_WIDTHS[:-1])
def test_weights_are_the_same_at_every_width(trained, bits, place):
    if bits == 512 and "avx512f" not in features():
        pytest.skip("this CPU has no vectors of 512 bits (AVX-512)")
    if bits == 256 and "avx2" not in features():
        pytest.skip("this CPU has no vectors of 256 bits (AVX2)")
    assert trained(bits)[place] == trained(128)[place]
