import os
import sys
from pathlib import Path

import pytest

from fastmlp.io import directories
from fastmlp.io.directories import temporary_cache_dir, user_cache_dir

POSIX = pytest.mark.skipif(os.name == "nt", reason="Windows has no user IDs and other permissions")


@pytest.mark.parametrize(
    ("platform", "variable"), [("linux", "XDG_CACHE_HOME"), ("freebsd", "XDG_CACHE_HOME"), ("win32", "LOCALAPPDATA")]
)
def test_an_environment_variable_sets_the_users_cache_directory(platform, variable, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv(variable, str(tmp_path))
    assert user_cache_dir() == tmp_path


@pytest.mark.parametrize(
    ("platform", "parts"),
    [("linux", [".cache"]), ("darwin", ["Library", "Caches"]), ("win32", ["AppData", "Local"])],
)
def test_the_default_is_the_platforms_directory_in_the_home_directory(platform, parts, monkeypatch):
    monkeypatch.setattr(sys, "platform", platform)
    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(variable, raising=False)
    assert user_cache_dir() == Path.home().joinpath(*parts)


@pytest.fixture
def no_home(monkeypatch):
    def raise_error():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(directories.Path, "home", raise_error)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)


@pytest.fixture
def temporary(monkeypatch, tmp_path):
    """The user's directory under a new directory of temporary files."""
    monkeypatch.setattr(directories.tempfile, "gettempdir", lambda: str(tmp_path))
    return tmp_path / f"fastmlp-{os.getuid() if hasattr(os, 'getuid') else 'user'}"


def test_a_user_without_a_home_directory_has_a_temporary_one(no_home, temporary):
    assert user_cache_dir() == temporary


def test_without_any_writable_directory_nothing_is_cached(no_home, monkeypatch):
    def raise_error():
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(directories.tempfile, "gettempdir", raise_error)
    assert temporary_cache_dir() is None
    assert user_cache_dir() == Path(os.devnull)


def test_a_temporary_directory_need_not_exist(temporary):
    assert temporary_cache_dir() == temporary
    assert not temporary.exists()


@POSIX
@pytest.mark.parametrize(("mode", "is_trusted"), [(0o700, True), (0o755, True), (0o770, False), (0o777, False)])
def test_a_temporary_directory_is_trusted_if_only_its_user_may_write_to_it(mode, is_trusted, temporary):
    temporary.mkdir()
    temporary.chmod(mode)
    assert temporary_cache_dir() == (temporary if is_trusted else None)


@POSIX
def test_a_temporary_directory_of_another_user_is_not_trusted(monkeypatch, temporary):
    temporary.mkdir(mode=0o700)
    user = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: user + 1)
    temporary.rename(temporary.with_name(f"fastmlp-{user + 1}"))
    assert temporary_cache_dir() is None


@POSIX
def test_a_link_or_a_file_in_place_of_a_temporary_directory_is_not_trusted(temporary, tmp_path):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    temporary.symlink_to(tmp_path / "elsewhere")
    assert temporary_cache_dir() is None
    temporary.unlink()
    temporary.touch(mode=0o600)
    assert temporary_cache_dir() is None
