"""What a user assigns to a public attribute is used correctly or refused; it does not crash the process."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fastmlp

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
