import numpy as np
import pytest

from fastmlp.codegen.cpu import vector_bits
from fastmlp.config import Config
from fastmlp.kernels.layout import ParamArrays
from fastmlp.kernels.optimizer_state import ADAM, N_COEFFICIENTS, SGD
from fastmlp.kernels.update import UPDATES, coefficients_of_step, gradient_store
from fastmlp.model.kernel_args import hyperparameters_of, initial_powers
from fastmlp.reference import arithmetic
from fastmlp.reference import update as reference_update
from fastmlp.settings import OPTIMIZERS

SHAPES = [(1, 1), (1, 16), (2, 17), (3, 64), (5, 65)]
STRIDE, START = 80, 16


def settings_of(dtype, optimizer, l2):
    return Config(optimizer=optimizer, l2=l2, precision=dtype.name, beta1=0.8, beta2=0.99)


def both(c, dtype):
    """Coefficients of weights, then of biases, as kernels take them."""
    return np.array([*c, *c._replace(l2=0, decay=0)], dtype)


class Block:
    """A block of weights with moments, and a gradient, in the middle of larger arrays."""

    def __init__(self, dtype, shape, scale=1.0):
        random = np.random.default_rng(0)
        self.shape, self.dtype = shape, dtype
        self.theta, self.m, self.G = (
            arithmetic.flush((scale * random.normal(size=START + 6 * STRIDE)).astype(dtype)) for _ in range(3)
        )
        self.v = arithmetic.flush(np.square(scale**0.5 * random.normal(size=self.m.size)).astype(dtype))
        self.gradient = np.zeros_like(self.theta)
        self.before = [self.part(array).copy() for array in (self.theta, self.m, self.v)]

    def part(self, array):
        return array[START:].reshape(-1, STRIDE)[: self.shape[0], : self.shape[1]]

    def run(self, engine, implementation, c):
        params, G = ParamArrays(self.theta, self.m, self.v, self.gradient), (self.G[START:], STRIDE, 1)
        engine.call(implementation, params, START, STRIDE, G, *self.shape, c)

    def update(self, engine, optimizer, c):
        self.run(engine, UPDATES[optimizer], c)
        params = self.theta, self.m, self.v
        return [self.part(array) for array in params]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_coefficients_equal_their_references(flushed, same_bits, dtype, optimizer):
    config, got = settings_of(dtype, optimizer, 0.01), np.zeros(2 * N_COEFFICIENTS, dtype)
    powers, ref_powers = initial_powers(), initial_powers()
    for _ in range(50):
        with flushed():
            coefficients_of_step(hyperparameters_of(config, 0.3), powers, OPTIMIZERS[optimizer].code, 1.0, got)
        c = reference_update.coefficients_of_step(config, 0.3, ref_powers)
        same_bits(got, both(c, dtype))


def test_subnormal_coefficients_are_zero(flushed, same_bits):
    config, got = Config(optimizer="adam", l2=1e-40, beta1=0.1), np.zeros(2 * N_COEFFICIENTS, np.float32)
    powers, ref_powers = initial_powers(), initial_powers()
    for _ in range(400):
        with flushed():
            coefficients_of_step(hyperparameters_of(config, 0.3), powers, ADAM, 1.0, got)
        c = reference_update.coefficients_of_step(config, 0.3, ref_powers)
    assert (powers[0], c.l2) == (0, 0)
    same_bits(got[:N_COEFFICIENTS], np.array(c))


@pytest.mark.parametrize("scale", [1.0, "tiny"])
@pytest.mark.parametrize("l2", [0.0, 0.01])
@pytest.mark.parametrize("shape", SHAPES)
def test_sgd_equals_its_reference(engine, flushed, same_bits, dtype, shape, l2, scale):
    config = settings_of(dtype, "sgd", l2)
    block = Block(dtype, shape, 4 * float(np.finfo(dtype).tiny) if scale == "tiny" else scale)
    c = reference_update.coefficients_of_step(config, 0.3, initial_powers())
    w0 = block.before[0]
    with flushed():
        w, _, _ = block.update(engine, SGD, both(c, dtype))
    same_bits(w, reference_update.sgd_update(w0, arithmetic.fma(c.l2, w0, block.part(block.G)), c))


@pytest.mark.parametrize("scale", [1.0, "tiny"])
@pytest.mark.parametrize("l2", [0.0, 0.01])
@pytest.mark.parametrize("shape", SHAPES)
def test_adam_equals_its_reference(engine, flushed, same_bits, dtype, shape, l2, scale):
    config = settings_of(dtype, "adam", l2)
    block = Block(dtype, shape, 4 * float(np.finfo(dtype).tiny) if scale == "tiny" else scale)
    c = reference_update.coefficients_of_step(config, 0.3, initial_powers())
    with flushed():
        got = block.update(engine, ADAM, both(c, dtype))
    w, m, v = block.before
    m, v = reference_update.adam_moments(m, v, arithmetic.fma(c.l2, w, block.part(block.G)), c)
    for one, other in zip(got, (reference_update.adam_update(w, m, v, c), m, v), strict=True):
        same_bits(one, other)


@pytest.mark.parametrize("optimizer", [name for name, record in OPTIMIZERS.items() if "v" in record.moments])
def test_a_weight_whose_second_moment_overflowed_stays(engine, flushed, same_bits, dtype, optimizer):
    """As with a division: ``m / (infinity + eps)`` is 0."""
    config, block = settings_of(dtype, optimizer, 0.0), Block(dtype, (3, 64))
    block.part(block.v)[:, ::3] = np.inf
    block.part(block.G)[:, 1::3] = 0.75 * np.finfo(dtype).max  # its square overflows in this step
    c = reference_update.coefficients_of_step(config, 0.3, initial_powers())
    w, m, v = (block.part(array).copy() for array in (block.theta, block.m, block.v))
    with flushed():
        got = block.update(engine, OPTIMIZERS[optimizer].code, both(c, dtype))
    with np.errstate(over="ignore"):
        ref = reference_update.optimizer_step(optimizer, w, m, v, block.part(block.G), c)
    for one, other in zip(got, ref, strict=True):
        same_bits(one, other)
    overflowed = np.isinf(got[2])
    assert overflowed[:, ::3].all()
    assert overflowed[:, 1::3].all()
    same_bits(got[0][overflowed], w[overflowed])
    assert (got[0][:, 2::3] != w[:, 2::3]).all()


def test_an_update_changes_only_its_own_rows(engine, dtype):
    block = Block(dtype, (2, 64))
    before = block.theta.copy()
    c = reference_update.coefficients_of_step(settings_of(dtype, "sgd", 0.0), 0.3, initial_powers())
    block.update(engine, SGD, both(c, dtype))
    block.part(block.theta)[:] = block.part(before)
    np.testing.assert_array_equal(block.theta, before)


def test_adam_s_first_step_is_the_learning_rate_for_any_gradient(engine, dtype):
    """Equation (10) at t = 1: mhat / sqrt(vhat) is the gradient's sign."""
    block = Block(dtype, (3, 64))
    block.m[:] = block.v[:] = 0
    c = reference_update.coefficients_of_step(settings_of(dtype, "adam", 0.0), 0.125, initial_powers())
    w, _, _ = block.update(engine, ADAM, both(c, dtype))
    np.testing.assert_allclose(w - block.before[0], -0.125 * np.sign(block.part(block.G)), rtol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_stored_gradient_is_the_gradient_and_nothing_else_is_written(engine, same_bits, dtype, shape):
    block = Block(dtype, shape)
    before = [array.copy() for array in (block.theta, block.m, block.v, block.G)]
    block.run(engine, gradient_store, both(reference_update.Coefficients(*np.ones(N_COEFFICIENTS)), dtype))
    for array, ref in zip((block.theta, block.m, block.v, block.G), before, strict=True):
        same_bits(array, ref)
    same_bits(block.part(block.gradient), block.part(block.G))
    lanes = vector_bits() // 8 // dtype.itemsize
    rows = block.gradient[START:].reshape(-1, STRIDE)
    rows[: shape[0], : -(-shape[1] // lanes) * lanes] = 0
    assert not block.gradient.any()
