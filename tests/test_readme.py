"""README.md and the other pages: the Python examples run, the commands parse, and the links lead to files."""

import re
import shlex
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
#: A fenced block: the comment before it, if any, its language and its content.
BLOCK = re.compile(r"^(?:<!-- not run: (?P<reason>.+) -->\n)?```(?P<language>\w*)\n(?P<content>.*?)^```$", re.M | re.S)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def blocks(path, language):
    """Line numbers, contents and the reasons not to run of a page's fenced blocks in a language."""
    text = path.read_text(encoding="utf-8")
    found = [match for match in BLOCK.finditer(text) if match["language"] == language]
    return [(text.count("\n", 0, match.start("content")), match["content"], match["reason"]) for match in found]


def commands(path):
    """Arguments of every fastmlp command in a page's blocks, without comments, pipes and redirections."""
    for _, content, _ in blocks(path, ""):
        for line in content.splitlines():
            command = line.rpartition("&& ")[2]
            if command.startswith("fastmlp "):
                words = shlex.split(command, comments=True)
                yield words[1 : words.index(">") if ">" in words else None]


def test_the_python_examples_of_the_readme_run_in_order(tmp_path, monkeypatch):
    for package in ("sklearn", "matplotlib", "onnx", "pandas", "safetensors"):
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    namespace, n_run = {}, 0
    for line, content, reason in blocks(README, "python"):
        if reason is None:
            # Leading newlines, so that a traceback has the line of the README.
            exec(compile("\n" * line + content, str(README), "exec"), namespace)
            n_run += 1
    assert n_run >= 6
    assert {path.name for path in tmp_path.iterdir()} >= {"digits.npz", "model.onnx", "model.safetensors", "studies"}
    assert namespace["run"].history["test_accuracy"][-1] > 0.9
    assert namespace["study"].best() == {"l2": 0.001}
    assert namespace["model"].weights[0].shape == (64, 100)


def test_the_python_example_of_tables_runs():
    pytest.importorskip("pandas")
    namespace, path = {}, ROOT / "docs" / "tables.md"
    for line, content, _ in blocks(path, "python"):
        exec(compile("\n" * line + content, str(path), "exec"), namespace)
    assert namespace["model"].predict({"region": ["south"], "area": [100.0]}).shape == (1,)


def test_blocks_that_are_not_run_give_a_reason():
    text = README.read_text(encoding="utf-8")
    reasons = [reason for _, _, reason in blocks(README, "python") if reason is not None]
    assert text.count("<!-- not run") == len(reasons) <= 1


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_commands_of_a_page_parse(path):
    pytest.importorskip("cyclopts")
    from fastmlp.cli import app

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for words in commands(path):
            app.app.parse_args(words, exit_on_error=False, print_error=False)


def test_the_readme_has_commands_to_parse():
    assert len(list(commands(README))) >= 15


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_links_of_a_page_lead_to_files(path):
    links = [link.partition("#")[0] for link in LINK.findall(path.read_text(encoding="utf-8"))]
    relative = [link for link in links if link and "://" not in link]
    assert [link for link in relative if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_scripts_of_a_page_exist(path):
    named = re.findall(r"python (scripts/\S+\.py)", path.read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []
