"""scripts/check_release.py: what it finds in a source tree and in archives. The script itself runs before a release."""

import importlib.util
import io
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import fastmlp

ROOT = Path(__file__).parents[1]
TRACKED = [
    "README.md",
    ".github/workflows/test.yml",
    "benchmarks/records/1.png",
    "fastmlp/__init__.py",
    "fastmlp/py.typed",
]
WHEEL_FILES = [f"fastmlp-1.2.3.dist-info/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt")]
WHEEL_FILES += ["fastmlp-1.2.3.dist-info/licenses/LICENSE", "fastmlp/__init__.py", "fastmlp/py.typed"]
SDIST_FILES = ["PKG-INFO", "README.md", "fastmlp/__init__.py", "fastmlp/py.typed"]


@pytest.fixture(scope="module")
def check_release():
    spec = importlib.util.spec_from_file_location("check_release", ROOT / "scripts" / "check_release.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "fastmlp").mkdir()
    (tmp_path / "fastmlp" / "version.py").write_text('"""The version."""\n\n__version__ = "1.2.3"\n')
    (tmp_path / "CITATION.cff").write_text("type: software\nversion: 1.2.3\n")
    (tmp_path / "CHANGELOG.md").write_text("## [Unreleased]\n\n## [1.2.3] - 2026-01-01\n")
    return tmp_path


def write_wheel(path, names):
    with zipfile.ZipFile(path, "w") as wheel:
        for name in names:
            wheel.writestr(name, "")


def write_sdist(path, names):
    with tarfile.open(path, "w:gz") as sdist:
        for name in names:
            sdist.addfile(tarfile.TarInfo(f"fastmlp-1.2.3/{name}"), io.BytesIO())


WRITERS = {
    "fastmlp-1.2.3-py3-none-any.whl": (write_wheel, WHEEL_FILES),
    "fastmlp-1.2.3.tar.gz": (write_sdist, SDIST_FILES),
}


def test_the_citation_names_the_version_of_the_package():
    assert f"\nversion: {fastmlp.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_the_version_of_a_tree_is_read(check_release, tree):
    assert check_release.version_of(tree) == "1.2.3"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("CITATION.cff", "version: 1.2.2\n", "'version: 1.2.3'"),
        ("CHANGELOG.md", "## [Unreleased]\n", r"'## \[1.2.3\]'"),
    ],
)
def test_another_version_and_a_missing_section_of_the_changelog_are_refused(check_release, tree, name, text, expected):
    (tree / name).write_text(text)
    with pytest.raises(check_release.ReleaseError, match=f"^{name}: expected a line that begins with {expected}"):
        check_release.version_of(tree)


@pytest.mark.parametrize("name", WRITERS)
def test_the_files_of_an_archive_are_those_of_the_repository(check_release, tmp_path, name):
    write, files = WRITERS[name]
    write(tmp_path / name, files)
    assert check_release.check_content(tmp_path / name, TRACKED, "1.2.3") == len(files)


@pytest.mark.parametrize("name", WRITERS)
def test_missing_and_untracked_files_of_an_archive_are_named(check_release, tmp_path, name):
    write, files = WRITERS[name]
    write(tmp_path / name, [path for path in files if path != "fastmlp/py.typed"])
    with pytest.raises(check_release.ReleaseError, match=rf"^{name}: expected fastmlp/py\.typed; add"):
        check_release.check_content(tmp_path / name, TRACKED, "1.2.3")
    write(tmp_path / name, [*files, "fastmlp/__pycache__/a.pyc"])
    with pytest.raises(check_release.ReleaseError, match=r"got fastmlp/__pycache__/a\.pyc; remove or"):
        check_release.check_content(tmp_path / name, TRACKED, "1.2.3")


def test_only_a_wheel_for_a_platform_may_carry_compiled_kernels(check_release, tmp_path):
    files = [*WHEEL_FILES, "fastmlp/compiled/avx2/a.nbi"]
    for name in ("fastmlp-1.2.3-cp312-cp312-linux_x86_64.whl", "fastmlp-1.2.3-py3-none-any.whl"):
        write_wheel(tmp_path / name, files)
    check_release.check_content(tmp_path / "fastmlp-1.2.3-cp312-cp312-linux_x86_64.whl", TRACKED, "1.2.3")
    with pytest.raises(check_release.ReleaseError, match="compiled"):
        check_release.check_content(tmp_path / "fastmlp-1.2.3-py3-none-any.whl", TRACKED, "1.2.3")


def test_a_command_runs_without_the_variables_of_this_environment(check_release, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    monkeypatch.setenv("NUMBA_CACHE_DIR", "elsewhere")
    program = "import os; print(os.environ.get('PYTHONPATH'), os.environ.get('NUMBA_CACHE_DIR'))"
    assert check_release.run(sys.executable, "-c", program, folder=tmp_path, NUMBA_CACHE_DIR="own") == "None own\n"


def test_a_command_that_fails_shows_what_it_printed(check_release, tmp_path):
    with pytest.raises(check_release.ReleaseError, match=r"(?s)exit code 3\nbefore"):
        check_release.run(sys.executable, "-c", "print('before'); raise SystemExit(3)", folder=tmp_path)
