import copy
import pickle
from typing import get_args

import numpy as np
import pytest

import fastmlp
from fastmlp.config import Config
from fastmlp.errors import ConfigError, DataError, DataTypeError
from fastmlp.model.model import init_model, load_model
from fastmlp.settings import ACTIVATIONS, Precision
from fastmlp.table.schema import Column, TableSchema

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((50, 5)), np.arange(50) % 3


def probabilities(model, X, activations):
    """Equations (2) and (3), computed in float64."""
    *hidden, (W, b) = zip(model.weights, model.biases, strict=True)
    factor, offset = model.scaling or (1, 0)
    A = X * factor + offset
    for V, c in hidden:
        A = activations[model.config.activation](A @ V.astype(float) + c)
    logits = np.exp(A @ W.astype(float) + b)
    return logits / logits.sum(axis=1, keepdims=True)


# weights and biases


def test_weights_and_biases_have_the_shapes_of_the_layers(model):
    assert [W.shape for W in model.weights] == [(5, 7), (7, 6), (6, 3)]
    assert [b.shape for b in model.biases] == [(7,), (6,), (3,)]


def test_weights_changed_in_place_change_the_predictions(model):
    before = model.predict_proba(X)
    model.weights[1][2, 3] += 1.0
    assert (model.predict_proba(X) != before).any()


def test_assigned_weights_are_copied(model):
    W, b = RNG.standard_normal((5, 7)), np.arange(7)
    model.weights[0], model.biases[0] = W, b
    np.testing.assert_array_equal(model.weights[0], W.astype(np.float32))
    np.testing.assert_array_equal(model.biases[0], b)
    W[:] = 0
    assert (model.weights[0] != 0).all()


def test_a_list_with_one_array_per_layer_can_be_assigned(model):
    other = init_model(model.config.replace(seed=1), 5, 3)
    other.biases[-1] = [1, 2, 3]
    model.weights, model.biases = other.weights, other.biases
    np.testing.assert_array_equal(model.predict_proba(X), other.predict_proba(X))


def test_in_place_operators_work_on_a_layer(model):
    ref = 2 * model.weights[0]
    model.weights[0] *= 2
    np.testing.assert_array_equal(model.weights[0], ref)


# predict, evaluate


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("precision", "rtol"), [("float32", 1e-4), ("float64", 1e-12)])
def test_probabilities_follow_the_equations_of_the_paper(activation, precision, rtol, plain_activations):
    model = init_model(Config(hidden=(9, 8), activation=activation, precision=precision), 5, 3)
    model.biases = [RNG.standard_normal(b.shape) for b in model.biases]
    got = model.predict_proba(X)
    assert got.dtype == precision
    np.testing.assert_allclose(got, probabilities(model, X, plain_activations), rtol=rtol)


def test_the_scaling_is_applied_before_prediction(trained, blobs, plain_activations):
    np.testing.assert_allclose(
        trained.predict_proba(blobs.X_test), probabilities(trained, blobs.X_test, plain_activations), rtol=1e-4
    )


def test_predictions_are_the_most_probable_classes(trained, blobs):
    labels = trained.predict(blobs.X_test)
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(labels, trained.predict_proba(blobs.X_test).argmax(axis=1))


@pytest.mark.parametrize("n", [1, 2, 127, 128, 129, 1000])
def test_the_bits_of_a_prediction_do_not_depend_on_the_other_samples(n, trained):
    X = np.random.default_rng(1).standard_normal((n, 5))
    alone = np.concatenate([trained.predict_proba(x[None]) for x in X])
    np.testing.assert_array_equal(trained.predict_proba(X), alone)


@pytest.mark.parametrize("precision", get_args(Precision))
def test_evaluation_gives_the_mean_cross_entropy_and_the_accuracy(precision, plain_activations):
    model = init_model(Config(hidden=(9,), precision=precision), 5, 3)
    loss, accuracy = model.evaluate(X, Y)
    probs = probabilities(model, X, plain_activations)
    assert loss == pytest.approx(-np.log(probs[np.arange(50), Y]).mean(), rel=1e-6)
    assert accuracy == np.mean(probs.argmax(axis=1) == Y)


def test_the_loss_is_finite_where_a_probability_underflows(model):
    model.biases[-1] = [0, 0, 1000]
    assert model.evaluate(X, np.zeros(50)).loss == pytest.approx(1000, rel=0.01)


def test_the_objective_is_equation_1_with_its_penalty(model):
    model.config = model.config.replace(l2=0.3)
    squares = sum((W.astype(float) ** 2).sum() for W in model.weights)
    assert model.objective(X, Y) == pytest.approx(model.evaluate(X, Y).loss + 0.3 / (2 * 50) * squares, rel=1e-12)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64, np.int16, bool])
def test_samples_of_any_numeric_dtype_are_accepted(dtype, model):
    samples = (RNG.random((4, 5)) * 3).astype(dtype)
    np.testing.assert_array_equal(model.predict_proba(samples), model.predict_proba(samples.astype(float)))


def test_samples_may_be_views_with_any_strides(model):
    wide = RNG.standard_normal((40, 12))
    for view in (wide[:, 3:8], wide[::-3, :5], wide[:1, 1:6], np.broadcast_to(wide[0, :5], (4, 5))):
        np.testing.assert_array_equal(model.predict_proba(view), model.predict_proba(view.copy()))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (np.ones((2, 4)), DataError, "X: expected 5 features, got 4"),
        (np.ones(5), DataError, r"X: expected shape \(n_samples, n_features\), got \(5,\)"),
        (np.ones((0, 5)), DataError, r"X: expected at least one sample, got shape \(0, 5\)"),
        (np.full((2, 5), np.nan), DataError, "X: expected finite numbers, got nan at row 0, column 0"),
        ([["a"] * 5], DataTypeError, "X: expected real numbers, got dtype"),
    ],
)
def test_invalid_samples_are_refused(given, error, message, model):
    with pytest.raises(error, match=message):
        model.predict(given)


@pytest.mark.parametrize("y", [[0] * 49, [3] * 50, [-1] * 50, [0.5] * 50])
def test_invalid_labels_are_refused(y, model):
    with pytest.raises(DataError, match=r"^y: expected "):
        model.evaluate(X, y)


# classes


def test_classes_that_are_assigned_are_checked_and_copied(model):
    classes = np.array(["ant", "bee", "crane"])
    model.classes = classes
    classes[0] = "wasp"
    assert (model.classes.tolist(), model.class_names) == (["ant", "bee", "crane"], ("ant", "bee", "crane"))
    assert set(model.predict(X)) <= {"ant", "bee", "crane"}
    with pytest.raises(DataError, match=r"^classes: expected 3 labels"):
        model.classes = [0, 1]
    model.classes = None
    assert model.classes.tolist() == [0, 1, 2]


def test_other_classes_do_not_keep_the_names_of_those_before(model):
    model.classes = ["ant", "bee", "crane"]
    model.classes = [10, 20, 30]
    assert model.class_names is None
    model.class_names = ("ten", "twenty", "thirty")
    model.classes = np.array([10.0, 20.0, 30.0])
    assert model.class_names == ("ten", "twenty", "thirty")
    assert model.copy().class_names == model.class_names
    model.classes = None
    assert model.class_names == ("ten", "twenty", "thirty")  # of the classes 0, 1, 2


def test_labels_are_evaluated_and_others_refused_with_the_classes(model):
    ref = model.evaluate(X, Y)
    model.classes = [-5, 0, 7]
    assert model.evaluate(X, np.array([-5, 0, 7])[Y]) == ref
    with pytest.raises(
        DataError, match=r"^y: expected one of the classes -5, 0, 7, got 1 at index \d+; y seems to hold"
    ):
        model.evaluate(X, Y)
    model.classes = ["ant", "bee", "crane"]
    with pytest.raises(DataError, match=r"got \d at index 0; .* give dataset.classes\[dataset.y_test\] instead$"):
        model.evaluate(X, Y)


def test_networks_of_several_labels_or_values_have_no_classes():
    for loss, n_outputs in (("binary_cross_entropy", 3), ("squared_error", 1)):
        model = init_model(Config(hidden=(), loss=loss), 5, n_outputs)
        assert model.classes is None
        assert model.predict(X).dtype.kind == ("i" if n_outputs == 3 else "f")


# init_model, copy, repr


@pytest.mark.parametrize(("sizes", "name"), [((0, 3), "n_features"), ((5, 1), "n_classes"), ((5.0, 3), "n_features")])
def test_an_invalid_number_of_features_or_classes_is_refused(sizes, name):
    with pytest.raises(ConfigError, match=f"{name}: expected an integer >= ., got "):
        init_model(Config(), *sizes)


def test_a_copy_shares_no_memory(model):
    copied = model.copy()
    copied.weights[0][:] = 0
    assert (model.weights[0] != 0).any()


def test_the_repr_shows_sizes_and_settings(model):
    assert repr(model) == "<Model 5-7-6-3, sigmoid, float32, 0 epochs trained>"


def test_init_model_and_load_model_are_part_of_the_public_api():
    assert (fastmlp.init_model, fastmlp.load_model) == (init_model, load_model)


def test_a_nan_weight_gives_a_nan_loss():
    model = fastmlp.init_model(Config(hidden=()), n_features=3, n_classes=3)
    model.params.weights[0][:, 2] = np.nan
    assert np.isnan(model.evaluate([[0.0, 1.0, 2.0]], [0]).loss)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_the_weights_of_a_copied_or_pickled_model_are_views_of_its_parameters(duplicate):
    model = fastmlp.init_model(Config(hidden=(4,)), n_features=3, n_classes=2)
    other = duplicate(model)
    np.testing.assert_array_equal(other.predict_proba(np.eye(3)), model.predict_proba(np.eye(3)))
    for W in other.weights:
        W[...] = 0
    np.testing.assert_array_equal(other.predict_proba(np.eye(3)), 0.5)


def test_samples_beyond_the_range_of_float32_are_refused_in_float32():
    for precision, is_finite in (("float32", False), ("float64", True)):
        model = fastmlp.init_model(Config(hidden=(4,), precision=precision), n_features=1, n_classes=2)
        if is_finite:
            assert np.isfinite(model.predict_proba([[1e60]])).all()
        else:
            with pytest.raises(DataError, match="beyond float32's range"):
                model.predict_proba([[1e60]])


def test_evaluation_and_objective_of_huge_numbers_are_infinite_not_errors():
    model = init_model(Config(hidden=(), loss="squared_error", precision="float64", l2=1.0), 2, 1)
    X = np.eye(2)
    assert model.evaluate(X, [1.3e154, 1.0]).loss == pytest.approx(1.3e154**2 / 4)
    assert model.evaluate(X, [1.5e154, -1.5e154]).loss == np.inf
    assert np.isfinite(model.evaluate(X, [1.5e154, -1.5e154]).score)
    model.weights[0] = np.full((2, 1), 1e200)
    assert model.objective(X, [1.0, 2.0]) == np.inf


# attributes that a user assigns to


def test_params_cannot_be_replaced(model):
    with pytest.raises(AttributeError, match=r"^params: expected no assignment; assign to weights and biases"):
        model.params = model.params.copy()


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("config", Config(hidden=(9,)), ConfigError),
        ("scaling", (np.ones(4), np.ones(4)), DataError),
        ("scaling", (np.full(5, np.nan), np.ones(5)), DataError),
        ("class_names", ("a", "b"), DataError),
        ("n_epochs", -1, ConfigError),
        ("weights", [np.ones((5, 7))], DataError),
    ],
)
def test_a_value_that_does_not_fit_is_refused_and_changes_nothing(name, value, error, model):
    before = model.predict_proba(X)
    with pytest.raises(error, match=f"^({name}|hidden)"):
        setattr(model, name, value)
    np.testing.assert_array_equal(model.predict_proba(X), before)
    assert (model.scaling, model.class_names, model.n_epochs) == (None, None, 0)


def test_a_config_for_another_task_is_refused():
    model = init_model(Config(hidden=(), loss="binary_cross_entropy"), 5, 1)
    with pytest.raises(ConfigError, match=r"^loss: expected one for classification, .* got 'squared_error'"):
        model.config = model.config.replace(loss="squared_error")
    model = init_model(Config(hidden=(), loss="huber"), 5, 1)
    model.config = model.config.replace(loss="squared_error")
    assert (model.task, model.config.loss) == ("regression", "squared_error")


def test_a_scaling_that_is_assigned_is_used_copied_and_read_only(model):
    factor = np.full(5, 2.0)
    model.scaling = factor, np.zeros(5)
    doubled = model.predict_proba(X)
    factor[:] = 0
    np.testing.assert_array_equal(model.predict_proba(X), doubled)
    model.scaling[0].shape = (5, 1)
    with pytest.raises(ValueError, match="read-only"):
        model.scaling[0][0] = 1
    unpickled = pickle.loads(pickle.dumps(model))
    assert not unpickled.scaling[0].flags.writeable
    np.testing.assert_array_equal(unpickled.predict_proba(X), doubled)


def test_the_schema_of_a_table_is_checked_and_copied(model):
    columns = (Column(name="size", kind="number"), Column(name="kind", kind="category", levels=tuple("abcd")))
    table = TableSchema(columns=columns, target="y", target_position=2, task="classification")
    model.table = table
    assert model.table is table is model.copy().table
    assert pickle.loads(pickle.dumps(model)).table == copy.deepcopy(model).table == table
    with pytest.raises(DataError, match=r"^table: expected a schema of 5 features, got one of 1"):
        model.table = TableSchema(columns=columns[:1], target="y", target_position=0, task="classification")
    assert model.table is table
    with pytest.raises(DataError, match=r"^table: expected a schema for the task 'regression'"):
        fastmlp.Model(Config(hidden=(), loss="huber"), init_model(Config(hidden=()), 5, 2).params, table=table)


def test_parameters_of_another_type_are_refused():
    with pytest.raises(DataTypeError, match=r"^params: expected a Params, got "):
        fastmlp.Model(Config(), [np.ones((3, 2))])
