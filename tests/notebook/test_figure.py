"""New figures, of pyplot or not."""

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from fastmlp.errors import MissingExtraError
from fastmlp.notebook.figure import new_figure, require_matplotlib, without_pyplot

plt = pytest.importorskip("matplotlib.pyplot", reason="the extra plot installs matplotlib")


def test_the_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r'Plotting needs matplotlib.*pip install "fastmlp\[plot\]"'):
        require_matplotlib()


def test_a_new_figure_is_the_current_one_of_pyplot():
    figure = new_figure(2.0, 3.0)
    assert plt.gcf() is figure
    assert figure.get_size_inches().tolist() == [3.0, 2.0]


def test_more_figures_than_pyplot_warns_of_are_made_without_it():
    with without_pyplot():
        for _ in range(25):
            new_figure()
    assert plt.get_fignums() == []


def test_other_threads_are_not_concerned():
    with without_pyplot(), ThreadPoolExecutor(1) as pool:
        assert pool.submit(new_figure).result().number in plt.get_fignums()


def test_an_error_ends_the_context():
    with pytest.raises(ZeroDivisionError), without_pyplot():
        1 / 0  # noqa: B018
    assert new_figure().number in plt.get_fignums()
