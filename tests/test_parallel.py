"""Threads of one call: their number by limits and free cores; interrupts, failures and forks."""

import _thread
import dis
import functools
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from contextlib import ExitStack, suppress

import numpy as np
import pytest

from fastmlp import parallel
from fastmlp.errors import ConfigError

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")


def n_for(n_threads="auto", n_that_pay=64):
    with parallel.threads_for(n_threads, n_that_pay) as n:
        return n


def n_for_limited_to(n_threads):
    with parallel.limited_to(n_threads):
        return n_for()


def on_a_thread(function):
    """The result of a function on a thread of its own."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    return results[0]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(sys._current_frames())
    yield
    end = time.monotonic() + 1.0
    while set(sys._current_frames()) - before and time.monotonic() < end:  # a thread that has just ended its work
        time.sleep(0.001)
    assert set(sys._current_frames()) <= before


# the user's choice


@pytest.mark.parametrize("n_threads", ["auto", 1, 2, 1024, np.int64(2)])
def test_auto_and_counts_are_accepted(n_threads):
    parallel.check_threads(n_threads)


@pytest.mark.parametrize("n_threads", [0, -1, 1025, True, 2.0, "2", "Auto", None, [1]])
def test_other_values_are_refused(n_threads):
    with pytest.raises(ConfigError, match=r'^n_threads: expected "auto" or an integer from 1 to 1024, got '):
        parallel.check_threads(n_threads)


def test_a_number_is_taken_as_it_is_even_above_the_number_of_cores(four_cores, monkeypatch):
    monkeypatch.setenv("FASTMLP_NUM_THREADS", "2")
    assert n_for(7, n_that_pay=1) == 7


# limits


def test_auto_takes_what_pays_and_no_more_than_there_are_cores(four_cores):
    assert [n_for(n_that_pay=n) for n in (1, 2, 4, 5)] == [1, 2, 4, 4]


@pytest.mark.parametrize("name", parallel.VARIABLES)
def test_an_environment_variable_lowers_the_limit_and_never_raises_it(name, four_cores, monkeypatch):
    monkeypatch.setenv(name, "3")
    assert n_for() == 3
    assert parallel.thread_limits() == {"physical cores": 4, name: 3}
    monkeypatch.setenv(name, "100")
    assert n_for() == 4


def test_the_least_limit_applies(four_cores, monkeypatch):
    monkeypatch.setenv("FASTMLP_NUM_THREADS", "3")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert n_for() == 2


@pytest.mark.parametrize(("value", "n"), [(" 2 ", 2), ("2,1", 2), ("", 4), (" ", 4)])
def test_the_forms_of_openmp_are_read(value, n, four_cores, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert n_for() == n


@pytest.mark.parametrize("value", ["two", "0", "-1", "1.5", ",2", "9" * 5000])
def test_a_malformed_value_is_ignored_with_a_single_warning(value, four_cores, monkeypatch):
    monkeypatch.setenv("FASTMLP_NUM_THREADS", value)
    parallel._read_variable.cache_clear()
    with pytest.warns(UserWarning, match=f"^FASTMLP_NUM_THREADS: expected an integer >= 1, got '{value}'; it is ign"):
        assert n_for() == 4
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert n_for() == 4


@pytest.mark.parametrize(("limits", "n"), [((1.5,), 1), ((3.0, 2.9), 2), ((0.2,), 1), ((100.0,), 4)])
def test_a_quota_is_rounded_down_to_whole_cores_but_not_to_none(limits, n, four_cores, monkeypatch):
    monkeypatch.setattr(parallel, "cgroup_limits", lambda: limits)
    assert n_for() == n


def test_a_limit_of_the_thread_does_not_hold_for_others(four_cores):
    with parallel.limited_to(2):
        assert n_for() == 2
        assert on_a_thread(n_for) == 4
        with parallel.limited_to(1):
            assert n_for() == 1
        assert n_for() == 2
    assert n_for() == 4


def test_a_limit_of_the_thread_does_not_count_the_cores_of_others(four_cores):
    with parallel.limited_to(2), parallel.threads_for(2, 1):
        with parallel.core_in_use():
            assert n_for() == 2
        assert on_a_thread(lambda: n_for_limited_to(2)) == 2
        assert on_a_thread(lambda: n_for_limited_to(1)) == 1


# cores in use


def test_a_core_in_use_counts_once_however_deeply_calls_are_nested(four_cores):
    with parallel.core_in_use(), parallel.core_in_use():
        with parallel.core_in_use():
            assert on_a_thread(lambda: n_for(n_that_pay=9)) == 2  # an even share
            assert n_for() == 4
        assert parallel._cores.in_use == {threading.get_ident(): 1}
    assert parallel._cores.in_use == {}


def test_threads_that_work_at_the_same_time_share_the_cores_evenly(four_cores):
    counts, start, has_counted = [], threading.Barrier(3), threading.Barrier(3)

    def work():
        with parallel.core_in_use():
            start.wait()
            with parallel.threads_for("auto", 64) as n:
                counts.append(n)
                has_counted.wait()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(counts) == [1, 1, 2]
    assert n_for() == 4


def test_more_threads_than_cores_get_one_core_each(four_cores, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with parallel.core_in_use():
        assert on_a_thread(n_for) == 1


def test_what_a_number_takes_is_in_use(four_cores):
    with parallel.threads_for(3, 1):
        assert on_a_thread(n_for) == 1
    with parallel.threads_for(2, 1):
        assert on_a_thread(n_for) == 2
    assert on_a_thread(n_for) == 4


def test_an_exception_frees_the_cores(four_cores):
    with suppress(ZeroDivisionError), parallel.threads_for("auto", 4) as n:
        assert n == 4
        raise ZeroDivisionError
    assert parallel._cores.in_use == {}


def test_an_exit_that_ctrl_c_has_delayed_takes_no_core_forever(four_cores):
    """The context is then closed later, when the traceback is freed, and perhaps after the one around it."""
    with ExitStack() as stack:
        delayed = parallel.threads_for("auto", 4)
        stack.enter_context(parallel.core_in_use())
        delayed.__enter__()
    del delayed, stack
    assert parallel._cores.in_use == {}


# teams


def test_ranks_run_at_the_same_time_on_threads_of_their_own_and_rank_0_on_this_one():
    together = threading.Barrier(4)

    def call(rank):
        together.wait(10)
        return rank, threading.get_ident()

    results = parallel.run_team(call, 4)
    assert [rank for rank, _ in results] == [0, 1, 2, 3]
    assert len({ident for _, ident in results}) == 4
    assert results[0][1] == threading.get_ident()


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_the_exception_of_a_rank_frees_the_others_and_is_raised(failing):
    together = threading.Barrier(3)

    def call(rank):
        if rank == failing:
            raise OSError(f"rank {rank}")
        together.wait(10)

    with pytest.raises((OSError, threading.BrokenBarrierError)) as caught:
        parallel.run_team(call, 3, together.abort)
    assert caught.type is OSError
    assert str(caught.value) == f"rank {failing}"


def test_a_thread_that_cannot_be_started_frees_those_that_wait_for_it(monkeypatch):
    together, start = threading.Barrier(3), _thread.start_new_thread

    def start_one(function, arguments):
        if arguments == (2,):
            raise RuntimeError("can't start new thread")
        return start(function, arguments)

    monkeypatch.setattr(_thread, "start_new_thread", start_one)
    with pytest.raises(ConfigError, match=r"start 3 threads \(can't start new thread\); choose a smaller n_threads"):
        parallel.run_team(lambda rank: together.wait(10), 3, together.abort)


def test_a_thread_that_begins_after_another_has_failed_calls_nothing(monkeypatch):
    called, start, has_failed = [], _thread.start_new_thread, threading.Event()

    def start_late(function, arguments):
        return start(lambda: has_failed.wait(10) and function(*arguments), ())

    def call(rank):
        called.append(rank)
        raise ZeroDivisionError

    monkeypatch.setattr(_thread, "start_new_thread", start_late)
    with pytest.raises(ZeroDivisionError):
        parallel.run_team(call, 2, has_failed.set)
    assert called == [0]


class Interruption:
    """A trace function that raises KeyboardInterrupt at one of the instructions before which CPython handles signals.

    These are the first of a function, and those after a call or a jump. Signals at random moments would hardly ever
    find a gap of some nanoseconds.
    """

    def __init__(self, number):
        self.number, self.n_seen, self.ident = number, 0, threading.get_ident()

    def __call__(self, frame, event, argument):
        if threading.get_ident() != self.ident or frame.f_code.co_filename == __file__:
            return None
        frame.f_trace_opcodes = True
        instructions = [*dis.get_instructions(frame.f_code)]
        names = ("RESUME", "CALL", "BEFORE_WITH", "JUMP", "LOAD_SPECIAL")
        after = {b.offset for a, b in itertools.pairwise(instructions) if a.opname.startswith(names)}
        return functools.partial(self.before_instruction, after)

    def before_instruction(self, after, frame, event, argument):
        if event == "opcode" and frame.f_lasti in after:
            self.n_seen += 1
            if self.n_seen == self.number:
                raise KeyboardInterrupt
        return functools.partial(self.before_instruction, after)


def test_ctrl_c_at_any_instruction_leaves_no_thread_and_no_core_in_use():
    began, ended, before = [], [], sys.gettrace()

    def call(rank):
        began.append(rank)
        time.sleep(0.001 * rank)
        ended.append(rank)

    for number in itertools.count(1):
        began.clear()
        ended.clear()
        try:
            sys.settrace(Interruption(number))
            with parallel.threads_for(3, 3) as n:
                parallel.run_team(call, n)
        except KeyboardInterrupt:
            pass
        else:
            break
        finally:
            sys.settrace(before)
            assert set(began) - {0} == set(ended) - {0}
        assert parallel._cores.in_use == {}
    assert number > 30
    assert sorted(ended) == [0, 1, 2]


def run_script(text, *, interrupt_after=None, timeout=60):
    """The output of a Python program; with `interrupt_after`, SIGINT is sent so many seconds after its first line."""
    command = [sys.executable, "-c", text]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            first = process.stdout.readline()
            if interrupt_after is not None:
                time.sleep(interrupt_after)
                process.send_signal(signal.SIGINT)
            return first + process.communicate(timeout=timeout)[0]
        finally:
            process.kill()


INTERRUPTED = """
import sys, time
from fastmlp import parallel

n_done = [0] * 3
def call(rank):
    time.sleep([0.1, 0.1, {slowest}][rank])
    n_done[rank] += 1

try:
    print("started", flush=True)
    while True:
        with parallel.threads_for(3, 3) as n:
            parallel.run_team(call, n)
except KeyboardInterrupt:
    print(len(sys._current_frames()), parallel._cores.in_use, len(set(n_done[1:])))
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
@pytest.mark.parametrize("slowest", [0.1, 0.4])
@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.25])
def test_ctrl_c_is_raised_when_all_threads_have_ended(slowest, seconds):
    """With 0.25 s and a rank of 0.4 s, it comes while rank 0 waits for the end of the others."""
    output = run_script(INTERRUPTED.format(slowest=slowest), interrupt_after=seconds)
    assert output.startswith("started\n1 {} ")
    if seconds > 0:  # otherwise it may come between the start of one thread and of the next
        assert output.endswith(" 1\n")


FORKED = """
import os, sys, threading
from fastmlp import parallel

def check():
    with parallel.threads_for(3, 3) as n:
        assert parallel.run_team(lambda rank: rank, n) == [0, 1, 2]
    assert len(sys._current_frames()) == 1
    os._exit(0 if list(parallel._cores.in_use) == {in_use} else 1)

{program}
"""
AFTER = """
with parallel.threads_for(2, 2) as n:
    parallel.run_team(lambda rank: rank, n)
pid = os.fork()
if pid == 0:
    check()
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
DURING = """
together, forked = threading.Barrier(3), threading.Event()
def train():
    with parallel.threads_for(2, 2) as n:
        parallel.run_team(lambda rank: (together.wait(), forked.wait()), n)
thread = threading.Thread(target=train)
thread.start()
together.wait()
with parallel._cores.lock if {locked} else parallel.core_in_use():
    pid = os.fork()
    if pid == 0:
        check()
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
forked.set()
thread.join()
"""


@needs_fork
@pytest.mark.parametrize(
    ("program", "in_use"),
    [
        (AFTER, "[]"),
        (DURING.format(locked=False), "[threading.get_ident()]"),
        (DURING.format(locked=True), "[]"),
    ],
    ids=["after a team", "during a team", "while another thread counts the cores"],
)
def test_the_child_of_a_fork_has_free_cores_and_can_start_a_team(program, in_use):
    assert run_script(FORKED.format(program=program, in_use=in_use)).splitlines()[-1] == "0"
