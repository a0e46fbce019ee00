"""Data sets made of tables: files, data frames and mappings."""

import gzip
import warnings

import numpy as np
import pytest

import fastmlp
from fastmlp.data import load_data, load_labelled, load_samples
from fastmlp.data.options import TableOptions
from fastmlp.data.table import load_labelled_table, load_table
from fastmlp.errors import DataError, DataNotFoundError, DataTypeError, LeftOutWarning
from fastmlp.table.encoder import TableEncoder
from fastmlp.table.options import ReadOptions
from fastmlp.table.schema import TableSchema
from fastmlp.table.summary import summarise_reading

pd = pytest.importorskip("pandas")

pytestmark = pytest.mark.filterwarnings("ignore::fastmlp.errors.LeftOutWarning")

ROWS = 50


def animals():
    """Columns with a number, a category, an id, missing cells, and labels of three classes."""
    random = np.random.default_rng(0)
    weight = random.normal(20, 5, ROWS).round(2)
    return {
        "tag": [f"t{i:03}x" for i in range(ROWS)],
        "weight": [None if i % 10 == 3 else w for i, w in enumerate(weight)],
        "colour": [("black", "brown", "white")[i % 3] for i in range(ROWS)],
        "born": [f"{1 + i % 28:02}/03/20{10 + i % 5}" for i in range(ROWS)],
        "kind": [("cat", "dog", "owl")[i % 3] for i in range(ROWS)],
    }


@pytest.fixture
def animals_csv(tmp_path):
    pd.DataFrame(animals()).to_csv(tmp_path / "animals.csv", index=False)
    return tmp_path / "animals.csv"


def arrays_of(dataset):
    return dataset.X_train, dataset.targets()["y_train"], dataset.X_test, dataset.targets()["y_test"]


def assert_same(got, ref):
    for a, b in zip(arrays_of(got), arrays_of(ref), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_file_a_frame_a_mapping_and_npz_give_the_same_data_set(animals_csv, tmp_path):
    ref = load_data(animals_csv)
    assert ref.name == "animals"
    assert (ref.class_names, ref.task) == (("cat", "dog", "owl"), "classification")
    assert ref.table.feature_names[:5] == (
        "weight", "weight is missing", "colour = black", "colour = brown", "colour = white",
    )  # fmt: skip
    columns = animals()
    np.savez(tmp_path / "animals.npz", **{**columns, "weight": np.array(columns["weight"], dtype=float)})
    for source in (columns, pd.DataFrame(columns), pd.read_csv(animals_csv), tmp_path / "animals.npz"):
        assert_same(load_data(source), ref)
    polars = pytest.importorskip("polars")
    assert_same(load_data(polars.read_csv(animals_csv)), ref)


def test_the_suffix_of_a_file_does_not_matter(animals_csv, tmp_path):
    (tmp_path / "animals.txt").write_bytes(gzip.compress(animals_csv.read_bytes()))
    assert_same(load_data(tmp_path / "animals.txt"), load_data(animals_csv))


def test_statistics_are_those_of_the_training_rows():
    columns = {"a": [*np.linspace(0, 1, 40), *[100.0] * 10], "day": [*range(50)], "y": [0.5, 1.5] * 25}
    table = load_data(columns, split="time:day").table
    assert table.columns[0].fill == pytest.approx(0.5)


def test_a_split_by_time_holds_out_the_latest_rows():
    columns = {"when": [f"2024-01-{1 + i % 28:02}" for i in range(84)], "a": [*range(84)], "y": [0.5, 1.5, 3.0] * 28}
    dataset = load_data(columns, split="time:when")
    day = dataset.table.feature_names.index("when, day")
    assert dataset.X_train[:, day].max() < dataset.X_test[:, day].min()
    assert "the latest by 'when'" in dataset.table.reading["notes"][-1]


def test_a_split_by_group_holds_out_whole_groups_and_leaves_their_names_out():
    columns = {"who": [*"abcdefghij"] * 6, "a": np.arange(60.0), "y": [0, 1] * 30}
    dataset = load_data(columns, split="group:who")
    assert dataset.table.columns[0].kind == "left out"
    assert dataset.table.feature_names == ("a",)
    held_out = {columns["who"][int(a)] for a in dataset.X_test[:, 0]}
    assert held_out.isdisjoint(columns["who"][int(a)] for a in dataset.X_train[:, 0])
    assert len(held_out) == 2


@pytest.mark.parametrize("option", ["drop", "keep_as_id"])
def test_the_column_of_a_split_by_time_may_be_left_out_as_a_feature(option):
    columns = {"when": [f"{1 + i % 28:02}/01/2024" for i in range(84)], "a": [*range(84)], "y": [0.5, 1.5, 3.0] * 28}
    dataset = load_data(columns, split="time:when", **{option: ["when"]})
    days = {columns["when"][int(a)] for a in dataset.X_test[:, 0]}
    assert days == {f"{day}/01/2024" for day in range(24, 29)}


def test_test_rows_of_a_class_without_a_training_row_are_left_out_with_a_note():
    columns = {"who": [*"abcde"] * 8, "a": np.arange(40.0), "y": [*"xxxyz"] * 8}
    dataset = load_data(columns, split="group:who")
    assert set(dataset.classes) == set(dataset.classes[dataset.y_train])
    held_out = {columns["who"][int(a)] for a in dataset.X_test[:, 0]} if len(dataset.X_test) else set()
    assert not held_out & {"d", "e"} or "left out: " in dataset.table.reading["notes"][-1]


def test_the_kind_of_a_column_can_be_given():
    columns = animals() | {"code": [i % 4 for i in range(ROWS)]}
    table = load_data(columns, target="kind", kinds={"code": "category", "born": "date:%d/%m/%Y"}).table
    kinds = {column.name: column.kind for column in table.columns}
    assert (kinds["code"], kinds["born"], kinds["tag"]) == ("category", "date", "left out")
    with pytest.raises(DataError, match="--kind: expected other columns than the target, got 'kind'"):
        load_data(columns, target="kind", kinds={"kind": "number"})


def test_what_is_left_out_is_said_by_a_warning_and_by_the_summary():
    columns = animals() | {"unit": ["cm"] * ROWS}
    columns["kind"] = [None, *columns["kind"][1:]]
    message = "left out: columns 'tag', 'unit'; 1 rows without a value in 'kind'; dataset.summary.. says why"
    with pytest.warns(LeftOutWarning, match=message) as caught:
        dataset = load_data(columns, target="kind")
    assert caught[0].filename == __file__
    assert "  unit    left out" in dataset.summary()
    assert "constant: 'cm' in every row" in dataset.summary()
    with warnings.catch_warnings():
        warnings.simplefilter("error", LeftOutWarning)
        load_data({"a": np.arange(9.0), "b": ["x", "y", "z"] * 3, "y": np.arange(9) / 2}, drop=["b"])


def test_an_integer_that_is_a_name_and_another_position_is_no_target():
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 3)), columns=[2, 1, 0])
    with pytest.raises(DataError, match=r"got 0, which is the position of '2' and the name of another; .*: '0'"):
        load_data(frame, target=0)
    assert load_data(frame, target="0").table.target_position == 2


def test_rows_without_a_label_are_left_out_and_counted():
    columns = {"a": np.arange(30.0), "y": ["x", "z", None] * 10}
    dataset = load_data(columns)
    assert len(dataset.X_train) + len(dataset.X_test) == 20
    assert dataset.table.reading["rows_left_out"] == 10
    assert "target 'y': rows without a value are left out: 10 of 30" in dataset.table.reading["notes"]


def test_all_problems_are_told_at_once_with_their_options(animals_csv):
    with pytest.raises(DataError) as caught:
        load_data(animals_csv, target="sort", split="time:age", drop=["wieght"], task="multilabel")
    lines = str(caught.value).splitlines()
    assert lines[0] == "4 problems"
    assert [line.split(":")[0].strip() for line in lines[1:]] == [
        "--task",
        "--target",
        "--split",
        "--drop",
    ]
    assert "did you mean 'weight'?" in lines[4]


def test_a_bad_target_cell_is_named_by_its_line(tmp_path):
    (tmp_path / "x.csv").write_text("a,y\n\n1,2.5\n\n2,oops\n3,1\n4,2\n")
    with pytest.raises(DataError, match=r"'y': expected numbers for regression, .* first 'oops' in line 5"):
        load_data(tmp_path / "x.csv", task="regression")


@pytest.mark.parametrize("name", ["drop", "keep_as_id"])
def test_the_target_cannot_be_left_out(name):
    with pytest.raises(DataError, match="expected other columns than the target, got 'kind'"):
        load_data(animals(), **{name: ["kind"]})


# a test file


def test_a_test_file_is_the_test_set(animals_csv, tmp_path):
    frame = pd.DataFrame(animals())
    frame[["kind", "colour", "weight", "born"]].head(7).to_csv(tmp_path / "test.csv", index=False)
    dataset = load_data(animals_csv, test=tmp_path / "test.csv")
    assert len(dataset.X_train) == ROWS
    np.testing.assert_array_equal(dataset.X_test, dataset.X_train[:7])
    assert dataset.table.reading["notes"][-1] == "test set: the 7 rows of test.csv"


def test_a_test_file_may_lack_a_class_but_have_no_other(animals_csv, tmp_path):
    frame = pd.DataFrame(animals())
    frame[frame.kind != "owl"].to_csv(tmp_path / "test.csv", index=False)
    assert load_data(animals_csv, test=tmp_path / "test.csv").n_classes == 3
    frame.replace({"kind": {"owl": "ape"}}).to_csv(tmp_path / "test.csv", index=False)
    with pytest.raises(DataError, match=r"expected one of the classes 'cat', 'dog', 'owl', got 'ape' .*in line 4"):
        load_data(animals_csv, test=tmp_path / "test.csv")


def test_a_bad_target_cell_is_left_out_of_a_test_file_too(tmp_path):
    rows = [f"{i / 7:.3f},{i / 3:.2f}" for i in range(40)]
    (tmp_path / "train.csv").write_text("\n".join(["a,y", *rows]))
    (tmp_path / "test.csv").write_text("\n".join(["a,y", *rows[:20], "1,oops", "2,"]))
    dataset = load_data(tmp_path / "train.csv", test=tmp_path / "test.csv")
    assert len(dataset.X_test) == 20
    assert dataset.table.reading["notes"][-2:] == [
        "test set: the 20 rows of test.csv, without 2 that have no value in 'y'",
        "test set: target 'y': expected numbers, got other cells: 1, the first 'oops' in line 22; their rows are left "
        "out",
    ]
    _, y, _, _, text = load_labelled(str(tmp_path / "test.csv"), table=dataset.table, classes=None)
    assert len(y) == 20
    assert "the first 'oops' in line 22" in text


def test_a_test_file_without_the_target_or_that_does_not_exist_is_refused(animals_csv, tmp_path):
    (tmp_path / "test.csv").write_text("tag,b\n1,2\n3,4\n")
    with pytest.raises(
        DataError, match=r"--test: expected the target column in .*test\.csv, got an unknown column 'kind'"
    ):
        load_data(animals_csv, test=tmp_path / "test.csv")
    with pytest.raises(DataNotFoundError):
        load_data(animals_csv, test=tmp_path / "gone.csv")


def test_a_frame_may_have_a_frame_as_its_test_set(animals_csv):
    frame = pd.DataFrame(animals())
    dataset = load_data(frame, target="kind", test=frame.head(7))
    np.testing.assert_array_equal(dataset.X_test, dataset.X_train[:7])
    with pytest.raises(
        DataTypeError, match="test: expected the path of a table, as the training set is, got DataFrame"
    ):
        load_data(animals_csv, test=frame)
    with pytest.raises(DataTypeError, match="expected a data frame, as the training set is, got PosixPath"):
        load_data(frame, test=animals_csv)


def test_a_test_set_and_a_split_exclude_each_other(animals_csv):
    with pytest.raises(
        DataError, match="--split: expected none with a test set of its own, got both --split and --test"
    ):
        load_data(animals_csv, test=animals_csv, split="random")


# scaling


def test_whole_numbers_up_to_255_stay_bytes_and_images_share_one_scale():
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (40, 64))
    columns = {f"p{j}": pixels[:, j] for j in range(64)} | {"y": [0, 1] * 20}
    images = load_data(columns)
    assert (images.X_train.dtype, images.scale) == (np.uint8, "unit")
    ages = load_data({"age": random.integers(20, 60, 40), "rooms": random.integers(1, 9, 40), "y": [0, 1] * 20})
    assert (ages.X_train.dtype, ages.scale) == (np.uint8, "robust")
    np.testing.assert_allclose(np.median(ages.X_train * ages.scaling()[0] + ages.scaling()[1], axis=0), 0, atol=1e-12)
    assert load_data(columns, scale="none").scale == "none"


# labelled rows, and samples


def test_all_rows_of_a_table_are_evaluated(animals_csv):
    dataset = load_data(animals_csv)
    X, y, names, majority, text = load_labelled(str(animals_csv), table=dataset.table, classes=dataset.classes)
    assert (len(X), names, text) == (ROWS, None, f"all {ROWS} rows")
    assert y.tolist() == animals()["kind"]
    assert majority == pytest.approx(17 / ROWS)
    assert "kind" not in X


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["1", "0", None], np.array([0, 1])),
        ([1.0, 0.0, np.nan], np.array([0, 1])),
        ([True, False, None], [False, True]),
    ],
)
def test_labels_are_those_of_the_network_in_their_type(labels, classes):
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "y": pd.Series(labels, dtype=object)})
    _, y, _, text = load_labelled_table(frame, None, np.array(classes), (), None, ReadOptions())
    assert y.dtype == np.array(classes).dtype
    assert y.tolist() == [classes[1], classes[0]]
    assert "without 1 that have no value in 'y'" in text


def test_labels_of_other_classes_are_refused_not_counted_as_errors(animals_csv):
    table = load_data(animals_csv).table
    with pytest.raises(
        DataError, match="expected one of the classes '0', '1', got 'cat', 'dog', 'owl' in 50 of 50 rows"
    ):
        load_labelled(str(animals_csv), table=table, classes=np.array([0, 1]))


def test_a_table_without_the_target_column_is_no_test(animals_csv, tmp_path):
    table = load_data(animals_csv).table
    pd.DataFrame(animals()).drop(columns="kind").to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(DataError, match="expected the column 'kind' of the training table"):
        load_labelled(str(tmp_path / "new.csv"), table=table, classes=np.array(["cat", "dog"]))


def test_a_headerless_table_is_matched_by_position(tmp_path):
    rows = [f"{i / 7:.3f},{'ab'[i % 2]},{i % 5}" for i in range(40)]
    (tmp_path / "x.csv").write_text("\n".join(rows))
    dataset = load_data(tmp_path / "x.csv", target=1)
    assert dataset.table.feature_names == ("column_0", "column_2")
    X, y, _, _, _ = load_labelled(str(tmp_path / "x.csv"), table=dataset.table, classes=dataset.classes)
    assert y[:2].tolist() == ["a", "b"]
    assert list(X) == ["column_0", "column_2"]


def test_samples_of_a_table_are_its_rows(animals_csv, tmp_path):
    assert list(load_samples(animals_csv)) == list(animals())
    np.savez(tmp_path / "new.npz", X=np.eye(3))
    np.testing.assert_array_equal(load_samples(tmp_path / "new.npz"), np.eye(3))


# the whole way


def test_a_model_predicts_the_same_from_the_file_a_frame_and_npz(animals_csv, tmp_path):
    dataset = load_data(animals_csv)
    model = fastmlp.train(dataset, fastmlp.Config(hidden=(8,), n_epochs=3, batch_size=8)).model
    ref = model.predict_proba(load_samples(animals_csv))
    frame = pd.read_csv(animals_csv)
    columns = {name: frame[name].to_numpy() for name in frame}
    np.savez(tmp_path / "new.npz", **{name: c.astype(str) if c.dtype == object else c for name, c in columns.items()})
    for rows in (frame, frame[frame.columns[::-1]], frame.drop(columns="kind"), load_samples(tmp_path / "new.npz")):
        np.testing.assert_array_equal(model.predict_proba(rows), ref)
    with pytest.raises(DataError, match="missing: 'colour'"):
        model.predict(frame.drop(columns="colour"))


def test_a_table_loads_again_by_its_source(animals_csv):
    dataset = load_data(animals_csv, drop=["born"], split="random")
    again = load_data(dataset.source.name_or_path, **dataset.source.keywords())
    assert_same(again, dataset)
    assert isinstance(again.table, TableSchema)
    assert again.table == dataset.table


def test_a_small_table_is_refused_with_the_number_of_rows():
    with pytest.raises(DataError, match="expected at least 5 samples to hold a fifth out, got 4"):
        load_table({"a": [1.0, 2.0, 3.0, 4.5], "y": ["x", "z", "x", "z"]})


# files that are read as the training table


def rows_of_numbers(decimal):
    """100 rows of a number and a category that looks like numbers."""
    numbers = [f"{k // 10}{decimal}{k % 10}5" for k in range(100)]
    return [(number, ("1.10", "1.20", "N/1")[k % 3], "hoch" if k > 50 else "tief") for k, number in enumerate(numbers)]


@pytest.mark.parametrize("delimiter", [";", ","])
def test_decimal_commas_of_the_training_table_hold_for_each_row(delimiter, tmp_path):
    path = tmp_path / "train.csv"
    cells = [(f'"{number}"', *others) for number, *others in rows_of_numbers(",")]
    path.write_text("\n".join(map(delimiter.join, [("x", "v", "y"), *cells])) + "\n")
    table = load_data(path, target="y").table
    assert table.reading["read"]["decimal"] == ","
    assert [(column.kind, column.decimal) for column in table.columns] == [("number", ","), ("category", ".")]
    assert table.columns[1].levels == ("1.10", "1.20", "N/1")
    encoder, features = TableEncoder(table), []
    for others in ("", f'x{delimiter}"2,20"\n', f'"7,5"{delimiter}1\n{delimiter}\n'):
        (tmp_path / "new.csv").write_text(delimiter.join(("x", "v")) + f'\n{others}"1,234"{delimiter}1.10\n')
        frame = load_samples(tmp_path / "new.csv", table=table)
        assert len(frame) == 1 + others.count("\n")
        features.append(encoder.transform(frame)[-1].tolist())
    assert features == [[1.234, 1, 0, 0]] * 3


def test_a_test_file_is_read_as_the_training_table(tmp_path):
    rows = [f"{number};{release};{label}" for number, release, label in rows_of_numbers(",")]
    (tmp_path / "train.csv").write_text("\n".join(["x;v;y", *rows]))
    (tmp_path / "test.csv").write_text("x;v;y\n1,5;1.10;hoch\n")
    assert load_data(tmp_path / "train.csv", target="y", test=tmp_path / "test.csv").X_test.tolist() == [[1.5, 1, 0, 0]]
    (tmp_path / "test.csv").write_text("1,5;1.10;hoch\n2;1.20;tief\n")
    with pytest.warns(UserWarning, match="matched by position"):
        data = load_data(tmp_path / "train.csv", target="y", test=tmp_path / "test.csv")
    assert data.y_test.tolist() == [0, 1]


def test_the_target_cannot_split_the_rows_and_numbers_have_no_classes_to_stratify_by():
    columns = {"a": np.arange(40.0), "y": [i / 3 for i in range(20)] * 2}
    with pytest.raises(DataError, match="--split: expected another column than the target, got 'y'"):
        load_data(columns, split="time:y")
    with pytest.raises(DataError, match="--split: expected another split than stratified for regression"):
        load_data(columns, split="stratified")


def test_the_names_of_groups_have_no_kind():
    columns = {"who": [*"abcdefghij"] * 6, "a": np.arange(60.0) % 7, "y": [0, 1] * 30}
    with pytest.raises(DataError, match="--kind: expected none for 'who', which is no feature: it names the groups"):
        load_data(columns, split="group:who", kinds={"who": "category"})


#: Cells of a column, its kind as given, and a feature of the first row.
CELLS_AS_GIVEN = {
    "versions": (["1.10", "1.1", "1.20"], "category", "v = 1.10"),
    "months": (["2024.10", "2024.01", "2023.1"], "date:%Y.%m", "v, month"),
    "days": (["20240131", "20240201", "20231224"], "date:%Y%m%d", "v, day"),
    "signs": (["+1", "1", "-1"], "category", "v = +1"),
    "groups of digits": (["1,234", "1234", "5"], "category", "v = 1,234"),
    "decimal commas": (["1,10", "1,1", "2,5"], "category", "v = 1,10"),
    "whole numbers": (["7", "8", "9"], "category", "v = 7"),
    "mixed": (["3+", "2.0", "1e1"], "category", "v = 3+"),
    "booleans": (["TRUE", "FALSE", "FALSE"], "category", "v = true"),
}


@pytest.mark.parametrize("suffix", ["csv", "no header", "xlsx", "parquet", "arff"])
@pytest.mark.parametrize("cells", CELLS_AS_GIVEN)
def test_the_training_file_read_again_gives_the_training_features(cells, suffix, tmp_path):
    """A category or date that is given, rather than inferred, is read in training as it is in predict."""
    levels, kind, feature = CELLS_AS_GIVEN[cells]
    frame = pd.DataFrame({"x": np.arange(30) + 0.5, "v": levels * 10, "y": ["no", "yes", "yes"] * 10})
    path, name = tmp_path / "train", "v"
    if suffix == "csv":
        frame.to_csv(path, index=False)
    elif suffix == "no header":
        frame.to_csv(path, index=False, header=False)
        name, feature = "1", feature.replace("v", "column_1", 1)
    elif suffix == "xlsx":
        frame.to_excel(path, index=False, engine="openpyxl")
    elif suffix == "parquet":
        frame.to_parquet(path)
    else:
        rows = "\n".join(f"{x},'{v}',{y}" for x, v, y in frame.to_numpy())
        attributes = "@attribute x real\n@attribute v real\n@attribute y {no,yes}\n"
        path.write_text(f"@relation r\n{attributes}@data\n{rows}\n")
    data = load_data(path, target="-1", kinds={name: kind}, test=path)
    assert data.table.feature_names.count(feature) == 1
    np.testing.assert_array_equal(data.X_test, data.X_train)
    np.testing.assert_array_equal(
        TableEncoder(data.table).transform(load_samples(path, table=data.table)), data.X_train
    )
    place = data.table.feature_names.index(feature)
    expected = {"v, month": 10, "v, day": 19753, "column_1, month": 10, "column_1, day": 19753}.get(feature, 1)
    assert data.X_train[0, place] == expected


def test_numbers_and_dates_of_excel_are_the_same_levels_in_training_and_after(tmp_path):
    days = pd.to_datetime(["2024-01-31", "2024-02-01"] * 15)
    mixed = [2.0, "2"] * 15
    columns = {"v": [1.10, 2.0] * 15, "day": days, "mixed": mixed, "y": ["no", "yes"] * 15}
    pd.DataFrame(columns).to_excel(tmp_path / "x", index=False, engine="openpyxl")
    data = load_data(tmp_path / "x", kinds=dict.fromkeys(("v", "day", "mixed"), "category"), test=tmp_path / "x")
    assert [column.levels for column in data.table.columns] == [("1.1", "2"), ("2024-01-31", "2024-02-01"), ("2",)]
    np.testing.assert_array_equal(data.X_test, data.X_train)
    assert data.X_train[0].tolist() == [1, 0, 1, 0, 1]
    np.testing.assert_array_equal(
        TableEncoder(data.table).transform(pd.DataFrame(columns).drop(columns="y")), data.X_train
    )


@pytest.mark.parametrize("source", ["mapping", "file", "file with remarks"])
def test_the_decimal_point_of_the_target_is_that_of_the_training_table(source, tmp_path):
    columns = {"a": [*range(20)], "y": ["1,5", "2,25", "1,500", "2,250"] * 5}
    train = columns
    if source != "mapping":
        remark = ["oops"] if source == "file with remarks" else []
        columns = {"a": ["0,5", *range(19)], "y": [*columns["y"][2:4] * 10][: 20 - len(remark)] + remark}
        train = tmp_path / "train.csv"
        pd.DataFrame(columns).to_csv(train, sep=";", index=False)
    new = {"a": [1, 2], "y": ["1,500", "2,250"]}
    pd.DataFrame(new).to_csv(tmp_path / "new.csv", sep=";", index=False)
    data = load_table(train, TableOptions(target="y"), test=new)
    assert (data.task, data.table.target_decimal) == ("regression", ",")
    assert {*data.y_train.ravel().tolist()} == {1.5, 2.25}
    assert data.y_test.ravel().tolist() == [1.5, 2.25]
    for test in (new, tmp_path / "new.csv"):
        _, y, *_ = load_labelled_table(test, data.table, None, (), None, ReadOptions())
        assert y.tolist() == [1.5, 2.25]


def test_a_sparse_column_whose_test_rows_hold_a_remark_alone_is_loaded():
    size, rng = [None] * 100, np.random.default_rng(0)
    size[:40:2], size[90] = [f"{value:.2f}" for value in rng.random(20)], "see file"
    rows = {"size": size, "x": np.arange(100.0), "y": rng.random(100)}
    dataset = load_data(rows, target="y", split="time:x")
    assert "test set: column 'size': cells that are no numbers count as missing: 1" in str(
        dataset.table.reading["notes"]
    )


def test_errors_of_columns_name_the_sheet_that_was_read(tmp_path):
    path = tmp_path / "x.xlsx"
    with pd.ExcelWriter(path, engine="openpyxl") as book:
        pd.DataFrame({"Stand": ["Mai", "Juni"], "Autor": ["A", "B"]}).to_excel(book, sheet_name="Info", index=False)
        pd.DataFrame({"x": np.arange(20.0), "y": ["a", "b"] * 10}).to_excel(book, sheet_name="Daten", index=False)
    end = r"; the sheet read is 'Info', others: 'Daten'; --sheet chooses another$"
    with pytest.raises(DataError, match=r"--target: unknown column 'y'.*" + end):
        load_data(path, target="y")
    with pytest.raises(DataError, match=r"(?s)2 problems.*'y'.*'x'.*" + end):
        load_data(path, target="y", drop=["x"])
    summary = str(summarise_reading(load_data(path, target="y", sheet="Daten").table))
    assert "sheet Daten" in summary
    assert "other sheets" not in summary
