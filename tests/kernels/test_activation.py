"""Activations: bits against the reference; accuracy, in units of the last place, against float64 and decimals."""

import numpy as np
import pytest

from fastmlp.kernels.activation import BACKWARD, FORWARD, derivatives_fill
from fastmlp.reference import arithmetic, elementwise
from fastmlp.settings import ACTIVATIONS

#: Activations that are composed of exponentials, and their largest errors in units of the last place.
ERRORS = {"sigmoid": 2.5, "tanh": 3.0, "elu": 2.0, "softplus": 4.0}
SIZES = [1, 3, 4, 5, 15, 16, 17, 31, 33, 64, 67]


@pytest.mark.parametrize("name", ERRORS)
def test_a_vector_function_equals_its_reference(engine, flushed, same_bits, dtype, name):
    x = engine.arguments(dtype)
    with flushed():
        got = engine.function(name, x)
    same_bits(got, getattr(elementwise, name)(x))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("m", SIZES)
def test_an_activation_equals_its_reference(engine, flushed, same_bits, dtype, activation, m):
    random, stride, start = np.random.default_rng(m), 80, 16
    Z = random.normal(0, 30, (3, stride)).astype(dtype)
    work = np.concatenate([np.zeros(start, dtype), Z.ravel()])
    with flushed():
        engine.call(FORWARD[activation], work, start, start, stride, 3, m)
    got = work[start:].reshape(3, stride)[:, :m].T
    same_bits(got, elementwise.activation_forward(Z[:, :m].T, activation))


@pytest.mark.parametrize("activation", BACKWARD)
@pytest.mark.parametrize("m", SIZES)
def test_a_derivative_from_the_output_equals_its_reference(engine, flushed, same_bits, dtype, activation, m):
    random, stride = np.random.default_rng(m), 80
    Z = random.normal(0, 30, (3, stride)).astype(dtype)
    A, dA = elementwise.activation_forward(Z, activation), random.normal(size=(3, stride)).astype(dtype)
    work = np.concatenate([A.ravel(), dA.ravel()])
    with flushed():
        engine.call(BACKWARD[activation], work, 0, A.size, stride, 3, m)
    got = work[A.size :].reshape(3, stride)[:, :m].T
    same_bits(got, elementwise.activation_backward(dA[:, :m].T, A[:, :m].T, activation))


def forward_with_derivative(engine, activation, work, D, stride, n_rows, m):
    """The activation of the rows from the start of work on, and its derivative at D, as `hidden_forward` has it."""
    engine.call(FORWARD[activation], work, 0, D, stride, n_rows, m)
    if activation in BACKWARD:
        backward = BACKWARD[activation].address(work.dtype.name)
        engine.call(derivatives_fill, work, 0, D, stride, n_rows, m, backward)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("m", SIZES)
def test_a_stored_derivative_equals_its_reference(engine, flushed, same_bits, dtype, activation, m):
    random, stride = np.random.default_rng(m), 80
    Z = random.normal(0, 30, (3, stride)).astype(dtype)
    work = np.concatenate([Z.ravel(), np.zeros(Z.size, dtype)])
    with flushed():
        forward_with_derivative(engine, activation, work, Z.size, stride, 3, m)
    got, Z = work[Z.size :].reshape(3, stride)[:, :m].T, Z[:, :m].T
    same_bits(got, elementwise.derivatives_fill(Z, elementwise.activation_forward(Z, activation), activation))


#: Derivatives at 0, as in PyTorch and TensorFlow; tests/reference/test_network.py compares them with PyTorch's.
AT_ZERO = {
    "sigmoid": 0.25, "tanh": 1.0, "relu": 0.0, "identity": 1.0, "leaky_relu": 0.01, "elu": 1.0, "gelu": 0.5,
    "silu": 0.5, "softplus": 0.5,
}  # fmt: skip


@pytest.mark.parametrize("activation", AT_ZERO)
def test_a_derivative_at_zero_is_pytorch_s(engine, flushed, same_bits, dtype, activation):
    """Of both zeros, and of numbers whose activation is flushed to one."""
    tiny = float(np.finfo(dtype).tiny)
    z = np.array([0.0, -0.0, -tiny, -8 * tiny] * 16, dtype)
    work = np.concatenate([z, np.zeros_like(z)])
    with flushed():
        forward_with_derivative(engine, activation, work, z.size, z.size, 1, z.size)
    np.testing.assert_allclose(work[z.size :], AT_ZERO[activation], rtol=8 * np.finfo(dtype).eps)
    A = elementwise.activation_forward(z, activation)
    same_bits(work[z.size :], elementwise.derivatives_fill(z, A, activation))


def test_a_subnormal_delta_is_zero(engine, flushed, same_bits, dtype):
    random, tiny = np.random.default_rng(0), float(np.finfo(dtype).tiny)
    A, dA = random.uniform(0, 1, (1, 256)).astype(dtype), (random.uniform(-8, 8, (1, 256)) * tiny).astype(dtype)
    dA = arithmetic.flush(dA)
    work = np.concatenate([A.ravel(), dA.ravel()])
    with flushed():
        engine.call(BACKWARD["sigmoid"], work, 0, 256, 256, 1, 256)
    ref = elementwise.activation_backward(dA, A, "sigmoid")
    assert 0.1 < (ref == 0).mean() < 0.9
    same_bits(work[256:], ref[0])


@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_nan_stays_nan(engine, dtype, name):
    assert np.isnan(engine.function(name, np.array([np.nan], dtype))).all()


def range_of(name, dtype, n):
    random = np.random.default_rng(3)
    limit = (87 if dtype == np.float32 else 708) if name == "sigmoid" else 20
    small = random.choice([-1, 1], n) * np.exp(random.uniform(-12, 0, n))
    return np.concatenate([random.uniform(-limit, limit, n), small]).astype(dtype)


@pytest.mark.parametrize("name", ERRORS)
def test_an_activation_is_accurate_in_float32(engine, plain_activations, name):
    x = range_of(name, np.dtype(np.float32), 20_000)
    exact = plain_activations[name](x.astype(np.float64))
    assert engine.max_error(engine.function(name, x), exact) < ERRORS[name]


#: The activations of a decimal number.
DECIMALS = {
    "sigmoid": lambda z: 1 / (1 + (-z).exp()),
    "tanh": lambda z: ((2 * z).exp() - 1) / ((2 * z).exp() + 1),
    "elu": lambda z: z if z > 0 else z.exp() - 1,
    "softplus": lambda z: (1 + z.exp()).ln(),
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_activation_is_accurate_in_float64(engine, name):
    x = range_of(name, np.dtype(np.float64), 1_000)
    assert engine.max_error_of_decimals(name, x, DECIMALS[name]) < ERRORS[name]
