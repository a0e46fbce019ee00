"""Which environment runs the code, and what Ctrl-C does there. A real notebook: `tests/notebook/test_kernel.py`."""

import signal
import sys
import threading

import pytest

from fastmlp.notebook import shell
from fastmlp.notebook.shell import in_notebook, interrupts_raised, keeps_results, no_interrupt_lost


@pytest.fixture
def interactive(monkeypatch):
    """A shell with a prompt, in which no interrupt has come yet."""
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    monkeypatch.setattr(shell, "_answered_at", -shell.REPEATED_S)


def test_this_is_no_notebook():
    assert not in_notebook()


def test_a_script_keeps_no_results():
    assert not hasattr(sys, "ps1")
    assert not keeps_results()


def test_of_two_interrupts_in_a_short_time_the_second_is_raised(interactive, monkeypatch):
    assert [keeps_results(), keeps_results()] == [True, False]
    monkeypatch.setattr(shell, "REPEATED_S", 0.0)
    assert keeps_results()


def test_a_part_of_something_else_keeps_no_results(interactive):
    with interrupts_raised():
        assert not keeps_results()
    assert keeps_results()


class Interrupting:
    """Receives Ctrl-C in its finaliser, in which Python only prints the exception."""

    def __del__(self):
        signal.raise_signal(signal.SIGINT)


def test_an_interrupt_in_a_finaliser_is_not_lost(monkeypatch):
    printed = []
    monkeypatch.setattr(sys, "unraisablehook", printed.append)
    with no_interrupt_lost(print) as call:
        call("before")
        Interrupting()
        assert [error.exc_type for error in printed] == [KeyboardInterrupt]
        with pytest.raises(KeyboardInterrupt):
            call("after")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_another_handler_and_another_thread_are_left_alone(monkeypatch):
    found = []

    def look():
        with no_interrupt_lost(found.append) as call:
            found.append((call == found.append, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        look()
    finally:
        signal.signal(signal.SIGINT, previous)
    assert found == [(True, previous), (True, signal.SIG_IGN)]
