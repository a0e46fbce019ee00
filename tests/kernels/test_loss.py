import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastmlp.kernels import layout as at
from fastmlp.kernels.loss import BACKWARD, FORWARD, smoothing_forward
from fastmlp.reference import elementwise
from fastmlp.settings import LOSSES

STRIDE = 80
SIZES = [1, 2, 7, 8, 9, 15, 16, 17, 33, 67]
CLASSES = [2, 3, 10, 17]


def tables(n_outputs, stride, **offsets):
    """`common` and the row of the last layer, with the offsets in work."""
    common, last = np.zeros(at.N_COMMON_ENTRIES, np.int64), np.zeros(at.N_LAYER_ENTRIES, np.int64)
    common[at.STRIDE], last[at.FAN_OUT] = stride, n_outputs
    for name, offset in offsets.items():
        (last if name in ("A", "DZ") else common)[getattr(at, name)] = offset
    return common, last


class Batch:
    """Logits (m, n_classes) and labels as the kernels lay them out, with copies of the last sample beyond the batch."""

    def __init__(self, engine, logits, y):
        self.call, (self.m, self.n_classes) = engine.call, logits.shape
        beyond = np.minimum(np.arange(STRIDE), self.m - 1)
        size = self.n_classes * STRIDE
        self.work = np.zeros(2 * size + 4 * STRIDE, logits.dtype)
        parts = np.cumsum([0, size, size, STRIDE, STRIDE, STRIDE])
        logits_start, self.probs, self.labels, self.weights, self.loss, self.numbers = parts
        offsets = {"A": logits_start, "DZ": self.probs, "TARGETS": self.labels, "WEIGHTS": self.weights}
        offsets |= {"LOSS": self.loss, "SCALARS": self.numbers}
        self.common, self.last = tables(self.n_classes, STRIDE, **offsets)
        self.work[self.numbers + at.ON] = 1
        self.work[:size] = logits[beyond].T.ravel()
        self.part(self.labels, STRIDE)[:] = y[beyond]
        self.part(self.weights, STRIDE)[: self.m] = 1 / self.m

    def part(self, start, size):
        return self.work[start : start + size]

    def forward(self, smoothing=0.0):
        self.work[self.numbers + at.SMOOTHING] = smoothing
        self.common[at.SMOOTHING_FORWARD] = smoothing_forward.address(self.work.dtype.name) if smoothing else 0
        self.call(FORWARD["cross_entropy"], self.work, self.common, self.last, 0, self.m)
        return self.deltas()[: self.m], self.part(self.loss, self.m)

    def backward(self):
        self.call(BACKWARD["cross_entropy"], self.work, self.common, self.last, 0, self.m)
        return self.deltas()

    def deltas(self):
        return self.part(self.probs, self.n_classes * STRIDE).reshape(self.n_classes, STRIDE).T


def random_batch(dtype, m, n_classes, spread):
    random = np.random.default_rng(m)
    return random.normal(0, spread, (m, n_classes)).astype(dtype), random.integers(0, n_classes, m)


@pytest.mark.parametrize("spread", [1, 40, 1000])
@pytest.mark.parametrize("n_classes", CLASSES)
@pytest.mark.parametrize("m", SIZES)
def test_probabilities_equal_their_reference(engine, flushed, same_bits, dtype, m, n_classes, spread):
    logits, y = random_batch(dtype, m, n_classes, spread)
    with flushed():
        got, _ = Batch(engine, logits, y).forward()
    same_bits(got, elementwise.softmax_forward(logits, y)[0])


@pytest.mark.parametrize("spread", [1, 40, 1000])
@pytest.mark.parametrize("n_classes", CLASSES)
@pytest.mark.parametrize("m", SIZES)
def test_losses_equal_their_reference(engine, flushed, same_bits, dtype, m, n_classes, spread):
    logits, y = random_batch(dtype, m, n_classes, spread)
    with flushed():
        _, got = Batch(engine, logits, y).forward()
    same_bits(got, elementwise.softmax_forward(logits, y)[1])


@pytest.mark.parametrize("n_classes", CLASSES)
@pytest.mark.parametrize("m", SIZES)
def test_deltas_equal_their_reference(engine, flushed, same_bits, dtype, m, n_classes):
    logits, y = random_batch(dtype, m, n_classes, 30)
    batch = Batch(engine, logits, y)
    with flushed():
        batch.forward()
        got = batch.backward()[:m]
    weights = np.full(m, 1 / m).astype(dtype)
    same_bits(got, elementwise.softmax_backward(elementwise.softmax_forward(logits, y)[0], y, weights))


@pytest.mark.parametrize("m", SIZES)
def test_deltas_beyond_the_batch_are_zero(engine, dtype, m):
    batch = Batch(engine, *random_batch(dtype, m, 3, 1))
    batch.forward()
    assert not batch.backward()[m : -(-m // 4) * 4].any()


def test_equal_logits_are_equally_probable(engine, dtype):
    probs, losses = Batch(engine, np.full((1, 4), 7.0, dtype), np.array([2])).forward()
    assert (probs.tolist(), losses[0]) == ([[0.25] * 4], dtype.type(math.log(4)))


def test_the_loss_of_a_sample_with_probability_zero_is_finite(engine, dtype):
    _, losses = Batch(engine, np.array([[0, 5000]], dtype), np.array([0])).forward()
    assert losses[0] == 5000


# Losses of pre-activations and targets of any size, infinity included: `exp` and `expm1` are clamped.


def values_losses(engine, loss, Z, Y, delta):
    """The losses of the kernel, of pre-activations and targets (m, n_outputs)."""
    (m, n), lanes = Z.shape, 16
    stride = -(-m // lanes) * lanes
    numbers = 3 * n * stride
    work = np.zeros(numbers + stride + lanes, Z.dtype)
    rows = work[:numbers].reshape(3, n, stride)
    rows[0, :, :m], rows[2, :, :m], work[numbers + stride + at.HUBER_DELTA] = Z.T, Y.T, delta
    offsets = {"A": 0, "DZ": n * stride, "TARGETS": 2 * n * stride, "LOSS": numbers, "SCALARS": numbers + stride}
    engine.call(FORWARD[loss], work, *tables(n, stride, **offsets), 0, m)
    return work[numbers : numbers + m]


def sizes_of(dtype):
    """Numbers of any size, often those at which a function changes its formula or leaves the range."""
    largest = float(np.finfo(dtype).max)
    edges = [0.0, 1.0, 1e-7, 16.0, 50.0, 87.0, 88.0, 89.0, 104.0, 708.0, 710.0, 1e3, 1e10, 1e30, largest / 2, largest]
    edges += [largest**0.5, float(np.finfo(dtype).tiny)]
    magnitude = st.one_of(st.sampled_from(edges), st.just(math.inf), st.floats(0, largest, width=8 * dtype.itemsize))
    return st.builds(math.copysign, magnitude, st.sampled_from([-1, 1]))


#: Targets that a loss accepts; any finite number for the others.
TARGETS = {
    "binary_cross_entropy": st.one_of(
        st.sampled_from([0.0, 1.0, 0.05, 0.5, 0.95, 1e-7, 1e-40, 1 - 2**-24]), st.floats(0, 1)
    ),
    "poisson": st.one_of(
        st.sampled_from([0.0, 1.0, 3.0, 1e5, 1e30, 1e-30, 1e-40, 1e-310]), st.integers(0, 1000).map(float)
    ),
}


def entropy(p, axis=None):
    """``-sum p log p`` in float64."""
    p = np.asarray(p, np.float64)
    return -(p * np.log(np.where(p > 0, p, 1))).sum(axis=axis)


@pytest.mark.parametrize("loss", [name for name in LOSSES if name != "cross_entropy"])
@settings(derandomize=True, max_examples=100, deadline=None)
@given(data=st.data())
def test_a_loss_of_targets_is_at_least_its_minimum_at_any_size(engine, flushed, same_bits, dtype, loss, data):
    """NaN only of NaN, and never less than the loss of the best pre-activation."""
    z = data.draw(st.lists(st.one_of(sizes_of(dtype), st.just(math.nan)), min_size=1, max_size=6))
    finite = sizes_of(dtype).filter(math.isfinite)
    y = data.draw(st.lists(TARGETS.get(loss, finite), min_size=len(z), max_size=len(z)))
    delta = data.draw(st.sampled_from([1e-3, 1.0, 1e10, float(np.finfo(dtype).max)]))
    Z, Y = np.array([z], dtype).T, np.array([y], dtype).T
    with flushed():
        got = values_losses(engine, loss, Z, Y, delta)
    with np.errstate(over="ignore", invalid="ignore"):
        same_bits(got, elementwise.values_forward(Z, Y, loss, delta)[1])
    np.testing.assert_array_equal(np.isnan(got), np.isnan(Z[:, 0]))
    least = [entropy([p, 1 - p]) if loss == "binary_cross_entropy" else 0.0 for p in Y[:, 0].astype(np.float64)]
    eps = float(np.finfo(dtype).eps)
    rounding = eps * (8 * np.array(least) + abs(Z[:, 0].astype(np.float64)))  # log(1 + e**z) is rounded, as z is
    assert not (got < np.maximum(least - rounding, 0)).any()


@settings(derandomize=True, max_examples=150, deadline=None)
@given(data=st.data())
def test_a_cross_entropy_is_at_least_its_minimum_at_any_size(engine, flushed, same_bits, dtype, data):
    """NaN only of NaN, and where several logits are the same infinity and none is larger: there is no limit."""
    n_classes, smoothing = data.draw(st.integers(2, 5)), data.draw(st.sampled_from([0.0, 0.1, 0.9, 1 - 2**-24]))
    one = st.one_of(sizes_of(dtype), st.just(math.nan))
    rows = st.one_of(st.lists(one, min_size=n_classes, max_size=n_classes), one.map(lambda z: [z] * n_classes))
    logits = np.array(data.draw(st.lists(rows, min_size=1, max_size=4)), dtype)
    y = np.array(data.draw(st.lists(st.integers(0, n_classes - 1), min_size=len(logits), max_size=len(logits))))
    batch = Batch(engine, elementwise.flush(logits), y)
    with flushed():
        probs, got = batch.forward(smoothing)
    with np.errstate(over="ignore", invalid="ignore"):
        ref_probs, ref = elementwise.softmax_forward(elementwise.flush(logits), y)
        ref = elementwise.smoothing_forward(elementwise.flush(logits), y, ref, smoothing) if smoothing else ref
    same_bits(got, ref)
    same_bits(probs, ref_probs)
    top = logits.max(axis=1, keepdims=True)
    without_limit = np.isnan(top[:, 0]) | (np.isinf(top[:, 0]) & ((logits == top).sum(axis=1) > 1))
    np.testing.assert_array_equal(np.isnan(got), without_limit)
    np.testing.assert_array_equal(np.isnan(probs).all(axis=1), without_limit)
    assert not (got < 0).any()
    target = np.full(n_classes, smoothing / n_classes)
    target[0] += 1 - smoothing
    finite = np.where(np.isfinite(logits), logits, 0).astype(np.float64)
    rounding = 8 * n_classes * float(np.finfo(dtype).eps) * (1 + abs(finite).max(axis=1))
    assert not (got < entropy(target) - rounding).any()


INF = math.inf


@pytest.mark.parametrize("loss", ["poisson", "binary_cross_entropy", "squared_error", "huber"])
def test_a_loss_of_targets_is_infinite_where_its_limit_is(engine, flushed, dtype, loss):
    targets = {"binary_cross_entropy": [0.0, 0.25, 1.0]}.get(loss, [0.0, 1.0, 3.0])
    cases = np.array([*product([INF, -INF], targets)], dtype)
    with flushed():
        got = values_losses(engine, loss, cases[:, :1], cases[:, 1:], 1.0)
    best = {"poisson": (-INF, 0.0), "binary_cross_entropy": (INF, 1.0)}.get(loss)
    second = {"binary_cross_entropy": (-INF, 0.0)}.get(loss)
    for case, value in zip(map(tuple, cases.tolist()), got, strict=True):
        assert value < 1e-37 if case in {best, second} else value == INF


def test_a_poisson_loss_at_the_end_of_the_range_is_infinite(engine, flushed, dtype):
    """``exp`` is clamped, so ``e**d - d`` would be negative."""
    z = np.full((3, 1), np.finfo(dtype).max)
    with flushed():
        assert (values_losses(engine, "poisson", z, np.array([[0.0], [1.0], [3.0]], dtype), 1.0) == INF).all()


def test_the_loss_of_infinite_logits_is_its_limit(engine, flushed, dtype):
    logits = np.array([[INF, 0, 1], [0, INF, 1], [-INF, 0, 0], [INF, INF, 0], [-INF, -INF, -INF]], dtype)
    with flushed():
        probs, losses = Batch(engine, logits, np.zeros(5, int)).forward()
    np.testing.assert_array_equal(losses, np.array([0, INF, INF, np.nan, np.nan], dtype))
    np.testing.assert_allclose(probs[:3], [[1, 0, 0], [0, 1, 0], [0, 0.5, 0.5]], atol=1e-37)


def test_the_mean_of_smoothed_labels_logits_does_not_overflow(engine, flushed, dtype):
    largest = np.finfo(dtype).max
    logits = np.array([[1, 1, 1], [-1, -1, -1], [1, -1, 0], [-1, 1, 1]], dtype) * largest
    batch = Batch(engine, logits, np.zeros(4, int))
    with flushed():
        _, losses = batch.forward(0.125)
    np.testing.assert_allclose(losses[:3], [math.log(3), math.log(3), 0.125 * largest], rtol=1e-6)
    assert losses[3] == INF


def test_the_loss_of_smoothed_labels_is_not_negative_for_large_equal_logits(engine, flushed, dtype):
    """The mean of 10 equal numbers need not be that number when rounded."""
    logits = np.repeat(10.0 ** np.arange(5, 35)[:, None], 10, axis=1).astype(dtype)
    batch = Batch(engine, logits, np.zeros(30, int))
    with flushed():
        _, losses = batch.forward(0.1)
    assert (losses >= 0).all()
