"""Threads: an exception or Ctrl-C ends a study, and finished runs are kept."""

import pytest

import fastmlp
from fastmlp.study import Interrupted


def test_an_exception_in_the_progress_callback_ends_the_study_and_keeps_finished_runs(blobs, config, tmp_path):
    def fail(progress):
        if progress.record is not None:
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        fastmlp.repeat(blobs, config, 20, n_jobs=2, out=tmp_path, progress=fail)
    assert 1 <= len(fastmlp.load_study(tmp_path).records()) < 20


def test_after_an_interrupt_the_exception_has_the_finished_runs(blobs, config):
    def interrupt(progress):
        if progress.n_done == 2:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match=r"^\d+ of 20 runs are in this exception's study$") as caught:
        fastmlp.repeat(blobs, config, 20, n_jobs=1, progress=interrupt)
    assert 2 <= len(caught.value.study.records()) < 20
