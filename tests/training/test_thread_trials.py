import itertools

import pytest

from fastmlp.training import thread_trials
from fastmlp.training.thread_trials import CHUNK_S, TRIAL_S, ThreadTrials


def simulate(trials, steps_per_s, duration, chunk_s=None, available=None):
    """Run chunks for a simulated time, at the given speed of each number of threads; returns seconds by number."""
    spent = dict.fromkeys(steps_per_s, 0.0)
    while sum(spent.values()) < duration:
        n = min(trials.n_threads, available or trials.n_threads)
        seconds = chunk_s or trials.seconds
        trials.record(n, n_steps=seconds * steps_per_s[n], seconds=seconds)
        spent[n] += seconds
    return spent


@pytest.mark.parametrize(("speeds", "faster"), [({1: 100.0, 4: 190.0}, 4), ({1: 100.0, 4: 20.0}, 1)])
@pytest.mark.parametrize("chunk_s", [None, 0.001, 0.3])
def test_the_faster_number_of_threads_has_nearly_all_of_the_time(speeds, faster, chunk_s):
    spent = simulate(ThreadTrials(4), speeds, 100.0, chunk_s)
    assert spent[faster] > 0.95 * sum(spent.values())


@pytest.mark.parametrize(("before", "after"), list(itertools.permutations([{1: 100.0, 2: 190.0}, {1: 100.0, 2: 30.0}])))
def test_a_change_of_the_speeds_is_noticed(before, after):
    trials = ThreadTrials(2)
    simulate(trials, before, 5.0)
    simulate(trials, after, thread_trials.LONGEST_PAUSE_S)
    assert trials.n_threads == max(after, key=after.get)


def test_one_thread_is_all_that_is_tried_where_no_more_are_allowed():
    trials = ThreadTrials(1)
    assert simulate(trials, {1: 100.0}, 10.0) == {1: pytest.approx(10.0, abs=CHUNK_S)}
    assert trials.seconds == CHUNK_S


def test_chunks_that_found_no_free_core_do_not_count():
    trials = ThreadTrials(2)
    simulate(trials, {1: 100.0, 2: 1.0}, 5.0, available=1)
    assert (trials.n_threads, trials.seconds) == (2, TRIAL_S)
    simulate(trials, {1: 100.0, 2: 190.0}, 0.8)
    assert trials.n_threads == 2
