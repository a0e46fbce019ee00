import numpy as np

from fastmlp.codegen import jit


def test_a_division_by_zero_gives_infinity_as_in_numpy():
    divide = jit.kernel(lambda a, b: a / b)
    assert divide(1.0, 0.0) == np.inf


def test_sums_are_not_reordered():
    add = jit.kernel(lambda a, b, c: (a + b) + c)
    assert add(1e16, 1.0, -1e16) == (1e16 + 1.0) - 1e16
