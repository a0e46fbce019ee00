"""Peak memory of a CIFAR-10 run beyond that of the import, in a process of its own. The images take 184 MB."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from benchmarks.case import has_cifar10, synthetic_data
from benchmarks.paired import ROOT

DATA_MB = 60_000 * 3072 / 1e6
#: By the command line, which prevents that Numba imports scipy.linalg (16 MB).
PROGRAM = """
import json, sys
from benchmarks.memory import peak_memory_mb
import fastmlp
imported = peak_memory_mb()
from fastmlp.__main__ import main
sys.argv = ["fastmlp", "train", "--data", sys.argv[1], "--n-epochs", "1"]
try:
    main()
finally:
    print(json.dumps(peak_memory_mb() - imported))
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """CIFAR-10, or synthetic pixels of the same shape."""
    if has_cifar10():
        return "cifar10"
    X, y = synthetic_data(60_000, 3072, 10)
    file = tmp_path_factory.mktemp("data") / "pixels.npz"
    np.savez(file, X_train=X[:50_000], y_train=y[:50_000], X_test=X[50_000:], y_test=y[50_000:])
    return str(file)


@pytest.mark.skipif(sys.platform == "win32", reason="the resource module is POSIX-only")
@pytest.mark.benchmark(group="memory")
def test_cifar10_run(measure, benchmark, data):
    answers = []

    def run():
        command = [sys.executable, "-c", PROGRAM, data]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        verdict, over_import_mb = done.stdout.splitlines()
        answers.append((float(re.search(r"test loss (\d+\.\d+)", verdict)[1]), json.loads(over_import_mb)))

    measure(run, rounds=2)
    benchmark.extra_info.update(over_import_mb=max(over_import_mb for _, over_import_mb in answers), data_mb=DATA_MB)
    assert all(loss < 2.3 for loss, _ in answers)
