"""The file study.json: damaged files and folders with a different study are refused."""

import json

import pytest

import fastmlp
from fastmlp.errors import DataNotFoundError, FileFormatError, StudyError
from fastmlp.io.manifest import add_checksum, remove_checksum


def change_metadata(folder, change):
    """Change the file, and its checksum with it."""
    metadata = remove_checksum(json.loads((folder / "study.json").read_text()))
    change(metadata)
    (folder / "study.json").write_text(json.dumps(add_checksum(metadata)))


@pytest.mark.parametrize("text", ["[" * 200_000, "[]", '"x"', "7", "null", '{"format": 1}'])
def test_a_file_with_other_contents_is_refused(text, folder):
    (folder / "study.json").write_text(text)
    with pytest.raises(FileFormatError, match=r"study\.json is damaged"):
        fastmlp.load_study(folder)


def test_another_version_is_refused(folder):
    change_metadata(folder, lambda metadata: metadata.update(version=2))
    with pytest.raises(FileFormatError, match=r"expected the format 'fastmlp study' of version 1, got .* of version 2"):
        fastmlp.load_study(folder)


@pytest.mark.parametrize(
    ("part", "name", "value"), [("data", "checksum", 3), ("data", "n_train", "a"), ("versions", "fastmlp", None)]
)
def test_provenance_of_another_type_is_refused(part, name, value, folder):
    change_metadata(folder, lambda metadata: metadata["about"][part].update({name: value}))
    message = rf"study\.json is damaged: .*{part}, {name}: expected a value of type .*, got {value!r}"
    with pytest.raises(FileFormatError, match=message):
        fastmlp.load_study(folder)


def test_a_huge_number_of_repeats_takes_no_time(folder):
    change_metadata(folder, lambda metadata: metadata.update(n_repeats=10**12))
    assert len(fastmlp.load_study(folder).records()) == 4


def test_many_settings_take_little_time(folder):
    change_metadata(folder, lambda metadata: metadata.update(settings=[{"l2": float(i)} for i in range(5000)]))
    (folder / "runs.jsonl").unlink()
    assert len(fastmlp.load_study(folder).settings) == 5000


def test_a_changed_file_is_refused(folder):
    text = (folder / "study.json").read_text()
    assert '"n_repeats": 2' in text
    (folder / "study.json").write_text(text.replace('"n_repeats": 2', '"n_repeats": 3'))
    with pytest.raises(FileFormatError, match=r"study\.json is damaged: .*its checksum does not match its content"):
        fastmlp.load_study(folder)


def test_a_file_without_a_checksum_is_read_with_a_warning(folder):
    metadata = remove_checksum(json.loads((folder / "study.json").read_text()))
    (folder / "study.json").write_text(json.dumps(metadata))
    with pytest.warns(UserWarning, match=r"study\.json: written without a checksum"):
        assert fastmlp.load_study(folder).is_complete


def test_a_directory_in_place_of_the_file_is_reported(folder):
    (folder / "study.json").unlink()
    (folder / "study.json").mkdir()
    with pytest.raises(DataNotFoundError, match=r"study\.json.* cannot be read"):
        fastmlp.load_study(folder)


def test_a_folder_with_a_different_study_is_refused_and_the_differences_are_listed(blobs, config, grid, tmp_path):
    fastmlp.sweep(blobs, config, grid, 1, out=tmp_path)
    message = (
        r"contains a different study\n  l2: expected 0\.0 as in the folder, got 0\.5\n"
        r"  n_repeats: expected 1 as in the folder, got 2\n"
    )
    with pytest.raises(StudyError, match=message):
        fastmlp.sweep(blobs, config.replace(l2=0.5), grid, 2, out=tmp_path)


def test_a_study_of_unscaled_targets_is_another_one(blobs, tmp_path):
    y = 10.0 + 3.0 * blobs.y_train
    data = fastmlp.Dataset(blobs.X_train, y, blobs.X_train, y, task="regression")
    config = fastmlp.Config(hidden=(4,), loss="squared_error", n_epochs=2)
    record = fastmlp.repeat(data, config, 1, out=tmp_path).records()[0]
    assert (
        record["history"]["test_loss"] == fastmlp.train(data, config.replace(seed=record["seed"])).history["test_loss"]
    )
    unscaled = data.replace(target_scale="none")
    with pytest.raises(StudyError, match=r"\n  target_scale: expected 'auto' as in the folder, got 'none'\n"):
        fastmlp.repeat(unscaled, config, 1, out=tmp_path)
    # A folder from before targets were scaled.
    change_metadata(tmp_path, lambda metadata: metadata["about"]["data"].pop("target_scale"))
    with pytest.raises(StudyError, match=r"\n  target_scale: expected 'none' as in the folder, got 'auto'\n"):
        fastmlp.repeat(data, config, 1, out=tmp_path)
    assert len(fastmlp.repeat(unscaled, config, 1, out=tmp_path).records()) == 1


def test_counts_are_the_same_study_with_scaled_and_unscaled_targets(blobs, tmp_path):
    data = fastmlp.Dataset(blobs.X_train, blobs.y_train, blobs.X_train, blobs.y_train, task="regression")
    config = fastmlp.Config(hidden=(4,), loss="poisson", n_epochs=1)
    fastmlp.repeat(data, config, 1, out=tmp_path)
    assert len(fastmlp.repeat(data.replace(target_scale="none"), config, 1, out=tmp_path).records()) == 1
