import math
import os
import pickle
import signal
import threading

import numba
import numpy as np
import pytest

from fastmlp.codegen.amx import unavailable_reason
from fastmlp.config import Config
from fastmlp.data import Dataset
from fastmlp.errors import DataError
from fastmlp.kernels import layout as at
from fastmlp.kernels.epoch import train_chunk
from fastmlp.model.model import init_model
from fastmlp.model.predictor import Predictor
from fastmlp.parallel import run_team
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
    monkeypatch.setattr("fastmlp.training.thread_trials.CHUNK_S", 1e-12)
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


# threads

needs_bf16 = pytest.mark.skipif(bool(unavailable_reason()), reason=f"training in bf16: {unavailable_reason()}")
checks_bounds = pytest.mark.skipif(not numba.config.BOUNDSCHECK, reason="needs NUMBA_BOUNDSCHECK=1")
PRECISIONS = ["float32", "float64", pytest.param("bf16x2", marks=needs_bf16), pytest.param("bf16", marks=needs_bf16)]


def samples_of(kind, n, n_features):
    random = np.random.default_rng(0)
    if kind == "uint8":
        return random.integers(0, 256, (n, n_features), np.uint8)
    X = random.normal(size=(n, n_features)).astype(np.float32)
    if kind == "sparse":
        return pytest.importorskip("scipy.sparse").csr_matrix(np.where(X > 1, X, 0))
    return X


@pytest.fixture
def several_threads(four_cores, monkeypatch):
    """Chunks of a few steps, for which "auto" takes one thread or four, by turns."""
    monkeypatch.setattr("fastmlp.training.trainer.threads_that_pay", lambda flops: 1000)
    monkeypatch.setattr("fastmlp.training.thread_trials.CHUNK_S", 1e-5)
    for name in ("TRIAL_S", "FIRST_PAUSE_S", "LONGEST_PAUSE_S"):
        monkeypatch.setattr(f"fastmlp.training.thread_trials.{name}", 1e-5)


@pytest.mark.parametrize("kind", ["uint8", "float32", "sparse"])
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_no_bit_depends_on_the_number_of_threads(optimizer, precision, kind, several_threads, monkeypatch):
    """With odd sizes and a short last batch."""
    monkeypatch.setattr("fastmlp.settings.uses_bf16", lambda *sizes: True)
    config = SMALL.replace(hidden=(33, 21), batch_size=35, optimizer=optimizer, precision=precision)
    config = config.replace(dropout=0.25, clip_norm=0.5, l2=0.01, l2_scale="batch", learning_rate=0.01)
    X, y, states, numbers = samples_of(kind, 101, 71), np.arange(101) % 5, [], set()

    def counted(call, n_threads, abort):
        numbers.add(n_threads)
        return run_team(call, n_threads, abort)

    monkeypatch.setattr("fastmlp.training.trainer.run_team", counted)
    for n_threads in (1, 2, 3, 4, 7, "auto"):
        numbers.clear()
        trainer = Trainer(init_model(config, 71, 5), X, y, np.linspace(0, 2, 101), n_threads)
        losses = [trainer.run_epoch(0.01) for _ in range(4)]
        assert numbers == ({1, 4} if n_threads == "auto" else {n_threads} - {1})
        states.append((losses, {name: array.tobytes() for name, array in trainer.state().items()}))
    assert all(state == states[0] for state in states)


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 3), (4, 1), (2, "auto"), ("auto", 2)])
def test_a_checkpoint_of_one_number_of_threads_resumes_with_another(before, after, blobs, several_threads, tmp_path):
    config = SMALL.replace(hidden=(33, 21), optimizer="adam", dropout=0.25)
    ref = train(blobs, config, n_threads=1)

    def stop(progress):
        if progress.epoch == 2 and progress.n_seen > 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(blobs, config, progress=stop, checkpoint=tmp_path, n_threads=before)
    got = train(blobs, config, checkpoint=tmp_path, n_threads=after)
    assert bits(got.model) == bits(ref.model)
    assert got.history["train_loss"] == ref.history["train_loss"]


@pytest.mark.parametrize("place", ["before the kernel", pytest.param("in the kernel", marks=checks_bounds)])
def test_an_exception_in_one_thread_frees_the_others_and_the_trainer_can_train_again(place, blobs, monkeypatch):
    config = SMALL.replace(hidden=(33, 21), clip_norm=0.5)
    ref, trainer = (
        Trainer(init_model(config, blobs.n_features, blobs.n_classes), blobs.X_train, blobs.y_train, n_threads=n)
        for n in (1, 3)
    )
    theta = trainer.model.params.theta.copy()

    def train_without_integers(*arguments):
        """`train_chunk`, of which the third thread lacks the integers: it reads them after the first barrier."""
        *others, integers = arguments
        train_chunk(*others, integers[:0] if others[3].common[at.RANK] == 2 else integers)

    with monkeypatch.context() as patch:
        if place == "before the kernel":
            patch.setattr(trainer, "nets", trainer.nets[:2])
        else:
            patch.setattr("fastmlp.training.trainer.train_chunk", train_without_integers)
        with pytest.raises(IndexError):
            trainer.run_epoch(0.1)
    if place == "before the kernel":
        assert (trainer.model.params.theta == theta).all()
        assert trainer.run_epoch(0.1) == ref.run_epoch(0.1)
        assert bits(trainer.model) == bits(ref.model)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_child_forked_while_another_thread_trains_can_train_with_several_threads(blobs):
    config = SMALL.replace(hidden=(33, 21))
    ref, is_training, stop = bits(train(blobs, config).model), threading.Event(), threading.Event()

    def train_until_stopped():
        while not stop.is_set():
            train(blobs, config, progress=lambda _: is_training.set(), n_threads=2)

    trainer = threading.Thread(target=train_until_stopped)
    trainer.start()
    try:
        assert is_training.wait(10)
        child = os.fork()
        if child == 0:
            signal.alarm(20)  # ends the process if it hangs
            is_same = False
            try:
                is_same = bits(train(blobs, config, n_threads=2).model) == ref
            finally:
                os._exit(0 if is_same else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        stop.set()
        trainer.join()


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


def test_the_first_chunk_of_sparse_samples_is_short_where_a_step_updates_many_weights():
    """A million, in a step whose products have a few hundred."""
    X = pytest.importorskip("scipy.sparse").eye(100, 20_000, dtype=np.float32, format="csr")
    trainer = Trainer(init_model(SMALL.replace(hidden=(50,), batch_size=1), 20_000, 2), X, np.arange(100) % 2)
    reports = []
    trainer.run_epoch(0.1, lambda n_seen, loss: reports.append(n_seen))
    assert reports[0] < 100


def without_rows(X):
    X.resize(20, X.shape[1])


def with_one_sample_of_all_non_zeros(X):
    X.indptr[1:] = X.indptr[-1]


def with_an_index_beyond_the_features(X):
    X.indices[-1] = 71


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_rows, "X_train: expected the samples that the training began with, got 20 in place of 101"),
        (with_one_sample_of_all_non_zeros, "expected the samples that the training .* got more non-zeros per batch"),
        (with_an_index_beyond_the_features, "expected indices from 0 to 70"),
    ],
)
def test_sparse_samples_that_were_changed_between_epochs_are_refused(change, message):
    X = samples_of("sparse", 101, 71)
    trainer = Trainer(init_model(SMALL, 71, 5), X, np.arange(101) % 5)
    trainer.run_epoch(0.1)
    change(X)
    with pytest.raises(DataError, match=message):
        trainer.run_epoch(0.1)


@pytest.mark.parametrize("first", [1, 3, 4, 6])
def test_an_epoch_of_sparse_samples_in_windows_resumes_at_any_step(first, monkeypatch):
    """With two steps per window."""
    monkeypatch.setattr("fastmlp.model.csr.WINDOW_BYTES", 32 * 71 * 4)
    X, y, config = samples_of("sparse", 101, 71), np.arange(101) % 5, SMALL.replace(optimizer="adam", dropout=0.25)

    def make():
        model = init_model(config, 71, 5)
        model.scaling = np.ones(71), np.full(71, 0.5)
        return Trainer(model, X, y)

    ref, interrupted, resumed = make(), make(), make()
    loss = ref.run_epoch(0.1)

    def stop(n_seen, loss):
        if n_seen == 16 * first:
            raise KeyboardInterrupt

    monkeypatch.setattr(interrupted, "_steps_of_chunk", lambda: 1)
    with pytest.raises(KeyboardInterrupt):
        interrupted.run_epoch(0.1, stop)
    for array, stored in zip(resumed.state().values(), interrupted.state().values(), strict=True):
        array[:] = stored
    assert resumed.run_epoch(0.1, first=first) == loss
    assert bits(resumed.model) == bits(ref.model)


def test_what_has_addresses_of_kernels_is_not_pickled():
    model = init_model(Config(hidden=(8,), batch_size=2), n_features=2, n_classes=2)
    trainer = Trainer(model, np.eye(2, dtype=np.float32), np.array([0, 1]))
    for holder in (trainer, trainer.workspace, Predictor(model.params, model.config, None)):
        with pytest.raises(TypeError, match="addresses of compiled kernels"):
            pickle.dumps(holder)
