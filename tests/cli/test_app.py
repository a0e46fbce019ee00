"""The command line as a whole: help, mistyped arguments, warnings, and the ways to start it."""

import inspect
import os
import re
import subprocess
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from rich.console import Console

import fastmlp
from fastmlp.cli.app import app
from fastmlp.cli.settings import GivenSettings
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
        (["train", "--hidden", "(8,", "8)"], "expected integers, got (8, 8); separate sizes by spaces: --hidden 8 8"),
        (["train", "--hidden", "8x8"], "--hidden: expected integers, got 8x8; separate sizes by spaces: --hidden 8 8"),
        (["train", "--target", "a", "b"], "b: expected no more arguments; quote a value with spaces"),
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


def test_a_command_that_reads_no_table_imports_no_scipy(tmp_path):
    (tmp_path / "x.csv").write_text("a,y\n" + "1.5,0\n2.5,1\n3.5,0\n" * 9)
    command = [sys.executable, "-X", "importtime", "-m", "fastmlp", "train", "--n-epochs", "1", "--data"]
    for data, imports in (("digits", False), (tmp_path / "x.csv", True)):
        got = subprocess.run([*command, data], capture_output=True, text=True, check=True)
        assert (re.search(r"\| +scipy\.linalg$", got.stderr, re.MULTILINE) is not None) == imports


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


# defaults of a group of options


def command_functions(application, *words):
    """Every command with its words: its own, after those of the application that it belongs to."""
    for word in application:
        if not word.startswith("-"):
            command = application[word]
            if command.default_command is not None:
                yield (*words, word), command.default_command
            yield from command_functions(command, *words, word)


#: A word for each positional parameter and required option of a command.
REQUIRED = {"paper": ["--out", "out"], "evaluate": ["model.npz"], "predict": ["model.npz", "new.csv"]}


def grouped_options():
    """Each option that is a field of a dataclass: the command, the parameter, the option, and a value for it."""
    for words, function in command_functions(app):
        for name, parameter in inspect.signature(function).parameters.items():
            kind = get_args(parameter.annotation)[0] if get_args(parameter.annotation) else parameter.annotation
            if is_dataclass(kind):
                for field in fields(kind):
                    yield pytest.param(words, name, field.name, id=f"{' '.join(words)} {field.name}")


#: Values of options that accept only some words, by name.
WORDS = {"kind": ["age=number"], "delimiter": ["tab"], "decimal": [","], "encoding": ["latin-1"], "header": []}


def choices_of(hint):
    """The words of a Literal, also within a union or an annotation."""
    return [word for part in get_args(hint) for word in ([part] if isinstance(part, str) else choices_of(part))]


def other_value(name, default, choices):
    """Words for another value than the default."""
    if name in WORDS:
        return WORDS[name]
    if choices:
        return [next(word for word in choices if word != default)]
    if isinstance(default, bool):
        return []
    if isinstance(default, tuple):
        return ["7", "8"]
    return {int: ["3"], float: ["0.125"]}.get(type(default), ["other"])


@pytest.mark.parametrize(("words", "parameter", "name"), [*grouped_options()])
def test_one_option_of_a_group_leaves_the_others_at_the_defaults_in_the_help(words, parameter, name):
    function = dict(command_functions(app))[words]
    default = inspect.signature(function).parameters[parameter].default
    kind = type(default)
    flag = f"--{'no-' * (getattr(default, name) is True)}{name.replace('_', '-')}"
    value = other_value(name, getattr(default, name), choices_of(get_type_hints(kind)[name]))
    _, bound, _ = app.parse_args([*words, *REQUIRED.get(words[-1], []), flag, *value], exit_on_error=False)
    got = bound.arguments[parameter]
    changed = {field.name for field in fields(kind) if getattr(got, field.name) != getattr(default, field.name)}
    assert (set(got.given) if isinstance(got, GivenSettings) else changed) == {name}
    console = Console(width=1000)  # so that no line is wrapped
    with console.capture() as page:
        app.help_print([*words], console=console)
    shown = re.search(rf"--{name.replace('_', '-')}(?!\S).*?(\[default: (.*?)\] *.?\n|\n)", page.get())[2]
    expected = getattr(default, name)
    assert shown == (None if expected is None else str(expected))


def test_the_default_of_a_group_is_that_of_its_fields():
    """A command's own default for a group, such as Options(data="cifar10"), is lost as soon as one option is given."""
    found = {words: default for words, default in group_defaults() if default != type(default)()}
    assert found == {}
    assert len(list(group_defaults())) >= 6


def group_defaults():
    for words, function in command_functions(app):
        for parameter in inspect.signature(function).parameters.values():
            if is_dataclass(parameter.default):
                yield words, parameter.default


@pytest.mark.parametrize(
    ("command", "name"), [("paper", "cifar10"), ("train", "digits"), ("sweep", "digits"), ("evaluate", "digits")]
)
def test_the_data_set_is_the_documented_one_where_only_its_folder_is_given(command, name, tmp_path):
    words = [command, *REQUIRED.get(command, []), "--data-dir", str(tmp_path)]
    _, bound, _ = app.parse_args(words, exit_on_error=False)
    assert (bound.arguments["options"].data, bound.arguments["options"].data_dir) == (name, tmp_path)
