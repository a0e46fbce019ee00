import numpy as np
import pytest

from fastmlp.codegen.jit import kernel
from fastmlp.codegen.simd import n_lanes, vload, vstore
from fastmlp.codegen.switch import switch


@kernel
def add(x, y):
    return x + y


@kernel
def subtract(x, y):
    return x - y


@kernel(forceinline=True)
def fill_ones(array):
    array[0] = 1.0


@kernel(forceinline=True)
def fill_twos(array):
    array[0] = 2.0


select_arithmetic = switch({3: add, 7: subtract, 8: add})
select_fill = switch({0: fill_ones, 1: fill_twos})


@kernel
def compute(code, x, y):
    return select_arithmetic(code, (x, y))


@kernel
def fill(code, array):
    select_fill(code, (array,))


@kernel
def combine_vectors(code, a, b, out):
    for i in range(0, out.size, n_lanes(out)):
        vstore(out, i, select_arithmetic(code, (vload(a, i), vload(b, i))))


@pytest.mark.parametrize(("code", "expected"), [(3, 7.0), (7, 3.0), (8, 7.0)])
def test_the_kernel_of_the_code_is_called(code, expected):
    assert compute(code, 5.0, 2.0) == expected


@pytest.mark.parametrize("code", [-1, 0, 99])
def test_the_first_kernel_is_called_for_an_unlisted_code(code):
    assert compute(code, 5.0, 2.0) == 7.0


@pytest.mark.parametrize("code", [0, 1])
def test_a_kernel_may_return_nothing(code):
    array = np.zeros(1)
    fill(code, array)
    assert array[0] == code + 1


@pytest.mark.parametrize(("code", "function"), [(3, np.add), (7, np.subtract)])
def test_arguments_and_results_may_be_vectors(code, function):
    a, b, out = np.random.default_rng(0).normal(size=(3, 64)).astype(np.float32)
    combine_vectors(code, a, b, out)
    np.testing.assert_array_equal(out, function(a, b))
