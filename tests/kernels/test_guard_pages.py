"""Kernels access no byte beyond their buffers, with vectors or without; see guard_pages.py."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import fastmlp

PROGRAM = Path(__file__).parents[1] / "guard_pages.py"
N_NETWORKS = 100

pytestmark = pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="needs mprotect")


def run_guarded(*arguments):
    """The exit code, the network that ran last, and the messages."""
    environment = {**os.environ, "PYTHONPATH": str(Path(fastmlp.__file__).parents[1])}
    command = [sys.executable, "-X", "faulthandler", str(PROGRAM), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    return done.returncode, (done.stdout.splitlines() or ["none"])[-1], done.stderr[-2000:]


@pytest.mark.parametrize("side", ["end", "start"])
def test_no_byte_beyond_a_buffer_is_accessed(side):
    exit_code, network, messages = run_guarded(side, N_NETWORKS)
    assert exit_code == 0, f"the process ended with {exit_code} in network {network}\n{messages}"
    assert network.startswith(f"{N_NETWORKS - 1}: ")


@pytest.mark.parametrize(
    ("side", "damaged"), [("end", "theta"), ("end", "factor"), ("end", "labels"), ("start", "order")]
)
def test_an_access_beyond_a_buffer_ends_the_process(side, damaged):
    """The test of the test: with half of theta or the labels, one factor of the scaling, a sample before the first."""
    exit_code, network, _ = run_guarded(side, N_NETWORKS, damaged)
    assert exit_code in (-signal.SIGSEGV, -signal.SIGBUS)
    assert network.startswith("0: ")
