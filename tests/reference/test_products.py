"""Reference implementations of bf16 products, on every CPU: against exact sums, by hand, and as a gradient."""

import math
from fractions import Fraction

import numpy as np
import pytest

from fastmlp import settings
from fastmlp.config import Config
from fastmlp.reference.arithmetic import bf16_round
from fastmlp.reference.network import Network
from fastmlp.reference.products import BLOCK_STEPS, bf16_product, row_split
from fastmlp.settings import BF16_TERMS

#: Largest relative error of rounding to bf16: half a unit in the last of its 8 bits.
BF16_ROUNDOFF = 2.0**-8


def random_numbers(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_three_terms_are_exact():
    x = np.ldexp(random_numbers(10_000), np.random.default_rng(1).integers(-60, 60, 10_000))
    np.testing.assert_array_equal(sum(part.astype(np.float64) for part in row_split(x, 3)), x.astype(np.float64))


@pytest.mark.parametrize("terms", [1, 2])
def test_the_remainder_of_fewer_terms_is_within_the_bound(terms):
    x = random_numbers(10_000)
    rest = abs(sum(part.astype(np.float64) for part in row_split(x, terms)) - x) / abs(x)
    assert BF16_ROUNDOFF**terms / 4 < rest.max() <= BF16_ROUNDOFF**terms


def test_pixels_are_bf16_numbers():
    pixels = np.arange(256, dtype=np.float32)
    np.testing.assert_array_equal(bf16_round(pixels), pixels)


def test_rounding_goes_to_the_nearest_and_between_two_to_the_even_one():
    step = 2.0**-7
    x = np.array(
        [1 + step / 2, 1 + 1.5 * step, 1 + step / 2 + 2**-23, 1 + step / 2 - 2**-23, -1 - step / 2], np.float32
    )
    np.testing.assert_array_equal(bf16_round(x), np.array([1, 1 + 2 * step, 1 + step, 1, -1], np.float32))


def test_a_block_is_two_chains_whose_sum_is_added():
    """By hand: 2**24 and -2**24 swallow the 1s of their own chain, not those of the other."""
    P, Q = np.ones((1, BLOCK_STEPS), np.float32), np.zeros((BLOCK_STEPS, 1), np.float32)
    Q[0], Q[2], Q[4] = 2**24, 1, -(2**24)  # the even chain: 1 is lost
    Q[1], Q[3] = 1, 1  # the odd chain: 2
    assert bf16_product(np.full((1, 1), 0.5, np.float32), [P], [Q]) == 2.5


def test_blocks_of_steps_follow_each_other():
    """By hand: the second block's 1 is lost in what the first one left."""
    Q = np.zeros((2 * BLOCK_STEPS, 1), np.float32)
    Q[0], Q[BLOCK_STEPS], Q[BLOCK_STEPS + 1] = 2**24, 1, 0
    P = np.ones((1, 2 * BLOCK_STEPS), np.float32)
    assert bf16_product(np.zeros((1, 1), np.float32), [P], [Q]) == 2**24
    Q[BLOCK_STEPS + 1] = 1  # with the other chain's it is 2, which is not
    assert bf16_product(np.zeros((1, 1), np.float32), [P], [Q]) == 2**24 + 2


def test_products_of_terms_below_the_error_of_the_split_are_left_out():
    """Of three terms each six products of nine, of two three of four."""
    ones = np.ones((1, 1), np.float32)
    for terms, n_products in ((1, 1), (2, 3), (3, 6)):
        assert bf16_product(np.zeros((1, 1), np.float32), [ones] * terms, [ones] * terms) == n_products
        assert bf16_product(np.zeros((1, 1), np.float32), [ones] * terms, [ones]) == terms


@pytest.mark.parametrize("precision", BF16_TERMS)
@pytest.mark.parametrize("is_raw", [True, False], ids=["pixels", "numbers"])
def test_errors_are_within_the_bound_of_theory(precision, is_raw):
    """docs/precision.md: ``(c u^t + (n k / 32 + 17) w) sum |p| |q|``."""
    terms, n_steps = BF16_TERMS[precision], 3072
    P, pixels = random_numbers((3, n_steps)), np.random.default_rng(2).integers(0, 256, (n_steps, 4))
    Q = pixels.astype(np.float32) if is_raw else random_numbers((n_steps, 4), 3)
    parts = [Q] if is_raw else row_split(Q, terms)
    got = bf16_product(np.zeros((3, 1), np.float32), row_split(P, terms), parts)
    exact = np.array([[float(sum(map(Fraction.__mul__, map(Fraction, p.tolist()), map(Fraction, q.tolist()))))
                       for q in Q.T] for p in P])  # fmt: skip
    size = abs(P).astype(np.float64) @ abs(Q).astype(np.float64)
    n_products = terms if is_raw else terms * (terms + 1) // 2
    n_roundings = math.ceil(n_steps / BLOCK_STEPS) * n_products + BLOCK_STEPS // 2 + 1
    left_out = BF16_ROUNDOFF**terms * (1 if is_raw else terms + 1) if terms < 3 or not is_raw else 0
    assert (abs(got - exact) <= (left_out * 1.01 + n_roundings * 2.0**-24) * size).all()


@pytest.mark.parametrize("precision", BF16_TERMS)
def test_a_step_follows_the_gradient_of_the_loss(precision, monkeypatch):
    """Central differences in float64 of the loss that float64 arithmetic gives, against one step's change."""
    monkeypatch.setattr(settings, "uses_bf16", lambda *sizes: True)
    config = Config(hidden=(5,), precision=precision, activation="tanh", batch_size=6)
    weights, biases = [random_numbers((7, 5)), random_numbers((5, 3), 1)], [random_numbers(5, 2), random_numbers(3, 4)]
    X, y = random_numbers((6, 7), 5), np.array([0, 1, 2, 0, 1, 2])
    network = Network(config, weights, biases)
    network.n_samples = 6
    network.train_step(X, y, lr=1.0)

    def loss(W):
        reference = Network(
            config.replace(precision="float64"), [W, weights[1].astype(float)], [b.astype(float) for b in biases]
        )
        Z = reference.layers_forward(X.astype(float))[1]
        return float(np.mean(reference.loss_forward(Z, y, 0.0)[1]))

    W, tolerance = weights[0].astype(float), 8 * BF16_ROUNDOFF ** min(BF16_TERMS[precision], 2)
    for place in ((0, 0), (3, 2), (6, 4)):
        change = np.zeros_like(W)
        change[place] = 1e-5
        derivative = (loss(W + change) - loss(W - change)) / 2e-5
        assert weights[0][place] - network.theta[0][place] == pytest.approx(
            derivative, rel=tolerance, abs=tolerance / 10
        )
