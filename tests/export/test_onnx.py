import json
import os
from typing import get_args

import numpy as np
import pytest

import fastmlp
from fastmlp.config import Config
from fastmlp.errors import ConfigError, OutputError
from fastmlp.export import onnx as onnx_export
from fastmlp.export.onnx import write_onnx
from fastmlp.settings import ACTIVATIONS, Dtype

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


@pytest.fixture
def run(tmp_path):
    def run_onnx(network, X, input_type=None):
        """Outputs by name, of a file that passes the onnx checker."""
        write_onnx(tmp_path / "model.onnx", network, input_type)
        onnx.checker.check_model(onnx.load(tmp_path / "model.onnx"), full_check=True)
        session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, {"X": X}), strict=True))

    return run_onnx


@pytest.mark.parametrize("precision", get_args(Dtype))
def test_every_activation_matches_numpy(precision, run, networks):
    X = networks.samples().astype(precision)
    for activation in networks.activations:
        network = networks.make(activation, precision=precision)
        got = run(network, X)["probabilities"]
        assert got.dtype == precision
        np.testing.assert_allclose(
            got, networks.outputs(network, X), err_msg=activation, **networks.tolerance(precision)
        )


@pytest.mark.parametrize("precision", get_args(Dtype))
@pytest.mark.parametrize("n_outputs", [1, 2, 3])
def test_every_loss_has_its_outputs_and_labels(precision, n_outputs, run, networks):
    X = networks.samples().astype(precision)
    for loss in networks.losses[1:]:
        network = networks.make(loss=loss, precision=precision, sizes=(6, 9, 8, n_outputs))
        got, ref = run(network, X), networks.outputs(network, X)
        if loss == "binary_cross_entropy" and n_outputs == 1:
            ref = np.hstack([1 - ref, ref])
        main = "probabilities" if loss == "binary_cross_entropy" else "values"
        np.testing.assert_allclose(got.pop(main), ref, err_msg=loss, **networks.tolerance(precision))
        if loss == "binary_cross_entropy":
            label = got.pop("label")
            assert label.dtype == np.int64
            np.testing.assert_array_equal(label, ref[:, 1] > 0.5 if n_outputs == 1 else ref > 0.5)
        assert got == {}


@pytest.mark.parametrize("precision", get_args(Dtype))
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_graph_predicts_what_the_model_predicts(activation, precision, run, blobs, networks):
    config = Config(hidden=(7, 6), activation=activation, precision=precision, n_epochs=2, learning_rate=0.01)
    model = fastmlp.train(blobs, config).model
    X = blobs.X_test.astype(precision)
    got = run(model, X)
    np.testing.assert_allclose(got["probabilities"], model.predict_proba(X), **networks.tolerance(precision))
    np.testing.assert_array_equal(got["label"], model.predict(X))


@pytest.mark.parametrize("precision", get_args(Dtype))
@pytest.mark.parametrize("input_type", ["uint8", "float32", "float64"])
def test_raw_samples_of_every_input_type_are_accepted(input_type, precision, run, networks):
    X = networks.samples().astype(input_type)
    for scaled, divisor in ((True, 1), (False, 255)):
        network = networks.make(precision=precision, scaled=scaled)
        network.params.weights[0] /= divisor
        got = run(network, X, input_type)["probabilities"]
        np.testing.assert_allclose(got, networks.outputs(network, X), **networks.tolerance(precision))


def test_any_number_of_samples_is_accepted(run, networks):
    network, X = networks.make(sizes=(6, 3)), networks.samples().astype(np.float32)
    assert [len(run(network, X[:n])["label"]) for n in (1, 2, 50)] == [1, 2, 50]


def test_extreme_pre_activations_give_finite_outputs(run, networks):
    for activation in set(networks.activations) - {"identity", "relu", "leaky_relu"}:
        network = networks.make(activation, sizes=(6, 9, 3), scaled=False)
        X = np.float32([[1e4] * 6, [-1e4] * 6])
        got = run(network, X)["probabilities"]
        assert np.isfinite(got).all(), activation


def test_class_names_are_stored_in_the_metadata(tmp_path):
    model = fastmlp.init_model(Config(hidden=(), seed=1), 3, 2)
    model.class_names = ("käse", "brot")
    model.to_onnx(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    assert json.loads(session.get_modelmeta().custom_metadata_map["class_names"]) == ["käse", "brot"]


@pytest.mark.parametrize(
    ("classes", "label"),
    [
        (np.array([0, 1, 2], np.int8), np.array([0, 1, 2])),
        (np.array([0, 1, 2**64 - 1], np.uint64), np.array([0, 1, 2**64 - 1], np.uint64)),
        (np.array([0, 1, 2], np.float16), np.array([0, 1, 2], np.float32)),
        (np.array([1, 2, 3], "timedelta64[h]"), np.array([1, 2, 3])),
        (np.array(["2024", "2025", "2026"], "datetime64[Y]"), np.array(["2024", "2025", "2026"], dtype=object)),
    ],
    ids=str,
)
def test_labels_are_of_the_types_that_onnx_has(classes, label, run, networks):
    network, X = networks.make(), networks.samples().astype(np.float32)
    network.classes = classes
    ref = label[network.predict_proba(X).argmax(axis=1)]
    np.testing.assert_array_equal(run(network, X)["label"], ref, strict=True)


def test_the_same_network_gives_the_same_file_and_replaces_the_old_one(networks, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    write_onnx(path, networks.make())
    first = path.read_bytes()
    write_onnx(path, networks.make())
    assert path.read_bytes() == first != b"old"
    assert os.listdir(tmp_path) == ["model.onnx"]


def test_a_failure_leaves_no_file(networks, monkeypatch, tmp_path):
    with pytest.raises(OutputError, match="the ONNX file could not be written to"):
        write_onnx(tmp_path / "nowhere" / "model.onnx", networks.make())
    with pytest.raises(ConfigError, match=r"input_type: expected one of 'uint8', .*, got 'int8'"):
        write_onnx(tmp_path / "model.onnx", networks.make(), "int8")
    monkeypatch.setattr(onnx_export, "MAX_BYTES", 100)
    with pytest.raises(
        OutputError, match=r"could not be written to .*model\.onnx: expected at most 100 bytes of parameters, got 1,472"
    ):
        write_onnx(tmp_path / "model.onnx", networks.make())
    assert os.listdir(tmp_path) == []
