import copy
import pickle
from typing import get_args

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fastmlp
from fastmlp.config import Config
from fastmlp.errors import ConfigError, DataError, DataNotFoundError, DataTypeError, FileFormatError, OutputError
from fastmlp.io.npz import write_npz
from fastmlp.model.model import init_model, load_model
from fastmlp.settings import ACTIVATIONS, Precision
from fastmlp.training.loop import train

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((50, 5)), np.arange(50) % 3


@pytest.fixture
def model():
    return init_model(Config(hidden=(7, 6)), n_features=5, n_classes=3)


@pytest.fixture(scope="module")
def trained(blobs):
    return train(blobs, Config(hidden=(7, 6), n_epochs=2, batch_size=8)).model


def probabilities(model, X, activations):
    """Equations (2) and (3), as they stand, in float64."""
    *hidden, (W, b) = zip(model.weights, model.biases, strict=True)
    factor, offset = model.scaling or (1, 0)
    A = X * factor + offset
    for V, c in hidden:
        A = activations[model.config.activation](A @ V.astype(float) + c)
    logits = np.exp(A @ W.astype(float) + b)
    return logits / logits.sum(axis=1, keepdims=True)


# weights and biases


def test_weights_and_biases_have_a_layers_shape(model):
    assert [W.shape for W in model.weights] == [(5, 7), (7, 6), (6, 3)]
    assert [b.shape for b in model.biases] == [(7,), (6,), (3,)]


def test_weights_changed_in_place_change_the_predictions(model):
    before = model.predict_proba(X)
    model.weights[1][2, 3] += 1.0
    assert (model.predict_proba(X) != before).any()


def test_weights_assigned_are_copied(model):
    W, b = RNG.standard_normal((5, 7)), np.arange(7)
    model.weights[0], model.biases[0] = W, b
    np.testing.assert_array_equal(model.weights[0], W.astype(np.float32))
    np.testing.assert_array_equal(model.biases[0], b)
    W[:] = 0
    assert (model.weights[0] != 0).all()


def test_a_whole_list_is_assigned_at_once(model):
    other = init_model(model.config.replace(seed=1), 5, 3)
    other.biases[-1] = [1, 2, 3]
    model.weights, model.biases = other.weights, other.biases
    np.testing.assert_array_equal(model.predict_proba(X), other.predict_proba(X))


def test_an_operator_in_place_works_on_a_layer(model):
    ref = 2 * model.weights[0]
    model.weights[0] *= 2
    np.testing.assert_array_equal(model.weights[0], ref)


# predict, evaluate


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("precision", "rtol"), [("float32", 1e-4), ("float64", 1e-12)])
def test_probabilities_are_the_papers_equations(activation, precision, rtol, plain_activations):
    model = init_model(Config(hidden=(9, 8), activation=activation, precision=precision), 5, 3)
    model.biases = [RNG.standard_normal(b.shape) for b in model.biases]
    got = model.predict_proba(X)
    assert got.dtype == precision
    np.testing.assert_allclose(got, probabilities(model, X, plain_activations), rtol=rtol)


def test_scaling_is_applied_to_what_is_predicted(trained, blobs, plain_activations):
    np.testing.assert_allclose(
        trained.predict_proba(blobs.X_test), probabilities(trained, blobs.X_test, plain_activations), rtol=1e-4
    )


def test_labels_are_the_most_probable_classes(trained, blobs):
    labels = trained.predict(blobs.X_test)
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(labels, trained.predict_proba(blobs.X_test).argmax(axis=1))


@pytest.mark.parametrize("n", [1, 2, 127, 128, 129, 1000])
def test_a_sample_gets_the_same_bits_in_whatever_company(n, trained):
    X = np.random.default_rng(1).standard_normal((n, 5))
    alone = np.concatenate([trained.predict_proba(x[None]) for x in X])
    np.testing.assert_array_equal(trained.predict_proba(X), alone)


@pytest.mark.parametrize("precision", get_args(Precision))
def test_evaluation_is_the_mean_cross_entropy_and_the_share_of_right_answers(precision, plain_activations):
    model = init_model(Config(hidden=(9,), precision=precision), 5, 3)
    loss, accuracy = model.evaluate(X, Y)
    probs = probabilities(model, X, plain_activations)
    assert loss == pytest.approx(-np.log(probs[np.arange(50), Y]).mean(), rel=1e-6)
    assert accuracy == np.mean(probs.argmax(axis=1) == Y)


def test_the_loss_stays_finite_where_a_probability_underflows(model):
    model.biases[-1] = [0, 0, 1000]
    assert model.evaluate(X, np.zeros(50)).loss == pytest.approx(1000, rel=0.01)


def test_the_objective_is_equation_1_with_its_penalty(model):
    model.config = model.config.replace(l2=0.3)
    squares = sum((W.astype(float) ** 2).sum() for W in model.weights)
    assert model.objective(X, Y) == pytest.approx(model.evaluate(X, Y).loss + 0.3 / (2 * 50) * squares, rel=1e-12)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64, np.int16, bool])
def test_samples_of_any_type_of_number_are_taken(dtype, model):
    samples = (RNG.random((4, 5)) * 3).astype(dtype)
    np.testing.assert_array_equal(model.predict_proba(samples), model.predict_proba(samples.astype(float)))


def test_samples_are_taken_where_they_lie(model):
    wide = RNG.standard_normal((40, 12))
    for view in (wide[:, 3:8], wide[::-3, :5], wide[:1, 1:6], np.broadcast_to(wide[0, :5], (4, 5))):
        np.testing.assert_array_equal(model.predict_proba(view), model.predict_proba(view.copy()))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (np.ones((2, 4)), DataError, "X has 4 features; 5 are expected"),
        (np.ones(5), DataError, r"X has shape \(5,\)"),
        (np.ones((0, 5)), DataError, "zero samples"),
        (np.full((2, 5), np.nan), DataError, "X holds nan at row 0, column 0"),
        ([["a"] * 5], DataTypeError, "real numbers are expected"),
    ],
)
def test_samples_that_cannot_be_predicted_from_are_refused(given, error, message, model):
    with pytest.raises(error, match=message):
        model.predict(given)


@pytest.mark.parametrize("y", [[0] * 49, [3] * 50, [-1] * 50, [0.5] * 50])
def test_labels_that_do_not_fit_are_refused(y, model):
    with pytest.raises(DataError, match="y "):
        model.evaluate(X, y)


# making, copying, showing


@pytest.mark.parametrize(("sizes", "name"), [((0, 3), "n_features"), ((5, 1), "n_classes"), ((5.0, 3), "n_features")])
def test_a_network_of_no_size_is_refused(sizes, name):
    with pytest.raises(ConfigError, match=f"{name}: expected an integer >= ., got "):
        init_model(Config(), *sizes)


def test_a_copy_shares_no_memory(model):
    twin = model.copy()
    twin.weights[0][:] = 0
    assert (model.weights[0] != 0).any()


def test_the_repr_names_sizes_and_settings(model):
    assert repr(model) == "<Model 5-7-6-3, sigmoid, float32, 0 epochs trained>"


# save, load


def test_a_loaded_model_predicts_the_same_bits_and_trains_on_alike(trained, blobs, tmp_path):
    trained.save(tmp_path / "model.npz")
    twin = load_model(tmp_path / "model.npz")
    np.testing.assert_array_equal(twin.predict_proba(blobs.X_test), trained.predict_proba(blobs.X_test))
    assert (twin.config, twin.n_epochs, twin.class_names) == (trained.config, 2, None)
    ref, got = (train(blobs, trained.config, model=model).model for model in (trained, twin))
    np.testing.assert_array_equal(got.params.theta, ref.params.theta)


def test_an_untrained_model_with_names_comes_back(tmp_path):
    model = init_model(Config(hidden=(), precision="float64"), 5, 2)
    model.class_names = ("käse", "brot")
    model.save(tmp_path / "model.npz")
    twin = load_model(tmp_path / "model.npz")
    assert (twin.class_names, twin.scaling, twin.config.precision) == (("käse", "brot"), None, "float64")
    np.testing.assert_array_equal(twin.weights[0], model.weights[0])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataNotFoundError, match=r"there is no model at .*nowhere\.npz"):
        load_model(tmp_path / "nowhere.npz")


def test_a_folder_that_is_not_there_cannot_be_saved_to(model, tmp_path):
    with pytest.raises(OutputError, match=r"the model could not be written to .*model\.npz"):
        model.save(tmp_path / "nowhere" / "model.npz")


def good(**changes):
    W, b = np.ones((2, 3)), np.zeros(3)
    return {"weights_0": W, "biases_0": b, "factor": np.ones(2), "offset": np.zeros(2), **changes}


@pytest.mark.parametrize(
    ("header", "arrays", "reason"),
    [
        ({"config": {"hidden": [4]}}, good(), "weights_1"),
        ({"config": {"hidden": [4]}}, good(weights_1=np.ones((3, 2))), r"hidden layers are \(3,\)"),
        ({"config": {"hidden": [], "lr": 1}}, good(), "unknown setting 'lr'"),
        ({"config": {"hidden": []}}, good(biases_0=np.zeros(4)), r"biases\[0\] has shape \(3,\)"),
        ({"config": {"hidden": []}}, good(weights_0=np.full((2, 3), np.nan)), r"weights\[0\] takes numbers"),
        ({"config": {"hidden": []}}, good(offset=np.zeros(3)), "its scaling is not"),
        ({"config": {"hidden": []}}, good(factor=np.full(2, np.inf)), "its scaling is not"),
        ({}, good(), "config"),
    ],
)
def test_a_file_whose_parts_do_not_fit_is_refused(header, arrays, reason, tmp_path):
    path = tmp_path / "model.npz"
    write_npz(path, "model", 1, {"class_names": None, "n_epochs": 0, **header}, arrays)
    with pytest.raises(FileFormatError, match=rf"model\.npz is not a model that this fastmlp reads: .*{reason}"):
        load_model(path)


def test_a_file_of_another_version_is_refused(tmp_path):
    write_npz(tmp_path / "model.npz", "model", 2, {"config": {}}, good())
    with pytest.raises(FileFormatError, match="it has version 2; version 1 is read"):
        load_model(tmp_path / "model.npz")


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_refused_or_does_no_harm(data, model, tmp_path):
    model.save(tmp_path / "model.npz")
    octets = bytearray((tmp_path / "model.npz").read_bytes())
    octets[data.draw(st.integers(0, len(octets) - 1))] ^= data.draw(st.integers(1, 255))
    (tmp_path / "model.npz").write_bytes(octets[: data.draw(st.sampled_from([len(octets), len(octets) // 2]))])
    try:
        got = load_model(tmp_path / "model.npz")
    except FileFormatError:
        return
    np.testing.assert_array_equal(got.params.theta, model.params.theta)


def test_the_front_door_has_them():
    assert (fastmlp.init_model, fastmlp.load_model) == (init_model, load_model)


def test_a_weight_that_is_no_number_gives_a_loss_that_is_none():
    model = fastmlp.init_model(Config(hidden=()), n_features=3, n_classes=3)
    model.params.weights[0][:, 2] = np.nan
    assert np.isnan(model.evaluate([[0.0, 1.0, 2.0]], [0]).loss)


@pytest.mark.parametrize("twin_of", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copied_or_pickled_model_s_weights_are_its_parameters(twin_of):
    model = fastmlp.init_model(Config(hidden=(4,)), n_features=3, n_classes=2)
    twin = twin_of(model)
    np.testing.assert_array_equal(twin.predict_proba(np.eye(3)), model.predict_proba(np.eye(3)))
    for W in twin.weights:
        W[...] = 0
    np.testing.assert_array_equal(twin.predict_proba(np.eye(3)), 0.5)


def test_samples_beyond_float32_are_refused_there():
    for precision, finite in (("float32", False), ("float64", True)):
        model = fastmlp.init_model(Config(hidden=(4,), precision=precision), n_features=1, n_classes=2)
        if finite:
            assert np.isfinite(model.predict_proba([[1e60]])).all()
        else:
            with pytest.raises(DataError, match="beyond float32's range"):
                model.predict_proba([[1e60]])
