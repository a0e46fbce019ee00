import numpy as np
import pytest

from fastmlp.config import Config
from fastmlp.kernels import layout as at
from fastmlp.kernels.dense import (
    bias_update,
    dense_backward,
    dense_forward,
    dense_update,
    fused_update_forward,
    samples_as_rows,
)
from fastmlp.model.kernel_args import data_arrays
from fastmlp.reference import network, products
from fastmlp.settings import ACTIVATIONS, OPTIMIZERS

FROM_OUTPUT = [name for name, record in ACTIVATIONS.items() if record.derivative_of == "output"]
#: fan_in, fan_out, samples.
SHAPES = [(1, 1, 1), (5, 3, 2), (16, 16, 16), (17, 13, 15), (63, 7, 17), (64, 11, 5), (65, 12, 33), (129, 25, 3)]
#: Inputs of the first layer: whole panels, and how many more.
PANELS = pytest.mark.parametrize(("whole", "more"), [(0, 1), (0, 17), (1, -1), (1, 0), (1, 1), (2, 1)])
NONE = (np.int64(0), np.int64(0))


def config_of(dtype, optimizer="sgd", l2=0.01, activation="sigmoid"):
    return Config(precision=dtype.name, optimizer=optimizer, l2=l2, activation=activation)


class Pair:
    """A layer of fan_in neurons and the layer above it: random activations of the first, deltas of the second."""

    def __init__(self, engine, config, shape):
        fan_in, fan_out, m = shape
        dtype, random = np.dtype(config.precision), np.random.default_rng(5)
        self.both = engine.Layers(config, (2, fan_in, fan_out), m)
        self.W, self.b = (views[1] for views in (self.both.params.weights, self.both.params.biases))
        self.A, self.dZ = (random.uniform(0, 1, (m, n)).astype(dtype) for n in (fan_in, fan_out))
        self.both.write(0, at.A, self.A)
        self.both.write(1, at.DZ, self.dZ)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_layer_s_pre_activations_equal_their_reference(engine, flushed, same_bits, dtype, shape):
    pair = Pair(engine, config_of(dtype), shape)
    both = pair.both
    with flushed():
        engine.call(dense_forward, both.net, *both.layers, (0, shape[2]))
    same_bits(both.read(1, at.A), products.dense_forward(pair.A, pair.W, pair.b))


@pytest.mark.parametrize("activation", FROM_OUTPUT)
@pytest.mark.parametrize("shape", SHAPES)
def test_deltas_passed_down_equal_their_reference(engine, flushed, same_bits, dtype, shape, activation):
    pair = Pair(engine, config_of(dtype, activation=activation), shape)
    both = pair.both
    with flushed():
        engine.call(dense_backward, both.net, *both.layers, (0, shape[2]))
    same_bits(both.read(0, at.DZ), network.dense_backward(pair.dZ, pair.W, pair.A, None, activation))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("shape", SHAPES)
def test_updated_weights_equal_their_reference(engine, flushed, same_bits, dtype, shape, optimizer):
    pair = Pair(engine, config_of(dtype, optimizer), shape)
    both, dW = pair.both, products.dense_gradient(pair.A, pair.dZ)
    c, ref_c = both.coefficients()
    both.network.update(2, dW, ref_c)
    with flushed():
        engine.call(samples_as_rows, both.net, both.layers[0], (0, shape[2]))
        engine.call(dense_update, both.net, *both.layers, shape[2], c)
    same_bits(pair.W, both.network.theta[2])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("shape", SHAPES)
def test_updated_biases_equal_their_reference(engine, flushed, same_bits, dtype, shape, optimizer):
    pair = Pair(engine, config_of(dtype, optimizer), shape)
    both, db = pair.both, products.bias_gradient(pair.dZ)
    c, ref_c = both.coefficients()
    both.network.update(3, db, ref_c)
    with flushed():
        engine.call(bias_update, both.net, both.layers[1], shape[2], c)
    same_bits(pair.b, both.network.theta[3])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("shape", SHAPES)
def test_padding_stays_zero(engine, dtype, shape, optimizer):
    both = Pair(engine, config_of(dtype, optimizer), shape).both
    c, _ = both.coefficients()
    engine.call(samples_as_rows, both.net, both.layers[0], (0, shape[2]))
    engine.call(dense_update, both.net, *both.layers, shape[2], c)
    engine.call(bias_update, both.net, both.layers[1], shape[2], c)
    for array in (*both.params.weights, *both.params.biases):
        array[:] = 0
    assert not both.params.theta.any()


class FirstLayer:
    """A first layer, samples of a dtype, and deltas of the previous batch, which has 5 samples; the next has 9."""

    def __init__(self, engine, config, kind, whole, more):
        dtype, random = np.dtype(config.precision), np.random.default_rng(6)
        fan_in = whole * engine.panel(dtype) + more
        self.layers, X = engine.Layers(config, (fan_in, 13), 9), engine.samples(kind, 20, fan_in)
        self.layers.workspace.set_samples(X.dtype.name)
        self.call = engine.call
        epoch_run = engine.EpochRun(config.replace(hidden=(), batch_size=9), X, 13)
        self.data = data_arrays(X, epoch_run.model.scaling, epoch_run.model.params)
        self.rows = random.permutation(20).astype(np.int32)
        self.previous, self.next = (
            network.gather_rows(X, self.rows[first:stop], epoch_run.model.scaling, dtype)
            for first, stop in ((2, 7), (7, 16))
        )
        self.dZ = np.zeros((9, 13), dtype)
        self.dZ[:5] = random.normal(size=(5, 13))
        self.layers.write(0, at.DZ, self.dZ)
        self.b = self.layers.params.biases[0]

    def run(self, previous, next_batch):
        layers = self.layers
        self.c, self.ref_c = layers.coefficients()
        layers.write(0, at.A, np.broadcast_to(self.b, (9, 13)))
        batches = previous, next_batch
        self.call(fused_update_forward, self.data, self.rows, layers.net, layers.layers[0], *batches, self.c)

    def update_reference(self):
        self.layers.network.update(0, products.dense_gradient(self.previous, self.dZ[:5]), self.ref_c)


PREVIOUS, NEXT = (np.int64(2), np.int64(5)), (np.int64(7), np.int64(9))


@pytest.mark.parametrize("kind", ["uint8", "float32", "float64", "strided"])
@PANELS
def test_the_first_layer_s_pre_activations_equal_their_reference(engine, flushed, same_bits, dtype, whole, more, kind):
    first = FirstLayer(engine, config_of(dtype), kind, whole, more)
    with flushed():
        first.run(NONE, NEXT)
    W = first.layers.network.theta[0]
    same_bits(first.layers.read(0, at.A), products.dense_forward(first.next, W, first.b))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@PANELS
def test_the_first_layer_s_update_equals_its_reference(engine, flushed, same_bits, dtype, whole, more, optimizer):
    first = FirstLayer(engine, config_of(dtype, optimizer), "uint8", whole, more)
    with flushed():
        first.run(PREVIOUS, NONE)
    first.update_reference()
    same_bits(first.layers.params.weights[0], first.layers.network.theta[0])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@PANELS
def test_weights_are_updated_before_they_are_used(engine, flushed, same_bits, dtype, whole, more, optimizer):
    first = FirstLayer(engine, config_of(dtype, optimizer), "uint8", whole, more)
    with flushed():
        first.run(PREVIOUS, NEXT)
    first.update_reference()
    W = first.layers.network.theta[0]
    same_bits(first.layers.read(0, at.A), products.dense_forward(first.next, W, first.b))
