import ctypes
import math
import mmap
import sys
from typing import get_args

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core.errors import TypingError
from numba.core.runtime import _nrt_python
from numba.core.runtime.nrt import rtsys

import fastmlp
from fastmlp.codegen.jit import kernel
from fastmlp.config import Config
from fastmlp.kernels.epoch import train_chunk
from fastmlp.kernels.predict import predict_chunk
from fastmlp.model import predictor
from fastmlp.reference.network import Network
from fastmlp.seeding import Purpose, stream
from fastmlp.settings import ACTIVATIONS, LOSSES, OPTIMIZERS, L2Scale
from fastmlp.training.schedule import exponential


def config_of(dtype, **settings):
    return Config(precision=dtype.name, **{"hidden": (9, 5), "batch_size": 7, "l2": 0.01, **settings})


def check_equal(same_bits, epoch_run):
    for got, ref in zip(epoch_run.arrays(), epoch_run.network.theta, strict=True):
        same_bits(got, ref)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("kind", ["uint8", "float32", "float64", "strided"])
def test_two_epochs_equal_their_references(engine, same_bits, dtype, kind, optimizer):
    epoch_run = engine.EpochRun(
        config_of(dtype, optimizer=optimizer), engine.samples(kind, 31, engine.panel(dtype) + 70), 3
    )
    for state in (11, 12):
        assert epoch_run.train(0.25, state) == epoch_run.train_reference(0.25, state)
    check_equal(same_bits, epoch_run)


@settings(derandomize=True, max_examples=40, deadline=None)
@given(
    n=st.integers(1, 24), n_features=st.integers(1, 70), hidden=st.lists(st.integers(1, 20), max_size=3).map(tuple),
    n_classes=st.integers(2, 20), batch=st.integers(1, 24), seed=st.integers(0, 2**64 - 1), shuffle=st.booleans(),
    activation=st.sampled_from([*ACTIVATIONS]), optimizer=st.sampled_from([*OPTIMIZERS]),
    loss=st.sampled_from([*LOSSES]), dropout=st.sampled_from([0.0, 0.5]), clip_norm=st.sampled_from([0.0, 0.1]),
    l2_scale=st.sampled_from(get_args(L2Scale)), weighted=st.booleans(), lr=st.sampled_from([2**-8, 1.0, 1e4, 1e30]),
    label_smoothing=st.sampled_from([0.0, 0.1]), n_threads=st.sampled_from([1, 2, 3, 7]),
)  # fmt: skip
def test_an_epoch_of_any_network_equals_its_reference(
    engine, same_bits, dtype, n, n_features, hidden, n_classes, batch, seed, weighted, lr, n_threads, **chosen
):
    """By any number of threads. Also of one that diverges: both have infinities and NaN in the same places."""
    if LOSSES[chosen["loss"]].metric != "accuracy":
        chosen["label_smoothing"] = 0.0
    config = config_of(dtype, hidden=hidden, batch_size=batch, **chosen)
    weights = np.random.default_rng(n).uniform(0, 2, n) if weighted else None
    X = engine.samples("float32", n, n_features)
    epoch_run = engine.EpochRun(config, X, n_classes, weights=weights, n_threads=n_threads)
    ref = epoch_run.train_reference(lr, seed)
    np.testing.assert_array_equal(epoch_run.train(lr, seed), ref)
    check_equal(same_bits, epoch_run)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("cuts", [(1,), (4,), (1, 2, 3, 4), (2, 3)])
def test_an_epoch_cut_anywhere_has_the_same_bits(engine, same_bits, dtype, optimizer, cuts):
    whole, cut = (
        engine.EpochRun(config_of(dtype, optimizer=optimizer), engine.samples("uint8", 31, engine.panel(dtype) + 70), 3)
        for _ in range(2)
    )
    for state in (11, 12):
        assert whole.train(0.25, state) == cut.train(0.25, state, cuts)
    for got, ref in zip(cut.arrays(), whole.arrays(), strict=True):
        same_bits(got, ref)


@pytest.mark.parametrize(("n_threads", "kind"), [(2, "uint8"), (3, "float32"), (7, "float64")])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_an_epoch_of_several_threads_equals_its_reference(engine, same_bits, dtype, n_threads, kind, optimizer):
    """Several panels, a short last batch, more threads than it has lines of samples, dropout and a clipped gradient."""
    config = config_of(dtype, hidden=(33, 21), batch_size=35, optimizer=optimizer, dropout=0.25, clip_norm=0.5)
    X = engine.samples(kind, 80, 2 * engine.panel(dtype) + 9)
    epoch_run = engine.EpochRun(config, X, 5, n_threads=n_threads)
    for state in (11, 12):
        assert epoch_run.train(0.25, state, cuts=(1,)) == epoch_run.train_reference(0.25, state)
    check_equal(same_bits, epoch_run)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("activation", ["sigmoid", "relu"])
def test_training_equals_the_reference_from_data_to_history(blobs, same_bits, dtype, activation, optimizer):
    config = config_of(dtype, activation=activation, optimizer=optimizer, n_epochs=3, decay_rate=0.5, batch_size=50)
    run, begun = fastmlp.train(blobs, config), fastmlp.init_model(config, blobs.n_features, blobs.n_classes)
    network = Network(config, begun.weights, begun.biases)
    losses = [
        network.train_epoch(
            blobs.X_train, blobs.y_train, blobs.scaling(), exponential(0.3, 0.5, epoch),
            stream(config.seed, Purpose.ORDER, epoch),
        )[0]
        for epoch in range(3)
    ]  # fmt: skip
    assert run.history["train_loss"] == losses
    for i, (W, b) in enumerate(zip(run.model.weights, run.model.biases, strict=True)):
        same_bits(W, network.theta[2 * i])
        same_bits(b, network.theta[2 * i + 1])


@pytest.mark.parametrize("loss", ["squared_error", "huber", "poisson"])
def test_subnormal_targets_are_zero_as_in_their_reference(engine, same_bits, dtype, loss):
    tiny = float(np.finfo(dtype).tiny)
    epoch_run = engine.EpochRun(config_of(dtype, loss=loss), engine.samples("float32", 13, 20), 3)
    epoch_run.targets.values[::2] = np.array([tiny / 2, tiny * (1 - 2**-20), tiny], dtype)
    assert epoch_run.train(2**-8, 1) == epoch_run.train_reference(2**-8, 1)
    check_equal(same_bits, epoch_run)


def test_the_infinite_loss_of_a_sample_of_weight_zero_does_not_count(engine, same_bits, dtype):
    weights = np.ones(13)
    weights[4] = 0
    config = config_of(dtype, loss="squared_error", hidden=(), l2=0.0)
    epoch_run = engine.EpochRun(config, engine.samples("float64", 13, 20), 3, weights=weights)
    epoch_run.X[4] = float(np.finfo(dtype).max) ** 0.75
    got, ref = epoch_run.train(2**-8, 1), epoch_run.train_reference(2**-8, 1)
    assert got == ref
    assert math.isfinite(got[0])
    assert np.isinf(epoch_run.predict_reference()[1][4])
    check_equal(same_bits, epoch_run)


# Subnormal numbers: saturated sigmoids, decayed moments, weights shrunk by L2.


def test_saturated_sigmoids_equal_their_reference(engine, same_bits, dtype):
    epoch_run = engine.EpochRun(config_of(dtype), engine.samples("float32", 21, 20), 3)
    for network_array, array in zip(epoch_run.network.theta, epoch_run.arrays(), strict=True):
        array *= 200
        network_array *= 200
    assert epoch_run.train(0.25, 3) == epoch_run.train_reference(0.25, 3)
    check_equal(same_bits, epoch_run)


def test_decayed_moments_equal_their_reference(engine, same_bits, dtype):
    """A feature is zero from the third step on, so its moments shrink until they are zero."""
    config = config_of(dtype, optimizer="adam", beta1=0.01, beta2=0.001, l2=0.0, hidden=(), shuffle=False, batch_size=2)
    epoch_run = engine.EpochRun(config, engine.samples("float32", 400, 3), 2, is_moved=False)
    epoch_run.X[4:, 1] = 0
    assert epoch_run.train(0.01, 0) == epoch_run.train_reference(0.01, 0)
    assert not epoch_run.network.m[0][1].any()
    check_equal(same_bits, epoch_run)


def test_weights_shrunk_by_l2_equal_their_reference(engine, same_bits, dtype):
    config = config_of(dtype, l2=3.9, hidden=(), shuffle=False, batch_size=1)
    epoch_run = engine.EpochRun(config, np.zeros((300, 2), np.float32), 2, is_moved=False)
    assert epoch_run.train(0.25, 0) == epoch_run.train_reference(0.25, 0)
    assert (epoch_run.network.theta[0] == 0).all()
    check_equal(same_bits, epoch_run)


def test_subnormal_parameters_and_samples_are_zero(engine, same_bits, dtype):
    epoch_run = engine.EpochRun(config_of(dtype, shuffle=False), engine.samples(dtype.name, 21, 20), 3)
    tiny = np.finfo(dtype).tiny / 4
    epoch_run.X[:, ::3] = tiny
    for network_array, array in zip(epoch_run.network.theta, epoch_run.arrays(), strict=True):
        array[..., ::2] = network_array[..., ::2] = tiny
    assert epoch_run.train(0.25, 3) == epoch_run.train_reference(0.25, 3)
    check_equal(same_bits, epoch_run)


@kernel
def halve(x):
    return x * 0.5


def test_the_entry_points_restore_the_caller_s_subnormal_numbers(engine, dtype):
    epoch_run = engine.EpochRun(config_of(dtype), engine.samples("float32", 21, 20), 3)
    epoch_run.train(0.25, 0)
    epoch_run.model.predict_proba(epoch_run.X)
    assert halve(sys.float_info.min) > 0


# What a step must not do.


@pytest.fixture
def n_allocations():
    """Number of blocks that Numba's run time allocates in a call."""
    was_on = _nrt_python.memsys_stats_enabled()
    _nrt_python.memsys_enable_stats()

    def count(epoch_run, arguments):
        epoch_run(*arguments)
        before = rtsys.get_allocation_stats().alloc
        epoch_run(*arguments)
        return rtsys.get_allocation_stats().alloc - before

    yield count
    if not was_on:
        _nrt_python.memsys_disable_stats()


def allocate(x):
    return np.zeros(x.size).sum()


def test_an_allocation_is_counted(n_allocations):
    """The array, and Numba's wrapper of the argument."""
    assert n_allocations(numba.njit(allocate), (np.zeros(10),)) == 2


def test_a_kernel_that_allocates_does_not_compile():
    with pytest.raises(TypingError, match=r"resolving callee type: Function\(<built-in function zeros>\)"):
        kernel(allocate)(np.zeros(10))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_allocates_nothing(engine, n_allocations, dtype, optimizer):
    epoch_run = engine.EpochRun(config_of(dtype, optimizer=optimizer), engine.samples("uint8", 31, 70), 3)
    arguments = epoch_run.arguments(0.25, 0, epoch_run.n_steps, 1)
    assert n_allocations(train_chunk, arguments) == 0


def test_prediction_allocates_nothing(engine, n_allocations, dtype, monkeypatch):
    calls = []
    monkeypatch.setattr(predictor, "predict_chunk", lambda *arguments: calls.append(arguments) or 0)
    engine.EpochRun(config_of(dtype), engine.samples("uint8", 31, 70), 3).model.predict_proba(np.zeros((2, 70)))
    assert n_allocations(predict_chunk, *calls) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no mprotect")
@pytest.mark.parametrize("kind", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("n_features", [1, 37, 70, 128, 600])
def test_nothing_is_read_beyond_the_last_sample(engine, dtype, kind, n_features):
    """The memory page behind the samples is not readable: reading it ends the process."""
    X = engine.samples(kind, 31, n_features)
    size = -(-X.nbytes // mmap.PAGESIZE) * mmap.PAGESIZE
    memory = np.frombuffer(mmap.mmap(-1, size + mmap.PAGESIZE), np.uint8)
    forbidden = ctypes.c_void_p(memory.ctypes.data + size)
    assert ctypes.CDLL(None).mprotect(forbidden, ctypes.c_size_t(mmap.PAGESIZE), 0) == 0
    at_the_edge = memory[size - X.nbytes : size].view(X.dtype).reshape(X.shape)
    at_the_edge[:] = X
    epoch_run, ref = (engine.EpochRun(config_of(dtype, shuffle=False), samples, 3) for samples in (at_the_edge, X))
    assert epoch_run.train(0.25, 1) == ref.train(0.25, 1)
    np.testing.assert_array_equal(epoch_run.model.predict_proba(at_the_edge), ref.model.predict_proba(X))
