"""The command export."""

import numpy as np
import pytest

import fastmlp


def test_the_suffix_decides_the_format(results, model, samples, tmp_path, run):
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    pytest.importorskip("onnx", reason="onnx is not installed")
    source = results / "model.npz"
    for suffix in (".safetensors", ".npz", ".ONNX"):
        out = tmp_path / f"model{suffix}"
        assert run("export", source, out) == (0, "", f"wrote {out}\n")
        source = source if suffix == ".ONNX" else out
    np.testing.assert_array_equal(fastmlp.load_model(source).predict(samples), model.predict(samples))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.ONNX", "model.npz", "model.safetensors"]


def test_an_exported_graph_has_the_given_input_type(results, model, samples, tmp_path, run):
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    assert run("export", results / "model.npz", tmp_path / "model.onnx", "--input-type", "uint8")[0] == 0
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    pixels = (samples > samples.mean()).astype(np.uint8)
    (label,) = session.run(["label"], {"X": pixels})
    np.testing.assert_array_equal(label, model.predict(pixels))


@pytest.mark.parametrize("name", ["model.h5", "model", "onnx", "model.npz.gz"])
def test_an_unknown_suffix_is_refused_and_nothing_is_written(name, results, tmp_path, run):
    code, out, err = run("export", results / "model.npz", tmp_path / name)
    assert (code, out) == (2, "")
    assert err == f"error: out: expected a file name that ends in .onnx, .safetensors or .npz, got {name!r}\n"
    assert list(tmp_path.iterdir()) == []


def test_an_input_type_is_refused_for_other_formats_than_onnx(results, tmp_path, run):
    code, _, err = run("export", results / "model.npz", tmp_path / "other.npz", "--input-type", "uint8")
    assert (code, list(tmp_path.iterdir())) == (2, [])
    assert err == "error: --input-type: expected only for an .onnx file, got uint8 for 'other.npz'\n"
