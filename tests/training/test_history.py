import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmlp.errors import DataNotFoundError, FileFormatError, OutputError
from fastmlp.training.history import COLUMNS, History, Progress

numbers = st.floats(allow_nan=False)
rows = st.builds(dict, epoch=st.integers(1, 2**63 - 1), **{name: numbers for name in COLUMNS if name != "epoch"})


def row(epoch, **changes):
    values = [epoch, 0.3, 2.0 / epoch, 2.1 / epoch, 1 - 0.5 / epoch, 0.1, 0.01]
    return {**dict(zip(COLUMNS, values, strict=True)), **changes}


def test_the_columns_have_a_fixed_order():
    assert COLUMNS == ("epoch", "learning_rate", "train_loss", "test_loss", "test_accuracy", "train_s", "eval_s")


def test_an_integer_indexes_a_row():
    assert History([row(1), row(2)])[-1] == row(2)


def test_a_name_indexes_a_column():
    assert History([row(1), row(2)])["train_loss"] == [2.0, 1.0]


def test_an_unknown_column_is_refused_with_the_known_columns():
    with pytest.raises(KeyError, match=r"column: expected one of epoch, .*test_accuracy, .*, got 'accuracy'"):
        History()["accuracy"]


def test_iteration_yields_the_rows_in_order():
    assert [row["epoch"] for row in History([row(1), row(2), row(3)])] == [1, 2, 3]


def test_a_row_with_other_columns_is_refused():
    with pytest.raises(ValueError, match=r"row: expected the columns epoch, .*, got epoch, loss"):
        History().append({"epoch": 1, "loss": 2.0})


def test_numpy_scalars_become_python_numbers():
    history = History([row(np.int64(1), train_loss=np.float32(0.5))])
    assert [type(history[0][name]) for name in ("epoch", "train_loss")] == [int, float]


def test_a_history_copies_its_rows():
    given = row(1)
    history = History([given])
    given["epoch"] = 99
    assert history["epoch"] == [1]


def test_to_dict_has_every_column():
    assert History([row(1), row(2)]).to_dict() == {name: [row(1)[name], row(2)[name]] for name in COLUMNS}


def test_the_csv_is_plain(tmp_path):
    text = History([row(1)]).to_csv(tmp_path / "history.csv")
    assert text == f"{','.join(COLUMNS)}\n1,0.3,2.0,2.1,0.5,0.1,0.01\n"
    assert (tmp_path / "history.csv").read_bytes() == text.encode()


def test_the_json_is_an_object_of_columns():
    assert json.loads(History([row(1)]).to_json())["test_loss"] == [2.1]


@pytest.mark.parametrize("form", ["csv", "json"])
@given(rows=st.lists(rows, max_size=3))
def test_a_written_history_is_read_back_equal(rows, form, tmp_path_factory):
    path = tmp_path_factory.mktemp("history") / f"history.{form}"
    history = History(rows)
    getattr(history, f"to_{form}")(path)
    assert getattr(History, f"from_{form}")(path) == history


@pytest.mark.parametrize("form", ["csv", "json"])
@pytest.mark.parametrize("text", ["", "epoch,loss\n1,2\n", "[1, 2]", '{"epoch": [1]}', ",".join(COLUMNS) + "\n1,0.3\n"])
def test_a_file_of_another_format_or_truncated_is_refused_and_named(text, form, tmp_path):
    path = tmp_path / f"history.{form}"
    path.write_text(text)
    with pytest.raises(FileFormatError, match=f"history.{form} is not a history"):
        getattr(History, f"from_{form}")(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataNotFoundError, match=r"nowhere\.csv"):
        History.from_csv(tmp_path / "nowhere.csv")


def test_a_file_that_cannot_be_written_is_refused_and_named(tmp_path):
    with pytest.raises(OutputError, match="nowhere"):
        History().to_csv(tmp_path / "nowhere" / "history.csv")


def test_histories_with_equal_numbers_are_equal():
    assert History([row(1)]) == History([row(1)])
    assert History([row(1)]) != History([row(2)])


def test_the_repr_is_short():
    assert repr(History([row(1), row(2)])) == "<History: 2 epochs, test accuracy 0.7500>"


def test_progress_names_its_fields():
    assert Progress._fields == ("epoch", "n_epochs", "n_seen", "n_samples", "train_loss", "row")


def with_validation(epoch, score="r2"):
    values = row(epoch)
    values.pop("test_accuracy")
    return {**values, f"test_{score}": 0.5, f"val_{score}": 0.4, "val_loss": 1.0}


def test_regression_and_validation_have_their_own_columns(tmp_path):
    history = History([with_validation(1), with_validation(2)])
    assert history.columns == (
        "epoch", "learning_rate", "train_loss", "val_loss", "val_r2", "test_loss", "test_r2", "train_s", "eval_s",
    )  # fmt: skip
    history.to_csv(tmp_path / "history.csv")
    history.to_json(tmp_path / "history.json")
    assert History.from_csv(tmp_path / "history.csv") == History.from_json(tmp_path / "history.json") == history
    assert "test R2 0.5000" in repr(history)


@pytest.mark.parametrize("missing", ["val_loss", "val_r2", "test_r2", "train_loss"])
def test_a_row_with_a_missing_column_is_refused(missing):
    values = with_validation(1)
    values.pop(missing)
    with pytest.raises(ValueError, match=r"row: expected the columns epoch, .*, got "):
        History([values])


def test_all_rows_must_have_the_columns_of_the_first():
    with pytest.raises(ValueError, match=r"row: expected the columns epoch, .*val_loss, .*, got epoch, "):
        History([with_validation(1), row(2)])


@pytest.mark.parametrize("name", ["history.csv", "history.json"])
def test_on_a_full_disk_the_file_of_before_is_kept(name, small_disk):
    path = small_disk.path / name
    write = {"csv": History.to_csv, "json": History.to_json}[path.suffix[1:]]
    write(History([row(1)]), path)
    before = path.read_bytes()
    small_disk.leave(0)
    with pytest.raises(OutputError, match=rf"the history could not be written to .*{name}: No space left on device"):
        write(History([row(1), row(2)]), path)
    assert [(file.name, file.read_bytes()) for file in small_disk.path.glob("*history*")] == [(name, before)]
