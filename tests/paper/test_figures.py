"""The numbers of the paper's figures."""

import numpy as np
import pytest

import fastmlp
from fastmlp.data.cifar10 import find_cifar10, load_cifar10
from fastmlp.data.folder import data_folder
from fastmlp.errors import ConfigError
from fastmlp.paper.figures import CIFAR10_CHECKSUM, FIGURES, check_figures, deviations_of


@pytest.mark.parametrize(("numbers", "got"), [((), "none"), ((4,), "4"), ((1, 0), "1, 0")])
def test_an_unknown_figure_is_refused(numbers, got):
    with pytest.raises(ConfigError, match=f"figure: expected numbers from 1 to 3, got {got}"):
        check_figures(numbers)


def test_figure_numbers_are_sorted_without_duplicates():
    assert check_figures((3, 1, 3)) == (1, 3)


def test_the_runs_of_the_paper_have_no_deviation(make_study):
    assert deviations_of([make_study(number) for number in FIGURES]) == []


def test_every_deviation_is_named_once(make_study, digits):
    studies = [make_study(1, data=digits, n_repeats=1, n_epochs=1), make_study(3, n_repeats=2, n_epochs=30)]
    studies[1]._records.pop()
    assert deviations_of([studies[0], *studies]) == [
        "digits instead of CIFAR-10",
        "1 repeat instead of 10",
        "1 epoch instead of 20",
        "2 repeats instead of 10",
        "30 epochs instead of 20",
        "7 of 8 runs",
    ]


@pytest.fixture(scope="module")
def cifar10():
    path = find_cifar10(data_folder())
    if path is None:
        pytest.skip("CIFAR-10 is not in the data folder")
    return load_cifar10(path)


def test_cifar10_is_recognised_by_its_checksum_in_any_format(cifar10, tmp_path):
    assert cifar10.checksum() == CIFAR10_CHECKSUM
    arrays = {name: getattr(cifar10, name) for name in ("X_train", "y_train", "X_test", "y_test")}
    np.savez(tmp_path / "images.npz", **arrays)
    assert fastmlp.load_data(tmp_path / "images.npz").checksum() == CIFAR10_CHECKSUM
    arrays["X_train"][0, 0] ^= 1
    assert fastmlp.Dataset(*arrays.values(), name="cifar10").checksum() != CIFAR10_CHECKSUM
