"""Fixtures of the tests of kernels: wrappers of those that take vectors or matrices, and reference networks."""

import decimal
import importlib
import math
import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from scipy.sparse import csr_matrix

from fastmlp import kernels, settings
from fastmlp.codegen.bf16 import HIGH, LOW
from fastmlp.codegen.bf16_tiles import STEPS, WORDS
from fastmlp.codegen.cpu import panel_bytes
from fastmlp.codegen.denormals import flush_subnormals, restore_control
from fastmlp.codegen.indirect import Implementation, Prototype
from fastmlp.codegen.jit import kernel
from fastmlp.codegen.simd import data_pointer, n_lanes, vload, vstore
from fastmlp.data.scaling import pixel_scale_of
from fastmlp.kernels import activation, matmul, microkernel, prototypes, update, vector_math
from fastmlp.kernels import layout as at
from fastmlp.kernels.epoch import train_chunk
from fastmlp.kernels.layout import OptimizerState
from fastmlp.metrics import sum_of_losses
from fastmlp.model.csr import largest_batch
from fastmlp.model.kernel_args import (
    Targets,
    arrays_for_training,
    data_arrays,
    hyperparameters_of,
    initial_powers,
    integers_of,
)
from fastmlp.model.model import init_model
from fastmlp.model.params import Params
from fastmlp.model.workspace import Workspace
from fastmlp.parallel import run_team
from fastmlp.reference import update as reference_update
from fastmlp.reference.network import Network
from fastmlp.settings import LOSSES, OPTIMIZERS


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
    signs = (np.signbit(array) & ~np.isnan(array) for array in (got, ref))
    np.testing.assert_array_equal(*signs, "the signs of zeros differ")


@pytest.fixture(scope="session", params=["float32", "float64"])
def dtype(request):
    return np.dtype(request.param)


@pytest.fixture(scope="session")
def same_bits():
    """Asserts that two arrays are equal bit for bit, but for the signs and payloads of NaN."""
    return _same_bits


@pytest.fixture(scope="session")
def flushed():
    """A context in which kernels treat subnormal numbers as zero, as in the two entry points."""
    return _flushed


def _pointers_of(numba_type):
    """The type with pointers in place of arrays."""
    if isinstance(numba_type, types.BaseTuple):
        members = [_pointers_of(member) for member in numba_type]
        named = isinstance(numba_type, types.BaseNamedTuple)
        return types.BaseTuple.from_types(members, numba_type.instance_class if named else None)
    return types.CPointer(numba_type.dtype) if isinstance(numba_type, types.Array) else numba_type


@intrinsic
def _with_pointers(_, arguments):
    """The tuple with pointers in place of arrays, also of those in tuples within it."""

    def convert(context, builder, numba_type, value):
        if isinstance(numba_type, types.BaseTuple):
            parts = zip(numba_type, cgutils.unpack_tuple(builder, value), strict=True)
            parts = [convert(context, builder, *part) for part in parts]
            return context.make_tuple(builder, _pointers_of(numba_type), parts)
        return data_pointer(context, builder, numba_type, value) if isinstance(numba_type, types.Array) else value

    def emit(context, builder, sig, args):
        return convert(context, builder, sig.args[0], args[0])

    return _pointers_of(arguments)(arguments), emit


def _caller(function):
    @kernel
    def call(*arguments):
        return function(*_with_pointers(arguments))

    return call


def _address_caller(prototype):
    call_indirectly = prototype.call

    @kernel
    def call(address, *arguments):
        call_indirectly(address, _with_pointers(arguments))

    return call


#: Kernels that call an implementation, by its argument types, and those that call a kernel.
_address_callers = {
    prototype.argument_types: _address_caller(prototype)
    for prototype in vars(prototypes).values()
    if isinstance(prototype, Prototype)
}
_callers = {}


def call_kernel(function, *arguments):
    """Call a kernel with pointers for arrays, as other kernels call it; an implementation by its address.

    That is its address for the dtype of the first array of floating-point numbers among the arguments.
    """
    if isinstance(function, Implementation):
        dtype = next(_dtypes(arguments))
        return _address_callers[function.argument_types](function.address(dtype.name), *arguments)
    if function not in _callers:
        _callers[function] = _caller(function)
    return _callers[function](*arguments)


def _dtypes(arguments):
    """Dtypes of the arrays of floating-point numbers, also of those in tuples."""
    for argument in arguments:
        if isinstance(argument, tuple):
            yield from _dtypes(argument)
        elif isinstance(argument, np.ndarray) and argument.dtype.kind == "f":
            yield argument.dtype


FUNCTIONS = {
    "exp": vector_math.exp,
    "expm1": vector_math.expm1,
    "log": vector_math.log,
    "log1p": vector_math.log1p,
    "reciprocal": vector_math.reciprocal,
    "clamp_finite": vector_math.clamp_finite,
    "sigmoid": activation.sigmoid,
    "tanh": activation.tanh,
    "elu": activation.elu,
    "softplus": activation.softplus,
}


def _mapped(function):
    @kernel
    def apply(x, out):
        for i in range(0, x.size, n_lanes(x)):
            vstore(out, i, function(vload(x, i)))

    return apply


_MAPS = {name: _mapped(function) for name, function in FUNCTIONS.items()}


def call_function(name, x):
    """Apply a function of vectors to an array."""
    padded = np.ones(-(-x.size // 16) * 16, x.dtype)
    padded[: x.size] = x
    out = np.empty_like(padded)
    _MAPS[name](padded, out)
    return out[: x.size]


def arguments_of_any_size(dtype):
    """Numbers of every size, among them limits at which functions change their formula."""
    random, info = np.random.default_rng(0), np.finfo(dtype)
    edges = [0.0, -0.0, info.tiny, -info.tiny, info.eps, 0.5, -87, 88, 103, 104, -104, 708, 709, 1e4, 20, 40, info.max]
    spread = random.choice([-1, 1], 2000) * np.exp(random.uniform(-80, 7, 2000))
    return np.array([*edges, *spread, *random.uniform(-10, 10, 2000), *random.uniform(-760, 760, 500)], dtype)


def max_error(got, exact):
    """Largest error of float32 numbers in units of the last place, exact values in float64."""
    return (abs(got - exact) / np.spacing(abs(exact).astype(np.float32)).astype(np.float64)).max()


def max_error_of_decimals(name, x, decimal_function):
    """Largest error of a function of vectors in float64, in units of the last place, against 80 digits."""
    with decimal.localcontext(decimal.Context(prec=80)):
        exact = [decimal_function(decimal.Decimal(argument)) for argument in x.tolist()]
        pairs = zip(call_function(name, x).tolist(), exact, strict=True)
        return max(abs(decimal.Decimal(got) - ref) / decimal.Decimal(math.ulp(float(ref))) for got, ref in pairs)


@kernel
def _matrices(C, C0, A, B, strides):
    left = matmul.matrix(A, 0, strides[2])
    if strides[3] == 1:
        left = matmul.transposed(left)
    return matmul.matrix(C, 0, strides[0]), matmul.matrix(C0, 0, strides[1]), left, matmul.matrix(B, 0, strides[4])


@kernel
def _multiply(address_of_block, C, C0, A, B, strides, sizes):
    matmul.product(address_of_block, *_matrices(C, C0, A, B, strides), sizes[0], sizes[1], sizes[2])


@kernel
def _multiply_tile(C, C0, A, B, strides, sizes):
    return microkernel.product_tile(*_matrices(C, C0, A, B, strides), sizes[0], sizes[1], sizes[2])


def call_product(C, C0, A, B, *sizes, as_tile=False):
    """``C = C0 + A B`` on the leading part of 2-D arrays; C0 may be one row, A the transpose of a row-major array."""
    is_transposed = A.strides[0] < A.strides[1]
    strides = [C.shape[1], C0.shape[1] if len(C0) > 1 else 0, max(A.strides) // A.itemsize, is_transposed, B.shape[1]]
    flat = (C.reshape(-1), C0.reshape(-1), (A.T if is_transposed else A).reshape(-1), B.reshape(-1))
    if as_tile:
        return _multiply_tile(*flat, np.array(strides), np.array(sizes))
    return _multiply(matmul.product_block.address(C.dtype.name), *flat, np.array(strides), np.array(sizes))


def call_descent(C, A, B, alpha, beta, *sizes):
    """``C = C + alpha (beta C + A B)`` on the leading part of 2-D arrays."""
    matrices = ((array.reshape(-1), array.shape[1], 1) for array in (C, A, B))
    call_kernel(matmul.product_descent, *matrices, C.dtype.type(alpha), C.dtype.type(beta), *sizes)


def tiles_of(terms, height, by_rows):
    """Terms of a matrix (rows, steps) as tiles of words: rows of A, or columns of B with `by_rows` False."""
    n_rows, n_steps = terms[0].shape
    n_tiles, n_blocks = -(-n_rows // height), -(-n_steps // STEPS)
    tiles = np.zeros((n_tiles, n_blocks, len(terms), WORDS, WORDS), np.uint32)
    for t, term in enumerate(terms):
        padded = np.zeros((n_tiles * height, n_blocks * STEPS), np.float32)
        padded[:n_rows, :n_steps] = term
        halves = (padded.view(np.uint32) >> 16).reshape(n_tiles, height, n_blocks, STEPS)
        words = (halves[..., LOW] | halves[..., HIGH] << 16).transpose(0, 2, 1, 3)
        tiles[:, :, t, : height if by_rows else WORDS] = words if by_rows else words.transpose(0, 1, 3, 2)
    return tiles.reshape(-1).view(np.float32)


class Layers:
    """A network with its workspace, whose arrays are read with samples as rows, and its reference implementation."""

    def __init__(self, config, sizes, m, seed=0):
        random, dtype = np.random.default_rng(seed), np.dtype(config.precision)
        self.config, self.m = config, m
        self.params = Params(sizes, dtype)
        for array in (*self.params.weights, *self.params.biases):
            array[...] = random.normal(0, 0.5, array.shape)
        self.workspace = Workspace(self.params, config, m)
        (self.net,) = self.workspace.networks(arrays_for_training(config, self.params.theta))
        self.layers, self.work, self.common = self.net[1:4]
        self.network = Network(config, self.params.weights, self.params.biases)

    def _rows(self, layer, part):
        start, stride, fan_out = self.layers[layer, part], self.common[at.STRIDE], self.layers[layer, at.FAN_OUT]
        return self.work[start : start + fan_out * stride].reshape(fan_out, stride)

    def read(self, layer, part):
        """Activations (at.A) or deltas (at.DZ) of a layer, samples as rows."""
        return self._rows(layer, part)[:, : self.m].T

    def write(self, layer, part, values):
        """Write them, and beyond the batch copies of the last sample, or deltas of zero, as the kernels expect."""
        self._rows(layer, part)[:] = 0 if part == at.DZ else values[-1][:, None]
        self.read(layer, part)[:] = values

    def coefficients(self, lr=0.25):
        """The first step's coefficients: those of the kernels, and those of the reference implementation."""
        hyper, c = hyperparameters_of(self.config, lr), self.workspace.coefficients[0]
        update.coefficients_of_step(hyper, initial_powers(), OPTIMIZERS[self.config.optimizer].code, 1.0, c)
        return c, reference_update.coefficients_of_step(self.config, lr, initial_powers())


def panel_of(dtype):
    """Number of inputs in a whole panel of the first layer, for small batches."""
    return panel_bytes(batch_size=1) // dtype.itemsize


#: State of the generator of an epoch's dropout masks.
DROPOUT_STATE = 2**63 + 11


def targets_of(config, n, n_outputs, random):
    """Random labels, or random target values that the loss accepts."""
    output = LOSSES[config.loss].output
    if output == "softmax":
        return random.integers(0, n_outputs, n).astype(np.int32)
    if output == "sigmoid":
        return random.integers(0, 2, (n, n_outputs)).astype(np.uint8)
    if output == "exp":
        return random.poisson(2.0, (n, n_outputs)).astype(np.float64)
    return random.normal(0, 2, (n, n_outputs))


class EpochRun:
    """Epochs run by the kernels, cut into chunks at any steps, and by the reference implementation."""

    def __init__(
        self, config, X, n_outputs, seed=0, weights=None, is_moved=True, n_threads=1, is_sparse=False, scales=True
    ):
        random = np.random.default_rng(seed)
        self.X, self.config, self.powers, self.weights = X, config, initial_powers(), weights
        self.y = targets_of(config, len(X), n_outputs, random)
        self.targets = Targets.of(self.y, config, weights)
        self.batch_size = min(config.batch_size, len(X))
        self.model = init_model(config, X.shape[1], n_outputs)
        for array in (*self.model.weights, *self.model.biases):
            array[...] = random.normal(0, 0.5, array.shape)
        span = 255.0 if X.dtype == np.uint8 else 1.0
        self.model.scaling = random.uniform(0.5, 1.5, X.shape[1]) / span, is_moved * random.normal(0, 0.5, X.shape[1])
        if not scales:
            self.model.scaling = np.ones(X.shape[1]), np.zeros(X.shape[1])
        self.model.store_first_layer(row_per_feature=is_sparse)
        self.samples = csr_matrix(X) if is_sparse else X
        self.network = Network(config, self.model.weights, self.model.biases)
        scale = pixel_scale_of(self.model.scaling, X)
        self.n_threads, params = n_threads, self.model.params
        n_non_zeros = largest_batch(self.samples.indptr, self.batch_size) if is_sparse else 0
        self.workspace = Workspace(
            params, config, self.batch_size, pixel_scale=scale, n_threads=n_threads, n_non_zeros=n_non_zeros
        )
        self.workspace.set_samples(X.dtype.name, is_sparse, is_scaled=scales)
        self.nets = self.workspace.networks(arrays_for_training(config, params.theta))
        self.order, self.loss_sum = np.arange(len(X), dtype=np.int32), np.zeros(self.batch_size + 1)

    @property
    def n_steps(self):
        return -(-len(self.X) // self.batch_size)

    def arguments(self, lr, first, stop, state, rank=0, powers=None):
        integers = integers_of(self.config, first, stop, self.config.shuffle, state, DROPOUT_STATE)
        hyper, coefficients = hyperparameters_of(self.config, lr), self.workspace.coefficients[rank]
        state = OptimizerState(hyper, self.powers if powers is None else powers, coefficients)
        data = data_arrays(self.samples, self.model.scaling, self.model.params)
        return data, self.targets, self.order, self.nets[rank], state, self.loss_sum, integers

    def train(self, lr, state, cuts=()):
        """Run an epoch in chunks that end before the given steps; returns its mean loss and penalty."""
        edges = [0, *cuts, self.n_steps]
        self.loss_sum[:] = 0
        for first, stop in pairwise(edges):
            self.workspace.make_ready(self.n_threads)
            powers = [self.powers, *(self.powers.copy() for _ in self.nets[1:])]
            arguments = [self.arguments(lr, first, stop, state, rank, powers[rank]) for rank in range(self.n_threads)]
            run_team(lambda rank, args=arguments: train_chunk(*args[rank]), self.n_threads, self.workspace.abort)
        return sum_of_losses(self.loss_sum[:-1]) / len(self.X), self.loss_sum[-1] / len(self.X)

    def train_reference(self, lr, state):
        """The same epoch by the reference implementation."""
        y = self.targets.labels if self.targets.labels.size else self.targets.values
        return self.network.train_epoch(self.X, y, self.model.scaling, lr, state, self.weights, DROPOUT_STATE)

    def predict_reference(self):
        """Outputs and losses of the reference implementation."""
        targets = Targets.of(self.y, self.config, for_training=False)
        y = targets.labels if targets.labels.size else targets.values
        return self.network.predict(self.X, y, self.model.scaling)

    def arrays(self):
        """W1, b1, W2, b2, ..."""
        return [x for pair in zip(self.model.weights, self.model.biases, strict=True) for x in pair]


def samples(kind, n, n_features, seed=0):
    """Random samples of a dtype; "strided" is float32 with a row stride larger than the row."""
    random = np.random.default_rng(seed)
    if kind == "uint8":
        return random.integers(0, 256, (n, n_features), dtype=np.uint8)
    if kind == "strided":
        return random.normal(size=(n, n_features + 3)).astype(np.float32)[:, 2:-1]
    return random.normal(size=(n, n_features)).astype(kind)


def all_implementations():
    """All that the modules of kernels define, each once."""
    modules = [importlib.import_module(f"{kernels.__name__}.{m.name}") for m in pkgutil.iter_modules(kernels.__path__)]
    values = [value for module in modules for value in vars(module).values()]
    members = [member for value in values if isinstance(value, dict) for member in value.values()]
    return list(dict.fromkeys(one for one in (*values, *members) if isinstance(one, Implementation)))


@pytest.fixture(scope="session")
def engine():
    """The functions and classes of this module, for tests in other modules."""
    return SimpleNamespace(
        Layers=Layers, EpochRun=EpochRun, samples=samples, function=call_function, product=call_product,
        descent=call_descent, call=call_kernel, implementations=all_implementations(), panel=panel_of, tiles=tiles_of,
        arguments=arguments_of_any_size, max_error=max_error, max_error_of_decimals=max_error_of_decimals,
    )  # fmt: skip


@pytest.fixture
def all_layers_bf16(monkeypatch):
    """Every layer is computed with bf16 products, however small."""
    monkeypatch.setattr(settings, "uses_bf16", lambda *sizes: True)


@pytest.fixture(scope="session")
def check_bf16_epochs(same_bits):
    """Compare epochs with bf16 products with those of the reference implementation, bit for bit."""

    def check(epoch_run, states=(11, 12)):
        assert epoch_run.workspace.layers[:, at.BF16].any()
        for state in states:
            assert epoch_run.train(2**-6, state) == epoch_run.train_reference(2**-6, state)
        for got, ref in zip(epoch_run.arrays(), epoch_run.network.theta, strict=True):
            same_bits(got, ref)

    return check
