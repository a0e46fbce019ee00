"""Vector functions: bits against the reference; accuracy, in units of the last place, against float64 and decimals."""

import decimal
import math

import numpy as np
import pytest

from fastmlp.kernels.activation import activation_backward, activation_forward, derivatives_fill
from fastmlp.reference import arithmetic, elementwise
from fastmlp.settings import ACTIVATIONS

#: Functions of vectors, and their largest errors in units of the last place.
ERRORS = {
    "exp": 1.1,
    "expm1": 2.0,
    "log": 3.0,
    "reciprocal": 2.0,
    "sigmoid": 2.5,
    "tanh": 3.0,
    "log1p": 3.0,
    "elu": 2.0,
    "softplus": 4.0,
}
SIZES = [1, 3, 4, 5, 15, 16, 17, 31, 33, 64, 67]


def arguments_of(name, dtype):
    """Numbers of every size that a function meets, and where it changes its formula."""
    random, info = np.random.default_rng(0), np.finfo(dtype)
    if name == "reciprocal":
        return np.array(
            [*max(4 * info.tiny, 1e-290) * np.arange(1, 9), 1, 2, 1e-8, *np.exp(random.uniform(-80, 80, 4000))], dtype
        )
    if name == "log":
        edges = [info.tiny, info.max, 1.0, 1 - info.epsneg, 1 + info.eps, math.sqrt(2), math.sqrt(0.5), 2.0]
        return np.array([*edges, *np.exp(random.uniform(-80, 80, 2000)), *random.uniform(0.5, 2.0, 2000)], dtype)
    if name == "log1p":
        return np.array(
            [0.0, 1.0, info.tiny, *np.exp(random.uniform(-80, 0, 2000)), *random.uniform(0, 1, 2000)], dtype
        )
    edges = [0.0, -0.0, info.tiny, -info.tiny, info.eps, 0.5, -87, 88, 103, 104, -104, 708, 709, 1e4, 20, 40, info.max]
    spread = random.choice([-1, 1], 2000) * np.exp(random.uniform(-80, 7, 2000))
    x = np.array([*edges, *spread, *random.uniform(-10, 10, 2000), *random.uniform(-760, 760, 500)], dtype)
    return np.clip(x, -80, 80) if name == "expm1" else x


@pytest.mark.parametrize("name", ERRORS)
def test_a_function_of_vectors_equals_its_reference(engine, flushed, same_bits, dtype, name):
    x = arguments_of(name, dtype)
    with flushed():
        got = engine.function(name, x)
    same_bits(got, getattr(elementwise, name)(x))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("m", SIZES)
def test_an_activation_equals_its_reference(flushed, same_bits, dtype, activation, m):
    random, stride, start = np.random.default_rng(m), 80, 16
    Z = random.normal(0, 30, (3, stride)).astype(dtype)
    work = np.concatenate([np.zeros(start, dtype), Z.ravel()])
    with flushed():
        activation_forward(work, start, start, stride, 3, m, ACTIVATIONS[activation].code)
    got = work[start:].reshape(3, stride)[:, :m].T
    same_bits(got, elementwise.activation_forward(Z[:, :m].T, activation))


@pytest.mark.parametrize("activation", [name for name, a in ACTIVATIONS.items() if a.derivative_of == "output"])
@pytest.mark.parametrize("m", SIZES)
def test_a_derivative_from_the_output_equals_its_reference(flushed, same_bits, dtype, activation, m):
    random, stride = np.random.default_rng(m), 80
    Z = random.normal(0, 30, (3, stride)).astype(dtype)
    A, dA = elementwise.activation_forward(Z, activation), random.normal(size=(3, stride)).astype(dtype)
    work = np.concatenate([A.ravel(), dA.ravel()])
    with flushed():
        activation_backward(work, 0, A.size, stride, 3, m, ACTIVATIONS[activation].code)
    got = work[A.size :].reshape(3, stride)[:, :m].T
    same_bits(got, elementwise.activation_backward(dA[:, :m].T, A[:, :m].T, activation))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("m", SIZES)
def test_a_stored_derivative_equals_its_reference(flushed, same_bits, dtype, activation, m):
    random, stride = np.random.default_rng(m), 80
    Z = random.normal(0, 30, (3, stride)).astype(dtype)
    work = np.concatenate([Z.ravel(), np.zeros(Z.size, dtype)])
    with flushed():
        activation_forward(work, 0, Z.size, stride, 3, m, ACTIVATIONS[activation].code)
        derivatives_fill(work, 0, Z.size, stride, 3, m, ACTIVATIONS[activation].code)
    got, Z = work[Z.size :].reshape(3, stride)[:, :m].T, Z[:, :m].T
    same_bits(got, elementwise.derivatives_fill(Z, elementwise.activation_forward(Z, activation), activation))


def test_a_subnormal_delta_is_zero(flushed, same_bits, dtype):
    random, tiny = np.random.default_rng(0), float(np.finfo(dtype).tiny)
    A, dA = random.uniform(0, 1, (1, 256)).astype(dtype), (random.uniform(-8, 8, (1, 256)) * tiny).astype(dtype)
    dA = arithmetic.flush(dA)
    work = np.concatenate([A.ravel(), dA.ravel()])
    with flushed():
        activation_backward(work, 0, 256, 256, 1, 256, ACTIVATIONS["sigmoid"].code)
    ref = elementwise.activation_backward(dA, A, "sigmoid")
    assert 0.1 < (ref == 0).mean() < 0.9
    same_bits(work[256:], ref[0])


@pytest.mark.parametrize("name", ["exp", "expm1", "sigmoid", "tanh"])
def test_nan_stays_nan(engine, dtype, name):
    assert np.isnan(engine.function(name, np.array([np.nan], dtype))).all()


def decimal_of(name, x):
    """A function of a float, to 40 digits."""
    x = decimal.Decimal(x)
    if name == "exp":
        return x.exp()
    if name == "expm1":
        return x.exp() - 1
    if name == "reciprocal":
        return 1 / x
    if name == "log":
        return x.ln()
    if name == "log1p":
        return (1 + x).ln()
    if name == "elu":
        return x if x > 0 else x.exp() - 1
    if name == "softplus":
        return (1 + x.exp()).ln()
    return 1 / (1 + (-x).exp()) if name == "sigmoid" else ((2 * x).exp() - 1) / ((2 * x).exp() + 1)


def range_of(name, dtype, n):
    random, single = np.random.default_rng(3), dtype == np.float32
    if name in {"log", "reciprocal"}:
        return np.exp(np.concatenate([random.uniform(-80, 80, n), random.uniform(-0.5, 0.5, n)])).astype(dtype)
    if name == "log1p":
        return np.concatenate([random.uniform(0, 1, n), np.exp(random.uniform(-60, 0, n))]).astype(dtype)
    limit = {"exp": 87 if single else 708, "sigmoid": 87 if single else 708}.get(name, 20)
    small = random.choice([-1, 1], n) * np.exp(random.uniform(-12, 0, n))
    return np.concatenate([random.uniform(-limit, limit, n), small]).astype(dtype)


def exact_of(name, x):
    """The function of float32 numbers in float64."""
    if name == "elu":
        return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))
    if name == "softplus":
        return np.logaddexp(0, x)
    return 1 / (1 + np.exp(-x)) if name == "sigmoid" else getattr(np, name)(x)


@pytest.mark.parametrize("name", ERRORS)
def test_a_function_is_accurate_in_float32(engine, name):
    x = range_of(name, np.dtype(np.float32), 20_000)
    exact = exact_of(name, x.astype(np.float64))
    errors = abs(engine.function(name, x) - exact) / np.spacing(abs(exact).astype(np.float32)).astype(np.float64)
    assert errors.max() < ERRORS[name]


@pytest.mark.parametrize("name", ERRORS)
def test_a_function_is_accurate_in_float64(engine, name):
    x = range_of(name, np.dtype(np.float64), 1_000)
    with decimal.localcontext(decimal.Context(prec=80)):
        for got, argument in zip(engine.function(name, x).tolist(), x.tolist(), strict=True):
            exact = decimal_of(name, argument)
            error = abs(decimal.Decimal(got) - exact) / decimal.Decimal(math.ulp(float(exact)))
            assert error < ERRORS[name], argument
