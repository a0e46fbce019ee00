"""Epochs over a thousand to a million memory-mapped samples: time grows in proportion, memory does not."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from benchmarks.case import CASES, synthetic_data
from benchmarks.paired import ROOT

SIZES = (1_000, 10_000, 100_000, 1_000_000)
N_HELD_OUT = 100
#: Limit of the memory that training adds. A million samples: 4 MB of order, 4 MB of labels, and 784 MB of file.
ALLOWED_MB = 20
#: Anonymous memory is measured, without the pages of the mapped file, which the operating system may drop at any time.
PROGRAM = """
import json, sys
import fastmlp
from benchmarks.memory import anonymous_memory_mb
dataset = fastmlp.load_data(sys.argv[1])
fastmlp.warmup()
before = anonymous_memory_mb()
seen = []
config = fastmlp.Config(hidden=(128,), batch_size=128, n_epochs=2)
rows = fastmlp.train(dataset, config, progress=lambda _: seen.append(anonymous_memory_mb())).history
print(json.dumps([rows[-1]["train_s"], rows[-1]["train_loss"], max(seen) - before]))
"""


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """A function that writes a folder with the first n_samples of one set of samples."""
    X, y = synthetic_data(SIZES[-1], CASES["mnist"].sizes[0], 10)

    def write(n_samples):
        folder = tmp_path_factory.mktemp("samples")
        parts = {"X_train": X[:n_samples], "y_train": y[:n_samples], "X_test": X[:N_HELD_OUT], "y_test": y[:N_HELD_OUT]}
        for name, part in parts.items():
            np.save(folder / f"{name}.npy", part)
        return folder

    return write


@pytest.mark.skipif(sys.platform != "linux", reason="anonymous memory is read from /proc")
@pytest.mark.benchmark(group="scale")
@pytest.mark.parametrize("n_samples", SIZES)
def test_samples(measure, benchmark, samples, n_samples):
    folder, answers = samples(n_samples), []

    def run():
        command = [sys.executable, "-c", PROGRAM, str(folder)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        answers.append(json.loads(done.stdout))

    measure(run, rounds=3)
    shutil.rmtree(folder)
    epoch_s = min(answer[0] for answer in answers)
    memory_mb = max(answer[2] for answer in answers)
    assert answers[-1][1] < 2.5
    assert memory_mb < ALLOWED_MB
    benchmark.extra_info.update(us_per_sample=1e6 * epoch_s / n_samples, training_memory_mb=memory_mb)
