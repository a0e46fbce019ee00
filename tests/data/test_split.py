import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmlp.data.split import holdout
from fastmlp.errors import DataError


@given(st.lists(st.integers(0, 4), min_size=5, max_size=200))
def test_every_sample_is_in_one_part_and_a_fifth_is_held_out(labels):
    train, test = holdout(np.array(labels))
    assert sorted([*train, *test]) == list(range(len(labels)))
    assert len(test) == len(labels) // 5


@given(st.lists(st.integers(0, 4), min_size=5, max_size=200))
def test_each_class_is_split_in_proportion(labels):
    y = np.array(labels)
    _, test = holdout(y)
    held_out = np.bincount(y[test], minlength=5)
    assert np.all(np.abs(held_out - np.bincount(y, minlength=5) / 5) < 1)


def test_the_split_is_always_the_same():
    train, test = holdout(np.arange(100) % 7)
    digest = hashlib.sha256(np.concatenate([train, test]).astype("<i8").tobytes()).hexdigest()
    assert digest[:16] == "8f5cac0829df653b"


def test_too_few_samples_are_refused():
    with pytest.raises(DataError, match=r"expected at least 5 samples .*, got 4"):
        holdout(np.arange(4))
