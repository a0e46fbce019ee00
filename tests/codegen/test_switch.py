"""The generated selection among kernels."""

import numpy as np
import pytest

from fastmlp.codegen.jit import kernel
from fastmlp.codegen.switch import switch


@kernel
def store_one(out, i):
    out[i] = 1.0


@kernel
def store_two(out, i):
    out[i] = 2.0


@kernel
def store_zero(out, i):
    out[i] = 0.0


select = switch({3: store_one, -7: store_two}, store_zero)


@kernel
def call(out, i, code):
    select(code, (out, i))


@pytest.mark.parametrize(("code", "number"), [(3, 1.0), (-7, 2.0), (0, 0.0), (2**40, 0.0)])
def test_the_kernel_of_a_code_is_called_and_another_code_calls_the_default(code, number):
    out = np.full(3, 9.0)
    call(out, 1, code)
    assert out.tolist() == [9.0, number, 9.0]
