import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastmlp.config import Config
from fastmlp.errors import DataNotFoundError, FileFormatError, OutputError
from fastmlp.io.npz import write_npz
from fastmlp.model.model import init_model, load_model
from fastmlp.table.schema import Column, TableSchema
from fastmlp.training.loop import train


def test_a_loaded_model_predicts_the_same_bits_and_continues_training_with_the_same_bits(trained, blobs, tmp_path):
    trained.save(tmp_path / "model.npz")
    loaded = load_model(tmp_path / "model.npz")
    np.testing.assert_array_equal(loaded.predict_proba(blobs.X_test), trained.predict_proba(blobs.X_test))
    assert (loaded.config, loaded.n_epochs, loaded.class_names) == (trained.config, 2, None)
    ref, got = (train(blobs, trained.config, model=model).model for model in (trained, loaded))
    np.testing.assert_array_equal(got.params.theta, ref.params.theta)


def test_an_untrained_model_with_class_names_is_restored(tmp_path):
    model = init_model(Config(hidden=(), precision="float64"), 5, 2)
    model.class_names = ("käse", "brot")
    model.save(tmp_path / "model.npz")
    loaded = load_model(tmp_path / "model.npz")
    assert (loaded.class_names, loaded.scaling, loaded.config.precision) == (("käse", "brot"), None, "float64")
    np.testing.assert_array_equal(loaded.weights[0], model.weights[0])


@pytest.mark.parametrize("names", [None, ["ant", "bee", "crane"]])
def test_a_file_of_before_classes_were_recorded_has_the_classes_from_0(names, tmp_path):
    """Whether its names were given or were the labels is not recorded."""
    path = tmp_path / "model.npz"
    write_npz(path, "model", 1, {"config": {"hidden": []}, "class_names": names, "n_epochs": 0}, arrays_of_a_file())
    model = load_model(path)
    np.testing.assert_array_equal(model.classes, [0, 1, 2], strict=True)
    assert model.class_names == (names and tuple(names))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataNotFoundError, match=r"there is no model at .*nowhere\.npz"):
        load_model(tmp_path / "nowhere.npz")


def test_saving_to_a_missing_folder_is_refused(model, tmp_path):
    with pytest.raises(OutputError, match=r"the model could not be written to .*model\.npz"):
        model.save(tmp_path / "nowhere" / "model.npz")


def arrays_of_a_file(**changes):
    W, b = np.ones((2, 3)), np.zeros(3)
    return {"weights_0": W, "biases_0": b, "factor": np.ones(2), "offset": np.zeros(2), **changes}


def schema_entry(*names, **changes):
    columns = [{"name": name, "kind": "number"} for name in names]
    return {"columns": columns, "target": "y", "target_position": 0, "task": "classification", **changes}


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_the_schema_of_a_table_is_restored(suffix, model, tmp_path):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors", reason="safetensors is not installed")
    columns = (
        Column(name="größe", kind="number", fill=-1e300 / 3, has_indicator=True),
        Column(name="kind", kind="category", levels=("a", "b\n"), has_missing=True),
        Column(name="key", kind="id", note="as many values as rows"),
    )
    schema = TableSchema(
        columns=columns, target="", target_position=0, task="classification", reading={"delimiter": ";"}
    )
    model = model.copy()
    model.table = schema
    model.save(tmp_path / f"model{suffix}")
    assert load_model(tmp_path / f"model{suffix}").table == schema
    model.table = None
    model.save(tmp_path / f"model{suffix}")
    assert load_model(tmp_path / f"model{suffix}").table is None


@pytest.mark.parametrize(
    ("header", "arrays", "reason"),
    [
        ({"config": {"hidden": [4]}}, {}, "weights_1"),
        ({"config": {"hidden": [4]}}, {"weights_1": np.ones((3, 2))}, r"hidden layers are \(3,\); expected \(4,\)"),
        ({"config": {"hidden": [], "lr": 1}}, {}, "unknown setting 'lr'"),
        ({}, {"biases_0": np.zeros(4)}, r"biases\[0\]: expected an array of shape \(3,\)"),
        (
            {},
            {"weights_0": np.full((2, 3), np.nan)},
            r"weights\[0\]: expected numbers that are",
        ),
        ({}, {"offset": np.zeros(3)}, r"scaling\[1\]: expected one number per feature, shape \(2,\)"),
        ({}, {"factor": np.full(2, np.inf)}, r"scaling\[0\]: expected finite numbers, got inf"),
        ({"class_names": ["a"]}, {}, "class_names: expected 3 names, one per class, got 1"),
        ({"classes": {"dtype": "int64", "values": [0, 1]}}, {}, "classes: expected 3 labels"),
        (
            {"classes": {"dtype": "int64", "values": [0, 1, 1]}},
            {},
            "classes: expected distinct labels in ascending order",
        ),
        (
            {"classes": {"dtype": "int64", "values": [2, 1, 0]}},
            {},
            "classes: expected distinct labels in ascending order",
        ),
        ({"classes": {"dtype": "int64", "values": [0, 1, 2.5]}}, {}, "classes: expected values of the dtype int64"),
        ({"classes": {"dtype": "float64", "values": [0, 1, np.nan]}}, {}, "classes: expected"),
        ({"classes": {"dtype": "str", "values": [0, 1, 2]}}, {}, ""),
        (
            {"classes": {"dtype": "object", "values": [0, 1, 2]}},
            {},
            "classes: expected booleans, integers, .* 'object'",
        ),
        ({"classes": [0, 1, 2]}, {}, ""),
        (
            {"config": {"hidden": [], "loss": "squared_error"}, "classes": {"dtype": "int64", "values": [0, 1, 2]}},
            {},
            "classes: expected None for a network of several labels or values",
        ),
        ({"table": None}, {}, "table schema: expected a mapping"),
        ({"table": {"columns": []}}, {}, "missing: target"),
        ({"table": schema_entry("a")}, {}, "table: expected a schema of 2 features, got one of 1"),
        ({"table": schema_entry("a", "a")}, {}, "columns: expected different names"),
        ({"table": schema_entry("a", "b", task="regression")}, {}, "table: expected a schema for the task 'classif"),
        ({"table": schema_entry("a", "b", has_header=1)}, {}, "has_header: expected bool, got 1"),
        ({"n_epochs": -1}, {}, "n_epochs: expected an integer >= 0, got -1"),
        ({"config": None}, {}, ""),
    ],
)
def test_a_file_with_incompatible_content_is_refused(header, arrays, reason, tmp_path):
    path = tmp_path / "model.npz"
    header = {"config": {"hidden": []}, "class_names": None, "n_epochs": 0, **header}
    write_npz(path, "model", 1, header, arrays_of_a_file(**arrays))
    with pytest.raises(FileFormatError, match=rf"model\.npz is not a model that this fastmlp reads: .*{reason}"):
        load_model(path)


def test_a_file_of_another_version_is_refused(tmp_path):
    write_npz(tmp_path / "model.npz", "model", 2, {"config": {}}, arrays_of_a_file())
    with pytest.raises(FileFormatError, match="expected version 1, got 2"):
        load_model(tmp_path / "model.npz")


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_refused_or_loaded_correctly(data, model, tmp_path):
    path = tmp_path / "model.npz"
    model.save(path)
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content[: data.draw(st.sampled_from([len(content), len(content) // 2]))])
    try:
        got = load_model(path)
    except FileFormatError:
        return
    np.testing.assert_array_equal(got.params.theta, model.params.theta)


@pytest.mark.parametrize("name", ["factor", "offset"])
@pytest.mark.filterwarnings("ignore:.*without a checksum")
def test_a_file_without_a_manifest_that_lost_half_of_its_scaling_is_refused(name, tmp_path):
    arrays = arrays_of_a_file()
    del arrays[name]
    header = {"format": "fastmlp model", "version": 1, "config": {"hidden": []}, "class_names": None, "n_epochs": 0}
    np.savez(tmp_path / "model.npz", header=json.dumps(header), **arrays)
    with pytest.raises(FileFormatError, match=name):
        load_model(tmp_path / "model.npz")
