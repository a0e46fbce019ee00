import math

import numpy as np
import pytest

from fastmlp.kernels import layout as at
from fastmlp.kernels.loss import softmax_backward, softmax_forward
from fastmlp.reference import elementwise

STRIDE = 80
SIZES = [1, 2, 7, 8, 9, 15, 16, 17, 33, 67]
CLASSES = [2, 3, 10, 17]


class Batch:
    """Logits (m, n_classes) and labels as the kernels lay them out, with copies of the last sample beyond the batch."""

    def __init__(self, logits, y):
        self.m, self.n_classes = logits.shape
        beyond = np.minimum(np.arange(STRIDE), self.m - 1)
        size = self.n_classes * STRIDE
        self.work = np.zeros(2 * size + 4 * STRIDE, logits.dtype)
        parts = np.cumsum([0, size, size, STRIDE, STRIDE, STRIDE])
        self.logits, self.probs, self.labels, self.weights, self.loss, self.numbers = parts
        self.work[self.numbers + at.ON] = 1
        self.work[:size] = logits[beyond].T.ravel()
        self.part(self.labels, STRIDE)[:] = y[beyond]
        self.part(self.weights, STRIDE)[: self.m] = 1 / self.m

    def part(self, start, size):
        return self.work[start : start + size]

    def forward(self):
        softmax_forward(
            self.work, self.logits, self.probs, STRIDE, self.n_classes, self.labels, self.loss, self.m
        )  # fmt: skip
        return self.deltas()[: self.m], self.part(self.loss, self.m)

    def backward(self):
        softmax_backward(
            self.work, self.probs, STRIDE, self.n_classes, self.labels, self.weights, self.numbers, self.m
        )  # fmt: skip
        return self.deltas()

    def deltas(self):
        return self.part(self.probs, self.n_classes * STRIDE).reshape(self.n_classes, STRIDE).T


def random_batch(dtype, m, n_classes, spread):
    random = np.random.default_rng(m)
    return random.normal(0, spread, (m, n_classes)).astype(dtype), random.integers(0, n_classes, m)


@pytest.mark.parametrize("spread", [1, 40, 1000])
@pytest.mark.parametrize("n_classes", CLASSES)
@pytest.mark.parametrize("m", SIZES)
def test_probabilities_equal_their_reference(flushed, same_bits, dtype, m, n_classes, spread):
    logits, y = random_batch(dtype, m, n_classes, spread)
    with flushed():
        got, _ = Batch(logits, y).forward()
    same_bits(got, elementwise.softmax_forward(logits, y)[0])


@pytest.mark.parametrize("spread", [1, 40, 1000])
@pytest.mark.parametrize("n_classes", CLASSES)
@pytest.mark.parametrize("m", SIZES)
def test_losses_equal_their_reference(flushed, same_bits, dtype, m, n_classes, spread):
    logits, y = random_batch(dtype, m, n_classes, spread)
    with flushed():
        _, got = Batch(logits, y).forward()
    same_bits(got, elementwise.softmax_forward(logits, y)[1])


@pytest.mark.parametrize("n_classes", CLASSES)
@pytest.mark.parametrize("m", SIZES)
def test_deltas_equal_their_reference(flushed, same_bits, dtype, m, n_classes):
    logits, y = random_batch(dtype, m, n_classes, 30)
    batch = Batch(logits, y)
    with flushed():
        batch.forward()
        got = batch.backward()[:m]
    weights = np.full(m, 1 / m).astype(dtype)
    same_bits(got, elementwise.softmax_backward(elementwise.softmax_forward(logits, y)[0], y, weights))


@pytest.mark.parametrize("m", SIZES)
def test_deltas_beyond_the_batch_are_zero(dtype, m):
    batch = Batch(*random_batch(dtype, m, 3, 1))
    batch.forward()
    assert not batch.backward()[m : -(-m // 4) * 4].any()


def test_equal_logits_are_equally_probable(dtype):
    probs, losses = Batch(np.full((1, 4), 7.0, dtype), np.array([2])).forward()
    assert (probs.tolist(), losses[0]) == ([[0.25] * 4], dtype.type(math.log(4)))


def test_the_loss_of_a_sample_with_probability_zero_is_finite(dtype):
    _, losses = Batch(np.array([[0, 5000]], dtype), np.array([0])).forward()
    assert losses[0] == 5000
