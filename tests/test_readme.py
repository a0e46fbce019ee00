"""README.md and the other pages: the Python examples and commands run, and the links lead to files."""

import logging
import re
import shlex
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
#: Pages whose Python blocks are examples. Those of extending.md change the package: test_extending.py runs them.
EXAMPLES = [path for path in PAGES if "```python\n" in path.read_text(encoding="utf-8") and path.stem != "extending"]
#: Extras that some example needs.
PACKAGES = ("cyclopts", "sklearn", "matplotlib", "onnx", "onnxruntime", "pandas", "safetensors")
#: The table of the examples, as a file.
HOUSES = "area,region,price\n" + "".join(f"{area},{'ns'[area % 2]},{2.5 * area}\n" for area in range(50, 90))
#: What the examples of a page come to, as the page says.
RESULTS = {
    "README.md": ['run.history["test_accuracy"][-1] > 0.9'],
    "docs/cluster.md": ['study.best() == {"l2": 0.001}'],
    "docs/data.md": ['run.history["test_accuracy"][-1] > 0.95'],
    "docs/deploy.md": ["len(label) == len(probabilities) == 5"],
    "docs/quickstart.md": ["model.weights[0].shape == (64, 64)", 'run.history["test_accuracy"][-1] > 0.8'],
    "docs/sklearn.md": ["classifier.score(X, y) > 0.9", "critic.score(texts, opinions) == 1"],
    "docs/tables.md": ['model.predict({"region": ["south"], "area": [100.0]}).shape == (1,)'],
}
#: A fenced block: the comment before it, if any, its language and its content.
BLOCK = re.compile(
    r"^(?:<!-- (?P<remark>run|not run: [^\n]+) -->\n)?```(?P<language>\w*)\n(?P<content>.*?)^```$", re.M | re.S
)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def blocks(path, language):
    """A page's fenced blocks in a language."""
    return [match for match in BLOCK.finditer(path.read_text(encoding="utf-8")) if match["language"] == language]


def commands(content):
    """Arguments of the fastmlp commands in a block, without comments, pipes and redirections."""
    for line in content.splitlines():
        command = line.rpartition("&& ")[2]
        if command.startswith("fastmlp "):
            words = shlex.split(command, comments=True)
            yield words[1 : words.index(">") if ">" in words else None]


def run_block(path, block, namespace):
    """Run Python, or the commands of fastmlp in a block without a language, unless its remark says otherwise."""
    from fastmlp.cli import main

    if block["language"] == "python" and block["remark"] is None:
        # Leading newlines, so that a traceback has the line of the page.
        line = block.string.count("\n", 0, block.start("content"))
        exec(compile("\n" * line + block["content"], str(path), "exec"), namespace)
    elif block["language"] == "" and block["remark"] == "run":
        for words in commands(block["content"]):
            assert main(words) == 0, words


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_examples_of_a_page_run_in_order(path, tmp_path, monkeypatch, caplog):
    for package in PACKAGES:
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    for name in ("houses.csv", "houses-2025.csv", "new-houses.csv"):
        (tmp_path / name).write_text(HOUSES, encoding="utf-8")
    namespace = {}
    with caplog.at_level(logging.INFO, logger="fastmlp"):  # restores the level that an example changes
        for block in BLOCK.finditer(path.read_text(encoding="utf-8")):
            run_block(path, block, namespace)
    results = RESULTS.get(path.relative_to(ROOT).as_posix(), [])
    assert [result for result in results if not eval(result, namespace)] == []


def test_few_python_examples_are_not_run():
    remarks = [path.stem for path in EXAMPLES for block in blocks(path, "python") if block["remark"] is not None]
    assert set(remarks) <= {"README", "cluster", "deploy"}
    assert len(remarks) == sum(path.read_text(encoding="utf-8").count("\n<!-- not run") for path in EXAMPLES)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_commands_of_a_page_parse(path):
    pytest.importorskip("cyclopts")
    from fastmlp.cli import app

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for words in [words for block in blocks(path, "") for words in commands(block["content"])]:
            app.app.parse_args(words, exit_on_error=False, print_error=False)


def test_the_pages_have_commands_to_parse():
    contents = [block["content"] for path in PAGES for block in blocks(path, "")]
    assert sum(len(list(commands(content))) for content in contents) >= 25


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_links_of_a_page_lead_to_files(path):
    links = [link.partition("#")[0] for link in LINK.findall(path.read_text(encoding="utf-8"))]
    relative = [link for link in links if link and "://" not in link]
    assert [link for link in relative if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_scripts_of_a_page_exist(path):
    named = re.findall(r"python (scripts/\S+\.py)", path.read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []
