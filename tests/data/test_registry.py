from pathlib import Path

import pytest

from fastmlp.data import available, fetch, registry
from fastmlp.data.registry import DATA_SETS, find_data_set
from fastmlp.errors import DataNotFoundError, MissingExtraError


def test_every_known_data_set_is_listed():
    assert [entry.name for entry in available()] == ["digits", "cifar10", "mnist", "fashion-mnist"]


def test_what_is_not_there_is_listed_with_its_size():
    entry = next(entry for entry in available() if entry.name == "cifar10")
    assert (entry.present, entry.location, entry.download_bytes) == (False, None, 170_052_171)


def test_what_is_there_is_listed_with_its_place(tmp_path):
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(b"")
    entry = next(entry for entry in available(tmp_path) if entry.name == "cifar10")
    assert entry.present
    assert entry.location == tmp_path / "cifar-10-python.tar.gz"


def test_what_is_there_is_not_fetched(tmp_path):
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(b"")
    assert fetch("cifar10", tmp_path) == tmp_path / "cifar-10-binary.tar.gz"


def test_what_is_not_there_is_fetched_into_its_folder(server, tmp_path, monkeypatch):
    names = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
    files = tuple((server.source("good", f"{name}.gz"),) for name in names)
    monkeypatch.setitem(DATA_SETS, "mnist", registry._idx("mnist", "made up", files))
    assert fetch("mnist", tmp_path) == tmp_path / "mnist"
    assert sorted(path.name for path in (tmp_path / "mnist").iterdir()) == sorted(f"{name}.gz" for name in names)


def test_digits_without_scikit_learn_are_told_with_the_command_that_mends_it(monkeypatch):
    monkeypatch.setitem(DATA_SETS, "digits", DATA_SETS["digits"]._replace(find=lambda folder: None))
    with pytest.raises(MissingExtraError, match=r'pip install "fastmlp\[sklearn\]"'):
        fetch("digits")


@pytest.mark.parametrize(
    ("name", "nearest"), [("cifar-10", "cifar10"), ("MNIST", "mnist"), ("fashion", "fashion-mnist")]
)
def test_an_unknown_name_is_told_with_the_nearest(name, nearest):
    with pytest.raises(
        DataNotFoundError, match=f"'{name}'. Did you mean '{nearest}'. NamedDataSet by name are digits, cifar10"
    ):
        find_data_set(name)


def test_a_name_like_no_other_is_told_with_all():
    with pytest.raises(DataNotFoundError, match=r"'qqq'\. NamedDataSet by name are digits"):
        find_data_set("qqq")


def test_the_folder_is_that_of_the_environment(monkeypatch, tmp_path):
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(b"")
    monkeypatch.setenv("FASTMLP_DATA", str(tmp_path))
    assert Path(fetch("cifar10")).parent == tmp_path
