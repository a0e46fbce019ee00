import math

import numpy as np
import pytest

from fastmlp.config import Config
from fastmlp.data import Dataset
from fastmlp.model.model import init_model
from fastmlp.settings import OPTIMIZERS
from fastmlp.training.loop import train
from fastmlp.training.trainer import Trainer

SMALL = Config(hidden=(7, 6), n_epochs=3, batch_size=16)


def bits(model):
    return model.params.theta.tobytes()


def make_trainer(blobs, **changes):
    config = SMALL.replace(**changes)
    model = init_model(config, blobs.n_features, blobs.n_classes)
    return Trainer(model, blobs.X_train, blobs.y_train)


def test_an_epoch_counts_its_steps_and_itself(blobs):
    trainer = make_trainer(blobs)
    assert (trainer.steps_per_epoch, trainer.n_steps_done, trainer.model.n_epochs) == (8, 0, 0)
    trainer.run_epoch(0.1)
    assert (trainer.n_steps_done, trainer.model.n_epochs) == (8, 1)
    assert sorted(trainer.order) == list(range(120))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_state_is_the_arrays_themselves_and_none_is_empty(optimizer, blobs):
    trainer = make_trainer(blobs, optimizer=optimizer)
    state = trainer.state()
    assert set(state) == {"theta", "powers", "loss_sum", *OPTIMIZERS[optimizer].moments}
    assert np.shares_memory(state["theta"], trainer.model.params.theta)
    assert all(array.size for array in state.values())


def test_the_penalty_is_part_of_the_loss_only_where_l2_is_divided_by_the_batch(blobs):
    assert make_trainer(blobs, l2=0.1).run_epoch(0.1).penalty == 0
    assert make_trainer(blobs, l2=0.1, l2_scale="batch").run_epoch(0.1).penalty > 0


@pytest.mark.parametrize(
    ("losses", "ref"), [([math.inf, -math.inf], math.nan), ([1e308, 1e308], math.inf), ([math.nan, 1.0], math.nan)]
)
def test_the_loss_of_an_epoch_whose_sum_overflows_is_infinite_or_nan(losses, ref, blobs):
    trainer = make_trainer(blobs)
    trainer.loss_sum[:2] = losses
    np.testing.assert_equal(trainer._mean_loss(120).loss, ref)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_length_of_the_chunks_changes_no_bit(optimizer, blobs, monkeypatch):
    config = SMALL.replace(optimizer=optimizer, learning_rate=0.05)
    whole = train(blobs, config)
    monkeypatch.setattr("fastmlp.training.trainer.CHUNK_S", 1e-12)
    chunked = train(blobs, config)
    assert bits(chunked.model) == bits(whole.model)
    assert chunked.history["train_loss"] == whole.history["train_loss"]


def test_a_batch_size_above_the_number_of_samples_gives_one_batch_and_a_warning(blobs):
    ref = train(blobs, SMALL.replace(batch_size=120))
    with pytest.warns(
        UserWarning, match="batch_size: expected at most 120, the number of training samples, got 5000"
    ) as caught:
        got = train(blobs, SMALL.replace(batch_size=5000))
    assert bits(got.model) == bits(ref.model)
    assert caught[0].filename == __file__


def test_training_does_not_flush_the_subnormals_of_the_process(blobs):
    train(blobs, SMALL)
    assert np.float32(1e-40) * np.float32(1.0) > 0


# memory layout of the samples


def with_samples(data, X_train):
    return Dataset(X_train, data.y_train, data.X_test, data.y_test)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_samples_may_have_any_memory_layout(dtype, make_blobs, tmp_path):
    data = make_blobs(dtype=dtype)
    X, ref = data.X_train, bits(train(data, SMALL).model)
    wide = np.full((120, 9), 99, dtype)
    wide[:, 2:7] = X
    unaligned = np.zeros(X.nbytes + 1, np.uint8)[1:].view(dtype).reshape(X.shape)
    unaligned[...] = X
    X.tofile(tmp_path / "X.bin")
    mapped = np.memmap(tmp_path / "X.bin", dtype, "r", shape=X.shape)
    reversed_rows = X[::-1].copy()[::-1]
    for other_X in (
        wide[:, 2:7],
        unaligned,
        mapped,
        reversed_rows,
        X.astype(X.dtype.newbyteorder()),
        np.asfortranarray(X),
    ):
        assert bits(train(with_samples(data, other_X), SMALL).model) == ref


def test_samples_may_have_a_stride_of_zero(make_blobs):
    data = make_blobs()
    same = np.broadcast_to(data.X_train[0], data.X_train.shape)
    assert bits(train(with_samples(data, same), SMALL).model) == bits(
        train(with_samples(data, same.copy()), SMALL).model
    )


def test_the_arrays_of_the_data_set_are_not_modified(make_blobs):
    data = make_blobs()
    arrays = [data.X_train, data.y_train, data.X_test, data.y_test]
    before = [array.copy() for array in arrays]
    train(data, SMALL)
    for got, ref in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(got, ref)


def test_read_only_arrays_train_the_same(make_blobs):
    data = make_blobs()
    read_only = data.X_train.copy()
    read_only.flags.writeable = False
    assert bits(train(with_samples(data, read_only), SMALL).model) == bits(train(data, SMALL).model)
