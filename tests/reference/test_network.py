"""Tests of the reference implementations: arithmetic against exact fractions, gradients against finite differences.

A step is compared with numbers worked by hand, five steps with scikit-learn. tests/kernels compares the kernels with
the reference implementations.
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
from fastmlp.config import Config
from fastmlp.data import Dataset
from fastmlp.reference import arithmetic, elementwise
from fastmlp.reference import update as reference_update
from fastmlp.reference.network import Network
from fastmlp.settings import ACTIVATIONS, LOSSES, OPTIMIZERS

PAPER_ACTIVATIONS = ["sigmoid", "tanh", "relu", "identity"]
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
    got = arithmetic.fma(*operands(dtype, a, b, c))
    assert same(float(got), rounded(Fraction(a) * Fraction(b) + Fraction(c), dtype))


@DTYPES
@MANY
@given(st.data())
def test_a_fused_multiply_add_that_underflows_is_zero(dtype, data):
    least = FORMATS[dtype][1]
    a, b = data.draw(floats(dtype, 2)) / 8, math.ldexp(data.draw(floats(dtype, 2)), least + 3)
    c = math.ldexp(data.draw(floats(dtype, 2)), least + 2)
    got = arithmetic.fma(*operands(dtype, a, b, c))
    assert same(float(got), rounded(Fraction(a) * Fraction(b) + Fraction(c), dtype))


@DTYPES
@MANY
@given(st.data())
def test_a_product_and_a_quotient_that_underflow_are_zero(dtype, data):
    least = FORMATS[dtype][1]
    a, b = data.draw(floats(dtype, 2)), data.draw(floats(dtype, 2))
    tiny = math.ldexp(a, least + 3)
    product = arithmetic.multiply(*operands(dtype, tiny, b / 8))
    quotient = arithmetic.divide(*operands(dtype, tiny, b * 8))
    assert same(float(product), rounded(Fraction(tiny) * Fraction(b / 8), dtype))
    assert same(float(quotient), rounded(Fraction(tiny) / Fraction(b * 8), dtype))


@DTYPES
@pytest.mark.parametrize(("a", "b", "c"), [(0, 1, -0.0), (-0.0, 1, -0.0), (-1, 0, 0), (2, 3, -6), (-2, 3, 6)])
def test_a_zero_has_the_sign_that_ieee_754_gives_it(dtype, a, b, c):
    assert same(float(arithmetic.fma(*operands(dtype, a, b, c))), a * b + c)


@DTYPES
def test_subnormal_operands_are_zero(dtype):
    subnormal, large = np.finfo(dtype).tiny / 2, 2.0**100
    assert arithmetic.fma(*operands(dtype, subnormal, large, 0)) == 0
    assert arithmetic.fma(*operands(dtype, 0, 0, subnormal)) == 0


@pytest.mark.skipif(sys.version_info < (3, 13), reason="math.fma came with Python 3.13")
@MANY
@given(*[floats(DOUBLE, 400)] * 3)
def test_a_fused_multiply_add_is_python_s(a, b, c):
    assert arithmetic.fma(*operands(DOUBLE, a, b, c)) == math.fma(a, b, c)


# Gradients.


def one_step(X, y, weights, biases, **settings):
    """The parameters after one step of the kernels on one batch, in float64."""
    sizes = [len(weights[0]), *map(len, biases)]
    config = Config(
        hidden=tuple(sizes[1:-1]), batch_size=len(X), n_epochs=1, shuffle=False, precision="float64", **settings
    )
    begun = fastmlp.init_model(config, sizes[0], sizes[-1])
    begun.weights, begun.biases = weights, biases
    model = fastmlp.train(Dataset(X, y, X, y, scale="none", task=TASKS[config.loss]), config, begun).model
    return [*model.weights, *model.biases]


TASKS = {"cross_entropy": "classification", "binary_cross_entropy": "multilabel"} | dict.fromkeys(
    ["squared_error", "huber", "poisson"], "regression"
)


def random_problem(sizes, m, seed=0, loss="cross_entropy"):
    random = np.random.default_rng(seed)
    spread = 0.4 if loss == "poisson" else 1.0  # whose outputs are exponentials
    weights = [random.normal(0, spread, shape) for shape in pairwise(sizes)]
    biases = [random.normal(0, spread, n) for n in sizes[1:]]
    if loss == "cross_entropy":
        y = np.arange(m) % sizes[-1]
    else:
        y = random.integers(0, 2 if loss == "binary_cross_entropy" else 4, (m, sizes[-1])).astype(float)
    return random.normal(size=(m, sizes[0])), y, weights, biases


def plain_losses(Z, y, config):
    """Each sample's loss, with NumPy's functions."""
    smoothing, n = config.label_smoothing, Z.shape[1]
    if config.loss == "cross_entropy":
        targets = np.eye(n)[y] * (1 - smoothing) + smoothing / n
        return np.log(np.exp(Z).sum(axis=1)) - (targets * Z).sum(axis=1)
    if config.loss == "binary_cross_entropy":
        p, y = 1 / (1 + np.exp(-Z)), y * (1 - smoothing) + smoothing / 2
        return -(y * np.log(p) + (1 - y) * np.log(1 - p)).sum(axis=1)
    if config.loss == "poisson":
        return (np.exp(Z) - y * Z + np.where(y > 0, y * np.log(np.maximum(y, 1)) - y, 0)).sum(axis=1)
    error, delta = abs(Z - y), config.huber_delta if config.loss == "huber" else math.inf
    return np.where(error < delta, error**2 / 2, 0 if delta == math.inf else delta * (error - delta / 2)).sum(axis=1)


def plain_loss(X, y, weights, biases, config, activations):
    """Mean loss and the penalty whose gradient is l2 W (8), or by the batch l2 / m W."""
    for W, b in zip(weights[:-1], biases[:-1], strict=True):
        X = activations[config.activation](X @ W + b)
    Z = X @ weights[-1] + biases[-1]
    penalty = config.l2 / 2 * sum(np.sum(W**2) for W in weights)
    return plain_losses(Z, y, config).mean() + penalty / (len(X) if config.l2_scale == "batch" else 1)


def central_differences(loss, array, h=1e-5):
    """Derivative of ``loss()`` by each element of an array, which is changed and put back."""
    derivatives = np.empty_like(array)
    for at in np.ndindex(array.shape):
        kept = array[at]
        array[at] = kept + h
        above = loss()
        array[at] = kept - h
        derivatives[at] = (above - loss()) / (2 * h)
        array[at] = kept
    return derivatives


def check_gradient(activations, sizes=(3, 5, 4, 3), **settings):
    config = Config(learning_rate=1.0, **settings)
    X, y, weights, biases = random_problem(sizes, 6, loss=config.loss)
    after = one_step(X, y, weights, biases, learning_rate=1.0, **settings)
    for before, now in zip([*weights, *biases], after, strict=True):
        ref = central_differences(lambda: plain_loss(X, y, weights, biases, config, activations), before)
        assert abs(before - now - ref).max() < 1e-7 * abs(ref).max()


@pytest.mark.parametrize("l2", [0.0, 0.5])
@pytest.mark.parametrize("activation", ["sigmoid", "relu"])
@pytest.mark.parametrize("sizes", [(5, 3), (4, 6, 3), (3, 5, 4, 3)], ids=str)
def test_the_gradient_equals_finite_differences_of_the_loss(plain_activations, sizes, activation, l2):
    check_gradient(plain_activations, sizes, activation=activation, l2=l2)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("loss", LOSSES)
def test_the_gradient_of_any_loss_equals_finite_differences(plain_activations, loss, activation):
    check_gradient(plain_activations, loss=loss, activation=activation, huber_delta=0.7, l2=0.5, l2_scale="batch")


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
def test_the_gradient_of_smoothed_labels_equals_finite_differences(plain_activations, loss):
    check_gradient(plain_activations, loss=loss, label_smoothing=0.2)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_is_what_its_formula_says(loss):
    config = Config(loss=loss, huber_delta=0.7, precision="float64")
    X, y, weights, biases = random_problem((4, 3), 20, loss=loss)
    network = Network(config, weights, biases)
    _, got = network.predict(X, y, (np.ones(4), np.zeros(4)))
    np.testing.assert_allclose(got, plain_losses(X @ weights[0] + biases[0], y, config), rtol=1e-12)


# Optimizers, as the books have them.


def textbook_steps(optimizer, w, gradients, c):
    """Values of a weight under an update rule, in the form of the papers."""
    m, v, mu_product, lr = 0.0, 0.0, 1.0, c.learning_rate
    for t, gradient in enumerate(gradients, 1):
        g = gradient + c.l2 * w
        w = w - lr * c.weight_decay * w
        if optimizer == "sgd":
            w = w - lr * g
        elif optimizer == "momentum":
            m = c.momentum * m - lr * g
            w = w + m
        elif optimizer == "nesterov":
            m = c.momentum * m - lr * g
            w = w + c.momentum * m - lr * g
        elif optimizer == "rmsprop":
            v = c.beta2 * v + (1 - c.beta2) * g**2
            w = w - lr * g / (np.sqrt(v) + c.eps)
        else:
            m, v = c.beta1 * m + (1 - c.beta1) * g, c.beta2 * v + (1 - c.beta2) * g**2
            root = np.sqrt(v / (1 - c.beta2**t)) + c.eps
            if optimizer == "nadam":
                mu, following = (c.beta1 * (1 - 0.5 * 0.96 ** (0.004 * i)) for i in (t, t + 1))
                mu_product *= mu
                mean = following * m / (1 - mu_product * following) + (1 - mu) * g / (1 - mu_product)
                w = w - lr * mean / root
            else:
                w = w - lr * m / (1 - c.beta1**t) / root
    return w


@pytest.mark.parametrize("l2", [0.0, 0.125])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_ten_steps_are_the_textbook_s(optimizer, l2):
    random = np.random.default_rng(4)
    config = Config(optimizer=optimizer, learning_rate=0.05, l2=l2, beta1=0.8, beta2=0.95, precision="float64")
    W, gradients = random.normal(size=(3, 4)), random.normal(size=(10, 3, 4))
    network = Network(config, [W], [np.zeros(4)])
    for gradient in gradients:
        c = reference_update.coefficients_of_step(config, config.learning_rate, network.powers)
        network.update(0, gradient, c)
    np.testing.assert_allclose(network.theta[0], textbook_steps(optimizer, W, gradients, config), rtol=1e-12)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_weights_decay_apart_from_their_gradient_and_biases_do_not(optimizer):
    config = Config(optimizer=optimizer, learning_rate=0.05, weight_decay=0.25, precision="float64")
    W, gradients = np.full((2, 2), 3.0), np.zeros((4, 2, 2))
    network = Network(config, [W], [np.ones(2)])
    for gradient in gradients:
        c = reference_update.coefficients_of_step(config, config.learning_rate, network.powers)
        network.update(0, gradient, c)
        network.update(1, gradient[0], c)
    np.testing.assert_allclose(network.theta[0], W * (1 - 0.05 * 0.25) ** 4, rtol=1e-12)
    np.testing.assert_array_equal(network.theta[1], 1)


def test_ten_steps_equal_pytorch_s():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    random = np.random.default_rng(4)
    W, gradients = random.normal(size=(3, 4)), random.normal(size=(10, 3, 4))
    peers = {
        "momentum": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9),
        "nesterov": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
        "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.05, alpha=0.95),
        "adam": lambda p: torch.optim.Adam(p, lr=0.05, betas=(0.8, 0.95)),
        "adamw": lambda p: torch.optim.AdamW(p, lr=0.05, betas=(0.8, 0.95), weight_decay=0.1),
        "nadam": lambda p: torch.optim.NAdam(p, lr=0.05, betas=(0.8, 0.95)),
    }
    for optimizer, make in peers.items():
        decay = 0.1 if optimizer == "adamw" else 0.0
        config = Config(
            optimizer=optimizer, learning_rate=0.05, beta1=0.8, beta2=0.95, weight_decay=decay, precision="float64"
        )  # fmt: skip
        network, weight = Network(config, [W], [np.zeros(4)]), torch.tensor(W, requires_grad=True)
        peer = make([weight])
        for gradient in gradients:
            network.update(0, gradient, reference_update.coefficients_of_step(config, 0.05, network.powers))
            weight.grad = torch.tensor(gradient)
            peer.step()
        rtol = 1e-5 if optimizer == "nadam" else 1e-12  # PyTorch keeps Nadam's product of momenta in float32
        np.testing.assert_allclose(network.theta[0], weight.detach().numpy(), rtol=rtol, err_msg=optimizer)


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
    assert elementwise.softmax_forward(logits, np.array([0]))[1][0] == pytest.approx(math.log(4), rel=1e-15)


# Five steps compared with scikit-learn's.

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
@pytest.mark.parametrize("activation", PAPER_ACTIVATIONS)
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
