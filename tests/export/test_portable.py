import sys

import pytest

import fastmlp
from fastmlp.errors import MissingExtraError


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
