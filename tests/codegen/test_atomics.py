import threading

import numpy as np

from fastmlp.codegen.atomics import atomic_add, atomic_load, atomic_store, spin_pause, thread_yield
from fastmlp.codegen.jit import kernel


@kernel
def _add_many(array, n):
    for _ in range(n):
        atomic_add(array, 1, 1)


@kernel
def _exchange(array):
    """Returns what was at 0, after 5 was added; stores that at 1; pauses and yields in between."""
    before = atomic_add(array, 0, 5)
    spin_pause()
    thread_yield()
    atomic_store(array, 1, atomic_load(array, 0))
    return before


def test_additions_of_several_threads_are_all_counted():
    counts, n = np.zeros(2, np.int64), 300_000
    _add_many(counts, 0)
    threads = [threading.Thread(target=_add_many, args=(counts, n)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts.tolist() == [0, 3 * n]


def test_loads_and_stores_see_what_was_added():
    array = np.array([7, 0])
    assert _exchange(array) == 7
    assert array.tolist() == [12, 12]
