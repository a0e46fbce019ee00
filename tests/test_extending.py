"""The blocks of docs/extending.md are applied to a copy of the package, and its example is run there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import fastmlp

ROOT, PACKAGE = Path(__file__).parents[1], Path(fastmlp.__file__).parent
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^<!-- (?P<marker>[^\n]+) -->\n```\w+\n(?P<code>.*?)^```$", re.M | re.S)
EDIT = re.compile(r"file: (?P<path>\S+); (?P<verb>after|replaces): (?P<anchor>.+)")
#: Section of the page by what it adds.
ADDED = {"activation": "An activation: softsign", "loss": "A loss: log-cosh", "optimizer": "An optimizer: Lion"}
COPIED = (
    "fastmlp",
    "tests/reference",
    "tests/export",
    "tests/conftest.py",
    "tests/test_completeness.py",
    "docs/quickstart.md",
    "pyproject.toml",
)
#: What is run in the finished copy: the test of completeness, the example, and the additions in float64 alone.
SELECTED = "complete or typed_twice or example or (softsign or log_cosh or lion) and not float32"


class Edit(NamedTuple):
    """A block of the page: code that is inserted after a definition or line of a file, or replaces the line."""

    path: str
    verb: str
    anchor: str
    code: str

    def apply(self, root):
        path = root / self.path
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        places = [i for i, line in enumerate(lines) if line.strip().startswith(self.anchor)]
        assert len(places) == 1, f"{self.path}: {len(places)} lines start with {self.anchor!r}, expected 1"
        first, last = places[0], end_of_statement(lines, places[0])
        code = self.code.splitlines(keepends=True)
        if self.anchor.startswith("def "):
            code = ["\n", "\n", *code]
        if self.verb == "replaces":
            words = set(re.findall(r"\w+", "".join(lines[first : last + 1])))
            assert words < set(re.findall(r"\w+", self.code)), (
                f"{self.path}: the block leaves out part of {self.anchor!r}"
            )
        else:
            first = last + 1
        lines[first : last + 1] = code
        path.write_text("".join(lines), encoding="utf-8")


def end_of_statement(lines, first):
    """Last line of the function, or of the line with its open parentheses, that starts here."""
    if lines[first].startswith("def "):
        following = (i for i in range(first + 1, len(lines)) if lines[i].strip() and not lines[i].startswith(" "))
        last = next(following, len(lines)) - 1
        while not lines[last].strip():
            last -= 1
        return last
    depth = 0
    for i in range(first, len(lines)):
        depth += lines[i].count("(") - lines[i].count(")")
        if depth <= 0:
            return i
    raise AssertionError(f"unbalanced parentheses from {lines[first]!r}")


def section(title):
    """Text of a section of the page."""
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def edits(kind):
    """The edits of a section, in order."""
    found = [(EDIT.fullmatch(block["marker"]), block["code"]) for block in BLOCK.finditer(section(ADDED[kind]))]
    return [Edit(match["path"], match["verb"], match["anchor"], code) for match, code in found]


def expected_sentences(kind):
    """Sentences with which the completeness test fails, according to the page, if only the record is added."""
    return re.search(r"^```text\n(.*?)^```$", section(ADDED[kind]), re.M | re.S)[1].splitlines()


def run_tests(root, *arguments):
    """Run pytest in the copy, in a process that imports the copy and caches its kernels there."""
    variables = {**os.environ, "PYTHONPATH": str(root), "NUMBA_CACHE_DIR": str(root / "cache")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=root, env=variables, capture_output=True, text=True, timeout=300)


@pytest.fixture
def copy(tmp_path):
    """A copy of the package, and of the tests that the page mentions."""
    for name in COPIED:
        source, target = PACKAGE if name == "fastmlp" else ROOT / name, tmp_path / name
        target.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    return tmp_path


def test_the_page_states_how_many_files_are_touched():
    counts = {kind: len({edit.path for edit in edits(kind)}) for kind in ADDED}
    stated = re.search(r"an activation touches (\d+) files, a loss (\d+) and an optimizer (\d+)", PAGE).groups()
    assert dict(zip(ADDED, map(int, stated), strict=True)) == counts


def test_the_completeness_test_fails_with_the_sentences_of_the_page(copy):
    sentences = {}
    for kind in ADDED:
        record, *_ = edits(kind)
        assert record.path == "fastmlp/settings.py"
        record.apply(copy)
        sentences[kind] = expected_sentences(kind)
    done = run_tests(copy, "tests/test_completeness.py", "-k", "softsign or log_cosh or lion")
    assert re.search(r"^3 failed", done.stdout.splitlines()[-1]), done.stdout + done.stderr
    output = set(done.stdout.splitlines())
    assert {kind: [line for line in lines if line not in output] for kind, lines in sentences.items()} == {
        kind: [] for kind in ADDED
    }


def test_the_additions_of_the_page_are_complete_and_correct(copy):
    """Also bit for bit against the reference, and against finite differences of the plain formulas, in float64."""
    for kind in ADDED:
        for edit in edits(kind):
            edit.apply(copy)
    example = next(block["code"] for block in BLOCK.finditer(PAGE) if block["marker"] == "run")
    indented = "".join(f"    {line}" if line.strip() else line for line in example.splitlines(keepends=True))
    (copy / "tests" / "test_example.py").write_text(f"def test_example():\n{indented}", encoding="utf-8")
    tests = ("tests/test_completeness.py", "tests/test_example.py", "tests/reference", "tests/export/test_onnx.py")
    done = run_tests(copy, *tests, "-k", SELECTED)
    summary = done.stdout.splitlines()[-1]
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert int(re.match(r"(\d+) passed", summary)[1]) > 50, summary
