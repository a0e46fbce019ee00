"""Is the mathematics right? Arithmetic against exact fractions, gradients against differences, a step against
numbers worked by hand, five steps against scikit-learn. That the kernels equal the drawings is in tests/kernels.
"""

import math
import sys
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neural_network import MLPClassifier

import fastmlp
from fastmlp import formula, rounding
from fastmlp.config import Config
from fastmlp.data import Dataset

ACTIVATIONS = ["sigmoid", "tanh", "relu", "identity"]
SINGLE, DOUBLE = np.dtype("float32"), np.dtype("float64")
#: Bits of the fraction, and the least exponent of a normal number.
FORMATS = {SINGLE: (24, -126), DOUBLE: (53, -1022)}
DTYPES = pytest.mark.parametrize("dtype", FORMATS, ids=str)
MANY = settings(derandomize=True, max_examples=100, deadline=None)


def floats(dtype, limit):
    """Numbers of exponents -limit to limit, their fractions often those next to a power of two."""
    last = 2 ** (FORMATS[dtype][0] - 1)
    fractions = st.one_of(st.integers(0, last - 1), st.integers(0, 3), st.integers(last - 4, last - 1))
    numbers = st.builds(lambda fraction, exponent: math.ldexp(last + fraction, exponent) / last, fractions,
                        st.integers(-limit, limit))  # fmt: skip
    return st.builds(math.copysign, numbers, st.sampled_from([-1, 1]))


def rounded(exact, dtype):
    """An exact number in a format whose subnormal numbers are zero, ties to even; by integers alone."""
    bits, least = FORMATS[dtype]
    if exact == 0:
        return 0.0
    exponent = abs(exact.numerator).bit_length() - exact.denominator.bit_length()
    exponent -= abs(exact) < Fraction(2) ** exponent
    unit = Fraction(2) ** (exponent - bits + 1)
    nearest = round(exact / unit) * unit
    return math.copysign(0.0, exact) if abs(nearest) < Fraction(2) ** least else float(nearest)


def same(got, ref):
    return (got, math.copysign(1, got)) == (ref, math.copysign(1, ref))


def operands(dtype, *numbers):
    return [np.array(number, dtype) for number in numbers]


@DTYPES
@MANY
@given(st.data())
def test_a_fused_multiply_add_rounds_once(dtype, data):
    limit = 30 if dtype == SINGLE else 400
    a, b = data.draw(floats(dtype, limit)), data.draw(floats(dtype, limit))
    near = rounded(Fraction(a) * Fraction(b), dtype)
    c = data.draw(st.one_of(floats(dtype, 60).map(lambda x: math.ldexp(x, math.frexp(near)[1])), st.just(-near)))
    got = rounding.fma(*operands(dtype, a, b, c))
    assert same(float(got), rounded(Fraction(a) * Fraction(b) + Fraction(c), dtype))


@DTYPES
@MANY
@given(st.data())
def test_a_fused_multiply_add_that_underflows_is_zero(dtype, data):
    least = FORMATS[dtype][1]
    a, b = data.draw(floats(dtype, 2)) / 8, math.ldexp(data.draw(floats(dtype, 2)), least + 3)
    c = math.ldexp(data.draw(floats(dtype, 2)), least + 2)
    got = rounding.fma(*operands(dtype, a, b, c))
    assert same(float(got), rounded(Fraction(a) * Fraction(b) + Fraction(c), dtype))


@DTYPES
@MANY
@given(st.data())
def test_a_product_and_a_quotient_that_underflow_are_zero(dtype, data):
    least = FORMATS[dtype][1]
    a, b = data.draw(floats(dtype, 2)), data.draw(floats(dtype, 2))
    tiny = math.ldexp(a, least + 3)
    product = rounding.multiply(*operands(dtype, tiny, b / 8))
    quotient = rounding.divide(*operands(dtype, tiny, b * 8))
    assert same(float(product), rounded(Fraction(tiny) * Fraction(b / 8), dtype))
    assert same(float(quotient), rounded(Fraction(tiny) / Fraction(b * 8), dtype))


@DTYPES
@pytest.mark.parametrize(("a", "b", "c"), [(0, 1, -0.0), (-0.0, 1, -0.0), (-1, 0, 0), (2, 3, -6), (-2, 3, 6)])
def test_a_zero_has_the_sign_that_ieee_754_gives_it(dtype, a, b, c):
    assert same(float(rounding.fma(*operands(dtype, a, b, c))), a * b + c)


@DTYPES
def test_subnormal_operands_are_zero(dtype):
    subnormal, large = np.finfo(dtype).tiny / 2, 2.0**100
    assert rounding.fma(*operands(dtype, subnormal, large, 0)) == 0
    assert rounding.fma(*operands(dtype, 0, 0, subnormal)) == 0


@pytest.mark.skipif(sys.version_info < (3, 13), reason="math.fma came with Python 3.13")
@MANY
@given(*[floats(DOUBLE, 400)] * 3)
def test_a_fused_multiply_add_is_python_s(a, b, c):
    assert rounding.fma(*operands(DOUBLE, a, b, c)) == math.fma(a, b, c)


# Gradients.


def one_step(X, y, weights, biases, **settings):
    """The parameters after one step of the engine on one batch, in float64."""
    sizes = [len(weights[0]), *map(len, biases)]
    config = Config(
        hidden=tuple(sizes[1:-1]), batch_size=len(X), n_epochs=1, shuffle=False, precision="float64", **settings
    )
    begun = fastmlp.init_model(config, sizes[0], sizes[-1])
    begun.weights, begun.biases = weights, biases
    model = fastmlp.train(Dataset(X, y, X, y, scale="none"), config, begun).model
    return [*model.weights, *model.biases]


def random_problem(sizes, m, seed=0):
    random = np.random.default_rng(seed)
    weights = [random.normal(size=shape) for shape in pairwise(sizes)]
    biases = [random.normal(size=n) for n in sizes[1:]]
    return random.normal(size=(m, sizes[0])), np.arange(m) % sizes[-1], weights, biases


def plain_loss(X, y, weights, biases, activation, l2):
    """Mean cross-entropy and the penalty whose gradient is l2 W (8), in NumPy's own words."""
    functions = {
        "sigmoid": lambda Z: 1 / (1 + np.exp(-Z)),
        "tanh": np.tanh,
        "relu": lambda Z: np.maximum(Z, 0),
        "identity": lambda Z: Z,
    }
    for W, b in zip(weights[:-1], biases[:-1], strict=True):
        X = functions[activation](X @ W + b)
    Z = X @ weights[-1] + biases[-1]
    penalty = l2 / 2 * sum(np.sum(W**2) for W in weights)
    return np.mean(np.log(np.exp(Z).sum(axis=1)) - Z[np.arange(len(y)), y]) + penalty


def central_differences(loss, array, h=1e-5):
    """Derivative of ``loss()`` by each element of an array, which is changed and put back."""
    slopes = np.empty_like(array)
    for at in np.ndindex(array.shape):
        kept = array[at]
        array[at] = kept + h
        above = loss()
        array[at] = kept - h
        slopes[at] = (above - loss()) / (2 * h)
        array[at] = kept
    return slopes


@pytest.mark.parametrize("l2", [0.0, 0.5])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("sizes", [(5, 3), (4, 6, 3), (3, 5, 4, 3)], ids=str)
def test_the_gradient_is_the_slope_of_the_loss(sizes, activation, l2):
    X, y, weights, biases = random_problem(sizes, 6)
    after = one_step(X, y, weights, biases, learning_rate=1.0, activation=activation, l2=l2)
    for before, now in zip([*weights, *biases], after, strict=True):
        ref = central_differences(lambda: plain_loss(X, y, weights, biases, activation, l2), before)
        assert abs(before - now - ref).max() < 1e-7 * abs(ref).max()


# A step worked by hand.


@pytest.mark.parametrize("l2", [0.0, 0.5])
def test_a_step_equals_the_one_worked_by_hand(l2):
    """Two inputs, two sigmoids, two classes, a batch of the same sample twice, once of each class, learning rate 1/2.

    The weights are such that a person can do it: sigmoid(ln 3) = 3/4, sigmoid(0) = 1/2, softmax(0, ln 3) = (1/4, 3/4).
    """
    ln3 = math.log(3)
    x, W_1, b1 = np.array([1.0, 2.0]), np.array([[ln3, 0.5], [0.0, -0.25]]), np.zeros(2)
    W_2, b2 = np.array([[0.0, 2.0], [0.0, -3.0]]), np.array([0.0, ln3])
    # Z1 = x W_1 + b1 = (ln3 + 0, 1/2 - 1/2) = (ln3, 0), so A1 = (3/4, 1/2).
    # Z2 = A1 W_2 + b2 = (0, 3/4 * 2 - 1/2 * 3 + ln3) = (0, ln3), so the probabilities are (1/4, 3/4).
    # (5) dZ2 = ((1/4 - 1, 3/4) + (1/4, 3/4 - 1)) / 2 = (-1/4, 1/4): both samples together, which is db2.
    db2 = np.array([-1 / 4, 1 / 4])
    # (4) dW_2 = A1^T dZ2, A1 = (3/4, 1/2).
    dW_2 = np.array([[-3 / 16, 3 / 16], [-1 / 8, 1 / 8]])
    # (6) dA1 = dZ2 W_2^T = (-1/4 * 0 + 1/4 * 2, -1/4 * 0 - 1/4 * 3) = (1/2, -3/4).
    # (7) dZ1 = dA1 * A1 (1 - A1) = (1/2 * 3/16, -3/4 * 1/4) = (3/32, -3/16), which is db1.
    db1 = np.array([3 / 32, -3 / 16])
    # dW_1 = x^T dZ1, x = (1, 2).
    dW_1 = np.array([[3 / 32, -3 / 16], [3 / 16, -3 / 8]])
    # (8, 9) w - 1/2 (dw + l2 w), without l2 for biases.
    ref = [W_1 - (dW_1 + l2 * W_1) / 2, W_2 - (dW_2 + l2 * W_2) / 2, b1 - db1 / 2, b2 - db2 / 2]
    got = one_step(np.array([x, x]), [0, 1], [W_1, W_2], [b1, b2], learning_rate=0.5, l2=l2)
    for one, other in zip(got, ref, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-14, atol=1e-15)


def test_the_loss_equals_the_one_worked_by_hand():
    """The network above without its hidden layer: probabilities (1/4, 3/4), so -ln 1/4 for a sample of class 0."""
    logits = np.array([[0.0, math.log(3)]])
    assert formula.softmax_forward(logits, np.array([0]))[1][0] == pytest.approx(math.log(4), rel=1e-15)


# Five steps beside scikit-learn.

N_STEPS, BATCH = 5, 8


def five_steps_of_sklearn(X, y, weights, biases, activation, optimizer, l2):
    """scikit-learn divides its penalty by the batch, as (1) does: its alpha is l2 times the batch."""
    names = {"sigmoid": "logistic"}
    peer = MLPClassifier(
        hidden_layer_sizes=[len(b) for b in biases[:-1]], activation=names.get(activation, activation),
        solver=optimizer, alpha=l2 * BATCH, batch_size=BATCH, learning_rate_init=0.125, shuffle=False,
        momentum=0.0, nesterovs_momentum=False, epsilon=1e-30,
    )  # fmt: skip
    peer.partial_fit(X[:BATCH], y[:BATCH], classes=np.unique(y))
    peer.coefs_, peer.intercepts_ = [W.copy() for W in weights], [b.copy() for b in biases]
    del peer._optimizer
    for first in range(0, len(X), BATCH):
        peer.partial_fit(X[first : first + BATCH], y[first : first + BATCH])
    return [*peer.coefs_, *peer.intercepts_]


@pytest.mark.parametrize("l2", [0.0, 0.125])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_five_steps_equal_scikit_learn_s(activation, optimizer, l2):
    """eps is next to nothing: scikit-learn adds it to sqrt(v), and equation (10) to sqrt(vhat)."""
    X, y, weights, biases = random_problem((7, 6, 5, 4), N_STEPS * BATCH)
    ref = five_steps_of_sklearn(X, y, weights, biases, activation, optimizer, l2)
    config = Config(
        hidden=(6, 5), activation=activation, optimizer=optimizer, learning_rate=0.125, l2=l2, eps=1e-30,
        batch_size=BATCH, n_epochs=1, shuffle=False, precision="float64",
    )  # fmt: skip
    begun = fastmlp.init_model(config, 7, 4)
    begun.weights, begun.biases = weights, biases
    model = fastmlp.train(Dataset(X, y, X, y, scale="none"), config, begun).model
    for got, expected in zip([*model.weights, *model.biases], ref, strict=True):
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-10)
