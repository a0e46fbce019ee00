"""The argument `progress`. What a notebook shows: `tests/notebook/test_kernel.py`."""

import pytest

import fastmlp
from fastmlp.errors import ConfigError
from fastmlp.notebook.progress import progress_shown


@pytest.mark.parametrize("progress", ["auto", None])
def test_nothing_is_shown_outside_of_a_notebook(progress, capfd, monkeypatch, blobs):
    monkeypatch.setattr("fastmlp.notebook.progress.APPEARS_S", 0.0)
    fastmlp.train(blobs, fastmlp.Config(hidden=(4,), n_epochs=2), progress=progress)
    fastmlp.repeat(blobs, fastmlp.Config(hidden=(4,), n_epochs=2), n_repeats=2, progress=progress)
    assert capfd.readouterr() == ("", "")


def test_a_callback_is_called():
    events = []
    with progress_shown(events.append, str) as report:
        report(1)
    assert events == [1]


@pytest.mark.parametrize("progress", ["bar", True, 3])
def test_anything_else_is_refused(progress, blobs):
    for train in (fastmlp.train, fastmlp.repeat):
        with pytest.raises(ConfigError, match=f'^progress: expected a function, "auto" or None, got {progress!r}$'):
            train(blobs, fastmlp.Config(hidden=(4,), n_epochs=1), progress=progress)
