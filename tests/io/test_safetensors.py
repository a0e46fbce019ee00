import json
import os
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fastmlp
from fastmlp.config import Config
from fastmlp.errors import DataNotFoundError, FileFormatError, OutputError
from fastmlp.io.npz import read_npz
from fastmlp.io.safetensors import read_safetensors, write_safetensors

safetensors_numpy = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")


@pytest.fixture(scope="module")
def trained(blobs):
    return fastmlp.train(blobs, Config(hidden=(7, 6), n_epochs=2, batch_size=8)).model


@pytest.fixture
def path(trained, tmp_path):
    trained.save(tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def parts(path):
    """The header of the safetensors format, and the bytes after it."""
    content = path.read_bytes()
    (n,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + n]), content[8 + n :]


def write(path, header, raw):
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + raw)


def refuses(path, reason=""):
    message = f"{path.name} is not a model that this fastmlp reads: .*{reason}"
    with pytest.raises(FileFormatError, match=message):
        fastmlp.load_model(path)
    return True


def test_a_loaded_model_is_bitwise_the_same(trained, path):
    loaded = fastmlp.load_model(path)
    np.testing.assert_array_equal(loaded.params.theta, trained.params.theta)
    np.testing.assert_array_equal(loaded.scaling, trained.scaling)
    assert (loaded.config, loaded.n_epochs, loaded.class_names) == (trained.config, 2, None)


def test_an_untrained_model_with_class_names_is_saved_and_loaded(tmp_path):
    model = fastmlp.init_model(Config(hidden=(), precision="float64"), 5, 2)
    model.class_names = ("käse", "brot")
    model.save(tmp_path / "MODEL.SafeTensors")
    loaded = fastmlp.load_model(tmp_path / "MODEL.SafeTensors")
    assert (loaded.class_names, loaded.scaling, loaded.config.precision) == (("käse", "brot"), None, "float64")


def test_the_safetensors_library_reads_the_layers(trained, path):
    arrays = safetensors_numpy.load_file(path)
    assert set(arrays) == {
        "weights_0",
        "weights_1",
        "weights_2",
        "biases_0",
        "biases_1",
        "biases_2",
        "factor",
        "offset",
    }
    np.testing.assert_array_equal(arrays["weights_0"], trained.weights[0])


def test_the_header_equals_that_of_an_npz_file(trained, path, tmp_path):
    trained.save(tmp_path / "model.npz")
    with read_npz(tmp_path / "model.npz", "model", 1) as (ref, _), read_safetensors(path, "model", 1) as (got, _):
        assert got == ref
    header = json.loads(parts(path)[0]["__metadata__"]["header"])
    assert {name: header[name] for name in header if name not in ("manifest", "checksum")} == ref


def test_a_file_is_replaced_completely_and_equal_models_give_equal_files(trained, path):
    before = path.read_bytes()
    path.write_bytes(b"old")
    trained.save(path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["model.safetensors"]


def test_the_error_for_a_path_that_cannot_be_written_or_read_has_the_path(trained, tmp_path):
    missing = tmp_path / "nowhere" / "model.safetensors"
    with pytest.raises(OutputError, match=r"the model could not be written to .*model\.safetensors: "):
        trained.save(missing)
    with pytest.raises(DataNotFoundError, match=r"there is no model at .*model\.safetensors"):
        fastmlp.load_model(missing)


def test_a_file_of_another_kind_or_version_is_refused(tmp_path):
    write_safetensors(tmp_path / "a.safetensors", "model", 2, {}, {"y": np.zeros(1)})
    write_safetensors(tmp_path / "b.safetensors", "ramp", 1, {}, {"y": np.zeros(1)})
    safetensors_numpy.save_file({"y": np.zeros(1)}, tmp_path / "c.safetensors")
    assert refuses(tmp_path / "a.safetensors", "expected version 1, got 2")
    assert refuses(tmp_path / "b.safetensors", "expected the format 'fastmlp model', got 'fastmlp ramp'")
    assert refuses(tmp_path / "c.safetensors", "header")


def test_an_npz_file_with_the_wrong_suffix_is_refused(trained, tmp_path):
    trained.save(tmp_path / "model.npz")
    (tmp_path / "model.npz").rename(tmp_path / "model.safetensors")
    assert refuses(tmp_path / "model.safetensors")


@pytest.mark.parametrize("content", [b"", b"no tensors", b"\xff" * 8, b"\x02" + b"\x00" * 7 + b"{}", b"\x00" * 64])
def test_a_foreign_file_is_refused(content, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(content)
    assert refuses(tmp_path / "model.safetensors")


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [7, 5]},
        {"shape": [5, 8]},
        {"shape": [1 << 40, 1 << 40]},
        {"shape": [-5, -7]},
        {"dtype": "F64"},
        {"dtype": "I32"},
        {"dtype": "BF16"},
        {"dtype": "F33"},
        {"data_offsets": [0, 1 << 60]},
        {"data_offsets": [140, 0]},
        {"data_offsets": [4, 144]},
    ],
)
def test_a_false_description_of_an_array_is_refused(change, path):
    header, raw = parts(path)
    assert header["weights_0"]["shape"] == [5, 7]
    header["weights_0"] |= change
    write(path, header, raw)
    assert refuses(path)


def test_a_change_of_the_settings_is_refused(path):
    header, raw = parts(path)
    for old, new in (('"n_epochs": 2,', '"n_epochs": 3,'), ('"sigmoid"', '"tanh"')):
        metadata = dict(header["__metadata__"])
        assert old in metadata["header"]
        metadata["header"] = metadata["header"].replace(old, new)
        write(path, {**header, "__metadata__": metadata}, raw)
        assert refuses(path, "its checksum does not match its content")


def valid(**changes):
    """Arrays of a model, some of them changed."""
    W, b = np.ones((2, 3)), np.zeros(3)
    return {"weights_0": W, "biases_0": b, "factor": np.ones(2), "offset": np.zeros(2), **changes}


@pytest.mark.parametrize(
    ("header", "arrays", "reason"),
    [
        ({"config": {"hidden": [4]}}, valid(), "weights_1"),
        ({"config": {"hidden": [4]}}, valid(weights_1=np.ones((3, 2))), r"hidden layers are \(3,\)"),
        ({"config": {"hidden": [], "lr": 1}}, valid(), "unknown setting 'lr'"),
        ({"config": {"hidden": []}}, valid(biases_0=np.zeros(4)), r"biases\[0\]: expected an array of shape \(3,\)"),
        (
            {"config": {"hidden": []}},
            valid(weights_0=np.full((2, 3), np.nan)),
            r"weights\[0\]: expected numbers that are finite",
        ),
        ({"config": {"hidden": []}}, valid(offset=np.zeros(3)), r"scaling\[1\]: expected one number"),
        ({"config": {"hidden": []}, "class_names": ["a"]}, valid(), "class_names: expected 3 names"),
        ({"config": {"hidden": []}, "n_epochs": -1}, valid(), "n_epochs: expected an integer >= 0, got -1"),
    ],
)
def test_a_file_whose_header_and_arrays_do_not_match_is_refused(header, arrays, reason, tmp_path):
    path = tmp_path / "model.safetensors"
    write_safetensors(path, "model", 1, {"class_names": None, "n_epochs": 0, **header}, arrays)
    assert refuses(path, reason)


@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_damaged_file_is_refused_or_gives_the_same_model(data, trained, tmp_path):
    path = tmp_path / "model.safetensors"
    trained.save(path)
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content[: data.draw(st.sampled_from([len(content), len(content) // 2]))])
    try:
        got = fastmlp.load_model(path)
    except FileFormatError:
        return
    np.testing.assert_array_equal(got.params.theta, trained.params.theta)
    assert got.config == trained.config
