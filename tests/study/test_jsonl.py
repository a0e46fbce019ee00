"""What a study's files may say, whoever wrote them."""

import json
import math

import pytest

import fastmlp
from fastmlp.errors import DataNotFoundError, FileFormatError


@pytest.fixture
def folder(blobs, tmp_path):
    fastmlp.sweep(blobs, fastmlp.Config(hidden=(4,), n_epochs=2), {"l2": [0.0, 0.01]}, 2, out=tmp_path)
    return tmp_path


def change_record(folder, **changes):
    path = folder / "runs.jsonl"
    first, *lines = path.read_text().splitlines()
    path.write_text("\n".join([json.dumps(json.loads(first) | changes), *lines]) + "\n")


def change_header(folder, change):
    header = json.loads((folder / "study.json").read_text())
    change(header)
    (folder / "study.json").write_text(json.dumps(header))


@pytest.mark.parametrize(
    "changes",
    [
        {"seconds": "long"},
        {"seed": None},
        {"weights_sha256": 7},
        {"repeat": 0.0},
        {"repeat": True},
        {"setting": [["l2", 0.0]]},
        {"history": dict.fromkeys(fastmlp.training.history.COLUMNS, "ab")},
        {"history": {name: [None, None] for name in fastmlp.training.history.COLUMNS}},
        {"history": [1]},
    ],
)
def test_a_record_of_other_types_is_refused(changes, folder):
    change_record(folder, **changes)
    with pytest.raises(FileFormatError, match=r"runs\.jsonl, line 1 is damaged"):
        fastmlp.load_study(folder)


def test_a_line_of_brackets_is_refused(folder):
    text = (folder / "runs.jsonl").read_text()
    (folder / "runs.jsonl").write_text("[" * 200_000 + "\n" + text)
    with pytest.raises(FileFormatError, match=r"runs\.jsonl, line 1 is damaged: .*recursion"):
        fastmlp.load_study(folder)


def test_a_torn_line_of_brackets_is_passed_over(folder):
    with (folder / "runs.jsonl").open("a") as file:
        file.write("[" * 200_000)
    with pytest.warns(UserWarning, match="the last line is torn"):
        assert fastmlp.load_study(folder).is_complete


@pytest.mark.parametrize("text", ["[" * 200_000, "[]", '"x"', "7", "null", '{"format": 1}'])
def test_a_header_that_is_something_else_is_refused(text, folder):
    (folder / "study.json").write_text(text)
    with pytest.raises(FileFormatError, match=r"study\.json is damaged"):
        fastmlp.load_study(folder)


@pytest.mark.parametrize(
    ("part", "name", "value"), [("data", "checksum", 3), ("data", "n_train", "a"), ("versions", "fastmlp", None)]
)
def test_surroundings_of_other_types_are_refused(part, name, value, folder):
    change_header(folder, lambda header: header["about"][part].update({name: value}))
    with pytest.raises(FileFormatError, match=rf"study\.json is damaged: .*for {name}"):
        fastmlp.load_study(folder)


def test_a_header_of_a_million_million_repeats_is_read_at_once(folder):
    change_header(folder, lambda header: header.update(n_repeats=10**12))
    assert len(fastmlp.load_study(folder).records()) == 4


def test_a_header_of_many_settings_is_read_at_once(folder):
    change_header(folder, lambda header: header.update(settings=[{"l2": float(i)} for i in range(5000)]))
    (folder / "runs.jsonl").unlink()
    assert len(fastmlp.load_study(folder).settings) == 5000


def test_a_loss_that_is_not_finite_has_no_spread(folder):
    losses = dict(fastmlp.load_study(folder).records()[0]["history"], test_loss=[1.0, math.inf])
    change_record(folder, history=losses)
    study = fastmlp.load_study(folder)
    assert math.isnan(study.statistics({"l2": 0.0}, "test_loss").std[1])


@pytest.mark.parametrize("name", ["study.json", "runs.jsonl"])
def test_a_folder_in_a_files_place_is_told(name, folder):
    (folder / name).unlink()
    (folder / name).mkdir()
    with pytest.raises(DataNotFoundError, match=rf"{name}.* cannot be read"):
        fastmlp.load_study(folder)
