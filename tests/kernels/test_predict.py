import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastmlp.codegen.cpu import LINE_BYTES
from fastmlp.config import Config
from fastmlp.kernels.predict import bits_differ, panel_width
from fastmlp.kernels.predict_layout import LARGE_SAMPLES, NON_FINITE_OUTPUTS, PREDICT_PANEL_LINES
from fastmlp.model import predictor
from fastmlp.settings import ACTIVATIONS, LOSSES

KINDS = ["uint8", "float32", "float64", "strided"]


def config_of(dtype, **settings):
    return Config(precision=dtype.name, **{"hidden": (9, 5), **settings})


def forward(epoch_run):
    """Outputs, losses and findings of the kernel."""
    return epoch_run.model.forward_validated(epoch_run.X, epoch_run.y)


def check_equal(same_bits, epoch_run):
    outputs, losses, findings = forward(epoch_run)
    ref_outputs, ref_losses = epoch_run.predict_reference()
    same_bits(outputs, ref_outputs)
    same_bits(losses, ref_losses.astype(np.float64))
    return findings


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_prediction_equals_its_reference(engine, same_bits, dtype, kind, activation):
    epoch_run = engine.EpochRun(config_of(dtype, activation=activation), engine.samples(kind, 13, 70), 3)
    assert check_equal(same_bits, epoch_run) == 0


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("n_outputs", [2, 3, 17])
def test_outputs_and_losses_of_any_loss_equal_their_references(engine, same_bits, dtype, loss, n_outputs):
    config = config_of(dtype, loss=loss, huber_delta=0.75)
    check_equal(same_bits, engine.EpochRun(config, engine.samples("float32", 29, 20), n_outputs))


@settings(derandomize=True, max_examples=40, deadline=None)
@given(
    n=st.integers(1, 130), n_features=st.integers(1, 70), hidden=st.lists(st.integers(1, 40), max_size=3).map(tuple),
    n_outputs=st.integers(2, 20), activation=st.sampled_from([*ACTIVATIONS]), loss=st.sampled_from([*LOSSES]),
)  # fmt: skip
def test_predictions_of_any_network_equal_their_reference(
    engine, same_bits, dtype, n, n_features, hidden, n_outputs, activation, loss
):
    config = config_of(dtype, hidden=hidden, activation=activation, loss=loss)
    check_equal(same_bits, engine.EpochRun(config, engine.samples("float32", n, n_features), n_outputs))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_more", [0, 1, 70])
def test_inputs_of_several_panels_equal_their_reference(engine, same_bits, dtype, kind, n_more):
    n_features = 2 * PREDICT_PANEL_LINES * LINE_BYTES // dtype.itemsize + n_more
    check_equal(same_bits, engine.EpochRun(config_of(dtype), engine.samples(kind, 5, n_features), 3))


def test_hidden_layers_of_several_panels_equal_their_reference(engine, same_bits, dtype):
    config = config_of(dtype, hidden=(PREDICT_PANEL_LINES * LINE_BYTES // dtype.itemsize + 3, 4))
    check_equal(same_bits, engine.EpochRun(config, engine.samples("float32", 3, 2), 3))


@pytest.mark.parametrize("batch", [1, 2, 7, 16, 29, 31, 128])
def test_predictions_and_losses_do_not_depend_on_the_batch(engine, same_bits, dtype, batch, monkeypatch):
    monkeypatch.setattr(predictor, "PREDICT_BATCH", batch)
    check_equal(same_bits, engine.EpochRun(config_of(dtype), engine.samples("uint8", 31, 70), 3))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("loss", LOSSES)
def test_a_sample_alone_has_the_bits_that_it_has_among_others(engine, same_bits, dtype, kind, activation, loss):
    config = config_of(dtype, activation=activation, loss=loss)
    epoch_run = engine.EpochRun(config, engine.samples(kind, 101, 37), 3)
    outputs, losses, _ = forward(epoch_run)
    for i in (0, 1, 23, 24, 95, 96, 100):
        alone = epoch_run.model.forward_validated(epoch_run.X[i : i + 1], epoch_run.y[i : i + 1])
        same_bits(alone[0], outputs[i : i + 1])
        same_bits(alone[1], losses[i : i + 1])
    for n in (2, 17, 50):
        same_bits(epoch_run.model.forward_validated(epoch_run.X[:n])[0], outputs[:n])


def test_without_targets_there_are_no_losses_and_the_outputs_are_the_same(engine, same_bits, dtype):
    epoch_run = engine.EpochRun(config_of(dtype), engine.samples("float32", 31, 70), 3)
    outputs, losses, _ = epoch_run.model.forward_validated(epoch_run.X)
    same_bits(outputs, forward(epoch_run)[0])
    assert losses.shape == (0,)


def test_targets_of_one_call_do_not_reach_the_next(engine, same_bits, dtype):
    epoch_run = engine.EpochRun(config_of(dtype, loss="huber"), engine.samples("float32", 31, 70), 3)
    before = epoch_run.model.forward_validated(epoch_run.X)[0]
    targets = np.full((31, 3), np.inf)
    assert np.isinf(epoch_run.model.forward_validated(epoch_run.X, targets)[1]).all()
    same_bits(epoch_run.model.forward_validated(epoch_run.X)[0], before)
    check_equal(same_bits, epoch_run)


# findings


@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e38, -3e38])
@pytest.mark.parametrize("place", [(0, 0), (100, 69), (50, 33), (96, 16)])
@pytest.mark.parametrize("factor", [0.0, 1.0])
def test_a_sample_that_is_large_or_not_finite_is_found(engine, dtype, kind, value, place, factor):
    epoch_run = engine.EpochRun(config_of(dtype), engine.samples(kind, 101, 70), 3)
    epoch_run.model.scaling = np.full(70, factor), np.zeros(70)
    assert forward(epoch_run)[2] & LARGE_SAMPLES == 0
    epoch_run.X[place] = value
    is_within_range = dtype == np.float64 and np.isfinite(value)
    is_scaled_down = factor == 0 and np.isfinite(value) and kind == "float32"
    assert forward(epoch_run)[2] & LARGE_SAMPLES == (0 if is_within_range or is_scaled_down else LARGE_SAMPLES)


@pytest.mark.parametrize("value", [3.5e38, np.nextafter(np.float64(np.finfo(np.float32).max), np.inf)])
def test_a_float64_beyond_float32_is_found_however_small_its_factor(engine, value):
    epoch_run = engine.EpochRun(config_of(np.dtype("float32")), engine.samples("float64", 3, 20), 3)
    epoch_run.model.scaling = np.full(20, 1e-37), np.zeros(20)
    epoch_run.X[1, 2] = value
    assert forward(epoch_run)[2] & LARGE_SAMPLES


@pytest.mark.parametrize("row", [0, 23, 100])
def test_outputs_that_are_not_finite_are_found(engine, dtype, row):
    epoch_run = engine.EpochRun(config_of(dtype, loss="squared_error", hidden=()), engine.samples("float32", 101, 2), 3)
    epoch_run.model.scaling = None
    epoch_run.X[:] = 0
    assert forward(epoch_run)[2] == 0
    epoch_run.X[row] = 10
    epoch_run.model.weights[0][:, 2] = np.finfo(dtype).max / 2
    outputs, _, findings = forward(epoch_run)
    assert np.argwhere(~np.isfinite(outputs)).tolist() == [[row, 2]]
    assert findings == NON_FINITE_OUTPUTS


# parts


@given(st.integers(1, 5000), st.sampled_from([8, 16]), st.integers(1, 70))
def test_panels_are_as_few_as_possible_and_equally_wide(K, lanes, n_vectors):
    largest = n_vectors * lanes
    width = panel_width.py_func(K, largest, lanes)
    assert width <= largest
    assert width % lanes == 0
    assert -(-K // width) == -(-K // largest)
    assert width < K / -(-K // largest) + lanes


@pytest.mark.parametrize("n", [1, 7, 8, 1000])
def test_a_bit_that_differs_is_found(n):
    a = np.random.default_rng(n).standard_normal(n)
    for i in {0, n // 2, n - 1}:
        b = a.copy()
        assert not bits_differ(*(predictor._bits(x) for x in (a, b)))
        b[i] = np.nextafter(b[i], 9)
        assert bits_differ(*(predictor._bits(x) for x in (a, b)))


def test_zeros_of_different_sign_differ_and_nan_equals_itself():
    assert bits_differ(*(predictor._bits(np.array([x])) for x in (0.0, -0.0)))
    assert not bits_differ(*(predictor._bits(np.array([x])) for x in (np.nan, np.nan)))
