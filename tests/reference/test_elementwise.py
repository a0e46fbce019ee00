"""Activations and losses against their formulas in plain NumPy."""

import math

import numpy as np
import pytest

from fastmlp.config import Config
from fastmlp.reference import elementwise
from fastmlp.reference.network import Network
from fastmlp.settings import ACTIVATIONS, LOSSES


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_an_activation_equals_its_formula(plain_activations, activation):
    z = np.random.default_rng(0).normal(0, 4, 1000)
    ref = plain_activations[activation](z)
    np.testing.assert_allclose(elementwise.activation_forward(z, activation), ref, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_derivative_equals_finite_differences_of_the_formula(plain_activations, activation):
    z, h = np.random.default_rng(0).normal(0, 4, 1000), 1e-5
    z = z[abs(z) > 2 * h]  # relu and leaky_relu have no derivative at 0
    ref = (plain_activations[activation](z + h) - plain_activations[activation](z - h)) / (2 * h)
    got = elementwise.derivatives_fill(z, elementwise.activation_forward(z, activation), activation)
    np.testing.assert_allclose(got, ref, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_equals_its_formula(plain_losses, random_problem, loss):
    config = Config(loss=loss, huber_delta=0.7, precision="float64")
    X, y, weights, biases = random_problem((4, 3), 20, loss=loss)
    network = Network(config, weights, biases)
    _, got = network.predict(X, y, (np.ones(4), np.zeros(4)))
    np.testing.assert_allclose(got, plain_losses[loss](X @ weights[0] + biases[0], y, config), rtol=1e-12)


def test_the_loss_equals_the_one_worked_by_hand():
    """Logits (0, ln 3), so probabilities (1/4, 3/4), and -ln 1/4 for a sample of class 0."""
    logits = np.array([[0.0, math.log(3)]])
    assert elementwise.softmax_forward(logits, np.array([0]))[1][0] == pytest.approx(math.log(4), rel=1e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("count", [1.0, 1e3, 1e5, 1e7])
def test_a_poisson_loss_near_its_minimum_is_accurate(dtype, count):
    z = np.array([math.log(count)], dtype)
    y = (1.01 * np.exp(z.astype(np.float64))).astype(dtype)
    got = elementwise.poisson_loss(z, elementwise.exp(z), y, 1.0)
    d = z.astype(np.float64) - np.log(y.astype(np.float64))
    np.testing.assert_allclose(got, y * (np.expm1(d) - d), rtol=1e-2)
