import copy
import os
import pickle
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest

import fastmlp
from fastmlp.config import Config
from fastmlp.data.check import check_X
from fastmlp.data.scaling import check_representable
from fastmlp.errors import ConfigError, DataError
from fastmlp.model.model import Model, init_model, load_model
from fastmlp.parallel import run_team
from fastmlp.reference.network import Network
from fastmlp.training.trainer import Trainer

X = np.random.default_rng(0).standard_normal((7, 5)).astype(np.float32)


def check_current(model, X=X):
    """Predictions are those of the reference implementation for the parameters and the scaling as they are."""
    scaling = model.scaling or (np.ones(model.n_features), np.zeros(model.n_features))
    network = Network(model.config, *([np.array(a) for a in arrays] for arrays in pieces(model)))
    ref, _ = network.predict(X, np.zeros(len(X), np.int32), scaling)
    np.testing.assert_array_equal(model.predict_proba(X), ref)


def pieces(model):
    """Weights and biases, read from a copy, so that no view of the network itself is handed out."""
    other = model.copy()
    return other.weights, other.biases


@pytest.fixture(params=["float32", "float64"])
def model(request):
    """A network that has predicted, and none of whose weights has been handed out."""
    model = init_model(Config(hidden=(7, 6), batch_size=7, precision=request.param), 5, 3)
    model.predict(X)
    assert not model.params.writes.has_views
    return model


# A change of the network, in any way, is in the next prediction.


def change_theta(model):
    model.params.theta[:] *= 2


def change_a_view(model):
    model.weights[0][1, 2] = 5


def change_a_bias(model):
    model.params.biases[-1][0] += 1


def change_in_a_loop(model):
    for W in model.weights:
        W *= 2


def change_by_an_operator(model):
    model.weights[1] += 1


def change_a_slice(model):
    model.weights[0:1][0][:] = 3


def change_the_sign_of_zero(model):
    model.biases[0][0] = -0.0


def assign_an_item(model):
    model.weights[0] = np.ones((5, 7))


def assign_a_slice(model):
    model.biases[:2] = [np.ones(7), np.ones(6)]


def assign_weights(model):
    model.weights = [2 * W for W in pieces(model)[0]]


def assign_biases_of_params(model):
    model.params.biases = [b + 1 for b in pieces(model)[1]]


def assign_scaling(model):
    model.scaling = np.full(5, 2.0), np.ones(5)


def remove_scaling(model):
    model.scaling = None


def assign_config(model):
    model.config = model.config.replace(activation="relu")


def train_in_place(model):
    Trainer(model, X, np.arange(7) % 3).run_epoch(0.5)


CHANGES = [
    change_theta, change_a_view, change_a_bias, change_in_a_loop, change_by_an_operator, change_a_slice,
    change_the_sign_of_zero, assign_an_item, assign_a_slice, assign_weights, assign_biases_of_params, assign_scaling,
    remove_scaling, assign_config, train_in_place,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("other", [None, *CHANGES])
def test_predictions_are_of_the_network_as_it_is(model, change, other):
    for _ in range(2):
        change(model)
        check_current(model)
        if other is not None:
            other(model)
            check_current(model)


def test_a_view_taken_before_the_first_prediction_is_watched(model):
    model = model.copy()
    view = model.params.weights[1]
    for value in (1, 2):
        model.predict(X)
        view[3, 4] = value
        check_current(model)


def test_a_view_taken_and_not_used_changes_nothing(model):
    before = model.predict_proba(X)
    predictor = model._predictor
    model.weights[0]
    np.testing.assert_array_equal(model.predict_proba(X), before)
    assert model._predictor is not predictor  # one with a copy to compare with
    predictor = model._predictor
    model.predict(X)
    assert model._predictor is predictor


def test_the_coefficients_of_an_estimator_are_watched():
    pytest.importorskip("sklearn")
    classifier = fastmlp.MLPClassifier((4,), max_iter=2, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        classifier.fit(X, np.arange(7) % 3)
    for change in (
        lambda: classifier.coefs_[0].__setitem__((0, 0), 9.0),
        lambda: classifier.intercepts_.__setitem__(0, np.ones(4)),
        lambda: setattr(classifier, "coefs_", [W / 2 for W in classifier.coefs_]),
        lambda: classifier.partial_fit(X, np.arange(7) % 3),
    ):
        before = classifier.predict_proba(X)
        change()
        assert (classifier.predict_proba(X) != before).any()
        fresh = Model(classifier.model_.config, classifier.model_.params.copy())
        np.testing.assert_array_equal(classifier.predict_proba(X), fresh.predict_proba(X))


def test_a_predictor_is_kept_when_weights_were_only_read(model):
    assert model.weights[0].shape == (5, 7)
    model.predict(X)
    predictor = model._predictor
    for _ in range(3):
        view = model.weights[0]
        model.predict(X)
        del view
        model.predict(X)
    assert model._predictor is predictor
    assert predictor._latest_end is model.params.writes.latest_end


def test_a_write_through_a_view_that_is_dropped_is_noticed(model):
    view = model.weights[0]
    before = model.predict_proba(X)
    view[...] *= 2
    del view
    assert (model.predict_proba(X) != before).any()


def test_networks_from_training_and_from_files_need_no_comparison(blobs, tmp_path):
    model = fastmlp.train(blobs, Config(hidden=(4,), n_epochs=1)).model
    assert not model.params.writes.has_views
    for suffix in (".npz", ".safetensors"):
        if suffix == ".safetensors":
            pytest.importorskip("safetensors")
        model.save(tmp_path / f"model{suffix}")
        loaded = load_model(tmp_path / f"model{suffix}")
        assert not loaded.params.writes.has_views
        np.testing.assert_array_equal(loaded.predict_proba(blobs.X_test), model.predict_proba(blobs.X_test))


# copies


@pytest.mark.parametrize(
    "make", [Model.copy, copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))]
)
def test_a_copy_has_no_predictor_and_the_same_predictions(model, make):
    before = model.predict_proba(X)
    other = make(model)
    assert other._predictor is None
    np.testing.assert_array_equal(other.predict_proba(X), before)
    assert other._predictor is not model._predictor
    change_theta(other)
    check_current(other)
    check_current(model)


def test_a_pickled_model_is_as_large_after_a_prediction_as_before(model):
    assert len(pickle.dumps(model)) == len(pickle.dumps(model.copy()))


# threads and processes


@pytest.mark.parametrize("n_samples", [1, 500])
def test_threads_predict_with_one_network_at_once(n_samples):
    model, rng = init_model(Config(hidden=(40, 30)), 20, 4), np.random.default_rng(0)
    samples = [rng.standard_normal((n_samples, 20)).astype(np.float32) for _ in range(4)]
    refs = [model.predict_proba(X) for X in samples]
    failures, start = [], threading.Barrier(4)

    def predict(index):
        start.wait()
        for _ in range(200):
            if not np.array_equal(model.predict_proba(samples[index]), refs[index]):
                failures.append(index)

    run_threads([lambda index=index: predict(index) for index in range(4)])
    assert failures == []
    assert len(model._predictor._free) <= 4


def test_predictions_while_weights_change_are_of_the_old_or_the_new_ones():
    """A bias is the only number that changes; the other thread assigns to it and writes through a view in turn."""
    model = init_model(Config(hidden=(), loss="squared_error"), 5, 2)
    model.weights = [np.zeros((5, 2))]
    seen, is_done = set(), threading.Event()

    def predict():
        while not is_done.is_set():
            seen.update(model.predict(X)[:, 0].tolist())

    def change():
        for value in range(300):
            if value % 2:
                model.biases[0] = [value, 0]
            else:
                model.biases[0][0] = value
            assert model.predict(X[:1])[0, 0] == value
        is_done.set()

    run_threads([predict, predict, change])
    assert is_done.is_set()
    assert seen <= set(map(float, range(300)))


def run_threads(functions):
    errors = []

    def run(function):
        try:
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_predicts_the_same(model):
    before = model.predict_proba(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads that other tests may have left
        child = os.fork()
    if child == 0:
        same = np.array_equal(model.predict_proba(X), before)
        change_theta(model)
        os._exit(0 if same and not np.array_equal(model.predict_proba(X), before) else 1)
    assert os.waitpid(child, 0)[1] == 0
    np.testing.assert_array_equal(model.predict_proba(X), before)


# threads of one prediction


@pytest.fixture
def teams(monkeypatch):
    """The numbers of threads of the predictions in a test, of which "auto" takes more for any work."""
    sizes = []

    def run_counted(call, n_threads, abort):
        sizes.append(n_threads)
        return run_team(call, n_threads, abort)

    monkeypatch.setattr("fastmlp.model.predictor.run_team", run_counted)
    monkeypatch.setattr("fastmlp.model.predictor.CALL_FLOPS_PER_THREAD", 1)
    return sizes


THREADS = [1, 2, 3, 4, 7, "auto"]


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("n_samples", [1, 3, 24, 25, 49, 95, 97, 501])
@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_every_number_of_threads_gives_the_same_bits(teams, precision, dtype, n_samples, loss):
    rng = np.random.default_rng(n_samples)
    model = init_model(Config(hidden=(13, 6), loss=loss, precision=precision), 11, 3)
    samples = rng.integers(0, 9, (n_samples, 11)).astype(dtype)
    y = rng.integers(0, 3, n_samples) if loss == "cross_entropy" else rng.standard_normal((n_samples, 3))
    one_by_one = [model.forward_validated(samples[i : i + 1], y[i : i + 1]) for i in range(n_samples)]
    for n_threads in THREADS:
        for targets in (None, y):
            outputs, losses, findings = model.forward_validated(samples, targets, n_threads)
            np.testing.assert_array_equal(outputs, np.concatenate([parts[0] for parts in one_by_one]))
            if targets is not None:
                np.testing.assert_array_equal(losses, np.concatenate([parts[1] for parts in one_by_one]))
            assert findings == 0
    assert len({model.evaluate(samples, y, n_threads=n_threads) for n_threads in THREADS}) == 1
    assert len({model.objective(samples, y, n_threads=n_threads) for n_threads in THREADS}) == 1
    n_blocks = -(-n_samples // 24)
    assert {min(n, n_blocks) for n in (2, 3, 4, 7)} <= {1, *teams}
    assert max(teams, default=1) <= max(7, os.cpu_count())


def test_few_samples_start_no_threads(teams):
    model = init_model(Config(hidden=(4,)), 5, 2)
    for n_threads in THREADS:
        model.predict(np.zeros((24, 5)), n_threads=n_threads)
    assert teams == []
    model.predict(np.zeros((40, 5)), n_threads=7)
    assert teams == [2]


def test_little_work_takes_one_thread_by_itself(teams, monkeypatch):
    monkeypatch.undo()
    model = init_model(Config(hidden=(4,)), 5, 2)
    monkeypatch.setattr("fastmlp.model.predictor.run_team", lambda *_: pytest.fail("a team"))
    for n_threads in (1, "auto"):
        model.predict(np.zeros((1000, 5)), n_threads=n_threads)


@pytest.mark.parametrize("method", [Model.predict, Model.predict_proba])
@pytest.mark.parametrize("n_threads", THREADS)
def test_predictions_take_the_number_of_threads(model, method, n_threads):
    samples = np.random.default_rng(2).standard_normal((200, 5))
    ref = np.concatenate([method(model, samples[i : i + 1]) for i in range(200)])
    np.testing.assert_array_equal(method(model, samples, n_threads=n_threads), ref)


@pytest.mark.parametrize("n_threads", [0, -1, 2.0, True, "2", None, "all"])
def test_an_invalid_number_of_threads_is_refused(model, n_threads):
    for call in (model.predict, model.predict_proba, lambda X, **given: model.evaluate(X, np.arange(7) % 3, **given)):
        with pytest.raises(ConfigError, match=r'n_threads: expected "auto" or an integer from 1 to 1024, got'):
            call(X, n_threads=n_threads)


@pytest.mark.parametrize("n_threads", [2, 3, 7])
@pytest.mark.parametrize("row", [0, 150, 299])
def test_values_are_checked_in_the_part_of_every_thread(model, n_threads, row):
    samples = np.zeros((300, 5))
    samples[row, 3] = np.nan
    with pytest.raises(DataError) as caught:
        model.predict(samples, n_threads=n_threads)
    assert str(caught.value) == checked(model, samples)
    model.weights = [np.full(W.shape, np.finfo(W.dtype).max / 2) for W in pieces(model)[0]]
    model.config = model.config.replace(activation="identity")
    samples[row] = 1
    with pytest.warns(UserWarning, match=rf"X: the outputs for row {row} \(counted from 0\) are not finite"):
        model.predict(samples, n_threads=n_threads)


def test_several_python_threads_predict_on_two_threads_each():
    model, rng = init_model(Config(hidden=(40, 30)), 20, 4), np.random.default_rng(0)
    samples = [rng.standard_normal((500, 20)).astype(np.float32) for _ in range(4)]
    refs, got = [model.predict_proba(X) for X in samples], [None] * 4

    def predict(index):
        got[index] = [model.predict_proba(samples[index], n_threads=2) for _ in range(50)]

    run_threads([lambda index=index: predict(index) for index in range(4)])
    for arrays, ref in zip(got, refs, strict=True):
        for array in arrays:
            np.testing.assert_array_equal(array, ref)
    assert len(model._predictor._free) <= 8
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("fastmlp")]


#: Minutes of work, which Ctrl-C interrupts after half a second, from another thread.
INTERRUPTED = """
import os, signal, sys, threading
import numpy as np
import fastmlp

model = fastmlp.init_model(fastmlp.Config(hidden=(1500, 1500)), 1, 2)
n_threads = int(sys.argv[1])
model.predict(np.zeros((200, 1)), n_threads=n_threads)
timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
timer.start()
try:
    model.predict(np.zeros((5_000_000, 1), np.uint8), n_threads=n_threads)
except KeyboardInterrupt:
    timer.join()
    print(threading.active_count(), 1 <= len(model._predictor._free) <= n_threads)
"""


@pytest.mark.skipif(os.name == "nt", reason="os.kill ends a process on Windows")
@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_ctrl_c_ends_the_threads_of_a_prediction(n_threads):
    command = [sys.executable, "-c", INTERRUPTED, str(n_threads)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("1 True\n", "")


# validation


def checked(model, X):
    """Text of the error of the checks that name the place, or None."""
    try:
        check_representable(check_X(X, model.n_features), model.scaling, model.config.dtype)
    except DataError as error:
        return str(error)
    return None


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e18, -3e19, 1e38, 3.4e38, 3.5e38, 1e200, 1e308])
@pytest.mark.parametrize("scaling", [(1.0, 0.0), (3.0, 1.0), (1e-30, 0.0), (0.0, 1.0), (2.0, -1e5), (1.0, 1e38),
                                     (1.0, -3e38), (0.5, 2e38), (3.0, 5e5)])  # fmt: skip
def test_errors_are_those_of_the_full_checks(model, dtype, value, scaling):
    model.scaling = [np.full(5, number) for number in scaling]
    with np.errstate(over="ignore"):
        samples = np.ones((300, 5), dtype)
        samples[200, 3] = value
    text = checked(model, samples)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of outputs that are not finite
        if text is None:
            model.predict(samples)
        else:
            with pytest.raises(DataError) as caught:
                model.predict(samples)
            assert str(caught.value) == text


def test_outputs_that_are_not_finite_cause_a_warning_at_the_caller(model):
    model.weights = [np.full(W.shape, np.finfo(W.dtype).max / 2) for W in pieces(model)[0]]
    model.config = model.config.replace(activation="identity")
    with pytest.warns(UserWarning, match=r"X: the outputs for row 0 \(counted from 0\) are not finite") as caught:
        model.predict(X)
    assert caught[0].filename == __file__


def test_samples_of_every_layout_have_the_same_predictions(model):
    ref = model.predict_proba(X)
    wide = np.zeros((7, 9), np.float32)
    wide[:, 2:7] = X
    for given in (X.tolist(), np.asfortranarray(X), wide[:, 2:7], X.astype(">f4"), X.reshape(7, 5, 1), X[::-1][::-1]):
        np.testing.assert_array_equal(model.predict_proba(given), ref)
    read_only = X.copy()
    read_only.flags.writeable = False
    np.testing.assert_array_equal(model.predict_proba(read_only), ref)
    assert read_only.flags.writeable is False
    assert X.flags.writeable


def test_one_call_reads_all_chunks(monkeypatch):
    monkeypatch.setattr("fastmlp.model.predictor.PREDICT_FLOPS", 1)
    model = init_model(Config(hidden=(3,)), 5, 2)
    samples = np.random.default_rng(1).standard_normal((1000, 5))
    got = model.predict_proba(samples)
    monkeypatch.undo()
    np.testing.assert_array_equal(got, model.copy().predict_proba(samples))
    assert model._predictor._chunk == 96
