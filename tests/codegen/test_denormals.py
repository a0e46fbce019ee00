import threading

import numpy as np
import pytest

from fastmlp.codegen import cpu
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
def test_subnormal_results_are_flushed_to_zero(dtype):
    assert product(multiply_flushed, dtype, TINY[dtype], 0.5) == 0


@DTYPES
def test_subnormal_operands_are_read_as_zero(dtype):
    assert product(multiply_flushed, dtype, TINY[dtype] / 4, 1024) == 0


@DTYPES
def test_a_flushed_result_keeps_its_sign(dtype):
    assert np.signbit(product(multiply_flushed, dtype, -TINY[dtype], 0.5))


@DTYPES
def test_the_smallest_normal_number_is_not_flushed(dtype):
    assert product(multiply_flushed, dtype, TINY[dtype], 1) == TINY[dtype]


@DTYPES
def test_a_result_that_rounds_up_to_the_smallest_normal_number_is_flushed_on_arm_only(dtype):
    """The one known difference of their bits, see docs/performance.md."""
    small = dtype.type(2.0 ** -(13 if dtype == np.float32 else 27))
    ref = 0 if cpu.is_arm() else TINY[dtype]
    assert product(multiply_flushed, dtype, TINY[dtype] * (1 + small), 1 - small) == ref


@DTYPES
def test_subnormal_numbers_are_enabled_again_after_the_call(dtype):
    product(multiply_flushed, dtype, 1, 1)
    assert product(multiply, dtype, TINY[dtype], 0.5) == TINY[dtype] / 2


def test_flushing_in_one_thread_does_not_affect_another():
    """The control word belongs to a thread."""
    size, has_started, dtype = 20_000_000, threading.Event(), np.dtype(np.float32)
    x = np.ones(size, dtype)
    product(multiply_flushed, dtype, 1, 1)

    def flush():
        has_started.set()
        multiply_flushed(x, x, x)

    thread = threading.Thread(target=flush)
    thread.start()
    has_started.wait()
    got = [product(multiply, dtype, TINY[dtype], 0.5)]
    while thread.is_alive():
        got.append(product(multiply, dtype, TINY[dtype], 0.5))
    thread.join()
    assert set(got) == {TINY[dtype] / 2}
