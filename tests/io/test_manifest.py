"""Manifests: lost, renamed, exchanged and changed arrays are refused; files of earlier versions are read."""

import hashlib
import json
import zipfile
import zlib

import numpy as np
import pytest

import fastmlp
from fastmlp.config import Config
from fastmlp.errors import FileFormatError
from fastmlp.io import manifest
from fastmlp.io.npz import read_npz, write_npz
from fastmlp.training.checkpoint import NEWEST, Checkpoint, State
from fastmlp.training.history import COLUMNS, History


@pytest.fixture
def model():
    model = fastmlp.init_model(Config(hidden=(3,)), 4, 2)
    model.scaling, model.class_names = (np.full(4, 2.0), np.ones(4)), ("cat", "dog")
    return model


def same(got, ref):
    np.testing.assert_array_equal(got.params.theta, ref.params.theta)
    np.testing.assert_array_equal(got.scaling, ref.scaling)
    assert (got.config, got.class_names, got.n_epochs) == (ref.config, ref.class_names, ref.n_epochs)
    return True


def change_members(path, change):
    """Change the members of an archive, which is otherwise intact: all its CRC-32 sums are right."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def exchange(members, first, second):
    members[first], members[second] = members[second], members[first]


LOST = {
    "a lost array": (lambda members: members.pop("factor.npy"), "expected the arrays .*factor.*, as in its manifest"),
    "lost scaling": (lambda members: [members.pop("factor.npy"), members.pop("offset.npy")], "expected the arrays"),
    "a renamed array": (lambda members: members.update({"gactor.npy": members.pop("factor.npy")}), "gactor"),
    "a new array": (lambda members: members.update({"more.npy": members["factor.npy"]}), "got .*more"),
    "exchanged arrays": (
        lambda members: exchange(members, "factor.npy", "offset.npy"),
        "its array 'factor' does not match its checksum",
    ),
}


@pytest.mark.parametrize(("change", "reason"), LOST.values(), ids=LOST)
def test_a_model_that_lost_a_part_is_refused(change, reason, model, tmp_path):
    path = tmp_path / "model.npz"
    model.save(path)
    change_members(path, change)
    with pytest.raises(FileFormatError, match=rf"model\.npz is not a model that this fastmlp reads: .*{reason}"):
        fastmlp.load_model(path)


@pytest.mark.parametrize(
    ("old", "new"), [("cat", "cow"), ('"n_epochs": 0', '"n_epochs": 5'), ("sigmoid", "tanh"), ("manifest", "manifesu")]
)
def test_a_changed_header_is_refused(old, new, model, tmp_path):
    path = tmp_path / "model.npz"
    model.save(path)
    with np.load(path) as arrays:
        content = dict(arrays)
    text = str(content.pop("header"))
    assert old in text
    np.savez(path, header=text.replace(old, new), **content)
    with pytest.raises(FileFormatError, match="its checksum does not match its content"):
        fastmlp.load_model(path)


def test_numpy_reads_the_arrays(model, tmp_path):
    model.save(tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz") as arrays:
        np.testing.assert_array_equal(arrays["weights_0"], model.weights[0])
        assert set(json.loads(str(arrays["header"]))["manifest"]) == set(arrays) - {"header"}


@pytest.mark.parametrize(
    "array",
    [
        np.array(7),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.arange(10)[::3],
        np.array(["a", "éü"]),
        np.array(["2024-01-01"], "M8[D]"),
        np.arange(3, dtype=">i4"),
        np.array([True]),
    ],
    ids=lambda array: f"{array.dtype}",
)
def test_an_array_of_any_dtype_and_layout_is_verified(array, tmp_path):
    write_npz(tmp_path / "x.npz", "ramp", 1, {}, {"y": array})
    with read_npz(tmp_path / "x.npz", "ramp", 1) as (_, arrays):
        np.testing.assert_array_equal(arrays["y"], array)


# files of earlier versions


def parts(model):
    header = {"format": "fastmlp model", "version": 1, "config": model.config.to_dict(), "class_names": ["cat", "dog"]}
    arrays = {f"weights_{i}": np.ascontiguousarray(W) for i, W in enumerate(model.weights)}
    arrays |= {f"biases_{i}": np.ascontiguousarray(b) for i, b in enumerate(model.biases)}
    return header | {"n_epochs": 0}, arrays | dict(zip(("factor", "offset"), model.scaling, strict=True))


def test_a_model_without_checksums_is_read_with_one_warning_and_saving_it_adds_them(model, tmp_path):
    path = tmp_path / "model.npz"
    header, arrays = parts(model)
    np.savez(path, header=json.dumps(header), **arrays)
    with pytest.warns(UserWarning, match=r"model\.npz: written without a checksum") as warned:
        loaded = fastmlp.load_model(path)
    assert len(warned) == 1
    assert warned[0].filename == __file__
    assert same(loaded, model)
    loaded.save(path)
    assert same(fastmlp.load_model(path), model)


def old_checksum(header, arrays):
    code = zlib.crc32(json.dumps(header).encode())
    for name, array in sorted(arrays.items()):
        code = zlib.crc32(f"{name} {array.dtype.str} {array.shape}".encode(), code)
        code = zlib.crc32(array.tobytes(), code)
    return f"{code:08x}"


def test_an_old_safetensors_file_is_read_and_verified(model, tmp_path):
    save = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed").save_file
    path = tmp_path / "model.safetensors"
    header, arrays = parts(model)
    text = json.dumps({**header, "checksum": old_checksum(header, arrays)})
    save(arrays, path, {"header": text})
    assert same(fastmlp.load_model(path), model)
    save(arrays, path, {"header": text.replace("cat", "cow")})
    with pytest.raises(FileFormatError, match="its checksum does not match its content"):
        fastmlp.load_model(path)


@pytest.mark.parametrize("train_s", [0.5, 0.75])
def test_an_old_checkpoint_is_read_and_verified(train_s, tmp_path):
    theta, history = np.arange(3.0), History([dict.fromkeys(COLUMNS, 1)])
    fields = {"identity": {"seed": 0}, "history": history.to_dict(), "train_s": 0.5}
    digest = hashlib.sha256(json.dumps(fields).encode() + b"theta <f8 (3,)\n" + theta.tobytes()).hexdigest()
    header = {"format": "fastmlp checkpoint", "version": 1, **fields, "train_s": train_s, "checksum": digest}
    np.savez(tmp_path / NEWEST, header=json.dumps(header), theta=theta)
    with Checkpoint(tmp_path, {"seed": 0}) as checkpoint:
        if train_s == 0.5:
            state = checkpoint.load({"theta": theta})
            assert state == State(history, 0.5, {"theta": state.arrays["theta"]})
            np.testing.assert_array_equal(state.arrays["theta"], theta)
        else:
            with pytest.raises(FileFormatError, match="its checksum does not match its content"):
                checkpoint.load({"theta": theta})


def test_a_checksum_covers_the_values_and_the_order_of_fields():
    fields = {"a": 0.1, "b": [float("inf"), None]}
    sealed = json.loads(json.dumps(manifest.add_checksum(fields)))
    assert manifest.remove_checksum(sealed) == fields
    for damaged in (sealed | {"a": 0.2}, dict(reversed(sealed.items())), sealed | {"c": 1}, sealed | {"checksum": 3}):
        with pytest.raises(ValueError, match="its checksum does not match its content"):
            manifest.remove_checksum(damaged)
