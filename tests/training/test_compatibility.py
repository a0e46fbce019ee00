import numpy as np
import pytest
from scipy.sparse import csr_array

import fastmlp
from fastmlp.config import Config
from fastmlp.data import Dataset
from fastmlp.errors import ConfigError, DataError, DataTypeError
from fastmlp.table.schema import Column, TableSchema
from fastmlp.training.compatibility import n_outputs_of, warn_about_target_scale
from fastmlp.training.loop import train

SMALL = Config(hidden=(7, 6), n_epochs=3, batch_size=16)


# types


def test_anything_but_a_dataset_is_refused():
    with pytest.raises(DataTypeError, match=r"dataset: expected a fastmlp\.Dataset, got a list; see load_data"):
        train([[1.0]])


def test_anything_but_a_config_is_refused(blobs):
    with pytest.raises(ConfigError, match=r"config: expected a fastmlp\.Config, got a dict"):
        train(blobs, {"n_epochs": 3})


def test_anything_but_a_model_is_refused(blobs):
    with pytest.raises(DataTypeError, match=r"model: expected a fastmlp\.Model, got a str; see load_model"):
        train(blobs, SMALL, model="model.npz")


# loss and task


def test_the_number_of_outputs_is_that_of_the_classes_or_1_for_binary_cross_entropy(blobs, make_blobs):
    two = make_blobs(n_classes=2)
    assert n_outputs_of(blobs, SMALL) == 3
    assert n_outputs_of(two, SMALL) == 2
    assert n_outputs_of(two, SMALL.replace(loss="binary_cross_entropy")) == 1


@pytest.mark.parametrize(
    ("loss", "task", "error"),
    [
        ("squared_error", "classification", "expected one of cross_entropy, .* for the task classification"),
        ("cross_entropy", "regression", "expected one of squared_error, .* for the task regression"),
        ("cross_entropy", "multilabel", "expected binary_cross_entropy for the task multilabel, got 'cross_entropy'"),
        ("binary_cross_entropy", "classification", "expected cross_entropy for 3 classes, got 'binary_cross_entropy'"),
    ],
)
def test_a_loss_for_another_task_is_refused_with_the_losses_for_the_task(loss, task, error, blobs):
    y_train, y_test = blobs.y_train, blobs.y_test
    if task == "multilabel":
        y_train, y_test = np.eye(3)[y_train], np.eye(3)[y_test]
    with pytest.raises(ConfigError, match=error):
        train(Dataset(blobs.X_train, y_train, blobs.X_test, y_test, task=task), SMALL.replace(loss=loss))


@pytest.mark.parametrize(
    ("n_classes", "n_samples", "is_refused"),
    [(200, 200, True), (101, 200, True), (100, 200, False), (100, 110, False), (300, 600, False), (301, 600, True)],
)
def test_numbers_with_fewer_than_two_samples_each_are_no_classes(n_classes, n_samples, is_refused):
    X, y = np.ones((n_samples, 1)), np.arange(n_samples) % n_classes * 1000
    data = Dataset(X, y, X, y)
    if is_refused:
        with pytest.raises(DataError, match=rf"got {n_classes} different ones for {n_samples} samples; .* regression"):
            n_outputs_of(data, SMALL)
    else:
        assert n_outputs_of(data, SMALL) == n_classes


@pytest.mark.parametrize("labels", [np.arange(200), np.arange(200.0), np.arange(200).astype(str)])
def test_names_and_labels_from_0_may_be_as_many_as_the_samples(labels):
    X = np.ones((200, 1))
    assert n_outputs_of(Dataset(X, labels, X, labels), SMALL) == 200


def test_balanced_class_weights_require_classes(make_regression):
    X, Y = make_regression()
    with pytest.raises(ConfigError, match="class_weight: expected 'none' for the task regression, got 'balanced'"):
        train(Dataset(X, Y, X, Y, task="regression"), SMALL.replace(loss="huber", class_weight="balanced"))


# targets and samples


def test_the_root_mean_square_of_huge_targets_is_finite(make_regression):
    X, Y = make_regression()
    text = r"y_train: expected targets of a root mean square near 1, got \d\.\d*e\+(199|200); divide the targets by it"
    with pytest.warns(UserWarning, match=text) as caught:
        warn_about_target_scale(Dataset(X, 1e200 * Y, X, Y, task="regression"))
    assert len(caught) == 1


def test_large_regression_targets_that_are_not_standardised_give_a_warning(make_regression):
    X, Y = make_regression()
    with pytest.warns(
        UserWarning,
        match=r"y_train: expected targets of a root mean square near 1, got 1e\+04; divide the targets by it",
    ):
        train(
            Dataset(X, 1e4 + Y, X, 1e4 + Y, task="regression", target_scale="none"),
            SMALL.replace(loss="huber", n_epochs=1),
        )


def test_negative_counts_are_refused(make_regression):
    X, Y = make_regression()
    with pytest.raises(DataError, match="expected counts, numbers >= 0, for the loss 'poisson', got -"):
        train(Dataset(X, Y, X, Y, task="regression"), SMALL.replace(loss="poisson"))


@pytest.mark.parametrize("part", ["y_train", "y_test", "y_val"])
@pytest.mark.parametrize(("loss", "number", "error"), [
    ("poisson", -1.0, "expected counts, numbers >= 0, for the loss 'poisson', got -1"),
    ("huber", 1e300, r"got 1e\+300, beyond float32's range"),
])  # fmt: skip
def test_targets_that_are_invalid_for_the_loss_are_refused_in_every_set(part, loss, number, error, make_regression):
    X, Y = make_regression(20)
    sets = {name: abs(Y) for name in ("y_train", "y_test", "y_val")}
    sets[part] = np.where(np.arange(20)[:, None] == 3, number, abs(Y))
    data = Dataset(X, sets["y_train"], X, sets["y_test"], task="regression", X_val=X, y_val=sets["y_val"])
    with pytest.raises(DataError, match=f"{part}: {error}"):
        train(data, SMALL.replace(loss=loss))


def test_sparse_samples_whose_indices_were_edited_are_refused():
    X = csr_array(np.eye(4, dtype=np.float32))
    data = Dataset(X, [0, 1, 0, 1], X, [0, 1, 0, 1])
    X.indices[2] = 4
    with pytest.raises(DataError, match=r"^X_train: expected indices from 0 to 3 in a sparse matrix, got one of 4"):
        train(data)


def test_a_feature_too_far_from_zero_for_float32_is_refused_in_float32():
    random = np.random.default_rng(0)
    y = np.arange(200) % 2
    X = 1.7e9 + 30.0 * random.normal(size=(200, 1)) + 60.0 * y[:, None]
    dataset = Dataset(X, y, X, y)
    with pytest.raises(DataError, match="times its spread away from zero"):
        train(dataset, Config(hidden=(), n_epochs=1))
    run = train(dataset, Config(hidden=(), n_epochs=20, precision="float64"))
    assert run.history["test_accuracy"][-1] > 0.7


# models to continue from


@pytest.mark.parametrize("sizes", [(6, 3), (5, 4)])
def test_a_model_with_other_features_or_outputs_than_the_data_is_refused(sizes, blobs):
    with pytest.raises(
        DataError, match=r"model: expected 5 features and 3 outputs for this data, got \d features and \d outputs"
    ):
        train(blobs, SMALL, model=fastmlp.init_model(SMALL, *sizes))


@pytest.mark.parametrize(("name", "other"), [("hidden", (7,)), ("activation", "tanh"), ("precision", "float64")])
def test_a_model_with_other_layers_activation_or_dtype_than_the_config_is_refused(name, other, blobs):
    model = fastmlp.init_model(SMALL.replace(**{name: other}), blobs.n_features, blobs.n_classes)
    with pytest.raises(ConfigError, match=f"{name}: expected .* given model, got "):
        train(blobs, SMALL, model=model)


def test_a_model_with_other_class_names_than_the_data_is_refused():
    X, y = np.eye(4), [0, 1, 0, 1]
    run = train(Dataset(X, y, X, y, class_names=("ant", "bee")), Config(hidden=(), n_epochs=1, batch_size=4))
    with pytest.raises(DataError, match="'ant', 'bee'"):
        train(Dataset(X, y, X, y, class_names=("cat", "dog")), run.config, run.model)
    assert train(Dataset(X, y, X, y), run.config, run.model).model.class_names == ("ant", "bee")


def schema_of(*names):
    columns = tuple(Column(name=name, kind="number") for name in names)
    return TableSchema(columns=columns, target="y", target_position=0, task="classification")


def test_the_schema_of_the_table_becomes_the_models_and_other_features_are_refused():
    X, y, config = np.eye(2), [0, 1], Config(hidden=(), n_epochs=1, batch_size=2)
    table = schema_of("a", "b")
    model = train(Dataset(X, y, X, y, table=table), config).model
    assert model.table == table
    assert train(Dataset(X, y, X, y), config, model).model.table == table
    with pytest.raises(DataError, match=r"^model: expected the features of the data's table, b, a, .* a, b; encode"):
        train(Dataset(X, y, X, y, table=schema_of("b", "a")), config, model)


@pytest.mark.parametrize(
    ("labels", "others"),
    [(["ant", "bee"], ["ant", "cat"]), ([10, 30], [10, 31]), ([10, 30], [0, 1]), (["0", "1"], [0, 1])],
    ids=str,
)
def test_a_trained_model_of_other_classes_than_the_data_is_refused(labels, others):
    X, config = np.eye(4), Config(hidden=(), n_epochs=1, batch_size=4)
    model = train(Dataset(X, others * 2, X, others * 2), config).model
    with pytest.raises(DataError, match=r"^model: expected the classes of the data, .*, got"):
        train(Dataset(X, labels * 2, X, labels * 2), config, model)


def test_an_untrained_model_takes_the_classes_of_the_data():
    X, config = np.eye(4), Config(hidden=(), n_epochs=1, batch_size=4)
    run = train(Dataset(X, [10, 30] * 2, X, [10, 30] * 2), config, fastmlp.init_model(config, 4, 2))
    assert run.model.classes.tolist() == [10, 30]
    assert train(Dataset(X, [10, 30] * 2, X, [10, 30] * 2), config, run.model).model.n_epochs == 2


def test_a_model_with_the_names_of_the_data_but_without_their_classes_is_accepted():
    """As from a file that was written before classes were recorded."""
    X, y, config = np.eye(4), ["ant", "bee"] * 2, Config(hidden=(), n_epochs=1, batch_size=4)
    model = train(Dataset(X, [0, 1, 0, 1], X, [0, 1, 0, 1], class_names=("ant", "bee")), config).model
    assert train(Dataset(X, y, X, y), config, model).model.classes.tolist() == ["ant", "bee"]
