import sys

import numpy as np
import pytest

import fastmlp
from fastmlp.errors import MissingExtraError
from fastmlp.settings import LOSSES

VALUES = ("squared_error", "huber", "poisson")
#: With one output, a network tells two classes apart or predicts one number.
SIZES = [(loss, n) for loss in LOSSES for n in (1, 2, 3) if (loss, n) != ("cross_entropy", 1)]


@pytest.fixture(params=SIZES, ids=lambda size: f"{size[0]}-{size[1]}")
def model(request):
    """A network of every loss, with biases and a scaling."""
    loss, n_outputs = request.param
    config = fastmlp.Config(hidden=(7, 6), precision="float64")
    config = config if loss == "cross_entropy" else config.replace(loss=loss)
    model, rng = fastmlp.init_model(config, 5, n_outputs), np.random.default_rng(3)
    model.biases = [rng.standard_normal(b.shape) for b in model.biases]
    model.scaling = rng.uniform(0.5, 2, 5), rng.standard_normal(5)
    return model


@pytest.fixture
def samples():
    return np.random.default_rng(4).standard_normal((50, 5))


def of(model, X):
    """Probabilities, or the numbers, and the predictions."""
    values = getattr(model.config, "loss", "cross_entropy") in VALUES
    return (model.predict(X) if values else model.predict_proba(X)), model.predict(X)


def test_an_estimator_of_every_loss_predicts_the_same(model, samples, networks):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    ref, labels = of(model, samples)
    estimator = model.to_sklearn()
    got = estimator.predict_proba(samples) if hasattr(estimator, "predict_proba") else estimator.predict(samples)
    np.testing.assert_allclose(got, ref, **networks.tolerance("float64"))
    np.testing.assert_allclose(estimator.predict(samples), labels, **networks.tolerance("float64"))


def test_a_graph_of_every_loss_predicts_the_same(model, samples, networks, tmp_path):
    pytest.importorskip("onnx", reason="onnx is not installed")
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    model.to_onnx(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    got, *label = session.run(None, {"X": samples})
    ref, labels = of(model, samples)
    np.testing.assert_allclose(got.reshape(ref.shape), ref, **networks.tolerance("float64"))
    if label:
        np.testing.assert_array_equal(label[0], labels)


def test_a_module_of_every_loss_has_its_logits(model, samples, networks):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    with torch.no_grad():
        got = model.to_torch()(torch.from_numpy(samples)).numpy()
    hidden = samples * model.scaling[0] + model.scaling[1]
    for W, b in zip(model.weights, model.biases, strict=True):
        hidden, ref = 1 / (1 + np.exp(-(hidden @ W + b))), hidden @ W + b
    np.testing.assert_allclose(got, ref, **networks.tolerance("float64"))


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_network_of_every_loss_comes_back_with_its_names(suffix, model, samples, tmp_path):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors", reason="safetensors is not installed")
    model.class_names = tuple(f"class {i}" for i in range(model.n_classes))
    model.save(tmp_path / f"model{suffix}")
    twin = fastmlp.load_model(tmp_path / f"model{suffix}")
    assert (twin.class_names, twin.config) == (model.class_names, model.config)
    np.testing.assert_array_equal(twin.predict(samples), model.predict(samples))


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
def test_without_its_package_a_format_names_the_command(package, extra, use, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, package, None)
    model = fastmlp.init_model(fastmlp.Config(hidden=(4,)), n_features=3, n_classes=2)
    with pytest.raises(MissingExtraError, match=rf'pip install "fastmlp\[{extra}\]"'):
        use(model, tmp_path)
    assert list(tmp_path.iterdir()) == []
