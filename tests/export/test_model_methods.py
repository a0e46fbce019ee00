import sys

import numpy as np
import pytest

import fastmlp
from fastmlp.errors import MissingExtraError
from fastmlp.settings import LOSSES

VALUES = tuple(name for name, loss in LOSSES.items() if "regression" in loss.tasks)
#: Losses and numbers of outputs. With one output, a network is a classifier of two classes or predicts one value.
SIZES = [(loss, n) for loss in LOSSES for n in (1, 2, 3) if (loss, n) != ("cross_entropy", 1)]


@pytest.fixture(params=SIZES, ids=lambda size: f"{size[0]}-{size[1]}")
def model(request):
    """A network for each loss and number of outputs, with biases and a scaling."""
    loss, n_outputs = request.param
    config = fastmlp.Config(hidden=(7, 6), precision="float64", loss=loss)
    model, rng = fastmlp.init_model(config, 5, n_outputs), np.random.default_rng(3)
    model.biases = [rng.standard_normal(b.shape) for b in model.biases]
    model.scaling = rng.uniform(0.5, 2, 5), rng.standard_normal(5)
    return model


@pytest.fixture
def samples():
    return np.random.default_rng(4).standard_normal((50, 5))


def outputs_and_predictions(model, X):
    """Probabilities, or for regression the predicted values, and the predictions."""
    return (model.predict(X) if model.config.loss in VALUES else model.predict_proba(X)), model.predict(X)


def test_the_scikit_learn_estimator_predicts_the_same_for_every_loss(model, samples, networks):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    ref, labels = outputs_and_predictions(model, samples)
    estimator = model.to_sklearn()
    got = estimator.predict_proba(samples) if hasattr(estimator, "predict_proba") else estimator.predict(samples)
    np.testing.assert_allclose(got, ref, **networks.tolerance("float64"))
    np.testing.assert_allclose(estimator.predict(samples), labels, **networks.tolerance("float64"))


def test_the_onnx_graph_predicts_the_same_for_every_loss(model, samples, networks, tmp_path):
    pytest.importorskip("onnx", reason="onnx is not installed")
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    model.to_onnx(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    got, *label = session.run(None, {"X": samples})
    ref, labels = outputs_and_predictions(model, samples)
    np.testing.assert_allclose(got.reshape(ref.shape), ref, **networks.tolerance("float64"))
    if label:
        np.testing.assert_array_equal(label[0], labels)


def test_the_pytorch_module_returns_the_logits_for_every_loss(model, samples, networks):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    with torch.no_grad():
        got = model.to_torch()(torch.from_numpy(samples)).numpy()
    hidden = samples * model.scaling[0] + model.scaling[1]
    for W, b in zip(model.weights, model.biases, strict=True):
        hidden, ref = 1 / (1 + np.exp(-(hidden @ W + b))), hidden @ W + b
    np.testing.assert_allclose(got, ref, **networks.tolerance("float64"))


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_saved_network_of_every_loss_is_loaded_with_its_class_names(suffix, model, samples, tmp_path):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors", reason="safetensors is not installed")
    model.class_names = tuple(f"class {i}" for i in range(model.n_classes))
    model.save(tmp_path / f"model{suffix}")
    loaded = fastmlp.load_model(tmp_path / f"model{suffix}")
    assert (loaded.class_names, loaded.config) == (model.class_names, model.config)
    np.testing.assert_array_equal(loaded.predict(samples), model.predict(samples))


@pytest.mark.parametrize(
    ("package", "extra", "use"),
    [
        ("sklearn.neural_network", "sklearn", lambda model, _: model.to_sklearn()),
        ("sklearn.neural_network", "sklearn", lambda model, _: fastmlp.from_sklearn(model)),
        ("torch", "torch", lambda model, _: model.to_torch()),
        ("onnx", "onnx", lambda model, folder: model.to_onnx(folder / "model.onnx")),
        ("safetensors.numpy", "safetensors", lambda model, folder: model.save(folder / "model.safetensors")),
        ("safetensors.numpy", "safetensors", lambda _, folder: fastmlp.load_model(folder / "model.safetensors")),
    ],
)
def test_a_missing_package_is_reported_with_the_command_that_installs_it(package, extra, use, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, package, None)
    model = fastmlp.init_model(fastmlp.Config(hidden=(4,)), n_features=3, n_classes=2)
    with pytest.raises(MissingExtraError, match=rf'pip install "fastmlp\[{extra}\]"'):
        use(model, tmp_path)
    assert list(tmp_path.iterdir()) == []
