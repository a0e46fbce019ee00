import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fastmlp.kernels.sampling import permutation_fill
from fastmlp.seeding import Purpose, splitmix64, stream, uniform

GOLDEN = 0x9E3779B97F4A7C15


def test_splitmix64_gives_the_numbers_of_the_reference_implementation():
    """Vigna's C code, https://prng.di.unimi.it/splitmix64.c, seeded with 1234567; the numbers are from Rosetta Code."""
    states = (1234567 + GOLDEN * np.arange(1, 6, dtype=np.uint64)).astype(np.uint64)
    assert splitmix64(states).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_streams_with_different_keys_differ():
    keys = itertools.product((0, 1, 2, 2**63 - 1), Purpose, (0, 1, 2))
    states = [stream(*key) for key in keys]
    assert len(set(states)) == len(states)


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**31))
def test_a_streams_state_fits_64_bits(seed, index):
    assert 0 <= stream(seed, Purpose.ORDER, index) < 2**64


def test_numbers_are_uniform_over_0_to_1():
    numbers = uniform(stream(0, Purpose.WEIGHTS), 0, 100_000)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    counts, _ = np.histogram(numbers, 20, (0, 1))
    assert abs(counts - 5000).max() < 5 * 5000**0.5


def test_the_first_numbers_do_not_depend_on_how_many_are_drawn():
    np.testing.assert_array_equal(uniform(5, 3, 10), uniform(5, 0, 1000)[3:10])


def test_the_numbers_of_a_seed_are_the_same_as_in_earlier_versions():
    """If they change, every result changes, and the changelog must announce it."""
    assert stream(0, Purpose.WEIGHTS, 0) == 7459148402836318581
    assert uniform(stream(0, Purpose.WEIGHTS, 0), 0, 2).tolist() == [0.33786076061970605, 0.8270982797641987]


def test_the_order_of_a_seed_is_the_same_as_in_earlier_versions():
    order = np.empty(10, np.int32)
    permutation_fill(order, order.size, np.uint64(stream(0, Purpose.ORDER, 0)))
    assert order.tolist() == [9, 5, 7, 1, 0, 8, 6, 4, 2, 3]
