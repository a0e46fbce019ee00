"""The command line as a whole: help, mistyped arguments, warnings, and the ways to start it."""

import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import fastmlp
from fastmlp.config import Config

# arguments


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["train", "--learning-rat", "1"], "--learning-rat. Did you mean --learning-rate?"),
        (["train", "--activation", "sigmoyd"], '"sigmoid", "tanh", "relu", "identity"'),
        (["train", "--n-epochs", "many"], "--n-epochs: expected an integer, got many"),
        (["train", "--n-epochs", "1.5"], "--n-epochs: expected an integer, got 1.5"),
        (["train", "--hidden", "10", "2.5"], "--hidden: expected integers, got 10 2.5"),
        (["train", "--hidden", "8,8"], "--hidden: expected integers, got 8,8; separate sizes by spaces: --hidden 8 8"),
        (["paper", "--out", "x", "--figure", "1,3"], "got 1,3; separate numbers by spaces: --figure 1 3"),
        (["train", "--hidden", str(10**15)], "Unable to allocate"),
        (["train", "--hidden"], "--hidden"),
        (["trian"], 'Did you mean "train"?'),
        (["predict"], "MODEL"),
        (["train", "--data", "cifar11"], "cifar11"),
        (["evaluate", "nowhere.npz"], "nowhere.npz"),
    ],
)
def test_invalid_arguments_exit_with_2_and_a_message_on_stderr(argv, message, run):
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    assert re.search(rf"^error: .*{re.escape(message)}", err, re.MULTILINE | re.DOTALL)


@pytest.mark.filterwarnings("default")
def test_a_warning_is_one_line(run):
    _, _, err = run("train", "--n-epochs", "1", "--batch-size", "100000")
    assert re.search(r"^warning: .*batch", err, re.MULTILINE)
    assert "UserWarning" not in err


# help


def test_every_setting_has_an_option_with_a_description(run):
    code, out, _ = run("train", "--help")
    assert code == 0
    for name in (field.name.replace("_", "-") for field in fields(Config)):
        assert re.search(rf"--{name} .*[a-z]", out)
    assert out.count("[default:") >= len(fields(Config))


@pytest.mark.parametrize("command", ["train", "evaluate", "predict", "export", "data", "warmup", "info"])
def test_every_command_is_listed_and_has_a_help_page(command, run):
    assert re.search(rf"^. {command} +[A-Z]", run("--help")[1], re.MULTILINE)
    assert run(command, "--help")[0] == 0


def test_the_version_is_that_of_the_package(run):
    assert run("--version") == (0, f"{fastmlp.__version__}\n", "")


# ways to start


def test_python_m_fastmlp_is_the_same_program(evaluation_pattern):
    command = [sys.executable, "-m", "fastmlp", "train", "--n-epochs", "2"]
    got = subprocess.run(command, capture_output=True, text=True, check=True)
    assert re.fullmatch(evaluation_pattern + r", 2 epochs in .*\n", got.stdout)


def test_the_script_is_installed_beside_the_interpreter():
    script = Path(sys.executable).with_name("fastmlp" + ".exe" * (os.name == "nt"))
    if not script.exists():
        pytest.skip("fastmlp runs from its source tree here")
    got = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert got.stdout == f"{fastmlp.__version__}\n"


def test_without_cyclopts_the_error_names_the_pip_command():
    code = "import sys; sys.modules['cyclopts'] = None; from fastmlp.__main__ import main; sys.exit(main())"
    got = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert got.returncode == 2
    assert got.stderr == (
        'error: The command line needs cyclopts, which is not installed. Run: pip install "fastmlp[cli]"\n'
    )
