import time
from threading import Thread

import numpy as np
import pytest

from fastmlp.codegen.bf16_tiles import tile_height
from fastmlp.codegen.jit import kernel
from fastmlp.config import Config
from fastmlp.kernels import layout as at
from fastmlp.kernels.layout import ParamArrays
from fastmlp.kernels.team import STORES_WHOLE_TILES, barrier_wait, share, share_of_columns, share_of_rows, whole_lines
from fastmlp.model.params import Params
from fastmlp.model.workspace import Workspace
from fastmlp.parallel import run_team


@kernel
def _write_and_check(net, values, n_rounds):
    """Each round, write the round to the own place, meet, and count the places of others that have another round."""
    rank, n_threads, n_wrong = net.common[at.RANK], net.common[at.N_THREADS], 0
    for i in range(1, n_rounds + 1):
        values[rank] = i
        barrier_wait(net)
        for other in range(n_threads):
            n_wrong += values[other] != i
        barrier_wait(net)
    return n_wrong


@kernel
def _wait(net):
    return barrier_wait(net)


@kernel
def _shares(net, n):
    return share(net.common, n), share_of_columns(net, n), whole_lines(net, n)


@kernel
def _rows(net):
    return share_of_rows(net.common, net.layers[0])


def team(n_threads, dtype="float32"):
    """The arrays of a network, of each thread of a team, and what aborts it."""
    params, empty = Params((3, 2), dtype), np.zeros(0, dtype)
    workspace = Workspace(params, Config(hidden=(), precision=dtype), 4, n_threads=n_threads)
    return workspace.networks(ParamArrays(params.theta, empty, empty, empty)), workspace.abort


@pytest.mark.parametrize("n_threads", [1, 2, 3, 5])
def test_what_threads_write_before_a_barrier_is_seen_by_all_after_it(n_threads):
    (nets, abort), values, n_rounds = team(n_threads), np.zeros(n_threads, np.int64), 2000
    _write_and_check(nets[0], values, 0)
    assert run_team(lambda rank: _write_and_check(nets[rank], values, n_rounds), n_threads, abort) == [0] * n_threads


def test_a_barrier_is_not_passed_before_all_have_come():
    (nets, _), passed = team(2), []
    thread = Thread(target=lambda: passed.append(_wait(nets[1])))
    thread.start()
    time.sleep(0.1)
    assert not passed
    assert _wait(nets[0])
    thread.join()
    assert passed == [True]


def test_an_aborted_barrier_frees_the_threads_that_wait():
    (nets, abort), passed = team(3), []
    threads = [Thread(target=lambda net=net: passed.append(_wait(net))) for net in nets[1:]]
    for thread in threads:
        thread.start()
    abort()
    for thread in threads:
        thread.join()
    assert passed == [False, False]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_threads", [1, 2, 3, 7])
@pytest.mark.parametrize("n", [1, 15, 16, 17, 100])
def test_shares_are_disjoint_and_complete_and_columns_begin_with_a_cache_line(dtype, n_threads, n):
    per_line = 64 // np.dtype(dtype).itemsize
    rows, columns, whole = zip(*(_shares(net, n) for net in team(n_threads, dtype)[0]), strict=True)
    for parts in (rows, columns):
        assert [i for first, number in parts for i in range(first, first + number)] == [*range(n)]
    assert all(first % per_line == 0 for first, number in columns if number)
    assert max(number for _, number in rows) - min(number for _, number in rows) <= 1
    assert set(whole) == {-(-n // per_line) * per_line}


@pytest.mark.parametrize("n_threads", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("n_outputs", [3, 100, 128, 1024])
@pytest.mark.parametrize("is_bf16", [False, True])
def test_no_tile_of_a_thread_s_rows_reaches_those_of_the_next(n_threads, n_outputs, is_bf16):
    """AMX stores whole tiles; without it, rows are divided evenly."""
    params, empty, end = Params((3, n_outputs), "float32"), np.zeros(0, np.float32), 0
    workspace = Workspace(params, Config(hidden=()), 4, n_threads=n_threads)
    height = tile_height(n_outputs)
    workspace.layers[0, at.BF16] = is_bf16
    for net in workspace.networks(ParamArrays(params.theta, empty, empty, empty)):
        net.common[at.TILE_HEIGHT] = height
        first, number = _rows(net)
        assert first == end
        assert first % (height if STORES_WHOLE_TILES and is_bf16 else 1) == 0 or number == 0
        end = first + number
    assert end == n_outputs
