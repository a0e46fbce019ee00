"""The numbers of the paper's figures."""

import pytest

from fastmlp.errors import ConfigError
from fastmlp.paper.figures import check_figures


@pytest.mark.parametrize(("numbers", "got"), [((), "none"), ((4,), "4"), ((1, 0), "1, 0")])
def test_an_unknown_figure_is_refused(numbers, got):
    with pytest.raises(ConfigError, match=f"figure: expected numbers from 1 to 3, got {got}"):
        check_figures(numbers)


def test_figure_numbers_are_sorted_without_duplicates():
    assert check_figures((3, 1, 3)) == (1, 3)
