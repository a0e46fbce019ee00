"""What the tests of kernels share: kernels that pass vectors and matrices are wrapped, since Python has neither."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from fastmlp import reference
from fastmlp.cpu import panel_bytes
from fastmlp.fpu import flush_subnormals, restore_control
from fastmlp.jit import kernel
from fastmlp.kernels import activation, elementary, matmul, microkernel, update
from fastmlp.kernels import layout as at
from fastmlp.kernels.epoch import train_stretch
from fastmlp.model import init_model
from fastmlp.params import Params, aligned_zeros
from fastmlp.simd import n_lanes, vload, vstore
from fastmlp.workspace import Workspace


@kernel
def _begin_flushing():
    return flush_subnormals()


@kernel
def _end_flushing(control):
    restore_control(control)


@contextmanager
def _flushed() -> Iterator[None]:
    control = _begin_flushing()
    try:
        yield
    finally:
        _end_flushing(control)


def _same_bits(got: np.ndarray, ref: np.ndarray) -> None:
    assert got.dtype == ref.dtype
    np.testing.assert_array_equal(got, ref)
    np.testing.assert_array_equal(np.signbit(got), np.signbit(ref), "the signs of zeros differ")


@pytest.fixture(scope="session", params=["float32", "float64"])
def dtype(request):
    return np.dtype(request.param)


@pytest.fixture(scope="session")
def same_bits():
    """Asserts that two arrays are equal bit for bit."""
    return _same_bits


@pytest.fixture(scope="session")
def flushed():
    """A context in which kernels treat subnormal numbers as zero, as between the two doors."""
    return _flushed


FUNCTIONS = ("exp", "expm1", "log", "reciprocal", "sigmoid", "tanh")


@kernel
def _map(x, out, code):
    for i in range(0, x.size, n_lanes(x)):
        v = vload(x, i)
        if code == 0:
            vstore(out, i, elementary.exp(v))
        elif code == 1:
            vstore(out, i, elementary.expm1(v))
        elif code == 2:
            vstore(out, i, elementary.log(v))
        elif code == 3:
            vstore(out, i, elementary.reciprocal(v))
        elif code == 4:
            vstore(out, i, activation.sigmoid(v))
        else:
            vstore(out, i, activation.tanh(v))


def call_function(name, x):
    """An array through a function of vectors."""
    padded = np.ones(-(-x.size // 16) * 16, x.dtype)
    padded[: x.size] = x
    out = np.empty_like(padded)
    _map(padded, out, FUNCTIONS.index(name))
    return out[: x.size]


@kernel
def _multiply(C, I, P, Q, strides, sizes, as_tile):  # noqa: E741
    left = matmul.matrix(P, 0, strides[2])
    if strides[3] == 1:
        left = matmul.transposed(left)
    matrices = matmul.matrix(C, 0, strides[0]), matmul.matrix(I, 0, strides[1]), left, matmul.matrix(Q, 0, strides[4])
    if as_tile:
        return microkernel.tile_product(*matrices, sizes[0], sizes[1], sizes[2])
    matmul.product(*matrices, sizes[0], sizes[1], sizes[2])
    return 0


def call_product(C, I, P, Q, *sizes, as_tile=False):  # noqa: E741
    """``C = I + P Q`` on the leading part of 2-D arrays; I may be one row, and P the transpose of a row-major array."""
    is_transposed = P.strides[0] < P.strides[1]
    strides = [C.shape[1], I.shape[1] if len(I) > 1 else 0, max(P.strides) // P.itemsize, is_transposed, Q.shape[1]]
    flat = (C.reshape(-1), I.reshape(-1), (P.T if is_transposed else P).reshape(-1), Q.reshape(-1))
    return _multiply(*flat, np.array(strides), np.array(sizes), as_tile)


@kernel
def _add(C, P, Q, a, b, strides, sizes):
    matrices = matmul.matrix(C, 0, strides[0]), matmul.matrix(P, 0, strides[1]), matmul.matrix(Q, 0, strides[2])
    matmul.add_product(*matrices, a, b, sizes[0], sizes[1], sizes[2])


def call_add_product(C, P, Q, a, b, *sizes):
    """``C = C + a (b C + P Q)`` on the leading part of 2-D arrays."""
    strides = np.array([C.shape[1], P.shape[1], Q.shape[1]])
    _add(C.reshape(-1), P.reshape(-1), Q.reshape(-1), C.dtype.type(a), C.dtype.type(b), strides, np.array(sizes))


@kernel
def _update_block(params, start, stride, G, g_stride, sizes, optimizer, c):
    update.update_block(params, start, stride, matmul.matrix(G, 0, g_stride), sizes[0], sizes[1], optimizer, c)


class Layers:
    """A network and its workspace, with activations and deltas in the paper's shapes, and its drawing beside it."""

    def __init__(self, config, sizes, m, seed=0):
        random, dtype = np.random.default_rng(seed), np.dtype(config.precision)
        self.config, self.m = config, m
        self.params = Params(sizes, dtype)
        for array in (*self.params.weights, *self.params.biases):
            array[...] = random.normal(0, 0.5, array.shape)
        n_moments = self.params.theta.size if config.optimizer == "adam" else 0
        self.theta = self.params.theta, aligned_zeros(n_moments, dtype), aligned_zeros(n_moments, dtype)
        self.workspace = Workspace(self.params, config.activation, m)
        self.layers, self.work, self.frame = self.workspace.tables
        self.optimizer = update.CODES[config.optimizer]
        self.network = reference.Network(config, self.params.weights, self.params.biases)

    def _rows(self, layer, part):
        start, stride, fan_out = self.layers[layer, part], self.frame[at.STRIDE], self.layers[layer, at.FAN_OUT]
        return self.work[start : start + fan_out * stride].reshape(fan_out, stride)

    def read(self, layer, part):
        """Activations (at.A) or deltas (at.DZ) of a layer, samples as rows."""
        return self._rows(layer, part)[:, : self.m].T

    def write(self, layer, part, values):
        """As `read`, and beyond the batch what the contract says: copies of the last sample, or deltas of zero."""
        self._rows(layer, part)[:] = 0 if part == at.DZ else values[-1][:, None]
        self.read(layer, part)[:] = values

    def coefficients(self, lr=0.25):
        """The first step's coefficients, as the kernels have them and as the drawings have them."""
        c = self.config
        hyper = np.array([lr, c.l2, c.beta1, c.beta2, c.eps])
        update.coefficients_of_step(hyper, np.ones(2), self.optimizer, self.workspace.coefficients)
        return self.workspace.coefficients, reference.coefficients_of_step(c, lr, np.ones(2))


def panel_of(dtype):
    """Inputs in a panel of the sweep over the first layer, where there are as many."""
    return panel_bytes() // dtype.itemsize


class Door:
    """A run through the doors, an epoch cut wherever one likes, and the same run in the drawings."""

    def __init__(self, config, X, n_classes, seed=0):
        random = np.random.default_rng(seed)
        self.X, self.config, self.powers = X, config, np.ones(2)
        self.y = random.integers(0, n_classes, len(X)).astype(np.int32)
        self.batch_size = min(config.batch_size, len(X))
        self.model = init_model(config, X.shape[1], n_classes)
        for array in (*self.model.weights, *self.model.biases):
            array[...] = random.normal(0, 0.5, array.shape)
        span = 255.0 if X.dtype == np.uint8 else 1.0
        self.model.scaling = random.uniform(0.5, 1.5, X.shape[1]) / span, random.normal(0, 0.5, X.shape[1])
        self.network = reference.Network(config, self.model.weights, self.model.biases)
        self.workspace = Workspace(self.model.params, config.activation, self.batch_size)
        theta = self.model.params.theta
        n_moments = theta.size if config.optimizer == "adam" else 0
        self.params = theta, aligned_zeros(n_moments, theta.dtype), aligned_zeros(n_moments, theta.dtype)
        self.order, self.loss_sum = np.arange(len(X), dtype=np.int32), np.zeros(self.batch_size)

    @property
    def n_steps(self):
        return -(-len(self.X) // self.batch_size)

    def arguments(self, lr, first, stop, state):
        c = self.config
        hyper = np.array([lr, c.l2, c.beta1, c.beta2, c.eps])
        integers = np.array([first, stop, update.CODES[c.optimizer], c.shuffle, np.uint64(state).astype(np.int64)])
        return (
            self.model.kernel_data(self.X), self.y, self.order, self.params, self.workspace.tables, hyper,
            self.powers, self.workspace.coefficients, self.loss_sum, integers,
        )  # fmt: skip

    def train(self, lr, state, cuts=()):
        """An epoch, cut before the steps given; its mean loss."""
        edges = [0, *cuts, self.n_steps]
        self.loss_sum[:] = 0
        for first, stop in pairwise(edges):
            train_stretch(*self.arguments(lr, first, stop, state))
        return math.fsum(self.loss_sum) / len(self.X)

    def train_reference(self, lr, state):
        """The same epoch in the drawings."""
        return self.network.train_epoch(self.X, self.y, self.model.scaling, lr, state)

    def arrays(self):
        """W1, b1, W2, b2, ..."""
        return [x for pair in zip(self.model.weights, self.model.biases, strict=True) for x in pair]


def samples(kind, n, n_features, seed=0):
    """Random samples of a kind that the engine reads as they lie; "strided": rows further apart than they are long."""
    random = np.random.default_rng(seed)
    if kind == "uint8":
        return random.integers(0, 256, (n, n_features), dtype=np.uint8)
    if kind == "strided":
        return random.normal(size=(n, n_features + 3)).astype(np.float32)[:, 2:-1]
    return random.normal(size=(n, n_features)).astype(kind)


@pytest.fixture(scope="session")
def engine():
    """The helpers of this file."""
    return SimpleNamespace(
        Layers=Layers, Door=Door, samples=samples, function=call_function, product=call_product,
        add_product=call_add_product, update_block=_update_block, panel=panel_of,
    )  # fmt: skip
