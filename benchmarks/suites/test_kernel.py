"""Single kernels (products, activations, loss, updates) with operands in cache, at the paper's and at odd shapes."""

import numpy as np
import pytest

from fastmlp.codegen.cpu import row_stride
from fastmlp.codegen.jit import kernel
from fastmlp.codegen.simd import address
from fastmlp.config import Config
from fastmlp.kernels import activation, loss, update
from fastmlp.kernels import layout as at
from fastmlp.kernels.matmul import matrix, product, product_block, product_descent, transposed
from fastmlp.kernels.optimizer_state import N_COEFFICIENTS
from fastmlp.kernels.prototypes import call_activation, call_descent, call_update
from fastmlp.model.kernel_args import hyperparameters_of, initial_powers
from fastmlp.model.params import aligned_zeros
from fastmlp.settings import OPTIMIZERS

FLOAT32 = np.dtype(np.float32)
#: FLOPs of a benchmark: some milliseconds, so that the call from Python and the timer are negligible.
WORK = 4e8
#: (fan_out, batch, fan_in) of ``W A``: the paper's layers, and primes.
SHAPES = [(100, 64, 3072), (100, 64, 100), (10, 64, 100), (97, 61, 1013), (1, 1, 1)]
#: Arithmetic operations per element, counted in the kernels' sources; a fused multiply-add counts as two.
ACTIVATION_FLOPS = {"sigmoid": (25, 3), "tanh": (29, 3), "relu": (1, 1)}
UPDATE_FLOPS = {"sgd": 4, "adam": 27}


def padded(values):
    """The array in the kernels' layout, and its row stride: rows padded with zeros to an odd number of cache lines."""
    n_rows, n_columns = values.shape
    stride = row_stride(n_columns, 4)
    # Sixteen more rows: kernels may read and write whole vectors and tiles at the edges.
    memory = aligned_zeros((n_rows + 16) * stride, FLOAT32)
    memory[: n_rows * stride].reshape(n_rows, stride)[:, :n_columns] = values
    return memory, stride


def unpadded(memory, stride, shape):
    return memory[: shape[0] * stride].reshape(shape[0], stride)[:, : shape[1]]


@kernel
def products(function, C, c, P, p, Q, q, zero, is_transposed, shape, n_calls):
    n_rows, n_columns, n_steps = shape
    left, zero_row = matrix(P, 0, p), matrix(zero, 0, 0)
    if is_transposed:
        left = transposed(left)
    for _ in range(n_calls):
        product(function, matrix(C, 0, c), zero_row, left, matrix(Q, 0, q), n_rows, n_columns, n_steps)


@pytest.mark.benchmark(group="kernel: product")
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "x".join(map(str, shape)))
@pytest.mark.parametrize("name", ["forward", "gradient", "backward"])
def test_product(measure, rng, name, shape):
    fan_out, batch, fan_in = shape
    n_rows, n_columns, n_steps = {
        "forward": (fan_out, batch, fan_in), "gradient": (fan_out, fan_in, batch), "backward": (fan_in, batch, fan_out),
    }[name]  # fmt: skip
    left = rng.standard_normal((n_rows, n_steps), np.float32)
    right = rng.standard_normal((n_steps, n_columns), np.float32)
    is_transposed = name == "backward"
    (P, p), (Q, q) = padded(left.T if is_transposed else left), padded(right)
    C, c = padded(np.zeros((n_rows, n_columns)))
    zero = aligned_zeros(row_stride(n_columns, 4), FLOAT32)
    flops = 2 * n_rows * n_columns * n_steps
    n_calls = max(1, int(min(WORK / flops, 1e5)))

    arrays = product_block.address("float32"), C, c, P, p, Q, q, zero
    products(*arrays, is_transposed, (n_rows, n_columns, n_steps), 1)
    ref = left.astype(np.float64) @ right
    np.testing.assert_allclose(unpadded(C, c, ref.shape), ref, rtol=0, atol=1e-6 * n_steps)
    measure(
        lambda: products(*arrays, is_transposed, (n_rows, n_columns, n_steps), n_calls),
        flops=flops * n_calls,
    )


@kernel
def descents(function, C, c, P, p, Q, q, shape, n_calls):
    operands, rates = (matrix(C, 0, c), matrix(P, 0, p), matrix(Q, 0, q)), (np.float32(-0.01), np.float32(0))
    for _ in range(n_calls):
        call_descent(function, (*operands, *rates, *shape))


@pytest.mark.benchmark(group="kernel: product")
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "x".join(map(str, shape)))
def test_gradient_and_descent(measure, rng, shape):
    fan_out, batch, fan_in = shape
    W, dZ = rng.standard_normal((fan_out, fan_in), np.float32), rng.standard_normal((fan_out, batch), np.float32)
    At = rng.standard_normal((batch, fan_in), np.float32)
    (C, c), (P, p), (Q, q) = padded(W), padded(dZ), padded(At)
    sizes, flops = (fan_out, fan_in, batch), 2 * fan_out * fan_in * batch
    n_calls = max(1, int(min(WORK / flops, 1e5)))
    arguments = product_descent.address("float32"), C, c, P, p, Q, q, sizes

    descents(*arguments, 1)
    ref = W - 0.01 * (dZ.astype(np.float64) @ At)
    np.testing.assert_allclose(unpadded(C, c, ref.shape), ref, rtol=0, atol=1e-6 * batch)

    def reset():
        C[:], _ = padded(W)

    measure(lambda: descents(*arguments, n_calls), setup=reset, flops=flops * n_calls)


@kernel
def activations(function, work, A, dA, stride, n_rows, m, n_calls):
    for _ in range(n_calls):
        call_activation(function, (address(work, 0), A, dA, stride, n_rows, m))


ACTIVATION_REF = {"sigmoid": lambda Z: 1 / (1 + np.exp(-Z)), "tanh": np.tanh, "relu": lambda Z: np.maximum(Z, 0)}
DERIVATIVE_REF = {"sigmoid": lambda A: A * (1 - A), "tanh": lambda A: 1 - A * A, "relu": lambda A: A > 0}


@pytest.mark.benchmark(group="kernel: activation")
@pytest.mark.parametrize("shape", [(100, 64), (97, 61)], ids=["100x64", "97x61"])
@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("name", ACTIVATION_FLOPS)
def test_activation(measure, rng, name, direction, shape):
    Z, dA = rng.standard_normal((2, *shape)).astype(np.float32)
    memory, stride = padded(np.concatenate([Z, dA]))
    offset, original = shape[0] * stride, memory.copy()
    implementation = (activation.FORWARD if direction == "forward" else activation.BACKWARD)[name]
    arguments = implementation.address("float32"), memory, 0, offset, stride, *shape
    n_calls = 1000

    activations(*arguments, 1)
    if direction == "forward":
        got, ref = unpadded(memory, stride, shape), ACTIVATION_REF[name](Z.astype(np.float64))
    else:
        got, ref = unpadded(memory[offset:], stride, shape), dA * DERIVATIVE_REF[name](Z.astype(np.float64))
    np.testing.assert_allclose(got, ref, rtol=1e-5, atol=1e-6)
    flops = ACTIVATION_FLOPS[name][direction == "backward"] * Z.size * n_calls

    def reset():
        # Each call multiplies the deltas by the derivatives again: zero deltas never become subnormal numbers.
        memory[:] = original
        if direction == "backward":
            memory[:offset] = {"sigmoid": 0.5, "tanh": 0.0, "relu": 1.0}[name]
            memory[offset:] = 0

    measure(lambda: activations(*arguments, n_calls), setup=reset, flops=flops)


@kernel
def softmaxes(work, offsets, stride, n_classes, m, n_calls):
    logits, probs, labels, losses, weights, scalars = offsets
    for _ in range(n_calls):
        loss.softmax_forward(work, logits, probs, stride, n_classes, labels, losses, m)
        loss.softmax_backward(work, probs, stride, n_classes, labels, weights, scalars, m)


@pytest.mark.benchmark(group="kernel: loss")
@pytest.mark.parametrize("m", [64, 61])
def test_softmax_and_its_delta(measure, rng, m):
    n_classes = 10
    logits, y = rng.standard_normal((n_classes, m)).astype(np.float32), rng.integers(n_classes, size=m)
    scalars = np.zeros((1, m))
    scalars[0, at.ON] = 1
    rows = np.concatenate([logits, np.zeros((n_classes, m)), [y], np.zeros((1, m)), np.full((1, m), 1 / m), scalars])
    memory, stride = padded(rows)
    offsets = tuple(np.int64(row * stride) for row in (0, 10, 20, 21, 22, 23))

    softmaxes(memory, offsets, stride, n_classes, m, 1)
    probs = np.exp(logits.astype(np.float64))
    probs /= probs.sum(axis=0)
    got = unpadded(memory, stride, rows.shape)
    np.testing.assert_allclose(got[10:20], (probs - np.eye(n_classes)[y].T) / m, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(got[21], -np.log(probs[y, np.arange(m)]), rtol=1e-5)
    measure(lambda: softmaxes(memory, offsets, stride, n_classes, m, 1000))


@kernel
def updates(function, theta, m, v, G, stride, n_rows, n_columns, c, n_calls):
    params = at.ParamArrays(address(theta, 0), address(m, 0), address(v, 0), address(v, 0))
    for _ in range(n_calls):
        call_update(function, (params, 0, stride, matrix(G, 0, stride), n_rows, n_columns, address(c, 0)))


@pytest.mark.benchmark(group="kernel: update")
@pytest.mark.parametrize("shape", [(24, 64), (100, 100), (7, 61)], ids=["24x64", "100x100", "7x61"])
@pytest.mark.parametrize("optimizer", UPDATE_FLOPS)
def test_update(measure, rng, optimizer, shape):
    W, G = rng.standard_normal((2, *shape)).astype(np.float32)
    (theta, stride), (gradient, _) = padded(W), padded(G)
    m, v = aligned_zeros(theta.size, FLOAT32), aligned_zeros(theta.size, FLOAT32)
    code, c = OPTIMIZERS[optimizer].code, aligned_zeros(2 * N_COEFFICIENTS, FLOAT32)
    config = Config(optimizer=optimizer, l2=0.1)
    update.coefficients_of_step(hyperparameters_of(config, 0.01), initial_powers(), code, 1.0, c)
    arguments = update.UPDATES[code].address("float32"), theta, m, v, gradient, stride, *shape, c

    updates(*arguments, 1)
    total = G + 0.1 * W.astype(np.float64)
    ref = W - 0.01 * (total if optimizer == "sgd" else total / (abs(total) + 1e-8))
    np.testing.assert_allclose(unpadded(theta, stride, shape), ref, rtol=1e-5, atol=1e-6)
    n_calls = 1000

    def reset():
        original, _ = padded(W)
        theta[:] = original
        m[:] = v[:] = 0

    measure(lambda: updates(*arguments, n_calls), setup=reset, flops=UPDATE_FLOPS[optimizer] * W.size * n_calls)
