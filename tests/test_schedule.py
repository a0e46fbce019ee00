import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmlp.schedule import exponential


@pytest.mark.parametrize(
    ("epoch", "ref"), [(0, 0.3), (1, 0.27145122541078788), (10, 0.11036383235143270), (19, 0.04487058576679051)]
)
def test_the_rate_is_equation_11(epoch, ref):
    assert exponential(0.3, 0.1, epoch) == pytest.approx(ref, rel=1e-13)


@given(st.floats(1e-300, 1e300), st.integers(0, 10**9))
def test_without_decay_the_rate_is_exactly_the_base(learning_rate, epoch):
    assert exponential(learning_rate, 0.0, epoch) == learning_rate


@given(st.floats(1e-6, 10), st.integers(0, 1000))
def test_each_epoch_is_the_one_before_times_the_same_factor(decay_rate, epoch):
    ref = exponential(1.0, decay_rate, epoch) * math.exp(-decay_rate)
    assert exponential(1.0, decay_rate, epoch + 1) == pytest.approx(ref, rel=1e-10, abs=1e-300)


def test_a_rate_too_small_to_hold_is_zero():
    assert exponential(0.3, 1.0, 10_000) == 0.0
