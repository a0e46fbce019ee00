from pathlib import Path

import pytest

from fastmlp.data import available, fetch, registry
from fastmlp.data.registry import DATA_SETS, find_data_set
from fastmlp.errors import DataNotFoundError, MissingExtraError


def test_every_named_data_set_is_listed():
    assert [entry.name for entry in available()] == ["digits", "cifar10", "mnist", "fashion-mnist"]


def test_a_missing_data_set_is_listed_with_its_download_size():
    entry = next(entry for entry in available() if entry.name == "cifar10")
    assert (entry.present, entry.location, entry.download_bytes) == (False, None, 170_052_171)


def test_a_present_data_set_is_listed_with_its_location(tmp_path):
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(b"")
    entry = next(entry for entry in available(tmp_path) if entry.name == "cifar10")
    assert entry.present
    assert entry.location == tmp_path / "cifar-10-python.tar.gz"


def test_a_present_data_set_is_not_downloaded(tmp_path):
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(b"")
    assert fetch("cifar10", tmp_path) == tmp_path / "cifar-10-binary.tar.gz"


def test_a_missing_data_set_is_downloaded_into_its_folder(server, tmp_path, monkeypatch):
    names = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
    files = tuple((server.source("good", f"{name}.gz"),) for name in names)
    monkeypatch.setitem(DATA_SETS, "mnist", registry._idx("mnist", "made up", files))
    assert fetch("mnist", tmp_path) == tmp_path / "mnist"
    assert sorted(path.name for path in (tmp_path / "mnist").iterdir()) == sorted(f"{name}.gz" for name in names)


def test_the_error_for_digits_without_scikit_learn_has_the_pip_command(monkeypatch):
    monkeypatch.setitem(DATA_SETS, "digits", DATA_SETS["digits"]._replace(find=lambda folder: None))
    with pytest.raises(MissingExtraError, match=r'pip install "fastmlp\[sklearn\]"'):
        fetch("digits")


@pytest.mark.parametrize(
    ("name", "nearest"), [("cifar-10", "cifar10"), ("MNIST", "mnist"), ("fashion", "fashion-mnist")]
)
def test_the_error_for_an_unknown_name_suggests_the_most_similar_one_and_lists_all(name, nearest):
    message = rf"unknown data set or file '{name}'; did you mean '{nearest}'\? Expected one of digits, cifar10, mnist"
    with pytest.raises(DataNotFoundError, match=message):
        find_data_set(name)


def test_the_error_for_a_name_without_a_similar_one_lists_all():
    with pytest.raises(DataNotFoundError, match=r"unknown data set or file 'qqq'\. Expected one of digits, cifar10"):
        find_data_set("qqq")


def test_the_default_folder_is_that_of_the_environment_variable(monkeypatch, tmp_path):
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(b"")
    monkeypatch.setenv("FASTMLP_DATA", str(tmp_path))
    assert Path(fetch("cifar10")).parent == tmp_path
