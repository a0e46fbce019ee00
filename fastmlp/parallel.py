"""Threads of one training or prediction: how many there are, and their execution.

No result depends on the number of threads: the kernels split outputs, never sums.
"""

import _thread
import math
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, partial
from numbers import Integral
from queue import Empty, SimpleQueue
from typing import Literal, TypeVar

from fastmlp.codegen.cpu import affinity, cgroup_limits, physical_cores
from fastmlp.errors import ConfigError

#: Number of threads; "auto": as many as make the work faster and find a free core.
Threads = int | Literal["auto"]
#: Environment variables that limit "auto"; joblib and Dask set the second in their worker processes.
VARIABLES = ("FASTMLP_NUM_THREADS", "OMP_NUM_THREADS")
#: The largest number of threads of one call: with 10,000 on two cores, a run of seconds took minutes to end.
MAX_THREADS = 1024
#: Seconds between two checks whether all threads of a team have ended, if none of them wakes the waiting thread.
POLL_S = 0.2

Result = TypeVar("Result")


class _Cores:
    """The cores of this process that trainings and predictions are using, and the limits of single threads.

    Attributes
    ----------
    in_use : dict of int to int
        Number of cores by the identifier of the thread whose work uses them. A single assignment or deletion changes
        it, so that Ctrl-C between two instructions cannot leave a wrong count.
    lock : threading.Lock
        Held while free cores are counted and taken.
    local : threading.local
        Its attribute `limit` is that of `limited_to`.
    """

    def __init__(self) -> None:
        self.lock, self.in_use, self.local = threading.Lock(), dict[int, int](), threading.local()


_cores = _Cores()


def _forget_other_threads() -> None:
    """In the child of a fork, which has no thread but this one."""
    ident = threading.get_ident()
    _cores.lock = threading.Lock()
    _cores.in_use = {ident: _cores.in_use[ident]} if ident in _cores.in_use else {}


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_other_threads)


def check_threads(n_threads: Threads) -> None:
    """Refuse what is no number of threads.

    Parameters
    ----------
    n_threads : int or "auto"
        The value to check.

    Raises
    ------
    ConfigError
        If it is neither "auto" nor an integer from 1 to `MAX_THREADS`.

    Examples
    --------
    >>> check_threads(0)
    Traceback (most recent call last):
    fastmlp.errors.ConfigError: n_threads: expected "auto" or an integer from 1 to 1024, got 0
    """
    is_integer = isinstance(n_threads, Integral) and not isinstance(n_threads, bool)
    is_count = is_integer and 1 <= int(n_threads) <= MAX_THREADS
    if not is_count and not (isinstance(n_threads, str) and n_threads == "auto"):
        raise ConfigError(f'n_threads: expected "auto" or an integer from 1 to {MAX_THREADS}, got {n_threads!r}')


def thread_limits() -> dict[str, int]:
    """Limits of the threads that "auto" takes in this process, by what sets them.

    Two hardware threads of one core count once: they share its multiply-add units, which the kernels keep busy. A quota
    is rounded down: threads of one training wait for each other, and thus for one that has used up the quota.

    Returns
    -------
    dict of str to int
        Each at least 1; the least one applies. See `VARIABLES` for the environment variables among them.

    Examples
    --------
    >>> thread_limits()["physical cores"] >= 1
    True
    """
    limits = {"physical cores": physical_cores(affinity())}
    if cgroup_limits():
        limits["CPU quota"] = max(1, math.floor(min(cgroup_limits())))
    for name in VARIABLES:
        n = _read_variable(name, os.environ.get(name, ""))
        if n is not None:
            limits[name] = n
    return limits


@cache
def _read_variable(name: str, value: str) -> int | None:
    """A number of threads; None for no value. Like OpenMP, ignores what is no such number, with a (single) warning."""
    word = value.partition(",")[0].strip()  # OpenMP: a list has one number for each level of nested parallelism
    if word.isdecimal() and 0 < len(word) < 10 and int(word) > 0:
        return int(word)
    if value.strip():
        warnings.warn(f"{name}: expected an integer >= 1, got {value!r}; it is ignored", stacklevel=2)
    return None


def thread_limit() -> int:
    """The most threads that "auto" takes in the current thread: the least of `thread_limits` and of `limited_to`.

    Returns
    -------
    int
        At least 1.

    Examples
    --------
    >>> thread_limit() >= 1
    True
    """
    own = getattr(_cores.local, "limit", None)
    return min(thread_limits().values() if own is None else [own, *thread_limits().values()])


@contextmanager
def limited_to(n_threads: int) -> Iterator[None]:
    """Let "auto" take at most `n_threads` threads for work of the current thread.

    For processes that share a machine, each of which would otherwise take all cores.

    Parameters
    ----------
    n_threads : int
        At least 1. Work of other threads does not count.

    Examples
    --------
    >>> with limited_to(1), threads_for("auto", n_that_pay=8) as n:
    ...     n
    1
    """
    before = getattr(_cores.local, "limit", None)
    try:
        _cores.local.limit = n_threads
        yield
    finally:
        _cores.local.limit = before


@contextmanager
def core_in_use() -> Iterator[None]:
    """Count the core of the current thread as in use, once however deeply calls are nested.

    Examples
    --------
    >>> with core_in_use(), core_in_use():
    ...     pass
    """
    ident = threading.get_ident()
    if ident in _cores.in_use:
        yield
        return
    try:
        _cores.in_use[ident] = 1
        yield
    finally:
        _cores.in_use.pop(ident, None)


@contextmanager
def threads_for(n_threads: Threads, n_that_pay: int) -> Iterator[int]:
    """The number of threads for some work: `n_threads`, or for "auto" as many as pay and find a free core.

    Threads that train or predict at the same time share the free cores evenly, so that the first to ask does not keep
    them all. A process-wide count, not a promise: while one starts, another may still use the cores that it has taken
    for its current chunk of an epoch.

    Parameters
    ----------
    n_threads : int or "auto"
        The user's choice; a number is taken as it is, even above the number of cores.
    n_that_pay : int
        The most threads that make this work faster.

    Yields
    ------
    int
        At least 1. The cores are in use until the context ends.

    Examples
    --------
    >>> with threads_for("auto", n_that_pay=1) as n:
    ...     n
    1
    """
    with core_in_use():
        # 0 where it does not matter: reading the limits takes longer than a prediction of one sample
        limit = min(thread_limits().values()) if n_threads == "auto" and n_that_pay > 1 else 0
        own = getattr(_cores.local, "limit", None) or n_that_pay
        ident = threading.get_ident()
        before = _cores.in_use.get(ident, 1)
        try:
            with _cores.lock:
                in_use = _cores.in_use.copy()
                n_free, share = limit - sum(in_use.values()), -(-limit // len(in_use))
                n = max(1, min(n_that_pay, own, share, 1 + n_free)) if n_threads == "auto" else n_threads
                _cores.in_use[ident] = before + n - 1
            yield n
        finally:
            if ident in _cores.in_use:
                _cores.in_use[ident] = before


def run_team(call: Callable[[int], Result], n_threads: int, abort: Callable[[], None] = lambda: None) -> list[Result]:
    """Call ``call(rank)`` for every rank from 0, each on its own thread, rank 0 on this one; results by rank.

    Threads are started for each call and end with it, so that none is idle between calls, and a process may fork then.

    Parameters
    ----------
    call : callable
        Should release the global interpreter lock for most of its time. What it computes is whole after Ctrl-C, if
        ranks meet before the first changes anything: Ctrl-C reaches rank 0 before it calls the compiled code or after.
    n_threads : int
        Number of ranks.
    abort : callable
        Called, perhaps several times, as soon as one rank or the start of a thread fails: it has to free the ranks that
        wait for one that has not begun. If all have begun, that is, have met for the first time, it must not disturb
        them, since Ctrl-C may come when rank 0 has finished and others have not.

    Returns
    -------
    list
        What ``call`` returned, by rank.

    Raises
    ------
    ConfigError
        If the system cannot start so many threads.
    BaseException
        The first exception of a rank, or Ctrl-C, after all threads have ended.

    Examples
    --------
    >>> run_team(lambda rank: rank + 1, 3)
    [1, 2, 3]
    """
    results: dict[int, Result] = {}
    failures: list[BaseException] = []
    started, ended, wake = list[int](), list[int](), SimpleQueue[None]()

    def work(rank: int) -> None:
        try:
            if not failures:  # for a thread that begins after another has failed
                results[rank] = call(rank)
        except BaseException as error:
            failures.append(error)
            abort()

    def work_on_a_thread(rank: int) -> None:
        work(rank)
        ended.append(rank)
        wake.put(None)

    has_begun = False
    while True:  # until all threads have ended, through any number of interrupts
        try:
            if not has_begun:
                has_begun = True
                # One call into C, so that after Ctrl-C `started` is right. `threading.Thread.start` is Python code that
                # waits for the thread: at some of its instructions, Ctrl-C leaves a thread that waits forever.
                try:
                    started.extend(map(partial(_thread.start_new_thread, work_on_a_thread), zip(range(1, n_threads))))
                except RuntimeError as error:
                    remedy = "choose a smaller n_threads or n_jobs"
                    raise ConfigError(f"the system could not start {n_threads} threads ({error}); {remedy}") from error
                work(0)
            while len(ended) < len(started):
                if failures:
                    abort()
                with suppress(Empty):  # the timeout is for Ctrl-C that comes when `get` has returned
                    wake.get(timeout=POLL_S)
            break
        except BaseException as error:
            failures.append(error)
    if failures:
        raise failures.pop(0)  # and not a reference to it: a cycle with its traceback would keep all arrays in memory
    return [results[rank] for rank in range(n_threads)]
