import numpy as np
import pytest

from fastmlp.config import Config
from fastmlp.errors import DataError, DataTypeError
from fastmlp.kernels import layout as at
from fastmlp.kernels import optimizer_state as entry
from fastmlp.model.kernel_args import (
    Targets,
    arrays_for_training,
    data_arrays,
    hyperparameters_of,
    initial_powers,
    integers_of,
    samples_in_memory,
)
from fastmlp.model.params import Params
from fastmlp.settings import LOSSES, OPTIMIZERS

THETA = np.arange(32, dtype=np.float32)


def test_class_labels_are_int32_and_have_no_values():
    targets = Targets.of(np.array([2, 0, 1]), Config())
    assert (targets.labels.tolist(), targets.labels.dtype) == ([2, 0, 1], np.int32)
    assert (targets.values.shape, targets.weights.shape) == ((0, 1), (0,))


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("loss", [loss for loss in LOSSES if loss != "cross_entropy"])
def test_target_values_are_columns_in_the_dtype_of_the_parameters(loss, precision):
    targets = Targets.of(np.array([1, 0, 1]), Config(loss=loss, precision=precision))
    assert (targets.values.tolist(), targets.values.dtype) == ([[1.0], [0.0], [1.0]], np.dtype(precision))
    assert targets.labels.size == 0


def test_labels_of_sigmoid_outputs_are_smoothed_in_training_only():
    config, y = Config(loss="binary_cross_entropy", label_smoothing=0.2, precision="float64"), np.array([[1, 0]])
    np.testing.assert_allclose(Targets.of(y, config).values, [[0.9, 0.1]], rtol=1e-15)
    assert Targets.of(y, config, for_training=False).values.tolist() == [[1.0, 0.0]]


def test_a_part_of_the_targets_has_the_labels_values_and_weights_of_its_rows():
    rows, weights = np.array([2, 0]), np.array([1.0, 2.0, 3.0])
    labels = Targets.of(np.array([5, 6, 7]), Config(), weights).part(rows)
    assert (labels.labels.tolist(), labels.values.size, labels.weights.tolist()) == ([7, 5], 0, [3.0, 1.0])
    values = Targets.of(np.array([5.0, 6.0, 7.0]), Config(loss="huber")).part(rows)
    assert (values.labels.size, values.values.tolist(), values.weights.size) == (0, [[7.0], [5.0]], 0)


@pytest.mark.parametrize("loss", LOSSES)
def test_targets_have_the_layout_of_the_compiled_kernels(loss):
    y = np.arange(6)[::-2] if loss == "cross_entropy" else np.asfortranarray(np.ones((3, 2), ">f8"))
    weights = np.ones(6)[::2]
    y.flags.writeable = weights.flags.writeable = False
    for array in Targets.of(y, Config(loss=loss), weights):
        assert array.flags.carray  # contiguous in C order, aligned and writeable
        assert array.dtype.isnative


@pytest.mark.parametrize(
    ("loss", "y", "weights", "message"),
    [
        ("cross_entropy", [0, 1], None, r"^y: expected targets of 3 samples and 2 outputs, got shape \(2,\)"),
        ("cross_entropy", [], None, r"got shape \(0, 1\)"),
        ("cross_entropy", [0, 1, 2], None, "^y: expected labels 0 to 1, got 0 to 2"),
        ("cross_entropy", [0, -1, 1], None, "^y: expected labels 0 to 1, got -1 to 1"),
        ("huber", [0.0, 1.0, 2.0], None, r"got shape \(3, 1\)"),
        ("huber", np.ones((4, 2)), None, r"got shape \(4, 2\)"),
        ("cross_entropy", [0, 1, 1], np.ones(2), r"^weights: expected one per sample, shape \(3,\), got shape \(2,\)"),
        ("huber", np.ones((3, 2)), np.ones((3, 1)), r"^weights: expected one per sample"),
    ],
)
def test_targets_that_kernels_would_read_beyond_their_end_are_refused(loss, y, weights, message):
    with pytest.raises(DataError, match=message):
        Targets.of(np.array(y), Config(loss=loss), weights).checked(n_samples=3, n_outputs=2)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("loss", LOSSES)
def test_targets_for_prediction_are_columns_in_the_dtype_of_the_parameters(loss, precision):
    y = [1, 0, 1] if loss == "cross_entropy" else [[1, 2], [0, 1], [1, 1]]
    got = Targets.of(np.array(y), Config(loss=loss, precision=precision), for_training=False).for_prediction()
    assert (got.tolist(), got.dtype) == (np.reshape(y, (3, -1)).tolist(), np.dtype(precision))
    assert got.flags.carray


def test_targets_that_fit_are_returned():
    for y, loss in (([0, 1, 1], "cross_entropy"), (np.ones((3, 2)), "huber")):
        targets = Targets.of(np.array(y), Config(loss=loss), np.ones(3))
        assert targets.checked(3, 2) is targets


@pytest.mark.parametrize("X", [np.ones((2, 3)), np.ones((4, 3), np.uint8)[::-2], np.ones((2, 5), np.float32)[:, 1:4]])
def test_the_bytes_of_the_first_sample_are_not_copied_and_read_only(X):
    got, sample_bytes, itemsize = samples_in_memory(X, 3)
    assert (got.ctypes.data, got.size) == (X.ctypes.data, 3 * X.itemsize)
    assert (sample_bytes, itemsize) == (X.strides[0], X.itemsize)
    assert not got.flags.writeable
    assert X.flags.writeable


@pytest.mark.parametrize(
    ("X", "error"),
    [
        (np.ones((2, 4)), DataError),
        (np.ones(3), DataError),
        (np.ones((0, 3)), DataError),
        (np.ones((2, 3), np.int64), DataTypeError),
        (np.ones((2, 3), np.dtype("f8").newbyteorder()), DataTypeError),
        (np.asfortranarray(np.ones((2, 3))), DataTypeError),
        (np.zeros(49, np.uint8)[1:].view("f8").reshape(2, 3), DataTypeError),
    ],
)
def test_samples_that_kernels_would_misread_are_refused(X, error):
    with pytest.raises(error, match=r"^X: expected .*, got "):
        samples_in_memory(X, 3)


@pytest.mark.parametrize("scaling", [None, (np.array([0.5, 2.0, 1e-3]), np.array([0.1, -1.0, 0.0]))])
@pytest.mark.parametrize("dtype", [np.dtype("float32"), np.dtype("float64")])
def test_the_scaling_is_rounded_to_the_dtype_of_the_parameters_and_padded_with_zeros(scaling, dtype):
    data = data_arrays(np.arange(6, dtype=np.uint8).reshape(2, 3), scaling, Params((3, 2), dtype))
    assert (data.X.tolist(), data.sample_bytes) == ([0, 1, 2], 3)
    for got, ref in zip((data.factor, data.offset), scaling or (np.ones(3), np.zeros(3)), strict=True):
        assert got.dtype == dtype
        np.testing.assert_array_equal(got, np.pad(ref.astype(dtype), (0, len(got) - 3)))


def test_hyperparameters_are_at_the_entries_that_the_kernels_read():
    config = Config(
        l2=0.1, eps=0.2, beta1=0.3, beta2=0.4, momentum=0.5, weight_decay=0.6, clip_norm=0.7, l2_scale="batch",
        eps_form="eps_hat",
    )  # fmt: skip
    ref = {
        entry.HYPER_LR: 0.8, entry.HYPER_L2: 0.1, entry.HYPER_EPS: 0.2, entry.HYPER_BETA1: 0.3,
        entry.HYPER_BETA2: 0.4, entry.HYPER_MOMENTUM: 0.5, entry.HYPER_DECAY: 0.6, entry.HYPER_CLIP: 0.7,
        entry.L2_PER_WEIGHT: 1.0, entry.EPS_HAT: 1.0,
    }  # fmt: skip
    assert hyperparameters_of(config, 0.8).tolist() == [ref[i] for i in range(entry.N_HYPERPARAMETERS)]
    assert hyperparameters_of(Config(), 0.8)[[entry.L2_PER_WEIGHT, entry.EPS_HAT]].tolist() == [0.0, 0.0]


def test_integers_are_at_the_entries_that_the_kernels_read():
    state = 2**64 - 1
    integers = integers_of(Config(optimizer="adam"), 3, 5, True, state, 7, offset=9)
    entries = [at.FIRST, at.STOP, at.OPTIMIZER, at.SHUFFLE, at.DROPOUT_STATE, at.OFFSET]
    assert integers[entries].tolist() == [3, 5, OPTIMIZERS["adam"].code, 1, 7, 9]
    assert integers.view(np.uint64)[at.ORDER_STATE] == state


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("clip_norm", [0.0, 1.0])
def test_training_allocates_only_the_moments_of_the_optimizer_and_the_gradient_to_clip(optimizer, clip_norm):
    theta, m, v, gradient = arrays_for_training(Config(optimizer=optimizer, clip_norm=clip_norm), THETA)
    assert theta is THETA
    moments = OPTIMIZERS[optimizer].moments
    assert [array.size for array in (m, v, gradient)] == [
        32 * ("m" in moments),
        32 * ("v" in moments),
        32 * bool(clip_norm),
    ]
    assert not any(array.any() for array in (m, v, gradient))


def test_without_updates_there_are_no_moments_but_a_gradient():
    _, m, v, gradient = arrays_for_training(Config(optimizer="adam"), THETA, updates=False)
    assert (m.size, v.size, gradient.size) == (0, 0, 32)


def test_powers_are_1_and_no_step_is_counted_before_the_first_step():
    powers = initial_powers()
    assert powers[entry.STEPS] == 0
    assert np.delete(powers, entry.STEPS).tolist() == [1.0] * (entry.N_POWERS - 1)
