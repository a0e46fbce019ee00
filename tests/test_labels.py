"""Predictions and exports of a network give labels of every type as the user gave them."""

import csv
import pickle
from typing import NamedTuple

import numpy as np
import pytest

import fastmlp
from fastmlp.cli import main

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from sklearn.neural_network import MLPClassifier

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer", "ignore::sklearn.exceptions.ConvergenceWarning")

#: Labels by their type, in ascending order. A network of two classes is trained on the first two.
LABELS = {
    "int": np.array([10, 30, 70]),
    "negative int": np.array([-7, -1, 1]),
    "bool": np.array([False, True]),
    "float": np.array([1.0, 2.0, 5.0]),
    "string": np.array(["ant", "bee", "crane"]),
    "date": np.array(["2024-01-31", "2024-02-29", "2025-03-01"], dtype="datetime64[D]"),
}
CASES = [(kind, n) for kind, labels in LABELS.items() for n in (2, 3) if n <= len(labels)]


class Trained(NamedTuple):
    """A network and what it has to predict."""

    model: fastmlp.Model
    X: np.ndarray
    labels: np.ndarray
    classes: np.ndarray


def samples(n_classes):
    """Samples that a small network separates without an error, and the index of the class of each."""
    index = np.arange(120) % n_classes
    return (index[:, None] == np.arange(3)) * 4.0 + np.random.default_rng(2).standard_normal((120, 3)) * 0.4, index


def from_estimator(kind, n_classes):
    X, index = samples(n_classes)
    y = LABELS[kind][index]
    classifier = fastmlp.MLPClassifier((8,), learning_rate_init=0.03, random_state=0, max_iter=60).fit(X, y)
    np.testing.assert_array_equal(classifier.predict(X), y)
    return Trained(classifier.model_, X, classifier.predict(X), classifier.classes_)


def from_sklearn(kind, n_classes):
    X, index = samples(n_classes)
    y = LABELS[kind][index]
    classifier = MLPClassifier((8,), learning_rate_init=0.03, random_state=0, max_iter=60).fit(X, y)
    np.testing.assert_array_equal(classifier.predict(X), y)
    return Trained(fastmlp.from_sklearn(classifier), X, classifier.predict(X), classifier.classes_)


def from_train(kind, n_classes):
    X, index = samples(n_classes)
    y = LABELS[kind][index]
    dataset = fastmlp.Dataset(X[:90], y[:90], X[90:], y[90:])
    config = fastmlp.Config(hidden=(8,), activation="tanh", learning_rate=0.3, batch_size=10, n_epochs=20)
    model = fastmlp.train(dataset, config).model
    assert (dataset.classes.tolist(), dataset.classes.dtype.kind) == (np.unique(y).tolist(), y.dtype.kind)
    np.testing.assert_array_equal(model.predict(X), y)
    return Trained(model, X, dataset.classes[index], dataset.classes)


SOURCES = {"estimator": from_estimator, "scikit-learn": from_sklearn, "train": from_train}


@pytest.fixture(scope="module", params=[(source, *case) for source in SOURCES for case in CASES], ids=str)
def trained(request):
    source, kind, n_classes = request.param
    return SOURCES[source](kind, n_classes)


def as_onnx(labels):
    """The labels in the types that ONNX has: strings for dates."""
    return labels.astype(str).astype(object) if labels.dtype.kind in "UM" else labels


def test_the_model_predicts_the_labels(trained):
    np.testing.assert_array_equal(trained.model.predict(trained.X), trained.labels, strict=True)


def test_the_model_has_the_classes(trained):
    np.testing.assert_array_equal(trained.model.classes, trained.classes, strict=True)


def test_the_labels_are_evaluated(trained):
    assert trained.model.evaluate(trained.X, trained.labels).score == 1


@pytest.mark.parametrize("copy", [fastmlp.Model.copy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_predicts_the_labels(copy, trained):
    np.testing.assert_array_equal(copy(trained.model).predict(trained.X), trained.labels, strict=True)


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
def test_a_saved_model_predicts_the_labels(suffix, trained, tmp_path):
    if suffix == "safetensors":
        pytest.importorskip("safetensors", reason="safetensors is not installed")
    trained.model.save(tmp_path / f"model.{suffix}")
    loaded = fastmlp.load_model(tmp_path / f"model.{suffix}")
    np.testing.assert_array_equal(loaded.predict(trained.X), trained.labels, strict=True)
    assert loaded.class_names == trained.model.class_names


def test_scikit_learns_estimator_predicts_the_labels(trained):
    estimator = trained.model.to_sklearn()
    np.testing.assert_array_equal(estimator.classes_, trained.classes, strict=True)
    np.testing.assert_array_equal(estimator.predict(trained.X), trained.labels, strict=True)


def test_the_onnx_graph_predicts_the_labels(trained, tmp_path):
    pytest.importorskip("onnx", reason="onnx is not installed")
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    trained.model.to_onnx(tmp_path / "model.onnx", input_type="float64")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    (label,) = session.run(["label"], {"X": trained.X})
    np.testing.assert_array_equal(label, as_onnx(trained.labels), strict=True)


def test_the_command_predict_writes_the_labels(trained, tmp_path):
    trained.model.save(tmp_path / "model.npz")
    np.save(tmp_path / "X.npy", trained.X)
    assert main(["predict", f"{tmp_path}/model.npz", f"{tmp_path}/X.npy", "--out", f"{tmp_path}/out.csv"]) == 0
    header, *rows = csv.reader((tmp_path / "out.csv").read_text().splitlines())
    assert header == ["label", *trained.classes.astype(str)]
    assert [row[0] for row in rows] == trained.labels.astype(str).tolist()


# columns of other packages, whose labels scikit-learn converts


def column(name):
    """120 labels of two classes."""
    _, index = samples(2)
    names, numbers = LABELS["string"][index], LABELS["int"][index]
    if name.startswith("pandas"):
        pandas = pytest.importorskip("pandas", reason="pandas is not installed")
        dtype = name.split()[1]
        labels = {"Int64": numbers, "boolean": index == 1, "datetime64[ns]": LABELS["date"][index]}.get(dtype, names)
        return pandas.Series(labels).astype(dtype)
    if name.startswith("polars"):
        polars = pytest.importorskip("polars", reason="polars is not installed")
        return polars.Series({"strings": names, "integers": numbers}[name.split()[1]].tolist())
    return {"objects": names.astype(object), "uint8": numbers.astype(np.uint8), "float32": numbers.astype(np.float32),
            "durations": numbers.astype("timedelta64[h]"), "one class": names[:1].repeat(120)}[name]  # fmt: skip


COLUMNS = [
    *("objects", "uint8", "float32", "durations", "one class", "polars strings", "polars integers", "pandas object"),
    *("pandas string", "pandas category", "pandas Int64", "pandas boolean", "pandas datetime64[ns]"),
]


@pytest.mark.parametrize("name", COLUMNS)
def test_the_network_of_an_estimator_predicts_what_the_estimator_predicts(name, tmp_path):
    X, _ = samples(2)
    classifier = fastmlp.MLPClassifier((8,), learning_rate_init=0.03, random_state=0, max_iter=60).fit(X, column(name))
    ref = classifier.predict(X)
    classifier.model_.save(tmp_path / "model.npz")
    for network in (classifier.model_, fastmlp.load_model(tmp_path / "model.npz"), classifier.model_.to_sklearn()):
        np.testing.assert_array_equal(network.predict(X), ref, strict=True)


@pytest.mark.parametrize("name", sorted(set(COLUMNS) - {"one class"}))
def test_a_dataset_codes_every_column(name):
    X, index = samples(2)
    dataset = fastmlp.Dataset(X, column(name), X, column(name))
    np.testing.assert_array_equal(dataset.y_train, index)
    assert dataset.classes.dtype.kind in "biUMfm"


def test_a_resumed_run_and_a_repeated_partial_fit_keep_the_classes(tmp_path):
    X, index = samples(3)
    y = LABELS["negative int"][index]
    dataset, config = fastmlp.Dataset(X, y, X, y), fastmlp.Config(hidden=(3,), n_epochs=2)
    for _ in range(2):
        run = fastmlp.train(dataset, config, checkpoint=tmp_path)
        assert run.model.classes.tolist() == [-7, -1, 1]
    classifier = fastmlp.MLPClassifier((3,))
    for rows in (slice(3), slice(1), slice(1, 3)):
        classifier.partial_fit(X[rows], y[rows], classes=[-7, -1, 1])
    assert classifier.model_.classes.tolist() == [-7, -1, 1]
