import pytest

from fastmlp.codegen.integers import larger, smaller
from fastmlp.codegen.jit import kernel


@kernel
def both(a, b):
    return smaller(a, b), larger(a, b)


@pytest.mark.parametrize(("a", "b"), [(1, 2), (2, 1), (-1, 0), (3, 3), (-(2**62), 2**62)])
def test_they_are_those_of_python(a, b):
    assert both(a, b) == (min(a, b), max(a, b))


def test_a_literal_is_an_integer_like_any_other():
    assert kernel(lambda a: larger(0, a))(-5) == 0
