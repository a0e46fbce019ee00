"""The file runs.jsonl: damaged lines are refused, and an incomplete last line is replaced."""

import json

import pytest

import fastmlp
from fastmlp.errors import DataNotFoundError, FileFormatError
from fastmlp.io.manifest import add_checksum, remove_checksum
from fastmlp.training.history import COLUMNS


def change_record(folder, **changes):
    path = folder / "runs.jsonl"
    first, *lines = path.read_text().splitlines()
    record = add_checksum(remove_checksum(json.loads(first)) | changes)
    path.write_text("\n".join([json.dumps(record), *lines]) + "\n")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seconds": "long"}, "seconds: expected a value of type float, got str"),
        ({"seed": None}, "seed: expected a value of type int, got NoneType"),
        ({"weights_sha256": 7}, "weights_sha256: expected a value of type str, got int"),
        ({"repeat": 0.0}, "repeat: expected a value of type int, got float"),
        ({"repeat": True}, "repeat: expected a value of type int, got bool"),
        ({"repeat": 2}, "the study has no such setting or repeat"),
        ({"setting": [["l2", 0.0]]}, "setting: expected a value of type dict, got list"),
        ({"status": "broken"}, "not the record of a run"),
        ({"history": dict.fromkeys(COLUMNS, "ab")}, "expected numbers only"),
        ({"history": {name: [None, None] for name in COLUMNS}}, "expected numbers only"),
        ({"history": [1]}, "history: expected a value of type dict, got list"),
    ],
)
def test_a_record_with_values_of_other_types_is_refused(changes, message, folder):
    change_record(folder, **changes)
    with pytest.raises(FileFormatError, match=rf"runs\.jsonl, line 1 is damaged: .*{message}.*; remove the line"):
        fastmlp.load_study(folder)


def test_a_changed_record_is_refused(folder):
    path = folder / "runs.jsonl"
    first, *lines = path.read_text().splitlines()
    path.write_text("\n".join([json.dumps(json.loads(first) | {"seconds": 7.0}), *lines]) + "\n")
    message = r"runs\.jsonl, line 1 is damaged: its checksum does not match its content; remove the line"
    with pytest.raises(FileFormatError, match=message):
        fastmlp.load_study(folder)


def test_records_without_checksums_are_read_with_one_warning(folder):
    path = folder / "runs.jsonl"
    records = [remove_checksum(json.loads(line)) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    with pytest.warns(UserWarning, match=r"runs\.jsonl: written without a checksum") as warned:
        assert fastmlp.load_study(folder).is_complete
    assert len(warned) == 1


@pytest.mark.parametrize(
    ("history", "message"),
    [
        ({name: [] for name in COLUMNS}, "expected at least one epoch of a finished run, got none"),
        (
            {"test_r2" if name == "test_accuracy" else name: [1, 1] for name in COLUMNS},
            "expected the columns test_accuracy, got epoch, ",
        ),
        ({name: [10**400] for name in COLUMNS}, "expected numbers only"),
    ],
)
def test_a_history_that_does_not_belong_to_the_config_is_refused(history, message, folder):
    change_record(folder, history=history)
    with pytest.raises(FileFormatError, match=rf"runs\.jsonl, line 1 is damaged: history: {message}"):
        fastmlp.load_study(folder)


def test_a_history_without_the_metric_that_early_stopping_monitored_is_refused(blobs, tmp_path):
    fastmlp.repeat(blobs, fastmlp.Config(hidden=(4,), n_epochs=1, early_stopping="score"), 1, out=tmp_path)
    change_record(tmp_path, history={name: [1.0] for name in COLUMNS})
    with pytest.raises(FileFormatError, match="expected the columns test_accuracy, val_accuracy, got epoch, "):
        fastmlp.load_study(tmp_path)


def test_a_deeply_nested_line_is_refused(folder):
    text = (folder / "runs.jsonl").read_text()
    (folder / "runs.jsonl").write_text("[" * 200_000 + "\n" + text)
    with pytest.raises(FileFormatError, match=r"runs\.jsonl, line 1 is damaged: .*recursion"):
        fastmlp.load_study(folder)


def test_a_deeply_nested_last_line_without_a_line_break_is_incomplete(folder):
    with (folder / "runs.jsonl").open("a") as file:
        file.write("[" * 200_000)
    with pytest.warns(UserWarning, match="the last line is incomplete"):
        assert fastmlp.load_study(folder).is_complete


def test_the_run_of_an_incomplete_last_line_is_executed_again(blobs, config, grid, tmp_path, digests, ref):
    fastmlp.sweep(blobs, config, grid, 3, out=tmp_path)
    path = tmp_path / "runs.jsonl"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.warns(UserWarning, match="the last line is incomplete"):
        study = fastmlp.sweep(blobs, config, grid, 3, out=tmp_path)
    assert digests(study) == ref
    assert len([json.loads(line) for line in path.read_text().splitlines()]) == 6


def test_the_number_of_a_damaged_line_is_reported(blobs, config, grid, tmp_path):
    fastmlp.sweep(blobs, config, grid, 3, out=tmp_path)
    path = tmp_path / "runs.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:2], lines[2][:40] + "\n", *lines[3:]]))
    with pytest.raises(FileFormatError, match=r"runs\.jsonl, line 3 is damaged"):
        fastmlp.load_study(tmp_path)


def test_a_directory_in_place_of_the_file_is_reported(folder):
    (folder / "runs.jsonl").unlink()
    (folder / "runs.jsonl").mkdir()
    with pytest.raises(DataNotFoundError, match=r"runs\.jsonl.* cannot be read"):
        fastmlp.load_study(folder)
