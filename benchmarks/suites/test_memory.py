"""Peak memory of the CIFAR-10 run over the bare import, in a process of its own. Its images are 184 MB."""

import json
import os
import subprocess
import sys

import pytest

from benchmarks.duel import ROOT

DATA_MB = 60_000 * 3072 / 1e6
#: What a run may take beside its data.
ALLOWED_MB = 60
PROGRAM = """
import json
from benchmarks.machine import peak_memory_mb
import fastmlp
imported = peak_memory_mb()
from benchmarks.case import has_cifar10, synthetic_data
if has_cifar10():
    dataset = fastmlp.load_data("cifar10")
else:
    X, y = synthetic_data(60_000, 3072, 10)
    dataset = fastmlp.Dataset(X[:50_000], y[:50_000], X[50_000:], y[50_000:])
run = fastmlp.train(dataset, fastmlp.Config(n_epochs=1))
print(json.dumps([peak_memory_mb() - imported, run.history[-1]["train_loss"]]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the resource module is of POSIX")
@pytest.mark.benchmark(group="memory")
def test_cifar10_run(measure, benchmark):
    answers = []

    def run():
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, check=True, capture_output=True, text=True
        )
        answers.append(json.loads(done.stdout))

    measure(run, rounds=2)
    over_import_mb = max(answer[0] for answer in answers)
    benchmark.extra_info.update(over_import_mb=over_import_mb, data_mb=DATA_MB)
    assert answers[0][1] < 2.3
    assert over_import_mb <= DATA_MB + ALLOWED_MB
