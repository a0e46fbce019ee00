"""Threads: an exception or Ctrl-C ends a study, and finished runs are kept."""

import _thread
import threading
import time
from collections import defaultdict

import pytest

import fastmlp
from fastmlp import parallel
from fastmlp.errors import ConfigError
from fastmlp.study import Interrupted, threads


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


class TeamRuns:
    """In place of `execute`: runs of five chunks, each of which asks for eight threads, and counts those at work.

    Attributes
    ----------
    n_threads : dict
        The number of threads of each chunk, by run.
    most_at_once : int
        The most threads that were at work at once.
    """

    def __init__(self, seconds=lambda spec: 0.02):
        self.seconds, self.n_threads, self.most_at_once = seconds, defaultdict(list), 0
        self.n_at_work, self.lock = 0, threading.Lock()

    def __call__(self, spec, dataset, progress):
        for _ in range(5):
            with parallel.threads_for("auto", 8) as n:
                self.n_threads[spec].append(n)
                parallel.run_team(lambda rank: self.work(self.seconds(spec)), n)
            progress(None)
        return {}

    def work(self, seconds):
        with self.lock:
            self.n_at_work += 1
            self.most_at_once = max(self.most_at_once, self.n_at_work)
        time.sleep(seconds)
        with self.lock:
            self.n_at_work -= 1


def run(runs, specs, n_jobs, monkeypatch):
    """Execute `TeamRuns`; return the specs of those that finished, in that order."""
    finished = []
    monkeypatch.setattr(threads, "execute", runs)
    threads.run_threads(iter(specs), n_jobs, None, lambda spec, event: finished.append(spec) if event == {} else None)
    return finished


@pytest.mark.parametrize(("n_runs", "n_jobs"), [(1, 1), (3, 3), (4, 4), (30, 4), (9, 2)])
def test_threads_at_work_are_never_more_than_cores_and_at_the_end_use_all(n_runs, n_jobs, four_cores, monkeypatch):
    runs = TeamRuns()
    assert sorted(run(runs, range(n_runs), n_jobs, monkeypatch)) == [*range(n_runs)]
    assert runs.most_at_once <= 4
    if n_jobs < 4:
        assert runs.most_at_once == 4
    assert parallel._cores.in_use == {}


def test_a_run_takes_the_cores_of_others_that_have_ended_but_none_that_a_run_is_about_to_need(four_cores, monkeypatch):
    runs = TeamRuns(lambda spec: 0.05 if spec == "long" else 0.01)
    run(runs, ["long", "short", "short", "short"], 4, monkeypatch)
    assert runs.n_threads["long"][0] == 1
    assert runs.n_threads["long"][-1] == 4
    assert runs.most_at_once <= 4


def test_a_thread_that_cannot_be_started_ends_the_study(four_cores, monkeypatch):
    start = _thread.start_new_thread

    def start_two(function, arguments):
        if arguments == (2,):
            raise RuntimeError("can't start new thread")
        return start(function, arguments)

    monkeypatch.setattr(_thread, "start_new_thread", start_two)
    runs = TeamRuns()
    with pytest.raises(ConfigError, match=r"could not start 5 threads .*choose a smaller n_threads or n_jobs"):
        run(runs, range(10), 4, monkeypatch)
    assert runs.n_threads == {}
    assert parallel._cores.in_use == {}
