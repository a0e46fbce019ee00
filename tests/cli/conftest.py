"""The command line in this process and in others, a trained run, and samples to predict."""

import subprocess
import sys

import numpy as np
import pytest

import fastmlp
from fastmlp.cli import main

COMMAND = [sys.executable, "-m", "fastmlp"]


@pytest.fixture
def run(capsys):
    """Function that runs a command in this process and returns its exit code, stdout and stderr."""

    def run_main(*argv):
        code = main([str(word) for word in argv])
        return code, *capsys.readouterr()

    return run_main


@pytest.fixture(scope="session")
def spawn():
    """Function that starts a command in a process of its own."""

    def start(*argv, **options):
        return subprocess.Popen([*COMMAND, *map(str, argv)], **{"stderr": subprocess.PIPE, "text": True, **options})

    return start


@pytest.fixture(scope="session")
def evaluation_pattern():
    """Regular expression of the line that train and evaluate print: accuracy, accuracy of the majority class, loss."""
    return r"test accuracy (0\.\d{4}) \(majority class (0\.\d{4})\), test loss \d+\.\d+"


@pytest.fixture(scope="session")
def results(tmp_path_factory):
    """Output folder of a run on the digits."""
    out = tmp_path_factory.mktemp("runs") / "digits"
    assert main(["train", "--n-epochs", "3", "--hidden", "20", "10", "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="session")
def model(results):
    return fastmlp.load_model(results / "model.npz")


@pytest.fixture(scope="session")
def samples():
    return fastmlp.load_data("digits").X_test


@pytest.fixture
def samples_npy(samples, tmp_path):
    np.save(tmp_path / "samples.npy", samples)
    return tmp_path / "samples.npy"
