import sys
from pathlib import Path

import pytest

from fastmlp.data.folder import data_folder


def test_the_argument_comes_first(monkeypatch):
    monkeypatch.setenv("FASTMLP_DATA", "from the environment")
    assert data_folder("given") == Path("given")


def test_the_environment_comes_second(monkeypatch):
    monkeypatch.setenv("FASTMLP_DATA", "from the environment")
    assert data_folder() == Path("from the environment")


@pytest.mark.parametrize(
    ("platform", "variable"), [("linux", "XDG_CACHE_HOME"), ("win32", "LOCALAPPDATA"), ("freebsd", "XDG_CACHE_HOME")]
)
def test_the_users_cache_comes_third(platform, variable, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv("FASTMLP_DATA", "")
    monkeypatch.setenv(variable, str(tmp_path))
    assert data_folder() == tmp_path / "fastmlp" / "data"


def test_a_mac_has_its_own_cache(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.delenv("FASTMLP_DATA")
    assert data_folder() == Path.home() / "Library" / "Caches" / "fastmlp" / "data"


def test_a_tilde_is_the_home_folder():
    assert data_folder("~/sets") == Path.home() / "sets"
