import threading

import numpy as np
import pytest

from fastmlp.codegen.denormals import flush_subnormals, restore_control
from fastmlp.codegen.jit import kernel

TINY = {np.dtype(name): np.finfo(name).tiny for name in ("float32", "float64")}
DTYPES = pytest.mark.parametrize("dtype", TINY, ids=str)


@kernel
def multiply_flushed(x, factor, out):
    control = flush_subnormals()
    for i in range(x.size):
        out[i] = x[i] * factor[i]
    restore_control(control)


@kernel
def multiply(x, factor, out):
    for i in range(x.size):
        out[i] = x[i] * factor[i]


def product(function, dtype, x, factor):
    out = np.empty(1, dtype)
    function(np.array([x], dtype), np.array([factor], dtype), out)
    return out[0]


@DTYPES
def test_results_too_small_are_flushed_to_zero(dtype):
    assert product(multiply_flushed, dtype, TINY[dtype], 0.5) == 0


@DTYPES
def test_operands_too_small_are_read_as_zero(dtype):
    assert product(multiply_flushed, dtype, TINY[dtype] / 4, 1024) == 0


@DTYPES
def test_a_flushed_number_keeps_its_sign(dtype):
    assert np.signbit(product(multiply_flushed, dtype, -TINY[dtype], 0.5))


@DTYPES
def test_the_smallest_normal_number_stays(dtype):
    assert product(multiply_flushed, dtype, TINY[dtype], 1) == TINY[dtype]


@DTYPES
def test_subnormal_numbers_are_back_when_the_call_has_ended(dtype):
    product(multiply_flushed, dtype, 1, 1)
    assert product(multiply, dtype, TINY[dtype], 0.5) == TINY[dtype] / 2


def test_a_call_that_flushes_changes_no_other_thread():
    """The control word belongs to a thread: while one is inside, another computes as ever."""
    size, inside, dtype = 20_000_000, threading.Event(), np.dtype(np.float32)
    x = np.ones(size, dtype)
    product(multiply_flushed, dtype, 1, 1)

    def flush():
        inside.set()
        multiply_flushed(x, x, x)

    thread = threading.Thread(target=flush)
    thread.start()
    inside.wait()
    got = [product(multiply, dtype, TINY[dtype], 0.5)]
    while thread.is_alive():
        got.append(product(multiply, dtype, TINY[dtype], 0.5))
    thread.join()
    assert set(got) == {TINY[dtype] / 2}
