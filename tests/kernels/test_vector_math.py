"""Vector functions: bits against the reference; accuracy, in units of the last place, against float64 and decimals."""

import math

import numpy as np
import pytest

from fastmlp.reference import elementwise

#: Largest errors in units of the last place.
ERRORS = {"exp": 1.1, "expm1": 2.0, "log": 3.0, "log1p": 3.0, "reciprocal": 2.0}


def arguments_of(name, dtype, any_size):
    """Numbers of every size that a function is defined for, and where it changes its formula."""
    random, info = np.random.default_rng(0), np.finfo(dtype)
    if name == "reciprocal":
        small = max(4 * info.tiny, 1e-290) * np.arange(1, 9)
        return np.array([*small, 1, 2, 1e-8, *np.exp(random.uniform(-80, 80, 4000))], dtype)
    if name == "log":
        edges = [info.tiny, info.max, 1.0, 1 - info.epsneg, 1 + info.eps, math.sqrt(2), math.sqrt(0.5), 2.0]
        return np.array([*edges, *np.exp(random.uniform(-80, 80, 2000)), *random.uniform(0.5, 2.0, 2000)], dtype)
    if name == "log1p":
        spread = np.exp(random.uniform(-80, 0, 2000))
        return np.array([0.0, 1.0, info.tiny, *spread, *random.uniform(0, 1, 2000)], dtype)
    return np.clip(any_size, -80, 80) if name == "expm1" else any_size


@pytest.mark.parametrize("name", ERRORS)
def test_a_function_equals_its_reference(engine, flushed, same_bits, dtype, name):
    x = arguments_of(name, dtype, engine.arguments(dtype))
    with flushed():
        got = engine.function(name, x)
    same_bits(got, getattr(elementwise, name)(x))


@pytest.mark.parametrize("name", ["exp", "expm1", "log", "log1p", "reciprocal", "clamp_finite"])
def test_nan_stays_nan(engine, dtype, name):
    x = np.array([np.nan], dtype)
    assert np.isnan(engine.function(name, x)).all()
    assert np.isnan(getattr(elementwise, name)(x)).all()


def test_functions_of_infinity_and_the_largest_number(engine, flushed, same_bits, dtype):
    """exp and expm1 are clamped. A reciprocal that would not be normal is 0."""
    largest = np.finfo(dtype).max
    x = np.array([np.inf, largest, largest / 2, 1 / np.finfo(dtype).tiny], dtype)
    with flushed():
        got = {name: engine.function(name, x) for name in ("exp", "expm1", "log", "reciprocal", "clamp_finite")}
    for name, values in got.items():
        same_bits(values, getattr(elementwise, name)(x))
    assert (got["reciprocal"] == 0).all()
    assert got["log"][0] == np.inf
    assert got["clamp_finite"][0] == largest
    assert np.isfinite(got["exp"]).all()


def range_of(name, dtype, n):
    random = np.random.default_rng(3)
    if name in {"log", "reciprocal"}:
        return np.exp(np.concatenate([random.uniform(-80, 80, n), random.uniform(-0.5, 0.5, n)])).astype(dtype)
    if name == "log1p":
        return np.concatenate([random.uniform(0, 1, n), np.exp(random.uniform(-60, 0, n))]).astype(dtype)
    limit = (87 if dtype == np.float32 else 708) if name == "exp" else 20
    small = random.choice([-1, 1], n) * np.exp(random.uniform(-12, 0, n))
    return np.concatenate([random.uniform(-limit, limit, n), small]).astype(dtype)


@pytest.mark.parametrize("name", ERRORS)
def test_a_function_is_accurate_in_float32(engine, name):
    x = range_of(name, np.dtype(np.float32), 20_000)
    exact = getattr(np, name)(x.astype(np.float64))
    assert engine.max_error(engine.function(name, x), exact) < ERRORS[name]


#: The functions of a decimal number.
DECIMALS = {
    "exp": lambda x: x.exp(),
    "expm1": lambda x: x.exp() - 1,
    "log": lambda x: x.ln(),
    "log1p": lambda x: (1 + x).ln(),
    "reciprocal": lambda x: 1 / x,
}


@pytest.mark.parametrize("name", ERRORS)
def test_a_function_is_accurate_in_float64(engine, name):
    x = range_of(name, np.dtype(np.float64), 1_000)
    assert engine.max_error_of_decimals(name, x, DECIMALS[name]) < ERRORS[name]
