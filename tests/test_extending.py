"""docs/extending.md: its code, inserted into a copy of the package, trains as the reference implementation does."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: The file, and after what a block is inserted: a record's key, a function, or the other imports.
PLACE = re.compile(r"in `([\w/]+\.py)` after (?:the one of )?(?:`(\"?\w+\"?)`|its other imports)")


def blocks():
    """(file, name after which it is inserted or None, code) of each block of the page but the last."""
    start = 0
    for block in [*FENCE.finditer(PAGE)][:-1]:
        file, name = PLACE.findall(PAGE, start, block.start())[-1]
        yield file, name, block[1]
        start = block.end()


def line_after(text, name):
    """Number of lines up to the end of what a block is inserted after."""
    tree = ast.parse(text)
    if name.startswith('"'):
        keys = [
            (key, value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Dict)
            for key, value in zip(node.keys, node.values, strict=True)
        ]
        return next(
            value.end_lineno
            for key, value in keys
            if isinstance(key, ast.Constant) and repr(key.value) == repr(name[1:-1])
        )
    imports = (ast.Import, ast.ImportFrom)
    found = [
        node.end_lineno
        for node in tree.body
        if (isinstance(node, ast.FunctionDef) and node.name == name if name else isinstance(node, imports))
    ]
    return found[-1]


def insert(path, name, code):
    lines = path.read_text(encoding="utf-8").splitlines()
    line = line_after("\n".join(lines), name)
    gap = ["", ""] if name and not name.startswith('"') else []
    path.write_text("\n".join([*lines[:line], *gap, *code.splitlines(), *lines[line:], ""]), encoding="utf-8")


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    """A copy of the package and of tests/conftest.py with the activation and the loss of the page."""
    root = tmp_path_factory.mktemp("extended")
    shutil.copytree(ROOT / "fastmlp", root / "fastmlp", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("conftest.py", "test_completeness.py"):
        (root / "tests").mkdir(exist_ok=True)
        shutil.copy(ROOT / "tests" / name, root / "tests" / name)
    for file, name, code in blocks():
        insert(root / file, name, code)
    return root


def run(root, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, cwd=root)


def test_every_block_names_its_place():
    assert len([*blocks()]) == 8
    assert {file for file, _, _ in blocks()} == {
        "fastmlp/settings.py", "fastmlp/kernels/activation.py", "fastmlp/kernels/loss.py",
        "fastmlp/reference/elementwise.py", "tests/conftest.py",
    }  # fmt: skip


def test_the_last_block_trains_as_the_reference_implementation_does(extended):
    done = run(extended, "-c", FENCE.findall(PAGE)[-1])
    assert (done.stdout, done.returncode) == ("True True\n", 0), done.stderr[-4000:]


def test_the_extended_package_is_complete(extended):
    done = run(extended, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_completeness.py")
    assert done.returncode == 0, done.stdout[-4000:]


def test_a_record_alone_is_reported_as_incomplete(extended, tmp_path):
    shutil.copytree(ROOT / "fastmlp", tmp_path / "fastmlp", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    for file, name, code in blocks():
        if file == "fastmlp/settings.py":
            insert(tmp_path / file, name, code)
    done = run(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_completeness.py")
    assert done.returncode == 1
    for sentence in (
        "activation 'softsign': fastmlp/kernels/activation.py has no function softsign",
        "activation 'softsign': fastmlp/reference/elementwise.py has no function softsign_backward",
        "loss 'log_cosh': fastmlp/kernels/loss.py has no function log_cosh_loss",
    ):
        assert sentence in done.stdout
