import sys
from pathlib import Path

import pytest

from fastmlp.data.folder import data_folder


def test_the_argument_has_priority(monkeypatch):
    monkeypatch.setenv("FASTMLP_DATA", "from the environment")
    assert data_folder("given") == Path("given")


def test_without_an_argument_the_environment_variable_is_used(monkeypatch):
    monkeypatch.setenv("FASTMLP_DATA", "from the environment")
    assert data_folder() == Path("from the environment")


@pytest.mark.parametrize(
    ("platform", "variable"), [("linux", "XDG_CACHE_HOME"), ("win32", "LOCALAPPDATA"), ("freebsd", "XDG_CACHE_HOME")]
)
def test_without_either_the_users_cache_directory_is_used(platform, variable, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv("FASTMLP_DATA", "")
    monkeypatch.setenv(variable, str(tmp_path))
    assert data_folder() == tmp_path / "fastmlp" / "data"


def test_macos_has_its_own_cache_directory(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.delenv("FASTMLP_DATA")
    assert data_folder() == Path.home() / "Library" / "Caches" / "fastmlp" / "data"


def test_a_tilde_is_expanded_to_the_home_directory():
    assert data_folder("~/sets") == Path.home() / "sets"
