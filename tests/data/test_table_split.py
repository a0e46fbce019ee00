import numpy as np
import pandas as pd
import pytest

from fastmlp.data.options import TableOptions
from fastmlp.data.table import load_table
from fastmlp.data.table_split import parse_table_split, split_table, with_known_class, without_group
from fastmlp.errors import DataError
from fastmlp.table.options import ReadOptions
from fastmlp.table.schema import Column

ROWS = pd.DataFrame(
    {
        "day": [f"{1 + i:02}/03/2024" for i in range(20)],
        "text": ["later", "sooner"] * 10,
        "n": np.arange(20)[::-1],
        "who": ["ann", "bob", "eve", "joe", "zoe"] * 4,
    }
)
COLUMNS = [Column(name=name, kind="left out") for name in ROWS]


def test_no_option_is_no_split():
    assert parse_table_split(None, ["a"], has_test_set=True) == (None, None)


def test_the_column_must_exist_and_there_must_be_no_test_set():
    with pytest.raises(DataError, match=r"--split: unknown column 'Day'; did you mean 'day'"):
        parse_table_split("time:Day", list(ROWS), has_test_set=False)
    with pytest.raises(DataError, match="got both --split and --test; leave one out"):
        parse_table_split("random", list(ROWS), has_test_set=True)


def test_a_column_without_a_name_is_given_by_position_too():
    names = ["column_0", "column_1"]
    assert parse_table_split("time:1", names, has_test_set=False, has_header=False) == ("time", "column_1")
    assert parse_table_split("group:column_0", names, False, has_header=False) == ("group", "column_0")
    with pytest.raises(DataError, match=r"--split: unknown column 'column_2'; .*; the table has no header"):
        parse_table_split("time:2", names, has_test_set=False, has_header=False)
    with pytest.raises(DataError, match=r"--split: unknown column '1'; .*: --no-header"):
        parse_table_split("time:1", ["a", "b"], has_test_set=False)


def test_the_position_of_a_column_splits_a_file_without_a_header(tmp_path):
    rng, path = np.random.default_rng(0), tmp_path / "x.csv"
    path.write_text("".join(f"{hour:.1f},{rng.random():.3f},{rng.random():.3f}\n" for hour in rng.permutation(20)))
    dataset = load_table(path, TableOptions(split="time:0", read=ReadOptions(header=False)))
    assert dataset.X_test[:, 0].min() > dataset.X_train[:, 0].max() == 15


@pytest.mark.parametrize(("name", "latest"), [("day", [16, 17, 18, 19]), ("n", [0, 1, 2, 3])])
def test_a_column_that_is_left_out_may_tell_the_time(name, latest):
    train, test = split_table("time", name, np.arange(20.0), COLUMNS, ROWS)
    assert sorted(test) == latest
    assert sorted([*train, *test]) == list(range(20))


@pytest.mark.parametrize("kind", ["number", "left out"])
def test_a_time_may_have_a_decimal_comma(kind):
    cells = ["1,250", "1,5", "0,75", "1.000,0", "2,0"]
    column = Column(name="t", kind=kind, **({"decimal": ","} if kind == "number" else {}))
    rows = pd.DataFrame({"t": pd.Series(cells, dtype=object)})
    assert split_table("time", "t", np.arange(5.0), [column], rows)[1].tolist() == [3]
    ambiguous = pd.DataFrame({"t": pd.Series(["1,250", "5", "9", "7", "8"], dtype=object)})
    latest = 2 if kind == "number" else 0
    assert split_table("time", "t", np.arange(5.0), [column], ambiguous)[1].tolist() == [latest]


@pytest.mark.parametrize("kind", ["left out", "date"])
def test_a_cell_that_is_no_date_is_missing(kind):
    rows = ROWS.assign(day=["see file", *ROWS.day[1:]])
    columns = [Column(name="day", kind=kind, date_format="%d/%m/%Y" if kind == "date" else "")]
    with pytest.raises(DataError, match=r"day: expected a time in every row, got 1 missing of 20"):
        split_table("time", "day", np.arange(20.0), columns, rows)


def test_text_tells_no_time():
    with pytest.raises(DataError, match=r"--split time:text: expected numbers or dates, .* got text such as 'later'"):
        split_table("time", "text", np.arange(20.0), COLUMNS, ROWS)


def test_a_group_is_on_one_side():
    train, test = split_table("group", "who", np.arange(20.0), COLUMNS, ROWS)
    assert set(ROWS.who[test]).isdisjoint(ROWS.who[train])
    assert len(set(ROWS.who[test])) == 1


def test_an_id_that_names_groups_stays_an_id():
    columns = Column(name="who", kind="id"), Column(name="n", kind="number")
    assert without_group(columns, "group", "who") == columns
    assert without_group(columns, "time", "n") == columns


def test_all_classes_with_training_rows_are_tested():
    values = np.array(["a", "b", "a"])
    test, notes = with_known_class(values, np.array([0, 1]), np.array([2]))
    assert (test.tolist(), notes) == ([2], [])
