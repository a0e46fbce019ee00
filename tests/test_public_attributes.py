"""What a user assigns to a public attribute is used correctly or refused; it does not crash the process."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastmlp
from fastmlp import Config
from fastmlp.errors import DataError, DataTypeError

PROGRAM = Path(__file__).with_name("attribute_assignments.py")


def test_every_assignment_to_a_public_attribute_is_correct_or_an_error():
    pytest.importorskip("sklearn")
    environment = {**os.environ, "PYTHONPATH": str(Path(fastmlp.__file__).parents[1]), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-X", "faulthandler", str(PROGRAM)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", env=environment)
    last = done.stdout.strip().splitlines()[-1]
    assert done.returncode == 0, f"exit code {done.returncode} after: {last}\n{done.stderr[-4000:]}"
    n_cases, n_accepted = map(int, re.fullmatch(r"(\d+) cases, (\d+) accepted, 0 failures", last).groups())
    assert n_cases > 5000
    assert n_accepted > 500


LAYOUT = "X: expected uint8, float32, float64 in native byte order with contiguous rows, got "


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("y_train", np.zeros(3, np.int32), "y: expected targets of 120 samples"),
        ("y_train", np.full(120, 2**30, np.int32), "y: expected labels 0 to 2, got 1073741824"),
        ("y_test", np.full(40, -1, np.int32), "y: expected labels 0 to 2, got -1"),
        ("weight_train", np.ones(3), r"weights: expected one per sample, shape \(120,\), got shape \(3,\)"),
        ("X_test", np.ones((40, 4)), r"X: expected shape \(n_samples, 5\), got \(40, 4\)"),
        ("X_test", np.ones((4000, 5)), "y: expected targets of 4000 samples"),
        ("X_test", np.ones((40, 10))[:, ::2], LAYOUT),
        ("X_train", np.ones((120, 5), np.int64), LAYOUT),
    ],
)
def test_what_bypasses_the_checks_of_a_dataset_is_refused_at_the_kernels(name, value, message, make_blobs):
    dataset = make_blobs()
    object.__setattr__(dataset, name, value)
    with pytest.raises((DataError, DataTypeError), match=f"^{message}"):
        fastmlp.train(dataset, Config(hidden=(4,), n_epochs=1))
